//! A request as it came in, before anything is known about it.

use std::net::IpAddr;

use bytes::Bytes;
use futures_core::Stream;

/// The client's body broke off, came too slowly, or was longer than allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyCut {
    /// The connection ended before the body did.
    Incomplete,
    /// The body's framing or coding is broken.
    Malformed,
}

/// The headers the pipeline looks at. Everything else a client sends decides nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Headers<'a> {
    pub authorization: Option<&'a str>,
    /// `api-key`, as Azure's SDK sends it.
    pub api_key: Option<&'a str>,
    /// `x-api-key`, as Anthropic's SDK sends it.
    pub x_api_key: Option<&'a str>,
    /// `x-goog-api-key`, or `key` of the query, as Google's SDK and its users send it.
    pub goog_api_key: Option<&'a str>,
    pub content_type: Option<&'a str>,
    pub content_encoding: Option<&'a str>,
    pub content_length: Option<u64>,
    pub content_digest: Option<&'a str>,
    pub signature: Option<&'a str>,
    pub signature_input: Option<&'a str>,
    pub idempotency_key: Option<&'a str>,
    pub cache_control: Option<&'a str>,
    /// `x-request-timeout-ms`: how long the client waits for an answer to begin.
    pub timeout_ms: Option<u64>,
    /// `anthropic-version`, as Anthropic's SDK sends it.
    pub anthropic_version: Option<&'a str>,
    /// `anthropic-beta`: what beyond that version a client wants.
    pub anthropic_beta: Option<&'a str>,
    /// `x-nexus-tags`: under what the usage is to be found, with commas in between.
    pub tags: Option<&'a str>,
}

impl<'a> Headers<'a> {
    /// One that goes along to a vendor that speaks the client's tongue, by its name in lower case.
    pub fn along(&self, name: &str) -> Option<&'a str> {
        match name {
            "anthropic-version" => self.anthropic_version,
            "anthropic-beta" => self.anthropic_beta,
            _ => None,
        }
    }
}

/// The request line, and where it came from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Line<'a> {
    pub method: &'a str,
    /// As it was sent, still escaped.
    pub path: &'a str,
    /// Without the question mark.
    pub query: Option<&'a str>,
    /// The caller's address; `None` where the connection has none.
    pub address: Option<IpAddr>,
}

/// Something in the request's structure that looks like an attack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspicion {
    pub kind: &'static str,
    /// Where it stands: a word such as `query`.
    pub position: &'static str,
    /// What gave it away, in a few bytes; never the whole text.
    pub evidence: Box<str>,
}

/// All of a request but its body.
#[derive(Clone, Debug, Default)]
pub struct Head<'a> {
    pub line: Line<'a>,
    pub headers: Headers<'a>,
    pub suspicion: Option<Suspicion>,
    /// Headers whose names begin with `x-`, by name in lower case: a target may be there for some of them only.
    pub others: Vec<(&'a str, &'a str)>,
}

/// A call on its way in; the body is still unread.
#[derive(Debug)]
pub struct Arrival<'a, B> {
    pub head: Head<'a>,
    pub body: B,
}

/// What a client's body is: pieces, and perhaps a cut at the end.
pub trait BodyStream: Stream<Item = Result<Bytes, BodyCut>> + Unpin + 'static {}

impl<S: Stream<Item = Result<Bytes, BodyCut>> + Unpin + 'static> BodyStream for S {}
