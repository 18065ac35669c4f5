//! Providers: accounts at vendors. Their keys lie under [`super::credentials`].

mod object;
mod options;
pub mod trial;

use std::collections::BTreeMap;

use nexus_core::id::{CredentialId, ProviderId};
use nexus_store::{
    AnyConnection, StoreError,
    repo::{
        Changed, Page, Removed,
        credential::{self, Credential},
        provider::{self, StoredProvider},
        route,
    },
};
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

use self::object::{NewProvider, ProviderPatch};
pub use self::{
    object::{
        KindText, ProviderBody, TidyText, UrlText, check_key, check_kind, check_limits, check_model,
        check_name, check_rate, check_way, check_weight, read_endpoint, usual_endpoint, usual_weight, yes,
    },
    options::{OptionsObject, check_options, shown as shown_options},
    trial::{Trial, Verdict},
};
use super::{
    answer::{Created, Gone, Recorded, Shown, Told},
    body::Json,
    call::{Call, found},
    change::{Change, Halt},
    check::Check,
    credentials::{CredentialBody, Hands, KeyText, Sealer, as_default, failed},
    problem::{Kind, Problem},
    query::{Filter, Listing, Unfiltered, Walk},
    route::PREFIX,
    routes::RouteBody,
};

/// Rows read at once where all are wanted.
const ROWS_AT_ONCE: u32 = 1000;

pub async fn list(call: Call<Walk<Unfiltered>>) -> Result<Listing<ProviderBody>, Problem> {
    let page = call.query.page();
    let rows = call.read(move |conn| provider::page(conn, &page)).await?;
    let key = |row: &StoredProvider| (row.created_at_ms, row.id.to_string());
    Ok(call.query.listing(&call.admin().secrets.cursors, rows, key, |row| row.into()))
}

pub async fn show(call: Call) -> Result<Shown<ProviderBody>, Problem> {
    let id = call.id("id")?;
    let provider = found(call.read(move |conn| provider::show(conn, id)).await?)?;
    Ok(shown(&provider))
}

fn shown(provider: &StoredProvider) -> Shown<ProviderBody> {
    Shown { body: provider.into(), version: provider.version }
}

/// Makes a provider, and its first credential where a key is given. The two are one change.
pub async fn create(
    mut call: Call<(), Json<NewProvider>>,
) -> Result<Recorded<Created<ProviderBody>>, Problem> {
    let key = call.body.0.api_key.take();
    let Json(wish) = &call.body;
    let mut check = Check::default();
    let placed = wish.check(&mut check);
    if let Some(key) = &key {
        key.check(&mut check, "/api_key");
    }
    check.finish()?;
    let Some((endpoint, options)) = placed else { return Err(Kind::Invalid.into()) };
    let now_ms = call.now_ms();
    let provider = StoredProvider {
        id: call.fresh_id(),
        name: wish.name.clone(),
        kind: wish.kind.clone(),
        endpoint,
        options,
        weight: wish.weight,
        rate_limit: wish.rate_limit,
        token_limit: wish.token_limit,
        max_concurrent: wish.max_concurrent,
        allow_private_network: wish.allow_private_network,
        is_active: wish.is_active,
        created_at_ms: now_ms,
        updated_at_ms: now_ms,
        version: 1,
    };
    let (id, hands): (CredentialId, _) = (call.fresh_id(), Hands::of(&call));
    let first = key.map(|key| first_credential(hands.sealer(), id, &provider, &key)).transpose()?;
    call.change("provider.create", move |conn| {
        let whole = store(conn, &provider, first.as_ref())?;
        let location = format!("{PREFIX}/providers/{}", provider.id);
        let answer = Created { body: (&provider).into(), version: provider.version, location };
        Ok(Change::of("provider", provider.id, None, answer).to(&whole))
    })
    .await
}

/// The credential a new provider begins with.
pub fn first_credential(
    sealer: Sealer<'_>,
    id: CredentialId,
    provider: &StoredProvider,
    key: &KeyText,
) -> Result<Credential, Problem> {
    Ok(Credential {
        id,
        provider: provider.id,
        name: credential::DEFAULT.to_owned(),
        secret: sealer.seal(id, 0, key.secret()).map_err(failed)?,
        weight: credential::WEIGHT,
        rate_limit: None,
        is_active: true,
        created_at_ms: provider.created_at_ms,
        updated_at_ms: provider.updated_at_ms,
        version: 1,
    })
}

