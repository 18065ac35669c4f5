//! Three providers under load, one of which misbehaves in every way there is: clients see no failure that
//! another could have served. Prints what it measured.

use nexus_testkit::{
    Mock, Options,
    load::{self, Length, Load, Report},
};
use serde_json::{Value, json};

use crate::{
    admin::{Api, platform_key},
    node::{Node, Site, ask, ask_stream, provider, until},
};

const REQUESTS: usize = 120;

/// Mocks `a`, `b` and `c` behind the alias `gpt`.
fn three() -> ([Mock; 3], Site) {
    let mocks = [(); 3].map(|()| Mock::start(Options::default()).unwrap());
    let names = ["a", "b", "c"].iter().zip(&mocks);
    let providers: String =
        names.map(|(name, mock)| provider(name, &mock.url(), &[("gpt", "mock-gpt")])).collect();
    (mocks, Site::new(&providers))
}

fn load(node: &Node<'_>, key: &str, stream: bool) -> Report {
    let load = Load {
        authority: node.site.api.to_string(),
        path: "/v1/chat/completions".to_owned(),
        key: key.to_owned(),
        model: "gpt".to_owned(),
        stream,
        body_bytes: 200,
        connections: 6,
        length: Length::Requests(REQUESTS),
        rate: None,
        each: None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(load::run(load))
}

/// The model route of a provider.
fn route_of(api: &Api<'_>, provider: &str) -> String {
    let providers = api.get("/providers").json()["data"].as_array().unwrap().clone();
    let id = providers.iter().find(|row| row["name"] == provider).unwrap()["id"].clone();
    let routes = api.get(&format!("/model-routes?provider_id={}", id.as_str().unwrap())).json();
    routes["data"][0]["id"].as_str().unwrap().to_owned()
}

fn health_of(api: &Api<'_>, provider: &str) -> Value {
    let targets = api.get("/health/providers").json()["targets"].as_array().unwrap().clone();
    targets.into_iter().find(|target| target["provider"] == provider).unwrap()
}

#[test]
fn whatever_one_of_three_does_clients_see_no_failure_another_could_have_served() {
    let ([a, b, c], site) = three();
    let admin = platform_key(&site);
    let (_, app) = site.key("app");
    let node = site.start();
    let api = Api::new(&node, &admin);
    // whoever has begun is gone on for
    api.make("/routing-rules", &json!({ "alias": "gpt", "continue": true }));
    let run = |name: &str, mock: Option<&Mock>, stream: bool| {
        let asked = || mock.map_or(0, |mock| mock.counts().requests);
        let before = asked();
        let report = load(&node, &app, stream);
        let tried = asked() - before;
        println!(
            "{name:<20} stream {stream:<5} errors {} p50 {} ms p99 {} ms, it was asked {tried} of {} times",
            report.errors,
            report.p50_us / 1000,
            report.p99_us / 1000,
            report.requests,
        );
        assert_eq!(report.errors, 0, "{name}: {report:?}\n{}", node.site.log());
        assert!(tried > 0 || mock.is_none(), "{name}: nobody met what it does");
    };
    let route = route_of(&api, "b");
    for (name, script) in [
        ("healthy", ""),
        ("slow", "delay_ms=first:60"),
        ("silent", "fault=hang_before_head"),
        ("failing", "fault=status:500"),
        ("overloaded", "fault=status:503,retry_after_ms:50"),
        ("busy", "fault=status:429,retry_after_ms:50"),
        ("garbage", "fault=html,status:200"),
        ("an error under a 200", "fault=200_error"),
        ("closing", "fault=empty"),
        ("cut before it began", "fault=cut_after_events:0"),
        ("reset", "fault=cut_after_events:0,with:rst"),
        ("half a stream", "fault=cut_after_events:4"),
        ("half a stream, reset", "fault=cut_after_events:4,with:rst"),
    ] {
        b.set_script(script).unwrap();
        for stream in [false, true] {
            assert_eq!(api.post(&format!("/model-routes/{route}/reset"), &json!({})).status, 204);
            run(name, Some(&b), stream);
        }
    }
    c.set_script("echo_key_401").unwrap();
    run("locked", Some(&c), true);
    assert_eq!(api.post(&format!("/model-routes/{route}/reset"), &json!({})).status, 204);
    b.stop();
    run("dead beside locked", None, true);
    assert!(a.counts().requests as usize > REQUESTS);
}

#[test]
fn a_provider_that_is_out_is_seen_explained_counted_and_put_back_by_hand() {
    let ([_a, b, _c], site) = three();
    let admin = platform_key(&site);
    let (_, app) = site.key("app");
    let node = site.start();
    let api = Api::new(&node, &admin);
    let question = json!({ "model": "gpt", "stream": true });
    let explained = api.post("/routes/explain", &question).json();
    assert_eq!((&explained["policy"], &explained["chosen"]), (&json!("weighted"), &json!(0)), "{explained}");
    b.set_script("echo_key_401").unwrap();
    let answers: Vec<_> = (0..6).map(|_| node.chat(&app, &ask("gpt"))).collect();
    assert!(answers.iter().all(|answer| answer.status == 200));
    let decisions: Vec<_> = answers.iter().filter_map(|answer| answer.header("x-nexus-decision")).collect();
    assert_eq!(
        decisions.iter().filter(|decision| decision.contains("attempts=2")).count(),
        1,
        "{decisions:?}"
    );
    let health = health_of(&api, "b");
    assert_eq!(
        (&health["breaker"], &health["last_minute"]["failed"]),
        (&json!("open"), &json!({ "credential": 1 }))
    );
    assert!(health["open_for_ms"].as_u64().unwrap() <= 5_000);
    assert_eq!(health_of(&api, "a")["last_five_minutes"]["answered"], 3);
    let explained = api.post("/routes/explain", &question).json();
    let candidates = explained["candidates"].as_array().unwrap();
    let out = candidates.iter().find(|candidate| candidate["provider"] == "b").unwrap();
    assert_eq!((&out["against"], &out["breaker"]), (&json!("breaker_open"), &json!("open")), "{explained}");
    until("the metrics say so", || {
        node.metrics().contains(r#"nexus_breaker_state{provider="b",model="gpt"} 2"#).then_some(())
    });
    let events = api.get("/health/providers/stream?seconds=1");
    assert_eq!(events.header("content-type"), Some("text/event-stream"));
    assert!(events.text().starts_with("event: health\ndata: {\"retries_left\":"), "{}", events.text());
    b.set_script("").unwrap();
    assert_eq!(api.post(&format!("/model-routes/{}/reset", route_of(&api, "b")), &json!({})).status, 204);
    assert_eq!(health_of(&api, "b")["breaker"], "closed");
    let asked = b.counts().requests;
    (0..3).for_each(|_| assert_eq!(node.chat(&app, &ask("gpt")).status, 200));
    assert_eq!(b.counts().requests, asked + 1, "its credential, which was refused, is shown again");
    assert_eq!(api.post("/routes/explain", &json!({ "model": "nobody" })).status, 404);
    let printed = site.run(&["route", "explain", "gpt", "--output", "json", "--config", "nexus.yaml"]);
    assert_eq!(serde_json::from_str::<Value>(&printed).unwrap()["candidates"].as_array().unwrap().len(), 3);
}

#[test]
fn a_client_that_waits_no_longer_is_told_so_and_one_that_waits_is_served() {
    let mock = Mock::start(Options::default()).unwrap();
    mock.set_script("delay_ms=first:900").unwrap();
    let site = Site::new(&provider("a", &mock.url(), &[("gpt", "mock-gpt")]));
    let (_, app) = site.key("app");
    let node = site.start();
    let bearer = format!("Bearer {app}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
        ("x-request-timeout-ms", "200"),
    ];
    let answer = node.request("POST", "/v1/chat/completions", &headers, &ask("gpt"));
    assert_eq!(answer.status, 504, "{}", answer.text());
    assert_eq!(node.chat(&app, &ask("gpt")).status, 200, "who waits is served");
}

/// Mocks `a` and `b` behind the alias `gpt`, of which `a` is asked first, under a rule with these members.
fn two(more: &str) -> ([Mock; 2], Site) {
    let mocks = [(); 2].map(|()| Mock::start(Options::default()).unwrap());
    let names = ["a", "b"].iter().zip(&mocks);
    let providers: String = names
        .map(|(name, mock)| {
            provider(name, &mock.url(), &[("gpt", "mock-gpt")])
                .replace("    models:", &format!("{more}    models:"))
        })
        .collect();
    (mocks, Site::new(&providers))
}

fn ruled(api: &Api<'_>, mut members: Value) {
    members["alias"] = json!("gpt");
    members["policy"] = json!("priority");
    api.make("/routing-rules", &members);
}

#[test]
fn a_target_slower_than_usual_is_outrun_by_another_and_both_are_in_the_ledger() {
    let ([a, b], site) = two("");
    let admin = platform_key(&site);
    let (_, app) = site.key("app");
    let node = site.start();
    let api = Api::new(&node, &admin);
    ruled(&api, json!({ "hedge_percent": 10 }));
    let hedging = |model: &str| {
        api.post("/routes/explain", &json!({ "model": model, "stream": true })).json()["hedging"].clone()
    };
    let few = json!({ "percent": 10, "after_ms": null, "against": "too_few_answers" });
    until("the rule is in force", || (hedging("gpt") == few).then_some(()));
    for _ in 0..25 {
        assert_eq!(node.chat(&app, &ask_stream("gpt")).status, 200);
    }
    let before = b.counts().requests;
    a.set_script("fault=hang_before_head").unwrap();
    // what is usual is read once a second, and what is outrun is counted behind the request's back
    let outrun = r#"nexus_upstream_attempts_total{provider="a",model="gpt",outcome="outrun"}"#;
    let mut decisions = Vec::new();
    until("the slow one is outrun", || {
        let answer = node.chat(&app, &ask_stream("gpt"));
        assert_eq!((answer.status, answer.is_complete), (200, true), "{}", answer.text());
        decisions.push(answer.header("x-nexus-decision").unwrap().to_owned());
        node.metrics().contains(outrun).then_some(())
    });
    let both = "provider=b; model=mock-gpt; attempts=2; policy=priority";
    assert!(decisions.iter().any(|decision| decision == both), "{decisions:?}");
    assert!(b.counts().requests > before);
    until("both are in the ledger", || {
        let rows = api.get("/usage?by=provider").json()["rows"].clone();
        (rows[1]["attempts"].as_u64()? > 0 && rows[0]["attempts"].as_u64()? > 0).then_some(())
    });
}

#[test]
fn a_stream_that_breaks_off_is_gone_on_with_by_another_and_stays_one() {
    let ([a, b], site) = two("");
    let admin = platform_key(&site);
    let (_, app) = site.key("app");
    let node = site.start();
    let api = Api::new(&node, &admin);
    ruled(&api, json!({ "continue": true }));
    until("the rule is in force", || {
        let answer = node.chat(&app, &ask("gpt"));
        answer.header("x-nexus-decision").is_some_and(|said| said.contains("policy=priority")).then_some(())
    });
    let before = (a.counts().requests, b.counts().requests);
    // one by one: a cut in the first piece that is read is a failure before the answer began
    a.set_script("events=40+delay_ms=between:5+fault=cut_after_events:30").unwrap();
    let answer = node.chat(&app, &ask_stream("gpt"));
    let events = answer.events();
    assert_eq!(events.last().map(String::as_str), Some("[DONE]"), "{}", answer.text());
    let chunks: Vec<Value> =
        events[..events.len() - 1].iter().map(|event| serde_json::from_str(event).unwrap()).collect();
    assert!(chunks.iter().all(|chunk| chunk["id"] == chunks[0]["id"] && chunk["model"] == "gpt"));
    assert_eq!(chunks.iter().filter(|chunk| chunk["x_nexus"]["continued"] == true).count(), 1);
    assert_eq!(chunks.iter().filter(|chunk| chunk["choices"][0]["delta"]["role"].is_string()).count(), 1);
    assert_eq!((a.counts().requests, b.counts().requests), (before.0 + 1, before.1 + 1));
    until("both are in the ledger", || {
        let rows = api.get("/usage?by=provider").json()["rows"].clone();
        let sum = |member: &str| {
            rows.as_array().unwrap().iter().map(|row| row[member].as_u64().unwrap()).sum::<u64>()
        };
        (sum("failed") == 1 && sum("attempts") == before.0 + before.1 + 2).then_some(())
    });
}

#[test]
fn a_look_that_costs_nothing_shows_how_a_provider_is_and_closes_its_breaker_without_a_request() {
    let ([a, _b], site) = two("    options: { health_check_s: \"5\" }\n");
    let admin = platform_key(&site);
    let (_, app) = site.key("app");
    let node = site.start();
    let api = Api::new(&node, &admin);
    let check = until("it is looked at", || {
        Some(health_of(&api, "a")["check"].clone()).filter(|check| !check.is_null())
    });
    assert_eq!(check["fault"], Value::Null, "{check}");
    assert_eq!(health_of(&api, "a")["last_minute"]["requests"], 0, "it is no request");
    a.set_script("echo_key_401").unwrap();
    for _ in 0..2 {
        assert_eq!(node.chat(&app, &ask("gpt")).status, 200);
    }
    assert_eq!(health_of(&api, "a")["breaker"], "open");
    a.set_script("").unwrap();
    let asked = a.counts().requests;
    until("its breaker closes", || (health_of(&api, "a")["breaker"] == "closed").then_some(()));
    assert_eq!(health_of(&api, "a")["last_minute"]["requests"], 1, "only the one that failed");
    println!("asked {asked} times before, {} after", a.counts().requests);
    let wrong = json!({
        "name": "c", "kind": "openai", "options": { "health_check_s": "1" }, "allow_private_network": true,
    });
    let refused = api.post("/providers", &wrong);
    assert_eq!(
        (refused.status, refused.json()["errors"][0]["pointer"].clone()),
        (422, json!("/options/health_check_s"))
    );
}

#[test]
fn a_dearer_fallback_is_asked_only_where_the_budget_has_room_for_it() {
    let (mock, site) =
        crate::node::mocked(&[("cheap", "mock-cheap+fault=status:503"), ("dear", "mock-dear")]);
    let admin = platform_key(&site);
    let (id, app) = site.key("app");
    let node = site.start();
    let api = Api::new(&node, &admin);
    for (model, fee) in [("mock-cheap+fault=status:503", 1_000), ("mock-dear", 10_000)] {
        let rates = json!([
            { "quantity": "input", "nano_usd_per_million": 0 }, { "quantity": "output", "nano_usd_per_million": 0 },
        ]);
        api.make("/prices", &json!({ "real_name": model, "rates": rates, "per_request_nano_usd": fee }));
    }
    api.make("/routing-rules", &json!({ "alias": "cheap", "fallbacks": { "failure": ["dear"] } }));
    let wish = json!({
        "name": "q", "subject": "key", "subject_value": id, "measure": "cost_nano_usd", "window": "month",
        "limit": 15_000,
    });
    let quota = api.make("/quotas", &wish)["id"].as_str().unwrap().to_owned();
    let dear = || mock.oracle().iter().filter(|served| served.model == "mock-dear").count();
    assert_eq!(node.chat(&app, &ask("cheap")).status, 200, "there is room for one");
    let refused = node.chat(&app, &ask("cheap"));
    assert_eq!((refused.status, dear()), (503, 1), "there is none for another: {}", refused.text());
    let holders = api.get(&format!("/quotas/{quota}/holders")).json();
    assert_eq!((&holders["used"], &holders["reserved"]), (&json!(10_000), &json!(0)));
}

#[test]
fn the_command_line_asks_a_running_node_or_says_that_it_did_not() {
    let ([_a, b, _c], site) = three();
    let admin = platform_key(&site);
    let (_, app) = site.key("app");
    let node = site.start();
    b.set_script("echo_key_401").unwrap();
    for _ in 0..3 {
        assert_eq!(node.chat(&app, &ask("gpt")).status, 200);
    }
    let explain = |more: &[&str]| {
        let mut arguments = vec!["route", "explain", "gpt", "--output", "json", "--config", "nexus.yaml"];
        arguments.extend(more);
        let mut child = site
            .command(&arguments)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), admin.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{told}");
        (serde_json::from_slice::<Value>(&output.stdout).unwrap(), told)
    };
    let breaker = |answer: &Value| {
        let candidates = answer["candidates"].as_array().unwrap();
        candidates.iter().find(|one| one["provider"] == "b").unwrap()["breaker"].clone()
    };
    let url = format!("http://{}", site.api);
    let (of_node, told) = explain(&["--url", &url]);
    assert_eq!((breaker(&of_node), told.as_str()), (json!("open"), ""));
    let (of_database, told) = explain(&[]);
    assert_eq!(breaker(&of_database), json!("closed"));
    assert!(told.contains("by the database alone"), "{told}");
}

#[test]
fn a_provider_that_says_it_has_nothing_left_is_passed_over_before_it_would_refuse() {
    let ([a, b], site) = two("");
    let admin = platform_key(&site);
    let (_, app) = site.key("app");
    let node = site.start();
    let api = Api::new(&node, &admin);
    ruled(&api, json!({}));
    until("the rule is in force", || {
        let answer = node.chat(&app, &ask("gpt"));
        answer.header("x-nexus-decision").is_some_and(|said| said.contains("policy=priority")).then_some(())
    });
    let candidate =
        || api.post("/routes/explain", &json!({ "model": "gpt" })).json()["candidates"][0].clone();
    for (said, stream) in [("requests:0,tokens:900", false), ("requests:9,tokens:0", true)] {
        let ask = if stream { ask_stream("gpt") } else { ask("gpt") };
        a.set_script("left=requests:2,tokens:900,reset_ms:60000").unwrap();
        let before = (a.counts().requests, b.counts().requests);
        assert_eq!(node.chat(&app, &ask).status, 200);
        assert_eq!(candidate()["learned"]["requests_remaining"], 2);
        a.set_script(&format!("left={said},reset_ms:60000")).unwrap();
        assert_eq!(node.chat(&app, &ask).status, 200);
        // whoever asked it now would be refused
        a.set_script("fault=status:429").unwrap();
        for _ in 0..5 {
            let answer = node.chat(&app, &ask);
            let decision = answer.header("x-nexus-decision").unwrap();
            assert!(decision.contains("provider=b;") && decision.contains("attempts=1;"), "{decision}");
        }
        assert_eq!((a.counts().requests, b.counts().requests), (before.0 + 2, before.1 + 5), "{said}");
        assert_eq!(candidate()["against"], "resting");
        a.set_script("").unwrap();
        assert_eq!(api.post(&format!("/model-routes/{}/reset", route_of(&api, "a")), &json!({})).status, 204);
    }
}

#[test]
fn who_goes_on_is_told_so_in_the_words_of_its_vendor() {
    for (kind, path, member, flags) in [
        ("mistral", "/v1", "prefix", json!({})),
        ("deepseek", "/beta", "prefix", json!({})),
        ("moonshot", "/v1", "partial", json!({})),
        ("vllm", "/v1", "", json!({ "continue_final_message": true, "add_generation_prompt": false })),
        ("deepseek", "/v1", "", json!({})),
        ("openai", "/v1", "", json!({})),
        // its last message is the beginning of its answer without a word
        ("anthropic", "/v1", "", json!({})),
    ] {
        let [a, b] = [(); 2].map(|()| Mock::start(Options::default()).unwrap());
        let first = provider("a", &a.url(), &[("gpt", "mock-gpt")]);
        let url = b.url().replace("/v1", path);
        let second =
            provider("b", &url, &[("gpt", "mock-gpt")]).replace("kind: custom", &format!("kind: {kind}"));
        let site = Site::new(&format!(
            "{first}{second}rules:\n  - {{ alias: gpt, policy: priority, continue: true }}\n"
        ));
        let (_, app) = site.key("app");
        let node = site.start();
        a.set_script("events=40+delay_ms=between:5+fault=cut_after_events:30").unwrap();
        let answer = node.chat(&app, &ask_stream("gpt"));
        assert_eq!(answer.events().last().map(String::as_str), Some("[DONE]"), "{kind}: {}", answer.text());
        let received = b.requests();
        let body: Value = serde_json::from_slice(&received[0].body).unwrap();
        let last = body["messages"].as_array().unwrap().last().unwrap().clone();
        assert_eq!(last["role"], "assistant", "{kind}");
        assert_eq!(
            last.get(member).is_some_and(|flag| flag == true),
            !member.is_empty(),
            "{kind}{path}: {last}"
        );
        for flag in ["continue_final_message", "add_generation_prompt"] {
            assert_eq!(body.get(flag), flags.get(flag), "{kind}: {flag}");
        }
    }
}
