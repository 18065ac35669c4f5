//! Signing in with a password: the session's life, and what a browser may be made to do with it.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use serde_json::{Value, json};

use super::{Console, PASSWORD, cookies, make_user, sign_in};
use crate::{
    admin::{Api, assert_problem, assert_says, platform_key},
    node::{Node, mocked},
};

const ANN: &str = "ann@example.com";

#[test]
fn somebody_signs_in_works_and_signs_out_and_the_trail_knows() {
    let (_mock, site) = mocked(&[]);
    let key = platform_key(&site);
    let user = make_user(&site, "Ann@Example.com", "platform_admin");
    assert_says(
        &user,
        &json!({ "email": ANN, "name": "Ann@Example.com", "role": "platform_admin", "team_id": null,
                 "has_password": true, "is_active": true }),
    );
    let node = site.start();
    let entered = sign_in(&node, "ANN@example.com", PASSWORD);
    assert_eq!(entered.status, 200, "{}", entered.text());
    let body = entered.json();
    assert_says(&body["user"], &json!({ "id": user["id"], "version": 1 }));
    assert!(body["user"]["last_login_at"].is_i64());
    let [cookie] = &cookies(&entered)[..] else { panic!("{:?}", entered.headers) };
    let (pair, flags) = cookie.split_once(';').unwrap();
    assert!(pair.starts_with("__Host-nexus="), "{cookie}");
    assert_eq!(flags, " Path=/; Max-Age=43200; HttpOnly; SameSite=Strict; Secure");
    assert!(!entered.text().contains(pair.split_once('=').unwrap().1), "the token is in the cookie only");

    let console = Console::resume(&node, pair);
    assert_eq!(console.csrf_token, body["csrf_token"].as_str().unwrap());
    let (team, own) = (json!({ "name": "red" }), [("origin", "https://nexus.test")]);
    assert_eq!(console.change("POST", "/teams", &own, &team).status, 201);
    assert_eq!(console.get("/teams").json()["data"][0]["name"], "red");

    let again = Console::enter(&node, ANN, PASSWORD);
    assert_ne!(again.cookie, console.cookie);
    assert_eq!(console.get("/session").status, 200, "another browser's session goes on");

    let left = console.change("DELETE", "/session", &[], &Value::Null);
    assert_eq!(left.status, 204);
    assert_eq!(
        cookies(&left),
        ["__Host-nexus=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict; Secure".to_owned()]
    );
    assert_problem(&console.get("/session"), 401, "not_signed_in");
    assert_eq!(sign_in(&node, ANN, "a wrong password").status, 401);

    let trail = Api::new(&node, &key).get("/audit-logs?action=session.").json();
    let told: Vec<_> = trail["data"].as_array().unwrap().iter().rev().collect();
    let expected = [
        ("session.sign_in", "ok", "user"),
        ("session.sign_in", "ok", "user"),
        ("session.sign_out", "ok", "user"),
        ("session.sign_in", "denied", "unknown"),
    ];
    assert_eq!(told.len(), expected.len(), "{trail}");
    for (row, (action, outcome, actor)) in told.iter().zip(expected) {
        assert_says(
            row,
            &json!({ "action": action, "outcome": outcome, "actor_kind": actor, "actor_name": ANN }),
        );
    }
    assert_eq!(told[0]["after"], json!({ "proof": "password" }));
    assert!(!trail.to_string().contains(PASSWORD));
    let made = Api::new(&node, &key).get("/audit-logs?action=user.create").json();
    assert_says(&made["data"][0], &json!({ "actor_kind": "cli", "target_id": user["id"] }));
}

