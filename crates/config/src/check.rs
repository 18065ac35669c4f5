//! From raw to checked: what no single value can tell, every problem at once.
//!
//! A setting that is absent here was refused already or is optional; a check that finds a problem adds it
//! and goes on.

mod money;
mod routing;

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
};

use nexus_core::{
    endpoint::{BadEndpoint, Template},
    host::Hosts,
    origin::Origins,
    proxy::TrustedProxies,
    role::Role,
    site::looks_secret,
};

use crate::{
    environment::Environment,
    load::Places,
    plain::Plain,
    problem::{Problem, Problems, shown, under},
    raw::{self, Raw},
    settings::{
        AlsoServed, ForwardedHeader, HostCredentials, LogFormat, Logging, Model, Node, Oidc, Provider,
        RoleMapping, Server, Settings, Timeouts, UnownedResources, WhenJournalFails,
    },
};

/// The settings, or everything that is wrong with them; `problems` is what is known to be wrong already.
pub(crate) fn check(
    raw: Raw,
    redacted: String,
    places: &Places,
    environment: &Environment,
    problems: Vec<Problem>,
) -> Result<Settings, Problems> {
    let mut check = Check { places, environment, problems };
    match check.settings(raw, redacted) {
        Some(settings) if check.problems.is_empty() => Ok(settings),
        _ => Err(Problems(check.problems)),
    }
}

/// What Azure's own tools read about the identity of a host.
const AZURE_VARIABLES: [&str; 7] = [
    "AZURE_POD_IDENTITY_AUTHORITY_HOST",
    "IDENTITY_ENDPOINT",
    "IDENTITY_HEADER",
    "AZURE_TENANT_ID",
    "AZURE_CLIENT_ID",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_AUTHORITY_HOST",
];

/// Bytes in the longest name of a node or zone.
const NODE_NAME_BYTES_MAX: usize = 100;

struct Check<'a> {
    places: &'a Places,
    environment: &'a Environment,
    problems: Vec<Problem>,
}

fn unowned(word: Option<&str>) -> UnownedResources {
    match word {
        Some("serve") => UnownedResources::Serve,
        _ => UnownedResources::Refuse,
    }
}

