//! The wide canary sweep: one of everything secret is planted, every surface is used, and then everything that was
//! told or written is looked through.
//!
//! What shows a secret once, because that is its purpose, is not looked through; all else is, and a place that is not
//! found empty of the marks that must be there fails the sweep too.

mod database;

use serde_json::{Value, json};

use crate::{
    admin::{Api, platform_key},
    client::Answer,
    node::{ENCRYPTION_KEY, Node, PROVIDER_KEY, SECRET_KEY, Site, ask, mocked, provider, until},
    people::{Console, PASSWORD, make_user, oidc, provider as identity, sign_in},
    secrets::{codings, holds, holds_any, walk},
};

const ANN: &str = "ann@example.com";
const PROMPT: &str = "the canary prompt 77e0c3 about nothing";
const REST_KEY: &str = "sk-rest-canary-0b7d55e1-A1A1";
const RENEWED_KEY: &str = "sk-renewed-canary-6c24f9d0-B2B2";
const GUESS: &str = "guessed password canary 8d1f";

/// What was planted, and everything that was told.
#[derive(Default)]
struct Sweep {
    planted: Vec<(&'static str, String)>,
    told: Vec<(String, Vec<u8>)>,
}

impl Sweep {
    fn plant(&mut self, what: &'static str, secret: &str) -> String {
        assert!(secret.len() >= 16, "{what}");
        self.planted.push((what, secret.to_owned()));
        secret.to_owned()
    }

    fn hear(&mut self, place: &str, answer: &Answer) {
        let head: String = answer.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
        self.told.push((format!("{place} ({})", answer.status), [head.as_bytes(), &answer.body].concat()));
    }

    fn read(&mut self, place: &str, bytes: impl Into<Vec<u8>>) {
        self.told.push((place.to_owned(), bytes.into()));
    }

