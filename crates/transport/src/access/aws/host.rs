//! The identity that the gateway's own host has at AWS, as far as its operator lets providers use it.
//!
//! It holds secrets and has no `Debug`. What is not allowed here is not looked for: a provider whose owner may
//! set options must not thereby become whoever the host is.

use std::{collections::BTreeMap, sync::Arc};

use nexus_core::fault::{Class, Fault};
use nexus_keystore::{secret::Secret, sigv4::AccessKey};

use super::{key, metadata, no_key, profile, sts};
use crate::{access::lease::Granted, fetch::Fetcher};

/// How long what stands in a file or a variable is used before it is read again, in milliseconds.
const WRITTEN_MS: i64 = 15 * 60_000;

/// Where an access key of the host's comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AwsSource {
    /// A named profile of the file that AWS's own tools read.
    Profile,
    /// `AWS_ACCESS_KEY_ID` and what belongs to it.
    Environment,
    /// The metadata service of an EC2 instance, version 2.
    Imds,
    /// A token in a file, exchanged for a role's key.
    Irsa,
    /// The metadata service of a container.
    Ecs,
}

impl AwsSource {
    pub const ALL: [Self; 5] = [Self::Profile, Self::Environment, Self::Imds, Self::Irsa, Self::Ecs];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Profile => "profile",
            Self::Environment => "environment",
            Self::Imds => "imds",
            Self::Irsa => "irsa",
            Self::Ecs => "ecs",
        }
    }

    pub fn read(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.as_str() == word)
    }
}

/// What the operator allows, and the variables in which AWS's tools say where things are.
#[derive(Clone, Default)]
pub struct AwsHost(Option<Arc<Allowed>>);

struct Allowed {
    sources: Vec<AwsSource>,
    variables: BTreeMap<&'static str, Secret>,
}

impl AwsHost {
    /// The variables that are read, where a source that is allowed needs them.
    pub const VARIABLES: [&'static str; 14] = [
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_SHARED_CREDENTIALS_FILE",
        "HOME",
        "AWS_ROLE_ARN",
        "AWS_ROLE_SESSION_NAME",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_ENDPOINT_URL_STS",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    ];

    /// Of the sources that are allowed, and what `variable` says.
    pub fn new(sources: Vec<AwsSource>, variable: impl Fn(&str) -> Option<String>) -> Self {
        if sources.is_empty() {
            return Self::default();
        }
        let said = |name| Some((name, Secret::new(variable(name)?)));
        let variables = Self::VARIABLES.into_iter().filter_map(said).collect();
        Self(Some(Arc::new(Allowed { sources, variables })))
    }

    pub(super) fn allows(&self, source: AwsSource) -> bool {
        self.0.as_ref().is_some_and(|allowed| allowed.sources.contains(&source))
    }

    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.0.as_ref()?.variables.get(name).map(Secret::expose)
    }

    /// A variable without which a source is of no use.
    pub(super) fn needed(&self, source: AwsSource, name: &str) -> Result<&str, Fault> {
        self.variable(name)
            .ok_or_else(|| no_key(Class::Credential, source, format!("the variable `{name}` is not set")))
    }
}

/// Asks the source for a key.
pub(super) async fn ask(
    fetcher: Fetcher,
    host: AwsHost,
    source: AwsSource,
    region: String,
    profile: Option<String>,
    now_s: u64,
) -> Result<Granted<AccessKey>, Fault> {
    match source {
        AwsSource::Environment => environment(&host),
        AwsSource::Profile => {
            let key = profile::read(&host, profile.as_deref().unwrap_or(profile::DEFAULT)).await?;
            Ok(Granted { value: key, lifetime_ms: WRITTEN_MS })
        }
        AwsSource::Imds => metadata::of_instance(&fetcher, &host, now_s).await,
        AwsSource::Ecs => metadata::of_container(&fetcher, &host, now_s).await,
        AwsSource::Irsa => sts::assume(&fetcher, &host, &region, now_s).await,
    }
}

fn environment(host: &AwsHost) -> Result<Granted<AccessKey>, Fault> {
    const SOURCE: AwsSource = AwsSource::Environment;
    let needed = |name| host.needed(SOURCE, name).map(str::to_owned);
    let token = host.variable("AWS_SESSION_TOKEN").map(str::to_owned);
    let key = key::of_parts(needed("AWS_ACCESS_KEY_ID")?, needed("AWS_SECRET_ACCESS_KEY")?, token);
    let key = key.ok_or_else(|| no_key(Class::Credential, SOURCE, "the variables hold no access key"))?;
    Ok(Granted { value: key, lifetime_ms: WRITTEN_MS })
}

/// What stands in a file of the host's, no more than `limit_bytes` of it.
pub(super) async fn file(source: AwsSource, path: &str, limit_bytes: u64) -> Result<String, Fault> {
    let path = path.to_owned();
    let reading = actix_rt::task::spawn_blocking(move || {
        let mut text = String::new();
        let mut file = std::io::Read::take(std::fs::File::open(path)?, limit_bytes);
        std::io::Read::read_to_string(&mut file, &mut text).map(|_| text)
    });
    let read = reading.await.map_err(|_| no_key(Class::Internal, source, "the gateway is stopping"))?;
    read.map_err(|error| {
        no_key(Class::Credential, source, format!("its file cannot be read: {}", error.kind()))
    })
}
