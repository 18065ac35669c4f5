//! A provider's own paths, for teams that may ask for them and for nobody else.

use nexus_core::usage::Usage;
use nexus_testkit::{Mock, Options};
use serde_json::{Value, json};

use crate::{
    admin::{Api, platform_key},
    client::Answer,
    messages::totals,
    node::{Node, PROVIDER_KEY, Site, provider, until},
};

/// A team with a key of its own, which may ask for raw paths or not.
fn team(api: &Api<'_>, name: &str, raw_relay: bool, scope: &Value) -> String {
    let team = api.make("/teams", &json!({ "name": name, "raw_relay": raw_relay }));
    assert_eq!(team["raw_relay"], raw_relay);
    let key =
        api.make("/keys", &json!({ "name": name, "level": "app", "team_id": team["id"], "scope": scope }));
    key["key"].as_str().unwrap().to_owned()
}

fn ask(node: &Node<'_>, key: &str, method: &str, path: &str, body: &str) -> Answer {
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", &*bearer), ("content-type", "application/json"), ("x-other", "1")];
    let headers = if body.is_empty() { &headers[..1] } else { &headers[..] };
    node.request(method, path, headers, body)
}

/// An answer without what differs each time.
fn seen(answer: &Answer) -> (u16, String) {
    (answer.status, answer.text().to_owned())
}

#[test]
fn who_may_is_answered_by_the_provider_itself_and_booked() {
    let mock = Mock::start(Options::default()).unwrap();
    let site = Site::new(&provider("one", &format!("http://{}/v1", mock.addr()), &[("gpt", "mock-gpt")]));
    let admin = platform_key(&site);
    let node = site.start();
    let key = team(&Api::new(&node, &admin), "red", true, &json!({}));
    let body = r#"{"model":"m","query":"q",  "documents":["a"], "x":[1.50]}"#;
    let answer = until("the world knows the team", || {
        let answer = ask(&node, &key, "POST", "/providers/one/rerank?a=b", body);
        (answer.status == 200).then_some(answer)
    });
    assert_eq!(answer.json()["usage"]["total_tokens"], 3, "{}", answer.text());
    let sent = mock.requests();
    let sent = sent.last().unwrap();
    assert_eq!((sent.path.as_str(), std::str::from_utf8(&sent.body).unwrap()), ("/v1/rerank?a=b", body));
    assert_eq!(sent.header("authorization"), Some(&*format!("Bearer {PROVIDER_KEY}")));
    assert_eq!(sent.header("x-other"), None);
    let streamed = r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true,"stream_options":{"include_usage":true}}"#;
    let streamed = ask(&node, &key, "POST", "/providers/one/chat/completions", streamed);
    assert_eq!(streamed.events().last().map(String::as_str), Some("[DONE]"), "{}", streamed.text());
    let listed = ask(&node, &key, "GET", "/providers/one/models", "");
    assert_eq!((listed.status, &listed.json()["object"]), (200, &json!("list")), "{}", listed.text());
    let refused = ask(&node, &key, "POST", "/providers/one/chat/completions", "{}");
    assert_eq!(refused.status, 400, "the provider's own no: {}", refused.text());
    let nothing = ask(&node, &key, "DELETE", "/providers/one/nothing", "");
    assert_eq!(nothing.status, 404, "{}", nothing.text());
    let streamed =
        mock.oracle().last().map(|served| (served.prompt_tokens, served.completion_tokens)).unwrap();
    node.stop();
    let expected = Usage::text(3 + streamed.0, streamed.1);
    assert_eq!(totals(&site).usage, expected);
}

#[test]
fn who_may_not_is_told_the_very_words_of_a_path_that_never_was() {
    let mock = Mock::start(Options::default()).unwrap();
    let endpoint = format!("http://{}/v1", mock.addr());
    let rows = [provider("one", &endpoint, &[("gpt", "m")]), provider("two", &endpoint, &[("gpt", "m")])];
    let site = Site::new(&rows.concat());
    let admin = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &admin);
    let allowed = team(&api, "red", true, &json!({ "providers": ["two"] }));
    let forbidden = team(&api, "blue", false, &json!({}));
    until("the world knows the teams", || {
        (ask(&node, &allowed, "GET", "/providers/two/models", "").status == 200).then_some(())
    });
    let asked = mock.requests().len();
    for (key, path) in [
        (&forbidden, "/providers/one/models"),
        (&allowed, "/providers/one/models"),
        (&allowed, "/providers/none/models"),
        (&allowed, "/providers/two/%2e%2e/models"),
        (&allowed, "/providers/two/x%2f..%2fmodels"),
    ] {
        let (status, text) = seen(&ask(&node, key, "GET", path, ""));
        let nowhere = path.replacen("/providers", "/nowhere/x", 1);
        let (expected_status, expected) = seen(&ask(&node, key, "GET", &nowhere, ""));
        assert_eq!(
            (status, text),
            (expected_status, expected.replacen("/nowhere/x", "/providers", 1)),
            "{path}"
        );
    }
    assert_eq!(mock.requests().len(), asked, "nobody was asked");
    assert_eq!(ask(&node, "nonsense", "GET", "/providers/two/models", "").status, 401);
    until("that somebody may not is in the trail", || {
        let rows = api.get("/audit-logs?limit=100").json();
        let is_told =
            |row: &Value| row["detail"].as_str().is_some_and(|detail| detail.starts_with("relay, "));
        rows["data"].as_array()?.iter().any(is_told).then_some(())
    });
}
