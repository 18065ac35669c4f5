//! Limits of keys, teams and providers over the wire: what clients are told, what is refused, and that a team which
//! floods a provider delays nobody but itself. Prints what it measured.
#![allow(clippy::print_stdout, reason = "the figures are there to be read")]

use nexus_testkit::{
    Mock, Options,
    load::{self, Length, Load, Report},
};
use serde_json::{Value, json};

use crate::{
    admin::{Api, assert_problem, assert_says, platform_key},
    client::Answer,
    node::{Node, Site, ask, ask_stream, mocked, provider, until},
};

/// A key of this team, which is made where it is missing.
fn key_of(site: &Site, team: &str) -> (String, String) {
    let arguments =
        ["key", "create", "--level", "app", "--team", team, "--output", "json", "--config", "nexus.yaml"];
    let made: Value = serde_json::from_str(&site.run(&arguments)).unwrap();
    (made["id"].as_str().unwrap().to_owned(), made["key"].as_str().unwrap().to_owned())
}

fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.header(name).unwrap_or_else(|| panic!("no `{name}` in {:?}", answer.headers))
}

#[test]
fn a_bounded_key_is_told_what_is_left_whole_or_streamed_and_refused_beyond_it() {
    let (mock, site) = mocked(&[]);
    let admin = platform_key(&site);
    let (id, key) = site.key("app");
    let (_, other) = key_of(&site, "free");
    let node = site.start();
    let api = Api::new(&node, &admin);
    let bounds = json!({ "rate_limit": 2, "token_limit": 60_000, "max_concurrent": 8 });
    let changed = api.patch(&format!("/keys/{id}"), &json!(1), &bounds);
    assert_eq!(changed.status, 200, "{}", changed.text());
    assert_says(&changed.json(), &bounds);
    for (body, left) in [(ask("gpt"), "1"), (ask_stream("gpt"), "0")] {
        let answer = node.chat(&key, &body);
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(header(&answer, "x-ratelimit-limit-requests"), "2");
        assert_eq!(header(&answer, "x-ratelimit-remaining-requests"), left);
        assert!(header(&answer, "x-ratelimit-reset-requests").ends_with('s'));
        assert_eq!(header(&answer, "x-ratelimit-limit-tokens"), "60000");
        assert!(header(&answer, "x-ratelimit-remaining-tokens").parse::<u32>().unwrap() <= 60_000);
        assert!(header(&answer, "x-ratelimit-reset-tokens").ends_with('s'));
        let policy = "\"requests\";q=2;w=60, \"tokens\";q=60000;w=60;qu=\"tokens\", \"concurrent\";q=8;qu=\"concurrent-requests\"";
        assert_eq!(header(&answer, "ratelimit-policy"), policy);
        assert!(header(&answer, "ratelimit").starts_with(&format!("\"requests\";r={left};t=")));
    }
    let refused = node.chat(&key, &ask("gpt"));
    assert_eq!(refused.status, 429, "{}", refused.text());
    assert_says(&refused.json()["error"], &json!({ "type": "requests", "code": "rate_limit_exceeded" }));
    assert!((1..=30).contains(&header(&refused, "retry-after").parse::<u32>().unwrap()));
    assert_eq!(
        (header(&refused, "x-ratelimit-remaining-requests"), refused.header("x-should-retry")),
        ("0", None)
    );
    assert_eq!(mock.counts().requests, 2, "what is refused never left");
    let free = node.chat(&other, &ask("gpt"));
    assert_eq!(
        (free.status, free.header("x-ratelimit-limit-requests"), free.header("ratelimit")),
        (200, None, None)
    );
    let taken = api.patch(&format!("/keys/{id}"), &json!(2), &json!({ "rate_limit": null }));
    assert_eq!(taken.status, 200, "{}", taken.text());
    let again = node.chat(&key, &ask("gpt"));
    assert_eq!((again.status, again.header("x-ratelimit-limit-requests")), (200, None));
}

