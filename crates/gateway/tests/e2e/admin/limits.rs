//! How full what bounds somebody is: the fullest first, and of a team its own alone.

use serde_json::{Value, json};

use super::{Api, assert_says, platform_key};
use crate::node::{ask, mocked, until};

fn rows(api: &Api<'_>, query: &str) -> Vec<Value> {
    let answer = api.get(&format!("/limits{query}"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["data"].as_array().unwrap().clone()
}

/// What each is of, and how much of how much is used.
fn told(rows: &[Value]) -> Vec<Value> {
    rows.iter()
        .map(|row| json!([row["kind"], row["subject"], row["measure"], row["used"], row["limit"]]))
        .collect()
}

#[test]
fn what_is_nearly_used_up_is_told_of_and_to_a_team_of_its_own_alone() {
    let (_mock, site) = mocked(&[]);
    let key = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &key);
    let [red, blue] = ["red", "blue"].map(|name| api.make("/teams", &json!({ "name": name }))["id"].clone());
    let app = |team: &Value, more: Value| {
        let mut wish = json!({ "level": "app", "team_id": team });
        wish.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        api.make("/keys", &wish)
    };
    let bounded = app(&red, json!({ "rate_limit": 1000 }));
    let other = app(&blue, json!({}));
    let quota = |name: &str, subject: &str, of: &Value, limit: u64| {
        let zone = if subject == "key" { json!("Asia/Kolkata") } else { Value::Null };
        api.make(
            "/quotas",
            &json!({ "name": name, "subject": subject, "subject_value": of, "measure": "requests",
                     "window": "month", "limit": limit, "mode": "soft", "time_zone": zone }),
        )
    };
    let of_key = quota("a key's", "key", &bounded["id"], 5);
    quota("red's", "team", &red, 4);
    quota("blue's", "team", &blue, 9_223_372_036_854_775_807);
    quota("everybody's", "platform", &Value::Null, 8);
    for made in [&bounded, &other] {
        let secret = made["key"].as_str().unwrap();
        until("the key calls", || (node.chat(secret, &ask("gpt")).status == 200).then_some(()));
    }
    until("the quotas count", || (rows(&api, "?kind=quota&percent=0").len() == 4).then_some(()));
    for _ in 0..4 {
        assert_eq!(node.chat(bounded["key"].as_str().unwrap(), &ask("gpt")).status, 200);
    }

    let near = rows(&api, "");
    let [first, ..] = &near[..] else { panic!("{near:?}") };
    let reds = ["red's", "a key's"];
    let names: Vec<_> =
        near.iter().filter_map(|row| row["name"].as_str()).filter(|name| reds.contains(name)).collect();
    assert_eq!(names, reds, "the fullest first: {near:?}");
    assert_says(first, &json!({ "kind": "quota", "subject": "team", "subject_value": red, "mode": "soft" }));
    let of_key_now = near.iter().find(|row| row["quota_id"] == of_key["id"]).unwrap();
    let span = [&of_key_now["begins_at"], &of_key_now["ends_at"]].map(|at| at.as_i64().unwrap());
    assert!(span.iter().all(|at| at.rem_euclid(86_400) == 66_600), "a month begins at 18:30 UTC: {span:?}");

    let all = rows(&api, "?percent=0");
    let rate = all.iter().find(|row| row["kind"] == "limit").unwrap();
    assert_says(
        rate,
        &json!({ "subject": "key", "subject_value": bounded["id"], "measure": "requests", "limit": 1000 }),
    );
    let of_blue = all.iter().find(|row| row["name"] == "blue's").unwrap();
    assert_eq!(of_blue["limit"], 9_223_372_036_854_775_807_u64, "to the last digit");
    assert_eq!(rows(&api, "?kind=limit&percent=100"), Vec::<Value>::new(), "{:?}", told(&all));

    let admin = |team: &Value| {
        let made = api.make("/keys", &json!({ "level": "admin", "role": "viewer", "team_id": team }));
        Api::fresh(&node, made["key"].as_str().unwrap())
    };
    let own = rows(&admin(&red), "?percent=0");
    assert_eq!(own.len(), 3, "{own:?}");
    let may_see = [&red, &bounded["id"]];
    assert!(own.iter().all(|row| may_see.contains(&&row["subject_value"])), "{own:?}");
    assert_eq!(rows(&admin(&blue), "?percent=0").len(), 1);
    for query in ["?percent=101", "?percent=-1", "?kind=nothing", "?x=1"] {
        assert_eq!(api.get(&format!("/limits{query}")).status, 400, "{query}");
    }
}
