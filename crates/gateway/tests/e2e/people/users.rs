//! Users over REST: each member as it was said, and nobody beyond their rank.

use serde_json::{Value, json};

use super::{Console, PASSWORD, make_user, sign_in};
use crate::{
    admin::{Api, assert_problem, assert_says, platform_key},
    node::mocked,
};

fn path(user: &Value) -> String {
    format!("/users/{}", user["id"].as_str().unwrap())
}

#[test]
fn a_user_is_shown_as_it_was_made_and_each_member_changes_alone() {
    let (_mock, site) = mocked(&[]);
    let key = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &key);
    let team = api.make("/teams", &json!({ "name": "red" }))["id"].clone();
    let wish = json!({ "email": "Bob@Example.com", "name": "Bob", "role": "viewer", "password": PASSWORD });
    let created = api.post("/users", &wish);
    assert_eq!(created.status, 201, "{}", created.text());
    let mut expected = created.json();
    assert_says(
        &expected,
        &json!({ "email": "bob@example.com", "name": "Bob", "role": "viewer", "team_id": null, "is_active": true,
                 "has_password": true, "oidc_issuer": null, "last_login_at": null, "version": 1 }),
    );
    assert!(!created.text().contains(PASSWORD) && !created.text().contains("argon2"));
    let own = path(&expected);
    assert_eq!(created.header("location"), Some(format!("/admin/v1{own}").as_str()));
    for (at, (name, value, shown)) in [
        ("name", json!("Robert"), ("name", json!("Robert"))),
        ("role", json!("auditor"), ("role", json!("auditor"))),
        ("team_id", team.clone(), ("team_id", team)),
        ("team_id", Value::Null, ("team_id", Value::Null)),
        ("is_active", json!(false), ("is_active", json!(false))),
        ("password", Value::Null, ("has_password", json!(false))),
        ("password", json!("another password"), ("has_password", json!(true))),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = api.patch(&own, &json!(at + 1), &json!({ name: value }));
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        expected[shown.0] = shown.1;
        expected["version"] = json!(at + 2);
        expected["updated_at"] = answer.json()["updated_at"].clone();
        assert_eq!(answer.json(), expected);
        assert_eq!(api.get(&own).json(), expected);
    }
    assert_eq!(api.get("/users").json()["data"], json!([expected]));
    assert_problem(&api.patch(&own, &json!(1), &json!({ "name": "x" })), 412, "stale");
    assert_problem(&api.post("/users", &wish), 409, "conflict");
    let trail = api.get("/audit-logs?target_kind=user").text().to_owned();
    assert!(!trail.contains("argon2") && !trail.contains(PASSWORD) && !trail.contains("another password"));
    assert_eq!(api.delete(&own).status, 204);
    assert_problem(&api.get(&own), 404, "not_found");
    assert_problem(&api.delete(&own), 404, "not_found");
}

#[test]
fn what_no_user_can_be_is_told_member_by_member() {
    let (_mock, site) = mocked(&[]);
    let key = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &key);
    let wish = |name: &str, value: Value| {
        let mut wish = json!({ "email": "a@b", "name": "A", "role": "viewer", "password": PASSWORD });
        wish[name] = value;
        wish
    };
    for (name, value, status, pointer) in [
        ("email", json!("ann"), 422, "/email"),
        ("name", json!(""), 422, "/name"),
        ("password", json!("elevenchars"), 422, "/password"),
        ("password", json!("x".repeat(257)), 422, "/password"),
        ("team_id", json!("01981d3a-0000-7000-8000-000000000001"), 422, "/team_id"),
        ("role", json!("king"), 400, "/role"),
        ("is_active", json!(true), 400, "/is_active"),
    ] {
        let answer = api.post("/users", &wish(name, value));
        assert_eq!(answer.status, status, "{name}: {}", answer.text());
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer);
    }
    for (role, status) in [("team_admin", 403), ("platform_admin", 201)] {
        assert_eq!(api.post("/users", &wish("role", json!(role))).status, status, "{role}");
    }
}

