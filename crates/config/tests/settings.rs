//! What holds after the layers are put on each other.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::too_many_lines,
    reason = "tests may be blunt"
)]

use std::path::Path;

use nexus_config::{
    environment::Environment,
    load::{Flags, load, load_text},
    problem::Problems,
    settings::{
        AlsoServed, Fit, ForwardedHeader, LogFormat, Logging, Model, Node, RoleMapping, Rule, Settings,
        Timeouts, UnownedResources, WhenJournalFails,
    },
};
use nexus_core::{
    capabilities::{Capabilities, Thinking},
    host::Hosts,
    modality::Modality,
    need::{self, Ability},
    policy::{Cause, Conduct, Policy, Rule as Set},
    proxy::TrustedProxies,
    role::Role,
};

const EVERYTHING: &str = r#"
server: { bind: "::1", port: 8081, workers: 3, max_body_bytes: 1048576, drain_seconds: 7, leave_seconds: 6, trusted_proxies: [10.0.0.0/8, "::1"], forwarded_header: forwarded, allowed_hosts: [ai.corp.io, "*.apps.corp.io"], cors_origins: ["https://app.corp.io"], admin_bind: "[::1]:8082", connections: 9, connections_per_address: 8, unread_seconds: 7 }
timeouts: { connect_ms: 1, first_byte_ms: 2, between_chunks_ms: 3, whole_ms: 4, heartbeat_ms: 5 }
database:
  when_journal_fails: refuse
  url: postgres://nexus:hunter2@db/nexus
data_dir: /var/lib/nexus
monitoring: { bind: 0.0.0.0, port: 9000 }
node: { name: front-1, zone: eu-1a, when_alone: allow, look_ms: 900 }
logging: { level: "warn,nexus_engine=debug", format: text }
default_provider: azure
unowned_resources: serve
also_serve: [realtime, organization]
keep_days: 3
aws: { host_credentials: "irsa  imds" }
azure: { host_credentials: workload }
console:
  oidc:
    issuer: https://id.example.com/realms/main
    client_id: nexus
    client_secret: ${OIDC_SECRET}
    scopes: openid email groups
    groups_claim: roles
    allow_private_network: true
    role_mapping:
      - { group: kings, role: platform_admin }
      - { group: "*", role: team_admin, team: red }
providers:
  - name: azure
    kind: azure
    endpoint: "https://${RESOURCE}.example.com/openai/"
    api_key: ${AZURE_OPENAI_KEY}
    weight: 60
    rate_limit: 60
    token_limit: 90000
    max_concurrent: 16
    options: { api_version: 2024-10-21, resource: "${RESOURCE}" }
    allow_private_network: true
    models:
      - alias: nexus-gpt4
        real_name: gpt-4
        weight: 7
        tier: 1
        fit:
          abilities: [tools, vision]
          context_tokens: 128000
          max_input_tokens: 60000
          teams: [red]
          tags: [batch]
          headers: { x-plan: "${RESOURCE}" }
        rate_limit: 300
        token_limit: 8000
        max_concurrent: 4
        cost_multiplier: 1.25
        region_weights: { eastus: 60, us-west-2: 40 }
        capabilities:
          like: gpt-5
          max_output_tokens: 4096
          sampling: false
          thinking: effort
          structured_output: true
          input_modalities: [text, image]
          output_modalities: [text]
      - alias: "*"
  - name: second
    kind: openai
    api_key: sk-literal-4711
    models:
      - { alias: nexus-gpt4, cost_multiplier: "0.000001" }
rules:
  - alias: gpt-4
    stands_for: nexus-gpt4
  - alias: nexus-gpt4
    team: red
    policy: least_latency
    affinity: true
    fallbacks: { context_window: [nexus-long], failure: [nexus-spare, "*"] }
    cache_ttl_s: 3600
    hedge_percent: 5
    continue: true
"#;

fn environment() -> Environment {
    Environment::from_pairs([
        ("RESOURCE", "acme"),
        ("AZURE_OPENAI_KEY", "key-from-environment"),
        ("OIDC_SECRET", "oidc-from-environment"),
        ("AWS_ROLE_ARN", "arn:aws:iam::1:role/x"),
        ("AZURE_CLIENT_ID", "client-1"),
        ("GCE_METADATA_HOST", "127.0.0.1"),
        ("AWSOME", "no"),
    ])
}

fn held(loaded: Result<Settings, Problems>) -> Settings {
    loaded.unwrap_or_else(|problems| panic!("{problems}"))
}

