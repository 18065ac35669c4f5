//! A request in the one form that both sides hash.

use std::collections::BTreeMap;

use super::{Request, Segments, hex_digest};

pub(super) struct CanonicalRequest {
    pub(super) text: String,
    /// Names of the headers that are signed, `;` between them.
    pub(super) signed_headers: String,
}

impl CanonicalRequest {
    /// Of the request with these headers in place of its own.
    pub(super) fn of(request: &Request<'_>, headers: &[(&str, &str)]) -> Self {
        let headers = joined(headers);
        let signed_headers = headers.keys().map(String::as_str).collect::<Vec<_>>().join(";");
        let lines: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let text = format!(
            "{}\n{}\n{}\n{lines}\n{signed_headers}\n{}",
            request.method,
            path(request.path, request.segments),
            query(request.query),
            hex_digest(request.body),
        );
        Self { text, signed_headers }
    }
}

/// Headers by their lower-case name, each with its values in their order and without needless spaces.
fn joined(headers: &[(&str, &str)]) -> BTreeMap<String, String> {
    let mut joined: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in headers {
        let value = value.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        joined
            .entry(name.to_ascii_lowercase())
            .and_modify(|known| {
                known.push(',');
                known.push_str(&value);
            })
            .or_insert(value);
    }
    joined
}

fn path(path: &str, segments: Segments) -> String {
    let path = if path.is_empty() { "/" } else { path };
    let mut kept = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." if segments == Segments::Normalised => {}
            ".." if segments == Segments::Normalised => drop(kept.pop()),
            segment => kept.push(encoded(segment.as_bytes())),
        }
    }
    if segments == Segments::AsTheyStand {
        return kept.join("/");
    }
    let end = if path.ends_with('/') && !kept.is_empty() { "/" } else { "" };
    format!("/{}{end}", kept.join("/"))
}

/// Parameters in the order of their encoded names, then values.
fn query(query: &str) -> String {
    let parameters = query.split('&').filter(|parameter| !parameter.is_empty());
    let mut parameters: Vec<(String, String)> = parameters
        .map(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            (encoded(&decoded(name)), encoded(&decoded(value)))
        })
        .collect();
    parameters.sort_unstable();
    let parameters: Vec<String> =
        parameters.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    parameters.join("&")
}

/// Percent-encoded but for the letters that RFC 3986 leaves free.
fn encoded(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(*byte))
            }
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Without percent-encoding; a `%` that begins none stays.
fn decoded(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let digits = after.first_chunk::<2>().filter(|_| *byte == b'%');
        let digits = digits.filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let value = digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        out.push(value.unwrap_or(*byte));
        rest = if value.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_encoded_once_more_than_it_is_sent() {
        for (sent, normalised, as_it_stands) in [
            ("", "/", "/"),
            ("/", "/", "/"),
            ("/model/a%3A0/converse", "/model/a%253A0/converse", "/model/a%253A0/converse"),
            ("/a//b/", "/a/b/", "/a//b/"),
            ("/a/./b", "/a/b", "/a/./b"),
            ("/a/../b", "/b", "/a/../b"),
            ("/../..", "/", "/../.."),
            ("/a b/\u{e4}~", "/a%20b/%C3%A4~", "/a%20b/%C3%A4~"),
        ] {
            assert_eq!(path(sent, Segments::Normalised), normalised, "{sent}");
            assert_eq!(path(sent, Segments::AsTheyStand), as_it_stands, "{sent}");
        }
    }

    #[test]
    fn parameters_are_sorted_and_encoded_exactly_once() {
        for (sent, expected) in [
            ("", ""),
            ("b=2&a=1", "a=1&b=2"),
            ("a=2&a=1", "a=1&a=2"),
            ("a", "a="),
            ("a=b=c", "a=b%3Dc"),
            ("a=%2F&b=/", "a=%2F&b=%2F"),
            ("a=100%&b=%zz", "a=100%25&b=%25zz"),
            ("&&a=1&", "a=1"),
        ] {
            assert_eq!(query(sent), expected, "{sent}");
        }
    }

    #[test]
    fn headers_of_one_name_are_joined_and_their_spaces_are_single() {
        let headers = [("B", " x   y "), ("a", "1"), ("b", "z")];
        let joined: Vec<(String, String)> = joined(&headers).into_iter().collect();
        assert_eq!(joined, [("a".into(), "1".into()), ("b".into(), "x y,z".into())]);
    }
}