#[test]
fn nobody_makes_or_changes_somebody_beyond_their_rank() {
    let (_mock, site) = mocked(&[]);
    let key = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &key);
    let [red, blue] = ["red", "blue"].map(|name| api.make("/teams", &json!({ "name": name }))["id"].clone());
    let make = |email: &str, role: &str, team: &Value| {
        let wish =
            json!({ "email": email, "name": email, "role": role, "team_id": team, "password": PASSWORD });
        api.make("/users", &wish)
    };
    let king = make("king@b", "platform_admin", &Value::Null);
    let ann = make("ann@b", "team_admin", &red);
    let eve = make("eve@b", "viewer", &blue);
    let console = Console::enter(&node, "ann@b", PASSWORD);
    for (role, team, status) in [
        ("viewer", json!({}), 201),
        ("team_admin", json!({ "team_id": red }), 201),
        ("auditor", json!({ "team_id": blue }), 403),
        ("platform_admin", json!({}), 403),
    ] {
        let mut wish = json!({ "email": format!("{role}@b"), "name": "x", "role": role });
        wish.as_object_mut().unwrap().extend(team.as_object().unwrap().clone());
        let answer = console.change("POST", "/users", &[], &wish);
        assert_eq!(answer.status, status, "{wish}: {}", answer.text());
        if status == 201 {
            assert_eq!(answer.json()["team_id"], red);
        }
    }
    let version = [("if-match", "\"1\"")];
    for (user, patch, status) in [
        (&king, json!({ "name": "x" }), 404),
        (&eve, json!({ "name": "x" }), 404),
        (&ann, json!({ "team_id": null }), 403),
        (&ann, json!({ "team_id": blue }), 403),
        (&ann, json!({ "role": "platform_admin", "team_id": null }), 403),
    ] {
        let answer = console.change("PATCH", &path(user), &version, &patch);
        assert_eq!(answer.status, status, "{patch}: {}", answer.text());
    }
    for user in [&king, &eve] {
        let unknown = console.get("/users/01981d3a-0000-7000-8000-000000000001");
        assert_eq!(console.get(&path(user)).body, unknown.body, "another team's user is nobody");
        assert_eq!(console.change("DELETE", &path(user), &[], &Value::Null).status, 404);
    }
    let shown = console.get("/users").json();
    let teams: Vec<_> = shown["data"].as_array().unwrap().iter().map(|user| &user["team_id"]).collect();
    assert_eq!(teams, [&red, &red, &red]);
    let denied = api.get("/audit-logs?action=user.&outcome=denied").json();
    assert_eq!(denied["data"].as_array().unwrap().len(), 5, "{denied}");
    assert_eq!(denied["data"][0]["actor_name"], "ann@b");
}

#[test]
fn the_last_active_platform_admin_stays() {
    let (_mock, site) = mocked(&[]);
    let key = platform_key(&site);
    let node = site.start();
    let ann = make_user(&site, "ann@b", "platform_admin");
    let api = Api::new(&node, &key);
    let red = api.make("/teams", &json!({ "name": "red" }))["id"].clone();
    let refused = |user: &Value, version: i64| {
        for patch in [
            json!({ "is_active": false }),
            json!({ "role": "viewer" }),
            json!({ "role": "team_admin", "team_id": red }),
        ] {
            assert_problem(&api.patch(&path(user), &json!(version), &patch), 409, "conflict");
        }
        assert_problem(&api.delete(&path(user)), 409, "conflict");
    };
    refused(&ann, 1);
    assert_eq!(sign_in(&node, "ann@b", PASSWORD).status, 200, "nothing was changed");
    let bob = make_user(&site, "bob@b", "platform_admin");
    assert_eq!(api.patch(&path(&ann), &json!(1), &json!({ "is_active": false })).status, 200);
    refused(&bob, 1);
    assert_eq!(api.delete(&path(&ann)).status, 204, "who is switched off is not in charge");
}

#[test]
fn the_command_line_makes_nobody_who_cannot_be() {
    let (_mock, site) = mocked(&[]);
    for (arguments, why) in [
        (&["--email", "ann", "--role", "viewer"][..], "no e-mail address"),
        (&["--email", "a@b", "--role", "team_admin"], "needs one"),
        (&["--email", "a@b", "--role", "viewer", "--team", "red"], "there is no team `red`"),
        (&["--email", "a@b", "--role", "viewer", "--password-stdin"], "at least 12 characters"),
    ] {
        let mut all = vec!["user", "create", "--config", "nexus.yaml"];
        all.extend(arguments);
        let output = site.command(&all).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && told.contains(why), "{arguments:?}: {told}");
    }
    make_user(&site, "a@b", "viewer");
    let again = ["user", "create", "--email", "A@b", "--role", "viewer", "--config", "nexus.yaml"];
    let output = site.command(&again).output().unwrap();
    assert!(!output.status.success(), "the e-mail is taken");
}
