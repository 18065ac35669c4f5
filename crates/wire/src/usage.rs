//! The usage object in OpenAI's words, read without trusting it.
//!
//! One count that cannot be makes the whole object absent: a provider that reports nonsense must
//! neither credit nor charge anybody.

use crate::json::{self, Cursor, Malformed};

/// No count above this is believed.
pub const COUNT_MAX: u64 = 1 << 40;

/// Token counts as reported: the detailed ones are usually parts of `prompt` and `completion`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenUsage {
    pub prompt: u64,
    pub completion: u64,
    pub total: Option<u64>,
    pub cached: u64,
    pub cache_write: u64,
    pub audio_in: u64,
    pub image_in: u64,
    pub reasoning: u64,
    pub audio_out: u64,
    pub image_out: u64,
    pub accepted_prediction: u64,
    pub rejected_prediction: u64,
}

impl TokenUsage {
    /// Reads a `usage` object. Absent and `null` counts are 0; `None` if there is neither a prompt nor
    /// a completion count, or if any count is negative, no integer, or above [`COUNT_MAX`].
    pub fn read(raw: &str) -> Option<Self> {
        let mut counts = Counts::default();
        json::read(raw, |cursor| counts.take(cursor, Group::Top)).ok()?;
        counts.believed()
    }

    /// Whether an object has no count of the prompt or the completion, and none that cannot be.
    pub fn is_silent(raw: &str) -> bool {
        let mut counts = Counts::default();
        let read = json::read(raw, |cursor| counts.take(cursor, Group::Top));
        raw.starts_with('{') && read.is_ok() && !counts.is_said && !counts.is_broken
    }

    /// The same, of the value that comes next in a longer text, which is read to its end either way.
    pub(crate) fn take(cursor: &mut Cursor<'_>) -> Result<Option<Self>, Malformed> {
        let mut counts = Counts::default();
        counts.take(cursor, Group::Top)?;
        Ok(counts.believed())
    }
}

#[derive(Clone, Copy)]
enum Group {
    Top,
    Prompt,
    Completion,
}

#[derive(Default)]
struct Counts {
    usage: TokenUsage,
    is_said: bool,
    is_broken: bool,
}

impl Counts {
    fn believed(self) -> Option<TokenUsage> {
        (self.is_said && !self.is_broken).then_some(self.usage)
    }

    fn slot(&mut self, group: Group, name: &str) -> Option<&mut u64> {
        let usage = &mut self.usage;
        Some(match (group, name) {
            (Group::Top, "prompt_tokens") => &mut usage.prompt,
            (Group::Top, "completion_tokens") => &mut usage.completion,
            (Group::Top, "total_tokens") => usage.total.insert(0),
            // Moonshot and DeepSeek say so beside the counts; DeepSeek says the same in the details too.
            (Group::Top, "cached_tokens" | "prompt_cache_hit_tokens") | (Group::Prompt, "cached_tokens") => {
                &mut usage.cached
            }
            (Group::Prompt, "cache_write_tokens") => &mut usage.cache_write,
            (Group::Prompt, "audio_tokens") => &mut usage.audio_in,
            (Group::Prompt, "image_tokens") => &mut usage.image_in,
            (Group::Completion, "reasoning_tokens") => &mut usage.reasoning,
            (Group::Completion, "audio_tokens") => &mut usage.audio_out,
            (Group::Completion, "image_tokens") => &mut usage.image_out,
            (Group::Completion, "accepted_prediction_tokens") => &mut usage.accepted_prediction,
            (Group::Completion, "rejected_prediction_tokens") => &mut usage.rejected_prediction,
            _ => return None,
        })
    }
}

impl Counts {
    fn take(&mut self, cursor: &mut Cursor<'_>, group: Group) -> Result<(), Malformed> {
        let is_object = cursor.object(|cursor, name| {
            let name = name.unescaped();
            match (group, &*name) {
                (Group::Top, "prompt_tokens_details") => self.take(cursor, Group::Prompt),
                (Group::Top, "completion_tokens_details") => self.take(cursor, Group::Completion),
                _ => {
                    self.count(group, &name, cursor.value()?);
                    Ok(())
                }
            }
        });
        is_object.map(drop)
    }

