//! Prices taken out and in: what is in force now, with providers by their names, so that it can be carried from
//! one installation to another. Taking in adds what differs and takes nothing away.

use std::collections::HashMap;

use nexus_config::settings;
use nexus_core::id::ProviderId;
use nexus_store::{
    AnyConnection, StoreError,
    repo::{
        price::{self, StoredPrice},
        provider,
    },
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    check_price,
    object::{NewPrice, PriceBody, RateBody, absolute},
    stored,
};
use crate::admin::{
    answer::{Recorded, Told},
    body::Json,
    call::Call,
    change::{Change, Halt},
    check::{Check, NameText},
    problem::Problem,
    routes::{ModelText, Multiplier},
    words::PriceKindWord,
};

/// Prices taken in at once.
const PRICES_MAX: usize = 2_000;

/// Prices to be carried elsewhere.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PriceBundle {
    #[schema(max_items = 2000)]
    prices: Vec<PriceEntry>,
}

/// A price, with its provider by name.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PriceEntry {
    /// `*` is every model.
    #[schema(value_type = ModelText)]
    real_name: String,
    /// None: wherever the model is had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 100)]
    provider: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<NameText>)]
    region: Option<String>,
    #[serde(default = "absolute")]
    #[schema(default = "absolute")]
    kind: PriceKindWord,
    #[serde(default)]
    #[schema(required = false, max_items = 128)]
    rates: Vec<RateBody>,
    #[serde(default, deserialize_with = "super::object::amount")]
    #[schema(default = 0, minimum = 0, maximum = 100_000_000_000_000_000_u64)]
    per_request_nano_usd: u64,
    #[serde(default)]
    #[schema(default = false)]
    is_free: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    multiplier: Option<Multiplier>,
}

impl PriceEntry {
    /// From a configuration file, which was checked.
    pub fn of_file(file: settings::Price) -> Self {
        let ppm = file.multiplier_ppm.map(|ppm| i64::try_from(ppm).unwrap_or(i64::MAX));
        Self {
            real_name: file.real_name,
            provider: file.provider,
            region: file.region,
            kind: file.kind.into(),
            rates: file.rates.iter().map(Into::into).collect(),
            per_request_nano_usd: file.per_request_nano_usd,
            is_free: file.is_free,
            multiplier: ppm.map(Multiplier),
        }
    }

    /// The name of the provider it is for.
    pub fn provider(&self) -> Option<&str> {
        self.provider.as_deref()
    }

    /// What it is for: of the same there is one price at a time.
    pub fn scope(&self) -> (String, Option<String>, Option<String>, PriceKindWord) {
        (self.real_name.clone(), self.provider.clone(), self.region.clone(), self.kind)
    }

    pub fn new(price: &StoredPrice, providers: &HashMap<ProviderId, String>) -> Self {
        let ppm = price.multiplier_ppm.map(|ppm| i64::try_from(ppm).unwrap_or(i64::MAX));
        Self {
            real_name: price.real_model.clone(),
            provider: price.provider.and_then(|id| providers.get(&id).cloned()),
            region: price.region.clone(),
            kind: price.kind.into(),
            rates: price.rates.iter().map(Into::into).collect(),
            per_request_nano_usd: price.per_request_nano_usd,
            is_free: price.is_free,
            multiplier: ppm.map(Multiplier),
        }
    }

    /// The same at the provider of this id.
    pub fn wish(self, provider: Option<ProviderId>) -> NewPrice {
        NewPrice {
            real_name: self.real_name,
            provider_id: provider.map(|id| id.0),
            region: self.region,
            kind: self.kind,
            rates: self.rates,
            per_request_nano_usd: self.per_request_nano_usd,
            is_free: self.is_free,
            multiplier: self.multiplier,
            valid_from: None,
        }
    }
}

fn names(conn: &mut AnyConnection) -> Result<HashMap<ProviderId, String>, StoreError> {
    Ok(provider::list(conn)?.into_iter().map(|provider| (provider.id, provider.name)).collect())
}

/// What is in force now.
pub async fn export(call: Call) -> Result<Told<PriceBundle>, Problem> {
    let now_ms = call.now_ms();
    let prices = call.read(move |conn| {
        let names = names(conn)?;
        let prices = price::in_force(conn, now_ms)?;
        Ok(prices.iter().map(|price| PriceEntry::new(price, &names)).collect())
    });
    Ok(Told(PriceBundle { prices: prices.await? }))
}

/// Prices to be taken in.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PriceImport {
    #[schema(max_items = 2000)]
    prices: Vec<PriceEntry>,
    /// Only tell what would be set.
    #[serde(default)]
    #[schema(default = false)]
    is_dry_run: bool,
}

/// What was set, or would be.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PriceChanges {
    /// Whether nothing was changed.
    is_dry_run: bool,
    set: Vec<PriceBody>,
    /// Prices that are in force already.
    unchanged: u64,
}

/// Sets what is not in force already, from now on.
pub async fn import(call: Call<(), Json<PriceImport>>) -> Result<Recorded<Told<PriceChanges>>, Problem> {
    let Json(PriceImport { prices, is_dry_run }) = &call.body;
    let (prices, is_dry_run) = (prices.clone(), *is_dry_run);
    let mut check = Check::default();
    if prices.len() > PRICES_MAX {
        check.flaw("/prices", format!("has more than {PRICES_MAX} prices; send them in parts"));
    }
    for (at, entry) in prices.iter().enumerate() {
        check_price(&mut check, &format!("/prices/{at}"), &entry.clone().wish(None));
    }
    check.finish()?;
    let now_ms = call.now_ms();
    let ids: Vec<_> = prices.iter().map(|_| call.fresh_id()).collect();
    call.change("price.import", move |conn| {
        let names = names(conn)?;
        let in_force = price::in_force(conn, now_ms)?;
        let mut changes = PriceChanges { is_dry_run, set: Vec::new(), unchanged: 0 };
        for ((at, entry), id) in prices.into_iter().enumerate().zip(ids) {
            let provider = match &entry.provider {
                None => None,
                Some(name) => Some(known(&names, name, at)?),
            };
            let price = stored(&entry.wish(provider), id, now_ms);
            if in_force.iter().any(|present| present.says_the_same(&price)) {
                changes.unchanged = changes.unchanged.saturating_add(1);
                continue;
            }
            if !is_dry_run {
                price::create(conn, &price)?;
            }
            changes.set.push(PriceBody::new(&price));
        }
        Ok(Change::of("price", "import", None, Told(changes.clone())).to(&changes))
    })
    .await
}

fn known(names: &HashMap<ProviderId, String>, name: &str, at: usize) -> Result<ProviderId, Halt> {
    let found = names.iter().find(|(_, known)| *known == name).map(|(id, _)| *id);
    let pointer = format!("/prices/{at}/provider");
    found.ok_or_else(|| Problem::at(&pointer, "there is no provider of this name").into())
}
