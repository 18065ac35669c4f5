//! Signing in through an identity provider.

use std::{
    collections::HashMap,
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use url::Url;

use super::{
    Console, PASSWORD, cookies, make_user,
    provider::{CLIENT, Provider, SECRET, basic},
    sign_in,
};
use crate::{
    admin::{Api, assert_problem, assert_says, platform_key},
    client::Answer,
    node::{Node, Site, until},
};

const CALLBACK: &str = "/admin/v1/session/oidc/callback";

fn site(provider: &Provider, role_mapping: &str) -> Site {
    Site::new(&format!("  []\n{}", provider.settings(role_mapping)))
}

/// A browser on its way to the provider.
struct Journey {
    /// What it was sent along with.
    asked: HashMap<String, String>,
    cookie: String,
}

impl Journey {
    fn begin(node: &Node<'_>, provider: &Provider) -> Self {
        let begun = node.request("GET", "/admin/v1/session/oidc", &[], "");
        assert_eq!(begun.status, 303, "{}", begun.text());
        let to = Url::parse(begun.header("location").unwrap()).unwrap();
        assert!(to.as_str().starts_with(&format!("{}/authorize?tenant=a&", provider.issuer)), "{to}");
        let [cookie] = &cookies(&begun)[..] else { panic!("{:?}", begun.headers) };
        let (pair, flags) = cookie.split_once(';').unwrap();
        assert!(pair.starts_with("__Host-nexus-oidc="), "{cookie}");
        assert_eq!(flags, " Path=/; Max-Age=600; HttpOnly; SameSite=Lax; Secure");
        let asked = to.query_pairs().into_owned().collect();
        Self { asked, cookie: pair.to_owned() }
    }

    /// Claims that are believed, of somebody with this name at the provider.
    fn claims(&self, provider: &Provider, subject: &str) -> Value {
        let now_s = now_s();
        json!({ "iss": provider.issuer, "aud": CLIENT, "sub": subject, "iat": now_s, "exp": now_s + 300,
                "nonce": self.asked["nonce"], "email": format!("{subject}@example.com"), "email_verified": true,
                "name": "Ann Example", "groups": ["staff"] })
    }

    fn come_back(&self, node: &Node<'_>, state: &str) -> Answer {
        let path = format!("{CALLBACK}?code=c%20de&state={state}&session_state=x");
        node.request("GET", &path, &[("cookie", &self.cookie)], "")
    }

    fn finish(&self, node: &Node<'_>) -> Answer {
        self.come_back(node, &self.asked["state"])
    }
}

#[expect(clippy::disallowed_methods, reason = "the gateway compares with the same clock")]
fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Somebody the provider vouches for, signed in.
pub fn enter<'a>(node: &'a Node<'a>, provider: &Provider, subject: &str) -> Console<'a> {
    arrive(node, provider, &Journey::begin(node, provider), subject)
}

/// The end of a journey that leads in.
fn arrive<'a>(node: &'a Node<'a>, provider: &Provider, journey: &Journey, subject: &str) -> Console<'a> {
    provider.vouch(journey.claims(provider, subject));
    let entered = journey.finish(node);
    assert_eq!((entered.status, entered.header("location")), (303, Some("/console/")), "{}", entered.text());
    let cookies = cookies(&entered);
    assert_eq!(cookies.len(), 2, "{cookies:?}");
    assert!(cookies[0].starts_with("__Host-nexus=") && cookies[0].contains("SameSite=Strict"), "{cookies:?}");
    assert!(cookies[1].starts_with("__Host-nexus-oidc=; Path=/; Max-Age=0"), "{cookies:?}");
    Console::resume(node, cookies[0].split(';').next().unwrap())
}

#[test]
fn somebody_new_becomes_what_the_mapping_says_and_is_known_from_then_on() {
    let provider = Provider::start();
    let mapping =
        r#"[{ group: "kings", role: platform_admin }, { group: staff, role: team_admin, team: red }]"#;
    let site = site(&provider, mapping);
    let key = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &key);
    let team = api.make("/teams", &json!({ "name": "red" }))["id"].clone();
    let journey = Journey::begin(&node, &provider);
    assert_eq!(journey.asked["redirect_uri"], format!("https://nexus.test{CALLBACK}"));
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", CLIENT),
        ("scope", "openid email profile"),
        ("code_challenge_method", "S256"),
    ] {
        assert_eq!(journey.asked[name], value);
    }
    let ann = arrive(&node, &provider, &journey, "ann");
    let user = ann.get("/session").json()["user"].clone();
    assert_says(
        &user,
        &json!({ "email": "ann@example.com", "name": "Ann Example", "role": "team_admin", "team_id": team,
                 "has_password": false, "oidc_issuer": provider.issuer }),
    );
    let (authorization, form) = provider.trades().remove(0);
    assert_eq!(authorization, basic());
    assert!(
        form.starts_with("grant_type=authorization_code&code=c+de&redirect_uri=https%3A%2F%2Fnexus.test%2F")
    );
    let verifier = form.split("&code_verifier=").nth(1).unwrap();
    let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
    assert_eq!(journey.asked["code_challenge"], challenge);
    assert_eq!(ann.change("POST", "/keys", &[], &json!({ "level": "app", "name": "x" })).status, 201);

    let again = enter(&node, &provider, "ann");
    assert_eq!(again.get("/session").json()["user"]["id"], user["id"]);
    assert_eq!(provider.fetched_keys(), 1);
    let trail = api.get("/audit-logs?action=user.").json();
    assert_eq!(trail["data"].as_array().unwrap().len(), 1, "made once: {trail}");
    let trail = api.get("/audit-logs?action=session.").json();
    assert_says(&trail["data"][0], &json!({ "actor_name": "ann@example.com", "after": { "proof": "oidc" } }));
    assert_eq!(sign_in(&node, "ann@example.com", "").status, 401, "there is no password");
    assert!(!site.log().contains(SECRET));
    assert!(!site.run(&["config", "print", "--config", "nexus.yaml"]).contains(SECRET));
}

