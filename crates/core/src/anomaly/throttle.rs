//! A limit that a key is held to for a while after something about it looked wrong, where its team wishes so.

use std::sync::Arc;

use crate::limit::RateLimit;

/// The kinds of anomalies that may be a reason, by their words: those that tell of one key.
pub const REASONS: [&str; 8] = [
    "auth_failures",
    "new_address",
    "usage_cost",
    "usage_errors",
    "usage_new_model",
    "usage_off_hours",
    "usage_rate",
    "usage_size",
];

/// Requests a minute a key may be held to at most.
pub const REQUESTS_MAX: u32 = 1_000_000;
/// Minutes it may be held for at most: a week.
pub const MINUTES_MAX: u32 = 10_080;

/// What a team wishes to be done about keys of which something looks wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Words of [`REASONS`].
    pub reasons: Vec<String>,
    pub requests_per_minute: u32,
    pub minutes: u32,
}

impl Wish {
    /// Whether it can be carried out as it stands.
    pub fn is_sound(&self) -> bool {
        !self.reasons.is_empty()
            && self.reasons.len() <= REASONS.len()
            && self.reasons.iter().all(|reason| REASONS.contains(&reason.as_str()))
            && (1..=REQUESTS_MAX).contains(&self.requests_per_minute)
            && (1..=MINUTES_MAX).contains(&self.minutes)
    }

    /// Until when a key is held of which such a thing was seen now.
    pub fn holds_until_ms(&self, reason: &str, now_ms: i64) -> Option<i64> {
        let is_reason = self.reasons.iter().any(|known| known == reason);
        is_reason.then(|| now_ms.saturating_add(i64::from(self.minutes).saturating_mul(60_000)))
    }
}

/// What a key is held to.
#[derive(Clone, Debug)]
pub struct Throttle {
    pub requests: Arc<RateLimit>,
    /// Unix milliseconds.
    pub until_ms: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_names_its_reasons_and_stays_within_bounds() {
        let wish = Wish { reasons: vec!["usage_rate".into()], requests_per_minute: 10, minutes: 15 };
        assert!(wish.is_sound() && REASONS.is_sorted());
        assert_eq!(wish.holds_until_ms("usage_rate", 1), Some(900_001));
        assert_eq!(wish.holds_until_ms("usage_cost", 1), None);
        for unsound in [
            Wish { reasons: Vec::new(), ..wish.clone() },
            Wish { reasons: vec!["credential_refused".into()], ..wish.clone() },
            Wish { requests_per_minute: 0, ..wish.clone() },
            Wish { minutes: MINUTES_MAX + 1, ..wish },
        ] {
            assert!(!unsound.is_sound(), "{unsound:?}");
        }
    }
}
