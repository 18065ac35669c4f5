//! Several credentials at one provider: one that is refused or limited costs no request, and everybody is told.

use nexus_testkit::{Mock, Options};
use serde_json::{Value, json};

use crate::{
    admin::{Api, platform_key},
    node::{Node, Site, ask, mocked, until},
};

const FIRST: &str = "sk-first-A1";
const SECOND: &str = "sk-second-B2";

/// A provider `pool` with both keys and a model `pooled` behind it; its path and the ids of its credentials.
fn pool(api: &Api<'_>, mock: &Mock) -> (String, [String; 2]) {
    let wish = json!({
        "name": "pool", "kind": "custom", "endpoint": mock.url(), "allow_private_network": true, "api_key": FIRST,
    });
    let provider = api.make("/providers", &wish);
    let path = format!("/providers/{}", provider["id"].as_str().unwrap());
    let second = api
        .make(&format!("{path}/credentials"), &json!({ "name": "second", "api_key": SECOND, "weight": 1 }));
    let first = api.get(&format!("{path}/credentials")).json()["data"][0]["id"].clone();
    let route = json!({ "alias": "pooled", "provider_id": provider["id"], "real_name": "mock-gpt" });
    api.make("/model-routes", &route);
    (path, [first, second["id"].clone()].map(|id| id.as_str().unwrap().to_owned()))
}

struct Bench {
    mock: Mock,
    site: Site,
    admin: String,
    app: String,
}

fn bench() -> (Mock, Bench) {
    let (other, site) = mocked(&[]);
    let mock = Mock::start(Options::default()).unwrap();
    let (admin, (_, app)) = (platform_key(&site), site.key("app"));
    (other, Bench { mock, site, admin, app })
}

/// The keys of the chats since `from`.
fn keys_shown(mock: &Mock, from: usize) -> Vec<String> {
    let requests = mock.requests();
    let chats = requests.iter().skip(from).filter(|request| request.path.ends_with("/chat/completions"));
    chats.map(|request| request.header("authorization").unwrap_or_default().replace("Bearer ", "")).collect()
}

fn condition(api: &Api<'_>, provider: &str, id: &str) -> Value {
    let pool = api.get(&format!("{provider}/pool")).json();
    let found = pool["data"].as_array().unwrap().iter().find(|member| member["credential_id"] == id);
    found.cloned().unwrap_or_default()
}

fn chat(node: &Node<'_>, app: &str) -> u16 {
    node.chat(app, &ask("pooled")).status
}

#[test]
fn a_key_that_is_refused_goes_out_of_the_pool_and_costs_no_request() {
    let (_other, Bench { mock, site, admin, app }) = bench();
    mock.set_key_script(FIRST, "fault=status:401").unwrap();
    let node = site.start();
    let api = Api::new(&node, &admin);
    let (provider, [first, second]) = pool(&api, &mock);
    until("the route is in force", || (chat(&node, &app) != 404).then_some(()));
    until("the first key was tried", || {
        assert_eq!(chat(&node, &app), 200, "the other key answers");
        keys_shown(&mock, 0).iter().any(|key| key == FIRST).then_some(())
    });
    let from = mock.requests().len();
    for _ in 0..10 {
        assert_eq!(chat(&node, &app), 200);
    }
    let probes = keys_shown(&mock, from).iter().filter(|key| *key == FIRST).count();
    assert!(probes <= 1, "a probe is one request");
    let out = condition(&api, &provider, &first);
    assert_eq!((&out["state"], &out["reason"]), (&json!("out"), &json!("credential")));
    assert!(out["probe_at"].as_i64() > out["since"].as_i64());
    assert_eq!(condition(&api, &provider, &second)["state"], "good");
    assert!(node.metrics().contains(r#"nexus_provider_credentials_out{provider="pool"} 1"#));
    until("the alarm is raised", || {
        let rows = api.get("/anomalies?kind=credential_refused").json();
        rows["data"].as_array().is_some_and(|rows| !rows.is_empty()).then_some(())
    });
    let row = api.get("/audit-logs?action=credential.out").json()["data"][0].clone();
    assert_eq!((&row["target_id"], &row["outcome"]), (&json!(first), &json!("failed")));

    // it is good again, and somebody says so
    mock.set_key_script(FIRST, "").unwrap();
    let one = format!("{provider}/credentials/{first}");
    assert_eq!(api.send("POST", &format!("{one}/reset"), &[], "").status, 204);
    assert_eq!(condition(&api, &provider, &first)["state"], "good");
    assert!(node.metrics().contains(r#"nexus_provider_credentials_out{provider="pool"} 0"#));
    let from = mock.requests().len();
    until("the first key serves", || {
        assert_eq!(chat(&node, &app), 200);
        keys_shown(&mock, from).iter().any(|key| key == FIRST).then_some(())
    });
}

#[test]
fn a_key_that_is_out_comes_back_when_it_is_changed() {
    let (_other, Bench { mock, site, admin, app }) = bench();
    mock.set_key_script(FIRST, "fault=status:403").unwrap();
    let node = site.start();
    let api = Api::new(&node, &admin);
    let (provider, [first, _]) = pool(&api, &mock);
    until("the first key is out", || {
        chat(&node, &app);
        (condition(&api, &provider, &first)["state"] == "out").then_some(())
    });
    let one = format!("{provider}/credentials/{first}");
    let version = api.get(&one).json()["version"].clone();
    assert_eq!(api.patch(&one, &version, &json!({ "api_key": "sk-third-C3" })).status, 200);
    until("the new key serves", || {
        assert_eq!(chat(&node, &app), 200);
        keys_shown(&mock, 0).iter().any(|key| key == "sk-third-C3").then_some(())
    });
    assert_eq!(condition(&api, &provider, &first)["state"], "good");
}

#[test]
fn a_key_that_is_limited_rests_as_long_as_the_provider_said() {
    let (_other, Bench { mock, site, admin, app }) = bench();
    mock.set_key_script(FIRST, "fault=status:429,retry_after:600").unwrap();
    let node = site.start();
    let api = Api::new(&node, &admin);
    let (provider, [first, second]) = pool(&api, &mock);
    until("the first key rests", || {
        let status = chat(&node, &app);
        assert!(status == 200 || status == 404, "{status}: the other key answers");
        (condition(&api, &provider, &first)["state"] == "resting").then_some(())
    });
    let from = mock.requests().len();
    for _ in 0..10 {
        assert_eq!(chat(&node, &app), 200);
    }
    assert_eq!(keys_shown(&mock, from), vec![SECOND; 10], "it is asked no more");
    assert_eq!(condition(&api, &provider, &first)["rests"][0]["model"], "mock-gpt");

    // with nobody left the caller is told for how long
    mock.set_key_script(SECOND, "fault=status:429,retry_after:30").unwrap();
    assert_eq!(chat(&node, &app), 429);
    let from = mock.requests().len();
    let limited = node.chat(&app, &ask("pooled"));
    assert_eq!((limited.status, mock.requests().len()), (429, from), "nobody is asked in vain");
    let wait: u64 = limited.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=30).contains(&wait), "{wait}");
    assert_eq!(condition(&api, &provider, &second)["state"], "resting");
}
