//! What is kept of requests: what was tried for them, and, where a team wants it, what they said.

use serde_json::{Value, json};

use crate::{
    admin::{Api, assert_problem, assert_says, platform_key},
    client::Answer,
    node::{Node, Site, ask, ask_stream, mocked, until},
    secrets::{codings, holds_any, walk},
};

const PROMPT: &str = "the kept prompt a41c9e, told to nobody";

fn id_of(answer: &Answer) -> String {
    answer.header("x-request-id").unwrap().to_owned()
}

/// The request, once it is in the ledger.
fn shown(api: &Api<'_>, id: &str) -> Value {
    until("the request is in the ledger", || {
        let answer = api.get(&format!("/requests/{id}"));
        (answer.status == 200).then(|| answer.json())
    })
}

fn team(api: &Api<'_>, name: &str, ttl_seconds: Option<u32>) -> (String, String) {
    let team = api.make("/teams", &json!({ "name": name, "content_ttl_seconds": ttl_seconds }));
    let id = team["id"].as_str().unwrap().to_owned();
    let key = api.make("/keys", &json!({ "level": "app", "team_id": id }));
    (id, key["key"].as_str().unwrap().to_owned())
}

fn said(node: &Node<'_>, key: &str, body: &str) -> Answer {
    let answer = node.chat(key, &body.replace("say hello", PROMPT));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer
}

#[test]
fn a_request_is_shown_with_all_that_was_tried_for_it() {
    let (_mock, site) = mocked(&[("down", "mock-gpt+fault=status:500")]);
    let admin = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &admin);
    let (red, key) = team(&api, "red", None);
    let body = json!({ "model": "gpt", "user": "ada", "messages": [{ "role": "user", "content": "hello" }] });
    let answer = node.chat(&key, &body.to_string());
    let failed = node.chat(&key, &ask("down"));
    let streamed = node.chat(&key, &ask_stream("gpt"));
    let request = shown(&api, &id_of(&answer));
    assert_says(
        &request,
        &json!({
            "team_id": red, "alias": "gpt", "operation": "chat.completions", "status": 200, "outcome": "answered",
            "user": "ada", "is_stream": false, "content": null,
        }),
    );
    let attempts = request["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 1, "{request}");
    assert_says(
        &attempts[0],
        &json!({
            "number": 1, "provider": "mock", "model": "mock-gpt", "status": 200, "policy": "weighted", "route": null,
            "bearer": "team", "request_bytes": body.to_string().len(), "answer_bytes": answer.body.len(),
        }),
    );
    let numbers = ["before_us", "duration_us", "started_at_ms"];
    assert!(numbers.iter().all(|name| attempts[0][*name].is_u64()), "{request}");
    let streamed_bytes = shown(&api, &id_of(&streamed))["attempts"][0]["answer_bytes"].clone();
    assert_eq!(streamed_bytes, streamed.body.len(), "{}", streamed.text());
    let broken = shown(&api, &id_of(&failed));
    assert_says(&broken, &json!({ "status": failed.status, "outcome": "internal" }));

    let list = |query: &str| -> Vec<String> {
        let page = api.get(&format!("/requests?{query}")).json();
        let rows = page["data"].as_array().unwrap_or_else(|| panic!("{page}")).clone();
        rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(list("user=ada"), [id_of(&answer)]);
    assert_eq!(list(&format!("status={}", failed.status)), [id_of(&failed)]);
    assert_eq!(list(&format!("team_id={red}&alias=gpt")), [id_of(&streamed), id_of(&answer)]);
    assert_eq!(list("model=nothing"), [""; 0]);
    let first = api.get("/requests?limit=1").json();
    assert_eq!((first["has_more"].clone(), &first["data"][0]["id"]), (json!(true), &json!(id_of(&streamed))));
    let next = first["next_cursor"].as_str().unwrap();
    let second = api.get(&format!("/requests?limit=1&cursor={next}")).json();
    assert_eq!(second["data"][0]["id"], json!(id_of(&failed)));
    assert_problem(&api.get("/requests?from=9&until=8"), 400, "bad_request");

    let blue = api.make("/teams", &json!({ "name": "blue" }))["id"].clone();
    let theirs = api.make("/keys", &json!({ "level": "admin", "team_id": blue }));
    let theirs = Api::fresh(&node, theirs["key"].as_str().unwrap());
    assert_eq!(theirs.get("/requests").json()["data"], json!([]));
    assert_eq!(theirs.get(&format!("/requests?team_id={red}")).json()["data"], json!([]));
    assert_problem(&theirs.get(&format!("/requests/{}", id_of(&answer))), 404, "not_found");
}

/// What was said, once it is kept.
fn content(api: &Api<'_>, id: &str) -> Value {
    until("the content is kept", || {
        let answer = api.get(&format!("/requests/{id}/content"));
        (answer.status == 200).then(|| answer.json())
    })
}

#[test]
fn what_a_team_says_is_kept_sealed_and_shown_to_few_while_the_team_wants_it() {
    let (_mock, site) = mocked(&[("down", "mock-gpt+fault=status:500")]);
    let admin = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &admin);
    let (red, key) = team(&api, "red", Some(3600));
    let (_, silent) = team(&api, "blue", None);
    let unkept = said(&node, &silent, &ask("gpt"));
    let (whole, stream) = (said(&node, &key, &ask("gpt")), said(&node, &key, &ask_stream("gpt")));
    let failed = node.chat(&key, &ask("down").replace("say hello", PROMPT));
    for answer in [&whole, &stream, &failed] {
        let kept = content(&api, &id_of(answer));
        assert!(kept["prompt"].as_str().unwrap().contains(PROMPT), "{kept}");
        assert_says(&kept, &json!({ "answer": answer.text(), "is_cut": false, "team_id": red }));
        assert_eq!(kept["expires_at"].as_i64().unwrap() - kept["at"].as_i64().unwrap(), 3600);
    }
    let path = format!("/requests/{}/content", id_of(&whole));
    assert_problem(&api.get(&format!("/requests/{}/content", id_of(&unkept))), 404, "not_found");
    assert!(shown(&api, &id_of(&whole))["content"]["bytes"].as_u64() > Some(PROMPT.len() as u64));
    assert_eq!(shown(&api, &id_of(&unkept))["content"], Value::Null);

    // who looked is in the trail, and who may not look is told so
    let looks = api.get("/audit-logs?action=content.read").json();
    assert_says(&looks["data"][0], &json!({ "target_id": id_of(&failed), "team_id": red, "after": null }));
    for (role, team, status) in
        [("auditor", None, 403), ("viewer", Some(&red), 403), ("team_admin", Some(&red), 200)]
    {
        let made = api.make("/keys", &json!({ "level": "admin", "role": role, "team_id": team }));
        let other = Api::fresh(&node, made["key"].as_str().unwrap());
        assert_eq!(other.get(&path).status, status, "{role}");
    }

    assert_eq!(api.delete(&format!("/requests/{}/content", id_of(&stream))).status, 204);
    assert_problem(&api.get(&format!("/requests/{}/content", id_of(&stream))), 404, "not_found");
    assert_eq!(api.get(&path).status, 200, "the others are there");
    assert_eq!(api.delete(&format!("/teams/{red}/content")).status, 204);
    assert_problem(&api.get(&path), 404, "not_found");
    let again = said(&node, &key, &ask("gpt"));
    let path = format!("/requests/{}/content", id_of(&again));
    content(&api, &id_of(&again));
    nowhere_in_clear(&site);

    let off = ["team", "content", "red", "--off", "--output", "json", "--config", "nexus.yaml"];
    assert_says(&serde_json::from_str(&site.run(&off)).unwrap(), &json!({ "content_ttl_seconds": null }));
    assert_problem(&api.get(&path), 404, "not_found");
    node.stop();
    nowhere_in_clear(&site);
}

