//! What is refused, where it says so, and what it never says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may be blunt")]

use std::fmt::Write;

use nexus_config::{
    environment::Environment,
    field::{Field, Kind},
    load::{Flags, load, load_text},
    problem::Problem,
    raw::Raw,
};

fn problems_with(text: &str, environment: &Environment, flags: &Flags) -> Vec<Problem> {
    load_text("nexus.yaml", text, environment, flags).err().map(|problems| problems.0).unwrap_or_default()
}

fn problems(text: &str) -> Vec<Problem> {
    problems_with(text, &Environment::default(), &Flags::default())
}

/// Path, line and the beginning of the message, of each problem.
fn check(text: &str, expected: &[(&str, u64, &str)]) {
    let seen = problems(text);
    let shown = seen.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n");
    assert_eq!(seen.len(), expected.len(), "{text}\n{shown}");
    for (problem, (path, line, message)) in seen.iter().zip(expected) {
        assert_eq!((problem.path.as_str(), problem.line.unwrap_or(0)), (*path, *line), "{text}\n{shown}");
        assert!(problem.message.starts_with(message), "{text}\n{shown}");
        assert!(!problem.remedy.is_empty(), "{shown}");
    }
}

/// A file with one mistake; the mistake's path, line and message.
const MISTAKES: &[(&str, &str, u64, &str)] = &[
    ("servr: {}", "servr", 1, "is not a known key"),
    ("also_serve: [realtime, files]", "also_serve", 1, "names something that is no such part"),
    ("server:\n  prot: 1", "server.prot", 2, "is not a known key"),
    ("server: 8080", "server", 1, "is not a mapping"),
    ("- server", "the file", 1, "is not a mapping"),
    ("just words", "the file", 1, "is not a mapping"),
    ("server:\n  port: 65536", "server.port", 2, "is out of range"),
    ("server:\n  port: -1", "server.port", 2, "is out of range"),
    ("server:\n  port: 8080.5", "server.port", 2, "is not a whole number"),
    ("server:\n  port: \"8080\"", "server.port", 2, "is not a whole number"),
    ("server:\n  port: [1]", "server.port", 2, "holds more than one value"),
    ("server:\n  port: 99999999999999999999999999", "server.port", 2, "is"),
    ("server:\n  bind: localhost", "server.bind", 2, "is not an IP address"),
    ("server:\n  bind: 127.0.0.1:8080", "server.bind", 2, "is not an IP address"),
    ("server:\n  workers: 0", "server.workers", 2, "is out of range"),
    ("timeouts:\n  connect_ms: 0", "timeouts.connect_ms", 2, "is out of range"),
    ("monitoring:\n  port: 8080", "monitoring.port", 2, "is the API's own"),
    ("database:\n  url: mysql://x", "database.url", 2, "names no database"),
    ("database:\n  url: 'sqlite://'", "database.url", 2, "names no database"),
    ("logging:\n  format: xml", "logging.format", 2, "is none of the known words"),
    ("default_provider: ' '", "default_provider", 1, "is empty"),
    ("console:\n  oidc:\n    issuer: https://a", "console.oidc.client_id", 0, "is missing"),
    ("console:\n  oidc:\n    client_id: a", "console.oidc.issuer", 0, "is missing"),
    (
        "console:\n  oidc:\n    issuer: https://a\n    client_id: a\n    scopes: openid",
        "console.oidc.scopes",
        5,
        "lacks `openid` or `email`",
    ),
    (
        "console:\n  oidc:\n    role_mapping:\n      - { group: a, role: king }",
        "console.oidc.role_mapping[0].role",
        4,
        "is none of the known words",
    ),
    (
        "console:\n  oidc:\n    role_mapping:\n      - { group: a, role: team_admin }",
        "console.oidc.role_mapping[0].team",
        0,
        "is missing beside",
    ),
    (
        "console:\n  oidc:\n    role_mapping:\n      - { group: a, role: platform_admin, team: red }",
        "console.oidc.role_mapping[0].team",
        4,
        "does not go with",
    ),
    (
        "server:\n  trusted_proxies:\n    - 10.0.0.0/8\n    - proxy",
        "server.trusted_proxies[1]",
        4,
        "is no network",
    ),
    ("server:\n  trusted_proxies: { a: b }", "server.trusted_proxies", 2, "holds more than one"),
    ("server:\n  cors_origins:\n    - https://a.io\n    - b.io", "server.cors_origins[1]", 4, "is no origin"),
    (
        "server:\n  allowed_hosts:\n    - a.io\n    - https://b.io",
        "server.allowed_hosts[1]",
        4,
        "is no name of a host",
    ),
    ("server:\n  admin_bind: ':8081'", "server.admin_bind", 2, "is not an address with a port"),
    ("server:\n  admin_bind: 127.0.0.1", "server.admin_bind", 2, "is not an address with a port"),
    ("server:\n  admin_bind: 127.0.0.1:8080", "server.admin_bind", 2, "is another listener's own"),
    ("server:\n  admin_bind: 127.0.0.1:9321", "server.admin_bind", 2, "is another listener's own"),
    ("server:\n  connections_per_address: 0", "server.connections_per_address", 2, "is out of range"),
    ("server:\n  forwarded_header: x-real-ip", "server.forwarded_header", 2, "is none of the known words"),
    ("data_dir: 7", "data_dir", 1, "is not text"),
    ("providers: {}", "providers", 1, "is not a list"),
    ("providers:\n  -", "providers[0]", 2, "is not a mapping"),
    ("providers:\n  - kind: openai", "providers[0].name", 2, "is missing"),
    ("providers:\n  - name: a\n    kind:", "providers[0].kind", 2, "is missing"),
    ("providers:\n  - name: ''\n    kind: openai", "providers[0].name", 2, "is empty"),
    (
        "providers:\n  - name: a\n    kind: openai\n    weight: 1000001",
        "providers[0].weight",
        4,
        "is out of range",
    ),
    (
        "providers:\n  - name: a\n    kind: openai\n    models:\n      - { alias: m, fit: { abilities: [flying] } }",
        "providers[0].models[0].fit.abilities[0]",
        5,
        "is none of the known words",
    ),
    (
        "providers:\n  - name: a\n    kind: openai\n    models:\n      - { alias: m, fit: { headers: { plan: gold } } }",
        "providers[0].models[0].fit.headers.plan",
        5,
        "is no header that is looked at",
    ),
    ("rules:\n  - policy: fast\n    alias: a", "rules[0].policy", 2, "is none of the known words"),
    ("rules:\n  - { alias: a }\n  - { alias: a }", "rules[1].alias", 3, "repeats the alias and the team"),
    ("rules:\n  - stands_for: a", "rules[0].alias", 2, "is missing"),
    (
        "providers:\n  - name: a\n    kind: openai\n    rate_limit: 0",
        "providers[0].rate_limit",
        4,
        "is out of range",
    ),
    (
        "providers:\n  - name: a\n    kind: openai\n    models:\n      - alias: m\n        capabilities: { thinking: deep }",
        "providers[0].models[0].capabilities.thinking",
        6,
        "is none of the known words",
    ),
    ("azure:\n  host_credentials: imds static", "azure.host_credentials", 2, "has a word that is no source"),
    ("google:\n  host_credentials: imds", "google.host_credentials", 2, "has a word that is no source"),
    ("aws:\n  host_credentials: imds static", "aws.host_credentials", 2, "has a word that is no source"),
    (
        "providers:\n  - name: a\n    kind: openai\n    allow_private_network: \"yes\"",
        "providers[0].allow_private_network",
        4,
        "is neither true nor false",
    ),
    (
        "providers:\n  - name: a\n    kind: openai\n    api_key: ${NONE}",
        "providers[0].api_key",
        4,
        "refers to `${NONE}`",
    ),
    (
        "providers:\n  - name: a\n    kind: x\n    endpoint: api.example.com",
        "providers[0].endpoint",
        4,
        "is not a URL",
    ),
    (
        "providers:\n  - name: a\n    kind: x\n    endpoint: ftp://h",
        "providers[0].endpoint",
        4,
        "has a scheme other",
    ),
    (
        "providers:\n  - name: a\n    kind: x\n    endpoint: https://u:p@h",
        "providers[0].endpoint",
        4,
        "carries a user",
    ),
    (
        "providers:\n  - name: a\n    kind: x\n    endpoint: https://h?k=v",
        "providers[0].endpoint",
        4,
        "carries a query",
    ),
    (
        "providers:\n  - name: a\n    kind: x\n    endpoint: https://{RESOURCE}.example.com",
        "providers[0].endpoint",
        4,
        "has braces",
    ),
    (
        "providers:\n  - name: a\n    kind: x\n    options: [region]",
        "providers[0].options",
        4,
        "is not a mapping",
    ),
    (
        "providers:\n  - name: a\n    kind: x\n    options:\n      region: [eu]",
        "providers[0].options.region",
        5,
        "holds more than one value",
    ),
    (
        "providers:\n  - name: a\n    kind: x\n    options:\n      region: sk-hunter2",
        "providers[0].options.region",
        5,
        "looks like a secret",
    ),
    (
        "providers:\n  - { name: a, kind: x }\n  - { name: b, kind: x }\n  - { name: a, kind: y }",
        "providers[2].name",
        4,
        "repeats the name of `providers[0]`",
    ),
    (
        "providers:\n  - name: a\n    kind: x\n    models:\n      - alias: m\n      - alias: m\n        real_name: n",
        "providers[0].models[1].alias",
        6,
        "repeats the alias of `providers[0].models[0]`",
    ),
    (
        "providers:\n  - name: a\n    kind: x\n    models:\n      - { alias: m, cost_multiplier: -1 }",
        "providers[0].models[0].cost_multiplier",
        5,
        "is not such a number",
    ),
    (
        "providers:\n  - name: a\n    kind: x\n    models:\n      - { alias: m, region_weights: { eastus: lots } }",
        "providers[0].models[0].region_weights.eastus",
        5,
        "is not a whole number",
    ),
    (
        "providers:\n  - name: a\n    kind: x\n    models:\n      - { alias: m, region_weights: [eastus] }",
        "providers[0].models[0].region_weights",
        5,
        "is not a mapping",
    ),
];

