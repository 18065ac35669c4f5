//! Providers and their keys: every member goes in and comes out but the key, and what is made serves at once.

use nexus_testkit::{After, Exchange, Mock, Options, RawServer};
use serde_json::{Value, json};

use super::{Api, assert_problem, assert_says, platform_key};
use crate::node::{ENCRYPTION_KEY, Node, PROVIDER_KEY, Site, ask, mocked, until};

const FIRST: &str = "sk-canary-first-0123456789abcdef-F1RS";
const SECOND: &str = "sk-canary-second-0123456789abcdef-S2ND";
const THIRD: &str = "sk-canary-third-0123456789abcdef-TH3D";

fn path(kind: &str, thing: &Value) -> String {
    format!("/{kind}/{}", thing["id"].as_str().unwrap())
}

/// A provider on the loopback, with a model `rest` behind it.
fn make(api: &Api<'_>, mock: &Mock, name: &str, alias: &str) -> Value {
    let provider = api.make(
        "/providers",
        &json!({
            "name": name, "kind": "custom", "endpoint": mock.url(), "allow_private_network": true, "api_key": FIRST,
        }),
    );
    let route = json!({ "alias": alias, "provider_id": provider["id"], "real_name": "mock-gpt" });
    api.make("/model-routes", &route);
    provider
}

/// Changes each member by itself and asserts that nothing else becomes another.
fn change_one_by_one(api: &Api<'_>, path: &str, made: Value, changes: &[Value]) {
    let mut now = made;
    for change in changes {
        let answer = api.patch(path, &now["version"], change);
        assert_eq!(answer.status, 200, "{change}: {}", answer.text());
        let changed = answer.json();
        let mut expected = now.clone();
        for (name, value) in change.as_object().unwrap() {
            expected[name] = value.clone();
        }
        for own in ["version", "updated_at"] {
            expected[own] = changed[own].clone();
        }
        assert_eq!(changed, expected);
        assert_ne!(changed["version"], now["version"]);
        assert_eq!(api.get(path).json(), changed);
        now = changed;
    }
    assert_problem(&api.patch(path, &json!(1), &json!({})), 412, "stale");
    assert_problem(&api.send("PATCH", path, &[], "{}"), 428, "if_match_required");
}

#[test]
fn every_member_of_a_provider_is_kept_shown_and_changed() {
    let (_mock, site) = mocked(&[]);
    let key = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &key);
    let said = json!({
        "name": "Zürich 1", "kind": "custom", "endpoint": "http://10.1.2.3:8000/v1", "weight": 0, "rate_limit": 7,
        "allow_private_network": true, "is_active": false,
    });
    let made = api.make("/providers", &said);
    assert_says(&made, &said);
    let path = path("providers", &made);
    change_one_by_one(
        &api,
        &path,
        made,
        &[
            json!({ "name": "Genf" }),
            json!({ "kind": "openai" }),
            json!({ "endpoint": "https://api.example.com/v2" }),
            json!({ "kind": "azure" }),
            json!({ "options": { "api_version": "2024-10-21", "resource": "acme" } }),
            json!({ "endpoint": "https://{resource}-{region}.openai.azure.com" }),
            json!({ "options": { "resource": "other" } }),
            json!({ "weight": 1_000_000 }),
            json!({ "rate_limit": null }),
            json!({ "rate_limit": 9 }),
            json!({ "allow_private_network": false }),
            json!({ "is_active": true }),
            json!({}),
        ],
    );
    let usual = api.make("/providers", &json!({ "name": "usual", "kind": "openai" }));
    assert_says(
        &usual,
        &json!({
            "endpoint": "https://api.openai.com/v1", "options": {}, "weight": 100, "rate_limit": null,
            "allow_private_network": false, "is_active": true, "version": 1,
        }),
    );
    assert_problem(&api.post("/providers", &json!({ "name": "usual", "kind": "openai" })), 409, "conflict");
    // what fits only together is checked together
    for patch in [json!({ "options": {} }), json!({ "kind": "openai" })] {
        let version = &api.get(&path).json()["version"];
        assert_problem(&api.patch(&path, version, &patch), 422, "invalid");
    }
    assert_eq!(api.delete(&path).status, 204);
    assert_problem(&api.get(&path), 404, "not_found");
}

