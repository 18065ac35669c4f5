//! The passwords in the URLs of the database and of the shared counters: no command says them, whether it comes to
//! the database or not, and no node that has them in its environment.

use std::process::Output;

use crate::{
    admin::{Api, platform_key},
    node::{Site, mocked},
    secrets::{codings, holds_any},
};

const PASSWORD: &str = "database-canary-4e7a91c0";
const QUERY_PASSWORD: &str = "database-canary-in-a-query-77d2";
const REDIS_PASSWORD: &str = "counter-canary-1b30aa";

/// Every command that opens the database or shows settings.
const COMMANDS: [&[&str]; 21] = [
    &["config", "print"],
    &["config", "export"],
    &["config", "import", "nexus.yaml"],
    &["config", "check", "nexus.yaml"],
    &["config", "urls"],
    &["config", "reference"],
    &["migrate", "status"],
    &["migrate", "run"],
    &["key", "list"],
    &["key", "create", "--level", "app"],
    &["key", "revoke", "01981d3a-0000-7000-8000-000000000001"],
    &["team", "list"],
    &["user", "list"],
    &["provider", "list"],
    &["provider", "test", "mock"],
    &["route", "list"],
    &["route", "rule", "list"],
    &["route", "explain", "gpt"],
    &["audit", "verify"],
    &["audit", "anchors"],
    &["audit", "export"],
];

/// URLs that lead nowhere or are none, each with a password in another place.
fn urls() -> Vec<String> {
    [
        "postgres://nexus:PASSWORD@127.0.0.1:1/nexus",
        "postgresql://PASSWORD@127.0.0.1:1/nexus",
        "postgres://127.0.0.1:1/nexus?user=nexus&password=PASSWORD",
        "postgres://nexus:PASSWORD@[::1/nexus",
        "postgres://nexus:PASSWORD@127.0.0.1:notaport/nexus",
        "postgres://nexus:PASSWORD",
        "sqlite://nexus.db?key=PASSWORD",
        "mysql://nexus:PASSWORD@127.0.0.1/nexus",
        "PASSWORD",
    ]
    .map(|url| url.replace("PASSWORD", PASSWORD))
    .into()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Runs a command with these variables; it may fail, but it may not say a password.
fn run(site: &Site, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut all = arguments.to_vec();
    if !matches!(arguments, ["config", "check" | "urls" | "reference", ..]) {
        all.extend(["--config", "nexus.yaml"]);
    }
    let mut command = site.command(&all);
    command.envs(variables.iter().copied());
    let output = command.output().unwrap();
    for secret in [PASSWORD, QUERY_PASSWORD, REDIS_PASSWORD] {
        assert!(
            !holds_any(&said(&output), &codings(secret)),
            "{arguments:?} {variables:?}: {}",
            said(&output)
        );
    }
    output
}

#[test]
fn no_command_says_the_password_of_a_database_it_does_not_come_to() {
    let (_mock, site) = mocked(&[]);
    for url in urls() {
        for arguments in [&["config", "print"][..], &["migrate", "status"], &["serve"], &["key", "list"]] {
            run(&site, arguments, &[("DATABASE_URL", url.as_str())]);
        }
    }
    let away = urls().swap_remove(0);
    let mut told = 0;
    for arguments in COMMANDS.into_iter().chain([&["migrate", "revert"][..]]) {
        let output =
            run(&site, arguments, &[("DATABASE_URL", away.as_str()), ("NEXUS_LOGGING__LEVEL", "trace")]);
        told += usize::from(!output.status.success() && said(&output).contains("nexus: "));
    }
    assert!(told >= 14, "{told} commands said that the database is away");
}

#[test]
fn a_node_with_passwords_in_its_environment_tells_them_nowhere() {
    let (_mock, site) = mocked(&[]);
    let redis = format!("redis://:{REDIS_PASSWORD}@127.0.0.1:1/0");
    let away = format!("postgres://nexus:{PASSWORD}@127.0.0.1:1/nexus?password={QUERY_PASSWORD}");
    let variables = [
        ("DATABASE_URL", away.as_str()),
        ("NEXUS_DATABASE__URL", "sqlite://nexus-data/nexus.db"),
        ("REDIS_URL", redis.as_str()),
    ];
    let key = platform_key(&site);
    let node = site.start_among(&variables, &["--debug"]);
    let api = Api::new(&node, &key);
    let mut told = vec![("the metrics".to_owned(), node.metrics())];
    for path in ["/healthz", "/readyz", "/", "/v1/models"] {
        told.push((path.to_owned(), node.request("GET", path, &[], "").text().to_owned()));
    }
    for path in
        ["/health", "/settings", "/config", "/openapi.json", "/reference", "/audit-logs/export?format=csv"]
    {
        let answer = api.get(path);
        assert_eq!(answer.status, 200, "{path}");
        told.push((path.to_owned(), answer.text().to_owned()));
    }
    for arguments in COMMANDS {
        let output = run(&site, arguments, &variables);
        told.push((format!("{arguments:?}"), said(&output)));
    }
    node.stop();
    told.push(("the log".to_owned(), site.log()));
    assert!(
        told.iter().any(|(place, text)| place == "the log" && text.contains("DEBUG")),
        "the log is looked through"
    );
    for (place, text) in &told {
        for secret in [PASSWORD, QUERY_PASSWORD, REDIS_PASSWORD] {
            assert!(!holds_any(text, &codings(secret)), "{secret} is in {place}");
        }
    }
}
