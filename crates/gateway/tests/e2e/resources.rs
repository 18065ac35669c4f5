//! What providers keep: each team has its own, wherever it lives, and there is nothing else.

mod isolation;
mod large;

use serde_json::{Value, json};

use crate::{
    client::Answer,
    node::{Node, Site, provider},
};
use nexus_testkit::{Mock, Options};

const FORM: &str = "multipart/form-data; boundary=b7d1";

/// A gateway before a mock that takes what names no model, and a key of each of two teams.
fn site() -> (Mock, Site, String, String) {
    let mock = Mock::start(Options::default()).unwrap();
    let models = [("gpt", "mock-gpt")];
    let site = Site::new(&format!("{}default_provider: mock\n", provider("mock", &mock.url(), &models)));
    let (red, blue) = (team_key(&site, "red"), team_key(&site, "blue"));
    (mock, site, red, blue)
}

pub fn team_key(site: &Site, team: &str) -> String {
    let words =
        ["key", "create", "--level", "app", "--team", team, "--output", "json", "--config", "nexus.yaml"];
    let made: Value = serde_json::from_str(&site.run(&words)).unwrap();
    made["key"].as_str().unwrap().to_owned()
}

pub fn ask(node: &Node<'_>, key: &str, method: &str, path: &str, body: &str) -> Answer {
    let bearer = format!("Bearer {key}");
    let mut headers = vec![("authorization", bearer.as_str())];
    if !body.is_empty() {
        headers.push(("content-type", if body.starts_with("--b7d1") { FORM } else { "application/json" }));
    }
    node.request(method, path, &headers, body)
}

/// A form with a purpose and a file.
pub fn file(purpose: &str, content: &str) -> String {
    format!(
        "--b7d1\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\n{purpose}\r\n\
         --b7d1\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.jsonl\"\r\n\
         Content-Type: application/jsonl\r\n\r\n{content}\r\n--b7d1--\r\n"
    )
}

