//! Budgets that hold whoever calls at once, prices that are set and shown, and what is booked for them.

use std::sync::Barrier;

use nexus_core::usage::Quantity;
use nexus_store::{
    Store,
    repo::usage::{self, UsageTotals},
};
use serde_json::{Value, json};

use crate::{
    admin::{Api, assert_problem, assert_says, platform_key},
    client::Answer,
    node::{Node, Site, ask, ask_stream, mocked, until},
};

/// What each call costs.
const FEE: u64 = 1_000;

fn totals(site: &Site) -> UsageTotals {
    let url = format!("sqlite://{}", site.file("nexus-data/nexus.db").display());
    Store::open(&url).unwrap().read_blocking(usage::totals).unwrap()
}

fn fee(api: &Api<'_>) {
    let free = |quantity: &str| json!({ "quantity": quantity, "nano_usd_per_million": 0 });
    let rates = json!([free("input"), free("output")]);
    api.make("/prices", &json!({ "real_name": "mock-gpt", "rates": rates, "per_request_nano_usd": FEE }));
}

fn budget(api: &Api<'_>, name: &str, key: &str, limit: u64) -> String {
    let wish = json!({
        "name": name, "subject": "key", "subject_value": key, "measure": "cost_nano_usd", "window": "month",
        "limit": limit,
    });
    api.make("/quotas", &wish)["id"].as_str().unwrap().to_owned()
}

const CHAT: &str = "/v1/chat/completions";

/// The answers to so many calls that are made at once, each of which wants an answer of its own.
fn at_once(node: &Node<'_>, count: usize, key: &str, path: &str, body: &str) -> Vec<Answer> {
    let barrier = Barrier::new(count);
    let bearer = format!("Bearer {key}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
        ("cache-control", "no-store"),
    ];
    std::thread::scope(|scope| {
        let call = || {
            barrier.wait();
            node.request("POST", path, &headers, body)
        };
        let calls: Vec<_> = (0..count).map(|_| scope.spawn(call)).collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    })
}

