//! Taking a vendor's counts apart into quantities that do not overlap, and putting OpenAI's together from them.
//!
//! The sum is never more than the vendor's own wholes, and where it is not the total the vendor gives,
//! the counts are flagged: they are booked all the same.

use nexus_core::{
    quantity::Kind,
    usage::{Doubt, Quantity, Usage},
};
use nexus_wire::usage::TokenUsage;
use serde::Serialize;

use crate::dialect::Consumed;

/// Where a vendor counts a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// In its whole too.
    Inside,
    /// Apart from it.
    Beside,
}

/// How a vendor's counts overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Convention {
    /// What is read from and written to a cache, in the prompt's count.
    pub cache: Part,
    /// Reasoning in the completion's count, where the total does not tell.
    pub reasoning: Part,
}

impl Convention {
    /// OpenAI and nearly all that speak like it.
    pub const OPENAI: Self = Self { cache: Part::Inside, reasoning: Part::Inside };
    /// xAI; Google's own API.
    pub const REASONING_BESIDE: Self = Self { reasoning: Part::Beside, ..Self::OPENAI };
    /// Anthropic's API and Bedrock's Converse.
    pub const CACHE_BESIDE: Self = Self { cache: Part::Beside, ..Self::OPENAI };
}

/// Counts as a vendor says them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reported {
    pub(crate) prompt: u64,
    pub(crate) completion: u64,
    /// The vendor's own sum, where it gives one.
    pub(crate) total: Option<u64>,
    /// Everything said apart; not the plain input and output, which are what is left.
    pub(crate) parts: Usage,
}

/// What a vendor's counts come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) usage: Option<Usage>,
    pub(crate) doubt: Option<Doubt>,
}

impl Counted {
    /// Something was said that cannot be.
    pub(crate) const NONSENSE: Self = Self { usage: None, doubt: Some(Doubt::Nonsense) };
    /// Nothing was said where it should be.
    pub(crate) const MISSING: Self = Self { usage: None, doubt: Some(Doubt::Missing) };

    pub(crate) fn consumed(self, raw: Option<Box<str>>) -> Consumed {
        Consumed { usage: self.usage, doubt: self.doubt, raw, ..Consumed::default() }
    }
}

impl Reported {
    /// Disjoint counts. A part larger than its whole is cut down to it.
    pub(crate) fn disjoint(&self, convention: Convention) -> Counted {
        let reasoning = self.reasoning(convention);
        let (mut input, mut output) = (self.prompt, self.completion);
        let mut usage = Usage::default();
        let mut doubt = None;
        for (part, count) in self.parts.counts() {
            let place = match part {
                Quantity::Reasoning => reasoning,
                part if is_cache(part) => convention.cache,
                part if part.is_token() => Part::Inside,
                _ => Part::Beside,
            };
            let whole = match part.kind() {
                Kind::CompletionToken => &mut output,
                Kind::PromptToken | Kind::Unit => &mut input,
            };
            let count = if place == Part::Inside { count.min(*whole) } else { count };
            if place == Part::Inside {
                *whole = whole.saturating_sub(count);
            }
            if count < self.parts.of(part) {
                doubt = Some(Doubt::PartBeyondWhole);
            }
            usage = usage.with(part, count);
        }
        let usage = usage.with(Quantity::Input, input).with(Quantity::Output, output);
        let differs = self.total.is_some_and(|total| total != usage.tokens());
        Counted { usage: Some(usage), doubt: doubt.or(differs.then_some(Doubt::TotalDiffers)) }
    }

    /// The total tells where reasoning is counted; where it does not, the vendor's habit decides.
    fn reasoning(&self, convention: Convention) -> Part {
        let beside = |sum: u64, (part, count)| {
            let is_beside = is_cache(part) && convention.cache == Part::Beside;
            sum.saturating_add(if is_beside { count } else { 0 })
        };
        let inside = self.parts.counts().fold(self.prompt.saturating_add(self.completion), beside);
        match self.total {
            Some(total) if total == inside => Part::Inside,
            Some(total) if total == inside.saturating_add(self.parts.of(Quantity::Reasoning)) => Part::Beside,
            _ => convention.reasoning,
        }
    }
}

