//! Credentials: the keys a provider is spoken to with. Requests are spread over those that are active.
//!
//! A key comes in and never goes out: answers show its last four characters and a fingerprint.

mod sealing;

use std::sync::Arc;

use nexus_core::id::{CredentialId, ProviderId, Uuid};
use nexus_engine::{identity, shared::Shared};
use nexus_keystore::root::CryptoFailed;
use nexus_store::{
    AnyConnection, StoreError,
    repo::{
        Changed, Removed,
        credential::{self, Credential, SealedSecret},
        provider,
    },
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use self::sealing::{KeyText, Sealer};
use super::{
    Admin,
    answer::{Created, Gone, Recorded, Shown, Told},
    body::{Json, present},
    call::{Call, found},
    change::{Change, Halt},
    check::Check,
    problem::{Kind, Problem},
    providers::{TidyText, Trial, Verdict, check_name, check_rate, check_weight, usual_weight, yes},
    query::{Listing, Unfiltered, Walk},
    route::PREFIX,
};
use crate::dice::WorkerDice;

/// A key of a provider, without the key.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Credential)]
pub struct CredentialBody {
    pub id: Uuid,
    pub provider_id: Uuid,
    #[schema(value_type = TidyText)]
    pub name: String,
    /// The last four characters of the key. None: the key is short, or older than this member.
    pub last_four: Option<String>,
    /// The same for the same key. None: the key came from the configuration file.
    pub fingerprint: Option<String>,
    /// Its share among the credentials of its provider.
    pub weight: u32,
    /// Requests a minute with it.
    pub rate_limit: Option<u32>,
    pub is_active: bool,
    /// The `ETag` without its quotes.
    pub version: i64,
    /// Unix seconds, as `updated_at`.
    pub created_at: i64,
    pub updated_at: i64,
}

impl From<&Credential> for CredentialBody {
    fn from(credential: &Credential) -> Self {
        let told = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Self {
            id: credential.id.0,
            provider_id: credential.provider.0,
            name: credential.name.clone(),
            last_four: told(&credential.secret.last_four),
            fingerprint: told(&credential.secret.fingerprint),
            weight: credential.weight,
            rate_limit: credential.rate_limit,
            is_active: credential.is_active,
            version: credential.version,
            created_at: credential.created_at_ms.div_euclid(1000),
            updated_at: credential.updated_at_ms.div_euclid(1000),
        }
    }
}

/// A credential to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCredential {
    #[schema(value_type = TidyText)]
    name: String,
    #[schema(write_only)]
    api_key: KeyText,
    #[serde(default = "usual_weight")]
    #[schema(minimum = 0, maximum = 1_000_000, default = 100)]
    weight: u32,
    /// Requests a minute with it.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    rate_limit: Option<u32>,
    #[serde(default = "yes")]
    #[schema(default = true)]
    is_active: bool,
}

/// What is to be another in a credential; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CredentialPatch {
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = TidyText, required = false)]
    name: Option<String>,
    /// A new key in the place of the old one.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = KeyText, required = false, write_only)]
    api_key: Option<KeyText>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = u32, required = false, minimum = 0, maximum = 1_000_000)]
    weight: Option<u32>,
    /// `null` takes the limit away.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u32>, required = false, minimum = 1, maximum = 1_000_000_000)]
    rate_limit: Option<Option<u32>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = bool, required = false)]
    is_active: Option<bool>,
}

/// What the work inside a transaction seals and opens with.
#[derive(Clone)]
pub struct Hands {
    pub admin: Arc<Admin>,
    pub shared: Arc<Shared>,
}

impl Hands {
    pub fn of<Q, B>(call: &Call<Q, B>) -> Self {
        let worker = call.worker();
        Self { admin: Arc::clone(&worker.admin), shared: Arc::clone(&worker.engine.shared) }
    }

    /// An id for something that is made inside a transaction, where no worker's dice are at hand.
    pub fn fresh_id(&self) -> Uuid {
        identity::mint(&*self.shared.clock, &WorkerDice::new())
    }

    pub fn sealer(&self) -> Sealer<'_> {
        Sealer { vault: &self.admin.vault, digests: &self.shared.keys.digests }
    }
}

/// Sealing fails where the system gives no random bytes.
pub fn failed(error: CryptoFailed) -> Problem {
    tracing::error!(%error, "a provider's key could not be sealed");
    Kind::Internal.into()
}

/// What makes this key the one of the provider's credential `default`; `None` where it is already.
pub fn as_default(
    conn: &mut AnyConnection,
    sealer: Sealer<'_>,
    provider: ProviderId,
    fresh_id: &dyn Fn() -> Uuid,
    key: &KeyText,
) -> Result<Option<(CredentialId, SealedSecret)>, Halt> {
    let known = credential::find_by_name(conn, provider, credential::DEFAULT)?;
    let (id, generation) = match &known {
        Some(known) if sealer.is_sealed(known.id, &known.secret, key.secret()) => return Ok(None),
        Some(known) => (known.id, known.secret.generation.saturating_add(1)),
        None => (CredentialId(fresh_id()), 0),
    };
    let secret = sealer.seal(id, generation, key.secret()).map_err(failed)?;
    Ok(Some((id, secret)))
}

