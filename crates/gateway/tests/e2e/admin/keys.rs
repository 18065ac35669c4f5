//! Keys: made once, shown without their secret, never more than their maker, in force and out of force.

use serde_json::{Value, json};

use super::{Api, assert_problem, assert_says, platform_key};
use crate::node::{Node, ask, mocked, until};

fn text(object: &Value, name: &str) -> String {
    object[name].as_str().unwrap_or_else(|| panic!("`{name}` of {object}")).to_owned()
}

fn team(api: &Api<'_>, name: &str, scope: Value) -> String {
    text(&api.make("/teams", &json!({ "name": name, "scope": scope })), "id")
}

/// Waits until a key calls models, or does not any more.
#[track_caller]
fn until_calls(node: &Node<'_>, key: &str, status: u16) {
    until("the key is in the state it should be", || {
        (node.chat(key, &ask("gpt")).status == status).then_some(())
    });
}

#[test]
fn every_member_of_a_key_is_kept_shown_and_changed() {
    let (_mock, site) = mocked(&[]);
    let key = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &key);
    let red = team(&api, "red", json!({}));
    let scope = json!({ "models": ["gpt*"], "providers": ["mock"], "addresses": ["127.0.0.0/8"] });
    let both = [
        json!({ "level": "app", "team_id": red, "name": "front", "scope": scope, "form": "jwt", "signing": "off" }),
        json!({ "level": "app", "team_id": red, "name": "", "scope": {}, "form": "opaque", "signing": "optional" }),
        json!({ "level": "admin", "team_id": red, "role": "viewer", "name": "eyes", "form": "opaque" }),
        json!({ "level": "admin", "team_id": null, "role": "auditor", "scope": scope, "signing": "required" }),
    ];
    for said in both {
        let mut wish = said.clone();
        wish["expires_in_seconds"] = json!(3600);
        let answer = api.post("/keys", &wish);
        assert_eq!(answer.status, 201, "{}", answer.text());
        let mut made = answer.json();
        assert_says(&made, &said);
        let path = format!("/keys/{}", text(&made, "id"));
        assert_eq!(answer.header("location"), Some(format!("/admin/v1{path}").as_str()));
        let members = made.as_object_mut().unwrap();
        let secret = members.remove("key").unwrap().as_str().unwrap().to_owned();
        let signing_secret = members.remove("signing_secret").unwrap();
        assert_eq!(signing_secret.is_string(), said["signing"] != "off" && said["signing"].is_string());
        assert_eq!(text(&made, "last_four"), secret[secret.len() - 4..]);
        assert_eq!(secret.starts_with("sk-nexus-"), said["form"] == "opaque");
        assert_eq!(made["expires_at"].as_i64().unwrap() - made["created_at"].as_i64().unwrap(), 3600);
        assert_says(&made, &json!({ "state": "active", "expires_soon": true, "is_disabled": false }));
        let shown = api.get(&path);
        assert_eq!(shown.json(), made);
        assert!(!shown.text().contains(&secret));

        let mut now = made;
        for change in [
            json!({ "name": "renamed" }),
            json!({ "scope": { "models": ["a"], "addresses": [] } }),
            json!({ "scope": {} }),
            json!({ "signing": "required" }),
            json!({ "signing": "off" }),
            json!({ "is_disabled": true }),
            json!({ "is_disabled": false }),
        ] {
            let answer = api.patch(&path, &now["version"], &change);
            assert_eq!(answer.status, 200, "{change}: {}", answer.text());
            let changed = answer.json();
            let mut expected = now;
            for (name, value) in change.as_object().unwrap() {
                expected[name] = value.clone();
            }
            let is_disabled = changed["is_disabled"] == true;
            expected["state"] = json!(if is_disabled { "disabled" } else { "active" });
            expected["expires_soon"] = json!(!is_disabled);
            for own in ["version", "updated_at"] {
                expected[own] = changed[own].clone();
            }
            assert_eq!(changed, expected);
            assert_eq!(api.get(&path).json(), changed);
            now = changed;
        }
    }
}

#[test]
fn a_role_is_changed_given_back_and_never_raised_beyond_the_team() {
    let (_mock, site) = mocked(&[]);
    let key = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &key);
    let red = team(&api, "red", json!({}));
    let made = api.make("/keys", &json!({ "level": "admin", "team_id": red }));
    let path = format!("/keys/{}", text(&made, "id"));
    assert_eq!(made["role"], "team_admin");
    let change = |version: u32, role: Value| api.patch(&path, &json!(version), &json!({ "role": role }));
    assert_eq!(change(1, json!("viewer")).json()["role"], "viewer");
    assert_eq!(change(2, json!(null)).json()["role"], "team_admin");
    assert_problem(&change(3, json!("platform_admin")), 403, "forbidden");
    let app = api.make("/keys", &json!({ "level": "app", "team_id": red }));
    let path = format!("/keys/{}", text(&app, "id"));
    assert_eq!(app["role"], json!(null));
    assert_problem(&api.patch(&path, &json!(1), &json!({ "role": "viewer" })), 422, "invalid");
}