#[test]
fn a_change_must_be_asked_for_by_the_console_itself() {
    let (_mock, site) = mocked(&[]);
    make_user(&site, ANN, "platform_admin");
    let node = site.start();
    let console = Console::enter(&node, ANN, PASSWORD);
    let other = Console::enter(&node, ANN, PASSWORD);
    let own = console.csrf_token.as_str();
    for (headers, is_done) in [
        (&[][..], false),
        (&[("x-csrf-token", "")], false),
        (&[("x-csrf-token", other.csrf_token.as_str())], false),
        (&[("x-csrf-token", own), ("origin", "https://evil.example")], false),
        (&[("x-csrf-token", own), ("origin", "http://nexus.test")], false),
        (&[("x-csrf-token", own), ("origin", "null")], false),
        (&[("x-csrf-token", own)], true),
    ] {
        let answer = console.forge("POST", "/teams", headers, &json!({ "name": "red" }));
        assert_eq!(answer.status, if is_done { 201 } else { 403 }, "{headers:?}: {}", answer.text());
    }
    for method in ["PATCH", "DELETE"] {
        let path = "/teams/01981d3a-0000-7000-8000-000000000001";
        assert_problem(&console.forge(method, path, &[], &json!({})), 403, "forbidden");
    }
    let foreign = [("content-type", "application/json"), ("origin", "https://evil.example")];
    let body = json!({ "email": ANN, "password": PASSWORD }).to_string();
    let forged = node.request("POST", "/admin/v1/session", &foreign, &body);
    assert_problem(&forged, 403, "forbidden");
    // a key in a request decides alone
    let both = [("cookie", console.cookie.as_str()), ("authorization", "Bearer nonsense")];
    assert_problem(&node.request("GET", "/admin/v1/teams", &both, ""), 401, "not_signed_in");
}

#[test]
fn nobody_learns_why_a_sign_in_failed() {
    let (_mock, site) = mocked(&[]);
    make_user(&site, ANN, "platform_admin");
    make_user(&site, "off@example.com", "viewer");
    let node = site.start();
    let console = Console::enter(&node, ANN, PASSWORD);
    let users = console.get("/users").json();
    let off = users["data"].as_array().unwrap().iter().find(|user| user["role"] == "viewer").unwrap();
    let path = format!("/users/{}", off["id"].as_str().unwrap());
    let version = [("if-match", "\"1\"")];
    assert_eq!(console.change("PATCH", &path, &version, &json!({ "is_active": false })).status, 200);
    let failed: Vec<_> = [
        (ANN, "a wrong password"),
        (ANN, ""),
        ("nobody@example.com", PASSWORD),
        ("off@example.com", PASSWORD),
        ("no e-mail at all", PASSWORD),
    ]
    .into_iter()
    .map(|(email, password)| {
        let answer = sign_in(&node, email, password);
        assert_problem(&answer, 401, "wrong_credentials");
        assert!(cookies(&answer).is_empty());
        answer.body
    })
    .collect();
    assert!(failed.iter().all(|body| *body == failed[0]), "the same words for everybody");
}

#[test]
fn strangers_are_read_no_further_than_a_sign_in_is_long() {
    let (_mock, site) = mocked(&[]);
    let node = site.start();
    let json = ("content-type", "application/json");
    let long = json!({ "email": ANN, "password": "x".repeat(16 << 10) }).to_string();
    for (headers, body, status) in [
        (&[json][..], long.as_str(), 413),
        (&[], "{}", 415),
        (&[json], "{", 400),
        (&[json], "{}", 400),
        (&[json], r#"{"email":"a@b","password":"x","more":1}"#, 400),
        (&[json], r#"{"email":"a@b","password":1234567890123}"#, 400),
    ] {
        let answer = node.request("POST", "/admin/v1/session", headers, body);
        assert_eq!(answer.status, status, "{}", answer.text());
        assert!(!answer.text().contains("1234567890123"));
    }
    assert_problem(&node.request("GET", "/admin/v1/session/oidc", &[], ""), 404, "not_found");
    assert_problem(&node.request("GET", "/admin/v1/session", &[], ""), 401, "not_signed_in");
    assert_problem(&node.request("PUT", "/admin/v1/session", &[], ""), 401, "not_signed_in");
}

#[test]
fn guessing_is_slow_and_the_right_password_waits_too() {
    let (_mock, site) = mocked(&[]);
    make_user(&site, ANN, "platform_admin");
    let node = site.start();
    let mut held_up = None;
    for number in 0..30 {
        let answer = sign_in(&node, ANN, &format!("guess number {number}"));
        if answer.status == 429 {
            held_up = Some(answer);
            break;
        }
        assert_eq!(answer.status, 401, "{}", answer.text());
    }
    let held_up = held_up.unwrap();
    assert_problem(&held_up, 429, "too_many_tries");
    let wait_s: u64 = held_up.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait_s), "{wait_s}");
}

