//! The trail: each change and each denial is a row, secrets are in none, and a team sees its own.

use serde_json::{Value, json};

use super::{Api, assert_says, platform_key};
use crate::node::mocked;

fn rows(api: &Api<'_>, query: &str) -> Vec<Value> {
    let answer = api.get(&format!("/audit-logs{query}"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["data"].as_array().unwrap().clone()
}

fn actions(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["action"].as_str().unwrap()).collect()
}

#[test]
fn each_change_and_each_denial_is_a_row_that_tells_who_and_what() {
    let (_mock, site) = mocked(&[]);
    let (id, key) = site.key("admin");
    let node = site.start();
    let api = Api::new(&node, &key);
    let team = api.make("/teams", &json!({ "name": "red" }));
    let path = format!("/teams/{}", team["id"].as_str().unwrap());
    api.patch(&path, &json!(1), &json!({ "name": "crimson" }));
    let viewer = api.make("/keys", &json!({ "level": "admin", "role": "viewer", "team_id": team["id"] }));
    let secret = viewer["key"].as_str().unwrap();
    let viewers = Api::fresh(&node, secret);
    let denied = viewers.post("/teams", &json!({ "name": "mine" }));
    assert_eq!(denied.status, 403);
    // what is refused for another reason than rights is no row
    assert_eq!(api.post("/teams", &json!({ "name": "" })).status, 422);
    assert_eq!(api.patch(&path, &json!(1), &json!({ "name": "x" })).status, 412);

    let rows = rows(&api, "");
    let named: Vec<_> = rows
        .iter()
        .filter(|row| row["actor_kind"] != "system" && row["actor_kind"] != "cli")
        .cloned()
        .collect();
    assert_eq!(actions(&named), ["access.denied", "key.create", "team.update", "team.create"]);
    let [denial, _, update, create] = &named[..] else { panic!("{named:?}") };
    assert_eq!(create["actor_id"], id.as_str());
    assert_eq!((&create["before"], &create["after"]["name"]), (&json!(null), &json!("red")));
    assert_eq!((&update["before"]["name"], &update["after"]["name"]), (&json!("red"), &json!("crimson")));
    assert_eq!((&update["target_kind"], &update["target_id"]), (&json!("team"), &team["id"]));
    assert_eq!((&update["outcome"], &update["address"]), (&json!("ok"), &json!("127.0.0.1")));
    assert_eq!((&denial["outcome"], &denial["actor_id"]), (&json!("denied"), &viewer["id"]));
    assert_eq!(denial["request_id"].as_str(), denied.header("x-request-id"));
    assert!(!serde_json::to_string(&rows).unwrap().contains(secret));
    for (query, count) in [
        ("?action=team.", 2),
        ("?action=team.create", 1),
        ("?outcome=denied", 1),
        (&format!("?actor_id={id}"), 3),
        (&format!("?target_id={}", team["id"].as_str().unwrap()), 2),
        ("?to=1000000000", 0),
    ] {
        assert_eq!(self::rows(&api, query).len(), count, "{query}");
    }
}

#[test]
fn a_teams_auditor_sees_the_teams_rows_alone() {
    let (_mock, site) = mocked(&[]);
    let key = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &key);
    let red = api.make("/teams", &json!({ "name": "red" }))["id"].clone();
    let blue = api.make("/teams", &json!({ "name": "blue" }))["id"].clone();
    let auditor = api.make("/keys", &json!({ "level": "admin", "role": "auditor", "team_id": red }));
    let auditor = Api::fresh(&node, auditor["key"].as_str().unwrap());
    let own = rows(&auditor, "");
    assert!(own.len() >= 2 && own.iter().all(|row| row["team_id"] == red), "{own:?}");
    assert_eq!(rows(&auditor, &format!("?team_id={}", blue.as_str().unwrap())), Vec::<Value>::new());
    assert_eq!(auditor.get("/audit-logs/anchors").status, 404);
    let exported = auditor.get("/audit-logs/export?format=jsonl");
    assert_eq!(exported.text().lines().count(), own.len() + 1, "the last line is the end");
}

#[test]
fn the_trail_is_exported_whole_with_its_anchors() {
    let (_mock, site) = mocked(&[]);
    let key = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &key);
    for at in 0..3 {
        api.make("/teams", &json!({ "name": format!("=team {at}") }));
    }
    let jsonl = api.get("/audit-logs/export?format=jsonl");
    assert_eq!(jsonl.header("content-type"), Some("application/jsonl"));
    assert_eq!(jsonl.header("content-disposition"), Some("attachment; filename=\"audit-logs.jsonl\""));
    assert!(jsonl.is_complete);
    let mut lines: Vec<Value> =
        jsonl.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let end = lines.pop().unwrap()["end"].clone();
    assert_says(&end, &json!({ "rows": lines.len(), "last_seq": lines.len() }));
    assert_eq!(end["last_hash"], lines.last().unwrap()["hash"]);
    for (seq, line) in (1..).zip(&lines) {
        assert_eq!(line["seq"], seq);
    }
    let csv = api.get("/audit-logs/export?format=csv");
    assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8"));
    assert_eq!(csv.text().lines().count(), lines.len() + 1);
    let anchors = api.get("/audit-logs/anchors").json();
    let last = anchors["data"].as_array().unwrap().last().unwrap();
    assert_eq!(last["last_hash"], lines.last().unwrap()["hash"]);
    for query in ["", "?format=xml", "?format=csv&limit=1"] {
        assert_eq!(api.get(&format!("/audit-logs/export{query}")).status, 400, "{query}");
    }
}
