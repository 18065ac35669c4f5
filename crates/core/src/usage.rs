//! What an attempt consumed, in quantities that never overlap, and the record that books it.
//!
//! Vendors overlap their counts (cached tokens inside prompt tokens, reasoning inside completion
//! tokens); whoever reads a vendor's usage takes them apart before it becomes a [`Usage`].

use std::sync::Arc;

use crate::{
    call::Operation,
    fault::Class,
    id::{AttemptId, KeyId, ProviderId, RequestId, TeamId},
};

/// Tokens by kind. The kinds are disjoint: every billed token is in exactly one field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Text input that was neither read from nor written to a cache.
    pub input: u64,
    /// Input read from the provider's prompt cache.
    pub cache_read: u64,
    /// Input written to the provider's prompt cache, kept minutes.
    pub cache_write: u64,
    /// Visible text output.
    pub output: u64,
    /// Output spent on reasoning.
    pub reasoning: u64,
    /// Audio input.
    pub audio_in: u64,
    /// Audio output.
    pub audio_out: u64,
}

impl Usage {
    /// No count above this is believed: it is a broken or hostile provider.
    pub const PLAUSIBLE_MAX: u64 = 1 << 40;

    /// Every kind with its word in metrics and rows.
    pub fn kinds(&self) -> [(&'static str, u64); 7] {
        [
            ("input", self.input),
            ("cache_read", self.cache_read),
            ("cache_write", self.cache_write),
            ("output", self.output),
            ("reasoning", self.reasoning),
            ("audio_in", self.audio_in),
            ("audio_out", self.audio_out),
        ]
    }

    /// Everything together.
    pub fn total(&self) -> u64 {
        self.kinds().iter().fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }
}

/// Where the counts come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The provider reported them.
    Provider,
    /// Counted here, with a tokenizer, because the provider did not say.
    Estimated,
    /// The attempt failed before anything could have been consumed.
    Nothing,
}

impl Source {
    pub fn as_str(self) -> &'static str {
        match self {
            Source::Provider => "provider",
            Source::Estimated => "estimated",
            Source::Nothing => "nothing",
        }
    }
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The whole answer was relayed.
    Answered,
    /// The provider or the wire failed.
    Failed(Class),
    /// The client went away before the answer's end.
    Abandoned,
}

impl Outcome {
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Answered => "answered",
            Outcome::Failed(_) => "failed",
            Outcome::Abandoned => "abandoned",
        }
    }
}

/// One attempt as it is booked. Idempotent by `attempt`: booking it twice changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageRecord {
    pub attempt: AttemptId,
    pub request: RequestId,
    /// Place among the request's attempts, from 1.
    pub attempt_number: u32,
    pub key: KeyId,
    pub team: Option<TeamId>,
    pub operation: Operation,
    /// The alias that was asked for.
    pub alias: Arc<str>,
    pub provider: ProviderId,
    pub provider_name: Arc<str>,
    /// The provider's name of the model.
    pub real_model: Arc<str>,
    pub is_stream: bool,
    pub outcome: Outcome,
    /// The HTTP status the client was given, or would have been.
    pub status: u16,
    pub usage: Usage,
    pub source: Source,
    /// The provider's `usage` object as it came, for audits and repricing.
    pub raw_usage: Option<Box<str>>,
    /// The provider's own id for the request.
    pub provider_request_id: Option<Box<str>>,
    /// When the attempt began, Unix milliseconds.
    pub started_at_ms: i64,
    /// From the attempt's begin to the first content, where there was any.
    pub first_token_us: Option<u64>,
    /// From the attempt's begin to its end.
    pub duration_us: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_counts_every_kind_once_and_saturates() {
        let usage = Usage {
            input: 1,
            cache_read: 2,
            cache_write: 4,
            output: 8,
            reasoning: 16,
            audio_in: 32,
            audio_out: 64,
        };
        assert_eq!(usage.total(), 127);
        assert_eq!(Usage { input: u64::MAX, output: 1, ..Usage::default() }.total(), u64::MAX);
    }
}
