//! The audit trail from the command line: written with each change, verified, exported.

use nexus_core::role::ActorId;
use nexus_store::{
    Store,
    repo::audit::{self, Entry, Outcome},
};
use serde_json::{Value, json};

use crate::{
    admin::Api,
    node::{Site, mocked, until},
};

fn lines(printed: &str) -> Vec<Value> {
    printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Exit code, standard output and standard error of `nexus audit`.
fn run(site: &Site, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut all = vec!["audit"];
    all.extend(arguments);
    all.extend(["--config", "nexus.yaml"]);
    let output = site.command(&all).output().unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    (output.status.code(), out, err)
}

/// Replaces bytes in the database's file, past all triggers. A page's text stands as it was written.
fn tamper(site: &Site, from: &str, to: &str) {
    assert_eq!(from.len(), to.len());
    let path = site.file("nexus-data/nexus.db");
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
    bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    std::fs::write(&path, bytes).unwrap();
}

#[test]
fn changes_of_the_command_line_are_in_the_trail() {
    let (_mock, site) = mocked(&[]);
    let (id, key) = site.key("app");
    site.run(&["key", "revoke", &id, "--config", "nexus.yaml"]);
    site.run(&["key", "revoke", &id, "--config", "nexus.yaml"]);
    let (code, printed, _) = run(&site, &["export", "--format", "jsonl"]);
    assert_eq!(code, Some(0));
    let mut lines = lines(&printed);
    let end = lines.pop().unwrap()["end"].clone();
    assert_eq!((&end["rows"], &end["last_hash"]), (&json!(3), &lines[2]["hash"]));
    let told: Vec<_> = lines
        .iter()
        .map(|row| json!([row["actor_kind"], row["action"], row["target_kind"], row["outcome"]]))
        .collect();
    let expected = [
        json!(["cli", "team.create", "team", "ok"]),
        json!(["cli", "key.create", "key", "ok"]),
        json!(["cli", "key.revoke", "key", "ok"]),
    ];
    assert_eq!(told, expected);
    assert_eq!(lines[2]["target_id"], id.as_str());
    assert!(!printed.contains(&key));
}

#[test]
fn a_row_that_was_tampered_with_is_named_and_a_forged_trail_is_found_by_its_anchors() {
    let (_mock, site) = mocked(&[]);
    let ids: Vec<_> = (0..3).map(|_| site.key("app").0).collect();
    let (code, printed, _) = run(&site, &["verify"]);
    assert_eq!((code, &lines(&printed)[0]), (Some(0), &json!({ "is_whole": true, "rows": 4, "days": 1 })));
    let (_, anchors, _) = run(&site, &["anchors"]);
    assert_eq!(lines(&anchors)[0]["last_seq"], 4);
    std::fs::write(site.file("anchors.jsonl"), &anchors).unwrap();
    let forged = anchors.replace("\"last_seq\":4", "\"last_seq\":3");
    std::fs::write(site.file("other.jsonl"), forged).unwrap();
    assert_eq!(run(&site, &["verify", "--anchors", "anchors.jsonl"]).0, Some(0));
    let (code, _, said) = run(&site, &["verify", "--anchors", "other.jsonl"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("row 3") && said.contains("anchor"), "{said}");
    std::fs::write(site.file("no.jsonl"), "nonsense").unwrap();
    let (_, _, said) = run(&site, &["verify", "--anchors", "no.jsonl"]);
    assert!(said.contains("line 1") && said.contains("nexus audit anchors"), "{said}");

    // the file is whole without its log: the last connection wrote it back
    drop(Store::open(&format!("sqlite://{}", site.file("nexus-data/nexus.db").display())).unwrap());
    let target = format!("key{}", ids[1]);
    tamper(&site, &target, &target.replace("key", "kEy"));
    let (code, printed, said) = run(&site, &["verify"]);
    assert_eq!(code, Some(1));
    assert_eq!(lines(&printed)[0]["seq"], 3);
    assert!(said.contains("broken at row 3"), "{said}");
}

#[test]
fn the_chain_is_walked_over_rest_by_whoever_may_see_all_of_it() {
    let (_mock, site) = mocked(&[]);
    let (_, key) = site.key("admin");
    let ids: Vec<_> = (0..2).map(|_| site.key("app").0).collect();
    let node = site.start();
    let api = Api::new(&node, &key);
    let walk = || api.send("POST", "/audit-logs/verify", &[], "");
    let whole = walk();
    assert_eq!(whole.status, 200, "{}", whole.text());
    let rows = whole.json()["rows"].clone();
    assert_eq!(whole.json(), json!({ "outcome": "whole", "rows": rows, "seq": null, "what": null }));
    assert!(rows.as_u64().unwrap() >= 4, "{rows}");
    let team = api.make("/teams", &json!({ "name": "red" }))["id"].clone();
    let of_team = api.make("/keys", &json!({ "level": "admin", "role": "auditor", "team_id": team }));
    let of_team = Api::fresh(&node, of_team["key"].as_str().unwrap());
    assert_eq!(of_team.send("POST", "/audit-logs/verify", &[], "").status, 404);
    drop(node);

    drop(Store::open(&format!("sqlite://{}", site.file("nexus-data/nexus.db").display())).unwrap());
    let target = format!("key{}", ids[0]);
    tamper(&site, &target, &target.replace("key", "kEy"));
    let node = site.start();
    let api = Api::new(&node, &key);
    let broken = api.send("POST", "/audit-logs/verify", &[], "").json();
    assert_eq!(
        (&broken["outcome"], &broken["seq"], &broken["rows"]),
        (&json!("broken"), &json!(3), &json!(2)),
        "{broken}"
    );
    assert_eq!(broken["what"], "the row does not fit its hash and the row before it");
}

/// A trail of many rows, of which a page in the middle cannot be read.
fn broken_trail(site: &Site) {
    let row = |number: usize| Entry {
        actor: Some(ActorId::System),
        actor_name: String::new(),
        team: None,
        action: "test.deed",
        target: None,
        before: None,
        after: None,
        address: None,
        request_id: None,
        outcome: Outcome::Ok,
        detail: Some(format!("deed-{number}-")),
    };
    // the last connection that closes writes everything into the file
    let store = Store::open(&format!("sqlite://{}", site.file("nexus-data/nexus.db").display())).unwrap();
    let now_ms = 1_800_000_000_000;
    store
        .write_blocking(|conn| {
            (0..1500).try_for_each(|number| audit::append(conn, &row(number), now_ms).map(drop))
        })
        .unwrap();
    drop(store);
    let path = site.file("nexus-data/nexus.db");
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(9).position(|window| window == b"deed-800-").unwrap();
    let page_bytes = usize::from(u16::from_be_bytes([bytes[16], bytes[17]]));
    // the first byte says what kind of page it is
    bytes[at - at % page_bytes] = 0;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn an_export_that_cannot_be_finished_does_not_look_like_a_whole_one() {
    let (_mock, site) = mocked(&[]);
    let (_, key) = site.key("admin");
    broken_trail(&site);
    let node = site.start();
    let api = Api::new(&node, &key);
    for format in ["jsonl", "csv"] {
        let cut = api.get(&format!("/audit-logs/export?format={format}"));
        assert_eq!((cut.status, cut.is_complete), (200, false), "{format}");
        assert!(cut.text().contains("deed-300-"), "what was read before is there");
        assert!(!cut.text().contains("\"end\"") && !cut.text().contains("deed-800-"), "{format}");
    }
    let (code, printed, said) = run(&site, &["export", "--format", "jsonl"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(!printed.contains("\"end\""));
}

#[test]
fn the_trail_is_exported_into_a_file_that_is_not_there_yet() {
    let (_mock, site) = mocked(&[]);
    site.key("admin");
    let export = || run(&site, &["export", "--format", "csv", "--out", "trail.csv"]);
    let (code, said, _) = export();
    assert_eq!((code, said.as_str()), (Some(0), "1 rows were written to trail.csv\n"));
    let csv = std::fs::read_to_string(site.file("trail.csv")).unwrap();
    assert_eq!(csv.lines().count(), 2);
    assert!(csv.starts_with("seq,day,at,") && csv.contains(",key.create,"), "{csv}");
    let (code, _, said) = export();
    assert_eq!(code, Some(1));
    assert!(said.contains("`trail.csv`"), "{said}");
}

#[test]
fn anchors_in_the_log_verify_as_they_stand() {
    let (_mock, site) = mocked(&[]);
    site.key("app");
    let node = site.start();
    until("the anchor is in the log", || site.log().contains("audit anchor").then_some(()));
    node.stop();
    let log = site.log();
    let anchors: String = log.lines().filter(|line| line.contains("audit anchor")).collect();
    std::fs::write(site.file("anchors.jsonl"), &anchors).unwrap();
    let (code, _, said) = run(&site, &["verify", "--anchors", "anchors.jsonl"]);
    assert_eq!(code, Some(0), "{said}\n{anchors}");
}