#[test]
fn each_mistake_is_named_with_its_place() {
    for (text, path, line, message) in MISTAKES {
        check(text, &[(path, *line, message)]);
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    check(
        "server:\n  port: x\n  bind: here\nbogus: 1\nproviders:\n  - name: a\n    kind: k\n    endpoint: nowhere\n    \
         api_key: ${GONE}\n  - name: a\n    weight: -5\n    models: [{ alias: m }, { alias: m }, { real_name: r }]\n",
        &[
            ("server.port", 2, "is not a whole number"),
            ("bogus", 4, "is not a known key"),
            ("providers[1].weight", 11, "is out of range"),
            ("providers[1].models[2].alias", 12, "is missing"),
            ("providers[1].kind", 10, "is missing"),
            ("server.bind", 3, "is not an IP address"),
            ("providers[1].name", 10, "repeats the name of `providers[0]`"),
            ("providers[0].endpoint", 8, "is not a URL"),
            ("providers[0].api_key", 9, "refers to `${GONE}`"),
            ("providers[1].models[1].alias", 12, "repeats the alias"),
        ],
    );
}

#[test]
fn a_poisoned_file_is_refused_as_a_whole() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..10 {
        let before = level - 1;
        let aliases = vec![format!("*a{before}"); 10].join(", ");
        writeln!(bomb, "a{level}: &a{level} [{aliases}]").unwrap();
    }
    let deep = format!("server: {}{}", "[".repeat(10_000), "]".repeat(10_000));
    let huge = format!("# {}\n", "x".repeat(10 << 20));
    let many = "- 1\n".repeat(200_000);
    for (text, message) in [
        (&*bomb, "is too deep, too long, or repeats itself too often"),
        (&deep, "is"),
        (&huge, "is larger than 1 MiB"),
        (&many, "is too deep, too long, or repeats itself too often"),
        ("server:\n  port: 1\nserver:\n  port: 2\n", "has a key twice in one place"),
        ("a: 1\n---\nb: 2\n", "holds more than one document"),
        ("server: *nowhere\n", "refers to an anchor that is not there"),
        ("providers:\n  - name: \"azu", "is not valid YAML"),
        ("providers:\n  - name: azure\n   kind: x\n", "is not valid YAML"),
        ("server: { port: 1", "is not valid YAML"),
        ("server:\n\tport: 1", "is"),
        ("%YAML 9\u{0}", "is"),
    ] {
        let seen = problems(text);
        let [problem] = &seen[..] else { panic!("{} problems of {text:.60}", seen.len()) };
        assert_eq!(problem.path, "nexus.yaml", "{text:.60}");
        assert!(problem.message.starts_with(message), "{problem}\n{text:.60}");
    }
}

