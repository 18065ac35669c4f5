//! What of an attempt goes into sums: the same whether it was just booked or is read back from its row.

use nexus_core::usage::{Bearer, Outcome, Quantity, Usage, UsageRecord};

use super::whole;

/// An attempt as sums see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fact {
    pub(super) started_at_ms: i64,
    /// Whether it is its request's first attempt.
    pub(super) is_first: bool,
    /// There was no attempt: the request was given what another one got.
    pub(super) is_repeated: bool,
    pub(super) is_failed: bool,
    pub(super) is_absorbed: bool,
    pub(super) is_unpriced: bool,
    pub(super) cost_nano_usd: i64,
    pub(super) usage: Usage,
    pub(super) first_token_us: Option<u64>,
    pub(super) duration_us: u64,
}

impl From<&UsageRecord> for Fact {
    fn from(record: &UsageRecord) -> Self {
        Self {
            started_at_ms: record.started_at_ms,
            is_first: record.attempt_number == 1,
            is_repeated: matches!(record.outcome, Outcome::Repeated(_)),
            is_failed: matches!(record.outcome, Outcome::Failed(_)),
            is_absorbed: record.bearer() == Bearer::Platform,
            is_unpriced: record.cost.pricing.is_unpriced(),
            cost_nano_usd: whole(record.cost.nano_usd),
            usage: record.usage,
            first_token_us: record.first_token_us,
            duration_us: record.duration_us,
        }
    }
}

/// The quantities of a row; what is no quantity of this program is left out.
pub(crate) fn usage(quantities: &str) -> Usage {
    let counts = quantities.trim_matches(['{', '}']).split(',').filter_map(|pair| pair.split_once(':'));
    counts.fold(Usage::default(), |usage, (word, count)| {
        match (Quantity::of_word(word.trim_matches('"')), count.parse()) {
            (Some(quantity), Ok(count)) => usage.with(quantity, count),
            _ => usage,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn quantities_are_read_as_they_were_written() {
        for usage in [Usage::default(), sample::usage(&[7]), Usage::text(1, 2).with(Quantity::Searches, 3)] {
            assert_eq!(super::usage(&super::super::quantities(&usage)), usage);
        }
        assert_eq!(usage(r#"{"input":1,"of_a_later_program":2}"#), Usage::text(1, 0));
    }
}