pub async fn list(call: Call<Walk<Unfiltered>>) -> Result<Listing<CredentialBody>, Problem> {
    let (provider, page): (ProviderId, _) = (call.id("id")?, call.query.page());
    let rows = call.read(move |conn| {
        let Some(provider) = provider::show(conn, provider)? else { return Ok(None) };
        credential::page(conn, provider.id, &page).map(Some)
    });
    let rows = found(rows.await?)?;
    let key = |row: &Credential| (row.created_at_ms, row.id.to_string());
    Ok(call.query.listing(&call.admin().secrets.cursors, rows, key, |row| row.into()))
}

/// The credential, where it is this provider's.
pub fn of_provider(
    conn: &mut AnyConnection,
    provider: ProviderId,
    id: CredentialId,
) -> Result<Option<Credential>, StoreError> {
    Ok(credential::show(conn, id)?.filter(|credential| credential.provider == provider))
}

pub async fn show(call: Call) -> Result<Shown<CredentialBody>, Problem> {
    let (provider, id) = (call.id("id")?, call.id("credential_id")?);
    let credential = found(call.read(move |conn| of_provider(conn, provider, id)).await?)?;
    Ok(shown(&credential))
}

fn shown(credential: &Credential) -> Shown<CredentialBody> {
    Shown { body: credential.into(), version: credential.version }
}

pub async fn create(
    call: Call<(), Json<NewCredential>>,
) -> Result<Recorded<Created<CredentialBody>>, Problem> {
    let provider: ProviderId = call.id("id")?;
    let Json(wish) = &call.body;
    let mut check = Check::default();
    check_name(&mut check, "/name", &wish.name);
    wish.api_key.check(&mut check, "/api_key");
    check_weight(&mut check, "/weight", wish.weight);
    check_rate(&mut check, "/rate_limit", wish.rate_limit);
    check.finish()?;
    let (id, now_ms) = (call.fresh_id(), call.now_ms());
    let credential = Credential {
        id,
        provider,
        name: wish.name.clone(),
        secret: Hands::of(&call).sealer().seal(id, 0, wish.api_key.secret()).map_err(failed)?,
        weight: wish.weight,
        rate_limit: wish.rate_limit,
        is_active: wish.is_active,
        created_at_ms: now_ms,
        updated_at_ms: now_ms,
        version: 1,
    };
    call.change("credential.create", move |conn| {
        found(provider::show(conn, provider)?)?;
        credential::create(conn, &credential)?;
        let body = CredentialBody::from(&credential);
        let location = format!("{PREFIX}/providers/{provider}/credentials/{id}");
        let answer = Created { body: body.clone(), version: credential.version, location };
        Ok(Change::of("credential", id, None, answer).to(&body))
    })
    .await
}

pub async fn update(
    mut call: Call<(), Json<CredentialPatch>>,
) -> Result<Recorded<Shown<CredentialBody>>, Problem> {
    let (provider, id, version) = (call.id("id")?, call.id("credential_id")?, call.expected_version()?);
    let Json(patch) = &mut call.body;
    let key = patch.api_key.take();
    let mut check = Check::default();
    if let Some(name) = &patch.name {
        check_name(&mut check, "/name", name);
    }
    if let Some(key) = &key {
        key.check(&mut check, "/api_key");
    }
    if let Some(weight) = patch.weight {
        check_weight(&mut check, "/weight", weight);
    }
    check_rate(&mut check, "/rate_limit", patch.rate_limit.flatten());
    check.finish()?;
    let (name, weight, rate_limit, is_active) =
        (patch.name.clone(), patch.weight, patch.rate_limit, patch.is_active);
    let (hands, now_ms) = (Hands::of(&call), call.now_ms());
    call.change("credential.update", move |conn| {
        let before = found(of_provider(conn, provider, id)?)?;
        let next = before.secret.generation.saturating_add(1);
        let secret =
            key.map(|key| hands.sealer().seal(id, next, key.secret())).transpose().map_err(failed)?;
        let change = credential::Change { name, weight, rate_limit, is_active, secret };
        match credential::update(conn, id, &change, version, now_ms)? {
            Changed::Unknown => Err(Kind::NotFound.into()),
            Changed::Stale => Err(Kind::Stale.into()),
            Changed::Now(after) => {
                let change = Change::of("credential", id, None, shown(&after));
                Ok(change.from(&CredentialBody::from(&before)).to(&CredentialBody::from(&after)))
            }
        }
    })
    .await
}

pub async fn delete(call: Call) -> Result<Recorded<Gone>, Problem> {
    let (provider, id) = (call.id("id")?, call.id("credential_id")?);
    call.change("credential.delete", move |conn| {
        let before = found(of_provider(conn, provider, id)?)?;
        if credential::delete(conn, id)? == Removed::Unknown {
            return Err(Kind::NotFound.into());
        }
        Ok(Change::of("credential", id, None, Gone).from(&CredentialBody::from(&before)))
    })
    .await
}

/// Asks the provider with this credential, active or not.
pub async fn test(call: Call) -> Result<Told<Verdict>, Problem> {
    let (provider, id): (ProviderId, _) = (call.id("id")?, call.id("credential_id")?);
    let rows = call.read(move |conn| {
        let credential = of_provider(conn, provider, id)?;
        Ok(provider::show(conn, provider)?.zip(credential))
    });
    let (provider, credential) = found(rows.await?)?;
    let trial = Trial::new(provider, Some(&credential), &call.admin().vault);
    let engine = &call.worker().engine;
    Ok(Told(trial.run(engine.transport.access(), &*engine.shared.clock).await))
}
