//! Takes a text apart where its position is a list: segments, parameters, cookies.
//!
//! Parts are cut before anything is decoded, as a server does it. The whole is a part too: a separator may
//! belong to the attack. However many separators there are, there are never more than [`PIECES_MAX`] pieces.

use crate::finding::Position;

/// Pieces a text is cut into; the last holds the rest.
const PIECES_MAX: usize = 64;

/// The parts of a text: of each piece its value first, the whole last.
pub(super) fn parts(position: Position, text: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    match position {
        Position::Path => parts.extend(pieces(text, b'/', b'*')),
        Position::Query => named(&mut parts, pieces(text, b'&', b'&')),
        Position::Cookie => named(&mut parts, pieces(text, b';', b';').map(<[u8]>::trim_ascii)),
        Position::Header => parts.extend(credential(text)),
        Position::Name | Position::Field | Position::Multipart | Position::Body => {}
    }
    if !parts.contains(&text) {
        parts.push(text);
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// Cuts at a separator, but not where it touches `glue`: the `/` of `/*` ends no segment.
fn pieces(text: &[u8], separator: u8, glue: u8) -> impl Iterator<Item = &[u8]> {
    let ends = memchr::memchr_iter(separator, text).filter(move |at| {
        let before = at.checked_sub(1).and_then(|before| text.get(before));
        let after = text.get(at.saturating_add(1));
        before != Some(&glue) && after != Some(&glue)
    });
    let ends = ends.take(PIECES_MAX - 1).chain([text.len()]);
    let mut start = 0;
    ends.filter_map(move |end| {
        let piece = text.get(start..end);
        start = end.saturating_add(1);
        piece
    })
}

/// Of each `name=value` the value, and the two together.
fn named<'a>(parts: &mut Vec<&'a [u8]>, pieces: impl Iterator<Item = &'a [u8]>) {
    for piece in pieces {
        let value = memchr::memchr(b'=', piece).and_then(|at| piece.get(at.saturating_add(1)..));
        parts.extend(value);
        parts.push(piece);
    }
}

/// What follows the scheme in `Authorization: Bearer ...`.
fn credential(text: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = text.split_at_checked(memchr::memchr(b' ', text)?)?;
    let is_known =
        [&b"bearer"[..], b"basic", b"token"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
    is_known.then(|| rest.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_cut_into_its_pieces_and_kept_whole() {
        let cases: &[(Position, &str, &[&str])] = &[
            (Position::Path, "/v1/models", &["v1", "models", "/v1/models"]),
            (Position::Path, "/a/'/**/or/**/1/b", &["a", "'/**/or/**/1", "b", "/a/'/**/or/**/1/b"]),
            (Position::Query, "limit=20&flag", &["20", "limit=20", "flag", "limit=20&flag"]),
            (Position::Query, "q=1&&1=1", &["1&&1=1", "q=1&&1=1"]),
            (Position::Query, "a==b", &["=b", "a==b"]),
            (Position::Query, "", &[]),
            (Position::Cookie, "a=1; b=2", &["1", "a=1", "2", "b=2", "a=1; b=2"]),
            (Position::Header, "bearer  x y", &["x y", "bearer  x y"]),
            (Position::Header, "Team x", &["Team x"]),
            (Position::Name, "a/b&c=d", &["a/b&c=d"]),
        ];
        for (position, text, expected) in cases {
            let found: Vec<_> = parts(*position, text.as_bytes())
                .iter()
                .map(|part| std::str::from_utf8(part).unwrap())
                .collect();
            assert_eq!(&found, expected, "{text}");
        }
    }

    #[test]
    fn a_thousand_separators_make_no_thousand_parts() {
        let text = "a=b&".repeat(1000);
        let parts = parts(Position::Query, text.as_bytes());
        assert_eq!(parts.len(), 2 * PIECES_MAX + 1);
        let rest = parts[parts.len() - 2];
        assert_eq!(rest.len(), text.len() - 4 * (PIECES_MAX - 1));
    }
}
