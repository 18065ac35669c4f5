//! The root secret moved beside a running gateway, and what a dump of its database shows afterwards.

use std::path::Path;

use nexus_store::{
    Store,
    repo::{credential, provider::SealedText},
};

use crate::node::{PROVIDER_KEY, Site, ask, mocked, until};

const NEW_ROOT: &str = "Zk3pT9wQ1vB6nM4xC8rL2sD7fG5hJ0aEyU+iO/tR3bN=";

fn rotate_root(site: &Site) -> std::process::Output {
    let mut command = site.command(&["keystore", "rotate-root", "--config", "nexus.yaml"]);
    command.env("DB_ENCRYPTION_KEY_NEW", NEW_ROOT).output().unwrap()
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

fn every_file_is_without(folder: &Path, text: &str) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            every_file_is_without(&path, text);
        } else {
            assert!(!holds(&std::fs::read(&path).unwrap(), text), "{}", path.display());
        }
    }
}

#[test]
fn requests_work_before_during_and_after_the_root_moves_and_after_a_restart_with_the_new_one() {
    let (mock, site) = mocked(&[]);
    let (_, key) = site.key("app");
    let node = site.start();
    let serves = |node: &crate::node::Node<'_>| {
        let answer = node.chat(&key, &ask("gpt"));
        assert_eq!(answer.status, 200, "{}", answer.text());
    };
    serves(&node);
    std::thread::scope(|scope| {
        let rotating = scope.spawn(|| rotate_root(&site));
        while !rotating.is_finished() {
            serves(&node);
        }
        let output = rotating.join().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(said.contains("restart every node"), "{said}");
    });
    until("the running node sees that the root moved", || {
        serves(&node);
        site.log().contains("restart it with the new value").then_some(())
    });
    // a key that is revoked now is refused once a new world is in force, with the credential that opened before
    let create = ["key", "create", "--level", "app", "--output", "json", "--config", "nexus.yaml"];
    let made = site.command(&create).env("DB_ENCRYPTION_KEY", NEW_ROOT).output().unwrap();
    let made: serde_json::Value = serde_json::from_slice(&made.stdout).unwrap();
    let made_id = made["id"].as_str().unwrap();
    site.command(&["key", "revoke", made_id, "--config", "nexus.yaml"]).output().unwrap();
    until("the revoked key is refused", || {
        (node.chat(made["key"].as_str().unwrap(), &ask("gpt")).status == 401).then_some(())
    });
    serves(&node);
    assert!(!site.log().contains("does not open"), "{}", site.log());
    node.stop();

    let refused = site.command(&["serve", "--config", "nexus.yaml", "--port", "0"]).output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success());
    assert!(said.contains("`DB_ENCRYPTION_KEY` is not the one this database was sealed with"), "{said}");

    let node = site.start_under(NEW_ROOT, &[]);
    serves(&node);
    node.stop();
    assert!(
        mock.requests()
            .iter()
            .all(|request| request.header("authorization") == Some(&format!("Bearer {PROVIDER_KEY}")))
    );
    assert!(String::from_utf8(rotate_root_again(&site)).unwrap().contains("already"));
    every_file_is_without(&site.file("nexus-data"), PROVIDER_KEY);
}

/// With the old and the new secret as before: what is done is done.
fn rotate_root_again(site: &Site) -> Vec<u8> {
    let output = rotate_root(site);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn the_root_moves_by_names_of_variables_only_and_says_what_is_wrong_without_their_values() {
    let (_mock, site) = mocked(&[]);
    site.start().stop();
    let run = |arguments: &[&str], new: Option<&str>| {
        let mut all = vec!["keystore", "rotate-root", "--config", "nexus.yaml"];
        all.extend(arguments);
        let mut command = site.command(&all);
        if let Some(new) = new {
            command.env("DB_ENCRYPTION_KEY_NEW", new);
        }
        let output = command.output().unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    for (arguments, new, expected) in [
        (&[][..], None, "`DB_ENCRYPTION_KEY_NEW` is not set"),
        (&[], Some("tiny"), "`DB_ENCRYPTION_KEY_NEW` is shorter"),
        (&[], Some(crate::node::ENCRYPTION_KEY), "are the same"),
        (&["--from-env", "NEXUS_SECRET_KEY"], Some(NEW_ROOT), "the old secret is not the one"),
        (&["--to-env", NEW_ROOT], None, "is not the name of a variable"),
    ] {
        let said = run(arguments, new);
        assert!(said.contains(expected) && !said.contains(NEW_ROOT), "{said}");
    }
    let status = site.run(&["keystore", "status", "--config", "nexus.yaml"]);
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["credentials_under_root"], 0);
    assert_eq!(status["data_keys"][0]["state"], "current");
    assert_eq!(status["data_keys"][0]["credentials"], 1);
}

#[test]
fn a_credential_that_does_not_open_is_told_once_and_left_out() {
    let (_mock, site) = mocked(&[]);
    let (id, key) = site.key("app");
    let node = site.start();
    assert_eq!(node.chat(&key, &ask("gpt")).status, 200);
    let store = Store::open(&format!("sqlite://{}", site.file("nexus-data/nexus.db").display())).unwrap();
    let row = store.read_blocking(|conn| credential::sealed_under_other_than(conn, "", 9)).unwrap().remove(0);
    let shut = SealedText("v2.root-1.AAAA".into());
    store.write_blocking(|conn| credential::reseal(conn, row.id, &row.secret.sealed, &shut)).unwrap();
    until("it is told", || site.log().contains("credential does not open").then_some(()));
    site.run(&["key", "revoke", &id, "--config", "nexus.yaml"]);
    until("the next world is in force", || (node.chat(&key, &ask("gpt")).status == 401).then_some(()));
    assert_eq!(site.log().matches("credential does not open").count(), 1);
    let trail = site.run(&["audit", "export", "--format", "jsonl", "--config", "nexus.yaml"]);
    let told: Vec<_> = trail.lines().filter(|line| line.contains("vault.cannot_open")).collect();
    assert!(matches!(told[..], [row_told] if row_told.contains(&row.id.to_string())), "{told:?}");
    node.stop();
}
