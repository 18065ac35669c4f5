//! One rate, and the words it is written in: `input=2500000000`, `output@batch=5000000000`,
//! `input@priority+272001=9000000000`.
//!
//! The same words stand in the shipped catalogue and in rows; they are read back as they were written.

use std::{fmt, str::FromStr};

use crate::usage::Quantity;

/// No rate is higher: 100 USD for a single unit.
pub const RATE_MAX: u64 = 100_000_000_000_000_000;

/// The tier of service a provider served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Tier {
    #[default]
    Standard,
    Batch,
    Flex,
    Priority,
}

impl Tier {
    pub const ALL: [Tier; 4] = [Tier::Standard, Tier::Batch, Tier::Flex, Tier::Priority];

    pub fn as_str(self) -> &'static str {
        match self {
            Tier::Standard => "standard",
            Tier::Batch => "batch",
            Tier::Flex => "flex",
            Tier::Priority => "priority",
        }
    }

    /// The tier a provider means; every word that is not known is the standard one.
    pub fn served(word: &str) -> Self {
        Self::ALL.into_iter().find(|tier| tier.as_str() == word).unwrap_or_default()
    }
}

/// What a million units of a quantity cost under a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    pub quantity: Quantity,
    pub tier: Tier,
    /// Holds for a request that sends at least so many tokens, those from the cache among them.
    pub from_tokens: u64,
    pub nano_usd_per_million: u64,
}

impl Rate {
    /// The usual rate of a quantity.
    pub fn plain(quantity: Quantity, nano_usd_per_million: u64) -> Self {
        Self { quantity, tier: Tier::Standard, from_tokens: 0, nano_usd_per_million }
    }

    pub(super) fn is_for_same(&self, other: &Rate) -> bool {
        (self.quantity, self.tier, self.from_tokens) == (other.quantity, other.tier, other.from_tokens)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.quantity.as_str())?;
        if self.tier != Tier::Standard {
            write!(f, "@{}", self.tier.as_str())?;
        }
        if self.from_tokens > 0 {
            write!(f, "+{}", self.from_tokens)?;
        }
        write!(f, "={}", self.nano_usd_per_million)
    }
}

/// A text that is no rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a rate: write `quantity@tier+from_tokens=nano_usd_per_million`")]
pub struct Malformed;

impl FromStr for Rate {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let (condition, rate) = text.split_once('=').ok_or(Malformed)?;
        let (condition, from_tokens) = match condition.split_once('+') {
            Some((condition, tokens)) => (condition, tokens.parse().map_err(|_| Malformed)?),
            None => (condition, 0),
        };
        let (word, tier) = match condition.split_once('@') {
            Some((word, tier)) => {
                (word, Tier::ALL.into_iter().find(|known| known.as_str() == tier).ok_or(Malformed)?)
            }
            None => (condition, Tier::Standard),
        };
        let rate: u64 = rate.parse().map_err(|_| Malformed)?;
        Ok(Self {
            quantity: Quantity::of_word(word).ok_or(Malformed)?,
            tier,
            from_tokens,
            nano_usd_per_million: Some(rate).filter(|rate| *rate <= RATE_MAX).ok_or(Malformed)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_read_as_it_was_written() {
        for text in ["input=2500000000", "output@batch=1", "input@priority+272001=9", "cache_read+200000=0"] {
            let rate: Rate = text.parse().unwrap();
            assert_eq!(rate.to_string(), text);
        }
        for text in [
            "",
            "input",
            "input=",
            "input=-1",
            "input=1.5",
            "tokens=1",
            "input@gold=1",
            "input+x=1",
            "input=100000000000000001",
        ] {
            assert_eq!(text.parse::<Rate>(), Err(Malformed), "{text}");
        }
    }

    #[test]
    fn an_unknown_tier_is_the_standard_one() {
        for (word, tier) in [("flex", Tier::Flex), ("default", Tier::Standard), ("scale", Tier::Standard)] {
            assert_eq!(Tier::served(word), tier);
        }
    }
}
