//! The audit trail from the command line: written with each change, verified, exported.

use nexus_store::Store;
use serde_json::{Value, json};

use crate::node::{Site, mocked, until};

fn lines(printed: &str) -> Vec<Value> {
    printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Exit code, standard output and standard error of `nexus audit`.
fn audit(site: &Site, arguments: &[&str]) -> (Option<i32>, String, String) {
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
    let (code, printed, _) = audit(&site, &["export", "--format", "jsonl"]);
    assert_eq!(code, Some(0));
    let told: Vec<_> = lines(&printed)
        .iter()
        .map(|row| json!([row["actor_kind"], row["action"], row["target_kind"], row["outcome"]]))
        .collect();
    let expected = [
        json!(["cli", "team.create", "team", "ok"]),
        json!(["cli", "key.create", "key", "ok"]),
        json!(["cli", "key.revoke", "key", "ok"]),
    ];
    assert_eq!(told, expected);
    assert_eq!(lines(&printed)[2]["target_id"], id.as_str());
    assert!(!printed.contains(&key));
}

#[test]
fn a_row_that_was_tampered_with_is_named_and_a_forged_trail_is_found_by_its_anchors() {
    let (_mock, site) = mocked(&[]);
    let ids: Vec<_> = (0..3).map(|_| site.key("app").0).collect();
    let (code, printed, _) = audit(&site, &["verify"]);
    assert_eq!((code, &lines(&printed)[0]), (Some(0), &json!({ "is_whole": true, "rows": 4, "days": 1 })));
    let (_, anchors, _) = audit(&site, &["anchors"]);
    assert_eq!(lines(&anchors)[0]["last_seq"], 4);
    std::fs::write(site.file("anchors.jsonl"), &anchors).unwrap();
    let forged = anchors.replace("\"last_seq\":4", "\"last_seq\":3");
    std::fs::write(site.file("other.jsonl"), forged).unwrap();
    assert_eq!(audit(&site, &["verify", "--anchors", "anchors.jsonl"]).0, Some(0));
    let (code, _, said) = audit(&site, &["verify", "--anchors", "other.jsonl"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("row 3") && said.contains("anchor"), "{said}");
    std::fs::write(site.file("no.jsonl"), "nonsense").unwrap();
    let (_, _, said) = audit(&site, &["verify", "--anchors", "no.jsonl"]);
    assert!(said.contains("line 1") && said.contains("nexus audit anchors"), "{said}");

    // the file is whole without its log: the last connection wrote it back
    drop(Store::open(&format!("sqlite://{}", site.file("nexus-data/nexus.db").display())).unwrap());
    let target = format!("key{}", ids[1]);
    tamper(&site, &target, &target.replace("key", "kEy"));
    let (code, printed, said) = audit(&site, &["verify"]);
    assert_eq!(code, Some(1));
    assert_eq!(lines(&printed)[0]["seq"], 3);
    assert!(said.contains("broken at row 3"), "{said}");
}

#[test]
fn the_trail_is_exported_into_a_file_that_is_not_there_yet() {
    let (_mock, site) = mocked(&[]);
    site.key("admin");
    let export = || audit(&site, &["export", "--format", "csv", "--out", "trail.csv"]);
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
    let (code, _, said) = audit(&site, &["verify", "--anchors", "anchors.jsonl"]);
    assert_eq!(code, Some(0), "{said}\n{anchors}");
}
