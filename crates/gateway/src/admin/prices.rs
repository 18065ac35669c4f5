//! Prices: what models cost from a moment on. One is never changed; a later one takes its place.

mod exchange;
mod object;
mod reprice;
mod unpriced;

use nexus_core::{
    id::{ProviderId, Uuid},
    price::Kind as PriceKind,
};
use nexus_engine::pricing::Priced;
use nexus_store::repo::{
    price::{self, StoredPrice},
    provider,
};
use serde::Deserialize;
use utoipa::IntoParams;

use self::object::{EffectiveBody, NewPrice};
pub use self::{
    exchange::{PriceEntry, export, import},
    object::PriceBody,
    reprice::{reprice, reprices, show_reprice, stop_reprice},
    unpriced::unpriced,
};
use super::{
    answer::{Created, Recorded, Shown, Told},
    body::Json,
    call::{Call, found},
    change::{Change, Halt},
    check::Check,
    problem::Problem,
    providers::check_model,
    query::{Filter, Listing, Walk},
    route::PREFIX,
};

/// The most rates a price has.
const RATES_MAX: usize = 128;
/// The latest moment a price may begin: the year 9999.
const VALID_FROM_MAX_S: i64 = 253_402_300_799;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct PriceFilter {
    /// Prices of this model only, by the provider's name of it.
    #[param(nullable = false)]
    real_name: Option<String>,
    /// Prices at this provider only.
    #[param(nullable = false)]
    provider_id: Option<Uuid>,
}

pub async fn list(call: Call<Walk<PriceFilter>>) -> Result<Listing<PriceBody>, Problem> {
    let PriceFilter { real_name, provider_id } = &call.query.filter;
    let filter = price::Filter { real_model: real_name.clone(), provider: provider_id.map(ProviderId) };
    let page = call.query.page();
    let rows = call.read(move |conn| price::page(conn, &filter, &page)).await?;
    let key = |row: &StoredPrice| (row.created_at_ms, row.id.to_string());
    Ok(call.query.listing(&call.admin().secrets.cursors, rows, key, PriceBody::new))
}

pub async fn show(call: Call) -> Result<Shown<PriceBody>, Problem> {
    let id = call.id("id")?;
    let price = found(call.read(move |conn| price::show(conn, id)).await?)?;
    Ok(Shown { body: PriceBody::new(&price), version: 1 })
}

pub async fn create(call: Call<(), Json<NewPrice>>) -> Result<Recorded<Created<PriceBody>>, Problem> {
    let Json(wish) = &call.body;
    let mut check = Check::default();
    check_price(&mut check, "", wish);
    check.finish()?;
    let price = stored(wish, call.fresh_id(), call.now_ms());
    call.change("price.create", move |conn| {
        if let Some(provider) = price.provider
            && provider::show(conn, provider)?.is_none()
        {
            return Err(Halt::from(Problem::at("/provider_id", "there is no such provider")));
        }
        price::create(conn, &price)?;
        let body = PriceBody::new(&price);
        let location = format!("{PREFIX}/prices/{}", price.id);
        let answer = Created { body: body.clone(), version: 1, location };
        Ok(Change::of("price", price.id, None, answer).to(&body))
    })
    .await
}

/// What is wrong with a wish that stands at `at` in the body.
pub fn check_price(check: &mut Check, at: &str, wish: &NewPrice) {
    check_model(check, &format!("{at}/real_name"), &wish.real_name);
    if let Some(region) = &wish.region {
        check.name(&format!("{at}/region"), region);
    }
    if wish.rates.len() > RATES_MAX {
        check.flaw(&format!("{at}/rates"), format!("has more than {RATES_MAX} rates; leave some away"));
    }
    let is_nothing = wish.rates.is_empty() && wish.per_request_nano_usd == 0;
    let is_free = format!("{at}/is_free");
    match wish.kind.into() {
        PriceKind::Absolute if wish.is_free != is_nothing => {
            check.flaw(&is_free, "must be true for a price of nothing and false for any other");
        }
        PriceKind::Relative if !is_nothing || wish.is_free => {
            check.flaw(&format!("{at}/rates"), "a relative price has a `multiplier` and nothing else");
        }
        PriceKind::Relative if wish.multiplier.is_none() => {
            check.flaw(&format!("{at}/multiplier"), "must be given for a relative price");
        }
        PriceKind::Ceiling if is_nothing || wish.is_free => {
            check.flaw(&format!("{at}/rates"), "a ceiling must cost something");
        }
        _ => {}
    }
    if let Some(valid_from) = wish.valid_from {
        check.within(&format!("{at}/valid_from"), valid_from, 0, VALID_FROM_MAX_S);
    }
}

/// What is wished for, as it is stored.
pub fn stored(wish: &NewPrice, id: Uuid, now_ms: i64) -> StoredPrice {
    StoredPrice {
        id,
        real_model: wish.real_name.clone(),
        provider: wish.provider_id.map(ProviderId),
        region: wish.region.clone(),
        kind: wish.kind.into(),
        rates: wish.rates.iter().map(Into::into).collect(),
        per_request_nano_usd: wish.per_request_nano_usd,
        is_free: wish.is_free,
        multiplier_ppm: wish.multiplier.and_then(|multiplier| u64::try_from(multiplier.0).ok()),
        valid_from_ms: wish.valid_from.map_or(now_ms, |valid_from| valid_from.saturating_mul(1000)),
        created_at_ms: now_ms,
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// The alias whose targets are priced.
    alias: String,
}

/// What each target of an alias costs now, and who says so.
pub async fn effective(call: Call<Filter<Wanted>>) -> Result<Told<EffectiveBody>, Problem> {
    let Filter(Wanted { alias }) = &call.query;
    let world = call.worker().engine.shared.worlds.current();
    let route = found(world.snapshot.catalogue.resolve(alias, None))?.route;
    let now_ms = call.now_ms();
    let targets = route.targets.iter().map(|target| {
        let model = target.model_for(alias);
        let priced = Priced::find(&world.snapshot.prices, target, model, now_ms);
        object::target(target, model, &priced)
    });
    Ok(Told(EffectiveBody { alias: alias.clone(), targets: targets.collect() }))
}