#[test]
fn of_five_hundred_calls_at_once_on_a_budget_for_ten_exactly_ten_are_served() {
    let (mock, site) = mocked(&[]);
    let admin = platform_key(&site);
    let keys = [site.key("app"), site.key("app"), site.key("app")];
    let node = site.start();
    let api = Api::new(&node, &admin);
    fee(&api);
    let embed = json!({ "model": "gpt", "input": ["say", "hello"] }).to_string();
    let calls = [(CHAT, ask("gpt")), (CHAT, ask_stream("gpt")), ("/v1/embeddings", embed)];
    let quotas = keys.each_ref().map(|(id, _)| budget(&api, id, id, 10 * FEE));
    for (((_, key), quota), (path, body)) in keys.iter().zip(&quotas).zip(calls) {
        let answers = at_once(&node, 500, key, path, &body);
        let (served, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
        assert_eq!((served.len(), refused.len()), (10, 490));
        for answer in refused {
            assert_eq!(answer.status, 429);
            assert_eq!(answer.json()["error"]["code"], "insufficient_quota");
            assert_eq!(answer.header("x-should-retry"), Some("false"));
            assert_eq!(answer.header("retry-after"), None);
        }
        let holders = api.get(&format!("/quotas/{quota}/holders")).json();
        assert_says(&holders, &json!({ "limit": 10 * FEE, "used": 10 * FEE, "reserved": 0, "holders": [] }));
    }
    assert_eq!(mock.requests().len(), 30, "nothing that was refused reached the provider");
    node.stop();
    let booked = totals(&site);
    assert_eq!((booked.attempts, booked.charged_nano_usd, booked.unpriced), (30, 30 * FEE, 0));

    let node = site.start();
    for (_, key) in &keys {
        assert_eq!(node.chat(key, &ask("gpt")).status, 429, "what was spent is spent after a restart too");
    }
}

#[test]
fn a_session_key_spends_its_budget_and_no_more_also_after_a_restart() {
    let (_mock, site) = mocked(&[]);
    let (admin, (_, app)) = (platform_key(&site), site.key("app"));
    let node = site.start();
    fee(&Api::new(&node, &admin));
    let bearer = format!("Bearer {app}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let wish = json!({ "budget_nano_usd": 3 * FEE }).to_string();
    let made = node.request("POST", "/v1/session-keys", &headers, &wish).json();
    assert_eq!(made["budget_nano_usd"], 3 * FEE);
    let session = made["key"].as_str().unwrap();
    let served = |node: &Node<'_>, count| {
        let answers = at_once(node, count, session, CHAT, &ask("gpt"));
        answers.iter().filter(|answer| answer.status == 200).count()
    };
    assert_eq!((served(&node, 2), served(&node, 20)), (2, 1));
    assert_eq!(node.chat(&app, &ask("gpt")).status, 200, "the parent has a budget of its own, or none");
    node.stop();
    let node = site.start();
    assert_eq!(served(&node, 5), 0);
    let refused =
        node.request("POST", "/v1/session-keys", &headers, &json!({ "budget_nano_usd": 0 }).to_string());
    assert_eq!(refused.status, 400, "{}", refused.text());
}

#[test]
fn what_a_call_costs_is_booked_to_the_nano_dollar() {
    let (mock, site) = mocked(&[("unpriced", "mock-other")]);
    let admin = platform_key(&site);
    let (_, key) = site.key("app");
    let node = site.start();
    let api = Api::new(&node, &admin);
    let rate = |quantity: &str, rate: u64| json!({ "quantity": quantity, "nano_usd_per_million": rate });
    let price = json!({
        "real_name": "mock-gpt", "multiplier": "0.9",
        "rates": [rate("input", 2_500_000_001), rate("output", 10_000_000_003)],
    });
    api.make("/prices", &price);
    for body in [ask("gpt"), ask_stream("gpt"), ask("unpriced")] {
        assert_eq!(node.chat(&key, &body).status, 200);
    }
    let priced = mock.oracle().into_iter().filter(|served| served.model == "mock-gpt");
    let expected: u128 = priced
        .map(|served| {
            let (input, output) = (u128::from(served.prompt_tokens), u128::from(served.completion_tokens));
            let exact = (input * 2_500_000_001 + output * 10_000_000_003) * 9;
            (exact + 5_000_000) / 10_000_000
        })
        .sum();
    node.stop();
    let booked = totals(&site);
    assert_eq!(u128::from(booked.charged_nano_usd), expected);
    assert_eq!((booked.attempts, booked.unpriced, booked.absorbed_nano_usd), (3, 1, 0));
    assert!(booked.usage.of(Quantity::Output) > 0);
}

#[test]
fn usage_is_shown_by_what_is_asked_for_and_to_a_team_admin_the_teams_own() {
    let (_mock, site) = mocked(&[("other", "mock-gpt")]);
    let (admin, (id, key)) = (platform_key(&site), site.key("app"));
    let node = site.start();
    let api = Api::new(&node, &admin);
    fee(&api);
    let made = api.make("/teams", &json!({ "name": "red" }));
    let made = api.make("/keys", &json!({ "level": "admin", "team_id": made["id"] }));
    let team_admin = Api::fresh(&node, made["key"].as_str().unwrap());
    for model in ["gpt", "other", "other"] {
        assert_eq!(node.chat(&key, &ask(model)).status, 200);
    }
    let rows = |api: &Api<'_>, query: &str| api.get(&format!("/usage{query}")).json()["rows"].clone();
    until("the usage is in the ledger", || (rows(&api, "?by=key")[0]["attempts"] == 3).then_some(()));
    assert_says(&rows(&api, "?by=key")[0], &json!({ "of": id, "failed": 0, "charged_nano_usd": 3 * FEE }));
    let aliases = rows(&api, "?by=alias&interval=day");
    assert_says(&aliases[0], &json!({ "of": "gpt", "attempts": 1, "unpriced": 0 }));
    assert_says(&aliases[1], &json!({ "of": "other", "attempts": 2, "charged_nano_usd": 2 * FEE }));
    assert!(aliases[1]["quantities"]["output"].as_u64().unwrap() > 0);
    assert_eq!(rows(&team_admin, ""), json!([]), "nothing of its team");
    for wrong in ["?from=9&until=8", "?interval=hour&from=0&until=9999999", "?by=nobody", "?x=1"] {
        assert_problem(&api.get(&format!("/usage{wrong}")), 400, "bad_request");
    }
}

#[test]
fn a_price_goes_in_and_comes_out_and_is_in_force_at_once() {
    let (_mock, site) = mocked(&[]);
    let admin = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &admin);
    let effective = || api.get("/prices/effective?alias=gpt").json()["targets"][0].clone();
    assert_says(&effective(), &json!({ "pricing": "unknown", "rule": null, "real_name": "mock-gpt" }));
    let said = json!({
        "real_name": "mock-gpt", "provider_id": effective()["provider_id"], "multiplier": "1.5",
        "rates": [
            { "quantity": "input", "tier": "standard", "from_tokens": 0, "nano_usd_per_million": 5 },
            { "quantity": "input", "tier": "batch", "from_tokens": 200_001, "nano_usd_per_million": 6 },
        ],
        "per_request_nano_usd": 7, "is_free": false, "valid_from": 1_700_000_000,
    });
    let made = api.make("/prices", &said);
    assert_says(&made, &said);
    let id = made["id"].as_str().unwrap();
    assert_eq!(api.get(&format!("/prices/{id}")).json(), made);
    assert_eq!(api.get("/prices?real_name=mock-gpt").json()["data"], json!([made]));
    assert_eq!(api.get("/prices?real_name=x").json()["data"], json!([]));
    assert_says(
        &effective(),
        &json!({ "pricing": "known", "rule": format!("price/{id}"), "rates": said["rates"] }),
    );
    api.make(
        "/prices",
        &json!({ "real_name": "mock-gpt", "provider_id": effective()["provider_id"], "is_free": true }),
    );
    assert_says(&effective(), &json!({ "pricing": "free", "rates": [] }));
    for (wrong, pointer) in [
        (json!({ "real_name": "m" }), "/is_free"),
        (json!({ "real_name": "m", "is_free": true, "per_request_nano_usd": 1 }), "/is_free"),
        (json!({ "real_name": "", "is_free": true }), "/real_name"),
        (json!({ "real_name": "m", "is_free": true, "valid_from": -1 }), "/valid_from"),
    ] {
        let answer = api.post("/prices", &wrong);
        assert_problem(&answer, 422, "invalid");
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{wrong}");
    }
    assert_problem(&api.get("/prices/effective?alias=none"), 404, "not_found");
}

