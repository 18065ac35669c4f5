//! Keys whose requests must be signed: in the administration, and where session keys are made.

use nexus_keystore::{
    request_signature::{Proof, Request, sign},
    secret::Secret,
};
use serde_json::{Value, json};

use super::{Api, assert_problem, platform_key};
use crate::{
    client::Answer,
    node::{Node, mocked},
};

/// A key and what it signs with.
struct Signer<'a> {
    node: &'a Node<'a>,
    key: String,
    id: String,
    secret: Secret,
    /// The gateway's own time when the key was made, in Unix seconds.
    created_s: i64,
}

impl<'a> Signer<'a> {
    fn new(node: &'a Node<'a>, made: &Value) -> Self {
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        let secret = Secret::new(text("signing_secret"));
        Self {
            node,
            key: text("key"),
            id: text("id"),
            secret,
            created_s: made["created_at"].as_i64().unwrap(),
        }
    }

    /// Sends `body` with a signature over `signed`.
    fn send(&self, method: &str, path: &str, nonce: &str, signed: &str, body: &str) -> Answer {
        let request = Request { method, path, ..Request::default() };
        let proof = Proof { created_s: self.created_s, nonce: nonce.to_owned() };
        let stamp = sign(&request, signed.as_bytes(), &self.secret, &self.id, &proof).unwrap();
        let bearer = format!("Bearer {}", self.key);
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
            ("content-digest", &stamp.content_digest),
            ("signature-input", &stamp.signature_input),
            ("signature", &stamp.signature),
        ];
        self.node.request(method, path, &headers, body)
    }
}

#[test]
fn an_admin_key_that_must_sign_does_nothing_unsigned_altered_or_twice() {
    let (_mock, site) = mocked(&[]);
    let key = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &key);
    let made = api.make("/keys", &json!({ "level": "admin", "signing": "required" }));
    let signer = Signer::new(&node, &made);
    assert_problem(&Api::new(&node, &signer.key).get("/teams"), 401, "not_signed_in");
    let list = |nonce: &str| signer.send("GET", "/admin/v1/teams", nonce, "", "");
    assert_eq!(list("nonce-01").status, 200);
    assert_problem(&list("nonce-01"), 401, "not_signed_in");
    let (red, blue) = (r#"{"name":"red"}"#, r#"{"name":"blue"}"#);
    let make = |nonce: &str, body: &str| signer.send("POST", "/admin/v1/teams", nonce, red, body);
    assert_problem(&make("nonce-02", blue), 401, "not_signed_in");
    assert_eq!(make("nonce-03", red).status, 201);
    let names: Vec<_> = api.get("/teams").json()["data"].as_array().unwrap().clone();
    assert_eq!(names.iter().map(|team| &team["name"]).collect::<Vec<_>>(), ["red"]);
}

#[test]
fn an_application_that_must_sign_makes_no_session_key_unsigned() {
    let (_mock, site) = mocked(&[]);
    let key = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &key);
    let team = api.make("/teams", &json!({ "name": "red" }))["id"].clone();
    let made = api.make("/keys", &json!({ "level": "app", "team_id": team, "signing": "required" }));
    let signer = Signer::new(&node, &made);
    let bearer = format!("Bearer {}", signer.key);
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    assert_eq!(node.request("POST", "/v1/session-keys", &headers, "{}").status, 401);
    let ask = |nonce: &str, body: &str| signer.send("POST", "/v1/session-keys", nonce, "{}", body);
    assert_eq!(ask("nonce-01", r#"{"max_requests":9}"#).status, 401);
    let made = ask("nonce-02", "{}");
    assert_eq!(made.status, 200, "{}", made.text());
}

#[test]
fn a_signature_that_was_used_is_used_up_after_the_node_died_and_came_back() {
    let (_mock, site) = mocked(&[]);
    let key = platform_key(&site);
    let node = site.start();
    let made = Api::new(&node, &key).make("/keys", &json!({ "level": "admin", "signing": "required" }));
    // a signer whose clock is ahead: what it signed is still good when the node is there again
    let ask = |node: &Node<'_>, nonce: &str| {
        let signer = Signer::new(node, &made);
        let created_s = signer.created_s + 200;
        Signer { created_s, ..signer }.send("GET", "/admin/v1/teams", nonce, "", "")
    };
    assert_eq!(ask(&node, "nonce-01").status, 200);
    drop(node);
    let node = site.start();
    let again = ask(&node, "nonce-01");
    assert_problem(&again, 401, "not_signed_in");
    assert!(again.text().contains("nonce_replayed"), "{}", again.text());
    assert_eq!(ask(&node, "nonce-02").status, 200);
}