    fn finish(self) {
        // what is no secret is found where it must be: the places are really looked through
        for (part, mark) in [
            ("nexus.db-wal while", "eve@example.com"),
            ("nexus.db afterwards", "eve@example.com"),
            ("format=jsonl", "provider.update"),
            ("the metrics", "nexus_requests_total"),
            ("the log", "timestamp"),
            ("/reference", "<h1>"),
            ("/openapi.json", "\"openapi\""),
            ("format=csv", "provider.update"),
            ("journal/usage", "mock"),
        ] {
            let found = self.told.iter().any(|(place, bytes)| place.contains(part) && holds(bytes, mark));
            assert!(found, "`{mark}` is not in {part}");
        }
        let planted: Vec<_> = self.planted.iter().map(|(what, secret)| (what, codings(secret))).collect();
        for (place, bytes) in &self.told {
            let text = String::from_utf8_lossy(bytes);
            for (what, codings) in &planted {
                assert!(!holds_any(&text, codings), "the {what} is in {place}");
            }
        }
    }
}

fn text(object: &Value, name: &str) -> String {
    object[name].as_str().unwrap_or_else(|| panic!("`{name}` of {object}")).to_owned()
}

/// The part of a key that is the secret: a token's signature, all of a short one.
fn secret_of(key: &str) -> &str {
    key.rsplit('.').next().unwrap()
}

/// Keys of every kind, rotated, disabled and revoked; what shows them is not heard.
fn keys(sweep: &mut Sweep, api: &Api<'_>, node: &Node<'_>) -> (String, String) {
    // its content is kept, so the database has what must not be found there in clear
    let team = api.make("/teams", &json!({ "name": "red", "content_ttl_seconds": 3600 }))["id"].clone();
    let app = api.make("/keys", &json!({ "level": "app", "team_id": team, "signing": "optional" }));
    sweep.plant("signing secret", &text(&app, "signing_secret"));
    let key = text(&app, "key");
    sweep.plant("application key", secret_of(&key));
    let short = api.make("/keys", &json!({ "level": "app", "team_id": team, "form": "opaque" }));
    let short_key = sweep.plant("short key", &text(&short, "key"));
    let admin = api.make("/keys", &json!({ "level": "admin", "role": "auditor" }));
    sweep.plant("admin key", secret_of(&text(&admin, "key")));
    until("the key calls", || (node.chat(&key, &ask("gpt")).status == 200).then_some(()));

    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let session = node.request("POST", "/v1/session-keys", &headers, "{}").json();
    let session_key = text(&session, "key");
    sweep.plant("session key", secret_of(&session_key));
    assert_eq!(node.chat(&session_key, &ask("gpt")).status, 200);

    // answers that are kept for a repetition are kept sealed
    let once = [("idempotency-key", "sweep")];
    let body = json!({ "overlap_seconds": 60 }).to_string();
    let path = format!("/keys/{}/rotate", text(&short, "id"));
    let rotated = api.send("POST", &path, &once, &body).json();
    sweep.plant("rotated key", &text(&rotated, "key"));
    assert_eq!(api.send("POST", &path, &once, &body).json()["key"], rotated["key"]);
    let path = format!("/keys/{}/signing-secret", text(&app, "id"));
    sweep.plant("renewed signing secret", &text(&api.post(&path, &json!({})).json(), "signing_secret"));
    sweep.hear("revoking", &api.delete(&format!("/keys/{}", text(&admin, "id"))));
    (key, short_key)
}

/// Providers, their keys, and what asks them.
fn providers(sweep: &mut Sweep, api: &Api<'_>, url: &str) {
    let wish = json!({ "name": "rest", "kind": "custom", "endpoint": url, "allow_private_network": true,
                       "api_key": REST_KEY });
    let made = api.post("/providers", &wish);
    sweep.hear("making a provider", &made);
    let path = format!("/providers/{}", text(&made.json(), "id"));
    let renewed = json!({ "api_key": RENEWED_KEY });
    sweep.hear("renewing its key", &api.patch(&path, &json!(1), &renewed));
    sweep.hear("testing it", &api.send("POST", &format!("{path}/test"), &[], ""));
    let elsewhere = json!({ "endpoint": "https://elsewhere.example", "api_key": REST_KEY, "kind": "nobody" });
    sweep.hear("a refused move", &api.patch(&path, &json!(2), &elsewhere));
    let twice = json!({ "providers": [{ "name": "rest", "kind": "custom", "api_key": REST_KEY, "endpoint": url },
                                      { "name": "rest", "kind": "custom", "api_key": REST_KEY }] });
    for how in ["diff", "apply"] {
        sweep.hear("refused configuration", &api.post(&format!("/config/{how}"), &twice));
    }
    let broken = format!(r#"{{"name":"x","kind":"openai","api_key":"{REST_KEY}","#);
    sweep.hear("a broken body", &api.send("POST", "/providers", &[], &broken));
    let number = format!(r#"{{"name":"x","kind":"openai","api_key":["{REST_KEY}"]}}"#);
    sweep.hear("a wrong member", &api.send("POST", "/providers", &[], &number));
}

/// People, with a password and through the identity provider.
fn people(sweep: &mut Sweep, node: &Node<'_>, vouching: &identity::Provider) {
    let ann = Console::enter(node, ANN, PASSWORD);
    let bob = oidc::enter(node, vouching, "bob");
    for console in [&ann, &bob] {
        sweep.plant("session cookie", console.cookie.split_once('=').unwrap().1);
        sweep.plant("CSRF token", &console.csrf_token);
        sweep.hear("a list at the console", &console.get("/teams"));
        let forged = console.forge("POST", "/teams", &[("x-csrf-token", "wrong")], &json!({ "name": "x" }));
        sweep.hear("a forged change", &forged);
    }
    sweep.hear("a wrong password", &sign_in(node, ANN, GUESS));
    let own = [("origin", "https://nexus.test")];
    let user = json!({ "email": "eve@example.com", "name": "Eve", "role": "viewer", "password": GUESS });
    sweep.hear("making a user", &ann.change("POST", "/users", &own, &user));
    let short = json!({ "email": "x", "name": "", "role": "viewer", "password": GUESS });
    sweep.hear("a refused user", &ann.change("POST", "/users", &own, &short));
    sweep.hear("signing out", &bob.change("DELETE", "/session", &own, &Value::Null));
}

/// What applications are told where they are refused and where providers fail.
fn refusals(sweep: &mut Sweep, node: &Node<'_>, key: &str, short_key: &str) {
    for alias in ["echo", "html", "down", "cut", "empty", "nobody"] {
        let answer = node.chat(key, &ask(alias).replace("say hello", PROMPT));
        sweep.hear(&format!("the alias {alias}"), &answer);
    }
    for bad in [format!("{key}x"), format!("{short_key}x"), format!("x{key}")] {
        sweep.hear("a bad key", &node.chat(&bad, &ask("gpt").replace("say hello", PROMPT)));
        sweep.hear("a bad key at the administration", &Api::new(node, &bad).get("/teams"));
    }
    for body in [format!(r#"{{"model":"gpt","messages":["{PROMPT}"#), format!(r#"{{"model":"{PROMPT}"}}"#)] {
        // a model's name is the caller's own and comes back to the caller alone
        let answer = node.chat(key, &body);
        if answer.status == 400 {
            sweep.hear("a broken request", &answer);
        }
    }
    let path = format!("/v1/models?key={PROMPT}").replace(' ', "+");
    let bearer = format!("Bearer {key}");
    sweep.hear("a query", &node.request("GET", &path, &[("authorization", bearer.as_str())], ""));
}

/// A prompt that is kept; what shows it is not heard.
fn contents(api: &Api<'_>, node: &Node<'_>, key: &str) {
    let answer = node.chat(key, &ask("gpt").replace("say hello", PROMPT));
    let path = format!("/requests/{}/content", answer.header("x-request-id").unwrap());
    until("the prompt is kept", || api.get(&path).text().contains(PROMPT).then_some(()));
}

/// Secrets that are derived, and shown once each.
fn webhooks(sweep: &mut Sweep, api: &Api<'_>) {
    let made =
        api.make("/webhooks", &json!({ "name": "hook", "url": "https://example.com/", "is_active": false }));
    sweep.plant("webhook secret", &text(&made, "secret"));
    let path = format!("/webhooks/{}", text(&made, "id"));
    let renewed = api.send("POST", &format!("{path}/rotate-secret"), &[], "").json();
    sweep.plant("renewed webhook secret", &text(&renewed, "secret"));
    api.send("POST", &format!("{path}/test"), &[], "");
    for path in [path.clone(), format!("{path}/deliveries")] {
        sweep.hear(&path, &api.get(&path));
    }
}

/// Everything that can be read.
fn pages(sweep: &mut Sweep, api: &Api<'_>) {
    let description = api.get("/openapi.json");
    for (path, item) in description.json()["paths"].as_object().unwrap() {
        if item.get("get").is_some() && !path.contains('{') {
            sweep.hear(path, &api.get(path));
        }
    }
    for path in [
        "/audit-logs?limit=200",
        "/audit-logs/export?format=jsonl",
        "/audit-logs/export?format=csv",
        "/config?format=json",
        "/keys?limit=200",
        "/anomalies?limit=200",
    ] {
        let answer = api.get(path);
        assert_eq!(answer.status, 200, "{path}");
        sweep.hear(path, &answer);
    }
    for list in ["/providers", "/users", "/keys", "/teams", "/model-routes"] {
        for row in api.get(list).json()["data"].as_array().unwrap() {
            sweep.hear(list, &api.get(&format!("{list}/{}", text(row, "id"))));
        }
    }
}

fn files(sweep: &mut Sweep, site: &Site, when: &str) {
    let files = walk(&site.file("nexus-data"));
    assert!(files.iter().any(|file| file.extension().is_some_and(|kind| kind == "db")), "{files:?}");
    for file in files {
        if let Ok(bytes) = std::fs::read(&file) {
            sweep.read(&format!("{} {when}", file.display()), bytes);
        }
    }
}

#[test]
fn nothing_that_was_planted_is_told_logged_counted_or_stored() {
    let vouching = identity::Provider::start();
    let scripts = [
        ("echo", "mock-gpt+echo_key_401"),
        ("html", "mock-gpt+fault=html"),
        ("down", "mock-gpt+fault=status:500"),
        ("cut", "mock-gpt+fault=cut_after_events:1"),
        ("empty", "mock-gpt+fault=empty"),
    ];
    let (mock, _) = mocked(&[]);
    let mut models = vec![("gpt", "mock-gpt")];
    models.extend(scripts);
    let mapping = "[{ group: staff, role: auditor }]";
    let site =
        Site::new(&format!("{}{}", provider("mock", &mock.url(), &models), vouching.settings(mapping)));
    let mut sweep = Sweep::default();
    for (what, secret) in [
        ("provider key", PROVIDER_KEY),
        ("root secret", SECRET_KEY),
        ("root of the keystore", ENCRYPTION_KEY),
        ("client secret", identity::SECRET),
        ("password", PASSWORD),
        ("guessed password", GUESS),
        ("provider key over REST", REST_KEY),
        ("renewed provider key", RENEWED_KEY),
        ("prompt", PROMPT),
    ] {
        sweep.plant(what, secret);
    }
    let key = platform_key(&site);
    sweep.plant("platform key", secret_of(&key));
    make_user(&site, ANN, "platform_admin");
    let node = site.start_with(&["--debug"]);
    let api = Api::new(&node, &key);
    let (app, short) = keys(&mut sweep, &api, &node);
    providers(&mut sweep, &api, &mock.url());
    webhooks(&mut sweep, &api);
    people(&mut sweep, &node, &vouching);
    refusals(&mut sweep, &node, &app, &short);
    contents(&api, &node, &app);
    pages(&mut sweep, &api);
    sweep.read("the metrics", node.metrics());
    files(&mut sweep, &site, "while it runs");
    node.stop();
    files(&mut sweep, &site, "afterwards");
    for arguments in [
        &["config", "print"][..],
        &["config", "export"],
        &["key", "list"],
        &["provider", "list"],
        &["audit", "anchors"],
    ] {
        let mut all = arguments.to_vec();
        all.extend(["--config", "nexus.yaml"]);
        sweep.read(&format!("{arguments:?}"), site.run(&all));
    }
    assert!(site.log().contains("\"request\"") || site.log().len() > 1000, "the log is looked through");
    sweep.read("the log", site.log());
    sweep.finish();
}
