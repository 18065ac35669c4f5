//! Model routes and settings: every member goes in and comes out.

use serde_json::{Value, json};

use super::{Api, assert_problem, assert_says, platform_key};
use crate::node::mocked;

fn provider(api: &Api<'_>, name: &str) -> Value {
    api.make("/providers", &json!({ "name": name, "kind": "openai" }))["id"].clone()
}

#[test]
fn every_member_of_a_model_route_is_kept_shown_and_changed() {
    let (_mock, site) = mocked(&[]);
    let key = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &key);
    let (one, two) = (provider(&api, "one"), provider(&api, "two"));
    let said = json!({
        "alias": "fast", "provider_id": one, "real_name": "gpt-x", "weight": 5, "cost_multiplier": "1.25",
        "rate_limit": 60, "region_weights": { "eu": 1, "us": 2 }, "is_active": false, "tier": 1,
        "fit": {
            "abilities": ["tools", "vision"], "context_tokens": 8000, "min_input_tokens": 1,
            "max_input_tokens": 4000, "teams": ["01981d3a-0000-7000-8000-000000000001"], "tags": ["night"],
            "headers": { "x-plan": "gold" },
        },
    });
    let made = api.make("/model-routes", &said);
    assert_says(&made, &said);
    let path = format!("/model-routes/{}", made["id"].as_str().unwrap());
    let mut now = made;
    for (change, shown) in [
        (json!({ "alias": "*" }), json!({ "alias": "*" })),
        (json!({ "provider_id": two }), json!({ "provider_id": two })),
        (json!({ "real_name": "*" }), json!({ "real_name": "*" })),
        (json!({ "weight": null }), json!({ "weight": null })),
        (json!({ "weight": 0 }), json!({ "weight": 0 })),
        (json!({ "cost_multiplier": 0.1 }), json!({ "cost_multiplier": "0.1" })),
        (json!({ "cost_multiplier": "0.000001" }), json!({ "cost_multiplier": "0.000001" })),
        (json!({ "cost_multiplier": 1000 }), json!({ "cost_multiplier": "1000" })),
        (json!({ "rate_limit": null }), json!({ "rate_limit": null })),
        (json!({ "region_weights": {} }), json!({ "region_weights": {} })),
        (json!({ "region_weights": { "ap": 9 } }), json!({ "region_weights": { "ap": 9 } })),
        (json!({ "is_active": true }), json!({ "is_active": true })),
        (json!({ "tier": 2 }), json!({ "tier": 2 })),
        (json!({ "fit": { "tags": ["a"] } }), json!({ "fit": { "tags": ["a"] } })),
    ] {
        let answer = api.patch(&path, &now["version"], &change);
        assert_eq!(answer.status, 200, "{change}: {}", answer.text());
        let mut expected = now.clone();
        for (name, value) in shown.as_object().unwrap() {
            expected[name] = value.clone();
        }
        let changed = answer.json();
        for own in ["version", "updated_at"] {
            expected[own] = changed[own].clone();
        }
        assert_eq!(changed, expected);
        assert_eq!(api.get(&path).json(), changed);
        now = changed;
    }
    let usual = api.make("/model-routes", &json!({ "alias": "plain", "provider_id": one }));
    assert_says(
        &usual,
        &json!({
            "real_name": "plain", "weight": null, "cost_multiplier": "1", "rate_limit": null, "region_weights": {},
            "is_active": true, "version": 1, "tier": 0, "fit": {},
        }),
    );
    let listed =
        |query: &str| api.get(&format!("/model-routes{query}")).json()["data"].as_array().unwrap().len();
    assert_eq!(listed("?alias=plain"), 1);
    assert_eq!(listed(&format!("?provider_id={}", two.as_str().unwrap())), 1);
    assert_eq!(listed(&format!("?alias=plain&provider_id={}", two.as_str().unwrap())), 0);
    assert_eq!(api.delete(&path).status, 204);
    assert_problem(&api.get(&path), 404, "not_found");
}

#[test]
fn what_cannot_be_a_route_is_refused_by_its_members() {
    let (_mock, site) = mocked(&[]);
    let key = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &key);
    let one = provider(&api, "one");
    let made = api.make("/model-routes", &json!({ "alias": "a", "provider_id": one }));
    let twin = api.post("/model-routes", &json!({ "alias": "a", "provider_id": one, "real_name": "a" }));
    assert_problem(&twin, 409, "conflict");
    for member in ["`alias`", "`provider_id`", "`real_name`"] {
        assert!(twin.text().contains(member), "{}", twin.text());
    }
    let nobody = "01981d3a-0000-7000-8000-000000000001";
    for (member, value, status) in [
        ("provider_id", json!(nobody), 422),
        ("provider_id", json!("x"), 400),
        ("alias", json!(""), 422),
        ("alias", json!(" a"), 422),
        ("real_name", json!("x".repeat(513)), 422),
        ("weight", json!(1_000_001), 422),
        ("rate_limit", json!(0), 422),
        ("cost_multiplier", json!("1.0000001"), 400),
        ("cost_multiplier", json!(-1), 400),
        ("cost_multiplier", json!(1001), 400),
        ("region_weights", json!({ "eu": -1 }), 400),
        ("tier", json!(1001), 422),
        ("fit", json!({ "tags": ["a,b"] }), 422),
        ("fit", json!({ "headers": { "Host": "x" } }), 422),
        ("fit", json!({ "abilities": ["flying"] }), 400),
        ("priority", json!(1), 400),
    ] {
        let mut wish = json!({ "alias": "b", "provider_id": one });
        wish[member] = value.clone();
        let answer = api.post("/model-routes", &wish);
        assert_eq!(answer.status, status, "{member} {value}: {}", answer.text());
        let pointer = answer.json()["errors"][0]["pointer"].as_str().unwrap().to_owned();
        assert!(pointer.starts_with(&format!("/{member}")), "{member}: {}", answer.text());
        if member != "priority" {
            let path = format!("/model-routes/{}", made["id"].as_str().unwrap());
            let change = json!({ member: value });
            assert_eq!(api.patch(&path, &json!(1), &change).status, status, "{change}");
        }
    }
}

#[test]
fn only_settings_there_are_can_be_set_and_only_within_bounds() {
    let (_mock, site) = mocked(&[]);
    let key = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &key);
    let put = |name: &str, body: Value| api.send("PUT", &format!("/settings/{name}"), &[], &body.to_string());
    let listed = api.get("/settings").json()["data"].clone();
    assert_says(&listed[0], &json!({ "name": "audit_retention_days", "value": 180, "is_default": true }));
    for value in [json!(179), json!(36_501)] {
        assert_problem(&put("audit_retention_days", json!({ "value": value })), 422, "invalid");
    }
    assert_problem(&put("audit_retention_days", json!({ "value": "x" })), 400, "bad_request");
    assert_problem(&put("root_check", json!({ "value": 200 })), 404, "not_found");
    assert_problem(&api.get("/settings/root_check"), 404, "not_found");
    let answer = put("audit_retention_days", json!({ "value": 400 }));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_says(&answer.json(), &json!({ "value": 400, "is_default": false }));
    assert_eq!(api.get("/settings/audit_retention_days").json(), answer.json());
    let row = api.get("/audit-logs?action=setting.update").json()["data"][0].clone();
    assert_eq!((&row["before"]["value"], &row["after"]["value"]), (&json!(180), &json!(400)));
}
