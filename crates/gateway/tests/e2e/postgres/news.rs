//! How soon what was changed at one node is so at the others: told by the database, or found by looking.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{calls, database, twin};
use crate::{
    admin::{Api, platform_key},
    node::{Node, Site, mocked, until},
};

/// Changes of each kind.
const ROUNDS: usize = 20;

fn text(made: &Value, name: &str) -> String {
    made[name].as_str().unwrap().to_owned()
}

/// A key of a team.
fn key(api: &Api<'_>, team: &Value, name: &str) -> Value {
    api.make("/keys", &json!({ "level": "app", "name": name, "team_id": team["id"] }))
}

/// How long after its answer a change was so at all nodes.
fn until_all(nodes: &[Node<'_>], key: &str, status: u16) -> Duration {
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for node in nodes {
            scope.spawn(move || until("it is so", || (calls(node, key, "gpt") == status).then_some(())));
        }
    });
    begun.elapsed()
}

/// The 99th percentile of few is the last of them.
fn p99(mut all: Vec<Duration>) -> Duration {
    all.sort();
    all[(all.len() * 99).div_ceil(100) - 1]
}

/// Changes things back and forth at the first node, and tells how soon each change was so at all.
fn changes(nodes: &[Node<'_>], admin: &str) -> [(&'static str, Duration); 3] {
    let api = Api::new(&nodes[0], admin);
    let team = api.make("/teams", &json!({ "name": "red" }));
    let key = |name: &str| key(&api, &team, name);
    let mut revoked = Vec::new();
    for _ in 0..ROUNDS {
        let made = key("to be revoked");
        until_all(nodes, &text(&made, "key"), 200);
        assert!(api.delete(&format!("/keys/{}", text(&made, "id"))).status < 300);
        revoked.push(until_all(nodes, &text(&made, "key"), 401));
    }
    let made = key("bounded");
    let (id, bounded) = (text(&made, "id"), text(&made, "key"));
    let quota = json!({
        "name": "calls", "subject": "key", "subject_value": id, "measure": "requests", "window": "total",
        "limit": 1_000_000,
    });
    let mut quota = api.make("/quotas", &quota);
    until_all(nodes, &bounded, 200);
    let mut bound = Vec::new();
    for round in 0..ROUNDS {
        let (limit, status) = if round % 2 == 0 { (1, 429) } else { (1_000_000, 200) };
        let path = format!("/quotas/{}", text(&quota, "id"));
        let version = api.get(&path).header("etag").unwrap().trim_matches('"').parse::<u64>().unwrap();
        let changed = api.patch(&path, &json!(version), &json!({ "limit": limit }));
        assert_eq!(changed.status, 200, "{}", changed.text());
        quota = changed.json();
        bound.push(until_all(nodes, &bounded, status));
    }
    let routes = api.get("/model-routes?alias=gpt").json();
    let path = format!("/model-routes/{}", routes["data"][0]["id"].as_str().unwrap());
    let free = text(&key("free"), "key");
    until_all(nodes, &free, 200);
    let mut disabled = Vec::new();
    for round in 0..ROUNDS {
        let (is_active, status) = if round % 2 == 0 { (false, 404) } else { (true, 200) };
        let version = api.get(&path).header("etag").unwrap().trim_matches('"').parse::<u64>().unwrap();
        let changed = api.patch(&path, &json!(version), &json!({ "is_active": is_active }));
        assert_eq!(changed.status, 200, "{}", changed.text());
        disabled.push(until_all(nodes, &free, status));
    }
    [("revocation", p99(revoked)), ("quota", p99(bound)), ("alias", p99(disabled))]
}

/// Three nodes on one database that look at it by themselves so often.
fn sites(first: Site, mock: &str, url: &str, look_ms: u64) -> [Site; 3] {
    let mut first = first;
    first.variables.push(("DATABASE_URL", url.to_owned()));
    first.variables.push(("NEXUS_NODE__LOOK_MS", look_ms.to_string()));
    let (second, third) = (twin(&first, mock), twin(&first, mock));
    [first, second, third]
}

#[test]
fn a_change_is_told_to_all_nodes_though_they_look_once_a_minute() {
    let Some(url) = database() else { return };
    let (mock, first) = mocked(&[]);
    let sites = sites(first, &mock.url(), &url, 60_000);
    let admin = platform_key(&sites[0]);
    let nodes: Vec<Node<'_>> = sites.iter().map(Site::start).collect();
    for (what, p99) in changes(&nodes, &admin) {
        println!("told: {what} at all of three nodes, p99 of {ROUNDS}: {p99:?}");
        assert!(p99 < Duration::from_secs(30), "{what}: nobody but the database can have told, {p99:?}");
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "`psql` makes the database silent")]
fn a_change_is_found_by_all_nodes_though_the_database_tells_nobody() {
    let Some(url) = database() else { return };
    let (mock, first) = mocked(&[]);
    let sites = sites(first, &mock.url(), &url, 1_000);
    let admin = platform_key(&sites[0]);
    let silence = "DROP TRIGGER world_revision_is_told ON world_revision";
    let made = Command::new("psql").args([&url, "--quiet", "--command", silence]).status().unwrap();
    assert!(made.success());
    let nodes: Vec<Node<'_>> = sites.iter().map(Site::start).collect();
    for (what, p99) in changes(&nodes, &admin) {
        println!("found: {what} at all of three nodes, p99 of {ROUNDS}: {p99:?}");
        assert!(p99 < Duration::from_secs(30), "{what}: {p99:?}");
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "`psql` damages the database and mends it")]
fn what_no_world_can_be_made_of_is_refused_by_every_node_and_told() {
    let Some(url) = database() else { return };
    let (mock, first) = mocked(&[]);
    let sites = sites(first, &mock.url(), &url, 250);
    let admin = platform_key(&sites[0]);
    let nodes: Vec<Node<'_>> = sites.iter().map(Site::start).collect();
    let api = Api::new(&nodes[0], &admin);
    let team = api.make("/teams", &json!({ "name": "red" }));
    let key = text(&key(&api, &team, "front"), "key");
    until_all(&nodes, &key, 200);
    let tell = |statements: &str| {
        let told = Command::new("psql").args([&url, "--quiet", "--command", statements]).status().unwrap();
        assert!(told.success());
    };
    tell("ALTER TABLE routing_rules RENAME TO hidden; UPDATE world_revision SET revision = revision + 1");
    let refused = |are: bool| {
        until("every node says so", || {
            let shown = api.get("/nodes").json();
            let all = shown["data"].as_array().unwrap();
            (all.len() == 3 && all.iter().all(|node| node["refused_revision"].is_null() != are)).then_some(())
        });
    };
    refused(true);
    for node in &nodes {
        assert!(node.metrics().lines().any(|line| line == "nexus_revision_refused 1"));
        assert_eq!(calls(node, &key, "gpt"), 200, "the last good one stands");
        assert!(node.site.log().contains("a revision cannot be put in force"));
    }
    tell("ALTER TABLE hidden RENAME TO routing_rules");
    refused(false);
}
