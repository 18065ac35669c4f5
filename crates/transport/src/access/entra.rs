//! Tokens of Microsoft Entra, made from the secret of an application (OAuth 2.0, client credentials), or had for the
//! identity of the gateway's own host.
//!
//! A credential that is no JSON object is a key, and goes into the header of the vendor's name. What an
//! application's JSON says is never repeated in a fault.

mod host;

use nexus_core::fault::Fault;
use nexus_engine::world::Credential;
use nexus_keystore::secret::Secret;
use serde::Deserialize;
use url::Url;

pub use self::host::AzureSource;
use self::host::Wanted;
use super::{
    Access, Showing, Shown,
    grant::{self, Question},
    host::HostSource as _,
    lease::Key,
    unusable,
};
use crate::egress::Reach;

/// The provider's option that says which of the host's identities is meant.
const CLIENT_ID: &str = "client_id";

/// Who gives out tokens, unless the application names another: a national cloud's.
const AUTHORITY: &str = "https://login.microsoftonline.com";

/// An application as it is entered in the place of a key. It has no `Debug`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Application {
    tenant_id: String,
    client_id: String,
    client_secret: String,
    authority: Option<String>,
}

/// Shows a key in the header, or as a bearer a token for `scope`: an application's, or where the provider's option
/// says so the host's.
pub(super) async fn show<'a>(
    access: &Access,
    showing: &Showing<'a>,
    credential: Option<&'a Credential>,
    header: &'static str,
    scope: &'static str,
) -> Result<Shown<'a>, Fault> {
    if let Some(source) = access.hosts.azure.source(showing)? {
        let client_id = showing.site.options.option(CLIENT_ID).map(str::to_owned);
        let which = client_id.as_deref().unwrap_or_default();
        let key = Key::of_host(format!("azure {} {scope} {which}", source.as_str()));
        let (fetcher, host) = (access.fetcher.clone(), access.hosts.azure.clone());
        let wanted = Wanted { source, scope, client_id, now_s: access.now_s() };
        return access.bearer_token(key, move || host::ask(fetcher, host, wanted)).await;
    }
    let Some(credential) = credential else { return Ok(Shown::nothing()) };
    let secret = credential.secret.expose();
    if !secret.trim_start().starts_with('{') {
        return Ok(Shown::key(header, credential));
    }
    let question = Application::read(secret)?.question(scope, showing.reach)?;
    let (fetcher, now_s) = (access.fetcher.clone(), access.now_s());
    access.bearer_token(Key::new(credential, scope), move || grant::ask(fetcher, question, now_s)).await
}

impl Application {
    fn read(secret: &str) -> Result<Self, Fault> {
        serde_json::from_str(secret).map_err(|_| {
            unusable(
                "the credential is no application of Microsoft Entra; enter `{\"tenant_id\":\"..\",\
                 \"client_id\":\"..\",\"client_secret\":\"..\"}`, or a key",
            )
        })
    }

    fn question(self, scope: &str, reach: Reach) -> Result<Question, Fault> {
        Ok(Question {
            url: self.url(reach)?,
            reach,
            form: vec![
                ("grant_type", Secret::new("client_credentials".to_owned())),
                ("client_id", Secret::new(self.client_id)),
                ("client_secret", Secret::new(self.client_secret)),
                ("scope", Secret::new(scope.to_owned())),
            ],
        })
    }

    fn url(&self, reach: Reach) -> Result<Url, Fault> {
        token_url(self.authority.as_deref().unwrap_or(AUTHORITY), &self.tenant_id, reach).ok_or_else(|| {
            unusable("the application's `authority` is no `https` address, or its `tenant_id` no name")
        })
    }
}

/// Where an authority gives out a tenant's tokens. Only inside the operator's own network may a secret travel in
/// clear.
fn token_url(authority: &str, tenant: &str, reach: Reach) -> Option<Url> {
    let mut url = Url::parse(authority).ok()?;
    let is_safe = url.scheme() == "https" || url.scheme() == "http" && reach == Reach::Private;
    let is_name = !tenant.is_empty()
        && tenant.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte));
    if !is_safe || !is_name {
        return None;
    }
    url.path_segments_mut().ok()?.pop_if_empty().extend([tenant, "oauth2", "v2.0", "token"]);
    Some(url)
}

#[cfg(test)]
mod tests;
