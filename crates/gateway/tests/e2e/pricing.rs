//! Prices beyond the plain ones: what multiplies them, what is booked where there is none, what past usage is priced
//! at again, who bears it, and what the provider says.

use serde_json::{Value, json};

use crate::{
    admin::{Api, assert_problem, assert_says, platform_key},
    node::{Node, Site, ask, mocked, until},
};

fn rate(quantity: &str, nano_usd: u64) -> Value {
    json!({ "quantity": quantity, "nano_usd_per_million": nano_usd })
}

/// What a row of all usage says of a model, once so many attempts are in the ledger.
fn row(api: &Api<'_>, attempts: u64) -> Value {
    until("the usage is in the ledger", || {
        let row = api.get("/usage?by=model").json()["rows"][0].clone();
        (row["attempts"] == attempts).then_some(row)
    })
}

fn effective(api: &Api<'_>) -> Value {
    api.get("/prices/effective?alias=gpt").json()["targets"][0].clone()
}

#[test]
fn relative_prices_multiply_and_a_ceiling_is_booked_and_listed_as_unpriced() {
    let (_mock, site) = mocked(&[]);
    let (admin, (_, key)) = (platform_key(&site), site.key("app"));
    let node = site.start();
    let api = Api::new(&node, &admin);
    let provider = effective(&api)["provider_id"].clone();
    let ceiling = json!({ "real_name": "*", "kind": "ceiling", "rates": [rate("input", 0)], "per_request_nano_usd": 70 });
    api.make("/prices", &ceiling);
    assert_says(
        &effective(&api),
        &json!({ "pricing": "ceiling", "per_request_nano_usd": 70, "multipliers": [] }),
    );
    assert_eq!(node.chat(&key, &ask("gpt")).status, 200);
    assert_says(&row(&api, 1), &json!({ "charged_nano_usd": 70, "unpriced": 1 }));
    let unpriced = api.get("/prices/unpriced").json();
    assert_says(
        &unpriced["models"][0],
        &json!({ "provider": "mock", "real_name": "mock-gpt", "unpriced": 1 }),
    );

    api.make(
        "/prices",
        &json!({ "real_name": "*", "provider_id": provider, "kind": "relative", "multiplier": "0.5" }),
    );
    api.make(
        "/prices",
        &json!({ "real_name": "mock-gpt", "rates": [rate("input", 0)], "per_request_nano_usd": 40 }),
    );
    let target = effective(&api);
    assert_says(&target, &json!({ "pricing": "known", "multipliers": [] }));
    let of_all =
        json!({ "real_name": "mock-gpt", "provider_id": provider, "kind": "relative", "multiplier": "0.5" });
    api.make("/prices", &of_all);
    assert_says(&effective(&api), &json!({ "pricing": "known", "multipliers": ["0.5"] }));
    assert_eq!(node.chat(&key, &ask("gpt")).status, 200);
    assert_says(&row(&api, 2), &json!({ "charged_nano_usd": 70 + 20, "unpriced": 1 }));
    for (wrong, pointer) in [
        (json!({ "real_name": "m", "kind": "relative" }), "/multiplier"),
        (
            json!({ "real_name": "m", "kind": "relative", "multiplier": "1", "per_request_nano_usd": 1 }),
            "/rates",
        ),
        (json!({ "real_name": "m", "kind": "ceiling" }), "/rates"),
        (json!({ "real_name": "m", "is_free": true, "region": "" }), "/region"),
    ] {
        let answer = api.post("/prices", &wrong);
        assert_problem(&answer, 422, "invalid");
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{wrong}");
    }
}