#[test]
fn a_teams_limits_are_those_of_all_its_keys_and_tokens_are_put_right_when_they_are_known() {
    let (_mock, site) = mocked(&[]);
    let admin = platform_key(&site);
    let keys = [key_of(&site, "red").1, key_of(&site, "red").1];
    let node = site.start();
    let api = Api::new(&node, &admin);
    let teams = api.get("/teams").json();
    let red = teams["data"].as_array().unwrap().iter().find(|team| team["name"] == "red").unwrap();
    let path = format!("/teams/{}", red["id"].as_str().unwrap());
    let bounds = json!({ "rate_limit": 3, "token_limit": 100_000, "max_concurrent": null });
    let changed = api.patch(&path, &red["version"], &bounds);
    assert_says(&changed.json(), &bounds);
    let used: Vec<u64> = (0..3)
        .map(|at: usize| {
            let answer = node.chat(&keys[at % 2], &ask("gpt"));
            assert_eq!(header(&answer, "x-ratelimit-remaining-requests"), (2 - at).to_string());
            answer.json()["usage"]["total_tokens"].as_u64().unwrap()
        })
        .collect();
    let refused = node.chat(&keys[1], &ask("gpt"));
    assert_eq!(refused.status, 429);
    let left: u64 = header(&refused, "x-ratelimit-remaining-tokens").parse().unwrap();
    let sum: u64 = used.iter().sum();
    // tokens come back while the test runs; what was guessed beyond what was used is back at once
    assert!(left >= 100_000 - sum, "{left} {used:?}");
    for (bounds, status) in [(json!({ "token_limit": 0 }), 422), (json!({ "max_concurrent": 0 }), 422)] {
        assert_eq!(api.patch(&path, &changed.json()["version"], &bounds).status, status, "{bounds}");
    }
    let wish = json!({ "level": "admin", "rate_limit": 1 });
    assert_problem(&api.post("/keys", &wish), 422, "invalid");
}