#[test]
fn a_file_cut_anywhere_is_either_refused_or_a_smaller_file() {
    let whole = "server:\n  port: 8081\nproviders:\n  - name: azure\n    kind: azure\n    api_key: \"sk-hunter2-4711\"\n    models:\n      - alias: \"m\"\n";
    for end in 0..=whole.len() {
        for problem in problems(&whole[..end]) {
            assert!(!problem.to_string().contains("hunter2"), "{problem}");
        }
    }
    assert!(problems(whole).is_empty());
}

#[test]
fn what_cannot_be_read_is_refused_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("latin1"), b"name: caf\xe9").unwrap();
    std::fs::write(path("huge"), vec![b'#'; 10 << 20]).unwrap();
    for (path, message) in [
        (path("nowhere"), "cannot be read (entity not found)"),
        (folder.path().to_owned(), "is not a file"),
        ("/dev/zero".into(), "is not a file"),
        (path("latin1"), "is not UTF-8 text"),
        (path("huge"), "is larger than 1 MiB"),
    ] {
        let seen = load(Some(&path), &Environment::default(), &Flags::default()).err().unwrap();
        let [problem] = &seen.0[..] else { panic!("{seen}") };
        assert_eq!(
            (problem.path.as_str(), problem.message.as_str()),
            (&*path.display().to_string(), message)
        );
    }
}

