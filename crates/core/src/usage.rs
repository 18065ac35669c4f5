//! What an attempt consumed, in quantities that never overlap, and the record that books it.
//!
//! Vendors overlap their counts (cached tokens inside prompt tokens, reasoning inside completion
//! tokens); whoever reads a vendor's usage takes them apart before it becomes a [`Usage`].

use std::{borrow::Cow, fmt, sync::Arc};

use crate::{
    call::Operation,
    fault::Class,
    id::{AttemptId, KeyId, ProviderId, RequestId, TeamId},
    label::Labels,
    policy::Policy,
    price::Tier,
    quantity::Kind,
};

pub use crate::quantity::Quantity;

/// How much of each quantity. Made with [`Usage::text`] and [`Usage::with`], read with [`Usage::of`].
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage([u64; Quantity::COUNT]);

impl Usage {
    /// No count above this is believed: it is a broken or hostile provider.
    pub const PLAUSIBLE_MAX: u64 = 1 << 40;

    /// Plain text, in and out.
    pub fn text(input: u64, output: u64) -> Self {
        Self::default().with(Quantity::Input, input).with(Quantity::Output, output)
    }

    /// How much of this quantity.
    pub fn of(&self, quantity: Quantity) -> u64 {
        self.0.get(usize::from(quantity.code())).copied().unwrap_or_default()
    }

    /// The same with so much of this quantity.
    #[must_use]
    pub fn with(mut self, quantity: Quantity, count: u64) -> Self {
        if let Some(slot) = self.0.get_mut(usize::from(quantity.code())) {
            *slot = count;
        }
        self
    }

    /// Every quantity there is any of, in the order of the codes.
    pub fn counts(&self) -> impl Iterator<Item = (Quantity, u64)> + use<> {
        Quantity::ALL.into_iter().zip(self.0).filter(|(_, count)| *count > 0)
    }

    /// Both together.
    #[must_use]
    pub fn plus(&self, other: &Usage) -> Self {
        other
            .counts()
            .fold(*self, |sum, (quantity, count)| sum.with(quantity, sum.of(quantity).saturating_add(count)))
    }

    /// All that was sent.
    pub fn prompt_tokens(&self) -> u64 {
        self.sum(Kind::PromptToken)
    }

    /// All that was generated.
    pub fn completion_tokens(&self) -> u64 {
        self.sum(Kind::CompletionToken)
    }

    /// Every token; what is no token does not count.
    pub fn tokens(&self) -> u64 {
        self.prompt_tokens().saturating_add(self.completion_tokens())
    }

    fn sum(&self, kind: Kind) -> u64 {
        let of_kind = self.counts().filter(|(quantity, _)| quantity.kind() == kind);
        of_kind.fold(0, |sum, (_, count)| sum.saturating_add(count))
    }
}

impl fmt::Debug for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.counts().map(|(quantity, count)| (quantity.as_str(), count))).finish()
    }
}

/// Why the provider's counts are not beyond doubt. Such a row is booked and flagged, never dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// They are negative, no integers, or more than anyone could use: they were not believed.
    Nonsense,
    /// A part is said to be more than its whole; it was cut down to it.
    PartBeyondWhole,
    /// They do not add up to the total the provider gives itself.
    TotalDiffers,
    /// There is a place for them, and neither what was sent nor what was generated stands in it.
    Missing,
}

impl Doubt {
    pub fn as_str(self) -> &'static str {
        match self {
            Doubt::Nonsense => "nonsense",
            Doubt::PartBeyondWhole => "part_beyond_whole",
            Doubt::TotalDiffers => "total_differs",
            Doubt::Missing => "missing",
        }
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

/// Whether what an attempt cost is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pricing {
    /// Nobody has said what the model costs. The amount is 0 and means nothing.
    #[default]
    Unknown,
    Known,
    /// Something was used for which there is no rate; the amount is of the rest.
    Partial,
    /// The model is said to cost nothing.
    Free,
    /// Nobody has said what the model costs; the amount is the most it is taken to be.
    Ceiling,
}

impl Pricing {
    pub const ALL: [Pricing; 5] =
        [Pricing::Unknown, Pricing::Known, Pricing::Partial, Pricing::Free, Pricing::Ceiling];

    pub fn as_str(self) -> &'static str {
        match self {
            Pricing::Unknown => "unknown",
            Pricing::Known => "known",
            Pricing::Partial => "partial",
            Pricing::Free => "free",
            Pricing::Ceiling => "ceiling",
        }
    }

    /// The inverse of [`Pricing::as_str`].
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|pricing| pricing.as_str() == word)
    }

    /// Whether anybody has said what it costs.
    pub fn is_unpriced(self) -> bool {
        matches!(self, Pricing::Unknown | Pricing::Ceiling)
    }
}

