//! Revisions: every change of configuration is one, can be looked at before it is made, waited for, and taken back.

use serde_json::{Value, json};

use super::{Api, assert_problem, assert_says, platform_key};
use crate::node::{Node, Site, mocked, provider, until};

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// A team for what has to belong to one.
fn lab(api: &Api<'_>) -> Value {
    api.make("/teams", &json!({ "name": "lab" }))["id"].clone()
}

/// The newest revision.
fn newest(api: &Api<'_>) -> Value {
    api.get("/revisions?limit=1").json()["data"][0].clone()
}

#[test]
fn a_change_is_a_revision_that_says_who_made_it_and_what_differs_and_is_taken_back() {
    let (_mock, site) = mocked(&[]);
    let admin = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &admin);
    let made = api.post("/teams", &json!({ "name": "red" }));
    let team = made.json();
    let path = format!("/teams/{}", text(&team["id"]));
    let created = newest(&api);
    assert_eq!(made.header("x-nexus-revision"), Some(created["revision"].to_string().as_str()));
    assert_says(&created, &json!({ "action": "team.create", "target_id": team["id"], "actor_kind": "key" }));
    let changed = api.patch(&path, &json!(1), &json!({ "name": "blue", "is_active": false }));
    assert_eq!(changed.header("x-nexus-applied"), None, "nobody was waited for");
    let number = newest(&api)["revision"].clone();
    let shown = api.get(&format!("/revisions/{number}")).json();
    assert_says(
        &shown,
        &json!({ "action": "team.update", "undoes": null, "undone_by": null, "stays_because": [] }),
    );
    let differs = |field: &str| {
        let changes = shown["changes"].as_array().unwrap();
        changes.iter().find(|change| change["field"] == field).unwrap().clone()
    };
    assert_says(&differs("/name"), &json!({ "before": "red", "after": "blue" }));
    assert_says(&differs("/is_active"), &json!({ "before": true, "after": false }));

    let back = format!("/revisions/{number}/rollback");
    let preview = api.post(&format!("{back}?dry_run=true"), &json!({}));
    assert_eq!(preview.status, 200, "{}", preview.text());
    assert_says(&preview.json(), &json!({ "dry_run": true, "action": "revision.rollback" }));
    assert_eq!(api.get(&path).json()["name"], "blue");
    assert_eq!(newest(&api)["revision"], number, "what was only looked at is no revision");

    let done = api.post(&back, &json!({}));
    assert_eq!(done.status, 200, "{}", done.text());
    assert_eq!(done.json()["undoes"], number);
    assert_says(&api.get(&path).json(), &json!({ "name": "red", "is_active": true, "version": 3 }));
    let undoing = newest(&api);
    assert_says(
        &undoing,
        &json!({ "action": "revision.rollback", "undoes": number, "revision": done.json()["revision"] }),
    );
    assert_eq!(api.get(&format!("/revisions/{number}")).json()["undone_by"], undoing["revision"]);
    // it is not as that revision left it any more
    assert_problem(&api.post(&back, &json!({})), 409, "conflict");
    // and what took it back can be taken back
    let again = api.post(&format!("/revisions/{}/rollback", undoing["revision"]), &json!({}));
    assert_eq!(again.status, 200, "{}", again.text());
    assert_eq!(api.get(&path).json()["name"], "blue");
}

