//! Applies the configuration's providers to the database: idempotently, in one transaction, adding and
//! changing but never taking away.

use nexus_config::{
    plain::Plain,
    settings::{Model, Provider},
};
use nexus_core::{
    endpoint::Endpoint,
    id::{ProviderId, RouteId, Uuid},
};
use nexus_engine::{
    identity,
    port::{Clock, Dice},
};
use nexus_keystore::{secret::Secret, vault::Vault};
use nexus_providers::registry;
use nexus_store::{
    AnyConnection, Store, StoreError,
    repo::{
        Applied,
        provider::{self, SealedText, StoredProvider},
        route::{self, StoredRoute},
    },
};

use crate::{reload::credential_place, start::StartError};

/// What applying needs beside the settings.
pub struct Workshop<'a> {
    pub store: &'a Store,
    pub vault: &'a Vault,
    pub clock: &'a dyn Clock,
    pub dice: &'a dyn Dice,
}

/// A provider that is known to be speakable, with its endpoint.
struct Checked {
    settings: Provider,
    endpoint: Endpoint,
}

/// Puts the providers and their models into the database.
pub fn providers(workshop: &Workshop<'_>, providers: Vec<Provider>) -> Result<(), StartError> {
    let checked = providers.into_iter().map(check).collect::<Result<Vec<_>, _>>()?;
    for provider in checked {
        let name = provider.settings.name.clone();
        let applied = one(workshop, provider)?;
        if applied != Applied::Unchanged {
            tracing::info!(provider = name, change = ?applied, "a provider was applied from the configuration");
        }
    }
    Ok(())
}

fn check(settings: Provider) -> Result<Checked, StartError> {
    let vendor = registry::vendors().iter().find(|vendor| vendor.id == settings.kind);
    let (name, kind) = (settings.name.clone(), settings.kind.clone());
    let vendor = vendor.ok_or_else(|| StartError::Kind { name: name.clone(), kind: kind.clone() })?;
    let endpoint = match &settings.endpoint {
        Some(endpoint) => endpoint.clone(),
        None => Endpoint::parse(vendor.base_url).map_err(|_| StartError::Endpoint { name, kind })?,
    };
    Ok(Checked { settings, endpoint })
}

fn one(workshop: &Workshop<'_>, provider: Checked) -> Result<Applied, StartError> {
    let Checked { settings, endpoint } = provider;
    let present = workshop.store.read_blocking(|conn| provider::find_by_name(conn, &settings.name))?;
    let id = present.as_ref().map_or_else(|| ProviderId(workshop.id()), |present| present.id);
    let known = present.and_then(|present| present.api_key);
    let api_key = settings.api_key.map(|key| workshop.sealed(id, key, known)).transpose()?;
    let row = StoredProvider {
        id,
        name: settings.name,
        kind: settings.kind,
        endpoint,
        api_key,
        weight: settings.weight,
        rate_limit: settings.rate_limit,
        allow_private_network: settings.allow_private_network,
        is_active: true,
    };
    let now_ms = workshop.clock.unix_ms();
    let routes: Vec<_> = settings.models.into_iter().map(|model| workshop.route(id, model)).collect();
    Ok(workshop.store.write_blocking(|conn| rows(conn, &row, &routes, now_ms))?)
}

fn rows(
    conn: &mut AnyConnection,
    provider: &StoredProvider,
    routes: &[StoredRoute],
    now_ms: i64,
) -> Result<Applied, StoreError> {
    let (_, mut applied) = provider::apply(conn, provider, now_ms)?;
    for route in routes {
        let (_, change) = route::apply(conn, route, now_ms)?;
        if applied == Applied::Unchanged && change != Applied::Unchanged {
            applied = Applied::Updated;
        }
    }
    Ok(applied)
}

impl Workshop<'_> {
    fn id(&self) -> Uuid {
        identity::mint(self.clock, self.dice)
    }

    /// The key sealed for its row; the text that stands there already where it says the same.
    fn sealed(
        &self,
        id: ProviderId,
        key: Plain,
        known: Option<SealedText>,
    ) -> Result<SealedText, StartError> {
        let place = credential_place(id.0);
        if let Some(known) = known
            && self.vault.open(&known.0, place).is_ok_and(|opened| opened.expose() == key.expose())
        {
            return Ok(known);
        }
        Ok(SealedText(self.vault.seal(&Secret::new(key.into_text()), place)?.into_text()))
    }

    fn route(&self, provider: ProviderId, model: Model) -> StoredRoute {
        StoredRoute {
            id: RouteId(self.id()),
            alias: model.alias,
            provider,
            real_model: model.real_name,
            cost_multiplier_ppm: i64::try_from(model.cost_multiplier_ppm).unwrap_or(i64::MAX),
            rate_limit: model.rate_limit,
            region_weights: model.region_weights,
            is_active: true,
        }
    }
}
