//! A row of usage as it is shown: sums by their words, and quantiles of the times that were counted.

use std::collections::BTreeMap;

use nexus_core::{latency::quantile_ms, usage::Quantity};
use nexus_store::repo::usage::{FIRST_TOKEN, LATENCY, Sums};
use serde::Serialize;
use utoipa::ToSchema;

/// How long it took so many of a hundred at most, in milliseconds; off by a factor of 1.42 at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Quantiles {
    p50_ms: u64,
    p95_ms: u64,
    p99_ms: u64,
}

impl Quantiles {
    /// `None` where nothing was counted.
    fn new(sums: &Sums, begin: &str) -> Option<Self> {
        let counts = sums.range(begin.to_owned()..).take_while(|(measure, _)| measure.starts_with(begin));
        let step = |(measure, count): (&String, &u64)| {
            Some((measure.strip_prefix(begin)?.parse::<u8>().ok()?, *count))
        };
        let counts: Vec<_> = counts.filter_map(step).collect();
        Some(Self {
            p50_ms: quantile_ms(&counts, 500)?,
            p95_ms: quantile_ms(&counts, 950)?,
            p99_ms: quantile_ms(&counts, 990)?,
        })
    }
}

/// What was used of one thing in one interval.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsageRow {
    /// When the interval began, Unix seconds.
    pub at: i64,
    /// The id or name of what it was told apart by; none: usage without it. Empty: of all users or tags that are too many to be kept apart.
    pub of: Option<String>,
    /// The same of what it was told apart by besides.
    pub and_of: Option<String>,
    /// Requests whose first attempt is among these.
    pub requests: u64,
    pub attempts: u64,
    /// Attempts at which the provider or the wire failed.
    pub failed: u64,
    /// Requests that were given what another one got; they made no attempt and cost nothing.
    pub repeated: u64,
    /// Attempts whose cost nobody knows.
    pub unpriced: u64,
    pub charged_nano_usd: u64,
    /// The cost of attempts that brought nobody an answer.
    pub absorbed_nano_usd: u64,
    pub prompt_tokens: u64,
    pub completion_tokens: u64,
    /// Every quantity there is any of; they never overlap.
    pub quantities: BTreeMap<String, u64>,
    /// Of attempts that did not fail, from their begin to their end.
    pub latency: Option<Quantiles>,
    /// Of those with any content, from their begin to the first of it.
    pub first_token: Option<Quantiles>,
}

impl UsageRow {
    pub fn new(at_ms: i64, of: Vec<Option<String>>, sums: &Sums) -> Self {
        let sum = |measure: &str| sums.get(measure).copied().unwrap_or_default();
        let tokens = |is_prompt: bool| {
            let of_kind = Quantity::ALL.into_iter().filter(|quantity| {
                quantity.is_token()
                    && (quantity.kind() == nexus_core::quantity::Kind::PromptToken) == is_prompt
            });
            of_kind.fold(0_u64, |total, quantity| total.saturating_add(sum(quantity.as_str())))
        };
        let quantities = Quantity::ALL.map(|quantity| (quantity.as_str(), sum(quantity.as_str())));
        let quantities = quantities.into_iter().filter(|(_, count)| *count > 0);
        let mut of = of.into_iter();
        Self {
            at: at_ms.div_euclid(1000),
            of: of.next().flatten(),
            and_of: of.next().flatten(),
            requests: sum("requests"),
            attempts: sum("attempts"),
            failed: sum("failed"),
            repeated: sum("repeated"),
            unpriced: sum("unpriced"),
            charged_nano_usd: sum("charged_nano_usd"),
            absorbed_nano_usd: sum("absorbed_nano_usd"),
            prompt_tokens: tokens(true),
            completion_tokens: tokens(false),
            quantities: quantities.map(|(word, count)| (word.to_owned(), count)).collect(),
            latency: Quantiles::new(sums, LATENCY),
            first_token: Quantiles::new(sums, FIRST_TOKEN),
        }
    }
}
