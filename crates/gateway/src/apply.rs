//! Applies the configuration's providers to the database: idempotently, in one transaction, adding and
//! changing but never taking away.

use nexus_config::{
    plain::Plain,
    settings::{Model, Provider},
};
use nexus_core::{
    endpoint::Endpoint,
    id::{CredentialId, ProviderId, RouteId, Uuid},
};
use nexus_engine::{
    identity,
    port::{Clock, Dice},
};
use nexus_keystore::{secret::Secret, vault::Vault};
use nexus_providers::registry;
use nexus_store::{
    Store,
    repo::{
        Applied,
        credential::{self, Credential, SealedSecret},
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
    let vendor = registry::kinds().find(|vendor| vendor.id == settings.kind);
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
    let now_ms = workshop.clock.unix_ms();
    // one transaction: what a secret is sealed for must be what stands there when it is written
    workshop.store.write_blocking(|conn| {
        let present = provider::find_by_name(conn, &settings.name)?;
        let id = present.map_or_else(|| ProviderId(workshop.id()), |present| present.id);
        let known = credential::find_by_name(conn, id, credential::DEFAULT)?;
        let credential = known.as_ref().map_or_else(|| CredentialId(workshop.id()), |known| known.id);
        let sealed = settings.api_key.map(|key| workshop.sealed(credential, key, known)).transpose();
        let secret = match sealed {
            Ok(secret) => secret,
            // nothing is written yet
            Err(error) => return Ok(Err(error)),
        };
        let row = StoredProvider {
            id,
            name: settings.name,
            kind: settings.kind,
            endpoint,
            weight: settings.weight,
            rate_limit: settings.rate_limit,
            allow_private_network: settings.allow_private_network,
            is_active: true,
            created_at_ms: now_ms,
            updated_at_ms: now_ms,
            version: 1,
        };
        let (_, mut applied) = provider::apply(conn, &row, now_ms)?;
        for model in settings.models {
            let (_, change) = route::apply(conn, &workshop.route(id, model, now_ms), now_ms)?;
            applied = both(applied, change);
        }
        if let Some(secret) = secret {
            applied = both(applied, credential::apply(conn, credential, id, &secret, now_ms)?);
        }
        Ok(Ok(applied))
    })?
}

fn both(provider: Applied, part: Applied) -> Applied {
    if provider == Applied::Unchanged && part != Applied::Unchanged { Applied::Updated } else { provider }
}

impl Workshop<'_> {
    fn id(&self) -> Uuid {
        identity::mint(self.clock, self.dice)
    }

    /// The key sealed for its row; the text that stands there already where it says the same.
    fn sealed(
        &self,
        id: CredentialId,
        key: Plain,
        known: Option<Credential>,
    ) -> Result<SealedSecret, StartError> {
        let mut generation = 0;
        let key = Secret::new(key.into_text());
        let text = key.expose();
        let last_four = text.get(text.len().saturating_sub(4)..).unwrap_or_default().to_owned();
        if let Some(Credential { secret: known, .. }) = known {
            let opened = self.vault.open(&known.sealed.0, credential_place(id, known.generation));
            if opened.is_ok_and(|opened| opened.expose() == text) {
                return Ok(SealedSecret { last_four, ..known });
            }
            generation = known.generation.saturating_add(1);
        }
        let sealed = self.vault.seal(&key, credential_place(id, generation))?.into_text();
        Ok(SealedSecret { sealed: SealedText(sealed), generation, last_four, fingerprint: String::new() })
    }

    fn route(&self, provider: ProviderId, model: Model, now_ms: i64) -> StoredRoute {
        StoredRoute {
            id: RouteId(self.id()),
            alias: model.alias,
            provider,
            real_model: model.real_name,
            cost_multiplier_ppm: i64::try_from(model.cost_multiplier_ppm).unwrap_or(i64::MAX),
            rate_limit: model.rate_limit,
            region_weights: model.region_weights,
            is_active: true,
            weight: None,
            created_at_ms: now_ms,
            updated_at_ms: now_ms,
            version: 1,
        }
    }
}
