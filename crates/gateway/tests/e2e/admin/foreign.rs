//! Two teams: what belongs to the other answers like what does not exist, for every operation that takes an id.
//!
//! The operations come from the description, so one that is added is tried here without being named.

use nexus_core::id::Uuid;
use serde_json::{Value, json};

use super::{Api, platform_key};
use crate::node::mocked;

/// No row has it.
const NOBODY: &str = "01981d3a-0000-7000-8000-000000000001";

/// Method and path of every operation whose path takes an id.
fn operations(description: &Value) -> Vec<(String, String)> {
    let paths = description["paths"].as_object().unwrap().iter();
    let taking = paths.filter(|(path, _)| path.contains("id}"));
    taking
        .flat_map(|(path, item)| {
            item.as_object().unwrap().keys().map(|method| (method.to_uppercase(), path.clone()))
        })
        .collect()
}

fn filled(path: &str, id: &str) -> String {
    let mut filled = path.to_owned();
    while let (Some(from), Some(to)) = (filled.find('{'), filled.find('}')) {
        filled.replace_range(from..=to, id);
    }
    filled
}

#[test]
fn what_belongs_to_another_team_answers_like_what_does_not_exist() {
    let (mock, site) = mocked(&[]);
    let key = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &key);
    let team = |name: &str| api.make("/teams", &json!({ "name": name }))["id"].as_str().unwrap().to_owned();
    let (red, blue) = (team("red"), team("blue"));
    let own = api.make("/keys", &json!({ "level": "admin", "team_id": red }));
    let own = Api::fresh(&node, own["key"].as_str().unwrap());
    let app = api.make("/keys", &json!({ "level": "app", "team_id": blue, "name": "theirs" }));
    let bearer = format!("Bearer {}", app["key"].as_str().unwrap());
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let session = node.request("POST", "/v1/session-keys", &headers, r#"{"expires_in_seconds":600}"#).json();
    let user = json!({ "email": "blue@example.com", "name": "Blue", "role": "viewer", "team_id": blue });
    let user = api.make("/users", &user);
    let quota = json!({ "name": "theirs", "subject": "key", "subject_value": app["id"], "measure": "requests",
                        "window": "day", "limit": 5 });
    let quota = api.make("/quotas", &quota);
    let text = |value: &Value| value["id"].as_str().unwrap().to_owned();
    let theirs = [blue, text(&app), text(&session), text(&user), text(&quota)];
    assert!(theirs.iter().all(|id| id.parse::<Uuid>().is_ok()), "{theirs:?}");

    let operations = operations(&api.get("/openapi.json").json());
    assert!(operations.len() > 10, "{operations:?}");
    let calls_before = mock.requests().len();
    for (method, path) in &operations {
        let body = if matches!(method.as_str(), "POST" | "PATCH" | "PUT") { "{}" } else { "" };
        let ask = |id: &str| own.send(method, &filled(path, id), &[("if-match", "\"1\"")], body);
        let nobodys = ask(NOBODY);
        for id in &theirs {
            let answer = ask(id);
            assert_eq!(
                (answer.status, answer.text()),
                (nobodys.status, nobodys.text()),
                "{method} {path} of {id}"
            );
            assert!(!(200..300).contains(&answer.status), "{method} {path} of {id}");
        }
    }
    assert_eq!(mock.requests().len(), calls_before, "no provider was asked");
    let [team, app, session, user, quota] = &theirs;
    for (path, state) in [
        (format!("/teams/{team}"), None),
        (format!("/keys/{app}"), Some("active")),
        (format!("/session-keys/{session}"), Some("active")),
        (format!("/users/{user}"), None),
        (format!("/quotas/{quota}"), None),
    ] {
        let shown = api.get(&path);
        assert_eq!(shown.status, 200, "{path}");
        assert!(state.is_none_or(|state| shown.json()["state"] == state), "{path}: {}", shown.text());
    }
}
