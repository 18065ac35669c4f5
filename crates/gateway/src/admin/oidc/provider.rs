//! What is known of the identity provider: its addresses and its keys, fetched when they are needed.
//!
//! They are fetched anew after an hour, and for a key nobody has heard of; never twice within a minute for the
//! same reason, so that sign-ins cannot be used to send the gateway running.

use std::sync::{Arc, Mutex, PoisonError};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use nexus_config::settings;
use nexus_keystore::oidc::{ClientAuth, Discovery, KeySet, Unusable, discovery_url};
use nexus_transport::{Fetcher, Reach, Tls};
use serde::Deserialize;
use url::form_urlencoded;

use super::{
    errand::{Errands, unusable},
    passage::Passage,
};
use crate::{admin::problem::Problem, worker::Worker};

/// Milliseconds after which everything is fetched anew.
const STALE_MS: u64 = 3_600_000;
/// Milliseconds between two fetches for a key that is not known.
const NEW_KEYS_MS: u64 = 60_000;
/// Milliseconds for which a provider that was away is not tried again.
const AWAY_MS: u64 = 5_000;

/// The configured issuer cannot be used.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("`console.oidc.issuer`: {0}")]
pub struct BadIssuer(Unusable);

/// What a provider said of itself.
#[derive(Clone, Debug)]
pub struct Known {
    pub discovery: Arc<Discovery>,
    pub keys: Arc<KeySet>,
    /// Milliseconds since the process began.
    fetched_ms: u64,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    Usual,
    /// A token names a key that is not among the known ones.
    NewKeys,
}

#[derive(Debug, Default)]
struct Memory {
    known: Option<Known>,
    failed_ms: Option<u64>,
}

impl Memory {
    /// What is known and good enough; none where it must be fetched.
    fn good(&self, wanted: Wanted, now_ms: u64) -> Option<Known> {
        let life_ms = match wanted {
            Wanted::Usual => STALE_MS,
            Wanted::NewKeys => NEW_KEYS_MS,
        };
        self.known.clone().filter(|known| now_ms.saturating_sub(known.fetched_ms) < life_ms)
    }

    fn is_away(&self, now_ms: u64) -> bool {
        self.failed_ms.is_some_and(|failed_ms| now_ms.saturating_sub(failed_ms) < AWAY_MS)
    }
}

/// The provider, and what is remembered of it.
#[derive(Debug)]
pub struct Provider {
    issuer: String,
    document: String,
    errands: Errands,
    memory: Mutex<Memory>,
}

impl Provider {
    pub fn new(settings: &settings::Oidc, tls: &Tls) -> Result<Self, BadIssuer> {
        let reach = if settings.allow_private_network { Reach::Private } else { Reach::Public };
        Ok(Self {
            issuer: settings.issuer.clone(),
            document: discovery_url(&settings.issuer).map_err(BadIssuer)?,
            errands: Errands { fetcher: Fetcher::new(tls), reach },
            memory: Mutex::default(),
        })
    }

    /// What the provider says of itself, fetched where it is not known well enough.
    pub async fn known(&self, worker: &Worker, wanted: Wanted) -> Result<Known, Problem> {
        let now_ms = worker.engine.shared.clock.monotonic_us() / 1000;
        if let Some(known) = self.remembered(wanted, now_ms)? {
            return Ok(known);
        }
        let fetched = self.fetch(now_ms).await;
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        match fetched {
            Ok(known) => {
                *memory = Memory { known: Some(known.clone()), failed_ms: None };
                Ok(known)
            }
            Err(problem) => {
                memory.failed_ms = Some(now_ms);
                Err(problem)
            }
        }
    }

    fn remembered(&self, wanted: Wanted, now_ms: u64) -> Result<Option<Known>, Problem> {
        let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        match memory.good(wanted, now_ms) {
            None if memory.is_away(now_ms) => Err(unusable("it was away a moment ago")),
            known => Ok(known),
        }
    }