#[test]
fn a_quota_goes_in_and_comes_out_and_is_changed_by_version() {
    let (_mock, site) = mocked(&[]);
    let (admin, (_, key)) = (platform_key(&site), site.key("app"));
    let node = site.start();
    let api = Api::new(&node, &admin);
    let said = json!({
        "name": "gpt calls", "subject": "model", "subject_value": "gp*", "measure": "requests",
        "window": "day", "utc_offset_minutes": 480, "time_zone": null, "rolling_seconds": null, "limit": 1,
        "mode": "hard",
    });
    let made = api.make("/quotas", &said);
    assert_says(&made, &said);
    let path = format!("/quotas/{}", made["id"].as_str().unwrap());
    assert_eq!(node.chat(&key, &ask("gpt")).status, 200);
    assert_eq!(node.chat(&key, &ask("gpt")).status, 429);
    for (change, status) in [
        (json!({ "limit": 2 }), 200),
        (json!({ "limit": 1 }), 429),
        (json!({ "mode": "shadow" }), 200),
        (json!({ "mode": "hard", "name": "renamed" }), 429),
    ] {
        let version = api.get(&path).json()["version"].clone();
        let changed = api.patch(&path, &version, &change);
        assert_eq!(changed.status, 200, "{}", changed.text());
        assert_says(&changed.json(), &change);
        assert_eq!(node.chat(&key, &ask("gpt")).status, status, "{change}");
    }
    assert_problem(&api.patch(&path, &json!(1), &json!({ "limit": 5 })), 412, "stale");
    assert_eq!(api.get("/quotas").json()["data"].as_array().unwrap().len(), 1);
    assert_eq!(api.delete(&path).status, 204);
    assert_eq!(node.chat(&key, &ask("gpt")).status, 200);
    for (wrong, pointer) in [
        (json!({ "subject": "team", "window": "day" }), "/subject_value"),
        (json!({ "subject": "platform", "subject_value": "x", "window": "day" }), "/subject_value"),
        (json!({ "subject": "platform", "window": "rolling" }), "/rolling_seconds"),
        (json!({ "subject": "platform", "window": "day", "utc_offset_minutes": 900 }), "/utc_offset_minutes"),
        (json!({ "subject": "user", "window": "day" }), "/subject_value"),
        (json!({ "subject": "platform", "window": "day", "time_zone": "Mars/Olympus" }), "/time_zone"),
        (json!({ "subject": "platform", "window": "total", "time_zone": "Europe/Berlin" }), "/time_zone"),
        (
            json!({
                "subject": "platform", "window": "day", "time_zone": "Europe/Berlin", "utc_offset_minutes": 60,
            }),
            "/time_zone",
        ),
    ] {
        let mut wish = json!({ "name": "n", "measure": "tokens", "limit": 1 });
        let members: &serde_json::Map<String, Value> = wrong.as_object().unwrap();
        wish.as_object_mut().unwrap().extend(members.clone());
        let answer = api.post("/quotas", &wish);
        assert_problem(&answer, 422, "invalid");
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{wrong}");
    }
}