impl Check<'_> {
    fn settings(&mut self, raw: Raw, redacted: String) -> Option<Settings> {
        let server = self.server(raw.server.unwrap_or_default());
        let monitoring = raw.monitoring.unwrap_or_default();
        let monitoring = self.address("monitoring", monitoring.bind, monitoring.port);
        if let (Some(server), Some(monitoring)) = (&server, monitoring)
            && server.bind == monitoring
            && monitoring.port() != 0
        {
            self.refuse("monitoring.port", "is the API's own", "take another port");
        }
        if let Some(server) = &server
            && let Some(admin) = server.admin_bind.filter(|admin| admin.port() != 0)
            && (admin == server.bind || Some(admin) == monitoring)
        {
            self.refuse("server.admin_bind", "is another listener's own", "take another port");
        }
        let database = raw.database.unwrap_or_default();
        let when_journal_fails = match database.when_journal_fails.as_deref() {
            Some("refuse") => WhenJournalFails::Refuse,
            _ => WhenJournalFails::Degrade,
        };
        let database_url = self.database_url(database);
        let (redis_url, node) = (self.redis_url(), self.node(raw.node.unwrap_or_default()));
        let oidc = self.oidc(raw.console.and_then(|console| console.oidc).unwrap_or_default());
        let words = raw.aws.and_then(|aws| aws.host_credentials);
        let is_aws = |name: &str| name == "HOME" || name.starts_with("AWS_");
        let aws = self.host("aws", words, &HostCredentials::AWS, is_aws);
        let words = raw.azure.and_then(|azure| azure.host_credentials);
        let is_azure = |name: &str| AZURE_VARIABLES.contains(&name);
        let azure = self.host("azure", words, &HostCredentials::AZURE, is_azure);
        let words = raw.google.and_then(|google| google.host_credentials);
        let is_google = |name: &str| matches!(name, "GCE_METADATA_HOST" | "GOOGLE_APPLICATION_CREDENTIALS");
        let google = self.host("google", words, &HostCredentials::GOOGLE, is_google);
        let providers = self.providers(raw.providers.unwrap_or_default());
        let rules = self.rules(raw.rules.unwrap_or_default());
        let prices = self.prices(raw.prices.unwrap_or_default());
        let quotas = self.quotas(raw.quotas.unwrap_or_default());
        Some(Settings {
            server: server?,
            timeouts: timeouts(&raw.timeouts.unwrap_or_default())?,
            database_url: database_url?,
            when_journal_fails,
            data_dir: raw.data_dir?.into(),
            monitoring: monitoring?,
            node: node?,
            logging: logging(raw.logging.unwrap_or_default())?,
            redis_url,
            oidc,
            aws,
            azure,
            google,
            default_provider: raw.default_provider,
            unowned_resources: unowned(raw.unowned_resources.as_deref()),
            also_serve: self.also_served(&raw.also_serve.unwrap_or_default()),
            keep_days: raw.keep_days?,
            providers,
            rules,
            prices,
            quotas,
            redacted,
        })
    }

    fn also_served(&mut self, words: &[String]) -> Vec<AlsoServed> {
        let mut parts = Vec::new();
        for word in words {
            match word.as_str() {
                "organization" => parts.push(AlsoServed::Organization),
                "realtime" => parts.push(AlsoServed::Realtime),
                _ => self.refuse(
                    "also_serve",
                    "names something that is no such part",
                    "name `organization` or `realtime`",
                ),
            }
        }
        parts
    }

    fn server(&mut self, raw: raw::Server) -> Option<Server> {
        Some(Server {
            bind: self.address("server", raw.bind, raw.port)?,
            workers: raw.workers?.into(),
            max_body_bytes: usize::try_from(raw.max_body_bytes?).ok()?,
            max_upload_bytes: raw.max_upload_bytes?,
            drain_seconds: raw.drain_seconds?,
            leave_seconds: raw.leave_seconds?,
            bad_keys_per_minute: raw.bad_keys_per_minute?,
            trusted_proxies: self.trusted_proxies(&raw.trusted_proxies.unwrap_or_default())?,
            forwarded_header: match raw.forwarded_header?.as_str() {
                "forwarded" => ForwardedHeader::Forwarded,
                _ => ForwardedHeader::XForwardedFor,
            },
            allowed_hosts: match raw.allowed_hosts {
                Some(names) => Some(self.allowed_hosts(&names)?),
                None => None,
            },
            cors_origins: self.cors_origins(&raw.cors_origins.unwrap_or_default())?,
            admin_bind: match raw.admin_bind {
                Some(address) => Some(self.admin_bind(&address)?),
                None => None,
            },
            connections: usize::try_from(raw.connections?).ok()?,
            connections_per_address: usize::try_from(raw.connections_per_address?).ok()?,
            unread_seconds: raw.unread_seconds?,
        })
    }

    fn node(&mut self, raw: raw::Node) -> Option<Node> {
        for (place, text) in [("node.name", &raw.name), ("node.zone", &raw.zone)] {
            if text.as_ref().is_some_and(|text| text.trim().is_empty() || text.len() > NODE_NAME_BYTES_MAX) {
                self.refuse(place, "is empty or too long", "write at most 100 characters, or leave it away");
                return None;
            }
        }
        Some(Node {
            name: raw.name,
            zone: raw.zone,
            allows_alone: raw.when_alone.as_deref() == Some("allow"),
            look_ms: raw.look_ms?,
        })
    }

    fn trusted_proxies(&mut self, networks: &[String]) -> Option<TrustedProxies> {
        let parsed = TrustedProxies::parse(networks).map_err(|at| {
            let place = format!("server.trusted_proxies[{at}]");
            self.refuse(&place, "is no network", "write an address or a network such as `10.0.0.0/8`");
        });
        parsed.ok()
    }

    fn allowed_hosts(&mut self, names: &[String]) -> Option<Hosts> {
        let parsed = Hosts::parse(names).map_err(|at| {
            let place = format!("server.allowed_hosts[{at}]");
            let remedy = "write a name without a port, such as `ai.example.com` or `*.example.com`";
            self.refuse(&place, "is no name of a host", remedy);
        });
        parsed.ok()
    }

    fn cors_origins(&mut self, origins: &[String]) -> Option<Origins> {
        let parsed = Origins::parse(origins).map_err(|at| {
            let place = format!("server.cors_origins[{at}]");
            let remedy = "write a scheme and a host, such as `https://app.example.com`, or `*`";
            self.refuse(&place, "is no origin", remedy);
        });
        parsed.ok()
    }

    fn admin_bind(&mut self, text: &str) -> Option<SocketAddr> {
        let parsed = text.parse();
        if parsed.is_err() {
            let remedy = "write an address with a port, such as `127.0.0.1:8081`";
            self.refuse("server.admin_bind", "is not an address with a port", remedy);
        }
        parsed.ok()
    }

    fn address(&mut self, section: &str, bind: Option<String>, port: Option<u16>) -> Option<SocketAddr> {
        match bind?.parse() {
            Ok(address) => Some(SocketAddr::new(address, port?)),
            Err(_) => {
                let remedy = "write an address without a port, such as `127.0.0.1` or `::`";
                self.refuse(&format!("{section}.bind"), "is not an IP address", remedy);
                None
            }
        }
    }

    fn database_url(&mut self, raw: raw::Database) -> Option<Plain> {
        let url = self.resolve("database.url", raw.url?.expose())?;
        if !has_scheme(&url, &["sqlite", "postgres", "postgresql"]) {
            self.refuse(
                "database.url",
                "names no database the gateway knows",
                "write `sqlite://path` or `postgres://user:password@host/name`",
            );
            return None;
        }
        Some(Plain::new(url))
    }

    fn redis_url(&mut self) -> Option<Plain> {
        let url = self.environment.text("REDIS_URL")?;
        if !has_scheme(url, &["redis", "rediss", "redis+sentinel", "rediss+sentinel"]) {
            let remedy = "write `redis://host:6379`, or `redis+sentinel://host1,host2/name`";
            self.problems.push(Problem::new("REDIS_URL", "is not such a URL", remedy));
            return None;
        }
        Some(Plain::new(url.to_owned()))
    }

    /// What providers may take of the host's identity at a cloud; `is_read`: whether the cloud's tools read a variable.
    fn host(
        &mut self,
        cloud: &str,
        words: Option<String>,
        known: &[&str],
        is_read: impl Fn(&str) -> bool,
    ) -> HostCredentials {
        let words = words.unwrap_or_default();
        let sources: Vec<String> = words.split_ascii_whitespace().map(str::to_owned).collect();
        if sources.iter().any(|word| !known.contains(&word.as_str())) {
            let remedy = format!("write some of `{}`", known.join("`, `"));
            self.refuse(&format!("{cloud}.host_credentials"), "has a word that is no source", remedy);
        }
        let variables = self.environment.iter().filter(|(name, _)| !sources.is_empty() && is_read(name));
        let variables =
            variables.map(|(name, text)| (name.to_owned(), Plain::new(text.to_owned()))).collect();
        HostCredentials { sources, variables }
    }

    /// The identity provider, where one is named.
    fn oidc(&mut self, raw: raw::Oidc) -> Option<Oidc> {
        let place = |name| format!("console.oidc.{name}");
        let role_mapping = self.role_mapping(raw.role_mapping.unwrap_or_default());
        let client_secret =
            raw.client_secret.map(|text| self.resolve(&place("client_secret"), text.expose()));
        let Some(issuer) = raw.issuer else {
            if raw.client_id.is_some() {
                self.refuse(&place("issuer"), "is missing", "write it, or leave `client_id` away");
            }
            return None;
        };
        let scopes = raw.scopes?;
        if ["openid", "email"].iter().any(|needed| !scopes.split(' ').any(|scope| scope == *needed)) {
            self.refuse(&place("scopes"), "lacks `openid` or `email`", "write both");
        }
        let Some(client_id) = raw.client_id else {
            self.refuse(&place("client_id"), "is missing", "write it, or leave `issuer` away");
            return None;
        };
        Some(Oidc {
            issuer: self.resolve(&place("issuer"), &issuer)?,
            client_id: self.resolve(&place("client_id"), &client_id)?,
            client_secret: match client_secret {
                Some(secret) => Some(Plain::new(secret?)),
                None => None,
            },
            scopes,
            groups_claim: raw.groups_claim?,
            allow_private_network: raw.allow_private_network?,
            role_mapping,
        })
    }

    fn role_mapping(&mut self, raw: Vec<raw::RoleMapping>) -> Vec<RoleMapping> {
        let mut mappings = Vec::new();
        for (index, raw::RoleMapping { group, role, team }) in raw.into_iter().enumerate() {
            let (Some(group), Some(role)) = (group, role.as_deref().and_then(Role::from_word)) else {
                continue;
            };
            let place = format!("console.oidc.role_mapping[{index}].team");
            match (role, &team) {
                (Role::PlatformAdmin, Some(_)) => {
                    self.refuse(&place, "does not go with `platform_admin`", "leave it away");
                }
                (Role::TeamAdmin, None) => {
                    self.refuse(&place, "is missing beside `team_admin`", "name the team");
                }
                _ => mappings.push(RoleMapping { group, role, team }),
            }
        }
        mappings
    }

    fn providers(&mut self, raw: Vec<raw::Provider>) -> Vec<Provider> {
        let names = raw.iter().map(|provider| provider.name.as_deref());
        self.refuse_repeated("providers", "name", names);
        let provider = |(index, raw)| self.provider(raw, &format!("providers[{index}]"));
        raw.into_iter().enumerate().filter_map(provider).collect()
    }

    fn provider(&mut self, raw: raw::Provider, path: &str) -> Option<Provider> {
        let endpoint = raw.endpoint.map(|text| self.endpoint(&format!("{path}.endpoint"), &text));
        let api_key =
            raw.api_key.map(|key| self.resolve(&format!("{path}.api_key"), key.expose()).map(Plain::new));
        let options = raw.options.map(|options| self.options(options, &format!("{path}.options")));
        let raw_models = raw.models.unwrap_or_default();
        let aliases = raw_models.iter().map(|model| model.alias.as_deref());
        self.refuse_repeated(&format!("{path}.models"), "alias", aliases);
        Some(Provider {
            name: raw.name?,
            kind: raw.kind?,
            endpoint: match endpoint {
                Some(endpoint) => Some(endpoint?),
                None => None,
            },
            options: match options {
                Some(options) => Some(options?),
                None => None,
            },
            api_key: match api_key {
                Some(key) => Some(key?),
                None => None,
            },
            weight: raw.weight,
            rate_limit: raw.rate_limit,
            token_limit: raw.token_limit,
            max_concurrent: raw.max_concurrent,
            allow_private_network: raw.allow_private_network,
            models: self.models(raw_models, &format!("{path}.models")),
        })
    }

    fn models(&mut self, raw: Vec<raw::Model>, path: &str) -> Vec<Model> {
        let model = |(index, raw)| self.model(raw, &format!("{path}[{index}]"));
        raw.into_iter().enumerate().filter_map(model).collect()
    }

    /// What the kind takes beside the rest; every problem is told.
    fn options(&mut self, raw: BTreeMap<String, String>, path: &str) -> Option<BTreeMap<String, String>> {
        let mut resolved = Some(BTreeMap::new());
        for (name, text) in raw {
            let path = under(path, shown(&name));
            let text = self.resolve(&path, &text);
            if text.as_deref().is_some_and(looks_secret) {
                self.refuse(
                    &path,
                    "looks like a secret",
                    "put it into `api_key`; options are shown to anyone",
                );
            }
            match (&mut resolved, text) {
                (Some(options), Some(text)) => drop(options.insert(name, text)),
                _ => resolved = None,
            }
        }
        resolved
    }

    fn endpoint(&mut self, path: &str, text: &str) -> Option<Template> {
        let url = self.resolve(path, text)?;
        match Template::parse(&url) {
            Ok(endpoint) => Some(endpoint),
            Err(bad) => {
                let (message, remedy) = bad_endpoint(&bad);
                self.refuse(path, message, remedy);
                None
            }
        }
    }

    /// Refuses each entry of a list whose `key` an earlier entry has.
    fn refuse_repeated<'n>(&mut self, list: &str, key: &str, names: impl Iterator<Item = Option<&'n str>>) {
        let mut first = HashMap::new();
        for (index, name) in names.enumerate() {
            let Some(name) = name else { continue };
            let earlier = *first.entry(name).or_insert(index);
            if earlier != index {
                let message = format!("repeats the {key} of `{list}[{earlier}]`");
                self.refuse(
                    &format!("{list}[{index}].{key}"),
                    message,
                    format!("give each entry its own {key}"),
                );
            }
        }
    }

    fn resolve(&mut self, path: &str, text: &str) -> Option<String> {
        match self.environment.resolve(text) {
            Ok(text) => Some(text),
            Err((message, remedy)) => {
                self.refuse(path, message, remedy);
                None
            }
        }
    }

    fn refuse(&mut self, path: &str, message: impl Into<String>, remedy: impl Into<String>) {
        self.problems.push(self.places.problem(path, message, remedy));
    }
}