#[test]
fn a_wish_that_cannot_be_is_refused_member_by_member() {
    let (_mock, site) = mocked(&[]);
    let key = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &key);
    let red = team(&api, "red", json!({}));
    for (wish, pointer) in [
        (json!({ "level": "app" }), "/team_id"),
        (json!({ "level": "app", "team_id": "01981d3a-0000-7000-8000-000000000001" }), "/team_id"),
        (json!({ "level": "app", "team_id": red, "role": "viewer" }), "/role"),
        (json!({ "level": "app", "team_id": red, "expires_in_seconds": 59 }), "/expires_in_seconds"),
        (
            json!({ "level": "app", "team_id": red, "expires_in_seconds": 3654 * 86_400 }),
            "/expires_in_seconds",
        ),
        (json!({ "level": "app", "team_id": red, "expires_at": 1_000_000_000 }), "/expires_at"),
        (
            json!({ "level": "app", "team_id": red, "expires_in_seconds": 60, "expires_at": 4_000_000_000_u32 }),
            "/expires_at",
        ),
        (json!({ "level": "app", "team_id": red, "name": "a\tb" }), "/name"),
    ] {
        let answer = api.post("/keys", &wish);
        assert_problem(&answer, 422, "invalid");
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{wish}");
    }
    for level in ["session", "root"] {
        assert_problem(&api.post("/keys", &json!({ "level": level, "team_id": red })), 400, "bad_request");
    }
}

#[test]
fn nobody_makes_a_key_that_reaches_further_than_they_do() {
    let (_mock, site) = mocked(&[]);
    let key = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &key);
    let red = team(&api, "red", json!({ "models": ["gpt*"] }));
    let wish = |scope: Value| json!({ "level": "app", "team_id": red, "scope": scope });
    // beyond the team, even for the platform
    let beyond = api.post("/keys", &wish(json!({ "models": ["claude"] })));
    assert_problem(&beyond, 403, "forbidden");
    assert_eq!(beyond.json()["errors"][0]["pointer"], "/scope/models");
    assert_eq!(api.make("/keys", &wish(json!({})))["scope"], json!({}));
    // beyond the maker: its bounds are copied where the wish has none
    let bounds = json!({ "addresses": ["127.0.0.0/8"] });
    let bound = api.make("/keys", &json!({ "level": "admin", "team_id": red, "scope": bounds }));
    let bound = Api::fresh(&node, &text(&bound, "key"));
    assert_eq!(bound.make("/keys", &wish(json!({})))["scope"], bounds);
    assert_problem(&bound.post("/keys", &wish(json!({ "addresses": ["0.0.0.0/0"] }))), 403, "forbidden");
    let free = api.make("/keys", &wish(json!({})));
    let again = bound.make(&format!("/keys/{}/rotate", text(&free, "id")), &json!({}));
    assert_eq!(again["scope"], bounds, "not by replacing another either");
    let path = format!("/keys/{}", text(&again, "id"));
    assert_problem(
        &bound.patch(&path, &json!(1), &json!({ "scope": { "addresses": ["::/0"] } })),
        403,
        "forbidden",
    );
    // a denial is in the trail
    let denied = api.get("/audit-logs?outcome=denied&action=key.").json();
    let actions: Vec<_> = denied["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["action"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(actions, ["key.update", "key.create", "key.create"]);
}

#[test]
fn a_key_is_in_force_soon_and_out_of_force_when_it_is_disabled_revoked_or_replaced() {
    let (_mock, site) = mocked(&[]);
    let key = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &key);
    let red = team(&api, "red", json!({}));
    for form in ["jwt", "opaque"] {
        let made = api.make("/keys", &json!({ "level": "app", "team_id": red, "form": form }));
        let (path, old) = (format!("/keys/{}", text(&made, "id")), text(&made, "key"));
        until_calls(&node, &old, 200);
        api.patch(&path, &json!(1), &json!({ "is_disabled": true }));
        until_calls(&node, &old, 401);
        api.patch(&path, &json!(2), &json!({ "is_disabled": false }));
        until_calls(&node, &old, 200);

        let new = api.make(&format!("{path}/rotate"), &json!({ "overlap_seconds": 600 }));
        until_calls(&node, &text(&new, "key"), 200);
        until_calls(&node, &old, 200);
        let replaced = api.get(&path).json();
        assert_says(&replaced, &json!({ "replaced_by": new["id"], "state": "active", "expires_soon": true }));
        assert_problem(&api.post(&format!("{path}/rotate"), &json!({})), 409, "conflict");

        let path = format!("/keys/{}", text(&new, "id"));
        let newest = api.make(&format!("{path}/rotate"), &json!({}));
        until_calls(&node, &text(&new, "key"), 401);
        assert_eq!(api.get(&path).json()["state"], "retired");

        let path = format!("/keys/{}", text(&newest, "id"));
        until_calls(&node, &text(&newest, "key"), 200);
        assert_eq!(api.delete(&path).status, 204);
        until_calls(&node, &text(&newest, "key"), 401);
        assert_eq!(api.get(&path).json()["state"], "revoked");
        assert_eq!(api.delete(&path).status, 204, "again is no error");
    }
    let bad = api.make("/keys", &json!({ "level": "app", "team_id": red }));
    for overlap in [-1, 30 * 86_400 + 1] {
        let path = format!("/keys/{}/rotate", text(&bad, "id"));
        assert_problem(&api.post(&path, &json!({ "overlap_seconds": overlap })), 422, "invalid");
    }
}

#[test]
fn a_signing_secret_is_renewed_where_requests_are_signed() {
    let (_mock, site) = mocked(&[]);
    let key = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &key);
    let red = team(&api, "red", json!({}));
    let made = api.make("/keys", &json!({ "level": "app", "team_id": red, "signing": "optional" }));
    let path = format!("/keys/{}", text(&made, "id"));
    let renew = || api.send("POST", &format!("{path}/signing-secret"), &[], "");
    let (first, second) = (renew(), renew());
    assert_eq!((first.status, second.status), (200, 200), "{}", first.text());
    let secrets = [
        text(&made, "signing_secret"),
        text(&first.json(), "signing_secret"),
        text(&second.json(), "signing_secret"),
    ];
    assert!(secrets[0] != secrets[1] && secrets[1] != secrets[2]);
    let now = api.get(&path).json();
    api.patch(&path, &now["version"], &json!({ "signing": "off" }));
    assert_problem(&renew(), 409, "conflict");
}
