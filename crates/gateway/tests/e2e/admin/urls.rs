//! Every URL of the gateway, as its own table tells them: who comes in, how much strangers may send, what no cache
//! keeps.
//!
//! The list comes from the binary, so a URL that is added is tried here without being named.

use super::platform_key;
use crate::node::{Site, mocked};

/// The most a stranger may send.
const STRANGERS_BYTES: usize = 16 << 10;

struct Url {
    method: String,
    access: String,
    /// With an id that no row has in each place of one.
    path: String,
}

fn urls(site: &Site) -> Vec<Url> {
    let printed = site.run(&["config", "urls"]);
    let url = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [method, access, path] = words[..] else { panic!("{line}") };
        let mut filled = path.to_owned();
        while let (Some(from), Some(to)) = (filled.find('{'), filled.find('}')) {
            filled.replace_range(from..=to, "01981d3a-0000-7000-8000-000000000001");
        }
        Url { method: method.to_owned(), access: access.to_owned(), path: filled }
    };
    printed.lines().map(url).collect()
}

#[test]
fn nobody_comes_in_without_a_key_but_to_be_probed_and_to_sign_in() {
    let (mock, site) = mocked(&[]);
    let urls = urls(&site);
    let node = site.start();
    let open: Vec<_> = urls
        .iter()
        .filter(|url| url.access == "anyone")
        .map(|url| (url.method.as_str(), url.path.as_str()))
        .collect();
    let expected = [
        ("GET", "/healthz"),
        ("GET", "/readyz"),
        ("GET", "/console"),
        ("GET", "/console/01981d3a-0000-7000-8000-000000000001"),
        ("POST", "/admin/v1/session"),
        ("GET", "/admin/v1/session/oidc"),
        ("GET", "/admin/v1/session/oidc/callback"),
    ];
    assert_eq!(open, expected);
    assert!(urls.len() > 50);
    for Url { method, access, path } in urls.iter().filter(|url| url.access != "anyone") {
        for (headers, body) in [
            (&[][..], ""),
            (&[("authorization", "Bearer nonsense"), ("content-type", "application/json")], "{}"),
            (&[("cookie", "__Host-nexus=nonsense"), ("content-type", "application/json")], "{}"),
            (&[("x-forwarded-for", "127.0.0.1"), ("x-nexus-team", "red")], ""),
        ] {
            let answer = node.request(method, path, headers, body);
            // who goes on showing bad keys is told to stop, and comes in as little
            let has_guessed = answer.status == 429 && answer.text().contains("too many bad keys");
            let is_out = answer.status == 401 || (has_guessed && !headers.is_empty());
            assert!(is_out, "{method} {path} ({access}) {headers:?}: {} {}", answer.status, answer.text());
        }
    }
    assert!(mock.requests().is_empty());
}

#[test]
fn a_stranger_sends_sixteen_kibibytes_at_most() {
    let (_mock, site) = mocked(&[]);
    let node = site.start();
    for Url { method, path, .. } in urls(&site).iter().filter(|url| url.access == "anyone") {
        for (bytes, is_taken) in [(0, true), (STRANGERS_BYTES, true), (STRANGERS_BYTES + 1, false)] {
            let headers = [("content-type", "application/json")];
            let answer = node.request(method, path, &headers, &" ".repeat(bytes));
            assert_eq!(answer.status != 413, is_taken, "{method} {path} {bytes}: {}", answer.status);
        }
    }
}

#[test]
fn no_cache_keeps_what_was_told_to_a_key() {
    let (_mock, site) = mocked(&[]);
    let admin = platform_key(&site);
    let (_, app) = site.key("app");
    let node = site.start();
    for Url { method, access, path } in urls(&site).iter().filter(|url| url.access != "anyone") {
        for key in [admin.as_str(), app.as_str(), "nonsense"] {
            let bearer = format!("Bearer {key}");
            let answer = node.request(method, path, &[("authorization", &bearer)], "");
            let what = format!("{method} {path} ({access}): {}", answer.status);
            assert_eq!(answer.header("cache-control"), Some("no-store"), "{what}");
            let vary = answer.header("vary").unwrap_or_default();
            assert!(vary.split(", ").any(|name| name == "authorization"), "{what}: {vary}");
            assert!(answer.header("x-request-id").is_some(), "{what}");
        }
    }
}
