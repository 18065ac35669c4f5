//! PostgreSQL in SQLite's place: the same gateway, several on one database, and the database away.
//!
//! `NEXUS_TEST_POSTGRES` names a server; `cargo xtask test` starts one. Without it these tests say that they are
//! absent.

mod away;
mod news;
mod tls;

use std::{
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

use nexus_store::{Store, repo::usage};
use serde_json::json;

use crate::{
    admin::{Api, platform_key},
    crash,
    node::{Node, Site, ask, ask_stream, mocked, provider, until},
};

/// The URL of a new and empty database, where there is a server.
#[expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "the workshop says where the server is, `psql` asks it, and who lacks it is told"
)]
fn database() -> Option<String> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let Some(server) = std::env::var("NEXUS_TEST_POSTGRES").ok().filter(|url| !url.is_empty()) else {
        println!("postgres: absent");
        return None;
    };
    let name = format!("e2e_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    let create = format!("CREATE DATABASE {name}");
    let made = Command::new("psql").args([&server, "--quiet", "--command", &create]).status().unwrap();
    assert!(made.success());
    let (place, _) = server.rsplit_once('/').unwrap();
    Some(format!("{place}/{name}"))
}

fn totals(url: &str) -> usage::UsageTotals {
    Store::open(url).unwrap().read_blocking(usage::totals).unwrap()
}

/// A second gateway before the same provider and the same database.
fn twin(site: &Site, endpoint: &str) -> Site {
    let mut twin = Site::new(&provider("mock", endpoint, &[("gpt", "mock-gpt")]));
    twin.variables.clone_from(&site.variables);
    twin
}

fn assert_whole_trail(site: &Site) {
    let verdict: serde_json::Value = serde_json::from_str(&site.run(&["audit", "verify"])).unwrap();
    assert_eq!(verdict["is_whole"], true, "{verdict}");
}

fn calls(node: &Node<'_>, key: &str, model: &str) -> u16 {
    node.chat(key, &ask(model)).status
}

#[test]
fn everything_a_gateway_needs_is_made_over_rest_and_every_call_is_booked() {
    let Some(url) = database() else { return };
    let (mock, mut site) = mocked(&[]);
    site.variables.push(("DATABASE_URL", url.clone()));
    assert!(site.run(&["migrate", "status"]).lines().all(|line| line.starts_with("missing")));
    let admin = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &admin);
    let team = api.make("/teams", &json!({ "name": "red" }));
    let key = api.make("/keys", &json!({ "level": "app", "team_id": team["id"], "name": "front" }));
    let other = json!({
        "name": "other", "kind": "custom", "endpoint": mock.url(), "api_key": "sk-other",
        "allow_private_network": true,
    });
    let other = api.make("/providers", &other);
    let route = json!({ "alias": "mine", "provider_id": other["id"], "real_name": "mock-gpt" });
    api.make("/model-routes", &route);
    let again = api.post("/model-routes", &route);
    assert_eq!(again.status, 409, "{}", again.text());
    let key = key["key"].as_str().unwrap();
    assert_eq!(calls(&node, key, "mine"), 200);
    let streamed = node.chat(key, &ask_stream("mine"));
    assert_eq!(streamed.events().last().map(String::as_str), Some("[DONE]"), "{}", streamed.text());
    until("the usage is in the ledger", || {
        let rows = api.get("/usage?by=team").json()["rows"].clone();
        (rows[0]["attempts"] == 2).then_some(())
    });
    assert_whole_trail(&site);
    node.stop();
    assert_eq!(totals(&url).attempts, 2);
    assert!(!site.log().contains(url.split('@').next().unwrap()), "no password in a log");
}

#[test]
fn what_a_client_saw_finish_is_booked_once_however_the_gateway_dies() {
    let Some(url) = database() else { return };
    crash::survives(|site| {
        site.variables.push(("DATABASE_URL", url.clone()));
        url
    });
}

#[test]
fn two_gateways_on_one_database_are_of_one_mind_and_both_are_booked() {
    let Some(url) = database() else { return };
    let (mock, mut site) = mocked(&[]);
    site.variables.push(("DATABASE_URL", url.clone()));
    let twin = twin(&site, &mock.url());
    let admin = platform_key(&site);
    // both at once, on a database that is empty but for the key
    let (one, two) = std::thread::scope(|scope| {
        let one = scope.spawn(|| site.start());
        (twin.start(), one.join().unwrap())
    });
    let api = Api::new(&one, &admin);
    let team = api.make("/teams", &json!({ "name": "red" }));
    let key = json!({ "level": "app", "team_id": team["id"], "form": "opaque" });
    let key = api.make("/keys", &key);
    let secret = key["key"].as_str().unwrap();
    for node in [&one, &two] {
        until("the key is known", || (calls(node, secret, "gpt") == 200).then_some(()));
    }
    let changes: Vec<u16> = std::thread::scope(|scope| {
        let ask = |node, name: String| Api::new(node, &admin).post("/teams", &json!({ "name": name })).status;
        let both = (0..40).map(|number| {
            let node = if number % 2 == 0 { &one } else { &two };
            scope.spawn(move || ask(node, format!("team {}", number / 2)))
        });
        let all: Vec<_> = both.collect();
        all.into_iter().map(|change| change.join().unwrap()).collect()
    });
    let made = |status| changes.iter().filter(|change| **change == status).count();
    assert_eq!((made(201), made(409)), (20, 20), "{changes:?}");
    let gone = api.delete(&format!("/keys/{}", key["id"].as_str().unwrap()));
    assert!(gone.status < 300, "{}", gone.text());
    for node in [&one, &two] {
        until("the key is revoked", || (calls(node, secret, "gpt") == 401).then_some(()));
    }
    one.stop();
    two.stop();
    assert_whole_trail(&site);
    assert_eq!(totals(&url).attempts, mock.counts().requests);
}

#[test]
fn a_gateway_moves_from_sqlite_with_its_keys_its_usage_and_its_trail() {
    let Some(url) = database() else { return };
    let (_mock, mut site) = mocked(&[]);
    let (_, key) = site.key("app");
    let node = site.start();
    assert_eq!(calls(&node, &key, "gpt"), 200);
    node.stop();
    let data = ["migrate", "data", "--from", "sqlite://nexus-data/nexus.db", "--to", &url];
    let said: serde_json::Value = serde_json::from_str(&site.run(&data)).unwrap();
    let rows = |table: &str| {
        let tables = said["tables"].as_array().unwrap();
        tables.iter().find(|copied| copied["name"] == table).unwrap()["rows"].clone()
    };
    assert_eq!([rows("usage_attempts"), rows("keys"), rows("service_providers")], [1, 1, 1]);
    assert!(!site.command(&data).output().unwrap().status.success(), "the target is not empty any more");
    site.variables.push(("DATABASE_URL", url.clone()));
    let node = site.start();
    assert_eq!(calls(&node, &key, "gpt"), 200);
    node.stop();
    assert_eq!(totals(&url).attempts, 2);
    assert_whole_trail(&site);
}