#[test]
fn a_user_who_is_there_is_linked_once_by_a_verified_email() {
    let provider = Provider::start();
    let site = site(&provider, "[]");
    let key = platform_key(&site);
    let user = make_user(&site, "ann@example.com", "auditor");
    let node = site.start();
    let with = |member: &str, value: Value, subject: &str| {
        let journey = Journey::begin(&node, &provider);
        let mut claims = journey.claims(&provider, subject);
        claims["email"] = json!("Ann@Example.com");
        claims[member] = value;
        provider.vouch(claims);
        journey.finish(&node)
    };
    assert_problem(&with("email_verified", json!(false), "ann"), 401, "wrong_credentials");
    assert_eq!(with("name", json!("Another"), "ann").status, 303);
    assert_eq!(with("email_verified", json!(false), "ann").status, 303, "the provider's name is enough now");
    assert_problem(&with("name", json!("Eve"), "eve"), 401, "wrong_credentials");
    let api = Api::new(&node, &key);
    let path = format!("/users/{}", user["id"].as_str().unwrap());
    let shown = api.get(&path).json();
    assert_says(
        &shown,
        &json!({ "name": "ann@example.com", "role": "auditor", "oidc_issuer": provider.issuer }),
    );
    assert_eq!(sign_in(&node, "ann@example.com", PASSWORD).status, 200, "the password stays");
    let linked = api.get("/audit-logs?action=user.link").json();
    assert_eq!(linked["data"].as_array().unwrap().len(), 1);
    assert_eq!(api.patch(&path, &shown["version"], &json!({ "is_active": false })).status, 200);
    assert_problem(&with("name", json!("Ann"), "ann"), 401, "wrong_credentials");
}

#[test]
fn what_the_provider_says_is_believed_only_where_all_of_it_fits() {
    let provider = Provider::start();
    let site = site(&provider, r#"[{ group: "staff", role: viewer }]"#);
    let key = platform_key(&site);
    let node = site.start();
    for (member, value) in [
        ("nonce", json!("another")),
        ("nonce", Value::Null),
        ("aud", json!("another")),
        ("iss", json!("http://127.0.0.1:1")),
        ("exp", json!(now_s() - 120)),
        ("groups", json!(["others"])),
    ] {
        let journey = Journey::begin(&node, &provider);
        let mut claims = journey.claims(&provider, "ann");
        claims[member] = value.clone();
        provider.vouch(claims);
        let refused = journey.finish(&node);
        assert_problem(&refused, 401, "wrong_credentials");
        assert!(cookies(&refused).is_empty(), "{member} {value}");
    }
    let trades = provider.trades().len();
    let (one, other) = (Journey::begin(&node, &provider), Journey::begin(&node, &provider));
    provider.vouch(one.claims(&provider, "ann"));
    assert_problem(&one.come_back(&node, &other.asked["state"]), 401, "wrong_credentials");
    let bare = format!("{CALLBACK}?code=x&state={}", one.asked["state"]);
    assert_problem(&node.request("GET", &bare, &[], ""), 401, "wrong_credentials");
    assert_eq!(provider.trades().len(), trades, "no code is traded for whom this browser is not");
    let api = Api::new(&node, &key);
    assert_eq!(api.get("/users").json()["data"], json!([]), "nobody was made");
    let denied = api.get("/audit-logs?action=session.sign_in&outcome=denied").json();
    assert_eq!(denied["data"].as_array().unwrap().len(), 8, "{denied}");
}

#[test]
fn a_refusal_at_the_provider_and_one_that_is_away_are_told_apart() {
    let provider = Provider::start();
    let site = site(&provider, "[]");
    let node = site.start();
    let journey = Journey::begin(&node, &provider);
    let path = format!("{CALLBACK}?error=access_denied&state={}", journey.asked["state"]);
    let refused = node.request("GET", &path, &[("cookie", &journey.cookie)], "");
    assert_problem(&refused, 401, "wrong_credentials");
    assert!(refused.text().contains("access_denied"));

    let gone = Site::new(&format!(
        "  []\n{}",
        provider.settings("[]").replace(&provider.issuer, "http://127.0.0.1:1")
    ));
    let node = gone.start();
    let away = node.request("GET", "/admin/v1/session/oidc", &[], "");
    assert_problem(&away, 502, "identity_provider_away");
    until("whoever runs it is told", || {
        gone.log().contains("the identity provider cannot be used").then_some(())
    });
}

#[test]
fn keys_nobody_has_heard_of_are_not_fetched_twice_a_minute() {
    let provider = Provider::start();
    let site = site(&provider, r#"[{ group: "*", role: viewer }]"#);
    let node = site.start();
    enter(&node, &provider, "ann");
    provider.change_key("two");
    for _ in 0..3 {
        let journey = Journey::begin(&node, &provider);
        provider.vouch(journey.claims(&provider, "ann"));
        assert_problem(&journey.finish(&node), 401, "wrong_credentials");
    }
    assert_eq!(provider.fetched_keys(), 1);
}
