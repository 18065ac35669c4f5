//! What usage costs: rates in integers, applied exactly and rounded once.
//!
//! A rate is nano-USD for a million units. The products are summed and multiplied exactly, then rounded
//! half up to whole nano-USD: never before, nowhere else. Known, free and unknown are three things:
//! nothing that is unknown is ever 0.

mod book;
mod rate;

use std::sync::Arc;

use crate::usage::{Quantity, Usage};

pub use self::book::{Found, PriceBook, Scope};
pub use self::rate::{Malformed, RATE_MAX, Rate, Tier};

/// A multiplier of 1.0, in millionths.
pub const PPM: u64 = 1_000_000;
/// No multiplier is larger.
pub const MULTIPLIER_MAX_PPM: u64 = 1_000 * PPM;
/// Multipliers an amount can have: the route's, the price's own, and those of the relative prices above it.
pub const MULTIPLIERS: usize = 10;
/// Units a rate is for.
const UNITS: u128 = 1_000_000;

/// What a model costs at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rates {
    /// Names the rates in every row they priced.
    pub rule: Arc<str>,
    rates: Box<[Rate]>,
    /// Nano-USD for each request, whatever it used.
    pub per_request: u64,
}

/// Whether a price is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Price {
    Known(Arc<Rates>),
    /// Said to cost nothing.
    Free,
    /// Nobody has said.
    Unknown,
}

/// What the price depends on beside the quantities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// The tier the provider served, which need not be the one that was asked for.
    pub tier: Tier,
    /// All that apply, in millionths.
    pub multipliers_ppm: [Option<u64>; MULTIPLIERS],
}

/// An amount, and whether it is all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount {
    pub nano_usd: u64,
    /// False where something was used for which there is no rate.
    pub is_complete: bool,
}

impl Rates {
    /// Later rates take the place of earlier ones for the same thing.
    pub fn new(rule: impl Into<Arc<str>>, rates: impl IntoIterator<Item = Rate>, per_request: u64) -> Self {
        let mut kept: Vec<Rate> = Vec::new();
        for rate in rates {
            kept.retain(|other| !other.is_for_same(&rate));
            kept.push(rate);
        }
        Self { rule: rule.into(), rates: kept.into(), per_request }
    }

    pub fn iter(&self) -> impl Iterator<Item = &Rate> {
        self.rates.iter()
    }

    /// What a million units of this cost where so many tokens were sent.
    ///
    /// The tier's own rate goes before the usual one, the rate of the longest context that was reached
    /// before that of a shorter one, and a quantity without a rate costs what its next of kin does.
    pub fn rate(&self, quantity: Quantity, tier: Tier, prompt_tokens: u64) -> Option<u64> {
        let fits = |rate: &&Rate| {
            rate.quantity == quantity
                && (rate.tier == tier || rate.tier == Tier::Standard)
                && prompt_tokens >= rate.from_tokens
        };
        let best = self.rates.iter().filter(fits).max_by_key(|rate| (rate.tier == tier, rate.from_tokens));
        match best {
            Some(rate) => Some(rate.nano_usd_per_million),
            None => self.rate(kin(quantity)?, tier, prompt_tokens),
        }
    }

    /// What this usage costs. `None` where the amount is beyond all reason.
    pub fn charge(&self, usage: &Usage, terms: Terms) -> Option<Amount> {
        let prompt_tokens = usage.prompt_tokens();
        let mut exact = u128::from(self.per_request).checked_mul(UNITS)?;
        let mut is_complete = true;
        for (quantity, count) in usage.counts() {
            match self.rate(quantity, terms.tier, prompt_tokens) {
                Some(rate) => {
                    let part = u128::from(count).checked_mul(u128::from(rate))?;
                    exact = exact.checked_add(part)?;
                }
                None => is_complete = false,
            }
        }
        let mut divisor = UNITS;
        for multiplier in terms.multipliers_ppm.into_iter().flatten().filter(|ppm| *ppm != PPM) {
            exact = exact.checked_mul(u128::from(multiplier))?;
            divisor = divisor.checked_mul(u128::from(PPM))?;
        }
        let half = divisor.checked_div(2)?;
        let nano_usd = exact.checked_add(half)?.checked_div(divisor)?;
        let nano_usd = u64::try_from(nano_usd).ok().filter(|amount| i64::try_from(*amount).is_ok())?;
        Some(Amount { nano_usd, is_complete })
    }
}

/// What a quantity costs like where it has no rate of its own. What is no token has no kin.
fn kin(quantity: Quantity) -> Option<Quantity> {
    Some(match quantity {
        Quantity::CacheWrite1h => Quantity::CacheWrite5m,
        Quantity::AudioCacheRead => Quantity::AudioIn,
        Quantity::CacheRead | Quantity::CacheWrite5m | Quantity::AudioIn | Quantity::ImageIn => {
            Quantity::Input
        }
        Quantity::Reasoning | Quantity::AudioOut | Quantity::ImageOut => Quantity::Output,
        _ => return None,
    })
}

impl Price {
    /// What this usage costs: `None` where nobody knows.
    pub fn charge(&self, usage: &Usage, terms: Terms) -> Option<Amount> {
        match self {
            Price::Known(rates) => rates.charge(usage, terms),
            Price::Free => Some(Amount { nano_usd: 0, is_complete: true }),
            Price::Unknown => None,
        }
    }
}

/// How a price that was set relates to what is known besides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// It is the price.
    #[default]
    Absolute,
    /// It only multiplies the price that would hold without it.
    Relative,
    /// It is what usage is booked at where nobody has said a price; not less than that can be.
    Ceiling,
}

impl Kind {
    pub const ALL: [Kind; 3] = [Kind::Absolute, Kind::Relative, Kind::Ceiling];

    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Absolute => "absolute",
            Kind::Relative => "relative",
            Kind::Ceiling => "ceiling",
        }
    }

    /// The inverse of [`Kind::as_str`].
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// A price, and from when it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dated {
    pub kind: Kind,
    /// Usage from this moment on costs this, Unix milliseconds.
    pub valid_from_ms: i64,
    /// When it became known here; what was booked before was booked without it.
    pub known_from_ms: i64,
    pub price: Price,
    /// What the provider was talked down to, in millionths.
    pub multiplier_ppm: Option<u64>,
}

/// The price that held at a moment, as known at another: of those the one valid last, of several from the
/// same moment the one learnt last.
pub fn at<'a>(
    prices: impl IntoIterator<Item = &'a Dated>,
    moment_ms: i64,
    known_by_ms: i64,
) -> Option<&'a Dated> {
    prices
        .into_iter()
        .filter(|dated| dated.valid_from_ms <= moment_ms && dated.known_from_ms <= known_by_ms)
        .max_by_key(|dated| (dated.valid_from_ms, dated.known_from_ms))
}

#[cfg(test)]
mod tests;
