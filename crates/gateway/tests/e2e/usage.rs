//! What was used, as admins, key holders and tools that know OpenAI see it: the same numbers everywhere.

use nexus_core::id::Uuid;
use serde_json::{Value, json};

use crate::{
    admin::{Api, assert_problem, assert_says, platform_key},
    client::Answer,
    node::{Node, Site, ask, ask_stream, mocked, until},
};

/// What each call costs.
const FEE: u64 = 1_000;

fn fee(api: &Api<'_>) {
    let free = |quantity: &str| json!({ "quantity": quantity, "nano_usd_per_million": 0 });
    let rates = json!([free("input"), free("output")]);
    api.make("/prices", &json!({ "real_name": "mock-gpt", "rates": rates, "per_request_nano_usd": FEE }));
}

fn get(node: &Node<'_>, key: &str, path: &str) -> Answer {
    node.request("GET", path, &[("authorization", &format!("Bearer {key}"))], "")
}

/// Calls the model so often and waits until the ledger has it all.
fn used<'a>(site: &'a Site, admin: &str, calls: &[(&str, String)]) -> Node<'a> {
    let node = site.start();
    let api = Api::new(&node, admin);
    fee(&api);
    for (key, body) in calls {
        assert_eq!(node.chat(key, body).status, 200);
    }
    let count = calls.len() as u64;
    until("the usage is in the ledger", || {
        let rows = api.get("/usage?by=operation").json()["rows"].clone();
        (rows[0]["attempts"] == count).then_some(())
    });
    node
}

fn labelled(user: &str, metadata: &Value) -> String {
    json!({
        "model": "gpt", "messages": [{ "role": "user", "content": "say hello" }], "user": user, "metadata": metadata,
    })
    .to_string()
}

#[test]
fn usage_is_told_apart_by_whatever_is_asked_and_exported_with_the_same_sums() {
    let (_mock, site) = mocked(&[]);
    let (admin, (_, key)) = (platform_key(&site), site.key("app"));
    let calls = [
        (key.as_str(), labelled("ada", &json!({ "cost": "7", "=x": "y,z" }))),
        (&key, labelled("bob", &json!({ "cost": "7" }))),
        (&key, ask_stream("gpt")),
    ];
    let node = used(&site, &admin, &calls);
    let api = Api::new(&node, &admin);
    let rows = |query: &str| api.get(&format!("/usage{query}")).json()["rows"].clone();
    assert_says(&rows("?by=status")[0], &json!({ "of": "200", "requests": 3, "charged_nano_usd": 3 * FEE }));
    assert_says(
        &rows("?by=provider&and_by=status")[0],
        &json!({ "of": "mock", "and_of": "200", "attempts": 3 }),
    );
    assert_says(&rows("?by=tag")[0], &json!({ "of": "cost:7", "attempts": 2, "charged_nano_usd": 2 * FEE }));
    let users = rows("?by=user&interval=day");
    assert_eq!((&users[0]["of"], &users[1]["of"]), (&json!("ada"), &json!("bob")));
    let minutes = rows("?by=alias&interval=minute");
    let minutes: Vec<u64> =
        minutes.as_array().unwrap().iter().map(|row| row["charged_nano_usd"].as_u64().unwrap()).collect();
    assert_eq!(minutes.iter().sum::<u64>(), 3 * FEE);
    let row = &rows("?by=model&model=mock-gpt&status=200")[0];
    assert!(row["latency"]["p50_ms"].as_u64() <= row["latency"]["p99_ms"].as_u64());
    assert!(row["prompt_tokens"].as_u64().unwrap() > 0 && row["first_token"]["p50_ms"].is_u64());
    assert_eq!(rows("?model=other"), json!([]));
    let latencies = rows("?by=latency&and_by=region");
    let requests = latencies.as_array().unwrap().iter().map(|row| row["requests"].as_u64().unwrap());
    assert_eq!(requests.sum::<u64>(), 3, "{latencies}");
    for (query, found) in [("took_ms=0", 3), ("took_below_ms=0", 0), ("region=eastus", 0)] {
        let log = api.get(&format!("/requests?{query}")).json();
        assert_eq!(log["data"].as_array().unwrap().len(), found, "{query}");
        assert!(found == 0 || log["data"][0]["attempts"][0]["raw_usage"]["total_tokens"].is_u64(), "{log}");
    }
    assert_problem(&api.get("/requests?took_ms=-1"), 400, "bad_request");
    for wrong in [
        "?interval=minute&from=0&until=99999",
        "?by=user&interval=hour&from=0&until=999999",
        "?by=latency&from=0&until=999999",
        "?status=99",
    ] {
        assert_problem(&api.get(&format!("/usage{wrong}")), 400, "bad_request");
    }

    let (from, until) = (rows("?interval=day")[0]["at"].as_i64().unwrap(), 86_400);
    let export = |format: &str| {
        let path = format!("/usage/export?format={format}&from={from}&until={}", from + until);
        let answer = api.get(&path);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.text().to_owned()
    };
    let csv = export("csv");
    let lines: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    let column = |name: &str| lines[0].iter().position(|cell| *cell == name).unwrap();
    assert_eq!(lines.len(), 2 + usize::from(lines.len() > 2), "{csv}");
    let charged: u64 =
        lines[1..].iter().map(|line| line[column("charged_nano_usd")].parse::<u64>().unwrap()).sum();
    assert_eq!(charged, 3 * FEE);
    let focus = export("focus");
    assert!(focus.starts_with("BilledCost,BillingAccountId,"), "{focus}");
    assert!(focus.contains("0.000003,nexus,NexusAI,USD,") || focus.contains("0.000001,nexus"), "{focus}");
    assert_problem(&api.get("/usage/export?format=csv&from=9&until=8"), 400, "bad_request");
}