#[test]
fn a_provider_is_spoken_to_in_the_clear_only_where_it_is_said_to_be_near() {
    let (_mock, site) = mocked(&[]);
    let key = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &key);
    let near = json!({
        "name": "near", "kind": "custom", "endpoint": "http://10.0.0.1", "allow_private_network": true,
    });
    let near = path("providers", &api.make("/providers", &near));
    for (answer, pointer) in [
        (
            api.post("/providers", &json!({ "name": "a", "kind": "custom", "endpoint": "http://a.example" })),
            "/endpoint",
        ),
        (api.post("/providers", &json!({ "name": "a", "kind": "custom" })), "/endpoint"),
        (api.post("/providers", &json!({ "name": "a", "kind": "nobody" })), "/kind"),
        (api.patch(&near, &json!(1), &json!({ "allow_private_network": false })), "/endpoint"),
        (api.patch(&near, &json!(1), &json!({ "endpoint": "ftp://a.example" })), "/endpoint"),
    ] {
        assert_problem(&answer, 422, "invalid");
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{}", answer.text());
    }
}

#[test]
fn every_member_of_a_credential_but_the_key_is_kept_shown_and_changed() {
    let (mock, site) = mocked(&[]);
    let key = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &key);
    let provider = make(&api, &mock, "rest", "rest");
    let pool = format!("{}/credentials", path("providers", &provider));
    let first = api.get(&pool).json()["data"][0].clone();
    assert_says(&first, &json!({ "name": "default", "last_four": "F1RS", "weight": 100, "is_active": true }));
    let made = api.make(&pool, &json!({ "name": "b", "api_key": SECOND, "weight": 3, "is_active": false }));
    assert_says(
        &made,
        &json!({
            "name": "b", "weight": 3, "is_active": false, "last_four": "S2ND", "provider_id": provider["id"],
        }),
    );
    assert_eq!(made["fingerprint"].as_str().map(str::len), Some(12));
    let one = format!("{pool}/{}", made["id"].as_str().unwrap());
    let changes = [json!({ "name": "c" }), json!({ "weight": 0 }), json!({ "is_active": true }), json!({})];
    change_one_by_one(&api, &one, made.clone(), &changes);
    let before = api.get(&one).json();
    let after = api.patch(&one, &before["version"], &json!({ "api_key": THIRD })).json();
    assert_eq!((&after["last_four"], &after["name"]), (&json!("TH3D"), &json!("c")));
    assert_ne!(after["fingerprint"], before["fingerprint"]);
    let again = api.patch(&one, &after["version"], &json!({ "api_key": SECOND })).json();
    assert_eq!(again["fingerprint"], before["fingerprint"]);
    assert_problem(&api.post(&pool, &json!({ "name": "c", "api_key": "x" })), 409, "conflict");
    assert_problem(&api.post(&pool, &json!({ "name": "d", "api_key": "a\nb" })), 422, "invalid");
    // a credential is found under its own provider alone
    let other = api.make("/providers", &json!({ "name": "other", "kind": "openai" }));
    let elsewhere = format!("{}/credentials/{}", path("providers", &other), made["id"].as_str().unwrap());
    for answer in
        [api.get(&elsewhere), api.delete(&elsewhere), api.send("POST", &format!("{elsewhere}/test"), &[], "")]
    {
        assert_problem(&answer, 404, "not_found");
    }
    assert_eq!(api.delete(&one).status, 204);
    assert_problem(&api.get(&one), 404, "not_found");
}

