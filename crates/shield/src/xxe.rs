//! Recognises bodies of XML, by what they are said to be and by what they begin with.
//!
//! The gateway reads no XML, so nothing is expanded here; what is found is an attempt. JSON and multipart are
//! content and never looked into: a prompt may ask about `<!DOCTYPE`.

mod utf7;

use std::borrow::Cow;

use crate::finding::{Finding, Kind, Position};

/// Bytes of a body that are looked at.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;

/// What declares a document type or an entity, or includes a file, squeezed: lower case, no blanks.
const DECLARATIONS: &[&str] = &["<!doctype", "<!entity", "www.w3.org/2001/xinclude"];

/// `<?xml` in EBCDIC, the one encoding in which a declaration shares no byte with ASCII.
const EBCDIC_XML: &[u8] = &[0x4c, 0x6f, 0xa7, 0x94, 0x93];

/// Whether a media type is one of XML (RFC 7303, sections 4 and 9): any case, with any parameters.
/// Of several in one header one is enough.
pub fn is_xml(content_type: &str) -> bool {
    content_type.split([';', ',']).any(|part| {
        let part = part.trim().to_ascii_lowercase();
        let Some((_, subtype)) = part.split_once('/').filter(|_| !part.contains('=')) else { return false };
        subtype.ends_with("+xml")
            || matches!(subtype, "xml" | "xml-dtd" | "xml-external-parsed-entity" | "x-xml")
    })
}

/// Looks for a document type or an entity in the first bytes of a body, in UTF-8, UTF-16, UTF-32 and UTF-7, with
/// or without a byte order mark. `None` for multipart, and for what begins as JSON does, whatever it is said to
/// be: these are content. Whether the type is one of XML, [`is_xml`] says.
pub fn inspect_body_head(content_type: &str, first_bytes: &[u8]) -> Option<Finding> {
    let head = first_bytes.get(..HEAD_BYTES_MAX).unwrap_or(first_bytes);
    if is_multipart(content_type) || begins_as_json(head) {
        return None;
    }
    let evidence = if head.starts_with(EBCDIC_XML) {
        Cow::Borrowed("pattern <?xml in ebcdic")
    } else {
        let declaration = declaration(head).or_else(|| declaration(&utf7::decoded(head)?))?;
        format!("pattern {declaration}").into()
    };
    Some(Finding { kind: Kind::Xxe, position: Position::Body, evidence })
}

fn is_multipart(content_type: &str) -> bool {
    let kind = content_type.trim_start().split_once('/').map(|(kind, _)| kind);
    kind.is_some_and(|kind| kind.eq_ignore_ascii_case("multipart"))
}

/// By the first byte that is neither blank nor of a byte order mark.
fn begins_as_json(head: &[u8]) -> bool {
    let first = head.iter().find(|byte| !is_blank(**byte) && !b"\xef\xbb\xbf\xfe\xff".contains(byte));
    first.is_some_and(|byte| b"{[\"-0123456789tfn".contains(byte))
}

fn declaration(head: &[u8]) -> Option<&'static str> {
    // Without its zeros ASCII text is the same in UTF-8, UTF-16 and UTF-32, of either order.
    let squeezed: Vec<u8> =
        head.iter().filter(|byte| !is_blank(**byte)).map(u8::to_ascii_lowercase).collect();
    DECLARATIONS.iter().copied().find(|text| memchr::memmem::find(&squeezed, text.as_bytes()).is_some())
}

fn is_blank(byte: u8) -> bool {
    byte == 0 || byte.is_ascii_whitespace()
}
