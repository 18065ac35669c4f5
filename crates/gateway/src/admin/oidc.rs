//! Signing in through an identity provider: there with PKCE, `state` and `nonce`, and back with a code.
//!
//! Between the two nothing is kept here: what must be remembered is in a sealed cookie of the browser that
//! began, so nobody can finish a sign-in somebody else began.

mod account;
mod errand;
mod passage;
mod provider;

use nexus_config::settings;
use nexus_keystore::oidc::{Expected, Identity, Pkce, Refused, fresh, verify_id_token};
use serde::Deserialize;
use url::Url;
use utoipa::IntoParams;

pub use self::provider::BadIssuer;
use self::{
    passage::Passage,
    provider::{Provider, Wanted},
};
use super::{
    call::found,
    problem::{Kind, Problem},
    query::Filter,
    route::PREFIX,
    session::{
        self, Proof,
        answer::Redirected,
        cookie::{self, Purpose},
    },
    visit::Visit,
};

/// Where the provider sends the browser back to.
const CALLBACK: &str = "/session/oidc/callback";

/// Where somebody who is signed in is sent.
const CONSOLE: &str = "/console/";

/// The configured identity provider. Shared by all workers.
pub struct Oidc {
    settings: settings::Oidc,
    provider: Provider,
}

impl Oidc {
    pub fn new(settings: settings::Oidc, tls: &nexus_transport::Tls) -> Result<Self, BadIssuer> {
        let provider = Provider::new(&settings, tls)?;
        Ok(Self { settings, provider })
    }
}

/// `GET /admin/v1/session/oidc`
pub async fn begin(visit: Visit) -> Result<Redirected, Problem> {
    let oidc = found(visit.admin().sign_in.oidc.as_ref())?;
    let known = oidc.provider.known(visit.worker(), Wanted::Usual).await?;
    let pkce = Pkce::new().map_err(|_| Kind::Internal)?;
    let passage = Passage {
        state: fresh().map_err(|_| Kind::Internal)?,
        nonce: fresh().map_err(|_| Kind::Internal)?,
        verifier: pkce.verifier.expose().to_owned(),
        redirect_uri: format!("{}{PREFIX}{CALLBACK}", cookie::own_origin(&visit.request)),
        begun_ms: visit.now_ms(),
    };
    let mut to = Url::parse(&known.discovery.authorization_endpoint).map_err(|_| Kind::Internal)?;
    to.query_pairs_mut()
        .append_pair("response_type", "code")
        .append_pair("client_id", &oidc.settings.client_id)
        .append_pair("redirect_uri", &passage.redirect_uri)
        .append_pair("scope", &oidc.settings.scopes)
        .append_pair("state", &passage.state)
        .append_pair("nonce", &passage.nonce)
        .append_pair("code_challenge", &pkce.challenge)
        .append_pair("code_challenge_method", "S256");
    let sealed = passage.seal(&visit.admin().vault)?;
    let cookies = vec![cookie::set(&visit.request, Purpose::OnItsWay, &sealed, passage::LIFE_S)];
    Ok(Redirected { to: to.into(), cookies })
}

/// What the provider sends along. It may send more, which decides nothing.
#[derive(Debug, Deserialize, IntoParams)]
pub struct Returned {
    #[param(nullable = false, max_length = 4096)]
    code: Option<String>,
    #[param(nullable = false, max_length = 100)]
    state: Option<String>,
    /// Who sends it (RFC 9207).
    #[param(nullable = false, max_length = 1000)]
    iss: Option<String>,
    #[param(nullable = false, max_length = 100)]
    error: Option<String>,
}

/// `GET /admin/v1/session/oidc/callback`
pub async fn finish(visit: Visit<Filter<Returned>>) -> Result<Redirected, Problem> {
    let oidc = found(visit.admin().sign_in.oidc.as_ref())?;
    let tries = visit.admin().sign_in.tries(visit.worker(), visit.address, None);
    tries.check()?;
    match come_in(&visit, oidc).await {
        Ok(redirected) => Ok(redirected),
        Err(Stopped::Problem(problem)) => Err(problem),
        Err(Stopped::Refused { claimed, why }) => {
            tries.failed();
            session::note_failure(visit.worker(), visit.address, visit.id, claimed, why.clone()).await?;
            Err(Problem::new(Kind::WrongCredentials, why))
        }
    }
}

/// Why a sign-in ends.
#[derive(Debug)]
enum Stopped {
    /// It is not believed. What was claimed is empty where nothing was.
    Refused {
        claimed: String,
        why: String,
    },
    Problem(Problem),
}

impl Stopped {
    fn refused(why: impl Into<String>) -> Self {
        Stopped::Refused { claimed: String::new(), why: why.into() }
    }
}

impl From<Problem> for Stopped {
    fn from(problem: Problem) -> Self {
        Stopped::Problem(problem)
    }
}

async fn come_in(visit: &Visit<Filter<Returned>>, oidc: &Oidc) -> Result<Redirected, Stopped> {
    let Filter(returned) = &visit.query;
    let sealed = cookie::read(&visit.request, Purpose::OnItsWay);
    let passage = sealed.and_then(|sealed| Passage::open(&visit.admin().vault, sealed, visit.now_ms()));
    let passage =
        passage.filter(|passage| returned.state.as_ref() == Some(&passage.state)).ok_or_else(|| {
            Stopped::refused("this browser began no such sign-in, or too long ago; begin again")
        })?;
    if returned.iss.as_ref().is_some_and(|issuer| *issuer != oidc.settings.issuer) {
        return Err(Stopped::refused("the answer comes from another identity provider"));
    }
    let Some(code) = &returned.code else {
        let error: String = returned.error.iter().flat_map(|error| error.chars()).take(100).collect();
        return Err(Stopped::refused(format!("the identity provider refused: `{error}`")));
    };
    let token = oidc.id_token(visit, code, &passage).await?;
    let identity = oidc.verify(visit, &token, &passage.nonce).await?;
    let user = account::of(visit, &oidc.settings, identity).await?;
    let mut cookies = session::enter(visit, user, Proof::Oidc).await?.cookies;
    cookies.push(cookie::forget(&visit.request, Purpose::OnItsWay));
    Ok(Redirected { to: CONSOLE.to_owned(), cookies })
}

impl Oidc {
    /// Trades the code for an ID token.
    async fn id_token<Q>(&self, visit: &Visit<Q>, code: &str, passage: &Passage) -> Result<String, Stopped> {
        let known = self.provider.known(visit.worker(), Wanted::Usual).await?;
        let answer = self.provider.trade(&self.settings, &known.discovery, code, passage).await?;
        answer.ok_or_else(|| Stopped::refused("the identity provider gave no ID token for its code"))
    }

    async fn verify<Q>(&self, visit: &Visit<Q>, token: &str, nonce: &str) -> Result<Identity, Stopped> {
        let expected = Expected {
            issuer: &self.settings.issuer,
            client_id: &self.settings.client_id,
            nonce,
            groups_claim: Some(&self.settings.groups_claim),
        };
        let now_s = visit.now_ms().div_euclid(1000);
        let known = self.provider.known(visit.worker(), Wanted::Usual).await?;
        let mut verified = verify_id_token(token, &known.keys, &expected, now_s);
        if verified == Err(Refused::UnknownKey) {
            let known = self.provider.known(visit.worker(), Wanted::NewKeys).await?;
            verified = verify_id_token(token, &known.keys, &expected, now_s);
        }
        verified.map_err(|refused| Stopped::refused(refused.to_string()))
    }
}
