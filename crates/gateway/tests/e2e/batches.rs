//! Batches before a provider that has none: files and batches are the gateway's own, and their lines its requests.

use std::{collections::BTreeSet, fmt::Write as _};

use nexus_store::{Store, repo::usage};
use nexus_testkit::{Mock, Options};
use serde_json::{Value, json};

use crate::{
    client::Answer,
    node::{Node, Site, until},
    resources::{ask, file, team_key},
};

const CHAT: &str = "/v1/chat/completions";

/// A gateway before a dialect without files, and a key of each of two teams.
fn site(model: &str) -> (Mock, Site, String, String) {
    let mock = Mock::start(Options::default()).unwrap();
    let site = Site::new(&format!(
        "  - name: vendor\n    kind: anthropic\n    endpoint: \"http://{}/v1\"\n    api_key: \"${{PROVIDER_KEY}}\"\n    allow_private_network: true\n    models:\n      - {{ alias: \"model\", real_name: \"{model}\" }}\ndefault_provider: vendor\n",
        mock.addr()
    ));
    let (red, blue) = (team_key(&site, "red"), team_key(&site, "blue"));
    (mock, site, red, blue)
}

fn line(custom_id: &str, body: &Value) -> String {
    json!({ "custom_id": custom_id, "method": "POST", "url": CHAT, "body": body }).to_string()
}

fn chat(text: &str) -> Value {
    json!({ "model": "model", "messages": [{ "role": "user", "content": text }] })
}

fn upload(node: &Node<'_>, key: &str, content: &str) -> String {
    let made = ask(node, key, "POST", "/v1/files", &file("batch", content));
    assert_eq!(made.status, 200, "{}", made.text());
    assert_eq!(made.json()["bytes"], json!(content.len()));
    made.json()["id"].as_str().unwrap().to_owned()
}

fn create(node: &Node<'_>, key: &str, file: &str) -> Answer {
    let body = json!({ "input_file_id": file, "endpoint": CHAT, "completion_window": "24h",
        "metadata": { "for": "a test" } });
    ask(node, key, "POST", "/v1/batches", &body.to_string())
}

fn shown(node: &Node<'_>, key: &str, id: &str) -> Value {
    ask(node, key, "GET", &format!("/v1/batches/{id}"), "").json()
}

fn over(node: &Node<'_>, key: &str, id: &str) -> Value {
    until("the batch is over", || {
        let batch = shown(node, key, id);
        (!matches!(batch["status"].as_str(), Some("validating" | "in_progress" | "cancelling")))
            .then_some(batch)
    })
}