#[test]
fn what_cannot_be_had_back_or_stands_in_the_way_is_said_with_what_to_do() {
    let (mock, site) = mocked(&[]);
    let admin = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &admin);
    let refused = |number: &Value, said: &str| {
        let answer = api.post(&format!("/revisions/{number}/rollback"), &json!({}));
        assert_problem(&answer, 409, "conflict");
        assert!(answer.text().contains(said), "{}", answer.text());
    };
    let key = api.make("/keys", &json!({ "level": "app", "name": "front", "team_id": lab(&api) }));
    let minted = newest(&api)["revision"].clone();
    refused(&minted, "revoke it");
    assert!(api.delete(&format!("/keys/{}", text(&key["id"]))).status < 300);
    refused(&newest(&api)["revision"], "make another");
    let wish = json!({
        "name": "other", "kind": "custom", "endpoint": mock.url(), "api_key": "sk-other-1", "allow_private_network": true,
    });
    let made = api.make("/providers", &wish);
    let created = newest(&api)["revision"].clone();
    let route = json!({ "alias": "mine", "provider_id": made["id"], "real_name": "mock-gpt" });
    let route = api.make("/model-routes", &route);
    refused(&created, "model-routes");
    let routed = newest(&api)["revision"].clone();
    // what a revision made is in the way of nobody when that is taken back first
    for number in [&routed, &created] {
        let answer = api.post(&format!("/revisions/{number}/rollback"), &json!({}));
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    assert_problem(&api.get(&format!("/model-routes/{}", text(&route["id"]))), 404, "not_found");
    assert_problem(&api.get(&format!("/providers/{}", text(&made["id"]))), 404, "not_found");
    let all = api.get("/revisions").text().to_owned();
    assert!(!all.contains("sk-other-1"));
    // the provider went with its key
    refused(&newest(&api)["revision"], "the secret of before is not kept");
    for path in ["/revisions/999999", "/revisions/x"] {
        assert_problem(&api.get(path), 404, "not_found");
        assert_problem(&api.post(&format!("{path}/rollback"), &json!({})), 404, "not_found");
    }
}

#[test]
fn a_change_that_is_only_looked_at_is_checked_and_made_by_nobody() {
    let (_mock, site) = mocked(&[]);
    let admin = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &admin);
    let team = lab(&api);
    let before = newest(&api);
    let key = api.post("/keys?dry_run=true", &json!({ "level": "app", "name": "front", "team_id": team }));
    assert_eq!(key.status, 200, "{}", key.text());
    assert_says(&key.json(), &json!({ "dry_run": true, "action": "key.create", "target_kind": "key" }));
    assert!(key.json()["key"].is_null() && !key.text().contains("eyJ"), "no key is shown: {}", key.text());
    assert_eq!(key.header("location"), None);
    assert_problem(&api.post("/teams?dry_run=true", &json!({ "name": "" })), 422, "invalid");
    assert_problem(&api.post("/teams?dry_run=maybe", &json!({ "name": "a" })), 400, "bad_request");
    assert_problem(&api.post("/teams?wait=long", &json!({ "name": "a" })), 400, "bad_request");
    let team = api.make("/teams", &json!({ "name": "red" }));
    let path = format!("/teams/{}", text(&team["id"]));
    assert_problem(&api.post("/teams?dry_run=true", &json!({ "name": "red" })), 409, "conflict");
    assert_eq!(api.delete(&format!("{path}?dry_run=true")).status, 200);
    assert_eq!(api.get(&path).status, 200);
    let stale = api.patch(&format!("{path}?dry_run=true"), &json!(7), &json!({ "name": "blue" }));
    assert_problem(&stale, 412, "stale");
    // only what changes something takes it
    assert_problem(&api.get("/teams?dry_run=true"), 400, "bad_request");
    let since = api.get("/revisions").json()["data"].as_array().unwrap().clone();
    let since: Vec<_> = since.iter().take_while(|one| one["revision"] != before["revision"]).collect();
    assert_eq!(since.len(), 1, "{since:?}");
}

#[test]
fn a_team_sees_what_was_done_to_its_own_and_takes_nothing_back() {
    let (_mock, site) = mocked(&[]);
    let admin = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &admin);
    let team = |name: &str| text(&api.make("/teams", &json!({ "name": name }))["id"]).to_owned();
    let (red, blue) = (team("red"), team("blue"));
    let own = api.make("/keys", &json!({ "level": "admin", "role": "team_admin", "team_id": red }));
    let own = Api::fresh(&node, text(&own["key"]));
    api.make("/keys", &json!({ "level": "app", "team_id": blue }));
    let theirs = newest(&api)["revision"].clone();
    let seen = own.get("/revisions").json()["data"].as_array().unwrap().clone();
    assert!(!seen.is_empty() && seen.iter().all(|one| one["team_id"] == red.as_str()), "{seen:?}");
    let (foreign, unknown) = (own.get(&format!("/revisions/{theirs}")), own.get("/revisions/999999"));
    assert_eq!((foreign.status, foreign.text()), (404, unknown.text()));
    let back = own.post(&format!("/revisions/{}/rollback", seen[0]["revision"]), &json!({}));
    assert_problem(&back, 403, "forbidden");
}

