//! Google's access tokens, made from the key of a service account (RFC 7523), or had for the identity of the gateway's
//! own host.
//!
//! The file of an account names where tokens are had, and it is a word from outside: it is believed only if it
//! names Google. An address of the operator's own is the option `token_endpoint`, and goes the provider's way.
//! Signing costs a millisecond and is done only when a token is asked for.

mod host;

use std::borrow::Cow;

use nexus_core::fault::Fault;
use nexus_engine::world::Credential;
use nexus_keystore::{
    secret::Secret,
    service_account::{NoAssertion, ServiceAccount},
};
use url::Url;

pub use self::host::GoogleSource;
use super::{
    Access, Showing, Shown,
    grant::{self, Question},
    host::HostSource as _,
    lease::Key,
    unusable,
};
use crate::egress::Reach;

/// The provider's option that says where tokens are had.
const TOKEN_ENDPOINT: &str = "token_endpoint";

/// The hosts at which Google gives out tokens.
const HOSTS: &[&str] = &["oauth2.googleapis.com", "www.googleapis.com", "accounts.google.com"];

const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// How a token of Google's begins that was made elsewhere, and is good for an hour at most.
const TOKEN_BEGINS: &str = "ya29.";

/// Shows an access token for `scope`: a service account's, or where the provider's option says so the host's.
pub(super) async fn show<'a>(
    access: &Access,
    showing: &Showing<'a>,
    credential: Option<&'a Credential>,
    scope: &'static str,
) -> Result<Shown<'a>, Fault> {
    let (fetcher, now_s) = (access.fetcher.clone(), access.now_s());
    if let Some(source) = access.hosts.google.source(showing)? {
        let key = Key::of_host(format!("google {} {scope}", source.as_str()));
        let (host, aws) = (access.hosts.google.clone(), access.hosts.aws.clone());
        return access.bearer_token(key, move || host::ask(fetcher, host, aws, source, scope, now_s)).await;
    }
    let Some(credential) = credential else { return Ok(Shown::nothing()) };
    if credential.secret.expose().starts_with(TOKEN_BEGINS) {
        return Ok(Shown::bearer(credential));
    }
    let endpoint = showing.site.options.option(TOKEN_ENDPOINT);
    let purpose = match endpoint {
        None => Cow::Borrowed(scope),
        Some(endpoint) => Cow::Owned(format!("{scope} {endpoint}")),
    };
    let fetch = || {
        let question = question(&credential.secret, scope, endpoint, showing.reach, now_s);
        async move { grant::ask(fetcher, question?, now_s).await }
    };
    access.bearer_token(Key::new(credential, purpose), fetch).await
}

fn question(
    file: &Secret,
    scope: &str,
    endpoint: Option<&str>,
    reach: Reach,
    now_s: u64,
) -> Result<Question, Fault> {
    let refuse = |why: NoAssertion| unusable(format!("the credential {why}"));
    let account = ServiceAccount::read(file).map_err(refuse)?;
    let (url, reach) = match endpoint {
        Some(endpoint) => (own_endpoint(endpoint, reach)?, reach),
        None => (googles_endpoint(&account.token_uri)?, Reach::Public),
    };
    let assertion = account.assertion(&account.token_uri, scope, now_s).map_err(refuse)?;
    let form = vec![("grant_type", Secret::new(GRANT.to_owned())), ("assertion", assertion)];
    Ok(Question { url, reach, form })
}

fn googles_endpoint(token_uri: &str) -> Result<Url, Fault> {
    let url = Url::parse(token_uri).ok().filter(|url| {
        let is_plain = url.username().is_empty() && url.password().is_none() && url.port().is_none();
        url.scheme() == "https" && is_plain && url.host_str().is_some_and(|host| HOSTS.contains(&host))
    });
    url.ok_or_else(|| {
        unusable(format!(
            "the service account's `token_uri` is not Google's; name an endpoint of your own in the option \
             `{TOKEN_ENDPOINT}`"
        ))
    })
}

/// Only inside the operator's own network may an assertion travel in clear.
fn own_endpoint(endpoint: &str, reach: Reach) -> Result<Url, Fault> {
    let url = Url::parse(endpoint)
        .ok()
        .filter(|url| url.scheme() == "https" || url.scheme() == "http" && reach == Reach::Private);
    url.ok_or_else(|| unusable(format!("the option `{TOKEN_ENDPOINT}` is no `https` address")))
}

#[cfg(test)]
mod tests;
