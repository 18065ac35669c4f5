//! The identity that the gateway's own host has at a cloud, as far as its operator lets providers use it.
//!
//! It holds secrets and has no `Debug`. What is not allowed here is not looked for: a provider whose owner may
//! set options must not thereby become whoever the host is. Nor is it shown to anybody but the vendor.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use nexus_core::fault::{Class, Fault};
use nexus_keystore::secret::Secret;
use url::{Host as Name, Url};

use super::{AwsSource, AzureSource, GoogleSource, Showing, unusable};
use crate::{
    egress::Reach,
    fetch::{Errand, Fetched},
};

/// The provider's option that says whose credentials are shown.
const CREDENTIALS: &str = "credentials";

/// Its word for the provider's own, which count unsaid.
const STATIC: &str = "static";

/// From the first packet to the last byte: it is one hop away.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest answer that is read, in bytes.
const ANSWER_MAX: usize = 64 * 1024;

/// The longest token in a file, in bytes.
pub(super) const TOKEN_MAX: u64 = 16 * 1024;

/// Where a host's credentials at one cloud come from.
pub trait HostSource: Copy + PartialEq + 'static {
    const ALL: &'static [Self];
    /// The setting by which the operator allows them.
    const SETTING: &'static str;
    /// What is had from them, for people.
    const BRINGS: &'static str;
    /// The variables that are read, where a source is allowed.
    const VARIABLES: &'static [&'static str];
    /// What ends the names of the hosts that are the vendor's.
    const DOMAINS: &'static [&'static str];

    /// The word in options and settings.
    fn as_str(self) -> &'static str;

    /// The inverse of [`HostSource::as_str`].
    fn read(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|source| source.as_str() == word)
    }
}

/// What the host is at each cloud.
#[derive(Clone, Default)]
pub struct Hosts {
    pub aws: Host<AwsSource>,
    pub azure: Host<AzureSource>,
    pub google: Host<GoogleSource>,
}

/// What the operator allows at one cloud, and the variables in which its tools say where things are.
#[derive(Clone)]
pub struct Host<S>(Option<Arc<Allowed<S>>>);

struct Allowed<S> {
    sources: Vec<S>,
    variables: BTreeMap<&'static str, Secret>,
}

/// Nothing.
impl<S> Default for Host<S> {
    fn default() -> Self {
        Self(None)
    }
}

impl<S: HostSource> Host<S> {
    /// Of the sources that are allowed, and what `variable` says.
    pub fn new(sources: Vec<S>, variable: impl Fn(&str) -> Option<String>) -> Self {
        if sources.is_empty() {
            return Self::default();
        }
        let said = |name: &&'static str| Some((*name, Secret::new(variable(name)?)));
        let variables = S::VARIABLES.iter().filter_map(said).collect();
        Self(Some(Arc::new(Allowed { sources, variables })))
    }

    fn allows(&self, source: S) -> bool {
        self.0.as_ref().is_some_and(|allowed| allowed.sources.contains(&source))
    }

    /// The first source that is allowed.
    pub(super) fn first(&self) -> Option<S> {
        self.0.as_ref()?.sources.first().copied()
    }

    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.0.as_ref()?.variables.get(name).map(Secret::expose)
    }

    /// A variable without which a source is of no use.
    pub(super) fn needed(&self, source: S, name: &str) -> Result<&str, Fault> {
        self.variable(name)
            .ok_or_else(|| nothing(Class::Credential, source, format!("the variable `{name}` is not set")))
    }

    /// The source that the provider's option names, if the operator allows it and the request goes to the vendor;
    /// `None`: the provider's own credential.
    pub(super) fn source(&self, showing: &Showing<'_>) -> Result<Option<S>, Fault> {
        let option = showing.site.options.option(CREDENTIALS).unwrap_or(STATIC);
        if option == STATIC {
            return Ok(None);
        }
        let source = S::read(option).ok_or_else(|| {
            let words: Vec<_> = S::ALL.iter().map(|source| source.as_str()).collect();
            unusable(format!("the option `{CREDENTIALS}` must be `{STATIC}`, `{}`", words.join("`, `")))
        })?;
        if !self.allows(source) {
            return Err(unusable(format!(
                "the gateway's operator has not allowed the credentials of its own host: `{option}` is not in \
                 the setting `{}`",
                S::SETTING
            )));
        }
        let host = &*showing.endpoint.host;
        if !showing.endpoint.is_tls || !S::DOMAINS.iter().any(|domain| host.ends_with(domain)) {
            return Err(unusable("the credentials of the gateway's own host are shown to its cloud only"));
        }
        Ok(Some(source))
    }
}

/// A source that gave nothing.
pub(super) fn nothing<S: HostSource>(class: Class, source: S, why: impl std::fmt::Display) -> Fault {
    Fault::new(class, format!("no {} was had from `{}`: {why}", S::BRINGS, source.as_str()))
}

pub(super) fn parse<S: HostSource>(source: S, text: &str) -> Result<Url, Fault> {
    Url::parse(text).map_err(|_| nothing(Class::Credential, source, "its address is no URL"))
}

/// The literal address that a URL leads to.
pub(super) fn address(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Name::Ipv4(address) => Some(address.into()),
        Name::Ipv6(address) => Some(address.into()),
        Name::Domain("localhost") => Some(Ipv4Addr::LOCALHOST.into()),
        Name::Domain(_) => None,
    }
}

/// Where an errand to a service of the host's may go. The guard over addresses is opened for one address and one
/// errand at a time, never for a name.
pub(super) fn reach<S: HostSource>(source: S, url: &Url) -> Result<Reach, Fault> {
    match address(url) {
        Some(address) => Ok(Reach::Only(address)),
        None if url.scheme() == "https" => Ok(Reach::Public),
        None => Err(nothing(Class::Forbidden, source, "its address is a name and has no TLS")),
    }
}

/// An errand to a service of the host's.
pub(super) fn errand<'a, S: HostSource>(
    source: S,
    url: &'a Url,
    headers: &'a [(&'a str, &'a str)],
) -> Result<Errand<'a>, Fault> {
    let reach = reach(source, url)?;
    Ok(Errand { url, headers, reach, limit_bytes: ANSWER_MAX, timeout: PATIENCE })
}

/// The answer of status 200; any other is not repeated.
pub(super) fn good<S: HostSource>(source: S, fetched: Result<Fetched, Fault>) -> Result<Fetched, Fault> {
    let fetched = fetched.map_err(|fault| nothing(fault.class, source, fault.message))?;
    if fetched.status != 200 {
        let class = if fetched.status >= 500 { Class::Internal } else { Class::Credential };
        return Err(nothing(class, source, format!("its service answered with status {}", fetched.status)));
    }
    Ok(fetched)
}

/// What stands in a file of the host's, no more than `limit_bytes` of it.
pub(super) async fn file<S: HostSource>(source: S, path: &str, limit_bytes: u64) -> Result<String, Fault> {
    let path = path.to_owned();
    let reading = actix_rt::task::spawn_blocking(move || {
        let mut text = String::new();
        let mut file = std::io::Read::take(std::fs::File::open(path)?, limit_bytes);
        std::io::Read::read_to_string(&mut file, &mut text).map(|_| text)
    });
    let read = reading.await.map_err(|_| nothing(Class::Internal, source, "the gateway is stopping"))?;
    read.map_err(|error| {
        nothing(Class::Credential, source, format!("its file cannot be read: {}", error.kind()))
    })
}
