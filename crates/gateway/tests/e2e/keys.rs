//! Keys: every way a tool sends one, one answer for every bad one, secrets that must be right to start.

use nexus_keystore::{
    root::RootSecret,
    token::{Grant, Level, Tokens},
};

use crate::node::{SECRET_KEY, ask, mocked};

fn tokens(root: &str) -> Tokens {
    Tokens::new(RootSecret::from_text(root).ok().unwrap())
}

#[test]
fn the_four_ways_of_sending_a_key_are_all_taken() {
    let (_mock, site) = mocked(&[]);
    let (_, key) = site.key("app");
    let node = site.start();
    let (bearer, prefixed) = (format!("Bearer {key}"), format!("Bearer sk-{key}"));
    for header in [
        ("authorization", bearer.as_str()),
        ("authorization", prefixed.as_str()),
        ("api-key", key.as_str()),
        ("x-api-key", key.as_str()),
    ] {
        let headers = [header, ("content-type", "application/json")];
        let answer = node.request("POST", "/v1/chat/completions", &headers, &ask("gpt"));
        assert_eq!(answer.status, 200, "{}: {}", header.0, answer.text());
    }
}

#[test]
fn every_bad_key_gets_the_same_answer() {
    let (mock, site) = mocked(&[]);
    let (revoked_id, revoked) = site.key("app");
    site.run(&["key", "revoke", &revoked_id, "--config", "nexus.yaml"]);
    let (_, good) = site.key("app");
    let grant = |lifetime_s| Grant {
        key: "01981d3a-0000-7000-8000-000000000001".parse().unwrap(),
        level: Level::App,
        team: Some("01981d3a-0000-7000-8000-000000000002".parse().unwrap()),
        parent: None,
        rights: None,
        is_bound: false,
        lifetime_s,
    };
    let foreign =
        tokens("another-root-secret-of-more-than-32-bytes").mint(&grant(3600), 1_790_000_000).unwrap();
    let expired = tokens(SECRET_KEY).mint(&grant(60), 1_700_000_000).unwrap();
    let node = site.start();
    assert_eq!(node.chat(&good, &ask("gpt")).status, 200);
    let mut bodies: Vec<Vec<u8>> = [
        revoked.as_str(),
        foreign.expose(),
        expired.expose(),
        &good[..good.len() - 2],
        &format!("{good}x"),
        "sk-proj-nonsense",
        "a.b.c",
        "",
    ]
    .iter()
    .map(|key| {
        let answer = node.chat(key, &ask("gpt"));
        assert_eq!(
            (answer.status, &answer.json()["error"]["code"]),
            (401, &"invalid_api_key".into()),
            "{key}"
        );
        answer.body
    })
    .collect();
    bodies.dedup();
    assert_eq!(bodies.len(), 1);
    assert_eq!(mock.requests().len(), 1);
}

#[test]
fn an_admin_key_manages_and_calls_no_models() {
    let (_mock, site) = mocked(&[]);
    let (_, admin) = site.key("admin");
    let node = site.start();
    let answer = node.chat(&admin, &ask("gpt"));
    assert_eq!((answer.status, &answer.json()["error"]["code"]), (403, &"permission_denied".into()));
}

#[test]
fn it_does_not_start_without_good_secrets_and_says_how_to_make_them() {
    let (_mock, site) = mocked(&[]);
    site.key("app");
    let fail = |variable: &str, value: Option<&str>| {
        let mut command = site.command(&["serve", "--config", "nexus.yaml", "--port", "0"]);
        match value {
            Some(value) => command.env(variable, value),
            None => command.env_remove(variable),
        };
        let output = command.output().unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    for variable in ["NEXUS_SECRET_KEY", "DB_ENCRYPTION_KEY"] {
        for value in [None, Some("tiny"), Some("changeme-changeme-changeme-changeme")] {
            let said = fail(variable, value);
            assert!(said.contains(variable) && said.contains("openssl rand -base64 32"), "{said}");
            assert!(value.is_none_or(|value| !said.contains(value)), "{said}");
        }
    }
    let wrong = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUm".to_owned() + "xyQW";
    let said = fail("DB_ENCRYPTION_KEY", Some(&wrong));
    assert!(said.contains("is not the one this database was sealed with"), "{said}");
}

#[test]
fn the_command_line_tells_every_problem_of_a_configuration_at_once() {
    let (_mock, site) = mocked(&[]);
    let yaml = "server: { prot: 1 }\nproviders:\n  - { name: a, kind: nonsense, api_key: \"${NOT_SET}\" }\n  - { name: a, kind: openai, weight: -3 }\n";
    std::fs::write(site.file("bad.yaml"), yaml).unwrap();
    let output = site.command(&["config", "check", "bad.yaml"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    for part in ["server.prot", "NOT_SET", "providers[1].name", "providers[1].weight"] {
        assert!(said.contains(part), "{part} is not in\n{said}");
    }
    let printed = site.run(&["config", "print", "--config", "nexus.yaml"]);
    assert!(printed.contains("${PROVIDER_KEY}") && !printed.contains(crate::node::PROVIDER_KEY), "{printed}");
}
