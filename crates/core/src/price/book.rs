//! The prices that were set here. What is shipped is looked up after them.
//!
//! What is said of a model goes before what is said of all, what of a provider before what of any, what of a
//! region before what of all its regions. A relative price multiplies what is found after it.

use std::collections::HashMap;

use super::{Dated, Kind, at};
use crate::id::ProviderId;

/// In place of a model: every model.
const EVERY: &str = "*";
/// Relative prices that can lie above one: one for each scope.
const SCOPES: usize = 8;

/// What a price is for, beside the model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Scope {
    /// `None`: wherever the model is had.
    pub provider: Option<ProviderId>,
    /// `None`: in every region.
    pub region: Option<Box<str>>,
}

/// What was set for a model at a place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found<'a> {
    pub absolute: Option<&'a Dated>,
    /// What the relative prices above it multiply it by, in millionths.
    pub multipliers_ppm: [Option<u64>; SCOPES],
    /// At what it is booked where it has no price, here or shipped.
    pub ceiling: Option<&'a Dated>,
}

/// Prices by the provider's name of the model.
#[derive(Clone, Debug, Default)]
pub struct PriceBook(HashMap<Box<str>, Vec<(Scope, Dated)>>);

impl PriceBook {
    /// Puts a price in; `*` is every model.
    pub fn insert(&mut self, model: &str, scope: Scope, price: Dated) {
        self.0.entry(model.into()).or_default().push((scope, price));
    }

    /// What holds for a model at a moment, as known at another.
    pub fn find(
        &self,
        model: &str,
        provider: ProviderId,
        region: Option<&str>,
        moment_ms: i64,
        known_by_ms: i64,
    ) -> Found<'_> {
        let mut found = Found::default();
        let mut above = 0_usize;
        let regions: &[Option<&str>] = if region.is_some() { &[region, None] } else { &[None] };
        for prices in [model, EVERY].iter().filter_map(|name| self.0.get(*name)) {
            for of_provider in [Some(provider), None] {
                for of_region in regions {
                    let of = |kind: Kind| {
                        let fits = prices.iter().filter(move |(scope, dated)| {
                            scope.provider == of_provider
                                && scope.region.as_deref() == *of_region
                                && dated.kind == kind
                        });
                        at(fits.map(|(_, dated)| dated), moment_ms, known_by_ms)
                    };
                    found.ceiling = found.ceiling.or_else(|| of(Kind::Ceiling));
                    if found.absolute.is_some() {
                        continue;
                    }
                    let multiplier_ppm = of(Kind::Relative).and_then(|relative| relative.multiplier_ppm);
                    if let Some(slot) = found.multipliers_ppm.get_mut(above)
                        && multiplier_ppm.is_some()
                    {
                        *slot = multiplier_ppm;
                        above = above.saturating_add(1);
                    }
                    found.absolute = of(Kind::Absolute);
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{id::Uuid, price::Price};

    fn provider(number: u128) -> ProviderId {
        ProviderId(Uuid::from_u128(number))
    }

    fn dated(kind: Kind, valid_from_ms: i64, multiplier_ppm: Option<u64>) -> Dated {
        Dated { kind, valid_from_ms, known_from_ms: 0, price: Price::Free, multiplier_ppm }
    }

    #[test]
    fn what_is_said_more_closely_goes_before() {
        let mut book = PriceBook::default();
        let scope = |number: Option<u128>, region: Option<&str>| Scope {
            provider: number.map(provider),
            region: region.map(Into::into),
        };
        // each price is known again by its moment
        book.insert("*", scope(None, None), dated(Kind::Absolute, 1, None));
        book.insert("*", scope(Some(1), None), dated(Kind::Absolute, 2, None));
        book.insert("m", scope(None, None), dated(Kind::Absolute, 3, None));
        book.insert("m", scope(None, Some("eu")), dated(Kind::Absolute, 4, None));
        book.insert("m", scope(Some(1), None), dated(Kind::Absolute, 5, None));
        book.insert("m", scope(Some(1), Some("eu")), dated(Kind::Absolute, 6, None));
        book.insert("m", scope(Some(1), Some("eu")), dated(Kind::Absolute, 100, None));
        for (model, number, region, moment, expected) in [
            ("m", 1, Some("eu"), 99, Some(6)),
            ("m", 1, Some("eu"), 100, Some(100)),
            ("m", 1, Some("us"), 99, Some(5)),
            ("m", 1, None, 99, Some(5)),
            ("m", 2, Some("eu"), 99, Some(4)),
            ("m", 2, None, 99, Some(3)),
            ("m", 2, None, 2, Some(1)),
            ("other", 1, None, 99, Some(2)),
            ("other", 2, Some("eu"), 99, Some(1)),
            ("other", 2, None, 0, None),
        ] {
            let found = book.find(model, provider(number), region, moment, i64::MAX);
            let found = found.absolute.map(|dated| dated.valid_from_ms);
            assert_eq!(found, expected, "{model} {number} {region:?} {moment}");
        }
    }

    #[test]
    fn relative_prices_multiply_what_is_found_after_them_and_a_ceiling_is_no_price() {
        let mut book = PriceBook::default();
        let at = |number: u128, region: Option<&str>| Scope {
            provider: Some(provider(number)),
            region: region.map(Into::into),
        };
        book.insert("*", at(1, None), dated(Kind::Relative, 0, Some(800_000)));
        book.insert("*", at(1, None), dated(Kind::Ceiling, 0, None));
        book.insert("m", at(1, Some("eu")), dated(Kind::Relative, 0, Some(1_100_000)));
        book.insert("own", at(1, None), dated(Kind::Absolute, 0, None));
        for (model, region, is_absolute, multipliers) in [
            ("m", Some("eu"), false, vec![1_100_000, 800_000]),
            ("m", None, false, vec![800_000]),
            ("other", Some("eu"), false, vec![800_000]),
            ("own", None, true, vec![]),
        ] {
            let found = book.find(model, provider(1), region, 5, 5);
            let above: Vec<u64> = found.multipliers_ppm.into_iter().flatten().collect();
            assert_eq!((found.absolute.is_some(), above), (is_absolute, multipliers), "{model} {region:?}");
            assert!(found.ceiling.is_some());
        }
        assert_eq!(book.find("m", provider(2), None, 5, 5), Found::default());
    }
}