fn from_text(text: &str, environment: &Environment) -> Settings {
    held(load_text("nexus.yaml", text, environment, &Flags::default()))
}

#[test]
fn nothing_written_is_a_gateway_on_loopback_with_an_embedded_database() {
    for text in ["", "# only a comment\n", "---\n", "server:\nproviders:\n", "\u{feff}server:\n"] {
        let settings = from_text(text, &Environment::default());
        assert_eq!(settings.server.bind.to_string(), "127.0.0.1:8080", "{text:?}");
        assert!(settings.server.workers >= 1);
        assert_eq!((settings.server.max_body_bytes, settings.server.drain_seconds), (32 << 20, 300));
        assert_eq!(settings.server.leave_seconds, 5);
        let timeouts = Timeouts {
            connect_ms: 3_000,
            first_byte_ms: 300_000,
            between_chunks_ms: 60_000,
            whole_ms: 600_000,
            heartbeat_ms: 15_000,
        };
        assert_eq!(settings.timeouts, timeouts);
        assert_eq!(settings.database_url.expose(), "sqlite://nexus-data/nexus.db");
        assert_eq!(settings.when_journal_fails, WhenJournalFails::Degrade);
        assert_eq!(settings.journal_dir(), Path::new("nexus-data/journal"));
        assert_eq!(settings.monitoring.to_string(), "127.0.0.1:9321");
        assert_eq!(settings.logging, Logging { level: "info".into(), format: LogFormat::Auto });
        assert_eq!(settings.unowned_resources, UnownedResources::Refuse);
        assert_eq!(settings.also_serve, []);
        assert_eq!(settings.keep_days, 30);
        assert!(settings.redis_url.is_none() && settings.default_provider.is_none());
        assert!(settings.providers.is_empty() && settings.oidc.is_none());
    }
}

#[test]
fn the_options_of_a_provider_are_texts_with_their_variables_filled_in() {
    let settings = from_text(EVERYTHING, &environment());
    let options = [("api_version", "2024-10-21"), ("resource", "acme")];
    let options = options.map(|(name, text)| (name.to_owned(), text.to_owned()));
    assert_eq!(settings.providers[0].options, Some(options.into()));
    assert_eq!(settings.providers[1].options, None);
}

#[test]
fn everything_written_is_held() {
    let settings = from_text(EVERYTHING, &environment());
    assert_eq!(settings.server.bind.to_string(), "[::1]:8081");
    assert_eq!(
        (settings.server.workers, settings.server.max_body_bytes, settings.server.drain_seconds),
        (3, 1 << 20, 7)
    );
    assert_eq!(settings.server.leave_seconds, 6);
    let timeouts =
        Timeouts { connect_ms: 1, first_byte_ms: 2, between_chunks_ms: 3, whole_ms: 4, heartbeat_ms: 5 };
    assert_eq!(settings.timeouts, timeouts);
    assert_eq!(settings.database_url.expose(), "postgres://nexus:hunter2@db/nexus");
    assert_eq!(settings.when_journal_fails, WhenJournalFails::Refuse);
    assert_eq!(settings.data_dir, Path::new("/var/lib/nexus"));
    assert_eq!(settings.monitoring.to_string(), "0.0.0.0:9000");
    let node =
        Node { name: Some("front-1".into()), zone: Some("eu-1a".into()), allows_alone: true, look_ms: 900 };
    assert_eq!(settings.node, node);
    assert_eq!(
        settings.logging,
        Logging { level: "warn,nexus_engine=debug".into(), format: LogFormat::Text }
    );
    assert_eq!(settings.default_provider.as_deref(), Some("azure"));
    assert_eq!(settings.unowned_resources, UnownedResources::Serve);
    assert_eq!(settings.also_serve, [AlsoServed::Realtime, AlsoServed::Organization]);
    assert_eq!((settings.unowned_resources, settings.keep_days), (UnownedResources::Serve, 3));

    let oidc = settings.oidc.as_ref().unwrap();
    assert_eq!(
        (oidc.issuer.as_str(), oidc.client_id.as_str()),
        ("https://id.example.com/realms/main", "nexus")
    );
    assert_eq!(oidc.client_secret.as_ref().unwrap().expose(), "oidc-from-environment");
    assert_eq!((oidc.scopes.as_str(), oidc.groups_claim.as_str()), ("openid email groups", "roles"));
    assert!(oidc.allow_private_network);
    let kings = RoleMapping { group: "kings".into(), role: Role::PlatformAdmin, team: None };
    let all = RoleMapping { group: "*".into(), role: Role::TeamAdmin, team: Some("red".into()) };
    assert_eq!(oidc.role_mapping, [kings, all]);
}