#[test]
fn a_key_sees_itself_and_only_its_own_usage() {
    let (_mock, site) = mocked(&[]);
    let admin = platform_key(&site);
    let [(id, key), (_, other)] = [site.key("app"), site.key("app")];
    let node = used(&site, &admin, &[(&key, ask("gpt")), (&key, ask_stream("gpt")), (&other, ask("gpt"))]);
    let api = Api::new(&node, &admin);
    api.make("/quotas", &json!({
        "name": "mine", "subject": "key", "subject_value": id, "measure": "requests", "window": "day", "limit": 5,
    }));
    let platform =
        json!({ "name": "all", "subject": "platform", "measure": "requests", "window": "day", "limit": 9 });
    api.make("/quotas", &platform);
    let me = get(&node, &key, "/v1/me").json();
    assert_says(&me, &json!({ "object": "key", "id": id, "level": "app" }));
    assert_says(&me["spend"], &json!({ "today_nano_usd": 2 * FEE, "month_nano_usd": 2 * FEE }));
    let limits = me["limits"].as_array().unwrap();
    assert_eq!(limits.len(), 1, "what is everybody's is not shown: {me}");
    assert_says(&limits[0], &json!({ "name": "mine", "of": "key", "limit": 5, "mode": "hard" }));
    assert!(limits[0]["resets_at"].is_i64());

    let usage = get(&node, &key, "/v1/me/usage?days=1&limit=1").json();
    assert_says(&usage["data"][0], &json!({ "model": "gpt", "requests": 2, "cost_nano_usd": 2 * FEE }));
    assert_eq!(usage["recent"].as_array().unwrap().len(), 1);
    assert_says(
        &usage["recent"][0],
        &json!({ "model": "gpt", "status": 200, "outcome": "answered", "cost_nano_usd": FEE }),
    );
    assert_eq!(get(&node, &other, "/v1/me/usage").json()["recent"].as_array().unwrap().len(), 1);
    let session = node.request(
        "POST",
        "/v1/session-keys",
        &[("authorization", &format!("Bearer {key}")), ("content-type", "application/json")],
        r#"{"budget_nano_usd":5000}"#,
    );
    let session = session.json();
    let me = get(&node, session["key"].as_str().unwrap(), "/v1/me").json();
    assert_says(&me, &json!({ "level": "session", "spend": { "today_nano_usd": 0, "month_nano_usd": 0 } }));
    assert_says(&me["limits"][0], &json!({ "of": "session_budget", "limit": 5_000, "left": 5_000 }));
    for (path, param) in
        [("/v1/me/usage?days=0", "days"), ("/v1/me/usage?limit=x", "limit"), ("/v1/me/usage?key=1", "key")]
    {
        let refused = get(&node, &key, path);
        assert_eq!((refused.status, refused.json()["error"]["param"].clone()), (400, json!(param)), "{path}");
    }
    assert_eq!(get(&node, "nonsense", "/v1/me").status, 401);
}

