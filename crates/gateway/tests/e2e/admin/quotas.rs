//! Quotas that a team sets for itself: within what the platform set for it, and nobody else's.

use serde_json::{Value, json};

use super::{Api, assert_problem, assert_says, platform_key};
use crate::node::mocked;

fn quota(name: &str, subject: &str, of: &Value, limit: u64) -> Value {
    json!({ "name": name, "subject": subject, "subject_value": of, "measure": "requests", "window": "day",
            "limit": limit })
}

fn path(quota: &Value) -> String {
    format!("/quotas/{}", quota["id"].as_str().unwrap())
}

#[test]
fn a_team_bounds_itself_and_its_keys_up_to_what_the_platform_set() {
    let (_mock, site) = mocked(&[]);
    let key = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &key);
    let [red, blue] = ["red", "blue"].map(|name| api.make("/teams", &json!({ "name": name }))["id"].clone());
    let admin = |team: &Value, role: &str| {
        let made = api.make("/keys", &json!({ "level": "admin", "role": role, "team_id": team }));
        Api::fresh(&node, made["key"].as_str().unwrap())
    };
    let own = admin(&red, "team_admin");
    let app = |team: &Value| api.make("/keys", &json!({ "level": "app", "team_id": team }))["id"].clone();
    let (ours, theirs) = (app(&red), app(&blue));
    let ceiling = api.make("/quotas", &quota("red's", "team", &red, 100));
    assert_says(&ceiling, &json!({ "team_id": red, "is_own": false }));
    api.make("/quotas", &quota("blue's", "team", &blue, 100));
    api.make("/quotas", &quota("everybody's", "platform", &Value::Null, 1000));

    // what a team may set, and what it is told of the rest
    for (name, subject, of, limit, pointer) in [
        ("a", "key", &ours, 100, None),
        ("b", "team", &red, 7, None),
        ("c", "key", &ours, 101, Some("/limit")),
        ("d", "team", &red, 101, Some("/limit")),
        ("e", "key", &theirs, 1, Some("/subject_value")),
        ("f", "key", &json!("01981d3a-0000-7000-8000-000000000001"), 1, Some("/subject_value")),
        ("g", "team", &blue, 1, Some("/subject_value")),
        ("h", "model", &json!("gpt"), 1, Some("/subject")),
        ("i", "platform", &Value::Null, 1, Some("/subject")),
    ] {
        let answer = own.post("/quotas", &quota(name, subject, of, limit));
        match pointer {
            None => {
                assert_eq!(answer.status, 201, "{name}: {}", answer.text());
                assert_says(&answer.json(), &json!({ "team_id": red, "is_own": true }));
            }
            Some(pointer) => {
                assert_problem(&answer, 422, "invalid");
                assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{name}: {}", answer.text());
            }
        }
    }
    // another measure or window has no ceiling to be above
    let mut tokens = quota("j", "key", &ours, 100_000);
    tokens["measure"] = json!("tokens");
    assert_eq!(own.post("/quotas", &tokens).status, 201);

    let list = own.get("/quotas").json()["data"].as_array().unwrap().clone();
    let names: Vec<&str> = list.iter().map(|quota| quota["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["red's", "a", "b", "j"]);

    // its own it changes and takes away, the platform's it does not
    let mine = &list[1];
    assert_problem(&own.patch(&path(mine), &json!(1), &json!({ "limit": 101 })), 422, "invalid");
    assert_eq!(own.patch(&path(mine), &json!(1), &json!({ "limit": 99 })).json()["limit"], 99);
    assert_problem(&own.patch(&path(&ceiling), &json!(1), &json!({ "limit": 1 })), 403, "forbidden");
    assert_problem(&own.delete(&path(&ceiling)), 403, "forbidden");
    assert_eq!(api.get(&path(&ceiling)).json()["limit"], 100);
    assert_eq!(own.delete(&path(mine)).status, 204);
    assert_eq!(own.get(&format!("{}/holders", path(&list[2]))).status, 200);

    // who only looks changes nothing, and the trail tells the team
    let viewer = admin(&red, "viewer");
    assert_eq!(viewer.get("/quotas").status, 200);
    assert_problem(&viewer.post("/quotas", &quota("k", "key", &ours, 1)), 403, "forbidden");
    let trail = admin(&red, "auditor").get("/audit-logs?action=quota.delete").json();
    let outcomes: Vec<&Value> = trail["data"].as_array().unwrap().iter().map(|row| &row["outcome"]).collect();
    assert_eq!(outcomes, ["ok", "denied"], "{trail}");
}

#[test]
fn a_name_is_a_quotas_own_within_its_team_and_tells_no_other_team_anything() {
    let (_mock, site) = mocked(&[]);
    let key = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &key);
    let [red, blue] = ["red", "blue"].map(|name| api.make("/teams", &json!({ "name": name }))["id"].clone());
    let admin = |team: &Value| {
        let made = api.make("/keys", &json!({ "level": "admin", "role": "team_admin", "team_id": team }));
        Api::fresh(&node, made["key"].as_str().unwrap())
    };
    let [reds, blues] = [&red, &blue].map(admin);
    let first = reds.post("/quotas", &quota("daily", "team", &red, 1));
    let same = blues.post("/quotas", &quota("daily", "team", &blue, 1));
    assert_eq!((first.status, same.status), (201, 201), "{}", same.text());
    api.make("/quotas", &quota("daily", "platform", &Value::Null, 1));
    assert_problem(&reds.post("/quotas", &quota("daily", "team", &red, 2)), 409, "conflict");
    assert_problem(&api.post("/quotas", &quota("daily", "platform", &Value::Null, 2)), 409, "conflict");
    let other = blues.post("/quotas", &quota("monthly", "team", &blue, 1)).json();
    assert_problem(&blues.patch(&path(&other), &json!(1), &json!({ "name": "daily" })), 409, "conflict");

    // a file has them by their teams
    let entry = |team: Option<&str>, limit: u64| {
        json!({ "name": "weekly", "subject": if team.is_some() { "team" } else { "platform" },
                "subject_value": team, "measure": "requests", "window": "week", "limit": limit })
    };
    let wish =
        |limit| json!({ "quotas": [entry(Some("red"), limit), entry(Some("blue"), 1), entry(None, 1)] });
    assert_eq!(api.post("/config/apply", &wish(1)).status, 200);
    let changes = api.post("/config/apply", &wish(2)).json()["quotas"].clone();
    let changes: Vec<&Value> = changes.as_array().unwrap().iter().map(|quota| &quota["change"]).collect();
    assert_eq!(changes, ["updated", "unchanged", "unchanged"]);
    let exported = api.get("/config?format=json").json();
    assert_eq!(api.post("/config/apply", &exported).status, 200);
    let twice = json!({ "quotas": [entry(Some("red"), 1), entry(Some("red"), 2)] });
    let refused = api.post("/config/diff", &twice);
    assert_problem(&refused, 422, "invalid");
    assert_eq!(refused.json()["errors"][0]["pointer"], "/quotas/1/name");

    // the command line asks which one is meant
    let run =
        |name: &str| site.command(&["quota", "delete", name, "--config", "nexus.yaml"]).output().unwrap();
    let said = String::from_utf8(run("daily").stderr).unwrap();
    assert!(said.contains("several quotas are named `daily`"), "{said}");
    assert!(run(first.json()["id"].as_str().unwrap()).status.success());
    assert!(!run("weekly").status.success() && run("monthly").status.success());
}