fn upload(node: &Node<'_>, key: &str) -> String {
    let answer = ask(node, key, "POST", "/v1/files", &file("batch", "{}"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["id"].as_str().unwrap().to_owned()
}

fn ids(answer: &Answer) -> Vec<String> {
    let data = answer.json()["data"].as_array().cloned().unwrap_or_else(|| panic!("{}", answer.text()));
    data.iter().map(|thing| thing["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_file_goes_up_and_is_listed_read_and_deleted_by_its_team_only() {
    let (mock, site, red, blue) = site();
    let node = site.start();
    let sent = file("batch", "{\"a\":1}");
    let made = ask(&node, &red, "POST", "/v1/files", &sent);
    assert_eq!(made.status, 200, "{}", made.text());
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let came = mock.requests().pop().unwrap();
    assert_eq!(
        (came.path.as_str(), String::from_utf8_lossy(&came.body).as_ref()),
        ("/v1/files", sent.as_str())
    );
    let shown = ask(&node, &red, "GET", &format!("/v1/files/{id}"), "");
    assert_eq!((shown.status, &shown.body), (200, &made.body), "as the provider said it");
    let content = ask(&node, &red, "GET", &format!("/v1/files/{id}/content"), "");
    assert_eq!((content.status, content.text(), content.is_complete), (200, sent.as_str(), true));
    assert_eq!(ids(&ask(&node, &red, "GET", "/v1/files?purpose=batch&limit=3", "")), [id.as_str()]);
    assert_eq!(mock.requests().pop().unwrap().path, "/v1/files?purpose=batch&limit=3");
    assert!(ids(&ask(&node, &blue, "GET", "/v1/files", "")).is_empty());
    let before = mock.requests().len();
    for (method, path) in [("GET", ""), ("GET", "/content"), ("DELETE", "")] {
        let foreign = ask(&node, &blue, method, &format!("/v1/files/{id}{path}"), "");
        let unknown = ask(&node, &blue, method, &format!("/v1/files/file-999999{path}"), "");
        assert_eq!((foreign.status, unknown.status), (404, 404));
        assert_eq!(foreign.text().replace(&id, "X"), unknown.text().replace("file-999999", "X"));
    }
    assert_eq!(mock.requests().len(), before, "nobody was asked");
    let gone = ask(&node, &red, "DELETE", &format!("/v1/files/{id}"), "");
    assert_eq!((gone.status, &gone.json()["deleted"]), (200, &json!(true)));
    assert_eq!(ask(&node, &red, "GET", &format!("/v1/files/{id}"), "").status, 404);
    assert!(ids(&ask(&node, &red, "GET", "/v1/files", "")).is_empty());
}

#[test]
fn pages_of_a_list_are_full_of_ones_own_however_many_others_stand_between() {
    let (_mock, site, red, blue) = site();
    let node = site.start();
    let mut own = Vec::new();
    for number in 0..9 {
        for _ in 0..number {
            upload(&node, &blue);
        }
        own.push(upload(&node, &red));
    }
    own.reverse();
    let mut seen: Vec<String> = Vec::new();
    let mut after = String::new();
    loop {
        let page = ask(&node, &red, "GET", &format!("/v1/files?limit=2{after}"), "");
        let (found, told) = (ids(&page), page.json());
        assert_eq!((&told["first_id"], &told["last_id"]), (&json!(found.first()), &json!(found.last())));
        let has_more = told["has_more"] == json!(true);
        assert!(found.len() == 2 || !has_more, "{told}");
        after = format!("&after={}", found.last().unwrap());
        seen.extend(found);
        if !has_more {
            break;
        }
    }
    assert_eq!(seen, own);
    let upwards = ids(&ask(&node, &red, "GET", "/v1/files?order=asc&limit=9", ""));
    assert!(upwards.iter().eq(own.iter().rev()), "{upwards:?}");
    let foreign = upload(&node, &blue);
    let beyond = ask(&node, &red, "GET", &format!("/v1/files?after={foreign}"), "");
    assert_eq!(beyond.status, 404, "no cursor stands on what is not one's own: {}", beyond.text());
}

#[test]
fn what_a_body_refers_to_must_be_ones_own_and_decides_where_it_goes() {
    let (near, far) = (Mock::start(Options::default()).unwrap(), Mock::start(Options::default()).unwrap());
    let models = [("gpt", "mock-gpt")];
    let providers =
        format!("{}{}", provider("near", &near.url(), &models), provider("far", &far.url(), &models),);
    let mut site = Site::new(&format!("{providers}default_provider: far\n"));
    let (red, blue) = (team_key(&site, "red"), team_key(&site, "blue"));
    let node = site.start();
    let id = upload(&node, &red);
    drop(node);
    site.variables.push(("NEXUS_DEFAULT_PROVIDER", "near".to_owned()));
    let node = site.start();
    assert!(near.requests().is_empty());
    assert_eq!(ask(&node, &red, "GET", &format!("/v1/files/{id}"), "").status, 200, "where it lives");
    let batch = json!({ "input_file_id": id, "endpoint": "/v1/embeddings", "completion_window": "24h" });
    let made = ask(&node, &red, "POST", "/v1/batches", &batch.to_string());
    assert_eq!(made.status, 200, "{}", made.text());
    assert_eq!(String::from_utf8_lossy(&far.requests().pop().unwrap().body), batch.to_string());
    let chat = |id: &str| {
        let file = json!({ "type": "file", "file": { "file_id": id } });
        json!({ "model": "gpt", "messages": [{ "role": "user", "content": [file] }] }).to_string()
    };
    for _ in 0..4 {
        let answer = ask(&node, &red, "POST", "/v1/chat/completions", &chat(&id));
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    assert!(near.requests().is_empty(), "only who keeps the file can read it");
    let before = far.requests().len();
    for (path, body) in [
        ("/v1/batches", batch.to_string()),
        ("/v1/chat/completions", chat(&id)),
        ("/v1/vector_stores", json!({ "file_ids": [id] }).to_string()),
    ] {
        let foreign = ask(&node, &blue, "POST", path, &body);
        let unknown = ask(&node, &blue, "POST", path, &body.replace(&id, "file-999999"));
        assert_eq!((foreign.status, unknown.status), (404, 404), "{}", foreign.text());
        assert_eq!(foreign.text().replace(&id, "X"), unknown.text().replace("file-999999", "X"));
    }
    assert_eq!((far.requests().len(), near.requests().len()), (before, 0));
}

#[test]
fn what_a_chat_shows_a_model_is_no_name_of_what_is_kept() {
    let (mock, site, red, _) = site();
    let node = site.start();
    let shown = r#"{"type":"video","video":["https://a.example/1.jpg"]}"#;
    let chat = format!(
        r#"{{"model":"gpt","conversation_id":"own","messages":[{{"role":"user","content":[{shown}]}}]}}"#
    );
    let answer = ask(&node, &red, "POST", "/v1/chat/completions", &chat);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let sent = String::from_utf8(mock.requests().last().unwrap().body.to_vec()).unwrap();
    assert!(sent.contains(shown) && sent.contains(r#""conversation_id":"own""#), "{sent}");
}

#[test]
fn what_a_provider_says_no_with_is_handed_on_as_it_came() {
    let (mock, site, red, _) = site();
    let node = site.start();
    let id = upload(&node, &red);
    // gone at the provider, without the gateway
    assert_eq!(delete_there(&mock, &id).status, 200);
    let said = ask(&node, &red, "GET", &format!("/v1/files/{id}"), "");
    assert_eq!(said.status, 404);
    assert_eq!(said.json()["error"]["message"], format!("No such file object: {id}"));
    assert!(said.header("x-request-id").is_some());
    let chat = ask(&node, &red, "POST", "/v1/chat/completions", &crate::node::ask("gpt"));
    assert_eq!(chat.status, 200, "it says nothing against the provider");
}

#[test]
fn a_response_that_is_kept_is_its_teams_and_is_gone_on_with_where_it_lives() {
    let (near, far) = (Mock::start(Options::default()).unwrap(), Mock::start(Options::default()).unwrap());
    let of = |name, mock: &Mock| {
        provider(name, &mock.url(), &[("gpt", "mock-gpt")]).replace("kind: custom", "kind: openai")
    };
    let site = Site::new(&format!("{}{}", of("near", &near), of("far", &far)));
    let (red, blue) = (team_key(&site, "red"), team_key(&site, "blue"));
    let node = site.start();
    let ask_for = |key: &str, before: Option<&str>| {
        let body = json!({ "model": "gpt", "input": "hi", "previous_response_id": before });
        ask(&node, key, "POST", "/v1/responses", &body.to_string())
    };
    let made = ask_for(&red, None);
    assert_eq!(made.status, 200, "{}", made.text());
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let (home, other) = if near.requests().is_empty() { (&far, &near) } else { (&near, &far) };
    for _ in 0..4 {
        let next = ask_for(&red, Some(&id));
        assert_eq!(next.status, 200, "{}", next.text());
    }
    let path = format!("/v1/responses/{id}");
    assert_eq!(ask(&node, &red, "GET", &path, "").status, 200);
    assert_eq!(ask(&node, &red, "GET", &format!("{path}/input_items"), "").status, 200);
    let before = home.requests().len();
    let (foreign, unknown) = (ask_for(&blue, Some(&id)), ask_for(&blue, Some("resp_999999")));
    assert_eq!((foreign.status, unknown.status), (404, 404));
    assert_eq!(foreign.text().replace(&id, "X"), unknown.text().replace("resp_999999", "X"));
    assert_eq!(ask(&node, &blue, "DELETE", &path, "").status, 404);
    assert_eq!((home.requests().len(), other.requests().len()), (before, 0));
    assert_eq!(ask(&node, &red, "DELETE", &path, "").status, 200);
    assert_eq!(ask(&node, &red, "GET", &path, "").status, 404);
    let unkept = json!({ "model": "gpt", "input": "hi", "store": false }).to_string();
    let unkept = ask(&node, &red, "POST", "/v1/responses", &unkept);
    let path = format!("/v1/responses/{}", unkept.json()["id"].as_str().unwrap());
    assert_eq!(ask(&node, &red, "GET", &path, "").status, 404);
}

#[test]
fn unowned_resources_are_the_default_providers_where_that_is_said() {
    let mock = Mock::start(Options::default()).unwrap();
    let models = [("gpt", "mock-gpt")];
    let yaml = format!(
        "{}default_provider: mock\nunowned_resources: serve\n",
        provider("mock", &mock.url(), &models)
    );
    let site = Site::new(&yaml);
    let (red, blue) = (team_key(&site, "red"), team_key(&site, "blue"));
    let node = site.start();
    let own = upload(&node, &red);
    let old = make_there(&mock);
    assert_eq!(ask(&node, &red, "GET", &format!("/v1/files/{old}"), "").status, 200);
    assert_eq!(ids(&ask(&node, &red, "GET", "/v1/files", "")), [old.clone(), own.clone()]);
    assert_eq!(ids(&ask(&node, &blue, "GET", "/v1/files", "")), [old]);
    assert_eq!(ask(&node, &blue, "GET", &format!("/v1/files/{own}"), "").status, 404);
    for path in ["/v1/files/..", "/v1/files/%2e%2e", "/v1/files/a%2Forganization"] {
        let answer = ask(&node, &red, "GET", path, "");
        assert!(matches!(answer.status, 404 | 405), "{path}: {}", answer.status);
    }
    assert!(mock.requests().iter().all(|came| !came.path.contains("..") && !came.path.contains("2e")));
}

fn there(mock: &Mock, method: &str, path: &str, body: &[u8]) -> Answer {
    let mut client = crate::client::Client::connect(mock.addr()).unwrap();
    let bearer = format!("Bearer {}", crate::node::PROVIDER_KEY);
    client.send(method, path, &[("authorization", &bearer)], body).unwrap();
    client.answer().unwrap()
}

fn delete_there(mock: &Mock, id: &str) -> Answer {
    there(mock, "DELETE", &format!("/v1/files/{id}"), b"")
}

fn make_there(mock: &Mock) -> String {
    there(mock, "POST", "/v1/files", b"{}").json()["id"].as_str().unwrap().to_owned()
}