fn is_cache(part: Quantity) -> bool {
    matches!(
        part,
        Quantity::CacheRead | Quantity::CacheWrite5m | Quantity::CacheWrite1h | Quantity::AudioCacheRead
    )
}

impl From<TokenUsage> for Reported {
    fn from(said: TokenUsage) -> Self {
        let parts = [
            (Quantity::CacheRead, said.cached),
            (Quantity::CacheWrite5m, said.cache_write),
            (Quantity::AudioIn, said.audio_in),
            (Quantity::ImageIn, said.image_in),
            (Quantity::Reasoning, said.reasoning),
            (Quantity::AudioOut, said.audio_out),
            (Quantity::ImageOut, said.image_out),
        ];
        let parts = parts.into_iter().fold(Usage::default(), |usage, (part, count)| usage.with(part, count));
        Self { prompt: said.prompt, completion: said.completion, total: said.total, parts }
    }
}

/// `usage` as OpenAI's clients read it: the prompt includes the cache, the completion the thoughts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Shown {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    prompt_tokens_details: PromptDetails,
    completion_tokens_details: CompletionDetails,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct PromptDetails {
    cached_tokens: u64,
    cache_write_tokens: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct CompletionDetails {
    reasoning_tokens: u64,
}

impl Shown {
    /// Of disjoint counts.
    pub(crate) fn of(usage: Usage) -> Self {
        let cached = [Quantity::CacheRead, Quantity::AudioCacheRead];
        let written = [Quantity::CacheWrite5m, Quantity::CacheWrite1h];
        let sum =
            |of: [Quantity; 2]| of.into_iter().fold(0_u64, |sum, one| sum.saturating_add(usage.of(one)));
        Self {
            prompt_tokens: usage.prompt_tokens(),
            completion_tokens: usage.completion_tokens(),
            total_tokens: usage.tokens(),
            prompt_tokens_details: PromptDetails {
                cached_tokens: sum(cached),
                cache_write_tokens: sum(written),
            },
            completion_tokens_details: CompletionDetails { reasoning_tokens: usage.of(Quantity::Reasoning) },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn usage(counts: &[(Quantity, u64)]) -> Usage {
        counts.iter().fold(Usage::default(), |usage, (quantity, count)| usage.with(*quantity, *count))
    }

    type Case<'a> = (&'a str, &'a str, Convention, &'a [(Quantity, u64)], Option<Doubt>);

    fn check((name, raw, convention, expected, doubt): &Case<'_>) {
        let counted = Reported::from(TokenUsage::read(raw).unwrap()).disjoint(*convention);
        assert_eq!(counted, Counted { usage: Some(usage(expected)), doubt: *doubt }, "{name}");
    }

    #[test]
    fn overlapping_counts_become_disjoint_ones() {
        use Quantity::*;
        let cases: &[Case] = &[
            (
                "parts come out of their wholes",
                r#"{"prompt_tokens":100,"completion_tokens":50,"total_tokens":150,"prompt_tokens_details":{"cached_tokens":10,"cache_write_tokens":20,"audio_tokens":5,"image_tokens":3},"completion_tokens_details":{"reasoning_tokens":30,"audio_tokens":7,"image_tokens":1}}"#,
                Convention::OPENAI,
                &[
                    (Input, 62),
                    (CacheRead, 10),
                    (CacheWrite5m, 20),
                    (AudioIn, 5),
                    (ImageIn, 3),
                    (Output, 12),
                    (Reasoning, 30),
                    (AudioOut, 7),
                    (ImageOut, 1),
                ],
                None,
            ),
            (
                "the total says that reasoning is beside",
                r#"{"prompt_tokens":307,"completion_tokens":26,"total_tokens":560,"prompt_tokens_details":{"cached_tokens":306},"completion_tokens_details":{"reasoning_tokens":227}}"#,
                Convention::OPENAI,
                &[(Input, 1), (CacheRead, 306), (Output, 26), (Reasoning, 227)],
                None,
            ),
            (
                "the total says that reasoning is inside, whatever the vendor is known for",
                r#"{"prompt_tokens":10,"completion_tokens":30,"total_tokens":40,"completion_tokens_details":{"reasoning_tokens":20}}"#,
                Convention::REASONING_BESIDE,
                &[(Input, 10), (Output, 10), (Reasoning, 20)],
                None,
            ),
            (
                "without a total the vendor's habit decides",
                r#"{"prompt_tokens":10,"completion_tokens":30,"completion_tokens_details":{"reasoning_tokens":20}}"#,
                Convention::REASONING_BESIDE,
                &[(Input, 10), (Output, 30), (Reasoning, 20)],
                None,
            ),
        ];
        cases.iter().for_each(check);
    }

    #[test]
    fn what_is_beside_is_added_and_what_cannot_be_is_flagged() {
        use Quantity::*;
        let cases: &[Case] = &[
            (
                "a cache beside the prompt is added to it",
                r#"{"prompt_tokens":10,"completion_tokens":30,"total_tokens":47,"prompt_tokens_details":{"cached_tokens":5,"cache_write_tokens":2},"completion_tokens_details":{"reasoning_tokens":20}}"#,
                Convention::CACHE_BESIDE,
                &[(Input, 10), (CacheRead, 5), (CacheWrite5m, 2), (Output, 10), (Reasoning, 20)],
                None,
            ),
            (
                "parts beyond their whole are cut down and flagged",
                r#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":99,"prompt_tokens_details":{"cached_tokens":50},"completion_tokens_details":{"reasoning_tokens":9}}"#,
                Convention::OPENAI,
                &[(CacheRead, 10), (Reasoning, 5)],
                Some(Doubt::PartBeyondWhole),
            ),
            (
                "a total that is another number is flagged",
                r#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":30}"#,
                Convention::OPENAI,
                &[(Input, 10), (Output, 5)],
                Some(Doubt::TotalDiffers),
            ),
        ];
        cases.iter().for_each(check);
    }

    #[test]
    fn units_are_counted_beside_the_tokens() {
        let parts = Usage::default().with(Quantity::Searches, 3);
        let reported = Reported { prompt: 2, completion: 1, total: Some(3), parts };
        let expected = parts.with(Quantity::Input, 2).with(Quantity::Output, 1);
        let counted = reported.disjoint(Convention::OPENAI);
        assert_eq!(counted, Counted { usage: Some(expected), doubt: None });
    }

    proptest! {
        #[test]
        fn whatever_is_said_nothing_is_counted_twice(
            prompt in 0_u64..1 << 40, completion in 0_u64..1 << 40, total: Option<u64>,
            parts in prop::array::uniform16(0_u64..1 << 40), cache_beside: bool, reasoning_beside: bool,
        ) {
            let place = |is_beside| if is_beside { Part::Beside } else { Part::Inside };
            let convention = Convention { cache: place(cache_beside), reasoning: place(reasoning_beside) };
            let said = Quantity::ALL.into_iter().zip(parts);
            let parts = said.filter(|(part, _)| !matches!(part, Quantity::Input | Quantity::Output));
            let parts = parts.fold(Usage::default(), |usage, (part, count)| usage.with(part, count));
            let counted = Reported { prompt, completion, total, parts }.disjoint(convention);
            let usage = counted.usage.unwrap();
            let beside: u64 = parts.counts().filter(|(part, _)| part.is_token() && is_cache(*part)).map(|(_, count)| count).sum();
            let prompt_max = prompt + if cache_beside { beside } else { 0 };
            prop_assert_eq!(usage.prompt_tokens(), prompt_max);
            let outputs = [completion, completion + parts.of(Quantity::Reasoning)];
            prop_assert!(outputs.contains(&usage.completion_tokens()));
            if counted.doubt.is_none() && total.is_some() {
                prop_assert_eq!(Some(usage.tokens()), total);
            }
        }
    }

    #[test]
    fn openai_s_form_puts_the_cache_into_the_prompt_and_thoughts_into_the_completion() {
        use Quantity::*;
        let counts =
            [(Input, 1), (CacheRead, 2), (CacheWrite5m, 3), (CacheWrite1h, 1), (Output, 16), (Reasoning, 8)];
        let usage = usage(&counts);
        assert_eq!(
            serde_json::to_string(&Shown::of(usage)).unwrap(),
            r#"{"prompt_tokens":7,"completion_tokens":24,"total_tokens":31,"prompt_tokens_details":{"cached_tokens":2,"cache_write_tokens":4},"completion_tokens_details":{"reasoning_tokens":8}}"#
        );
    }
}