#[test]
fn a_key_goes_in_and_comes_out_nowhere() {
    let (mock, site) = mocked(&[]);
    let key = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &key);
    let mut told = String::new();
    let wish = json!({
        "name": "rest", "kind": "custom", "endpoint": mock.url(), "allow_private_network": true, "api_key": FIRST,
    });
    let body = wish.to_string();
    let made = api.send("POST", "/providers", &[("idempotency-key", "one")], &body);
    let again = api.send("POST", "/providers", &[("idempotency-key", "one")], &body);
    assert_eq!((made.status, again.text()), (201, made.text()));
    let provider = path("providers", &made.json());
    let pool = format!("{provider}/credentials");
    let second = api.post(&pool, &json!({ "name": "b", "api_key": SECOND }));
    let one = format!("{pool}/{}", second.json()["id"].as_str().unwrap());
    let config = json!({ "providers": [{ "name": "conf", "kind": "openai", "api_key": THIRD }] });
    for answer in [
        made,
        again,
        second,
        api.get(&provider),
        api.get("/providers"),
        api.get(&pool),
        api.get(&one),
        api.patch(&one, &json!(1), &json!({ "api_key": THIRD })),
        api.post(&pool, &json!({ "name": "b", "api_key": SECOND })),
        api.post(&pool, &json!({ "name": "", "api_key": SECOND })),
        api.send("POST", &format!("{one}/test"), &[], ""),
        api.post("/config/diff", &config),
        api.post("/config/apply", &config),
        api.get("/config"),
        api.get("/config?format=json"),
        api.delete(&one),
        api.get("/audit-logs?limit=200"),
        api.get("/audit-logs/export?format=jsonl"),
    ] {
        assert!(answer.status < 500, "{}", answer.text());
        told.push_str(answer.text());
        told.push_str(&format!("{:?}", answer.headers));
    }
    node.stop();
    told.push_str(&site.log());
    for entry in std::fs::read_dir(site.file("nexus-data")).unwrap() {
        let entry = entry.unwrap().path();
        if entry.is_file() {
            told.push_str(&String::from_utf8_lossy(&std::fs::read(entry).unwrap()));
        }
    }
    assert!(
        told.contains("provider.create") && told.contains("credential.update"),
        "the trail was looked at"
    );
    for secret in [FIRST, SECOND, THIRD, PROVIDER_KEY, ENCRYPTION_KEY] {
        assert!(!told.contains(secret), "{secret}");
    }
}

/// Keys the mock was shown with completions since `from`.
fn keys_shown(mock: &Mock, from: usize) -> Vec<String> {
    let requests = mock.requests();
    let calls = requests.iter().skip(from).filter(|request| request.path.ends_with("/chat/completions"));
    calls.map(|request| request.header("authorization").unwrap_or_default().to_owned()).collect()
}

fn serves(node: &Node<'_>, app: &str, alias: &str) {
    until("the route is in force", || (node.chat(app, &ask(alias)).status == 200).then_some(()));
}

#[test]
fn a_provider_that_was_just_made_serves_with_all_of_its_keys() {
    let (_mock, site) = mocked(&[]);
    let mock = Mock::start(Options::default()).unwrap();
    let (_, app) = site.key("app");
    let key = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &key);
    let provider = make(&api, &mock, "rest", "rest");
    serves(&node, &app, "rest");
    assert!(keys_shown(&mock, 0).iter().all(|shown| *shown == format!("Bearer {FIRST}")));
    let pool = format!("{}/credentials", path("providers", &provider));
    let second = api.make(&pool, &json!({ "name": "second", "api_key": SECOND }));
    let mut seen = std::collections::BTreeSet::new();
    until("both keys are used", || {
        let from = mock.requests().len();
        assert_eq!(node.chat(&app, &ask("rest")).status, 200);
        seen.extend(keys_shown(&mock, from));
        (seen.len() == 2).then_some(())
    });
    assert!(seen.contains(&format!("Bearer {SECOND}")), "{seen:?}");
    // one that is put to rest is used no more
    let one = format!("{pool}/{}", second["id"].as_str().unwrap());
    assert_eq!(api.patch(&one, &json!(1), &json!({ "is_active": false })).status, 200);
    let mut in_a_row = 0;
    until("the second key rests", || {
        let from = mock.requests().len();
        assert_eq!(node.chat(&app, &ask("rest")).status, 200);
        let is_first = keys_shown(&mock, from).iter().all(|shown| *shown == format!("Bearer {FIRST}"));
        in_a_row = if is_first { in_a_row + 1 } else { 0 };
        (in_a_row == 30).then_some(())
    });
}