#[test]
fn a_quota_for_users_counts_each_apart_by_its_places_calendar_also_after_a_restart() {
    let (_mock, site) = mocked(&[]);
    let (admin, (_, key)) = (platform_key(&site), site.key("app"));
    let node = site.start();
    let api = Api::new(&node, &admin);
    let said = json!({
        "name": "each user, a day", "subject": "user", "subject_value": "*", "measure": "requests",
        "window": "day", "time_zone": "Europe/Berlin", "limit": 1,
    });
    let made = api.make("/quotas", &said);
    assert_says(&made, &said);
    let of = |node: &Node<'_>, user: &str| {
        let body = ask("gpt").replacen('{', &format!(r#"{{"user":"{user}","metadata":{{"team":"x"}},"#), 1);
        node.chat(&key, &body).status
    };
    assert_eq!(["ann", "ann", "bob"].map(|user| of(&node, user)), [200, 429, 200]);
    assert_eq!(node.chat(&key, &ask("gpt")).status, 200, "who is nobody's user falls under no such quota");
    let holders = api.get(&format!("/quotas/{}/holders", made["id"].as_str().unwrap())).json();
    assert_says(&holders, &json!({ "limit": 1, "used": 1, "reserved": 0, "holders": [] }));
    let counters = holders["counters"].as_array().unwrap();
    let names: Vec<_> = counters.iter().map(|counter| counter["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["ann", "bob"]);
    assert_says(&counters[0], &json!({ "used": 1, "reserved": 0 }));
    node.stop();
    let node = site.start();
    assert_eq!(["ann", "bob", "eve"].map(|user| of(&node, user)), [429, 429, 200]);
}

#[test]
fn out_of_budget_a_cheaper_alias_is_asked_instead_and_where_that_is_used_up_too_the_call_is_refused() {
    let (mock, site) = mocked(&[("cheap", "mock-other")]);
    let (admin, (_, key)) = (platform_key(&site), site.key("app"));
    let node = site.start();
    let api = Api::new(&node, &admin);
    fee(&api);
    api.make("/prices", &json!({ "real_name": "mock-other", "per_request_nano_usd": FEE / 10 }));
    let quota = |alias: &str, limit: u64| {
        let wish = json!({
            "name": alias, "subject": "model", "subject_value": alias, "measure": "cost_nano_usd",
            "window": "month", "time_zone": "Asia/Shanghai", "limit": limit,
        });
        api.make("/quotas", &wish)
    };
    quota("gpt", FEE);
    quota("cheap", 2 * FEE / 10);
    api.make("/routing-rules", &json!({ "alias": "gpt", "fallbacks": { "budget": ["cheap"] } }));
    let answers: Vec<_> = (0..4).map(|_| node.chat(&key, &ask("gpt"))).collect();
    assert_eq!(answers.iter().map(|answer| answer.status).collect::<Vec<_>>(), [200, 200, 200, 429]);
    assert!(answers[..3].iter().all(|answer| answer.json()["model"] == "gpt"));
    assert_eq!(answers[3].json()["error"]["code"], "insufficient_quota");
    assert_eq!(answers[3].header("x-should-retry"), Some("false"));
    assert_eq!(answers[3].header("retry-after"), None);
    let asked: Vec<_> = mock.oracle().into_iter().map(|served| served.model).collect();
    assert_eq!(asked, ["mock-gpt", "mock-other", "mock-other"]);
    node.stop();
    assert_eq!(totals(&site).charged_nano_usd, FEE + 2 * FEE / 10);
}

#[test]
fn quotas_are_set_listed_and_deleted_at_the_command_line_and_alerts_are_listed() {
    let (_mock, site) = mocked(&[]);
    let (admin, (_, key)) = (platform_key(&site), site.key("app"));
    let run = |arguments: &[&str]| {
        let all = [arguments, &["--config", "nexus.yaml"]].concat();
        site.run(&all).lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>()
    };
    let set = |limit: &str| {
        run(&[
            "quota",
            "set",
            "calls",
            "--subject",
            "model",
            "--value",
            "gpt",
            "--measure",
            "requests",
            "--window",
            "month",
            "--time-zone",
            "Europe/Berlin",
            "--limit",
            limit,
            "--output",
            "json",
        ])
    };
    let made = set("5").remove(0);
    assert_says(
        &made,
        &json!({ "name": "calls", "subject": "model", "time_zone": "Europe/Berlin", "limit": 5 }),
    );
    let again = set("1").remove(0);
    assert_says(&again, &json!({ "id": made["id"], "limit": 1, "version": 2 }));
    assert_eq!(run(&["quota", "list", "--output", "json"]), [again]);
    let node = site.start();
    assert_eq!([node.chat(&key, &ask("gpt")).status, node.chat(&key, &ask("gpt")).status], [200, 429]);
    let address = site.api.to_string();
    let holders = run(&["quota", "holders", "calls", "--address", &address, "--admin-key", &admin]);
    assert_says(&holders[0], &json!({ "limit": 1, "used": 1, "holders": [] }));
    let alerts = until("it is told", || {
        let alerts = run(&["alert", "list", "--open", "--output", "json"]);
        Some(alerts).filter(|alerts| !alerts.is_empty())
    });
    assert_says(&alerts[0], &json!({ "kind": "quota.threshold", "acknowledged_at": null }));
    for wrong in [
        &["quota", "delete", "none"][..],
        &[
            "quota",
            "set",
            "calls",
            "--subject",
            "platform",
            "--measure",
            "tokens",
            "--window",
            "day",
            "--limit",
            "1",
        ],
    ] {
        let refused = site.command(&[wrong, &["--config", "nexus.yaml"]].concat()).output().unwrap();
        assert!(!refused.status.success(), "{wrong:?}");
    }
    assert!(run(&["quota", "delete", "calls"]).is_empty() && run(&["quota", "list"]).is_empty());
}
