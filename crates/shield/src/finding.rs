//! What was recognised and where it stood; never the text itself, which may hold a secret.

use std::borrow::Cow;

/// Bytes in the longest evidence.
pub const EVIDENCE_BYTES_MAX: usize = 64;

/// Which attack. The words are metric labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    SqlInjection,
    /// A document type or an entity of XML: the way to files and addresses of the host.
    Xxe,
}

impl Kind {
    /// The word in metrics, logs and the audit trail.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::SqlInjection => "sql_injection",
            Kind::Xxe => "xxe",
        }
    }
}

/// Where a text stood in the request; it decides at what the text is taken apart. The words are metric labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Position {
    /// The path as it came, still encoded; also one segment of it.
    Path,
    /// The query as it came, without its `?`; also one parameter of it.
    Query,
    /// One header's value.
    Header,
    /// The value of a `Cookie` header.
    Cookie,
    /// The name of a key, a team, a model, an alias.
    Name,
    /// Any other field of the administration.
    Field,
    /// A part's name or filename.
    Multipart,
    /// The first bytes of a body.
    Body,
}

impl Position {
    /// Every position.
    pub const ALL: [Position; 8] = [
        Position::Path,
        Position::Query,
        Position::Header,
        Position::Cookie,
        Position::Name,
        Position::Field,
        Position::Multipart,
        Position::Body,
    ];

    /// The word in metrics, logs and the audit trail.
    pub fn as_str(self) -> &'static str {
        match self {
            Position::Path => "path",
            Position::Query => "query",
            Position::Header => "header",
            Position::Cookie => "cookie",
            Position::Name => "name",
            Position::Field => "field",
            Position::Multipart => "multipart",
            Position::Body => "body",
        }
    }
}

/// A recognised attack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub kind: Kind,
    pub position: Position,
    /// By what it was recognised, at most [`EVIDENCE_BYTES_MAX`] bytes: `fingerprint ` and a letter a token, or
    /// `pattern ` and words of ours. Nothing of it comes from the client.
    pub evidence: Cow<'static, str>,
}