#[test]
fn a_provider_with_routes_goes_only_with_them() {
    let (mock, site) = mocked(&[]);
    let (_, app) = site.key("app");
    let key = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &key);
    let provider = make(&api, &mock, "rest", "rest");
    serves(&node, &app, "rest");
    let one = path("providers", &provider);
    for query in ["", "?cascade=false"] {
        let refused = api.delete(&format!("{one}{query}"));
        assert_problem(&refused, 409, "conflict");
        assert!(refused.text().contains("model-routes"), "{}", refused.text());
    }
    assert_eq!(api.delete(&format!("{one}?cascade=true")).status, 204);
    assert_problem(&api.get(&one), 404, "not_found");
    let id = provider["id"].as_str().unwrap();
    assert_eq!(api.get(&format!("/model-routes?provider_id={id}")).json()["data"], json!([]));
    until("the route is gone", || (node.chat(&app, &ask("rest")).status == 404).then_some(()));
    let row = api.get("/audit-logs?action=provider.delete").json()["data"][0].clone();
    assert_eq!(row["before"]["model_routes"][0]["alias"], "rest");
    assert_eq!(row["before"]["credentials"][0]["last_four"], "F1RS");
}

/// What asking a provider at this endpoint tells.
fn verdict(api: &Api<'_>, name: &str, endpoint: &str, near: bool) -> Value {
    let wish = json!({
        "name": name, "kind": "custom", "endpoint": endpoint, "allow_private_network": near, "api_key": FIRST,
    });
    let provider = path("providers", &api.make("/providers", &wish));
    let answer = api.send("POST", &format!("{provider}/test"), &[], "");
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

#[test]
fn asking_a_provider_tells_what_happened_and_never_the_key() {
    let (mock, site) = mocked(&[]);
    let key = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &key);
    let good = verdict(&api, "good", &mock.url(), true);
    assert_says(&good, &json!({ "ok": true, "status": 200, "model_count": 3, "fault": null }));
    assert_eq!(good["models"][0], "mock-gpt");
    let asked = mock.requests().into_iter().rfind(|request| request.path.ends_with("/models")).unwrap();
    assert_eq!(asked.header("authorization"), Some(format!("Bearer {FIRST}").as_str()));

    let body = format!(
        r#"{{"error":{{"message":"Incorrect API key provided: {FIRST}.","code":"invalid_api_key"}}}}"#
    );
    let echo = answering("401 Unauthorized", &body);
    let refused = verdict(&api, "refused", &url(&echo), true);
    assert_says(&refused, &json!({ "ok": false, "status": 401, "model_count": null }));
    assert_eq!(refused["fault"]["class"], "credential");
    assert!(!refused.to_string().contains(FIRST), "{refused}");

    let strange = answering("200 OK", "<html></html>");
    let strange = verdict(&api, "strange", &url(&strange), true);
    assert_says(&strange, &json!({ "ok": false, "status": 200 }));
    assert_eq!(strange["fault"]["class"], "bad_answer");

    let dead = Mock::start(Options::default()).unwrap();
    let url = dead.url();
    dead.stop();
    let dead = verdict(&api, "dead", &url, true);
    assert_says(&dead, &json!({ "ok": false, "status": null }));
    assert_eq!(dead["fault"]["class"], "connect");
    let far = verdict(&api, "far", "https://127.0.0.1:9/v1", false);
    assert_says(&far, &json!({ "ok": false, "status": null }));
    assert_eq!(far["fault"]["class"], "forbidden_address");
}