fn lines(node: &Node<'_>, key: &str, file: &Value) -> Vec<Value> {
    let content = ask(node, key, "GET", &format!("/v1/files/{}/content", file.as_str().unwrap()), "");
    assert_eq!((content.status, content.is_complete), (200, true));
    content.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_batch_is_run_line_by_line_and_told_in_files() {
    let (mock, site, red, blue) = site("mock-model");
    let node = site.start();
    let bad = json!({ "model": "model", "messages": "none" });
    let content =
        format!("{}\n{}\n{}", line("one", &chat("birch")), line("two", &bad), line("three", &chat("oak")));
    let file = upload(&node, &red, &content);
    let made = create(&node, &red, &file);
    assert_eq!(made.status, 200, "{}", made.text());
    assert_eq!(
        (&made.json()["status"], &made.json()["metadata"]),
        (&json!("validating"), &json!({"for": "a test"}))
    );
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let batch = over(&node, &red, &id);
    assert_eq!(batch["status"], "completed", "{batch}");
    assert_eq!(batch["request_counts"], json!({ "total": 3, "completed": 2, "failed": 1 }));
    let told = lines(&node, &red, &batch["output_file_id"]);
    let said: Vec<_> = told
        .iter()
        .map(|line| {
            (
                line["custom_id"].as_str().unwrap(),
                &line["response"]["body"]["choices"][0]["message"]["content"],
            )
        })
        .collect();
    assert_eq!(said, [("one", &json!("You said: birch")), ("three", &json!("You said: oak"))]);
    let errors = lines(&node, &red, &batch["error_file_id"]);
    assert_eq!(
        (errors.len(), &errors[0]["custom_id"], &errors[0]["response"]["status_code"]),
        (1, &json!("two"), &json!(400))
    );
    assert_eq!(mock.oracle().len(), 2);

    let ids = |key: &str, path: &str| {
        let page = ask(&node, key, "GET", path, "").json();
        let data = page["data"].as_array().unwrap().iter();
        data.map(|thing| thing["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&red, "/v1/batches"), [id.as_str()]);
    assert_eq!(ids(&red, "/v1/files?purpose=batch"), [file.as_str()]);
    assert_eq!(ids(&red, "/v1/files").len(), 3);
    assert!(ids(&blue, "/v1/batches").is_empty() && ids(&blue, "/v1/files").is_empty());
    let output = batch["output_file_id"].as_str().unwrap();
    for (method, path, own) in [
        ("GET", "/v1/batches/{}", id.as_str()),
        ("POST", "/v1/batches/{}/cancel", id.as_str()),
        ("GET", "/v1/files/{}", file.as_str()),
        ("GET", "/v1/files/{}/content", output),
        ("DELETE", "/v1/files/{}", file.as_str()),
    ] {
        let of = |id: &str| ask(&node, &blue, method, &path.replace("{}", id), "");
        let (foreign, unknown) = (of(own), of("thing_999999"));
        assert_eq!((foreign.status, unknown.status), (404, 404), "{method} {path}");
        assert_eq!(foreign.text().replace(own, "X"), unknown.text().replace("thing_999999", "X"));
    }
    let (foreign, unknown) = (create(&node, &blue, &file), create(&node, &blue, "file-999999"));
    assert_eq!(foreign.text().replace(&file, "X"), unknown.text().replace("file-999999", "X"));
    assert_eq!(ask(&node, &red, "DELETE", &format!("/v1/files/{file}"), "").json()["deleted"], json!(true));
    assert_eq!(ask(&node, &red, "GET", &format!("/v1/files/{file}"), "").status, 404);
}

#[test]
fn what_is_wrong_with_a_file_is_told_and_nothing_of_it_is_asked() {
    let (mock, site, red, _) = site("mock-model");
    let node = site.start();
    let refused = ask(&node, &red, "POST", "/v1/files", &file("assistants", "x"));
    assert_eq!((refused.status, &refused.json()["error"]["param"]), (400, &json!("purpose")));
    let unknown = json!({ "model": "other", "messages": [] });
    let content =
        [line("a", &chat("x")), line("a", &chat("y")), line("b", &unknown), "{".to_owned()].join("\n");
    let made = create(&node, &red, &upload(&node, &red, &content)).json();
    assert_eq!(made["status"], "failed");
    let flaws: Vec<_> = made["errors"]["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|flaw| (flaw["code"].as_str().unwrap(), flaw["line"].as_u64().unwrap()))
        .collect();
    assert_eq!(flaws, [("duplicate_custom_id", 2), ("model_not_found", 3), ("invalid_json_line", 4)]);
    assert!(mock.requests().is_empty());
}

#[test]
fn a_batch_that_is_cancelled_ends_with_what_was_answered() {
    let (mock, site, red, _) = site("m+delay_ms=first:300");
    let node = site.start();
    let content: Vec<String> = (0..400).map(|at| line(&format!("l{at}"), &chat("x"))).collect();
    let id = create(&node, &red, &upload(&node, &red, &content.join("\n"))).json()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    until("lines are asked", || (mock.oracle().len() > 4).then_some(()));
    let cancelled = ask(&node, &red, "POST", &format!("/v1/batches/{id}/cancel"), "");
    assert_eq!((cancelled.status, &cancelled.json()["status"]), (200, &json!("cancelling")));
    let batch = over(&node, &red, &id);
    assert_eq!(batch["status"], "cancelled", "{batch}");
    let answered = lines(&node, &red, &batch["output_file_id"]).len();
    assert_eq!(json!(answered), batch["request_counts"]["completed"]);
    assert!(answered < 400 && mock.oracle().len() < 400);
    assert_eq!(ask(&node, &red, "POST", &format!("/v1/batches/{id}/cancel"), "").status, 400);
}

#[test]
fn a_batch_goes_on_after_its_process_was_killed_and_answers_each_line_once() {
    let (mock, site, red, _) = site("m+delay_ms=first:20");
    let mut content = String::new();
    for at in 0..200 {
        writeln!(content, "{}", line(&format!("line-{at}"), &chat(&format!("tree {at}")))).unwrap();
    }
    let node = site.start();
    let id = create(&node, &red, &upload(&node, &red, &content)).json()["id"].as_str().unwrap().to_owned();
    until("half of it is asked", || (mock.oracle().len() >= 100).then_some(()));
    // dropping a node kills it
    drop(node);
    let killed_at = mock.oracle().len();
    assert!(killed_at < 200, "it was over before it was killed");
    let node = site.start();
    let batch = over(&node, &red, &id);
    assert_eq!(batch["request_counts"], json!({ "total": 200, "completed": 200, "failed": 0 }), "{batch}");
    let told = lines(&node, &red, &batch["output_file_id"]);
    let ids: BTreeSet<&str> = told.iter().map(|line| line["custom_id"].as_str().unwrap()).collect();
    assert_eq!((told.len(), ids.len()), (200, 200));
    for line in &told {
        let number = line["custom_id"].as_str().unwrap().trim_start_matches("line-");
        let said = &line["response"]["body"]["choices"][0]["message"]["content"];
        assert_eq!(*said, json!(format!("You said: tree {number}")));
    }
    // only what was under way as it was killed was asked twice
    let served = mock.oracle().len();
    assert!(served <= 200 + 8, "{served} were asked");
    node.stop();
    let store = Store::open(&format!("sqlite://{}/nexus-data/nexus.db", site.path().display())).unwrap();
    let booked = store.read_blocking(usage::provider_request_ids).unwrap();
    let each: BTreeSet<&String> = booked.iter().collect();
    assert_eq!(each.len(), booked.len(), "nothing is booked twice");
    assert!((200..=served).contains(&booked.len()), "{} of {served} are booked", booked.len());
}