    fn count(&mut self, group: Group, name: &str, value: &str) {
        if value == "null" {
            return;
        }
        let Some(slot) = self.slot(group, name) else { return };
        match value.parse().ok().filter(|count| *count <= COUNT_MAX) {
            Some(count) => *slot = count,
            None => self.is_broken = true,
        }
        self.is_said |= matches!(name, "prompt_tokens" | "completion_tokens");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_without_counts_is_told_from_one_with_bad_ones() {
        for (raw, is_silent) in [
            ("{}", true),
            (r#"{"prompt_tokens":null,"x":7}"#, true),
            (r#"{"total_tokens":9}"#, true),
            (r#"{"prompt_tokens":-1}"#, false),
            (r#"{"prompt_tokens":1}"#, false),
            ("[]", false),
            ("7", false),
            ("{", false),
        ] {
            assert_eq!(TokenUsage::is_silent(raw), is_silent, "{raw}");
        }
    }

    #[test]
    fn a_usage_object_is_read_or_absent() {
        let some = |prompt, completion, total| {
            Some(TokenUsage { prompt, completion, total, ..TokenUsage::default() })
        };
        let cases = [
            (r#"{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}"#, some(1, 2, Some(3))),
            (r#"{"completion_tokens":2,"prompt_tokens":null,"total_tokens":null}"#, some(0, 2, None)),
            (
                r#"{"\u0070rompt_tokens":1,"total_time":0.25,"prompt_tokens_details":null,"cost":1e-4}"#,
                some(1, 0, None),
            ),
            (r#"{"prompt_tokens":1099511627776}"#, some(1 << 40, 0, None)),
            (r#"{"prompt_tokens":1099511627777}"#, None),
            (r#"{"prompt_tokens":-5,"completion_tokens":2}"#, None),
            (r#"{"prompt_tokens":18446744073709551616}"#, None),
            (r#"{"prompt_tokens":1e3}"#, None),
            (r#"{"prompt_tokens":1.0}"#, None),
            (r#"{"prompt_tokens":"1"}"#, None),
            (r#"{"prompt_tokens":[1]}"#, None),
            (r#"{"prompt_tokens":1,"completion_tokens_details":{"reasoning_tokens":-1}}"#, None),
            (r#"{"total_tokens":3}"#, None),
            ("{}", None),
            ("null", None),
            ("[]", None),
            ("{", None),
        ];
        for (raw, expected) in cases {
            assert_eq!(TokenUsage::read(raw), expected, "{raw}");
        }
    }

    #[test]
    fn the_details_are_read_from_where_vendors_put_them() {
        let raw = r#"{"prompt_tokens":100,"completion_tokens":50,"total_tokens":150,
            "prompt_tokens_details":{"cached_tokens":10,"cache_write_tokens":11,"audio_tokens":12,"text_tokens":3,"image_tokens":17},
            "completion_tokens_details":{"reasoning_tokens":13,"audio_tokens":14,"accepted_prediction_tokens":15,"rejected_prediction_tokens":16,"image_tokens":18}}"#;
        let expected = TokenUsage {
            prompt: 100,
            completion: 50,
            total: Some(150),
            cached: 10,
            cache_write: 11,
            audio_in: 12,
            image_in: 17,
            reasoning: 13,
            audio_out: 14,
            image_out: 18,
            accepted_prediction: 15,
            rejected_prediction: 16,
        };
        assert_eq!(TokenUsage::read(raw), Some(expected));
        for beside in ["cached_tokens", "prompt_cache_hit_tokens"] {
            let usage = TokenUsage::read(&format!(r#"{{"prompt_tokens":9,"{beside}":4}}"#)).unwrap();
            assert_eq!(usage.cached, 4, "{beside}");
        }
    }
}