#[test]
fn tools_that_read_openais_usage_read_ours() {
    let (_mock, site) = mocked(&[]);
    let (admin, (id, key)) = (platform_key(&site), site.key("app"));
    let node = used(&site, &admin, &[(&key, ask("gpt")), (&key, ask("gpt")), (&key, ask_stream("gpt"))]);
    let api = Api::new(&node, &admin);
    let day = api.get("/usage?interval=day").json()["rows"][0]["at"].as_i64().unwrap();
    let usage =
        get(&node, &admin, &format!("/v1/organization/usage/completions?start_time={day}&group_by[]=model"))
            .json();
    assert_says(&usage, &json!({ "object": "page", "has_more": false, "next_page": null }));
    let bucket = &usage["data"][0];
    assert_says(bucket, &json!({ "object": "bucket", "start_time": day, "end_time": day + 86_400 }));
    let result = &bucket["results"][0];
    assert_says(
        result,
        &json!({
            "object": "organization.usage.completions.result", "num_model_requests": 3, "model": "gpt", "project_id": null,
        }),
    );
    let sum = |names: &[&str]| names.iter().map(|name| result[*name].as_u64().unwrap()).sum::<u64>();
    assert_eq!(
        sum(&["input_tokens"]),
        sum(&["input_cached_tokens", "input_cache_write_tokens", "input_uncached_tokens"])
    );
    let costs =
        get(&node, &admin, &format!("/v1/organization/costs?start_time={day}&group_by=api_key_id")).json();
    let amount = &costs["data"][0]["results"][0];
    assert_says(amount, &json!({ "api_key_id": id, "amount": { "value": 0.000003, "currency": "usd" } }));

    let first =
        format!("/v1/organization/usage/completions?start_time={}&bucket_width=1d&limit=2", day - 2 * 86_400);
    let page = get(&node, &admin, &first).json();
    assert_eq!(page["data"].as_array().unwrap().len(), 2);
    assert_eq!(page["has_more"], true);
    let next = page["next_page"].as_str().unwrap();
    let last = get(&node, &admin, &format!("{first}&page={next}")).json();
    assert_eq!(last["data"][0]["results"][0]["num_model_requests"], 3, "{last}");
    let nothing = get(&node, &admin, &format!("/v1/organization/usage/embeddings?start_time={day}")).json();
    assert_eq!(nothing["data"][0]["results"], json!([]));
    for (path, status, param) in [
        ("completions", 400, json!("start_time")),
        ("completions?start_time=x", 400, json!("start_time")),
        ("completions?start_time=0&group_by=batch", 400, json!("group_by")),
        ("completions?start_time=0&project_ids=red", 400, json!("project_ids")),
        ("completions?start_time=0&user_ids=ada", 400, json!("user_ids")),
        ("completions?start_time=0&page=page_x", 400, json!("page")),
        ("nothing?start_time=0", 404, Value::Null),
    ] {
        let refused = get(&node, &admin, &format!("/v1/organization/usage/{path}"));
        assert_eq!((refused.status, refused.json()["error"]["param"].clone()), (status, param), "{path}");
    }
    assert_eq!(get(&node, &key, "/v1/organization/costs?start_time=0").status, 403, "it calls models");
    let team = api.make("/teams", &json!({ "name": "red" }))["id"].clone();
    let made = api.make("/keys", &json!({ "level": "admin", "team_id": team }));
    Api::fresh(&node, made["key"].as_str().unwrap());
    let own =
        get(&node, made["key"].as_str().unwrap(), &format!("/v1/organization/costs?start_time={day}")).json();
    assert_eq!(own["data"][0]["results"], json!([]), "nothing of its team");
    let foreign = format!("/v1/organization/costs?start_time={day}&project_ids={}", Uuid::nil());
    assert_eq!(get(&node, &admin, &foreign).json()["data"][0]["results"], json!([]));
}
