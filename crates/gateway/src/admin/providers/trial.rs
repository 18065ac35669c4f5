//! Whether a provider can be spoken to: it is asked for its list of models, which costs nothing. It is shown what
//! requests show it, the identity of the gateway's host included.
//!
//! What a provider says may repeat the key it was shown; nothing of it leaves without the key taken out.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use nexus_core::{
    call::{Call, Operation},
    capabilities::Capabilities,
    endpoint::Endpoint,
    fault::{Class, Fault},
    id::{RequestId, Uuid},
    site::{Options, Site},
};
use nexus_engine::{port::Clock, world::Credential as Opened};
use nexus_keystore::{secret::Secret, vault::Vault};
use nexus_providers::{
    dialect::{Ask, Dialect, Head, Listing},
    registry,
};
use nexus_store::repo::{credential::Credential, provider::StoredProvider};
use nexus_transport::{Access, Errand, Fetched, Reach, Showing};
use nexus_wire::chat::ChatRequest;
use serde::Serialize;
use url::Url;
use utoipa::ToSchema;

use crate::reload::credential_place;

/// From the first lookup to the last byte.
const PATIENCE: Duration = Duration::from_secs(10);

/// The longest list of models that is read.
const LIST_BYTES_MAX: usize = 1 << 20;

/// How many models are named by a test, and how many by a list.
const NAMED_MAX: usize = 50;
const LISTED_MAX: usize = 10_000;

/// Characters of the longest text a provider is quoted with.
const QUOTED_CHARS_MAX: usize = 500;

/// The smallest question a dialect can put into words; it is never sent.
const QUESTION: &[u8] = br#"{"model":"m","messages":[{"role":"user","content":"m"}]}"#;

/// What came of asking a provider.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Verdict)]
pub struct Verdict {
    /// Whether it answered with its list of models.
    pub ok: bool,
    /// The status of its answer. None: there was no answer.
    pub status: Option<u16>,
    pub latency_ms: u64,
    /// How many models its list has.
    pub model_count: Option<usize>,
    /// The first 50 of them; of a list, all.
    pub models: Vec<String>,
    pub fault: Option<FaultBody>,
}

/// Why it did not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Fault)]
pub struct FaultBody {
    /// `connect`, `timeout`, `forbidden_address`, `credential`, and so on, as in metrics.
    pub class: String,
    pub message: String,
    /// The provider's own words.
    pub said: Option<String>,
}

/// A provider to be asked.
pub struct Trial {
    provider: StoredProvider,
    /// The fault: there is a credential and it does not open.
    credential: Result<Option<Opened>, Fault>,
}

impl Trial {
    pub fn new(provider: StoredProvider, credential: Option<&Credential>, vault: &Vault) -> Self {
        let open = |credential: &Credential| {
            let (id, generation) = (credential.id, credential.secret.generation);
            let opened = vault.open(&credential.secret.sealed.0, credential_place(id, generation));
            let secret = opened.map_err(|closed| Fault::new(Class::Credential, closed.to_string()))?;
            Ok(Opened { id, generation, secret: Arc::new(secret) })
        };
        Self { provider, credential: credential.map(open).transpose() }
    }

    /// Asks, and names the first of its models. Runs inside an actix runtime only.
    pub async fn run(self, access: &Access, clock: &dyn Clock) -> Verdict {
        self.ask(access, clock, NAMED_MAX).await
    }

    /// Asks, and names all of its models.
    pub async fn list(self, access: &Access, clock: &dyn Clock) -> Verdict {
        self.ask(access, clock, LISTED_MAX).await
    }

    async fn ask(self, access: &Access, clock: &dyn Clock, named_max: usize) -> Verdict {
        let credential = match self.credential {
            Ok(credential) => credential,
            Err(fault) => return Verdict { fault: Some(told(fault, None)), ..Verdict::default() },
        };
        let key = credential.as_ref().map(|credential| &*credential.secret);
        let began_us = clock.monotonic_us();
        let fetched = match endpoint(&self.provider) {
            Ok(endpoint) => fetch(&Asked::of(&self.provider, endpoint, credential.as_ref()), access).await,
            Err(fault) => Err(fault),
        };
        let latency_ms = clock.monotonic_us().saturating_sub(began_us) / 1000;
        let status = fetched.as_ref().ok().map(|fetched| fetched.status);
        let listed = fetched.and_then(|fetched| read(&self.provider.kind, &fetched));
        let verdict = Verdict { status, latency_ms, ..Verdict::default() };
        match listed {
            Ok(models) => {
                let named = models.iter().take(named_max);
                let models_told = named.map(|model| quoted(model, key)).collect();
                Verdict { ok: true, model_count: Some(models.len()), models: models_told, ..verdict }
            }
            Err(fault) => Verdict { fault: Some(told(fault, key)), ..verdict },
        }
    }
}

/// Who is asked for a list of models, and with what.
pub struct Asked<'a> {
    pub kind: &'a str,
    pub endpoint: Endpoint,
    pub options: &'a Options,
    pub allow_private_network: bool,
    pub credential: Option<&'a Opened>,
}

impl<'a> Asked<'a> {
    fn of(provider: &'a StoredProvider, endpoint: Endpoint, credential: Option<&'a Opened>) -> Self {
        let StoredProvider { kind, options, allow_private_network, .. } = provider;
        Self { kind, endpoint, options, allow_private_network: *allow_private_network, credential }
    }
}