fn load(node: &Node<'_>, key: &str, connections: usize, requests: usize) -> Report {
    let load = Load {
        authority: node.site.api.to_string(),
        path: "/v1/chat/completions".to_owned(),
        key: key.to_owned(),
        model: "gpt".to_owned(),
        stream: false,
        body_bytes: 200,
        connections,
        length: Length::Requests(requests),
        rate: None,
        each: None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(load::run(load))
}

/// Prints how a quiet team fared alone and beside a loud one.
fn show(alone: &Report, beside: &Report, loud: &Report) {
    for (name, report) in [("quiet, alone", alone), ("quiet, beside", beside), ("loud", loud)] {
        println!(
            "{name:<14} p50 {} ms, p99 {} ms, {:.0} a second, {} served, {} not",
            report.p50_us / 1000,
            report.p99_us / 1000,
            report.requests_per_second,
            report.requests,
            report.errors,
        );
    }
    println!("the quiet team's p99 is {:.2} of what it is alone", beside.p99_us as f64 / alone.p99_us as f64);
}

#[test]
fn a_team_at_ten_times_its_limit_is_served_its_limit_and_takes_nothing_of_its_neighbours() {
    let mock = Mock::start(Options::default()).unwrap();
    mock.set_script("delay_ms=first:20").unwrap();
    let site = Site::new(&provider("a", &mock.url(), &[("gpt", "mock-gpt")]));
    let admin = platform_key(&site);
    let (loud, quiet) = (key_of(&site, "loud").1, key_of(&site, "quiet").1);
    let node = site.start();
    let api = Api::new(&node, &admin);
    let provider = api.get("/providers").json()["data"][0]["id"].as_str().unwrap().to_owned();
    let changed = api.patch(&format!("/providers/{provider}"), &json!(1), &json!({ "max_concurrent": 4 }));
    assert_eq!(changed.status, 200, "{}", changed.text());
    let teams = api.get("/teams").json();
    let team = teams["data"].as_array().unwrap().iter().find(|team| team["name"] == "loud").unwrap();
    let path = format!("/teams/{}", team["id"].as_str().unwrap());
    assert_eq!(api.patch(&path, &team["version"], &json!({ "rate_limit": 60 })).status, 200);
    let alone = load(&node, &quiet, 1, 60);
    let before = mock.counts().requests;
    let (flood, beside) = std::thread::scope(|scope| {
        let flood = scope.spawn(|| load(&node, &loud, 10, 600));
        let beside = load(&node, &quiet, 1, 60);
        (flood.join().unwrap(), beside)
    });
    show(&alone, &beside, &flood);
    assert_eq!((alone.errors, beside.errors, beside.requests), (0, 0, 60));
    // a minute's worth at once, and one more each second
    let most = 60 + flood.seconds.ceil() as usize;
    assert!((60..=most).contains(&flood.requests), "{} of at most {most}", flood.requests);
    assert_eq!(flood.requests as u64 + flood.errors, 600, "the rest is refused");
    assert_eq!(mock.counts().requests - before, 60 + flood.requests as u64, "and never sent");
}

#[test]
fn a_request_for_a_full_model_holds_up_no_other_of_its_team_at_the_same_provider() {
    let mock = Mock::start(Options::default()).unwrap();
    let models = [("narrow", "mock-gpt+fault=hang_before_head"), ("wide", "mock-gpt")];
    let mut site = Site::new(&provider("a", &mock.url(), &models));
    site.variables.push(("NEXUS_TIMEOUTS__FIRST_BYTE_MS", "60000".to_owned()));
    let admin = platform_key(&site);
    let (_, key) = site.key("app");
    let node = site.start();
    let api = Api::new(&node, &admin);
    let provider = api.get("/providers").json()["data"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(
        api.patch(&format!("/providers/{provider}"), &json!(1), &json!({ "max_concurrent": 8 })).status,
        200
    );
    let route = api.get("/model-routes?alias=narrow").json()["data"][0].clone();
    let path = format!("/model-routes/{}", route["id"].as_str().unwrap());
    assert_eq!(api.patch(&path, &route["version"], &json!({ "max_concurrent": 1 })).status, 200);
    let waiting = || {
        api.post("/routes/explain", &json!({ "model": "narrow" })).json()["candidates"][0]["waiting"].clone()
    };
    std::thread::scope(|scope| {
        // of two that hang one is sent and one waits for it
        let hung = [(); 2].map(|()| scope.spawn(|| node.chat(&key, &ask("narrow")).status));
        until("one waits", || (waiting() == 1).then_some(()));
        let before = mock.counts().requests;
        assert_eq!(node.chat(&key, &ask("wide")).status, 200);
        assert_eq!(
            (mock.counts().requests, waiting()),
            (before + 1, json!(1)),
            "while the other still waits"
        );
        let metrics = node.metrics();
        assert!(metrics.contains(r#"nexus_queue_length{provider="a"} "#), "{metrics}");
        assert!(
            metrics.contains(r#"nexus_queue_wait_seconds_count{provider="a",model="wide"} 1"#),
            "{metrics}"
        );
        mock.stop();
        for thread in hung {
            thread.join().unwrap();
        }
    });
}

#[test]
fn a_team_that_floods_a_provider_which_is_short_delays_nobody_but_itself() {
    let mock = Mock::start(Options::default()).unwrap();
    mock.set_script("delay_ms=first:20").unwrap();
    let site = Site::new(&provider("a", &mock.url(), &[("gpt", "mock-gpt")]));
    let admin = platform_key(&site);
    let (loud, quiet) = (key_of(&site, "loud").1, key_of(&site, "quiet").1);
    let node = site.start();
    let api = Api::new(&node, &admin);
    let id = api.get("/providers").json()["data"][0]["id"].as_str().unwrap().to_owned();
    let changed = api.patch(&format!("/providers/{id}"), &json!(1), &json!({ "max_concurrent": 4 }));
    assert_eq!(changed.status, 200, "{}", changed.text());
    let alone = load(&node, &quiet, 1, 60);
    let before = mock.counts().requests;
    let (flood, beside, by_then) = std::thread::scope(|scope| {
        let flood = scope.spawn(|| load(&node, &loud, 40, 1_500));
        let beside = load(&node, &quiet, 1, 60);
        let by_then = mock.counts().requests - before;
        (flood.join().unwrap(), beside, by_then)
    });
    show(&alone, &beside, &flood);
    let metrics = node.metrics();
    let told: Vec<_> = metrics.lines().filter(|line| line.starts_with("nexus_re")).collect();
    assert_eq!((alone.errors, beside.errors, flood.errors), (0, 0, 0), "{told:#?}");
    // in one line for all, forty others would be served before each of the sixty: all of them
    println!("{by_then} requests were served until the quiet team had its sixty");
    assert!(by_then < 900, "the quiet team does not stand in the loud one's line: {by_then}");
    let explained = api.post("/routes/explain", &json!({ "model": "gpt" })).json();
    assert_says(&explained["candidates"][0], &json!({ "places_left": 4, "waiting": 0 }));
}
