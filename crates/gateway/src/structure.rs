//! The structure of a request, looked at for attacks: path, query, header values. Never its body.
//!
//! What was found clean is remembered a worker by a keyed hash, so that the headers a client sends with every
//! request are looked at once. Headers that hold secrets or signatures are not structure and are passed over.

use std::{
    cell::RefCell,
    collections::HashSet,
    hash::{BuildHasher, RandomState},
};

use actix_web::HttpRequest;
use nexus_engine::arrival::Suspicion;
use nexus_shield::{Finding, Position, inspect};

use crate::inbound::GOOGLE;

/// Texts remembered as clean; one more begins anew.
const CLEAN_MAX: usize = 8192;

/// Headers that bear secrets, signatures or dates: no names, nothing a database sees.
const PASSED_OVER: [&str; 9] = [
    "authorization",
    "proxy-authorization",
    "api-key",
    "x-api-key",
    "x-goog-api-key",
    "signature",
    "signature-input",
    "content-digest",
    "x-csrf-token",
];

/// What one worker has found clean.
#[derive(Default)]
pub struct Clean {
    hashes: RefCell<HashSet<u64>>,
    key: RandomState,
}

impl Clean {
    /// The first attack in the request's structure, if there is one.
    pub fn suspicion(&self, request: &HttpRequest) -> Option<Suspicion> {
        let uri = request.uri();
        self.look(Position::Path, uri.path())
            .or_else(|| self.query(request))
            .or_else(|| {
                request.headers().iter().find_map(|(name, value)| {
                    if PASSED_OVER.contains(&name.as_str()) {
                        return None;
                    }
                    let position = if name == "cookie" { Position::Cookie } else { Position::Header };
                    self.look(position, std::str::from_utf8(value.as_bytes()).ok()?)
                })
            })
            .map(|Finding { kind, position, evidence }| Suspicion {
                kind: kind.as_str(),
                position: position.as_str(),
                evidence: evidence.into(),
            })
    }

    /// A query, but for the key that may be shown there.
    fn query(&self, request: &HttpRequest) -> Option<Finding> {
        let query = request.uri().query()?;
        if !request.path().starts_with(GOOGLE) {
            return self.look(Position::Query, query);
        }
        let others = query.split('&').filter(|pair| !pair.starts_with("key="));
        self.look(Position::Query, &others.collect::<Vec<_>>().join("&"))
    }

    fn look(&self, position: Position, text: &str) -> Option<Finding> {
        if is_plain(text) {
            return None;
        }
        let hash = self.key.hash_one((position, text));
        if self.hashes.borrow().contains(&hash) {
            return None;
        }
        let finding = inspect(position, text);
        if finding.is_none() {
            let mut hashes = self.hashes.borrow_mut();
            if hashes.len() >= CLEAN_MAX {
                hashes.clear();
            }
            hashes.insert(hash);
        }
        finding
    }
}

/// One word of letters, digits and the marks of paths, versions and media types: no attack fits in there.
fn is_plain(text: &str) -> bool {
    let mut before = 0;
    text.bytes().all(|byte| {
        let is_double = byte == b'-' && before == b'-';
        before = byte;
        !is_double
            && matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'_' | b'-' | b'+' | b':')
    })
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn suspect(request: TestRequest) -> Option<&'static str> {
        Clean::default().suspicion(&request.to_http_request()).map(|suspicion| suspicion.position)
    }

    #[test]
    fn structure_is_looked_at_and_secrets_are_not() {
        const ATTACK: &str = "1' UNION SELECT password FROM users--";
        let clean = || TestRequest::with_uri("/v1/models?limit=20&after=abc");
        assert_eq!(suspect(clean()), None);
        assert_eq!(suspect(clean().insert_header(("user-agent", "OpenAI/Python 2.1 (Linux; x86_64)"))), None);
        assert_eq!(suspect(clean().insert_header(("authorization", ATTACK))), None);
        assert_eq!(suspect(clean().insert_header(("x-title", ATTACK))), Some("header"));
        assert_eq!(suspect(clean().insert_header(("cookie", "a=1' OR '1'='1"))), Some("cookie"));
        assert_eq!(suspect(TestRequest::with_uri("/v1/models/x%27%20OR%20%271%27=%271")), Some("path"));
        assert_eq!(suspect(TestRequest::with_uri("/v1/models?id=1%27%20or%20%271%27=%271")), Some("query"));
        let keyed =
            |path: &str| TestRequest::with_uri(&format!("{path}?key=1%27%20or%20%271%27=%271&alt=sse"));
        assert_eq!(suspect(keyed("/v1beta/models")), None);
        assert_eq!(suspect(keyed("/v1/models")), Some("query"));
    }

    #[test]
    fn what_was_found_clean_is_not_looked_at_again_and_memory_is_bounded() {
        let clean = Clean::default();
        for number in 0..3 * CLEAN_MAX {
            assert_eq!(clean.look(Position::Header, &format!("agent {number}")), None);
        }
        assert!(clean.hashes.borrow().len() <= CLEAN_MAX);
        let attack = "1' OR '1'='1";
        assert!(
            clean.look(Position::Header, attack).is_some() && clean.look(Position::Header, attack).is_some()
        );
    }
}
