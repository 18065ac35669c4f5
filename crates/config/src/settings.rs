//! The settings as they hold: checked, complete, with every default filled in.
//!
//! Nothing here has `Debug`, because providers and URLs carry secrets; show
//! [`Settings::to_yaml_redacted`] instead.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf};

use nexus_core::{
    capabilities::Capabilities,
    endpoint::Template,
    host::Hosts,
    need,
    origin::Origins,
    policy,
    price::{Kind, Rate},
    proxy::TrustedProxies,
    quota::{Measure, Mode, WhenAlone},
    role::Role,
};

use crate::plain::Plain;

/// Everything that can be set.
pub struct Settings {
    pub server: Server,
    pub timeouts: Timeouts,
    /// `sqlite://...` or `postgres://...`.
    pub database_url: Plain,
    pub data_dir: PathBuf,
    pub when_journal_fails: WhenJournalFails,
    /// Where `/metrics` is served.
    pub monitoring: SocketAddr,
    pub node: Node,
    pub logging: Logging,
    /// From `REDIS_URL`; absent on one node.
    pub redis_url: Option<Plain>,
    /// `None`: people sign in with passwords only.
    pub oidc: Option<Oidc>,
    pub aws: HostCredentials,
    pub azure: HostCredentials,
    pub google: HostCredentials,
    pub default_provider: Option<String>,
    pub unowned_resources: UnownedResources,
    pub also_serve: Vec<AlsoServed>,
    /// How many days the gateway keeps what it keeps itself; 0: nothing.
    pub keep_days: u32,
    pub providers: Vec<Provider>,
    pub rules: Vec<Rule>,
    pub prices: Vec<Price>,
    pub quotas: Vec<Quota>,
    pub(crate) redacted: String,
}

impl Settings {
    /// The folder of the ledger's archive.
    pub fn archive_dir(&self) -> PathBuf {
        self.data_dir.join("archive")
    }

    /// The file what requests are decided by is kept in, for a start without the database.
    pub fn kept_world(&self) -> PathBuf {
        self.data_dir.join("world.db")
    }

    /// The folder of the usage journal.
    pub fn journal_dir(&self) -> PathBuf {
        self.data_dir.join("journal")
    }

    /// What holds, as YAML with `***` in the place of secrets; references to variables stay.
    pub fn to_yaml_redacted(&self) -> &str {
        &self.redacted
    }
}

/// This node among the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// What people call it; `None`: as its host.
    pub name: Option<String>,
    pub zone: Option<String>,
    /// Whether calls are let through where nobody can be asked for more of a shared limit.
    pub allows_alone: bool,
    /// Between two looks for changes.
    pub look_ms: u64,
}

/// What providers may take of the host's own identity at a cloud.
#[derive(Default)]
pub struct HostCredentials {
    /// Each is one of the cloud's.
    pub sources: Vec<String>,
    /// What the cloud's own tools read. Empty where no source is allowed.
    pub variables: BTreeMap<String, Plain>,
}

impl HostCredentials {
    pub const AWS: [&str; 5] = ["profile", "environment", "imds", "irsa", "ecs"];
    pub const AZURE: [&str; 3] = ["imds", "app_service", "workload"];
    pub const GOOGLE: [&str; 2] = ["metadata", "external_account"];
}

/// The API's listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Port 0 takes a free one.
    pub bind: SocketAddr,
    pub workers: usize,
    pub max_body_bytes: usize,
    /// In bytes.
    pub max_upload_bytes: u64,
    pub drain_seconds: u64,
    pub leave_seconds: u64,
    /// Bad keys a minute an address may show.
    pub bad_keys_per_minute: u32,
    pub trusted_proxies: TrustedProxies,
    pub forwarded_header: ForwardedHeader,
    /// `None`: nothing is said about names.
    pub allowed_hosts: Option<Hosts>,
    /// Whose pages may call from a browser.
    pub cors_origins: Origins,
    /// Where the administration listens, if not where applications do.
    pub admin_bind: Option<SocketAddr>,
    /// Open on one listener at once.
    pub connections: usize,
    pub connections_per_address: usize,
    pub unread_seconds: u64,
}

impl Server {
    /// The names a listener at this address goes by.
    pub fn hosts(&self, address: SocketAddr) -> Hosts {
        match &self.allowed_hosts {
            Some(hosts) => hosts.clone(),
            None if address.ip().is_loopback() && self.trusted_proxies.is_empty() => Hosts::OwnedByNobody,
            None => Hosts::Any,
        }
    }
}

