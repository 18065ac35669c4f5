//! A provider that moves to another server leaves its keys behind: nobody learns a key by changing where it goes.

use nexus_testkit::{Mock, Options};
use serde_json::{Value, json};

use super::{Api, assert_problem, assert_says, platform_key};
use crate::node::{ask, mocked, until};

const FIRST: &str = "sk-canary-first-0123456789abcdef-F1RS";
const SECOND: &str = "sk-canary-second-0123456789abcdef-S2ND";
const THIRD: &str = "sk-canary-third-0123456789abcdef-TH3D";

/// The ends of the provider's keys, in order.
fn keys(api: &Api<'_>, provider: &Value) -> Vec<String> {
    let path = format!("/providers/{}/credentials", provider["id"].as_str().unwrap());
    let listed = api.get(&path).json();
    let rows = listed["data"].as_array().unwrap().iter();
    rows.map(|row| row["last_four"].as_str().unwrap_or_default().to_owned()).collect()
}

#[track_caller]
fn assert_key_is_missing(answer: &crate::client::Answer, pointer: &str) {
    assert_problem(answer, 422, "invalid");
    let flaw = &answer.json()["errors"][0];
    assert_eq!(flaw["pointer"], pointer, "{flaw}");
    assert!(flaw["detail"].as_str().unwrap().contains("give the key for it"), "{flaw}");
}

#[test]
fn another_server_gets_the_key_that_was_given_for_it_and_no_other() {
    let (_mock, site) = mocked(&[]);
    let [here, there] = [0; 2].map(|_| Mock::start(Options::default()).unwrap());
    let (_, app) = site.key("app");
    let key = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &key);
    let wish = json!({ "name": "rest", "kind": "custom", "endpoint": here.url(), "allow_private_network": true,
                       "api_key": FIRST });
    let made = api.make("/providers", &wish);
    let path = format!("/providers/{}", made["id"].as_str().unwrap());
    api.make(&format!("{path}/credentials"), &json!({ "name": "second", "api_key": SECOND }));
    api.make(
        "/model-routes",
        &json!({ "alias": "rest", "provider_id": made["id"], "real_name": "mock-gpt" }),
    );

    let elsewhere = json!({ "endpoint": there.url() });
    assert_key_is_missing(&api.patch(&path, &json!(1), &elsewhere), "/api_key");
    for endpoint in [here.url().replace("127.0.0.1", "localhost"), here.url().replace("http:", "https:")] {
        let answer = api.patch(&path, &json!(1), &json!({ "endpoint": endpoint, "name": "moved" }));
        assert_key_is_missing(&answer, "/api_key");
    }
    let import = json!({ "providers": [{ "name": "rest", "kind": "custom", "endpoint": there.url() }] });
    for how in ["diff", "apply"] {
        assert_key_is_missing(&api.post(&format!("/config/{how}"), &import), "/providers/0/api_key");
    }
    assert_says(&api.get(&path).json(), &json!({ "name": "rest", "endpoint": here.url(), "version": 1 }));
    assert_eq!(keys(&api, &made), ["F1RS", "S2ND"]);

    // the same server under another path is the same server
    let same = api.patch(&path, &json!(1), &json!({ "endpoint": format!("{}/x", here.url()) }));
    assert_eq!(same.status, 200, "{}", same.text());
    assert_eq!(keys(&api, &made), ["F1RS", "S2ND"]);

    let moved = json!({ "endpoint": there.url(), "api_key": THIRD });
    let answer = api.patch(&path, &json!(2), &moved);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(!answer.text().contains("TH3D") && !answer.text().contains("canary"));
    assert_eq!(keys(&api, &made), ["TH3D"]);
    until("the new server serves", || (node.chat(&app, &ask("rest")).status == 200).then_some(()));
    for _ in 0..20 {
        assert_eq!(node.chat(&app, &ask("rest")).status, 200);
    }
    let shown = |mock: &Mock| -> std::collections::BTreeSet<String> {
        let calls = mock.requests().into_iter();
        calls.map(|call| call.header("authorization").unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(shown(&there), [format!("Bearer {THIRD}")].into());
    assert!(!shown(&here).contains(&format!("Bearer {THIRD}")));
    let row = api.get("/audit-logs?action=provider.update").json()["data"][0].clone();
    assert_eq!(row["before"]["credentials"].as_array().unwrap().len(), 2);
    assert_eq!(row["after"]["credentials"][0]["last_four"], "TH3D");

    // and back again, by configuration
    let mut import = import;
    import["providers"][0]["endpoint"] = json!(here.url());
    import["providers"][0]["api_key"] = json!(FIRST);
    let told = api.post("/config/apply", &import);
    assert_eq!(told.status, 200, "{}", told.text());
    assert_eq!(told.json()["providers"][0]["fields"], json!(["endpoint", "api_key"]));
    assert_eq!(keys(&api, &made), ["F1RS"]);
}

#[test]
fn a_provider_without_keys_moves_freely_and_a_key_alone_renews_the_default_one() {
    let (_mock, site) = mocked(&[]);
    let key = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &key);
    let made = api.make("/providers", &json!({ "name": "bare", "kind": "openai" }));
    let path = format!("/providers/{}", made["id"].as_str().unwrap());
    let endpoint = json!({ "endpoint": "https://api.example.com/v1" });
    assert_eq!(api.patch(&path, &json!(1), &endpoint).status, 200);
    for (version, given, expected) in [(2, FIRST, "F1RS"), (3, SECOND, "S2ND"), (4, SECOND, "S2ND")] {
        assert_eq!(api.patch(&path, &json!(version), &json!({ "api_key": given })).status, 200);
        assert_eq!(keys(&api, &made), [expected]);
    }
    let bad = api.patch(&path, &json!(5), &json!({ "api_key": "with space" }));
    assert_problem(&bad, 422, "invalid");
}