#[test]
fn prices_are_carried_out_and_in_and_only_what_differs_is_set() {
    let (_mock, site) = mocked(&[]);
    let admin = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &admin);
    let provider = effective(&api)["provider_id"].clone();
    api.make("/prices", &json!({ "real_name": "mock-gpt", "provider_id": provider, "is_free": true }));
    let list = api.get("/prices/export").json();
    assert_says(
        &list["prices"][0],
        &json!({ "real_name": "mock-gpt", "provider": "mock", "kind": "absolute" }),
    );
    let import = |list: &Value, is_dry_run: bool| {
        let mut list = list.clone();
        list["is_dry_run"] = json!(is_dry_run);
        api.post("/prices/import", &list)
    };
    assert_says(&import(&list, false).json(), &json!({ "unchanged": 1, "set": [] }));
    let mut other = list.clone();
    other["prices"][0]["is_free"] = json!(false);
    other["prices"][0]["rates"] = json!([rate("input", 5)]);
    assert_eq!(import(&other, true).json()["set"].as_array().unwrap().len(), 1);
    assert_says(&effective(&api), &json!({ "pricing": "free" }));
    assert_eq!(import(&other, false).status, 200);
    assert_says(&effective(&api), &json!({ "pricing": "known" }));
    other["prices"][0]["provider"] = json!("nobody");
    let refused = import(&other, false);
    assert_problem(&refused, 422, "invalid");
    assert_eq!(refused.json()["errors"][0]["pointer"], "/prices/0/provider");
}

/// A job that is done.
fn repriced(api: &Api<'_>, wish: &Value) -> Value {
    let made = api.make("/prices/reprice", wish);
    let path = format!("/prices/reprices/{}", made["id"].as_str().unwrap());
    until("the job is done", || {
        let job = api.get(&path).json();
        (job["state"] == "done").then_some(job)
    })
}

fn verified(site: &Site) -> Value {
    serde_json::from_str(&site.run(&["ledger", "verify", "--output", "json", "--config", "nexus.yaml"]))
        .unwrap()
}

#[test]
fn past_usage_is_priced_again_beside_its_rows_and_everybody_sees_the_same() {
    let (_mock, site) = mocked(&[]);
    let (admin, (_, key)) = (platform_key(&site), site.key("app"));
    let node = site.start();
    let api = Api::new(&node, &admin);
    for _ in 0..3 {
        assert_eq!(node.chat(&key, &ask("gpt")).status, 200);
    }
    assert_says(&row(&api, 3), &json!({ "charged_nano_usd": 0, "unpriced": 3 }));
    let price = json!({
        "real_name": "mock-gpt", "rates": [rate("input", 0), rate("output", 0)], "per_request_nano_usd": 9,
        "valid_from": 0,
    });
    api.make("/prices", &price);
    let wish =
        |is_preview: bool| json!({ "from": 0, "until": 253_402_300_799_i64, "is_preview": is_preview });
    let preview = repriced(&api, &wish(true));
    assert_says(
        &preview,
        &json!({ "looked_at": 3, "changed": 3, "raised_nano_usd": 27, "lowered_nano_usd": 0 }),
    );
    assert_says(&row(&api, 3), &json!({ "charged_nano_usd": 0, "unpriced": 3 }));
    assert_says(&repriced(&api, &wish(false)), &json!({ "changed": 3, "raised_nano_usd": 27 }));
    assert_says(&row(&api, 3), &json!({ "charged_nano_usd": 27, "unpriced": 0 }));
    let minutes = api.get("/usage?by=model&interval=minute").json()["rows"].clone();
    let minutes: u64 =
        minutes.as_array().unwrap().iter().map(|row| row["charged_nano_usd"].as_u64().unwrap()).sum();
    assert_eq!(minutes, 27);
    let bearer = format!("Bearer {key}");
    let mine = node.request("GET", "/v1/me/usage", &[("authorization", &bearer)], "").json();
    assert_eq!(mine["recent"][2]["cost_nano_usd"], 9);
    assert_says(&repriced(&api, &wish(false)), &json!({ "changed": 0 }));
    let stop = format!("/prices/reprices/{}/stop", preview["id"].as_str().unwrap());
    assert_problem(&api.post(&stop, &json!({})), 409, "conflict");
    assert_eq!(api.get("/prices/reprices").json()["data"].as_array().unwrap().len(), 3);
    let trail = api.get("/audit-logs?action=price.reprice").json();
    assert_eq!(trail["data"].as_array().unwrap().len(), 3);
    let verdict = verified(&site);
    assert_says(&verdict, &json!({ "is_whole": true, "attempts": 3, "differences_count": 0 }));
    let balance: i64 =
        verdict["balances"].as_array().unwrap().iter().map(|one| one["nano_usd"].as_i64().unwrap()).sum();
    assert_eq!(balance, 0);
    let wrong = api.post("/prices/reprice", &json!({ "from": 9, "until": 8 }));
    assert_problem(&wrong, 422, "invalid");
}