fn timeouts(raw: &raw::Timeouts) -> Option<Timeouts> {
    Some(Timeouts {
        connect_ms: raw.connect_ms?,
        first_byte_ms: raw.first_byte_ms?,
        between_chunks_ms: raw.between_chunks_ms?,
        whole_ms: raw.whole_ms?,
        heartbeat_ms: raw.heartbeat_ms?,
    })
}

fn logging(raw: raw::Logging) -> Option<Logging> {
    let format = match raw.format?.as_str() {
        "json" => LogFormat::Json,
        "text" => LogFormat::Text,
        _ => LogFormat::Auto,
    };
    Some(Logging { level: raw.level?, format })
}

/// Whether a URL has one of these schemes and something after it.
fn has_scheme(url: &str, schemes: &[&str]) -> bool {
    url.split_once("://").is_some_and(|(scheme, rest)| schemes.contains(&scheme) && !rest.is_empty())
}

/// The endpoint's own words show what was written; these do not.
fn bad_endpoint(bad: &BadEndpoint) -> (&'static str, &'static str) {
    let remedy = "write it like `https://api.example.com/v1`";
    match bad {
        BadEndpoint::NotAUrl => ("is not a URL", remedy),
        BadEndpoint::Scheme(_) => ("has a scheme other than `https` and `http`", remedy),
        BadEndpoint::NoHost => ("names no host", remedy),
        BadEndpoint::Credentials => ("carries a user name or password", "put the key into `api_key`"),
        BadEndpoint::QueryOrFragment => {
            ("carries a query or a fragment", "leave everything from `?` or `#` on away")
        }
        BadEndpoint::Place => {
            ("has braces that are no place to be filled", "write an option's name in them, as in `{region}`")
        }
    }
}