#[test]
fn the_command_line_lists_shows_and_takes_back() {
    let (_mock, site) = mocked(&[]);
    let admin = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &admin);
    let json = |words: &[&str]| -> Value {
        let said = site.run(&[words, &["--output", "json", "--config", "nexus.yaml"]].concat());
        serde_json::from_str(said.lines().next().unwrap()).unwrap()
    };
    let quota =
        json!({ "name": "all", "subject": "platform", "measure": "requests", "window": "day", "limit": 5 });
    let made = api.make("/quotas", &quota);
    let number = newest(&api)["revision"].to_string();
    assert_eq!(json(&["revision", "list"])["revision"].to_string(), number);
    assert_eq!(json(&["revision", "show", &number])["action"], "quota.create");
    let path = format!("/quotas/{}", text(&made["id"]));
    assert_says(
        &json(&["revision", "rollback", &number, "--dry-run"]),
        &json!({ "dry_run": true, "revision": null }),
    );
    assert_eq!(api.get(&path).status, 200);
    json(&["revision", "rollback", &number]);
    assert_problem(&api.get(&path), 404, "not_found");
    assert_says(&newest(&api), &json!({ "action": "revision.rollback", "actor_kind": "cli" }));
    // what a configuration file does at the start of a node is one too
    let started = api.get("/revisions?action=config.start").json();
    assert_eq!(started["data"].as_array().unwrap().len(), 1);
}

#[test]
fn an_answer_waits_until_all_nodes_have_the_change_or_says_which_have_not() {
    let (mock, first) = mocked(&[]);
    let admin = platform_key(&first);
    let url = format!("sqlite://{}", first.file("nexus-data/nexus.db").display());
    let mut sites: Vec<Site> =
        (0..2).map(|_| Site::new(&provider("mock", &mock.url(), &[("gpt", "mock-gpt")]))).collect();
    sites.iter_mut().for_each(|site| site.variables.push(("DATABASE_URL", url.clone())));
    let nodes: Vec<Node<'_>> = sites.iter().map(Site::start).collect();
    let api = Api::new(&nodes[0], &admin);
    let made = api.post(
        "/keys?wait=applied",
        &json!({ "level": "app", "name": "front", "form": "opaque", "team_id": lab(&api) }),
    );
    assert_eq!((made.status, made.header("x-nexus-applied")), (201, Some("true")), "{}", made.text());
    let key = made.json();
    let ask = |node: &Node<'_>| node.chat(text(&key["key"]), &crate::node::ask("gpt")).status;
    assert_eq!(ask(&nodes[1]), 200, "the other node knows it");
    let gone = api.send("DELETE", &format!("/keys/{}?wait=applied", text(&key["id"])), &[], "");
    assert_eq!(gone.header("x-nexus-applied"), Some("true"), "{}", gone.text());
    assert_eq!(ask(&nodes[1]), 401);
    let other = api.get("/nodes").json()["data"]
        .as_array()
        .unwrap()
        .iter()
        .find(|node| node["is_this"] == false)
        .cloned();
    nodes[1].signal("STOP");
    let made = api.post("/teams?wait=applied", &json!({ "name": "red" }));
    assert_eq!((made.status, made.header("x-nexus-applied")), (201, Some("false")), "{}", made.text());
    assert_eq!(made.header("x-nexus-behind"), other.unwrap()["id"].as_str());
    nodes[1].signal("CONT");
    until("it comes after", || {
        let shown = api.get("/nodes").json();
        let all = shown["data"].as_array().unwrap();
        let revision: i64 = made.header("x-nexus-revision").unwrap().parse().unwrap();
        all.iter().all(|node| node["world_revision"].as_i64().unwrap() >= revision).then_some(())
    });
}
