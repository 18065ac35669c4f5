//! Session keys: made by an application, bounded by it, and gone when it is.

use serde_json::{Value, json};

use super::{Api, platform_key};
use crate::{
    client::Answer,
    node::{Node, ask, mocked, until},
};

fn text(object: &Value, name: &str) -> String {
    object[name].as_str().unwrap_or_else(|| panic!("`{name}` of {object}")).to_owned()
}

fn ask_for(node: &Node<'_>, key: &str, wish: &Value) -> Answer {
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    node.request("POST", "/v1/session-keys", &headers, &wish.to_string())
}

/// An application key that is in force.
fn application(api: &Api<'_>, node: &Node<'_>, wish: Value) -> (String, String) {
    let team = text(&api.make("/teams", &json!({ "name": wish["name"] })), "id");
    let mut wish = wish;
    wish["level"] = json!("app");
    wish["team_id"] = json!(team);
    let made = api.make("/keys", &wish);
    let key = text(&made, "key");
    until("the key calls models", || (node.chat(&key, &ask("gpt")).status == 200).then_some(()));
    (text(&made, "id"), key)
}

#[test]
fn a_session_key_calls_models_within_its_bounds_and_falls_with_its_parent() {
    let (mock, site) = mocked(&[("other", "mock-gpt")]);
    let key = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &key);
    let (parent, app) = application(&api, &node, json!({ "name": "shop" }));
    let made = ask_for(&node, &app, &json!({ "models": ["gpt"], "expires_in_seconds": 60, "name": "ann" }));
    assert_eq!(made.status, 200, "{}", made.text());
    let made = made.json();
    let session = text(&made, "key");
    assert_eq!(made["expires_at"].as_i64().unwrap() - made["created_at"].as_i64().unwrap(), 60);
    assert_eq!((text(&made, "object"), text(&made, "parent_id")), ("session_key".to_owned(), parent.clone()));
    assert_eq!(node.chat(&session, &ask("gpt")).status, 200);
    assert_eq!(node.chat(&session, &ask("other")).status, 404);
    assert_eq!(node.chat(&app, &ask("other")).status, 200);

    let path = format!("/session-keys/{}", text(&made, "id"));
    let shown = api.get(&path).json();
    super::assert_says(
        &shown,
        &json!({ "level": "session", "parent_id": parent, "name": "ann", "scope": { "models": ["gpt"] },
                 "state": "active" }),
    );
    let listed = api.get(&format!("/session-keys?parent_id={parent}")).json();
    assert_eq!(listed["data"], json!([shown]));
    assert_eq!(api.get(&format!("/session-keys/{parent}")).status, 404, "an application key is none");

    let revoked = ask_for(&node, &app, &json!({})).json();
    assert_eq!(api.delete(&format!("/session-keys/{}", text(&revoked, "id"))).status, 204);
    until("the session key is refused", || {
        (node.chat(&text(&revoked, "key"), &ask("gpt")).status == 401).then_some(())
    });
    assert_eq!(node.chat(&session, &ask("gpt")).status, 200, "the others stand");
    assert_eq!(api.delete(&format!("/keys/{parent}")).status, 204);
    until("the session key falls", || (node.chat(&session, &ask("gpt")).status == 401).then_some(()));
    assert_eq!(api.get(&path).json()["state"], "revoked");
    assert!(!mock.requests().is_empty());
}

#[test]
fn a_session_key_never_has_more_than_its_parent() {
    let (_mock, site) = mocked(&[]);
    let key = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &key);
    let scope = json!({ "models": ["gpt*"], "addresses": ["127.0.0.0/8"] });
    let (_, app) =
        application(&api, &node, json!({ "name": "shop", "scope": scope, "expires_in_seconds": 600 }));
    for (wish, status, param) in [
        (json!({ "models": ["gpt-4"] }), 200, None),
        (json!({ "models": [] }), 200, None),
        (json!({ "models": ["*"] }), 403, Some("models")),
        (json!({ "addresses": ["0.0.0.0/0"] }), 403, Some("addresses")),
        (json!({ "expires_in_seconds": 29 }), 400, Some("expires_in_seconds")),
        (json!({ "expires_in_seconds": 86_401 }), 400, Some("expires_in_seconds")),
        (json!({ "max_requests": 0 }), 400, Some("max_requests")),
        (json!({ "models": ["a", ""] }), 400, Some("models.1")),
        (json!({ "model": "a" }), 400, Some("model")),
        (json!([]), 400, None),
    ] {
        let answer = ask_for(&node, &app, &wish);
        assert_eq!(answer.status, status, "{wish}: {}", answer.text());
        assert_eq!(answer.json()["error"]["param"].as_str(), param, "{wish}: {}", answer.text());
    }
    let long = ask_for(&node, &app, &json!({ "expires_in_seconds": 86_400 })).json();
    assert!(long["expires_at"].as_i64().unwrap() - long["created_at"].as_i64().unwrap() <= 600);
    let session = text(&long, "key");
    assert_eq!(ask_for(&node, &session, &json!({})).status, 403, "a session key makes none");
    assert_eq!(ask_for(&node, &key, &json!({})).status, 403, "an admin key makes none");
    assert_eq!(ask_for(&node, "nonsense", &json!({})).status, 401);
}

#[test]
fn a_session_key_is_good_for_so_many_requests() {
    let (_mock, site) = mocked(&[]);
    let key = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &key);
    let (_, app) = application(&api, &node, json!({ "name": "shop" }));
    let made = ask_for(&node, &app, &json!({ "max_requests": 2 })).json();
    assert_eq!(made["max_requests"], 2);
    let session = text(&made, "key");
    let statuses = [0; 3].map(|_| node.chat(&session, &ask("gpt")).status);
    assert_eq!(statuses[..2], [200, 200]);
    assert_eq!(statuses[2] / 100, 4, "{statuses:?}");
}

#[test]
fn a_key_has_only_so_many_session_keys_and_one_that_is_revoked_makes_room() {
    let (_mock, site) = mocked(&[]);
    let key = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &key);
    let most = |value: u64| {
        let body = json!({ "value": value }).to_string();
        let answer = api.send("PUT", "/settings/session_keys_per_key", &[], &body);
        assert_eq!(answer.status, 200, "{}", answer.text());
    };
    let (_, app) = application(&api, &node, json!({ "name": "shop" }));
    let (_, other) = application(&api, &node, json!({ "name": "other" }));
    most(2);
    let make = |app: &str| ask_for(&node, app, &json!({ "expires_in_seconds": 30 }));
    let made = make(&app).json();
    assert_eq!(make(&app).status, 200);
    let refused = make(&app);
    assert_eq!(refused.status, 429, "{}", refused.text());
    let error = refused.json()["error"].clone();
    assert_eq!(error["code"], "rate_limit_exceeded");
    assert!(text(&error, "message").contains("raise `session_keys_per_key`"), "{error}");
    assert_eq!(make(&other).status, 200, "every key has its own");
    assert_eq!(node.chat(&text(&made, "key"), &ask("gpt")).status, 200, "those there are stay good");

    assert_eq!(api.delete(&format!("/session-keys/{}", text(&made, "id"))).status, 204);
    assert_eq!([make(&app).status, make(&app).status], [200, 429]);
    most(3);
    assert_eq!([make(&app).status, make(&app).status], [200, 429]);
}