#[test]
fn what_the_host_may_be_is_held_with_the_variables_that_say_who_it_is() {
    let settings = from_text(EVERYTHING, &environment());
    assert_eq!(settings.aws.sources, ["irsa", "imds"]);
    let variables: Vec<_> =
        settings.aws.variables.iter().map(|(name, text)| (&**name, text.expose())).collect();
    assert_eq!(variables, [("AWS_ROLE_ARN", "arn:aws:iam::1:role/x")]);
    assert_eq!((&*settings.azure.sources, settings.azure.variables.len()), (&["workload".to_owned()][..], 1));
    assert!(settings.google.sources.is_empty() && settings.google.variables.is_empty());
}

#[test]
fn providers_are_held_as_they_are_written() {
    let settings = from_text(EVERYTHING, &environment());
    let [azure, second] = &settings.providers[..] else { panic!("two providers were written") };
    assert_eq!((azure.name.as_str(), azure.kind.as_str()), ("azure", "azure"));
    assert_eq!(azure.endpoint.as_ref().unwrap().to_string(), "https://acme.example.com/openai");
    assert_eq!(azure.api_key.as_ref().unwrap().expose(), "key-from-environment");
    assert_eq!(
        (azure.weight, azure.rate_limit, azure.allow_private_network),
        (Some(60), Some(60), Some(true))
    );
    let named = Model {
        alias: "nexus-gpt4".into(),
        real_name: "gpt-4".into(),
        weight: Some(7),
        tier: Some(1),
        fit: Some(Fit {
            bounds: need::Fit {
                abilities: Some([Ability::Tools, Ability::Vision].into_iter().collect()),
                context_tokens: Some(128_000),
                max_input_tokens: Some(60_000),
                tags: vec!["batch".into()],
                headers: vec![("x-plan".into(), "acme".into())],
                ..need::Fit::default()
            },
            teams: vec!["red".into()],
        }),
        rate_limit: Some(300),
        token_limit: Some(8_000),
        max_concurrent: Some(4),
        cost_multiplier_ppm: Some(1_250_000),
        region_weights: Some([("eastus".to_owned(), 60), ("us-west-2".to_owned(), 40)].into()),
        capabilities: Some(Capabilities {
            like: Some("gpt-5".into()),
            max_output_tokens: Some(4_096),
            takes_sampling: Some(false),
            thinking: Some(Thinking::Effort),
            binds_schemas: Some(true),
            input: Some([Modality::Text, Modality::Image].into_iter().collect()),
            output: Some([Modality::Text].into_iter().collect()),
        }),
    };
    let any = Model {
        alias: "*".into(),
        real_name: "*".into(),
        weight: None,
        tier: None,
        fit: None,
        rate_limit: None,
        token_limit: None,
        max_concurrent: None,
        cost_multiplier_ppm: None,
        region_weights: None,
        capabilities: None,
    };
    assert_eq!(azure.models, [named, any]);
    assert_eq!((azure.token_limit, azure.max_concurrent), (Some(90_000), Some(16)));
    let fallbacks = [
        (Cause::ContextWindow, vec!["nexus-long".into()]),
        (Cause::Failure, vec!["nexus-spare".into(), "*".into()]),
    ];
    let [named, fast] = &settings.rules[..] else { panic!("two rules were written") };
    let stands_for = Set { stands_for: Some("nexus-gpt4".into()), ..Set::default() };
    assert_eq!(*named, Rule { alias: "gpt-4".into(), team: None, rule: stands_for });
    let set = Set {
        policy: Policy::LeastLatency,
        has_affinity: true,
        fallbacks: fallbacks.into(),
        conduct: Conduct { cache_ttl_s: Some(3600), hedge_percent: Some(5), continues: true },
        ..Set::default()
    };
    assert_eq!(*fast, Rule { alias: "nexus-gpt4".into(), team: Some("red".into()), rule: set });
    assert!(second.endpoint.is_none());
    assert_eq!(second.api_key.as_ref().unwrap().expose(), "sk-literal-4711");
    assert_eq!((second.weight, second.rate_limit, second.allow_private_network), (None, None, None));
    assert_eq!(second.models[0].cost_multiplier_ppm, Some(1));
}

