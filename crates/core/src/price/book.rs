//! The prices that were set here, and what routes multiply them by. What is shipped is looked up after it.

use std::collections::HashMap;

use super::{Dated, at};
use crate::id::{ProviderId, RouteId};

/// Prices by the provider's name of the model.
#[derive(Clone, Debug, Default)]
pub struct PriceBook {
    prices: HashMap<Box<str>, Vec<(Option<ProviderId>, Dated)>>,
    multipliers_ppm: HashMap<RouteId, u64>,
}

impl PriceBook {
    /// Puts a price in; without a provider it is for the model wherever it is had.
    pub fn insert(&mut self, model: &str, provider: Option<ProviderId>, price: Dated) {
        self.prices.entry(model.into()).or_default().push((provider, price));
    }

    /// What the costs of a route are multiplied by, in millionths.
    pub fn multiply(&mut self, route: RouteId, multiplier_ppm: u64) {
        self.multipliers_ppm.insert(route, multiplier_ppm);
    }

    pub fn multiplier_ppm(&self, route: RouteId) -> Option<u64> {
        self.multipliers_ppm.get(&route).copied()
    }

    /// The price of a model at a moment, as known at another: the provider's own before everybody's.
    pub fn find(
        &self,
        model: &str,
        provider: ProviderId,
        moment_ms: i64,
        known_by_ms: i64,
    ) -> Option<&Dated> {
        let prices = self.prices.get(model)?;
        let of = |wanted: Option<ProviderId>| {
            let fits = prices.iter().filter(move |(provider, _)| *provider == wanted);
            at(fits.map(|(_, dated)| dated), moment_ms, known_by_ms)
        };
        of(Some(provider)).or_else(|| of(None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{id::Uuid, price::Price};

    #[test]
    fn a_providers_own_price_goes_before_everybodys() {
        let provider = |number| ProviderId(Uuid::from_u128(number));
        let dated =
            |valid_from_ms, price| Dated { valid_from_ms, known_from_ms: 0, price, multiplier_ppm: None };
        let mut book = PriceBook::default();
        book.insert("m", None, dated(0, Price::Free));
        book.insert("m", Some(provider(1)), dated(10, Price::Unknown));
        for (model, number, moment, expected) in [
            ("m", 1, 9, Some(Price::Free)),
            ("m", 1, 10, Some(Price::Unknown)),
            ("m", 2, 10, Some(Price::Free)),
            ("other", 1, 10, None),
        ] {
            let found = book.find(model, provider(number), moment, i64::MAX).map(|dated| dated.price.clone());
            assert_eq!(found, expected, "{model} {number} {moment}");
        }
    }
}
