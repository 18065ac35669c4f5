//! What a request shows the provider so that it is let in: the credential itself, what it was exchanged for, or
//! a signature made with it.
//!
//! A credential and what it is exchanged for stay in [`Secret`]; header lines come into being in the buffer a
//! request is sent from. A token that was good and is refused is given up once, and a new one is asked for.

mod aws;
mod entra;
mod google;
mod grant;
mod host;
mod lease;

use std::{rc::Rc, sync::Arc};

use nexus_core::{
    endpoint::Endpoint,
    fault::{Class, Fault},
    site::Site,
};
use nexus_engine::{port::Clock, world::Credential};
use nexus_keystore::{secret::Secret, sigv4::AccessKey};
use nexus_providers::dialect::AuthScheme;

use self::lease::{Granted, Key, Lease, Leases, Standing};
pub use self::{
    aws::AwsSource,
    entra::AzureSource,
    google::GoogleSource,
    host::{Host, HostSource, Hosts},
};
use crate::{egress::Reach, fetch::Fetcher, tls::Tls};

/// What the provider answers to a token that is no longer good.
const UNAUTHORIZED: u16 = 401;

/// A request that is about to be sent, and how its sender is to be shown.
#[derive(Clone, Copy)]
pub struct Showing<'a> {
    pub scheme: AuthScheme,
    pub credential: Option<&'a Credential>,
    pub site: Site<'a>,
    pub endpoint: &'a Endpoint,
    /// Where an errand for a token may go.
    pub reach: Reach,
    pub method: &'static str,
    /// What stands behind the endpoint's base path, with its query; begins with `/`.
    pub path: &'a str,
    /// The dialect's own; names in lower case.
    pub headers: &'a [(&'static str, String)],
    pub body: &'a [u8],
}

/// The way from credentials to header lines. One a worker thread; its futures stay on it.
pub struct Access {
    fetcher: Fetcher,
    clock: Arc<dyn Clock>,
    tokens: Rc<Leases<Secret>>,
    aws_keys: Rc<Leases<AccessKey>>,
    hosts: Hosts,
}

impl Access {
    pub fn new(tls: &Tls, clock: Arc<dyn Clock>) -> Self {
        Self {
            fetcher: Fetcher::new(tls),
            clock,
            tokens: Rc::default(),
            aws_keys: Rc::default(),
            hosts: Hosts::default(),
        }
    }

    /// Lets providers use the host's own identity at clouds, as far as the operator allows it.
    #[must_use]
    pub fn with_hosts(self, hosts: Hosts) -> Self {
        Self { hosts, ..self }
    }

    /// The lines that show who sends a request; without a credential none.
    ///
    /// # Errors
    /// If the credential is of no use for this scheme, or no token was had for it.
    pub async fn show<'a>(&self, showing: &Showing<'a>) -> Result<Shown<'a>, Fault> {
        let credential = showing.credential;
        match showing.scheme {
            AuthScheme::Open => Ok(Shown::nothing()),
            AuthScheme::Bearer => Ok(credential.map_or_else(Shown::nothing, Shown::bearer)),
            AuthScheme::Header(name) => {
                Ok(credential.map_or_else(Shown::nothing, |credential| Shown::key(name, credential)))
            }
            AuthScheme::Aws { service } => aws::show(self, showing, credential, service).await,
            AuthScheme::Google { scope } => google::show(self, showing, credential, scope).await,
            AuthScheme::Entra { header, scope } => {
                entra::show(self, showing, credential, header, scope).await
            }
        }
    }

    /// What runs errands, such as those for tokens.
    pub fn fetcher(&self) -> &Fetcher {
        &self.fetcher
    }

    /// Unix seconds.
    fn now_s(&self) -> u64 {
        u64::try_from(self.clock.unix_ms() / 1000).unwrap_or_default()
    }

    /// Shows a token as a bearer: the one that is held under this key, or what `fetch` brings.
    async fn bearer_token<F>(&self, key: Key, fetch: impl FnOnce() -> F) -> Result<Shown<'static>, Fault>
    where
        F: Future<Output = Result<Granted<Secret>, Fault>> + 'static,
    {
        Ok(Shown::token(self.tokens.lease(key, &self.clock, fetch).await?))
    }
}

/// Header lines that say who sends a request.
pub struct Shown<'a> {
    lines: Lines<'a>,
    /// How what was exchanged for the credential has fared.
    standing: Option<Rc<Standing>>,
}

enum Lines<'a> {
    None,
    Key { name: &'static str, opening: &'static str, secret: &'a Secret },
    Token(Rc<Lease<Secret>>),
    Many(Vec<(&'static str, Secret)>),
}

impl<'a> Shown<'a> {
    fn nothing() -> Self {
        Self { lines: Lines::None, standing: None }
    }

    /// The credential alone in a header of this name.
    fn key(name: &'static str, credential: &'a Credential) -> Self {
        Self { lines: Lines::Key { name, opening: "", secret: &credential.secret }, standing: None }
    }

    /// The credential itself as a bearer token.
    fn bearer(credential: &'a Credential) -> Self {
        let lines = Lines::Key { name: "authorization", opening: "Bearer ", secret: &credential.secret };
        Self { lines, standing: None }
    }

    fn token(lease: Rc<Lease<Secret>>) -> Self {
        let standing = Some(Rc::clone(&lease.standing));
        Self { lines: Lines::Token(lease), standing }
    }

    /// A signature's lines. `standing` is of the lease its keys are held under, if they are.
    fn signed(lines: Vec<(&'static str, Secret)>, standing: Option<Rc<Standing>>) -> Self {
        Self { lines: Lines::Many(lines), standing }
    }

    /// Each line: a name, and the two parts of its value.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (&'static str, &'static str, &str)> {
        let (one, many) = match &self.lines {
            Lines::None => (None, &[][..]),
            Lines::Key { name, opening, secret } => (Some((*name, *opening, secret.expose())), &[][..]),
            Lines::Token(lease) => (Some(("authorization", "Bearer ", lease.value.expose())), &[][..]),
            Lines::Many(lines) => (None, lines.as_slice()),
        };
        one.into_iter().chain(many.iter().map(|(name, value)| (*name, "", value.expose())))
    }

    /// The lines for an errand.
    pub fn headers(&self) -> Vec<(&'static str, Secret)> {
        let joined = |(name, opening, value)| (name, Secret::new(format!("{opening}{value}")));
        self.lines().map(joined).collect()
    }

    /// Hears how the provider answered. Whether what was shown was good before and is so no longer: the request
    /// may be sent once more, and [`Access::show`] shows something new.
    pub fn is_outlived(&self, status: u16) -> bool {
        match &self.standing {
            Some(standing) if status == UNAUTHORIZED => standing.refused(),
            Some(standing) => {
                standing.served();
                false
            }
            None => false,
        }
    }
}

/// A credential that cannot be what its scheme wants.
fn unusable(message: impl Into<String>) -> Fault {
    Fault::new(Class::Credential, message)
}

#[cfg(test)]
pub(crate) mod tests;