    async fn fetch(&self, now_ms: u64) -> Result<Known, Problem> {
        let document = self.errands.document(&self.document).await?;
        let discovery =
            Discovery::parse(&self.issuer, &document).map_err(|why| unusable(&why.to_string()))?;
        let keys = self.errands.document(&discovery.jwks_uri).await?;
        let keys = KeySet::parse(&keys).map_err(|why| unusable(&why.to_string()))?;
        Ok(Known { discovery: Arc::new(discovery), keys: Arc::new(keys), fetched_ms: now_ms })
    }

    /// Trades a code for an ID token (OpenID Connect Core 1.0, section 3.1.3); none where the provider refuses.
    pub async fn trade(
        &self,
        settings: &settings::Oidc,
        discovery: &Discovery,
        code: &str,
        passage: &Passage,
    ) -> Result<Option<String>, Problem> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code")
            .append_pair("code", code)
            .append_pair("redirect_uri", &passage.redirect_uri)
            .append_pair("code_verifier", &passage.verifier);
        let secret = settings.client_secret.as_ref().map(|secret| secret.expose());
        let mut basic = None;
        match (secret, discovery.client_auth) {
            (Some(secret), ClientAuth::Basic) => basic = Some(credentials(&settings.client_id, secret)),
            (Some(secret), ClientAuth::Post) => {
                form.append_pair("client_id", &settings.client_id).append_pair("client_secret", secret);
            }
            (None, _) => {
                form.append_pair("client_id", &settings.client_id);
            }
        }
        let headers: Vec<_> = basic.iter().map(|basic| ("authorization", basic.as_str())).collect();
        let fetched = self.errands.form(&discovery.token_endpoint, &headers, form.finish()).await?;
        let answer = serde_json::from_slice::<Traded>(&fetched.body).ok();
        Ok(answer.filter(|_| fetched.status == 200).map(|answer| answer.id_token))
    }
}

#[derive(Deserialize)]
struct Traded {
    id_token: String,
}

/// RFC 6749, section 2.3.1: both parts are form-encoded first.
fn credentials(client_id: &str, secret: &str) -> String {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    format!("Basic {}", STANDARD.encode(format!("{}:{}", encoded(client_id), encoded(secret))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(fetched_ms: Option<u64>, failed_ms: Option<u64>) -> Memory {
        let discovery = Discovery {
            authorization_endpoint: String::new(),
            token_endpoint: String::new(),
            jwks_uri: String::new(),
            client_auth: ClientAuth::Basic,
        };
        let keys = KeySet::parse(br#"{"keys":[]}"#).unwrap();
        let (discovery, keys) = (Arc::new(discovery), Arc::new(keys));
        Memory { known: fetched_ms.map(|fetched_ms| Known { discovery, keys, fetched_ms }), failed_ms }
    }

    #[test]
    fn what_is_known_is_fetched_anew_after_an_hour_and_for_a_new_key_once_a_minute() {
        for (fetched_ms, wanted, now_ms, is_good) in [
            (None, Wanted::Usual, 0, false),
            (Some(5), Wanted::Usual, 5, true),
            (Some(5), Wanted::Usual, STALE_MS + 4, true),
            (Some(5), Wanted::Usual, STALE_MS + 5, false),
            (Some(5), Wanted::NewKeys, NEW_KEYS_MS + 4, true),
            (Some(5), Wanted::NewKeys, NEW_KEYS_MS + 5, false),
        ] {
            let good = memory(fetched_ms, None).good(wanted, now_ms);
            assert_eq!(good.is_some(), is_good, "{fetched_ms:?} {wanted:?} {now_ms}");
        }
    }

    #[test]
    fn a_provider_that_was_away_is_left_alone_for_a_moment() {
        for (failed_ms, now_ms, is_away) in [
            (None, 0, false),
            (Some(5), 5, true),
            (Some(5), AWAY_MS + 4, true),
            (Some(5), AWAY_MS + 5, false),
        ] {
            assert_eq!(memory(None, failed_ms).is_away(now_ms), is_away, "{failed_ms:?} {now_ms}");
        }
    }

    #[test]
    fn name_and_secret_of_a_client_are_encoded_before_they_are_joined() {
        assert_eq!(credentials("a:b", "c d%"), format!("Basic {}", STANDARD.encode("a%3Ab:c+d%25")));
    }
}