/// Stores a new provider, and tells of it for the trail.
pub fn store(
    conn: &mut AnyConnection,
    provider: &StoredProvider,
    first: Option<&Credential>,
) -> Result<Whole, StoreError> {
    provider::create(conn, provider)?;
    if let Some(first) = first {
        credential::create(conn, first)?;
    }
    let credentials = first.into_iter().map(CredentialBody::from).collect();
    Ok(Whole { provider: provider.into(), credentials, model_routes: Vec::new() })
}

/// A provider with everything that comes and goes with it, as the trail tells it.
#[derive(Serialize)]
pub struct Whole {
    #[serde(flatten)]
    provider: ProviderBody,
    credentials: Vec<CredentialBody>,
    model_routes: Vec<RouteBody>,
}

/// A provider with the credentials that a change was about, as the trail tells it.
#[derive(Serialize)]
struct Keyed {
    #[serde(flatten)]
    provider: ProviderBody,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    credentials: Vec<CredentialBody>,
}

impl Keyed {
    fn of(conn: &mut AnyConnection, provider: &StoredProvider, is_told: bool) -> Result<Self, StoreError> {
        let credentials = if is_told { credentials(conn, provider.id)? } else { Vec::new() };
        Ok(Self { provider: provider.into(), credentials: credentials.iter().map(Into::into).collect() })
    }
}

/// What a change of a provider leads to.
struct Move {
    change: provider::Change,
    options: Option<BTreeMap<String, String>>,
    key: Option<KeyText>,
}

impl Move {
    /// Whether the provider comes to lie at another server than its keys were given for.
    fn leaves_keys(&mut self, conn: &mut AnyConnection, before: &StoredProvider) -> Result<bool, Halt> {
        let mut check = Check::default();
        let endpoint = self.change.endpoint.as_ref().unwrap_or(&before.endpoint);
        if self.change.endpoint.is_some() || self.change.allow_private_network.is_some() {
            let allow = self.change.allow_private_network.unwrap_or(before.allow_private_network);
            check_way(&mut check, "/endpoint", endpoint, allow);
        }
        let kind = self.change.kind.as_deref().unwrap_or(&before.kind);
        let present = shown_options(&before.options);
        let said = self.options.as_ref().unwrap_or(&present);
        let options = if self.change.endpoint.is_some() || kind != before.kind || *said != present {
            check_options(&mut check, "", kind, endpoint, said)
        } else {
            before.options.clone()
        };
        let leaves = !endpoint.is_at_server_of(&options, &before.endpoint, &before.options)
            && credential::is_any_of(conn, before.id)?;
        if leaves {
            check_key(&mut check, "/api_key", self.key.as_ref());
        }
        check.finish()?;
        self.change.options = self.options.take().map(|_| options);
        Ok(leaves)
    }
}

