//! What an attempt costs: the price that was set here, else the shipped one, else nobody knows.
//!
//! The price is fixed when the attempt begins; only the tier that was served is learnt from the answer.

use std::sync::Arc;

use nexus_core::{
    catalogue::Target,
    id::ProviderId,
    price::{MULTIPLIERS, Price, PriceBook, Terms, Tier},
    usage::{Cost, Pricing, Source, Usage},
};
use nexus_providers::registry;

/// What is priced: a model at a place, under a route's multiplier.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The vendor's id.
    pub kind: &'a str,
    pub provider: ProviderId,
    pub region: Option<&'a str>,
    /// The provider's name of it.
    pub model: &'a str,
    pub multiplier_ppm: Option<u64>,
}

/// A target's price at a moment.
#[derive(Clone, Debug)]
pub struct Priced {
    pub price: Price,
    /// Whether the price is only what it is booked at because nobody has said one.
    pub is_ceiling: bool,
    /// The route's first.
    multipliers_ppm: [Option<u64>; MULTIPLIERS],
}

impl Priced {
    /// Of a model at a target, `now_ms`.
    pub fn find(book: &PriceBook, target: &Target, model: &str, now_ms: i64) -> Self {
        let place = Place {
            kind: &target.provider.kind,
            provider: target.provider.id,
            region: target.region.as_deref(),
            model,
            multiplier_ppm: target.cost_multiplier_ppm,
        };
        Self::at(book, place, now_ms, now_ms)
    }

    /// Of a model at a place and a moment, as known at another.
    pub fn at(book: &PriceBook, place: Place<'_>, moment_ms: i64, known_by_ms: i64) -> Self {
        let Place { kind, provider, region, model, multiplier_ppm } = place;
        let found = book.find(model, provider, region, moment_ms, known_by_ms);
        let mut multipliers_ppm = [None; MULTIPLIERS];
        let said = found.absolute.and_then(|dated| dated.multiplier_ppm);
        let all = [multiplier_ppm, said].into_iter().chain(found.multipliers_ppm);
        multipliers_ppm.iter_mut().zip(all).for_each(|(slot, multiplier)| *slot = multiplier);
        let price = match found.absolute {
            Some(dated) => dated.price.clone(),
            None => shipped(kind, model),
        };
        match (price, found.ceiling) {
            // a ceiling is as high as it says, whatever else is multiplied
            (Price::Unknown, Some(ceiling)) => {
                let mut own = [None; MULTIPLIERS];
                own.iter_mut()
                    .zip([multiplier_ppm, ceiling.multiplier_ppm])
                    .for_each(|(slot, one)| *slot = one);
                Self { price: ceiling.price.clone(), is_ceiling: true, multipliers_ppm: own }
            }
            (price, _) => Self { price, is_ceiling: false, multipliers_ppm },
        }
    }

    /// All that the rates are multiplied by, in millionths; the route's first.
    pub fn multipliers(&self) -> impl Iterator<Item = u64> {
        self.multipliers_ppm.into_iter().flatten()
    }

    /// What usage costs at a tier: `None` where nobody knows.
    pub fn nano_usd(&self, usage: &Usage, tier: Tier) -> Option<u64> {
        self.price.charge(usage, self.terms(tier)).map(|amount| amount.nano_usd)
    }

    /// What an attempt is booked with. One that used nothing costs nothing, whatever the price.
    pub fn cost(&self, usage: &Usage, source: Source, tier: Tier) -> Cost {
        if source == Source::Nothing {
            return Cost { pricing: Pricing::Known, tier, ..Cost::default() };
        }
        let rule = match &self.price {
            Price::Known(rates) => Some(Arc::clone(&rates.rule)),
            Price::Free | Price::Unknown => None,
        };
        let (nano_usd, pricing) = match (&self.price, self.price.charge(usage, self.terms(tier))) {
            (Price::Free, _) => (0, Pricing::Free),
            (_, Some(amount)) if self.is_ceiling => (amount.nano_usd, Pricing::Ceiling),
            (_, Some(amount)) if amount.is_complete => (amount.nano_usd, Pricing::Known),
            (_, Some(amount)) => (amount.nano_usd, Pricing::Partial),
            (_, None) => (0, Pricing::Unknown),
        };
        Cost {
            nano_usd,
            pricing,
            rule,
            tier,
            multiplier_ppm: self.multipliers_ppm.first().copied().flatten(),
        }
    }

    fn terms(&self, tier: Tier) -> Terms {
        Terms { tier, multipliers_ppm: self.multipliers_ppm }
    }
}

/// What is known of a model without anybody having said it here. What runs on the operator's own machines
/// has no bill.
fn shipped(kind: &str, model: &str) -> Price {
    if let Some(rates) = nexus_models::find(kind, model).and_then(|model| model.rates.as_ref()) {
        return Price::Known(Arc::clone(rates));
    }
    match registry::kinds().find(|known| known.id == kind) {
        Some(kind) if kind.is_local => Price::Free,
        _ => Price::Unknown,
    }
}
