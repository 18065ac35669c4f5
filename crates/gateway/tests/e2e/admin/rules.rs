//! Routing rules: made, shown, replaced, taken away; circles refused; in force at once, by REST and command.

use serde_json::{Value, json};

use super::{Api, assert_problem, assert_says, platform_key};
use crate::node::{ask, mocked, until};

fn put(api: &Api<'_>, rule: &Value, body: &Value) -> crate::client::Answer {
    let path = format!("/routing-rules/{}", rule["id"].as_str().unwrap());
    let version = format!("\"{}\"", rule["version"]);
    api.send("PUT", &path, &[("if-match", &version)], &body.to_string())
}

#[test]
fn every_member_of_a_rule_is_kept_and_replaced_and_each_alias_and_team_has_one() {
    let (_mock, site) = mocked(&[]);
    let key = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &key);
    let team = api.make("/teams", &json!({ "name": "seven" }))["id"].clone();
    let said = json!({
        "alias": "fast", "team_id": team, "stands_for": "gpt", "policy": "least_latency", "affinity": true,
        "fallbacks": { "failure": ["a", "b"], "context_window": ["c"] },
        "cache_ttl_s": 60, "hedge_percent": 5, "continue": true,
    });
    let made = api.make("/routing-rules", &said);
    assert_says(&made, &said);
    assert_problem(&api.post("/routing-rules", &said), 409, "conflict");
    let usual = api.make("/routing-rules", &json!({ "alias": "fast" }));
    assert_says(
        &usual,
        &json!({ "team_id": null, "stands_for": null, "policy": "weighted", "affinity": false, "fallbacks": {},
                 "cache_ttl_s": null, "hedge_percent": null, "continue": false }),
    );
    let answer = put(&api, &made, &json!({ "policy": "cheapest" }));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_says(
        &answer.json(),
        &json!({ "alias": "fast", "stands_for": null, "policy": "cheapest", "version": 2 }),
    );
    assert_problem(&put(&api, &made, &json!({})), 412, "stale");
    assert_eq!(api.get("/routing-rules").json()["data"].as_array().unwrap().len(), 2);
    for (body, status) in [
        (json!({ "alias": "x", "policy": "random" }), 400),
        (json!({ "alias": "x", "fallbacks": { "rain": ["a"] } }), 400),
        (json!({ "alias": "x", "stands_for": "" }), 422),
        (json!({ "alias": "x", "team_id": "01981d3a-0000-7000-8000-000000000001" }), 422),
        (json!({ "alias": "x", "weight": 1 }), 400),
        (json!({ "alias": "x", "hedge_percent": 51 }), 422),
        (json!({ "alias": "x", "continue": "yes" }), 400),
    ] {
        let answer = api.post("/routing-rules", &body);
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
    }
    let path = format!("/routing-rules/{}", made["id"].as_str().unwrap());
    assert_eq!(api.delete(&path).status, 204);
    assert_problem(&api.get(&path), 404, "not_found");
}

#[test]
fn a_rule_that_leads_in_a_circle_is_refused_and_the_circle_named() {
    let (_mock, site) = mocked(&[]);
    let key = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &key);
    api.make("/routing-rules", &json!({ "alias": "a", "stands_for": "b" }));
    let last = api.make("/routing-rules", &json!({ "alias": "b", "fallbacks": { "failure": ["c"] } }));
    let circle = api.post("/routing-rules", &json!({ "alias": "c", "stands_for": "a" }));
    assert_problem(&circle, 409, "conflict");
    assert!(circle.text().contains("`a` -> `b` -> `c` -> `a`"), "{}", circle.text());
    assert_problem(&put(&api, &last, &json!({ "stands_for": "a" })), 409, "conflict");
    assert_eq!(api.get("/routing-rules").json()["data"].as_array().unwrap().len(), 2, "nothing was written");
    let output =
        site.command(&["route", "rule", "set", "--alias", "c", "--stands-for", "a"]).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("lead back to itself"), "{output:?}");
}

#[test]
fn a_rule_set_by_command_is_in_force_at_once_listed_and_taken_away() {
    let (_mock, site) = mocked(&[]);
    let (_, app) = site.key("app");
    let node = site.start();
    assert_eq!(node.chat(&app, &ask("other-name")).status, 404);
    let config = ["--config", "nexus.yaml"];
    let run = |arguments: &[&str]| site.run(&[&["route", "rule"], arguments, &config].concat());
    run(&["set", "--alias", "other-name", "--stands-for", "gpt", "--policy", "priority"]);
    let answer = until("the rule is in force", || {
        let answer = node.chat(&app, &ask("other-name"));
        (answer.status == 200).then_some(answer)
    });
    assert_eq!(answer.json()["model"], "other-name");
    let decision = answer.header("x-nexus-decision").unwrap();
    assert_eq!(decision, "provider=mock; model=mock-gpt; attempts=1; policy=weighted");
    let bearer = format!("Bearer {app}");
    let models = node.request("GET", "/v1/models", &[("authorization", &bearer)], "");
    assert!(models.text().contains("\"other-name\""), "{}", models.text());
    assert!(run(&["list", "--output", "json"]).contains("\"other-name\""));
    run(&["delete", "--alias", "other-name"]);
    until("it is gone", || (node.chat(&app, &ask("other-name")).status == 404).then_some(()));
}