/// A server that answers everything with this.
fn answering(status: &str, body: &str) -> RawServer {
    let head =
        format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n", body.len());
    let bytes = format!("{head}connection: close\r\n\r\n{body}").into();
    RawServer::start(vec![Exchange { bytes, after: After::Fin }]).unwrap()
}

fn url(server: &RawServer) -> String {
    format!("http://{}/v1", server.addr())
}

#[test]
fn the_command_line_makes_lists_and_asks_providers() {
    let (mock, site) = mocked(&[]);
    let key = platform_key(&site);
    let run = |arguments: &[&str]| -> Value {
        let mut all = arguments.to_vec();
        all.extend(["--output", "json", "--config", "nexus.yaml"]);
        serde_json::from_str(site.run(&all).lines().last().unwrap()).unwrap()
    };
    let url = mock.url();
    let made = run(&[
        "provider",
        "create",
        "--name",
        "cli",
        "--kind",
        "custom",
        "--endpoint",
        &url,
        "--allow-private-network",
    ]);
    assert_says(&made, &json!({ "name": "cli", "weight": 100, "endpoint": url }));
    let route = run(&["route", "create", "--alias", "x", "--provider", "cli", "--cost-multiplier", "1.50"]);
    assert_says(&route, &json!({ "alias": "x", "real_name": "x", "cost_multiplier": "1.5" }));
    let team = run(&["team", "create", "--name", "red"]);
    assert_eq!(run(&["provider", "test", "cli"])["model_count"], 3);
    assert_eq!(run(&["provider", "models", "cli"]), json!(["mock-gpt", "mock-gpt-mini", "mock-reasoner"]));
    assert_eq!(run(&["team", "list"]), team);
    assert_eq!(run(&["route", "list"]), route);
    assert_eq!(run(&["provider", "list"]), made);
    refused(&site, &["provider", "create", "--name", "a", "--kind", "nobody"], "--kind is no kind");
    refused(&site, &["route", "create", "--alias", "x", "--provider", "cli"], "`real_name`");
    refused(&site, &["provider", "test", "nobody"], "there is no provider `nobody`");
    let node = site.start();
    let api = Api::new(&node, &key);
    let listed = api.get(&format!("{}/models", path("providers", &made))).json();
    assert_says(&listed, &json!({ "ok": true, "model_count": 3 }));
    assert_eq!(listed["models"][0], "mock-gpt");
    for (action, id) in [("provider.create", &made), ("model_route.create", &route), ("team.create", &team)] {
        let rows = api.get(&format!("/audit-logs?action={action}")).json();
        assert_says(
            &rows["data"][0],
            &json!({ "actor_kind": "cli", "target_id": id["id"], "outcome": "ok" }),
        );
        assert_eq!(rows["data"][0]["after"]["id"], id["id"]);
    }
    let azure = ["provider", "create", "--name", "az", "--kind", "azure", "--option", "resource=acme"];
    assert_says(
        &run(&azure),
        &json!({ "endpoint": "https://{resource}.openai.azure.com", "options": { "resource": "acme" } }),
    );
    refused(&site, &[&azure[..7], &["x=1"]].concat(), "it takes `resource`, `api_version`");
    let kinds: Value = serde_json::from_str(&site.run(&["provider", "kinds", "--output", "json"])).unwrap();
    assert_eq!(api.get("/provider-kinds").json()["data"], kinds);
    let azure = kinds.as_array().unwrap().iter().find(|kind| kind["kind"] == "azure").unwrap();
    assert_says(azure, &json!({ "base_url": "https://{resource}.openai.azure.com", "is_local": false }));
    assert_says(&azure["options"][0], &json!({ "name": "resource", "required": false }));
}

fn refused(site: &Site, arguments: &[&str], why: &str) {
    let mut all = arguments.to_vec();
    all.extend(["--config", "nexus.yaml"]);
    let output = site.command(&all).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains(why), "{said}");
}