/// The names of a provider's models. Runs inside an actix runtime only.
pub async fn models(asked: &Asked<'_>, access: &Access) -> Result<Vec<String>, Fault> {
    let fetched = fetch(asked, access).await?;
    read(asked.kind, &fetched)
}

fn endpoint(provider: &StoredProvider) -> Result<Endpoint, Fault> {
    let site = Site { region: None, options: &provider.options, base_path: "" };
    provider.endpoint.fill(site).map_err(|unfilled| Fault::new(Class::Connect, unfilled.to_string()))
}

async fn fetch(asked: &Asked<'_>, access: &Access) -> Result<Fetched, Fault> {
    let dialect = dialect(asked.kind)?;
    let site = Site { region: None, options: asked.options, base_path: "" };
    let credential = asked.credential;
    let unlisted = || Fault::new(Class::BadRequest, "this kind of provider lists no models");
    let Listing { endpoint, path } = dialect.listing(&asked.endpoint, site).ok_or_else(unlisted)?;
    let url = Url::parse(&format!("{endpoint}{path}"))
        .map_err(|_| Fault::new(Class::Connect, "the endpoint is no URL"))?;
    let reach = if asked.allow_private_network { Reach::Private } else { Reach::Public };
    let own = own_headers(dialect, site);
    let showing = Showing {
        scheme: dialect.auth(),
        credential,
        site,
        endpoint: &endpoint,
        reach,
        method: "GET",
        path: &path,
        headers: &own,
        body: b"",
    };
    let shown = access.show(&showing).await?;
    let fetched = get(access, &url, reach, &own, &shown.headers()).await?;
    if !shown.is_outlived(fetched.status) {
        return Ok(fetched);
    }
    let shown = access.show(&showing).await?;
    get(access, &url, reach, &own, &shown.headers()).await
}

async fn get(
    access: &Access,
    url: &Url,
    reach: Reach,
    own: &[(&'static str, String)],
    shown: &[(&'static str, Secret)],
) -> Result<Fetched, Fault> {
    let shown = shown.iter().map(|(name, value)| (*name, value.expose()));
    let headers: Vec<_> = own.iter().map(|(name, value)| (*name, value.as_str())).chain(shown).collect();
    let errand = Errand { url, headers: &headers, reach, limit_bytes: LIST_BYTES_MAX, timeout: PATIENCE };
    access.fetcher().get(errand).await
}

fn dialect(kind: &str) -> Result<&'static dyn Dialect, Fault> {
    let unspoken = || Fault::new(Class::BadRequest, "the provider's kind is not spoken here");
    registry::dialect(kind).ok_or_else(unspoken)
}

/// What the vendor wants with every request, such as the version of its interface.
fn own_headers(dialect: &dyn Dialect, site: Site<'_>) -> Vec<(&'static str, String)> {
    let body = Bytes::from_static(QUESTION);
    let Ok(request) = ChatRequest::read(&body) else { return Vec::new() };
    let call = Call {
        operation: Operation::ChatCompletions,
        alias: request.model.clone(),
        is_stream: false,
        wants_usage: false,
        request: RequestId(Uuid::nil()),
        asked_at_s: 0,
    };
    let encoded = dialect.encode(Ask {
        call: &call,
        body: &body,
        request: &request,
        real_model: "m",
        capabilities: Capabilities::UNSAID,
        site,
    });
    encoded.map(|encoded| encoded.headers).unwrap_or_default()
}

/// The models' ids.
fn read(kind: &str, fetched: &Fetched) -> Result<Vec<String>, Fault> {
    let Fetched { status, content_type, body } = fetched;
    if !(200..300).contains(status) {
        let head = Head { status: *status, content_type: content_type.as_deref(), ..Head::default() };
        return Err(dialect(kind)?.fault(head, body));
    }
    dialect(kind)?.listed(body)
}

fn told(fault: Fault, key: Option<&Secret>) -> FaultBody {
    FaultBody {
        class: fault.class.as_str().to_owned(),
        message: quoted(&fault.message, key),
        said: fault.said.map(|said| quoted(&said.message, key)),
    }
}

/// A text with the key taken out, cut short.
fn quoted(text: &str, key: Option<&Secret>) -> String {
    let key = key.map(Secret::expose).filter(|key| !key.is_empty());
    let clean = key.map_or_else(|| text.to_owned(), |key| text.replace(key, "***"));
    clean.chars().take(QUOTED_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vendors_own_headers_go_along() {
        let names = |kind| -> Vec<_> {
            own_headers(registry::dialect(kind).unwrap(), Site::PLAIN)
                .into_iter()
                .map(|(name, _)| name)
                .collect()
        };
        assert_eq!(names("openai"), Vec::<&str>::new());
        assert_eq!(names("anthropic"), ["anthropic-version"]);
    }

    #[test]
    fn a_provider_that_repeats_the_key_is_quoted_without_it() {
        let key = Secret::new("sk-canary".to_owned());
        let fault = Fault::new(Class::Credential, "refused: sk-canary, sk-canary");
        assert_eq!(told(fault, Some(&key)).message, "refused: ***, ***");
        assert_eq!(quoted(&"x".repeat(QUOTED_CHARS_MAX + 1), Some(&key)).len(), QUOTED_CHARS_MAX);
        assert_eq!(quoted("abc", Some(&Secret::new(String::new()))), "abc");
    }
}