/// Where trusted proxies write a caller's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardedHeader {
    XForwardedFor,
    /// RFC 7239
    Forwarded,
}

/// How long the parts of an exchange may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    pub connect_ms: u64,
    pub first_byte_ms: u64,
    pub between_chunks_ms: u64,
    pub whole_ms: u64,
    /// A silence after which a stream gets a comment.
    pub heartbeat_ms: u64,
}

/// What is logged, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logging {
    /// Directives in the log's own syntax, not checked here.
    pub level: String,
    pub format: LogFormat,
}

/// What becomes of ids at providers that nobody has made through the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnownedResources {
    /// There is no such thing.
    Refuse,
    /// The default provider is asked.
    Serve,
}

/// A part of OpenAI's API that is served only where somebody says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlsoServed {
    /// Its organisations and projects.
    Organization,
    /// Realtime sessions that go past the gateway.
    Realtime,
}

/// What happens while the usage journal takes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenJournalFails {
    /// Calls are served, and what could not be booked is counted.
    Degrade,
    /// Calls are refused.
    Refuse,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Auto,
    Json,
    Text,
}

/// An identity provider for the console.
pub struct Oidc {
    /// Whether it may be believed by this name is the caller's to check.
    pub issuer: String,
    pub client_id: String,
    pub client_secret: Option<Plain>,
    /// With spaces in between; `openid` and `email` are among them.
    pub scopes: String,
    pub groups_claim: String,
    pub allow_private_network: bool,
    pub role_mapping: Vec<RoleMapping>,
}

/// What the people of a group become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleMapping {
    /// `*` stands for everybody.
    pub group: String,
    pub role: Role,
    /// A team's name; `None`: the platform.
    pub team: Option<String>,
}

/// A provider as configured. `None` is what is not said: of a provider that is there already, it stays.
pub struct Provider {
    /// Unique among the file's providers.
    pub name: String,
    /// The vendor's id; whether there is such a vendor is the caller's to check.
    pub kind: String,
    pub endpoint: Option<Template>,
    /// Whether the kind takes them is the caller's to check.
    pub options: Option<BTreeMap<String, String>>,
    pub api_key: Option<Plain>,
    pub weight: Option<u32>,
    /// Requests a minute.
    pub rate_limit: Option<u32>,
    /// Tokens a minute.
    pub token_limit: Option<u32>,
    /// Requests at once.
    pub max_concurrent: Option<u32>,
    pub allow_private_network: Option<bool>,
    pub models: Vec<Model>,
}

/// A model at a provider. `None` is what is not said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// Unique within its provider.
    pub alias: String,
    pub real_name: String,
    pub weight: Option<u32>,
    pub tier: Option<u32>,
    pub fit: Option<Fit>,
    /// Requests a minute.
    pub rate_limit: Option<u32>,
    /// Tokens a minute.
    pub token_limit: Option<u32>,
    /// Requests at once.
    pub max_concurrent: Option<u32>,
    /// Millionths: 1_000_000 is the provider's own price.
    pub cost_multiplier_ppm: Option<u64>,
    pub region_weights: Option<BTreeMap<String, u32>>,
    pub capabilities: Option<Capabilities>,
}

/// Which requests a model is there for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fit {
    /// Without teams.
    pub bounds: need::Fit,
    /// The names of the teams it is for; empty: all.
    pub teams: Vec<String>,
}

/// What is set for an alias beside its models.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub alias: String,
    /// A team's name; `None`: everybody.
    pub team: Option<String>,
    pub rule: policy::Rule,
}

/// What a model costs. Whether that can be is the caller's to check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Price {
    pub real_name: String,
    /// A provider's name; `None`: wherever the model is had.
    pub provider: Option<String>,
    pub region: Option<String>,
    pub kind: Kind,
    pub rates: Vec<Rate>,
    pub per_request_nano_usd: u64,
    pub is_free: bool,
    pub multiplier_ppm: Option<u64>,
}

/// How much somebody may use. Whether that can be is the caller's to check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Unique among the file's quotas.
    pub name: String,
    /// The word of what it is for.
    pub subject: String,
    /// A team's or a provider's name, a key's id, or a pattern.
    pub subject_value: Option<String>,
    pub measure: Measure,
    /// The word of its time.
    pub window: String,
    pub utc_offset_minutes: i32,
    pub time_zone: Option<String>,
    pub rolling_seconds: Option<u32>,
    pub limit: u64,
    pub mode: Mode,
    pub when_alone: WhenAlone,
}
