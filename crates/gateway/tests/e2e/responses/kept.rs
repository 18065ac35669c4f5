//! Responses that the gateway keeps itself, because whoever answers keeps none.

use nexus_testkit::Mock;
use serde_json::{Value, json};

use super::{KINDS, events, mocked, post};
use crate::{
    client::Answer,
    node::{Node, Site},
};

fn team_key(site: &Site, team: &str) -> String {
    let words =
        ["key", "create", "--level", "app", "--team", team, "--output", "json", "--config", "nexus.yaml"];
    let made: Value = serde_json::from_str(&site.run(&words)).unwrap();
    made["key"].as_str().unwrap().to_owned()
}

fn ask(node: &Node<'_>, key: &str, method: &str, path: &str) -> Answer {
    let bearer = format!("Bearer {key}");
    node.request(method, path, &[("authorization", bearer.as_str())], "")
}

/// What the provider was told last, as a text.
fn told(mock: &Mock) -> String {
    String::from_utf8(mock.requests().last().unwrap().body.to_vec()).unwrap()
}

fn id(answer: &Answer) -> String {
    answer.json()["id"].as_str().unwrap_or_else(|| panic!("{}", answer.text())).to_owned()
}

#[test]
fn a_conversation_goes_on_by_ids_whoever_serves_it_and_however_it_is_told() {
    for (kind, path) in KINDS {
        let (mock, site) = mocked(kind, path, &[]);
        let key = team_key(&site, "red");
        let node = site.start();
        let first = post(&node, &key, r#"{"model":"model","input":"the word is birch"}"#);
        assert_eq!(first.status, 200, "{kind}: {}", first.text());
        assert_eq!(
            (&first.json()["store"], &first.json()["previous_response_id"]),
            (&json!(true), &json!(null))
        );
        let shown = ask(&node, &key, "GET", &format!("/v1/responses/{}", id(&first)));
        assert_eq!((shown.status, &shown.body), (200, &first.body), "{kind}: as it was given");
        let body = json!({"model": "model", "input": [{"role": "user", "content": "which word?"}],
            "previous_response_id": id(&first), "stream": true});
        let second = events(&post(&node, &key, &body.to_string()));
        let last = &second.last().unwrap()["response"];
        assert_eq!(
            (&last["previous_response_id"], &last["store"]),
            (&json!(id(&first)), &json!(true)),
            "{kind}"
        );
        let sent = told(&mock);
        let at = |text: &str| sent.find(text).unwrap_or_else(|| panic!("{kind}: `{text}` in {sent}"));
        assert!(at("the word is birch") < at("You said: the word is birch"), "{kind}");
        assert!(at("You said: the word is birch") < at("which word?"), "{kind}");
        let third = json!({"model": "model", "input": "again", "previous_response_id": last["id"]});
        let third = post(&node, &key, &third.to_string());
        assert_eq!(third.status, 200, "{kind}: {}", third.text());
        assert!(told(&mock).contains("which word?"), "{kind}: a streamed answer is kept, too");
        let items =
            ask(&node, &key, "GET", &format!("/v1/responses/{}/input_items?order=asc&limit=4", id(&third)));
        let page = items.json();
        let texts: Vec<&Value> =
            page["data"].as_array().unwrap().iter().map(|item| &item["content"][0]["text"]).collect();
        let expected =
            ["the word is birch", "You said: the word is birch", "which word?", "You said: which word?"];
        assert_eq!(texts, expected, "{kind}");
        assert_eq!((&page["has_more"], &page["last_id"]), (&json!(true), &page["data"][3]["id"]), "{kind}");
        let after = format!(
            "/v1/responses/{}/input_items?order=asc&after={}",
            id(&third),
            page["last_id"].as_str().unwrap()
        );
        let rest = ask(&node, &key, "GET", &after).json();
        assert_eq!((rest["data"].as_array().unwrap().len(), &rest["has_more"]), (1, &json!(false)), "{kind}");
    }
}

#[test]
fn tools_and_their_outputs_are_remembered_between_turns() {
    let (mock, site) = mocked("anthropic", "/v1", &[]);
    let key = team_key(&site, "red");
    let node = site.start();
    let tools = json!([{"type": "function", "name": "clock", "parameters":
        {"type": "object", "required": ["zone"], "properties": {"zone": {"type": "string"}}}}]);
    let body = json!({"model": "model", "input": "what time is it?", "tools": tools});
    let first = post(&node, &key, &body.to_string());
    let output = first.json()["output"].as_array().unwrap().clone();
    let call = output.iter().find(|item| item["type"] == "function_call").unwrap();
    let result = json!([{"type": "function_call_output", "call_id": call["call_id"], "output": "noon"}]);
    let body = json!({"model": "model", "input": result, "tools": tools, "previous_response_id": id(&first)});
    let second = post(&node, &key, &body.to_string());
    assert_eq!(second.status, 200, "{}", second.text());
    let sent = told(&mock);
    assert!(sent.contains("tool_use") && sent.contains("tool_result") && sent.contains("noon"), "{sent}");
}

#[test]
fn what_is_kept_is_its_teams_on_every_start_until_it_is_deleted() {
    let (mock, site) = mocked("anthropic", "/v1", &[]);
    let (red, blue) = (team_key(&site, "red"), team_key(&site, "blue"));
    let node = site.start();
    let made = id(&post(&node, &red, r#"{"model":"model","input":"birch"}"#));
    drop(node);
    let node = site.start();
    let before = mock.requests().len();
    for (method, below) in [("GET", ""), ("GET", "/input_items"), ("POST", "/cancel"), ("DELETE", "")] {
        let of = |id: &str| ask(&node, &blue, method, &format!("/v1/responses/{id}{below}"));
        let (foreign, unknown) = (of(&made), of("resp_999999"));
        assert_eq!((foreign.status, unknown.status), (404, 404), "{method} {below}");
        assert_eq!(foreign.text().replace(&made, "X"), unknown.text().replace("resp_999999", "X"));
    }
    let go_on = |key: &str, id: &str| {
        post(&node, key, &json!({"model": "model", "input": "on", "previous_response_id": id}).to_string())
    };
    let (foreign, unknown) = (go_on(&blue, &made), go_on(&blue, "resp_999999"));
    assert_eq!(foreign.text().replace(&made, "X"), unknown.text().replace("resp_999999", "X"));
    assert_eq!((foreign.status, mock.requests().len()), (404, before), "nobody was asked");
    let next = go_on(&red, &made);
    assert_eq!(next.status, 200, "{}", next.text());
    let gone = ask(&node, &red, "DELETE", &format!("/v1/responses/{made}"));
    assert_eq!((gone.status, gone.json()["deleted"].clone()), (200, json!(true)), "{}", gone.text());
    assert_eq!(ask(&node, &red, "GET", &format!("/v1/responses/{made}")).status, 404);
    let broken = go_on(&red, &id(&next));
    assert_eq!(
        (broken.status, broken.json()["error"]["param"].clone()),
        (400, json!("previous_response_id"))
    );
    let file = site.path().join("nexus-data");
    assert!(!holds(&file, b"birch"), "nothing of it is written unsealed");
}

/// Whether any file of a folder holds these bytes.
fn holds(folder: &std::path::Path, bytes: &[u8]) -> bool {
    let inside = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    inside.into_iter().any(|path| match path.is_dir() {
        true => holds(&path, bytes),
        false => std::fs::read(path).unwrap().windows(bytes.len()).any(|window| window == bytes),
    })
}

#[test]
fn a_prompt_is_counted_with_what_it_goes_on_from_and_nobody_is_asked() {
    let (mock, site) = mocked("anthropic", "/v1", &[]);
    let key = team_key(&site, "red");
    let node = site.start();
    let first = post(&node, &key, r#"{"model":"model","input":"a sentence that has a few words"}"#);
    let before = mock.requests().len();
    let count = |body: &Value| {
        let bearer = format!("Bearer {key}");
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let told = node.request("POST", "/v1/responses/input_tokens", &headers, &body.to_string());
        assert_eq!(
            (told.status, &told.json()["object"]),
            (200, &json!("response.input_tokens")),
            "{}",
            told.text()
        );
        told.json()["input_tokens"].as_u64().unwrap()
    };
    let short = count(&json!({"model": "model", "input": "hi"}));
    let long = count(&json!({"model": "model", "input": "hi", "previous_response_id": id(&first)}));
    assert!(short > 0 && long > short + 10, "{short} and {long}");
    assert_eq!(mock.requests().len(), before);
}

#[test]
fn what_is_not_to_be_kept_says_so_and_is_not_there() {
    let (_mock, mut site) = mocked("anthropic", "/v1", &[]);
    let key = team_key(&site, "red");
    let node = site.start();
    for stream in [false, true] {
        let body = json!({"model": "model", "input": "hi", "store": false, "stream": stream});
        let answer = post(&node, &key, &body.to_string());
        let response = match stream {
            true => events(&answer).last().unwrap()["response"].clone(),
            false => answer.json(),
        };
        assert_eq!(response["store"], json!(false));
        let path = format!("/v1/responses/{}", response["id"].as_str().unwrap());
        assert_eq!(ask(&node, &key, "GET", &path).status, 404);
    }
    drop(node);
    site.variables.push(("NEXUS_KEEP_DAYS", "0".to_owned()));
    let node = site.start();
    let answer = post(&node, &key, r#"{"model":"model","input":"hi"}"#);
    assert_eq!((answer.status, &answer.json()["store"]), (200, &json!(false)));
    assert_eq!(ask(&node, &key, "GET", &format!("/v1/responses/{}", id(&answer))).status, 404);
}
