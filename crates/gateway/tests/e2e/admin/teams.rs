//! Teams: every member goes in and comes out, and a change needs the version it was made from.

use serde_json::{Value, json};

use super::{Api, assert_problem, assert_says, platform_key};
use crate::node::mocked;

#[test]
fn every_member_of_a_team_is_kept_shown_and_changed() {
    let (_mock, site) = mocked(&[]);
    let key = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &key);
    let said = json!({
        "name": "red & sons 红队",
        "is_active": false,
        "scope": { "models": ["gpt-*"], "providers": [], "addresses": ["10.0.0.0/8", "2001:db8::/32"] },
        "shield": "block",
    });
    let answer = api.post("/teams", &said);
    assert_eq!(answer.status, 201, "{}", answer.text());
    let made = answer.json();
    assert_says(&made, &said);
    let path = format!("/teams/{}", made["id"].as_str().unwrap());
    assert_eq!(answer.header("location"), Some(format!("/admin/v1{path}").as_str()));
    assert_eq!(answer.header("etag"), Some("\"1\""));
    assert_eq!(api.get(&path).json(), made);

    let changes = [
        json!({ "name": "blue" }),
        json!({ "is_active": true }),
        json!({ "scope": {} }),
        json!({ "scope": { "models": [] } }),
        json!({ "shield": "off" }),
        json!({ "name": "green", "is_active": false, "shield": "flag", "scope": { "providers": ["a*"] } }),
        json!({}),
    ];
    let mut now = made;
    for change in changes {
        let answer = api.patch(&path, &now["version"], &change);
        assert_eq!(answer.status, 200, "{change}: {}", answer.text());
        let changed = answer.json();
        let mut expected = now.clone();
        for (name, value) in change.as_object().unwrap() {
            expected[name] = value.clone();
        }
        for own in ["version", "updated_at"] {
            expected[own] = changed[own].clone();
        }
        assert_eq!(changed, expected);
        let tag = format!("\"{}\"", changed["version"]);
        assert_eq!(answer.header("etag"), Some(tag.as_str()));
        let shown = api.get(&path);
        assert_eq!((shown.json(), shown.header("etag")), (changed.clone(), Some(tag.as_str())));
        now = changed;
    }
    assert_eq!(api.delete(&path).status, 204);
    assert_problem(&api.get(&path), 404, "not_found");
    assert_problem(&api.delete(&path), 404, "not_found");
}

#[test]
fn what_is_left_away_is_the_usual() {
    let (_mock, site) = mocked(&[]);
    let key = platform_key(&site);
    let node = site.start();
    let made = Api::new(&node, &key).make("/teams", &json!({ "name": "plain" }));
    assert_says(&made, &json!({ "is_active": true, "scope": {}, "shield": "flag", "version": 1 }));
}

#[test]
fn a_change_needs_the_version_it_was_made_from() {
    let (_mock, site) = mocked(&[]);
    let key = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &key);
    let made = api.make("/teams", &json!({ "name": "red" }));
    let path = format!("/teams/{}", made["id"].as_str().unwrap());
    let change = json!({ "name": "blue" }).to_string();
    assert_problem(&api.send("PATCH", &path, &[], &change), 428, "if_match_required");
    for tag in ["\"2\"", "\"0\"", "1", "W/\"1\"", "*", "\"x\""] {
        assert_problem(&api.send("PATCH", &path, &[("if-match", tag)], &change), 412, "stale");
    }
    assert_eq!(api.get(&path).json()["name"], "red");
    assert_eq!(api.patch(&path, &json!(1), &json!({ "name": "blue" })).status, 200);
    assert_problem(&api.patch(&path, &json!(1), &json!({ "name": "green" })), 412, "stale");
    assert_eq!(api.get(&path).json()["name"], "blue");
}

#[test]
fn names_are_unique_and_a_team_in_use_stays() {
    let (_mock, site) = mocked(&[]);
    let key = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &key);
    let red = api.make("/teams", &json!({ "name": "red" }));
    let blue = api.make("/teams", &json!({ "name": "blue" }));
    assert_problem(&api.post("/teams", &json!({ "name": "red" })), 409, "conflict");
    let path = |team: &Value| format!("/teams/{}", team["id"].as_str().unwrap());
    assert_problem(&api.patch(&path(&blue), &json!(1), &json!({ "name": "red" })), 409, "conflict");
    api.make("/keys", &json!({ "level": "app", "team_id": red["id"] }));
    assert_problem(&api.delete(&path(&red)), 409, "conflict");
    assert_eq!(api.delete(&path(&blue)).status, 204);
}
