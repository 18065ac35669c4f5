//! Who may depend on whom, as data: the layers, their crates, and the one owner of each heavy dependency.
//! A crate that is missing here does not pass `cargo xtask layers`; a planned one may stand here before it exists.

/// Where a crate stands; a lower layer knows nothing of a higher one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Layer {
    Level(u8),
    /// Test doubles: only ever a dev-dependency.
    Dev,
    /// The workshop.
    Tool,
}

/// One crate and its rights.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub layer: Layer,
    /// The folder under `crates/`; the package is `nexus-<name>`, the workshop excepted.
    pub name: &'static str,
    pub about: &'static str,
    pub may_use: &'static [&'static str],
    /// May it depend on an async runtime?
    pub is_async: bool,
    pub io: &'static str,
}

/// A dependency heavy enough to be kept behind one crate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heavy {
    pub package: &'static str,
    pub owner: &'static str,
    /// Crates that may have it all the same, each with the reason.
    pub exceptions: &'static [(&'static str, &'static str)],
}

const fn row(
    layer: Layer,
    name: &'static str,
    about: &'static str,
    may_use: &'static [&'static str],
    io: &'static str,
) -> Row {
    Row { layer, name, about, may_use, is_async: false, io }
}

const fn waiting(row: Row) -> Row {
    Row { is_async: true, ..row }
}

use Layer::{Dev, Level, Tool};

pub(crate) const ROWS: &[Row] = &[
    row(
        Level(0),
        "core",
        "domain and decisions: who may call what, which target next, what it costs",
        &[],
        "no",
    ),
    row(Level(0), "wire", "the OpenAI dialect: bodies, SSE framing, the public error table", &[], "no"),
    row(Level(0), "keystore", "keys, sealed credentials, tokens, request signatures", &[], "entropy"),
    row(Level(0), "telemetry", "typed events to metrics and logs; the exporter", &[], "stdout, port"),
    row(Level(0), "tokens", "counts tokens locally when a provider does not say", &[], "no"),
    row(Level(0), "shield", "recognises SQL injection and XXE in what is structure", &[], "no"),
    waiting(row(
        Level(0),
        "tunnel",
        "TLS between a PostgreSQL client that has none and its server",
        &[],
        "network",
    )),
    row(
        Level(1),
        "providers",
        "translators: OpenAI's words to and from each vendor's, bytes in, bytes out",
        &["core", "wire"],
        "no",
    ),
    row(Level(1), "models", "what is known of well-known models: prices, limits, abilities", &["core"], "no"),
    row(Level(1), "config", "settings: raw, then checked", &["core"], "files, env"),
    waiting(row(
        Level(1),
        "store",
        "rows, repositories, migrations, usage journal and writer",
        &["core", "telemetry", "tunnel"],
        "database",
    )),
    waiting(row(
        Level(2),
        "engine",
        "the pipeline: nine stages over ports",
        &["core", "wire", "keystore", "models", "providers", "telemetry", "tokens"],
        "via ports",
    )),
    waiting(row(
        Level(3),
        "transport",
        "the way out to providers: one HTTP/1.1 client behind a port, awc for errands",
        &["core", "engine", "keystore", "providers", "telemetry"],
        "network",
    )),
    waiting(row(
        Level(3),
        "cluster",
        "what several nodes share: leased limits, revisions, leadership",
        &["core", "engine", "keystore", "store", "telemetry"],
        "network",
    )),
    waiting(row(
        Level(4),
        "gateway",
        "actix routes, wiring, lifecycle; the binary `nexus`",
        &[
            "core",
            "wire",
            "keystore",
            "telemetry",
            "tokens",
            "shield",
            "models",
            "providers",
            "config",
            "store",
            "engine",
            "transport",
            "cluster",
            "console",
        ],
        "listens",
    )),
    row(Level(0), "console", "the web console's sources and the embedded build", &[], "no"),
    waiting(row(
        Dev,
        "testkit",
        "scripted and faulty upstreams, clocks, builders, the mock provider",
        &["core", "wire", "keystore", "providers", "engine", "store"],
        "loopback",
    )),
    row(Tool, "xtask", "the workshop; depends on no workspace crate, so it builds in seconds", &[], "yes"),
];

/// Depending on one of these is waiting.
pub(crate) const RUNTIMES: &[&str] = &["tokio", "actix-rt", "actix-web", "actix-http", "awc", "futures-util"];

/// Crates and what they must never learn, each with the reason.
pub(crate) const NEVER: &[(&str, &str, &str)] = &[
    ("core", "serde_json", "core knows nothing of JSON"),
    ("core", "bytes", "core knows nothing of HTTP"),
    ("store", "ring", "store knows no plaintext secret"),
];

const fn heavy(package: &'static str, owner: &'static str) -> Heavy {
    Heavy { package, owner, exceptions: &[] }
}

const PASS_THROUGH: &str = "the benchmark's reference pass-through is a plain actix-web + awc program";

const DATABASE_TLS: &str =
    "TLS to the database is no way to providers, and libpq brings another crypto library for it";

pub(crate) const HEAVY: &[Heavy] = &[
    heavy("diesel", "store"),
    heavy("diesel_migrations", "store"),
    heavy("r2d2", "store"),
    heavy("libsqlite3-sys", "store"),
    heavy("pq-sys", "store"),
    heavy("ring", "keystore"),
    heavy("jiff", "core"),
    heavy("jsonwebtoken", "keystore"),
    heavy("redis", "cluster"),
    Heavy { package: "rustls", owner: "transport", exceptions: &[("tunnel", DATABASE_TLS)] },
    Heavy { package: "tokio-rustls", owner: "transport", exceptions: &[("tunnel", DATABASE_TLS)] },
    Heavy { package: "awc", owner: "transport", exceptions: &[("testkit", PASS_THROUGH)] },
    Heavy { package: "actix-web", owner: "gateway", exceptions: &[("testkit", PASS_THROUGH)] },
    heavy("figment", "config"),
    heavy("serde-saphyr", "config"),
    heavy("metrics", "telemetry"),
    heavy("metrics-exporter-prometheus", "telemetry"),
    heavy("tracing-subscriber", "telemetry"),
    heavy("tracing-appender", "telemetry"),
    heavy("bpe-openai", "tokens"),
    heavy("libinjectionrs", "shield"),
    heavy("argon2", "keystore"),
    heavy("sfv", "keystore"),
    heavy("xshell", "xtask"),
    Heavy {
        package: "anyhow",
        owner: "gateway",
        exceptions: &[
            ("xtask", "a tool reports to a person, not to a program"),
            ("testkit", "its binaries are tools of the workshop"),
        ],
    },
];
