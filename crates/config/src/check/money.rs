//! Prices and quotas: what they say beyond the shape of their members.

use std::collections::HashMap;

use nexus_core::{
    price::{Kind, Rate, Tier},
    quota::{Measure, Mode, WhenAlone},
    usage::Quantity,
};

use super::Check;
use crate::{
    problem::under,
    raw, scalar,
    settings::{Price, Quota},
};

/// The most rates of a price; the administration knows the same.
const RATES_MAX: usize = 128;

impl Check<'_> {
    pub(super) fn prices(&mut self, raw: Vec<raw::Price>) -> Vec<Price> {
        let mut first = HashMap::new();
        let mut prices = Vec::new();
        for (index, raw) in raw.into_iter().enumerate() {
            let path = format!("prices[{index}]");
            let rates = raw.rates.unwrap_or_default();
            if rates.len() > RATES_MAX {
                let message = format!("has more than {RATES_MAX} entries");
                self.refuse(&under(&path, "rates"), message, "leave some away");
            }
            let (Some(real_name), Some(kind)) = (raw.real_name, raw.kind) else { continue };
            let of = (real_name.clone(), raw.provider.clone(), raw.region.clone(), kind.clone());
            let earlier = *first.entry(of).or_insert(index);
            if earlier != index {
                let message = format!("is for the same as `prices[{earlier}]`");
                self.refuse(&under(&path, "real_name"), message, "write one price for both");
            }
            prices.push(Price {
                real_name,
                provider: raw.provider,
                region: raw.region,
                kind: Kind::from_word(&kind).unwrap_or_default(),
                rates: rates.into_iter().filter_map(rate).collect(),
                per_request_nano_usd: raw.per_request_nano_usd.unwrap_or_default(),
                is_free: raw.is_free.unwrap_or_default(),
                multiplier_ppm: raw.multiplier.as_deref().and_then(scalar::millionths),
            });
        }
        prices
    }

    pub(super) fn quotas(&mut self, raw: Vec<raw::Quota>) -> Vec<Quota> {
        let mut first = HashMap::new();
        let mut quotas = Vec::new();
        for (index, raw) in raw.into_iter().enumerate() {
            let path = format!("quotas[{index}]");
            let (Some(name), Some(subject), Some(window), Some(limit)) =
                (raw.name, raw.subject, raw.window, raw.limit)
            else {
                continue;
            };
            // a name is a quota's own within its team
            let whose = raw.subject_value.clone().filter(|_| matches!(&*subject, "team" | "key"));
            let earlier = *first.entry((whose, name.clone())).or_insert(index);
            if earlier != index {
                let message = format!("repeats the name of `quotas[{earlier}]`");
                self.refuse(&under(&path, "name"), message, "give each quota a name of its own");
            }
            let Some(measure) = raw.measure.as_deref().and_then(Measure::from_word) else { continue };
            let Some(mode) = raw.mode.as_deref().and_then(Mode::from_word) else { continue };
            let when_alone = raw.when_alone.as_deref().and_then(WhenAlone::from_word).unwrap_or_default();
            quotas.push(Quota {
                name,
                subject,
                subject_value: raw.subject_value,
                measure,
                window,
                utc_offset_minutes: raw.utc_offset_minutes.unwrap_or_default(),
                time_zone: raw.time_zone,
                rolling_seconds: raw.rolling_seconds,
                limit,
                mode,
                when_alone,
            });
        }
        quotas
    }
}

fn rate(raw: raw::Rate) -> Option<Rate> {
    Some(Rate {
        quantity: raw.quantity.as_deref().and_then(Quantity::of_word)?,
        tier: raw.tier.as_deref().map(Tier::served).unwrap_or_default(),
        from_tokens: raw.from_tokens.unwrap_or_default().into(),
        nano_usd_per_million: raw.nano_usd_per_million?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raw::{MEASURES, MODES, PRICE_KINDS, QUANTITIES, TIERS, WHEN_ALONE};

    #[test]
    fn the_words_that_can_be_written_are_those_that_are_known() {
        assert_eq!(QUANTITIES, Quantity::ALL.map(Quantity::as_str));
        assert_eq!(TIERS, Tier::ALL.map(Tier::as_str));
        assert_eq!(MEASURES, Measure::ALL.map(Measure::as_str));
        assert_eq!(MODES, Mode::ALL.map(Mode::as_str));
        assert_eq!(WHEN_ALONE, WhenAlone::ALL.map(WhenAlone::as_str));
        assert!(PRICE_KINDS.iter().all(|word| Kind::from_word(word).is_some()));
    }
}