#[test]
fn a_bad_variable_or_flag_is_named_itself() {
    let flags = |bind: Option<&str>, workers, timeout_s| Flags {
        bind: bind.map(str::to_owned),
        workers,
        timeout_s,
        ..Flags::default()
    };
    for (pairs, flags, path, message) in [
        (
            vec![("NEXUS_SERVER__PORT", "http")],
            Flags::default(),
            "NEXUS_SERVER__PORT",
            "is not a whole number",
        ),
        (
            vec![("NEXUS_SERVER__BIND", "here")],
            Flags::default(),
            "NEXUS_SERVER__BIND",
            "is not an IP address",
        ),
        (vec![("NEXUS_SERVER__PROT", "1")], Flags::default(), "NEXUS_SERVER__PROT", "is not a known setting"),
        (vec![("NEXUS_odd__key", "1")], Flags::default(), "NEXUS_", "is not a known setting"),
        (
            vec![("NEXUS_PROVIDERS", "[]")],
            Flags::default(),
            "NEXUS_PROVIDERS",
            "cannot be written as one value",
        ),
        (vec![("NEXUS_LOGGING__FORMAT", "xml")], Flags::default(), "NEXUS_LOGGING__FORMAT", "is none of the"),
        (vec![("MONITORING_PORT", "70000")], Flags::default(), "MONITORING_PORT", "is out of range"),
        (vec![("DATABASE_URL", "mysql://x")], Flags::default(), "DATABASE_URL", "names no database"),
        (vec![("REDIS_URL", "http://x")], Flags::default(), "REDIS_URL", "is not such a URL"),
        (vec![], flags(Some("8080"), None, None), "--bind", "is not an address with a port"),
        (vec![], flags(None, Some(0), None), "--workers", "is out of range"),
        (vec![], flags(None, None, Some(0)), "--timeout", "is out of range"),
        (vec![], flags(None, None, Some(u64::MAX)), "--timeout", "is out of range"),
    ] {
        let seen = problems_with("", &Environment::from_pairs(pairs), &flags);
        let [problem] = &seen[..] else { panic!("{} problems where {path} was expected", seen.len()) };
        assert_eq!((problem.path.as_str(), problem.line), (path, None), "{problem}");
        assert!(problem.message.starts_with(message), "{problem}");
    }
}

