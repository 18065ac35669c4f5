//! What cannot be done is said in one form, names every member at fault, and tells strangers nothing.

use serde_json::json;

use super::{Api, assert_problem, platform_key};
use crate::node::mocked;

#[test]
fn everything_under_the_administration_answers_in_problems() {
    let (_mock, site) = mocked(&[]);
    let (_, app) = site.key("app");
    let key = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &key);
    let team = json!({ "name": "red" }).to_string();
    let typed = |kind: &str, body: &str| {
        let bearer = format!("Bearer {key}");
        node.request("POST", "/admin/v1/teams", &[("authorization", &bearer), ("content-type", kind)], body)
    };
    for (answer, status, code) in [
        (api.get("/nowhere"), 404, "not_found"),
        (api.get(""), 404, "not_found"),
        (api.get("/teams/"), 404, "not_found"),
        (api.get("/teams/not-an-id"), 404, "not_found"),
        (api.send("PUT", "/teams", &[], &team), 405, "method_not_allowed"),
        (api.send("OPTIONS", "/teams", &[], ""), 405, "method_not_allowed"),
        (api.get("/teams?nonsense=1"), 400, "bad_request"),
        (api.get("/teams?limit=0"), 400, "bad_request"),
        (api.get("/teams?limit=201"), 400, "bad_request"),
        (api.get("/teams?limit=x"), 400, "bad_request"),
        (api.get("/teams?cursor=x"), 400, "bad_cursor"),
        (typed("application/json", "{"), 400, "bad_request"),
        (typed("application/json", ""), 400, "bad_request"),
        (typed("application/json", r#"{"name":"a"} {}"#), 400, "bad_request"),
        (typed("application/json", r#"{"name":"a","name":"b"}"#), 400, "bad_request"),
        (typed("text/plain", &team), 415, "unsupported_media_type"),
        (typed("application/xml", "<team/>"), 415, "unsupported_media_type"),
        (typed("application/json", &format!("{{\"name\":\"{}\"}}", "x".repeat(1 << 20))), 413, "too_large"),
        (Api::new(&node, "nonsense").get("/teams"), 401, "not_signed_in"),
        (Api::new(&node, "nonsense").get("/nowhere"), 401, "not_signed_in"),
        (Api::new(&node, "nonsense").send("PUT", "/teams", &[], &team), 401, "not_signed_in"),
        (Api::new(&node, &app).get("/teams"), 403, "forbidden"),
        (Api::new(&node, &app).get("/nowhere"), 403, "forbidden"),
    ] {
        assert_problem(&answer, status, code);
    }
    assert_eq!(api.send("PUT", "/teams", &[], &team).header("allow"), Some("GET, POST"));
    assert_eq!(Api::new(&node, "nonsense").get("/teams").header("www-authenticate"), Some("Bearer"));
}

#[test]
fn every_member_at_fault_is_named() {
    let (_mock, site) = mocked(&[]);
    let key = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &key);
    let scope = json!({ "models": ["a", ""], "addresses": ["10.0.0.1"] });
    for (body, status, pointers) in [
        (json!({}), 400, vec![""]),
        (json!({ "nmae": "x" }), 400, vec!["/nmae"]),
        (json!({ "name": 1 }), 400, vec!["/name"]),
        (json!({ "name": "x", "scope": { "models": [1] } }), 400, vec!["/scope/models/0"]),
        (json!({ "name": "x", "scope": { "modles": [] } }), 400, vec!["/scope/modles"]),
        (json!({ "name": "x", "shield": "none" }), 400, vec!["/shield"]),
        (json!({ "name": "", "scope": scope }), 422, vec!["/name", "/scope/models/1", "/scope/addresses/0"]),
        (json!({ "name": "a\u{0}b" }), 422, vec!["/name"]),
        (json!({ "name": "x".repeat(101) }), 422, vec!["/name"]),
    ] {
        let answer = api.post("/teams", &body);
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
        let errors = answer.json()["errors"].as_array().unwrap().clone();
        let found: Vec<_> = errors.iter().map(|error| error["pointer"].as_str().unwrap()).collect();
        assert_eq!(found, pointers, "{body}");
    }
    assert_eq!(api.get("/teams").json()["data"], json!([]));
}

#[test]
fn a_request_with_an_idempotency_key_is_made_once() {
    let (_mock, site) = mocked(&[]);
    let key = platform_key(&site);
    let (_, other) = site.key("admin");
    let node = site.start();
    let (api, other) = (Api::new(&node, &key), Api::new(&node, &other));
    let body = |name: &str| json!({ "level": "admin", "name": name, "signing": "optional" }).to_string();
    let once = [("idempotency-key", "9b1f")];
    let first = api.send("POST", "/keys", &once, &body("a"));
    let again = api.send("POST", "/keys", &once, &body("a"));
    assert_eq!((first.status, again.status), (201, 201), "{}", first.text());
    assert_eq!(first.text(), again.text());
    for name in ["etag", "location"] {
        assert!(first.header(name).is_some());
        assert_eq!(first.header(name), again.header(name));
    }
    assert_problem(&api.send("POST", "/keys", &once, &body("b")), 422, "idempotency_key_reused");
    assert_problem(&api.send("POST", "/teams", &once, &body("a")), 400, "bad_request");
    let others = other.send("POST", "/keys", &once, &body("a"));
    assert_eq!(others.status, 201);
    assert_ne!(others.json()["id"], first.json()["id"]);
    assert_problem(&api.send("POST", "/keys", &[("idempotency-key", "")], &body("a")), 400, "bad_request");
    // a request that failed is not remembered
    let twice = [("idempotency-key", "77")];
    assert_problem(
        &api.send("POST", "/keys", &twice, &json!({ "level": "app" }).to_string()),
        422,
        "invalid",
    );
    assert_eq!(api.send("POST", "/keys", &twice, &body("c")).status, 201);
    let names: Vec<_> = api.get("/keys").json()["data"].as_array().unwrap().clone();
    let made = names.iter().filter(|key| key["name"] == "a").count();
    assert_eq!(made, 2, "one for each caller");
}

#[test]
fn the_description_and_the_page_made_of_it_are_served() {
    let (_mock, site) = mocked(&[]);
    let key = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &key);
    let described = api.get("/openapi.json");
    assert_eq!(described.header("content-type"), Some("application/json"));
    assert_eq!(described.json()["openapi"], "3.1.0");
    let page = api.get("/reference");
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
    assert!(page.text().contains("/admin/v1/teams/{id}"));
}