#[test]
fn a_quota_follows_what_past_usage_is_priced_at_at_once_and_knows_it_after_a_restart() {
    let (_mock, site) = mocked(&[]);
    let (admin, (_, key)) = (platform_key(&site), site.key("app"));
    let node = site.start();
    let api = Api::new(&node, &admin);
    let price = |fee: u64, valid_from: i64| {
        json!({
            "real_name": "mock-gpt", "rates": [rate("input", 0), rate("output", 0)], "per_request_nano_usd": fee,
            "valid_from": valid_from,
        })
    };
    api.make("/prices", &price(9, 0));
    let quota = api.make(
        "/quotas",
        &json!({
            "name": "all", "subject": "platform", "measure": "cost_nano_usd", "window": "rolling",
            "rolling_seconds": 3600, "limit": 1_000,
        }),
    );
    let path = format!("/quotas/{}/holders", quota["id"].as_str().unwrap());
    let used = |api: &Api<'_>| api.get(&path).json()["used"].as_u64().unwrap();
    let body = ask("gpt").replacen('{', r#"{"user":"ann","#, 1);
    let headers = [
        ("authorization", &*format!("Bearer {key}")),
        ("content-type", "application/json"),
        ("cache-control", "no-store"),
    ];
    for calls in 1..=3 {
        assert_eq!(node.request("POST", "/v1/chat/completions", &headers, &body).status, 200);
        until("the call is settled", || (used(&api) == 9 * calls).then_some(()));
    }
    row(&api, 3);
    for (fee, expected) in [(40, 120), (2, 6)] {
        api.make("/prices", &price(fee, 0));
        repriced(&api, &json!({ "from": 0, "until": 253_402_300_799_i64, "is_preview": false }));
        until("the quota follows", || (used(&api) == expected).then_some(()));
    }
    node.stop();
    let node = site.start();
    assert_eq!(used(&Api::new(&node, &admin)), 6, "what was corrected counts once");
}

fn estimate(node: &Node<'_>, key: &str, body: &str) -> crate::client::Answer {
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    node.request("POST", "/v1/cost/estimate", &headers, body)
}

#[test]
fn an_application_learns_what_a_request_would_cost_and_nothing_is_sent() {
    let (mock, site) = mocked(&[]);
    let (admin, (_, key)) = (platform_key(&site), site.key("app"));
    let node = site.start();
    let api = Api::new(&node, &admin);
    let body = r#"{"model":"gpt","max_tokens":10,"n":2,"messages":[{"role":"user","content":"say hello"}]}"#;
    let unknown = estimate(&node, &key, body).json();
    assert_says(
        &unknown,
        &json!({ "is_complete": false, "nano_usd_max": null, "completion_tokens_max": 20 }),
    );
    api.make(
        "/prices",
        &json!({ "real_name": "mock-gpt", "rates": [rate("input", 1_000_000), rate("output", 2_000_000)] }),
    );
    let told = estimate(&node, &key, body).json();
    let prompt = told["prompt_tokens"].as_u64().unwrap();
    assert!(prompt > 0);
    assert_says(
        &told,
        &json!({
            "object": "cost.estimate", "is_complete": true, "nano_usd_min": prompt, "nano_usd_max": prompt + 40,
        }),
    );
    let embedding = estimate(&node, &key, r#"{"model":"gpt","input":"say hello"}"#).json();
    assert_says(&embedding, &json!({ "completion_tokens_max": 0 }));
    assert_eq!(estimate(&node, &key, r#"{"model":"gpt"}"#).json()["error"]["param"], "messages");
    assert_eq!(estimate(&node, &key, r#"{"model":"none","messages":[]}"#).status, 404);
    assert_eq!(estimate(&node, &admin, body).status, 403);
    assert!(mock.requests().is_empty());
}

#[test]
fn what_is_nobodys_is_split_to_the_last_nano_dollar_and_a_bill_shows_where_it_differs() {
    let (_mock, site) = mocked(&[]);
    let (admin, (_, key)) = (platform_key(&site), site.key("app"));
    let node = site.start();
    let api = Api::new(&node, &admin);
    let fee = json!({ "real_name": "mock-gpt", "rates": [rate("input", 0), rate("output", 0)], "per_request_nano_usd": 10 });
    api.make("/prices", &fee);
    let tagged = |cost: &str| {
        let message = json!([{ "role": "user", "content": "say hello" }]);
        json!({ "model": "gpt", "messages": message, "metadata": { "cost": cost } }).to_string()
    };
    for body in [tagged("red"), tagged("red"), tagged("blue"), ask("gpt")] {
        assert_eq!(node.chat(&key, &body).status, 200);
    }
    row(&api, 4);
    assert_problem(&api.get("/usage/allocation?from=0&until=0&shared=x"), 400, "bad_request");
    let day = api.get("/usage?interval=day").json()["rows"][0]["at"].as_i64().unwrap();
    let span = format!("from={day}&until={}", day + 86_400);
    let rows = |more: &str| api.get(&format!("/usage/allocation?{span}{more}")).json();
    let by_team = rows("");
    assert_says(&by_team, &json!({ "shared_nano_usd": 0, "total_nano_usd": 40 }));
    assert_says(&by_team["rows"][0], &json!({ "direct_nano_usd": 40, "requests": 4 }));
    let by_use = rows("&tag_key=cost");
    assert_says(&by_use, &json!({ "shared_nano_usd": 10, "total_nano_usd": 40 }));
    let of = |told: &Value, id: &str| {
        let rows = told["rows"].as_array().unwrap();
        rows.iter().find(|row| row["of"] == id).unwrap()["nano_usd"].as_u64().unwrap()
    };
    assert_eq!((of(&by_use, "red"), of(&by_use, "blue")), (27, 13));
    assert_eq!(of(&rows("&tag_key=cost&shared=even"), "blue"), 15);
    assert_eq!(of(&rows("&tag_key=cost&shared=none"), "blue"), 10);

    let provider = effective(&api)["provider_id"].clone();
    let date =
        api.get(&format!("/usage/export?format=csv&{span}")).text().lines().nth(1).unwrap()[..10].to_owned();
    let csv = format!("date,model,amount_usd\n{date},mock-gpt,0.00000005\n{date},other,0.000000001\n");
    let imported = api.post("/provider-bills/import", &json!({ "provider_id": provider, "csv": csv }));
    assert_says(&imported.json(), &json!({ "days": 1, "rows": 2, "nano_usd": 51 }));
    let path = format!("/provider-bills/reconciliation?provider_id={}&{span}", provider.as_str().unwrap());
    let told = api.get(&path).json();
    assert_says(&told, &json!({ "booked_nano_usd": 40, "billed_nano_usd": 51, "difference_nano_usd": 11 }));
    assert_says(
        &told["rows"][0],
        &json!({ "day": date, "model": "mock-gpt", "attempts": 4, "difference_nano_usd": 10 }),
    );
    let wrong =
        api.post("/provider-bills/import", &json!({ "provider_id": provider, "csv": "date,model\n" }));
    assert_problem(&wrong, 422, "invalid");
    assert_eq!(wrong.json()["errors"][0]["pointer"], "/csv");
}