pub async fn update(
    mut call: Call<(), Json<ProviderPatch>>,
) -> Result<Recorded<Shown<ProviderBody>>, Problem> {
    let (id, version): (ProviderId, _) = (call.id("id")?, call.expected_version()?);
    let key = call.body.0.api_key.take();
    let Json(patch) = &call.body;
    let mut check = Check::default();
    if let Some(key) = &key {
        key.check(&mut check, "/api_key");
    }
    if let Some(name) = &patch.name {
        check_name(&mut check, "/name", name);
    }
    if let Some(kind) = &patch.kind {
        check_kind(&mut check, "/kind", kind);
    }
    if let Some(weight) = patch.weight {
        check_weight(&mut check, "/weight", weight);
    }
    let limits = [patch.rate_limit, patch.token_limit, patch.max_concurrent];
    check_limits(&mut check, "", limits.map(Option::flatten));
    let endpoint = patch.endpoint.as_deref().and_then(|text| read_endpoint(&mut check, "/endpoint", text));
    check.finish()?;
    let options = patch.options.clone();
    let change = provider::Change {
        name: patch.name.clone(),
        kind: patch.kind.clone(),
        endpoint,
        options: None,
        weight: patch.weight,
        rate_limit: patch.rate_limit,
        token_limit: patch.token_limit,
        max_concurrent: patch.max_concurrent,
        allow_private_network: patch.allow_private_network,
        is_active: patch.is_active,
    };
    let mut step = Move { change, options, key };
    let (hands, now_ms) = (Hands::of(&call), call.now_ms());
    call.change("provider.update", move |conn| {
        let before = found(provider::show(conn, id)?)?;
        let leaves_keys = step.leaves_keys(conn, &before)?;
        let is_keyed = leaves_keys || step.key.is_some();
        let told = Keyed::of(conn, &before, is_keyed)?;
        let after = match provider::update(conn, id, &step.change, version, now_ms)? {
            Changed::Unknown => return Err(Kind::NotFound.into()),
            Changed::Stale => return Err(Kind::Stale.into()),
            Changed::Now(after) => after,
        };
        if leaves_keys {
            credential::delete_all_but_default(conn, id)?;
        }
        if let Some(key) = &step.key
            && let Some((credential, secret)) =
                as_default(conn, hands.sealer(), id, &|| hands.fresh_id(), key)?
        {
            credential::apply(conn, credential, id, &secret, now_ms)?;
        }
        let change = Change::of("provider", id, None, shown(&after));
        Ok(change.from(&told).to(&Keyed::of(conn, &after, is_keyed)?))
    })
    .await
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct Cascade {
    /// Whether the model routes that lead to it go too. Without it a provider with routes stays.
    #[param(nullable = false, default = false)]
    cascade: Option<bool>,
}

/// Deletes a provider and its credentials.
pub async fn delete(call: Call<Filter<Cascade>>) -> Result<Recorded<Gone>, Problem> {
    let id: ProviderId = call.id("id")?;
    let Filter(Cascade { cascade }) = call.query;
    call.change("provider.delete", move |conn| {
        let provider = found(provider::show(conn, id)?)?;
        let credentials = credentials(conn, id)?.iter().map(CredentialBody::from).collect();
        let model_routes = if cascade.unwrap_or_default() { delete_routes(conn, id)? } else { Vec::new() };
        if provider::delete(conn, id)? == Removed::Unknown {
            return Err(Kind::NotFound.into());
        }
        let before = Whole { provider: (&provider).into(), credentials, model_routes };
        Ok(Change::of("provider", id, None, Gone).from(&before))
    })
    .await
}

fn delete_routes(conn: &mut AnyConnection, id: ProviderId) -> Result<Vec<RouteBody>, Halt> {
    let filter = route::Filter { alias: None, provider: Some(id) };
    let page = Page { after: None, limit: ROWS_AT_ONCE };
    let mut gone = Vec::new();
    loop {
        let routes = route::page(conn, &filter, &page)?;
        if routes.is_empty() {
            return Ok(gone);
        }
        for row in routes {
            route::delete(conn, row.id)?;
            gone.push(RouteBody::from(&row));
        }
    }
}

/// The provider's credentials, the oldest first; of a crowd, the first of it.
pub fn credentials(conn: &mut AnyConnection, id: ProviderId) -> Result<Vec<Credential>, StoreError> {
    credential::page(conn, id, &Page { after: None, limit: ROWS_AT_ONCE })
}

/// Asks the provider with the oldest of its active credentials, or with none where it has none.
pub async fn test(call: Call) -> Result<Told<Verdict>, Problem> {
    let trial = trial(&call).await?;
    let engine = &call.worker().engine;
    Ok(Told(trial.run(engine.transport.access(), &*engine.shared.clock).await))
}

/// The same, with all of its models.
pub async fn models(call: Call) -> Result<Told<Verdict>, Problem> {
    let trial = trial(&call).await?;
    let engine = &call.worker().engine;
    Ok(Told(trial.list(engine.transport.access(), &*engine.shared.clock).await))
}

async fn trial(call: &Call) -> Result<Trial, Problem> {
    let id = call.id("id")?;
    let rows = call.read(move |conn| {
        let Some(provider) = provider::show(conn, id)? else { return Ok(None) };
        Ok(Some((provider, credentials(conn, id)?)))
    });
    let (provider, credentials) = found(rows.await?)?;
    let credential = credentials.iter().find(|credential| credential.is_active);
    Ok(Trial::new(provider, credential, &call.admin().vault))
}