#[test]
fn an_identity_provider_needs_little() {
    let pairs = [("NEXUS_CONSOLE__OIDC__CLIENT_ID", "from-environment"), ("ID_HOST", "id.example.com")];
    let file = "console:\n  oidc:\n    issuer: https://${ID_HOST}\n";
    let oidc = from_text(file, &Environment::from_pairs(pairs)).oidc.unwrap();
    assert_eq!(
        (oidc.issuer.as_str(), oidc.client_id.as_str()),
        ("https://id.example.com", "from-environment")
    );
    assert_eq!((oidc.scopes.as_str(), oidc.groups_claim.as_str()), ("openid email profile", "groups"));
    assert!(oidc.client_secret.is_none() && !oidc.allow_private_network && oidc.role_mapping.is_empty());
}

#[test]
fn each_layer_goes_before_the_one_below() {
    let file = "server: { port: 1 }\nmonitoring: { port: 2 }\ndatabase: { url: 'sqlite://file.db' }\ndata_dir: file\n";
    let plain = [("MONITORING_PORT", "3"), ("DATABASE_URL", "sqlite://plain.db"), ("NEXUS_SERVER__PORT", "")];
    let ours = [
        ("NEXUS_SERVER__PORT", "4"),
        ("NEXUS_MONITORING__PORT", " 5 "),
        ("NEXUS_DATABASE__URL", "sqlite://ours.db"),
        ("NEXUS_DATA_DIR", "12"),
    ];
    let both: Vec<_> = plain.into_iter().chain(ours).collect();
    let flags = Flags { port: Some(6), workers: Some(2), timeout_s: Some(9), ..Flags::default() };
    let bind = Flags { bind: Some("[::]:7".into()), ..Flags::default() };
    for (pairs, flags, expected) in [
        (&[][..], Flags::default(), ("127.0.0.1:1", 2, "sqlite://file.db", "file", 600_000)),
        (&plain, Flags::default(), ("127.0.0.1:1", 3, "sqlite://plain.db", "file", 600_000)),
        (&both, Flags::default(), ("127.0.0.1:4", 5, "sqlite://ours.db", "12", 600_000)),
        (&both, flags, ("127.0.0.1:6", 5, "sqlite://ours.db", "12", 9_000)),
        (&both, bind, ("[::]:7", 5, "sqlite://ours.db", "12", 600_000)),
    ] {
        let environment = Environment::from_pairs(pairs.iter().copied());
        let settings = held(load_text("nexus.yaml", file, &environment, &flags));
        let seen = (
            &*settings.server.bind.to_string(),
            settings.monitoring.port(),
            settings.database_url.expose(),
            settings.data_dir.to_str().unwrap(),
            settings.timeouts.whole_ms,
        );
        assert_eq!(seen, expected);
        assert!(flags.workers.is_none_or(|workers| workers == settings.server.workers));
    }
}

#[test]
fn variables_that_an_orchestrator_sets_for_a_service_of_our_name_are_left_alone() {
    let environment = Environment::from_pairs([
        ("NEXUS_PORT", "tcp://10.0.0.1:8080"),
        ("NEXUS_SERVICE_HOST", "10.0.0.1"),
        ("NEXUS_PORT_8080_TCP_PROTO", "tcp"),
        ("NEXUS_SERVER_PORT", "tcp://10.0.0.1:80"),
        ("NEXUS_SECRET_KEY", "not a setting"),
        ("REDIS_URL", "redis://cache:6379"),
    ]);
    let settings = from_text("", &environment);
    assert_eq!(settings.server.bind.port(), 8080);
    assert_eq!(settings.redis_url.unwrap().into_text(), "redis://cache:6379");
}

#[test]
fn the_embedded_database_lies_in_the_data_folder_unless_it_is_placed() {
    let settings = from_text("data_dir: elsewhere\n", &Environment::default());
    assert_eq!(settings.database_url.expose(), "sqlite://elsewhere/nexus.db");
}

#[test]
fn what_is_printed_loads_again_and_holds_no_secret() {
    let settings = from_text(EVERYTHING, &environment());
    let printed = settings.to_yaml_redacted();
    for secret in ["hunter2", "key-from-environment", "oidc-from-environment", "sk-literal-4711"] {
        assert!(!printed.contains(secret), "{printed}");
    }
    for shown in [
        "${AZURE_OPENAI_KEY}",
        "${OIDC_SECRET}",
        "***",
        "nexus-gpt4",
        "us-west-2",
        "workers: 3",
        "weight: 60",
        "resource: ${RESOURCE}",
        "postgres://***@db/nexus",
    ] {
        assert!(printed.contains(shown), "{shown} is not in\n{printed}");
    }
    let again = from_text(printed, &environment());
    assert_eq!(again.to_yaml_redacted(), printed);
    assert_eq!(again.server, settings.server);
    assert_eq!(again.providers[0].models, settings.providers[0].models);
}

