//! Taking a usage object apart into kinds that do not overlap, and putting one together from them.

use nexus_core::usage::Usage;
use nexus_wire::usage::TokenUsage;
use serde::Serialize;

/// Disjoint counts. Parts larger than their whole are cut down to it: the sum is never more than the
/// vendor's own. `reasoning_outside` decides where `total_tokens` does not tell.
pub(crate) fn disjoint(said: &TokenUsage, reasoning_outside: bool) -> Usage {
    let mut input = said.prompt;
    let mut output = said.completion;
    let inside = said.prompt.saturating_add(said.completion);
    let is_outside = match said.total {
        Some(total) if total == inside => false,
        Some(total) if total == inside.saturating_add(said.reasoning) => true,
        _ => reasoning_outside,
    };
    Usage {
        cache_read: take(&mut input, said.cached),
        cache_write: take(&mut input, said.cache_write),
        audio_in: take(&mut input, said.audio_in),
        input,
        reasoning: if is_outside { said.reasoning } else { take(&mut output, said.reasoning) },
        audio_out: take(&mut output, said.audio_out),
        output,
    }
}

/// Moves at most `wanted` out of `whole`.
fn take(whole: &mut u64, wanted: u64) -> u64 {
    let taken = wanted.min(*whole);
    *whole = whole.saturating_sub(taken);
    taken
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
        let prompt_tokens = usage.input.saturating_add(usage.cache_read).saturating_add(usage.cache_write);
        let completion_tokens = usage.output.saturating_add(usage.reasoning);
        Self {
            prompt_tokens,
            completion_tokens,
            total_tokens: prompt_tokens.saturating_add(completion_tokens),
            prompt_tokens_details: PromptDetails {
                cached_tokens: usage.cache_read,
                cache_write_tokens: usage.cache_write,
            },
            completion_tokens_details: CompletionDetails { reasoning_tokens: usage.reasoning },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlapping_counts_become_disjoint_ones() {
        let said = |raw: &str| TokenUsage::read(raw).unwrap();
        let cases = [
            (
                "parts come out of their wholes",
                r#"{"prompt_tokens":100,"completion_tokens":50,"total_tokens":150,"prompt_tokens_details":{"cached_tokens":10,"cache_write_tokens":20,"audio_tokens":5},"completion_tokens_details":{"reasoning_tokens":30,"audio_tokens":7}}"#,
                false,
                Usage {
                    input: 65,
                    cache_read: 10,
                    cache_write: 20,
                    audio_in: 5,
                    output: 13,
                    reasoning: 30,
                    audio_out: 7,
                },
            ),
            (
                "the total says that reasoning is outside",
                r#"{"prompt_tokens":307,"completion_tokens":26,"total_tokens":560,"prompt_tokens_details":{"cached_tokens":306},"completion_tokens_details":{"reasoning_tokens":227}}"#,
                false,
                Usage { input: 1, cache_read: 306, output: 26, reasoning: 227, ..Usage::default() },
            ),
            (
                "the total says that reasoning is inside, whatever the vendor is known for",
                r#"{"prompt_tokens":10,"completion_tokens":30,"total_tokens":40,"completion_tokens_details":{"reasoning_tokens":20}}"#,
                true,
                Usage { input: 10, output: 10, reasoning: 20, ..Usage::default() },
            ),
            (
                "without a total the vendor's habit decides",
                r#"{"prompt_tokens":10,"completion_tokens":30,"completion_tokens_details":{"reasoning_tokens":20}}"#,
                true,
                Usage { input: 10, output: 30, reasoning: 20, ..Usage::default() },
            ),
            (
                "parts beyond their whole are cut down",
                r#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":99,"prompt_tokens_details":{"cached_tokens":50},"completion_tokens_details":{"reasoning_tokens":9}}"#,
                false,
                Usage { cache_read: 10, reasoning: 5, ..Usage::default() },
            ),
        ];
        for (name, raw, reasoning_outside, expected) in cases {
            assert_eq!(disjoint(&said(raw), reasoning_outside), expected, "{name}");
        }
    }

    #[test]
    fn openai_s_form_puts_the_cache_into_the_prompt_and_thoughts_into_the_completion() {
        let usage =
            Usage { input: 1, cache_read: 2, cache_write: 4, output: 16, reasoning: 8, ..Usage::default() };
        assert_eq!(
            serde_json::to_string(&Shown::of(usage)).unwrap(),
            r#"{"prompt_tokens":7,"completion_tokens":24,"total_tokens":31,"prompt_tokens_details":{"cached_tokens":2,"cache_write_tokens":4},"completion_tokens_details":{"reasoning_tokens":8}}"#
        );
    }
}