/// What an attempt cost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    pub nano_usd: u64,
    pub pricing: Pricing,
    /// The price that said so.
    pub rule: Option<Arc<str>>,
    /// The tier the provider served.
    pub tier: Tier,
    /// What the route multiplied the price by, in millionths; `None`: 1.
    pub multiplier_ppm: Option<u64>,
}

/// Who bears a cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bearer {
    /// The key's team.
    Team,
    /// The platform: nobody got an answer for it.
    Platform,
}

impl Bearer {
    pub fn as_str(self) -> &'static str {
        match self {
            Bearer::Team => "team",
            Bearer::Platform => "platform",
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
    /// Another attempt of the same request was faster; this one was cancelled.
    Outrun,
    /// There was no attempt: the answer is one that another request got.
    Repeated(Repeat),
}

/// Whose answer a request was given that is not its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Repeat {
    /// One that was kept, by the rule of the route.
    Cached,
    /// One that was under way.
    Coalesced,
    /// One to the same `Idempotency-Key`.
    Replayed,
}

impl Repeat {
    pub const ALL: [Repeat; 3] = [Repeat::Cached, Repeat::Coalesced, Repeat::Replayed];

    /// The word in metrics and ledger rows.
    pub fn as_str(self) -> &'static str {
        match self {
            Repeat::Cached => "cached",
            Repeat::Coalesced => "coalesced",
            Repeat::Replayed => "replayed",
        }
    }
}

impl Outcome {
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Answered => "answered",
            Outcome::Failed(_) => "failed",
            Outcome::Abandoned => "abandoned",
            Outcome::Outrun => "outrun",
            Outcome::Repeated(repeat) => repeat.as_str(),
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
    /// The vendor's region it was had in; `None`: the provider's own.
    pub region: Option<Arc<str>>,
    pub is_stream: bool,
    pub outcome: Outcome,
    /// The HTTP status the client was given, or would have been.
    pub status: u16,
    pub usage: Usage,
    pub source: Source,
    pub doubt: Option<Doubt>,
    pub cost: Cost,
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
    /// What the application said of it.
    pub labels: Labels,
    pub trace: Trace,
    /// Whom the choice of its target passed over.
    pub passed_over: PassedOver,
}

/// What is known of an attempt beyond what was used and what it cost. It is forgotten sooner than the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// How its target was chosen; `None` where it was not.
    pub policy: Option<Policy>,
    /// The alias of the route it took, where that is not the one that was asked for.
    pub route: Option<Arc<str>>,
    /// From the request's arrival to the attempt's begin: everything that was done and waited for before.
    pub before_us: u64,
    /// Of the client's body.
    pub request_bytes: u64,
    /// Of what the client was to be given of it.
    pub answer_bytes: u64,
}

/// Whom the choice of an attempt's target passed over; nobody is the usual case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PassedOver {
    /// At most [`PASSED_MAX`](crate::select::passed::PASSED_MAX), in the order they were looked at.
    pub first: Box<[Passed]>,
    /// How many there were beyond those.
    pub more: u32,
}

/// A target that was passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    pub provider: Arc<str>,
    /// The provider's name of the model, as the route has it.
    pub model: Arc<str>,
    pub region: Option<Arc<str>>,
    /// In a word, such as `breaker_open`.
    pub why: Cow<'static, str>,
}

impl UsageRecord {
    pub fn bearer(&self) -> Bearer {
        match self.outcome {
            Outcome::Failed(_) => Bearer::Platform,
            Outcome::Answered | Outcome::Abandoned | Outcome::Outrun | Outcome::Repeated(_) => Bearer::Team,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_token_is_in_one_sum_and_no_sum_overflows() {
        let each = |usage: Usage, (at, quantity): (usize, Quantity)| usage.with(quantity, 1 << at);
        let usage = Quantity::ALL.into_iter().enumerate().fold(Usage::default(), each);
        let (prompt, completion) = (usage.prompt_tokens(), usage.completion_tokens());
        assert_eq!(prompt & completion, 0);
        assert_eq!(prompt | completion, usage.tokens());
        assert_eq!(usage.tokens(), 0b111_1111_1111);
        let much = Usage::default().with(Quantity::Input, u64::MAX).with(Quantity::Output, 1);
        assert_eq!(much.tokens(), u64::MAX);
        assert_eq!(much.plus(&much), much.with(Quantity::Output, 2));
    }

    #[test]
    fn only_what_was_consumed_is_listed() {
        let usage = Usage::default().with(Quantity::Searches, 2).with(Quantity::Input, 1);
        assert_eq!(usage.counts().collect::<Vec<_>>(), [(Quantity::Input, 1), (Quantity::Searches, 2)]);
        assert_eq!(format!("{usage:?}"), r#"{"input": 1, "searches": 2}"#);
    }
}
