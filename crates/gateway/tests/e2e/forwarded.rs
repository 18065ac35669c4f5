//! Proxies in front: whose word on a caller's address is taken, and what hangs on it.

use serde_json::json;

use crate::{
    admin::{Api, platform_key},
    client::Answer,
    node::{Node, Site, ask, mocked, until},
    people::{PASSWORD, make_user},
};

const ANN: &str = "ann@example.com";

/// The loopback is one of our proxies.
fn behind_a_proxy(site: &Site, more: &str) {
    let file = site.file("nexus.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(file, format!("server: {{ trusted_proxies: [127.0.0.0/8]{more} }}\n{text}")).unwrap();
}

fn models(node: &Node<'_>, key: &str, headers: &[(&str, &str)]) -> u16 {
    let bearer = format!("Bearer {key}");
    let mut all = vec![("authorization", bearer.as_str())];
    all.extend(headers);
    node.request("GET", "/v1/models", &all, "").status
}

/// A key that may be used from one network.
fn bound_key(api: &Api<'_>, node: &Node<'_>) -> String {
    let team = api.make("/teams", &json!({ "name": "far" }))["id"].clone();
    let scope = json!({ "addresses": ["198.51.100.0/24"] });
    let made = api.make("/keys", &json!({ "level": "app", "team_id": team, "scope": scope }));
    let key = made["key"].as_str().unwrap().to_owned();
    until("the key is known", || (models(node, &key, &[]) != 401).then_some(()));
    key
}

#[test]
fn an_address_list_holds_for_the_address_our_proxies_vouch_for() {
    const NAME: &str = "x-forwarded-for";
    for (is_trusted, more, cases) in [
        (false, "", &[(NAME, "198.51.100.7", 403), ("forwarded", "for=198.51.100.7", 403)][..]),
        (
            true,
            "",
            &[
                (NAME, "198.51.100.7", 200),
                (NAME, "203.0.113.9, 198.51.100.7, 127.0.0.2", 200),
                (NAME, "198.51.100.7, 203.0.113.9", 403),
                (NAME, "198.51.100.7, unknown", 403),
                (NAME, "", 403),
                ("forwarded", "for=198.51.100.7", 403),
                ("x-real-ip", "198.51.100.7", 403),
            ],
        ),
        (
            true,
            ", forwarded_header: forwarded",
            &[
                ("forwarded", "for=198.51.100.7", 200),
                ("forwarded", "for=198.51.100.7;x=\", for=203.0.113.9", 403),
                (NAME, "198.51.100.7", 403),
            ],
        ),
    ] {
        let (_mock, site) = mocked(&[]);
        if is_trusted {
            behind_a_proxy(&site, more);
        }
        let key = platform_key(&site);
        let node = site.start();
        let api = Api::new(&node, &key);
        let bound = bound_key(&api, &node);
        for (name, value, status) in cases {
            assert_eq!(models(&node, &bound, &[(name, value)]), *status, "{is_trusted} {name}: {value}");
        }
    }
}

#[test]
fn bad_keys_and_the_trail_are_counted_under_the_address_behind_the_proxy() {
    let (_mock, site) = mocked(&[]);
    behind_a_proxy(&site, ", bad_keys_per_minute: 5");
    let key = platform_key(&site);
    let node = site.start();
    let from = |address: &str, key: &str| models(&node, key, &[("x-forwarded-for", address)]);
    let guesses: Vec<u16> = (0..12).map(|at| from("203.0.113.9", &format!("guess-{at}"))).collect();
    assert_eq!((guesses[0], *guesses.last().unwrap()), (401, 429), "{guesses:?}");
    // another address in front of the forged list does not wash the failures off
    assert_eq!(from("192.0.2.1, 203.0.113.9", "guess"), 429);
    assert_eq!(from("192.0.2.1", "guess"), 401);
    let (_, app) = site.key("app");
    until("the key calls", || (node.chat(&app, &ask("gpt")).status == 200).then_some(()));
    let api = Api::new(&node, &key);
    let forwarded = [("x-forwarded-for", "192.0.2.77")];
    assert_eq!(api.send("POST", "/teams", &forwarded, r#"{"name":"red"}"#).status, 201);
    let row = api.get("/audit-logs?action=team.create").json()["data"][0].clone();
    assert_eq!(row["address"], "192.0.2.77");
}

#[test]
fn who_fails_with_somebodys_email_elsewhere_does_not_lock_that_person_out() {
    let (_mock, site) = mocked(&[]);
    behind_a_proxy(&site, "");
    make_user(&site, ANN, "platform_admin");
    let node = site.start();
    let sign_in = |address: &str, password: &str| -> Answer {
        let headers = [("content-type", "application/json"), ("x-forwarded-for", address)];
        let body = json!({ "email": ANN, "password": password }).to_string();
        node.request("POST", "/admin/v1/session", &headers, &body)
    };
    let held_up = (0..30).find(|at| sign_in("203.0.113.9", &format!("guess {at}")).status == 429);
    assert!(held_up.is_some_and(|at| at >= 5), "{held_up:?}");
    assert_eq!(sign_in("203.0.113.9", PASSWORD).status, 429, "there the right one waits too");
    assert_eq!(sign_in("192.0.2.1", PASSWORD).status, 200);
    assert_eq!(sign_in("203.0.113.10", PASSWORD).status, 200);
}
