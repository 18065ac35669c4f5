//! What vendors that speak OpenAI do not take as OpenAI has it, member by member, as their documentation and
//! their refusals say it.
//!
//! What is not listed passes as it stands. A hint is dropped; what would change the answer's meaning is
//! refused.

use nexus_wire::chat::KNOWN;

use super::{InMessages, Quirks};
use crate::dialect::member::{Decision, Row};

/// A member that is not sent as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    pub member: &'static str,
    pub how: How,
    /// For people: how it is said, why it is dropped, or what to do instead.
    pub note: &'static str,
}

/// What becomes of a member. Values are JSON without spaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// It has this name.
    Named(&'static str),
    /// This value is said as another.
    Word {
        from: &'static str,
        to: &'static str,
    },
    /// It is left out, but for these values.
    Only(&'static [&'static str]),
    Dropped,
    /// A 400 that names it, but for these values and `null`.
    Refused {
        unless: &'static [&'static str],
    },
}

const fn change(member: &'static str, how: How, note: &'static str) -> Change {
    Change { member, how, note }
}

const fn dropped(member: &'static str) -> Change {
    change(member, How::Dropped, "a hint that the vendor refuses")
}

const fn refused(member: &'static str, unless: &'static [&'static str], note: &'static str) -> Change {
    change(member, How::Refused { unless }, note)
}

const NO_N: Change = refused("n", &["1"], "the vendor gives one choice; send the request several times");
const NO_LOGPROBS: Change = refused("logprobs", &["false"], "the vendor tells no probabilities");
const NO_TOP_LOGPROBS: Change = refused("top_logprobs", &["0"], "the vendor tells no probabilities");
const NO_FUNCTIONS: Change = refused("functions", &["[]"], "say it with `tools`");
const NO_FUNCTION_CALL: Change = refused("function_call", &[], "say it with `tool_choice`");

/// DeepSeek, Ollama: `n` is read over, and one choice comes.
pub(super) const ONE_CHOICE: &[Change] = &[NO_N];

/// Zhipu, Z.ai.
pub(super) const USER_ID: &[Change] = &[change("user", How::Named("user_id"), "`user_id`")];

pub(super) const MINIMAX: &[Change] = &[NO_N, NO_FUNCTIONS, NO_FUNCTION_CALL];

/// It answers 400 to each.
pub(super) const CEREBRAS: &[Change] = &[
    dropped("frequency_penalty"),
    dropped("presence_penalty"),
    dropped("logit_bias"),
    dropped("prompt_cache_retention"),
    dropped("prompt_cache_options"),
];

/// It answers 400 to each, `property is unsupported`.
pub(super) const GROQ: &[Change] = &[
    NO_N,
    NO_LOGPROBS,
    NO_TOP_LOGPROBS,
    dropped("logit_bias"),
    dropped("verbosity"),
    dropped("prediction"),
    dropped("safety_identifier"),
    dropped("prompt_cache_key"),
    dropped("prompt_cache_retention"),
    dropped("prompt_cache_options"),
];

/// The same in messages.
pub(super) const REFUSED_IN_GROQ_S_MESSAGES: &[&str] = &[
    "name",
    "refusal",
    "annotations",
    "audio",
    "reasoning_content",
    "reasoning_details",
    "thinking_blocks",
    "cache_control",
];

/// It answers 422 to each, `extra_forbidden`.
#[rustfmt::skip]
pub(super) const MISTRAL: &[Change] = &[
    change("seed", How::Named("random_seed"), "`random_seed`"),
    change("tool_choice", How::Word { from: "\"required\"", to: "\"any\"" }, "`required` is `any`"),
    change("reasoning_effort", How::Only(&["\"none\"", "\"high\""]), "`none` and `high` pass, others are left out"),
    NO_LOGPROBS,
    NO_TOP_LOGPROBS,
    refused("modalities", &[r#"["text"]"#, "[]"], "the vendor answers with text only"),
    refused("audio", &[], "the vendor answers with text only"),
    refused("web_search_options", &[], "the vendor searches nothing here; give it a tool"),
    refused("moderation", &[], "the vendor moderates nothing on request"),
    NO_FUNCTIONS,
    NO_FUNCTION_CALL,
    dropped("user"),
    dropped("store"),
    dropped("service_tier"),
    dropped("logit_bias"),
    dropped("verbosity"),
    dropped("safety_identifier"),
    dropped("prompt_cache_key"),
    dropped("prompt_cache_retention"),
    dropped("prompt_cache_options"),
];

/// Whatever the role; `name` is a tool's.
pub(super) const TAKEN_IN_MISTRAL_S_MESSAGES: &[&str] =
    &["role", "content", "tool_calls", "tool_call_id", "prefix"];

/// What becomes of each member of a chat request at a vendor with these quirks.
pub fn rows(quirks: Quirks) -> Vec<Row> {
    KNOWN.iter().map(|member| row(member, quirks)).collect()
}

fn row(member: &'static str, quirks: Quirks) -> Row {
    let row = |decision, note| Row { member, decision, note };
    if let Some(change) = quirks.changes.iter().find(|change| change.member == member) {
        return match change.how {
            How::Named(_) | How::Word { .. } | How::Only(_) => row(Decision::Mapped, change.note),
            How::Dropped => row(Decision::Dropped, change.note),
            How::Refused { unless } => row(Decision::Refused { unless }, change.note),
        };
    }
    match member {
        "model" => row(Decision::Mapped, "`model`: the target's real name"),
        "messages" => messages(quirks),
        "stream_options" if quirks.takes_stream_options => {
            row(Decision::Mapped, "usage is asked for always, and shown where it was asked for")
        }
        "stream_options" => {
            row(Decision::Dropped, "usage comes unasked, and is shown where it was asked for")
        }
        "max_completion_tokens" if quirks.old_max_tokens => row(Decision::Mapped, "`max_tokens`"),
        _ => row(Decision::Passed, "as it is"),
    }
}

fn messages(quirks: Quirks) -> Row {
    let row = |decision, note| Row { member: "messages", decision, note };
    match (quirks.in_messages, quirks.thoughts_in_loops, quirks.old_roles) {
        (InMessages::Only(_), ..) => row(
            Decision::Mapped,
            "`developer` is `system`; ids of calls get nine letters; members that the vendor does not know are left out",
        ),
        (InMessages::Without(_), ..) => {
            row(Decision::Mapped, "`developer` is `system`; members that the vendor refuses are left out")
        }
        (_, true, _) => row(
            Decision::Mapped,
            "`developer` is `system`; `reasoning_content` goes back only while a loop of tools goes on",
        ),
        (_, _, true) => row(Decision::Mapped, "`developer` is `system`"),
        _ => row(Decision::Passed, "as it is"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{super::VENDORS, *};

    #[test]
    fn a_change_is_of_a_member_there_is_and_stands_once() {
        for vendor in VENDORS {
            let mut members = HashSet::new();
            for change in vendor.quirks.changes {
                assert!(KNOWN.contains(&change.member), "{} {}", vendor.id, change.member);
                assert!(members.insert(change.member), "{} {}", vendor.id, change.member);
                assert!(!change.note.is_empty());
            }
        }
    }
}