#[test]
fn a_file_is_read_also_through_a_link() {
    let folder = tempfile::tempdir().unwrap();
    let (file, link) = (folder.path().join("nexus.yaml"), folder.path().join("link.yaml"));
    std::fs::write(&file, "server: { port: 0 }\n").unwrap();
    std::os::unix::fs::symlink(&file, &link).unwrap();
    for path in [&file, &link] {
        let settings = held(load(Some(path), &Environment::default(), &Flags::default()));
        assert_eq!(settings.server.bind.port(), 0);
    }
    assert_eq!(held(load(None, &Environment::default(), &Flags::default())).server.bind.port(), 8080);
}

#[test]
fn proxies_are_trusted_where_they_are_named_in_the_file_or_in_one_variable() {
    let settings = from_text(EVERYTHING, &environment());
    assert_eq!(settings.server.trusted_proxies, TrustedProxies::parse(&["10.0.0.0/8", "::1"]).unwrap());
    assert_eq!(settings.server.forwarded_header, ForwardedHeader::Forwarded);
    const NAME: &str = "NEXUS_SERVER__TRUSTED_PROXIES";
    for (text, pairs, expected) in [
        ("", &[][..], &[][..]),
        ("server: { trusted_proxies: [10.0.0.0/8, 192.0.2.7] }", &[], &["10.0.0.0/8", "192.0.2.7"]),
        ("server: { trusted_proxies: 10.0.0.0/8 }", &[], &["10.0.0.0/8"]),
        (
            "server: { trusted_proxies: [10.0.0.0/8] }",
            &[(NAME, "::1, 192.0.2.0/24")],
            &["::1", "192.0.2.0/24"],
        ),
    ] {
        let settings = from_text(text, &Environment::from_pairs(pairs.iter().copied()));
        assert_eq!(
            settings.server.trusted_proxies,
            TrustedProxies::parse(expected).unwrap(),
            "{text} {pairs:?}"
        );
        assert_eq!(settings.server.forwarded_header, ForwardedHeader::XForwardedFor);
    }
}

#[test]
fn what_is_written_of_listeners_and_their_clients_is_held() {
    let server = from_text(EVERYTHING, &environment()).server;
    assert!(server.cors_origins.admits("https://app.corp.io"));
    assert_eq!(server.allowed_hosts, Some(Hosts::parse(&["ai.corp.io", "*.apps.corp.io"]).unwrap()));
    assert_eq!(server.admin_bind.unwrap().to_string(), "[::1]:8082");
    assert_eq!((server.connections, server.connections_per_address, server.unread_seconds), (9, 8, 7));
    let usual = from_text("", &Environment::default()).server;
    assert!(usual.cors_origins.is_empty());
    assert_eq!((usual.admin_bind, usual.allowed_hosts), (None, None));
    assert_eq!(
        (usual.connections, usual.connections_per_address, usual.unread_seconds),
        (25_000, 10_000, 60)
    );
}

#[test]
fn a_loopback_listener_goes_by_no_name_somebody_else_can_own_unless_it_is_said() {
    for (text, listener, expected) in [
        ("", "127.0.0.1:8080", Hosts::OwnedByNobody),
        ("", "[::1]:8080", Hosts::OwnedByNobody),
        ("", "0.0.0.0:8080", Hosts::Any),
        ("server: { trusted_proxies: [127.0.0.1] }", "127.0.0.1:8080", Hosts::Any),
        ("server: { allowed_hosts: ['*'] }", "127.0.0.1:8080", Hosts::Any),
        ("server: { allowed_hosts: [a.io] }", "0.0.0.0:8080", Hosts::parse(&["a.io"]).unwrap()),
    ] {
        let server = from_text(text, &Environment::default()).server;
        assert_eq!(server.hosts(listener.parse().unwrap()), expected, "{text} {listener}");
    }
    let listed = Environment::from_pairs([("NEXUS_SERVER__ALLOWED_HOSTS", "a.io,*.b.io")]);
    assert_eq!(from_text("", &listed).server.allowed_hosts, Some(Hosts::parse(&["a.io", "*.b.io"]).unwrap()));
}
