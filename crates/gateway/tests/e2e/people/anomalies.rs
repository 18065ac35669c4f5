//! What looked wrong, and how the node is.

use nexus_core::id::{TeamId, Uuid};
use nexus_store::{
    Store,
    repo::anomaly::{self, Sighting},
};
use serde_json::{Value, json};

use super::{Console, PASSWORD, make_user};
use crate::{
    admin::{Api, assert_problem, assert_says, platform_key},
    node::{Site, ask, mocked, until},
};

/// Notes sightings of these kinds and teams, a millisecond apart.
fn plant(site: &Site, sightings: &[(u128, &'static str, Option<TeamId>)]) {
    let store = Store::open(&format!("sqlite://{}", site.file("nexus-data/nexus.db").display())).unwrap();
    store
        .write_blocking(|conn| {
            for (number, kind, team) in sightings {
                let evidence = json!({ "number": number.to_string() }).to_string();
                let sighting =
                    Sighting { kind, team: *team, key: None, address: Some("192.0.2.1".into()), evidence };
                let at_ms = 1_800_000_000_000 + *number as i64;
                anomaly::record(conn, Uuid::from_u128(*number), &sighting, at_ms)?;
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn an_anomaly_is_seen_by_its_team_and_looked_at_once() {
    let (_mock, site) = mocked(&[]);
    let key = platform_key(&site);
    make_user(&site, "ann@b", "platform_admin");
    let node = site.start();
    let api = Api::new(&node, &key);
    let red = api.make("/teams", &json!({ "name": "red" }))["id"].clone();
    let team: TeamId = red.as_str().unwrap().parse().unwrap();
    plant(&site, &[(1, "new_address", Some(team)), (2, "bad_keys", None), (3, "bad_keys", Some(team))]);
    let admin = json!({ "email": "tim@b", "name": "Tim", "role": "team_admin", "team_id": red, "password": PASSWORD });
    api.make("/users", &admin);
    let tim = Console::enter(&node, "tim@b", PASSWORD);
    let ids = |shown: &Value| -> Vec<u128> {
        let id = |row: &Value| row["id"].as_str().unwrap().parse::<Uuid>().unwrap().as_u128();
        shown["data"].as_array().unwrap().iter().map(id).collect()
    };
    for (query, all, own) in [
        ("", &[3, 2, 1][..], &[3, 1][..]),
        ("?kind=bad_keys", &[3, 2], &[3]),
        ("?state=acknowledged", &[], &[]),
        ("?state=open&kind=new_address", &[1], &[1]),
        ("?team_id=01981d3a-0000-7000-8000-000000000001", &[], &[]),
    ] {
        let path = format!("/anomalies{query}");
        assert_eq!((ids(&api.get(&path).json()), ids(&tim.get(&path).json())), (all.to_vec(), own.to_vec()));
    }
    let [first, platforms] = [1, 2].map(|number| format!("/anomalies/{}", Uuid::from_u128(number)));
    assert_problem(&tim.get(&platforms), 404, "not_found");
    let before = tim.get(&first);
    assert_eq!(before.header("etag"), Some("\"1\""));
    assert_says(
        &before.json(),
        &json!({ "kind": "new_address", "team_id": red, "address": "192.0.2.1", "count": 1,
                 "evidence": { "number": "1" }, "acknowledged_by": null }),
    );
    let acknowledge = format!("{first}/acknowledge");
    let done = tim.change("POST", &acknowledge, &[], &Value::Null);
    assert_eq!(done.status, 200, "{}", done.text());
    assert_says(&done.json(), &json!({ "acknowledged_by": "tim@b", "version": 2 }));
    assert_problem(&api.send("POST", &acknowledge, &[], ""), 409, "conflict");
    let others = format!("{platforms}/acknowledge");
    assert_problem(&tim.change("POST", &others, &[], &Value::Null), 404, "not_found");
    assert_eq!(ids(&api.get("/anomalies?state=acknowledged").json()), [1]);
    let trail = api.get("/audit-logs?action=anomaly.").json();
    assert_says(
        &trail["data"][0],
        &json!({ "actor_name": "tim@b", "target_kind": "anomaly", "outcome": "ok" }),
    );
}

#[test]
fn the_nodes_health_is_told_without_a_secret() {
    let (_mock, site) = mocked(&[]);
    let key = platform_key(&site);
    let node = site.start();
    let health = Api::new(&node, &key).get("/health");
    assert_eq!(health.status, 200, "{}", health.text());
    let health = health.json();
    assert_says(
        &health,
        &json!({ "version": env!("CARGO_PKG_VERSION"), "is_draining": false, "providers": 1 }),
    );
    assert_eq!(health["database"]["is_ok"], true);
    assert!(health["database"]["world_revision"].as_i64().unwrap() > 0);
    assert!(health["database"]["pending_journal_bytes"].is_u64() && health["uptime_s"].is_u64());
}

#[test]
fn a_key_of_which_something_looks_wrong_is_held_until_somebody_lifts_it() {
    let (_mock, site) = mocked(&[]);
    let key = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &key);
    let wish = json!({ "reasons": ["new_address"], "requests_per_minute": 1, "minutes": 15 });
    let red = api.make("/teams", &json!({ "name": "red", "throttle": wish }));
    assert_eq!(red["throttle"], wish);
    let made = api.make("/keys", &json!({ "level": "app", "team_id": red["id"] }));
    let app = made["key"].as_str().unwrap();
    until("the key calls", || (node.chat(app, &ask("gpt")).status == 200).then_some(()));

    let team: TeamId = red["id"].as_str().unwrap().parse().unwrap();
    let of_key = Sighting {
        kind: "new_address",
        team: Some(team),
        key: Some(made["id"].as_str().unwrap().parse().unwrap()),
        address: Some("192.0.2.1".into()),
        evidence: "{}".into(),
    };
    let store = Store::open(&format!("sqlite://{}", site.file("nexus-data/nexus.db").display())).unwrap();
    let id = Uuid::from_u128(7);
    store.write_blocking(|conn| anomaly::record(conn, id, &of_key, 1_800_000_000_000)).unwrap();
    let refused = until("the key is held", || {
        let answer = node.chat(app, &ask("gpt"));
        (answer.status == 429).then_some(answer)
    });
    let error = refused.json()["error"].clone();
    assert_says(&error, &json!({ "type": "requests", "code": "rate_limit_exceeded" }));
    let said = error["message"].as_str().unwrap();
    assert!(said.starts_with("this key is held to 1 requests a minute for a while"), "{said}");
    assert!(refused.header("retry-after").is_some());
    assert_eq!(refused.header("x-ratelimit-limit-requests"), Some("1"));
    let held = api.get("/limits?kind=throttle&percent=100").json()["data"].clone();
    assert_eq!(held.as_array().unwrap().len(), 1, "{held}");
    assert_says(
        &held[0],
        &json!({ "kind": "throttle", "subject": "key", "subject_value": made["id"], "measure": "requests",
                 "limit": 1, "used": 1, "ends_at": 1_800_000_900 }),
    );
    let (_, other) = site.key("app");
    until("another key calls", || (node.chat(&other, &ask("gpt")).status == 200).then_some(()));

    let path = format!("/anomalies/{id}");
    assert_says(
        &api.get(&path).json()["throttle"],
        &json!({ "requests_per_minute": 1, "until": 1_800_000_900, "lifted_by": null }),
    );
    let others = api.make("/teams", &json!({ "name": "blue" }))["id"].clone();
    let admin = api.make("/keys", &json!({ "level": "admin", "role": "team_admin", "team_id": others }));
    let blue = Api::fresh(&node, admin["key"].as_str().unwrap());
    let lift = format!("{path}/lift-throttle");
    assert_problem(&blue.send("POST", &lift, &[], ""), 404, "not_found");
    assert_eq!(api.send("POST", &lift, &[], "").status, 200);
    assert_problem(&api.send("POST", &lift, &[], ""), 409, "conflict");
    until("the key calls again", || (node.chat(app, &ask("gpt")).status == 200).then_some(()));
    assert_eq!(node.chat(app, &ask("gpt")).status, 200);
    for action in ["key.throttle", "anomaly.lift_throttle"] {
        let trail = api.get(&format!("/audit-logs?action={action}")).json();
        assert_eq!(trail["data"].as_array().unwrap().len(), 1, "{action}");
    }
    let path = format!("/teams/{team}");
    let wrong = json!({ "throttle": { "reasons": ["bad_keys"], "requests_per_minute": 0, "minutes": 0 } });
    assert_problem(&api.patch(&path, &red["version"], &wrong), 422, "invalid");
    let off = api.patch(&path, &red["version"], &json!({ "throttle": null }));
    assert_eq!((off.status, &off.json()["throttle"]), (200, &Value::Null), "{}", off.text());
}
