//! What an attempt costs: the price that was set here, else the shipped one, else nobody knows.
//!
//! The price is fixed when the attempt begins; only the tier that was served is learnt from the answer.

use std::sync::Arc;

use nexus_core::{
    catalogue::Target,
    price::{Price, PriceBook, Terms, Tier},
    usage::{Cost, Pricing, Source, Usage},
};
use nexus_providers::registry;

/// A target's price at a moment.
#[derive(Clone, Debug)]
pub struct Priced {
    pub price: Price,
    multipliers_ppm: [Option<u64>; 2],
}

impl Priced {
    /// Of a model at a target, `now_ms`.
    pub fn find(book: &PriceBook, target: &Target, model: &str, now_ms: i64) -> Self {
        let own = book.find(model, target.provider.id, now_ms, now_ms);
        let price = match own {
            Some(dated) => dated.price.clone(),
            None => shipped(&target.provider.kind, model),
        };
        let negotiated_ppm = own.and_then(|dated| dated.multiplier_ppm);
        Self { price, multipliers_ppm: [book.multiplier_ppm(target.route), negotiated_ppm] }
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
            (_, Some(amount)) if amount.is_complete => (amount.nano_usd, Pricing::Known),
            (_, Some(amount)) => (amount.nano_usd, Pricing::Partial),
            (_, None) => (0, Pricing::Unknown),
        };
        Cost { nano_usd, pricing, rule, tier }
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