#[test]
fn another_password_and_being_switched_off_end_every_session() {
    let (_mock, site) = mocked(&[]);
    make_user(&site, ANN, "platform_admin");
    let bob = make_user(&site, "bob@example.com", "viewer");
    let node = site.start();
    let ann = Console::enter(&node, ANN, PASSWORD);
    let path = format!("/users/{}", bob["id"].as_str().unwrap());
    let steps = [
        (json!({ "password": "another password" }), "another password"),
        (json!({ "name": "Bob" }), "another password"),
        (json!({ "is_active": false }), ""),
    ];
    let mut password = PASSWORD;
    for (at, (patch, next)) in steps.iter().enumerate() {
        let sessions = [(); 2].map(|()| Console::enter(&node, "bob@example.com", password));
        let version = format!("\"{}\"", at + 1);
        let changed = ann.change("PATCH", &path, &[("if-match", &version)], patch);
        assert_eq!(changed.status, 200, "{}", changed.text());
        let goes_on = patch.get("name").is_some();
        for session in &sessions {
            assert_eq!(session.get("/session").status, if goes_on { 200 } else { 401 }, "{patch}");
        }
        assert_eq!(sign_in(&node, "bob@example.com", PASSWORD).status, 401, "the first password is gone");
        password = next;
    }
    assert_eq!(sign_in(&node, "bob@example.com", "another password").status, 401);
    let on = ann.change("PATCH", &path, &[("if-match", "\"4\"")], &json!({ "is_active": true }));
    assert_eq!(on.status, 200);
    let bob = Console::enter(&node, "bob@example.com", "another password");
    assert_eq!(ann.change("DELETE", &path, &[], &Value::Null).status, 204);
    assert_eq!(bob.get("/session").status, 401);
    assert_eq!(ann.get("/session").status, 200);
}

#[test]
fn a_role_that_changes_holds_at_once() {
    let (_mock, site) = mocked(&[]);
    make_user(&site, ANN, "platform_admin");
    let bob = make_user(&site, "bob@example.com", "viewer");
    let node = site.start();
    let ann = Console::enter(&node, ANN, PASSWORD);
    let session = Console::enter(&node, "bob@example.com", PASSWORD);
    assert_eq!(session.get("/users").status, 403);
    let path = format!("/users/{}", bob["id"].as_str().unwrap());
    let changed = ann.change("PATCH", &path, &[("if-match", "\"1\"")], &json!({ "role": "auditor" }));
    assert_eq!(changed.status, 200, "{}", changed.text());
    assert_eq!(session.get("/users").status, 200);
}

/// On this machine, without TLS, as when developing.
#[test]
fn a_loopback_host_gets_a_cookie_that_plain_http_keeps() {
    let (_mock, site) = mocked(&[]);
    make_user(&site, ANN, "platform_admin");
    let node = site.start();
    let body = json!({ "email": ANN, "password": PASSWORD }).to_string();
    let asked = |host: &str| {
        raw(
            &node,
            &format!(
                "POST /admin/v1/session HTTP/1.1\r\nhost: {host}\r\norigin: http://{host}\r\nconnection: close\r\n\
                 content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            ),
        )
    };
    let entered = asked("localhost:8080");
    let cookie = entered.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    assert!(cookie.starts_with("nexus-dev=") && cookie.ends_with("HttpOnly; SameSite=Strict"), "{cookie}");
    assert!(
        asked("gateway.example.com").starts_with("HTTP/1.1 403"),
        "an `http` origin is of no remote console"
    );
    let pair = cookie.split(';').next().unwrap();
    let shown = |host: &str| {
        let request = format!(
            "GET /admin/v1/session HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncookie: {pair}\r\n\r\n"
        );
        raw(&node, &request)
    };
    assert!(shown("127.0.0.1:8080").starts_with("HTTP/1.1 200"));
    assert!(shown("gateway.example.com").starts_with("HTTP/1.1 401"), "no name for another's cookie");
}

fn raw(node: &Node<'_>, request: &str) -> String {
    let mut socket = TcpStream::connect(node.site.api).unwrap();
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}