/// A secret in each form a parser may take it for.
const SECRETS: [&str; 8] = [
    "sk-hunter2-4711",
    "\"sk-hunter2-4711\"",
    "[sk-hunter2-4711]",
    "{ sk-hunter2-4711: sk-hunter2-4711 }",
    "!!int sk-hunter2-4711",
    "\"sk-hunter2-4711",
    "|\n  sk-hunter2-4711\n  sk-hunter2-4711",
    "4711.5e4711",
];

#[test]
fn a_secret_in_a_wrong_place_is_in_no_problem() {
    let mut files: Vec<String> = paths("", Raw::FIELDS);
    files.push("@\n".to_owned());
    files.push("@: 1\n".to_owned());
    files.push("server:\n  @: 1\n".to_owned());
    files.push("a: &x @\nb: *@\n".to_owned());
    files.push(
        "providers:\n  - name: a\n    kind: x\n    endpoint: @://@:@@h\n    api_key: ${@}\n".to_owned(),
    );
    let (mut tried, mut refused) = (0, 0);
    for file in files {
        for secret in SECRETS {
            let text = file.replace('@', secret);
            let seen = problems(&text);
            tried += 1;
            refused += usize::from(!seen.is_empty());
            for problem in seen {
                let shown = format!("{problem} {problem:?}");
                assert!(!shown.contains("hunter2") && !shown.contains("4711"), "{shown}\n{text}");
            }
        }
    }
    assert!(tried > 250 && refused * 2 > tried, "{refused} of {tried} were refused");
}

/// One file a field, with `@` in the place of the field's value.
fn paths(indent: &str, fields: &[Field]) -> Vec<String> {
    let mut files = Vec::new();
    for field in fields {
        let name = field.name;
        files.push(format!("{indent}{name}: @\n"));
        let inner = match field.kind {
            Kind::Section(inner) => paths("", inner),
            Kind::List(inner) => paths("", inner).into_iter().map(|file| format!("- {file}")).collect(),
            _ => Vec::new(),
        };
        for file in inner {
            let nested: String = file.lines().map(|line| format!("{indent}  {line}\n")).collect();
            files.push(format!("{indent}{name}:\n{nested}"));
        }
    }
    files
}

#[test]
fn a_secret_in_a_variable_is_in_no_problem() {
    let secret = "sk-hunter2-4711";
    for field in Raw::FIELDS {
        let Kind::Section(inner) = field.kind else { continue };
        for key in inner {
            let name = format!("NEXUS_{}__{}", field.name, key.name).to_uppercase();
            for problem in problems_with("", &Environment::from_pairs([(name, secret)]), &Flags::default()) {
                assert!(!format!("{problem} {problem:?}").contains("hunter2"), "{problem}");
            }
        }
    }
    let environment = Environment::from_pairs([
        ("DATABASE_URL", secret),
        ("REDIS_URL", secret),
        ("MONITORING_PORT", secret),
        ("NEXUS_SECRET_KEY", secret),
        ("KEY", "sk-hunter2\n4711"),
        ("HOST", "sk-hunter2 4711"),
    ]);
    let file = "providers: [{ name: a, kind: x, api_key: \"${KEY}\", endpoint: \"https://${HOST}/\" }]";
    let flags = Flags { bind: Some(secret.to_owned()), ..Flags::default() };
    let seen = problems_with(file, &environment, &flags);
    assert_eq!(seen.len(), 6, "{seen:?}");
    assert!(!format!("{seen:?}").contains("hunter2"), "{seen:?}");
}