/// The prompt is in no file, in no coding.
fn nowhere_in_clear(site: &Site) {
    for file in walk(site.path()) {
        let bytes = std::fs::read(&file).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!holds_any(&text, &codings(PROMPT)), "the prompt is in {}", file.display());
    }
}

#[test]
fn how_long_content_is_kept_is_set_within_bounds() {
    let (_mock, site) = mocked(&[]);
    let admin = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &admin);
    for seconds in [0, 59, 31_536_001] {
        let wish = json!({ "name": "red", "content_ttl_seconds": seconds });
        assert_problem(&api.post("/teams", &wish), 422, "invalid");
    }
    let (red, _) = team(&api, "red", Some(60));
    let path = format!("/teams/{red}");
    assert_problem(&api.patch(&path, &json!(1), &json!({ "content_ttl_seconds": 1 })), 422, "invalid");
    let longer = api.patch(&path, &json!(1), &json!({ "content_ttl_seconds": 86_400 }));
    assert_says(&longer.json(), &json!({ "content_ttl_seconds": 86_400 }));
    let mut wrong =
        site.command(&["team", "content", "green", "--ttl-seconds", "60", "--config", "nexus.yaml"]);
    let refused = wrong.output().unwrap();
    assert!(String::from_utf8_lossy(&refused.stderr).contains("there is no team `green`"), "{refused:?}");
}
