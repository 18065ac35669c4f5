//! Tokens of Microsoft Entra, made from the secret of an application (OAuth 2.0, client credentials).
//!
//! A credential that is no JSON object is a key, and goes into the header of the vendor's name. What an
//! application's JSON says is never repeated in a fault.

use nexus_core::fault::Fault;
use nexus_engine::world::Credential;
use nexus_keystore::secret::Secret;
use serde::Deserialize;
use url::Url;

use super::{
    Access, Showing, Shown,
    grant::{self, Question},
    unusable,
};
use crate::egress::Reach;

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

/// Shows a key in the header, or an application's token for `scope` as a bearer.
pub(super) async fn show<'a>(
    access: &Access,
    showing: &Showing<'a>,
    credential: &'a Credential,
    header: &'static str,
    scope: &'static str,
) -> Result<Shown<'a>, Fault> {
    let secret = credential.secret.expose();
    if !secret.trim_start().starts_with('{') {
        return Ok(Shown::key(header, credential));
    }
    let question = Application::read(secret)?.question(scope, showing.reach)?;
    let fetcher = access.fetcher.clone();
    access.bearer_token(credential, scope, move || grant::ask(fetcher, question)).await
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

    /// Only inside the operator's own network may the secret travel in clear.
    fn url(&self, reach: Reach) -> Result<Url, Fault> {
        let wrong =
            || unusable("the application's `authority` is no `https` address, or its `tenant_id` no name");
        let mut url = Url::parse(self.authority.as_deref().unwrap_or(AUTHORITY)).map_err(|_| wrong())?;
        let is_safe = url.scheme() == "https" || url.scheme() == "http" && reach == Reach::Private;
        let is_name = |tenant: &str| {
            !tenant.is_empty()
                && tenant.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte))
        };
        if !is_safe || !is_name(&self.tenant_id) {
            return Err(wrong());
        }
        let mut path = url.path_segments_mut().map_err(|()| wrong())?;
        path.pop_if_empty().extend([&*self.tenant_id, "oauth2", "v2.0", "token"]);
        drop(path);
        Ok(url)
    }
}

#[cfg(test)]
mod tests;
