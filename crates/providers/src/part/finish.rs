//! A choice's `finish_reason` in OpenAI's words, whatever the vendor calls it.
//!
//! Only `stop`, `length`, `tool_calls`, `content_filter` and `function_call` may reach a client.

use nexus_core::fault::{Class, Fault};

use super::scrub::scrub;

/// What a vendor's word means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// OpenAI's own word.
    Same,
    /// Finished; this (quoted) is OpenAI's word for it.
    Says(&'static str),
    /// Not finished: `null` in other clothes.
    Unfinished,
    /// The generation broke: no answer at all.
    Broken(Class),
}

/// What a vendor's word means; an unknown one is some way to stop.
pub(crate) fn meaning(word: &str) -> Meaning {
    match word {
        "stop" | "length" | "tool_calls" | "content_filter" | "function_call" => Meaning::Same,
        "" => Meaning::Unfinished,
        // Mistral; Zhipu; some gateways of other vendors' words.
        "model_length" | "model_context_window_exceeded" | "max_tokens" | "MAX_TOKENS" => {
            Meaning::Says("\"length\"")
        }
        // Zhipu; Anthropic; Cohere; Bedrock.
        "sensitive" | "refusal" | "safety" | "ERROR_TOXIC" | "guardrail_intervened" | "content_filtered" => {
            Meaning::Says("\"content_filter\"")
        }
        // Gemini, also behind compatible surfaces.
        "SAFETY"
        | "RECITATION"
        | "LANGUAGE"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "MODEL_ARMOR"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION"
        | "IMAGE_OTHER"
        | "NO_IMAGE" => Meaning::Says("\"content_filter\""),
        "MALFORMED_FUNCTION_CALL"
        | "UNEXPECTED_TOOL_CALL"
        | "TOO_MANY_TOOL_CALLS"
        | "MISSING_THOUGHT_SIGNATURE"
        | "MALFORMED_RESPONSE" => Meaning::Broken(Class::Internal),
        "tool_use" | "tool_call" | "TOOL_CALL" => Meaning::Says("\"tool_calls\""),
        // OpenRouter, Mistral; Zhipu; Cohere; Bedrock.
        "error" | "network_error" | "ERROR" | "malformed_model_output" | "malformed_tool_use" => {
            Meaning::Broken(Class::Internal)
        }
        "TIMEOUT" => Meaning::Broken(Class::Timeout),
        // DeepSeek.
        "insufficient_system_resource" => Meaning::Broken(Class::Overloaded),
        // Together's `eos`, Hugging Face's `eos_token` and `stop_sequence`, and whatever comes next.
        _ => Meaning::Says("\"stop\""),
    }
}

/// OpenAI's word for an answer that is over, given how many calls the client sees in it. What is not said,
/// or not known, is some way to stop.
pub(crate) fn reason(word: &str, calls: usize) -> Result<&'static str, Fault> {
    let stopped = if calls > 0 { "tool_calls" } else { "stop" };
    match meaning(word) {
        Meaning::Broken(class) => {
            Err(Fault::new(class, format!("the provider broke off with `{}`", scrub(word))))
        }
        Meaning::Says(quoted) => match quoted.trim_matches('"') {
            "stop" | "tool_calls" => Ok(stopped),
            other => Ok(other),
        },
        Meaning::Same if word == "length" => Ok("length"),
        Meaning::Same if word == "content_filter" => Ok("content_filter"),
        Meaning::Same | Meaning::Unfinished => Ok(stopped),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_is_over_has_a_reason_that_fits_its_calls() {
        for (word, calls, expected) in [
            ("COMPLETE", 0, "stop"),
            ("COMPLETE", 1, "tool_calls"),
            ("stop", 2, "tool_calls"),
            ("", 0, "stop"),
            ("TOOL_CALL", 0, "stop"),
            ("TOOL_CALL", 1, "tool_calls"),
            ("MAX_TOKENS", 1, "length"),
            ("length", 1, "length"),
            ("content_filter", 0, "content_filter"),
            ("load", 0, "stop"),
            ("end_turn", 0, "stop"),
            ("pause_turn", 0, "stop"),
            ("model_context_window_exceeded", 0, "length"),
            ("tool_use", 1, "tool_calls"),
            ("tool_use", 0, "stop"),
            ("refusal", 0, "content_filter"),
            ("", 2, "tool_calls"),
            ("STOP", 1, "tool_calls"),
            ("SAFETY", 0, "content_filter"),
            ("SPII", 1, "content_filter"),
            ("IMAGE_SAFETY", 0, "content_filter"),
            ("OTHER", 0, "stop"),
            ("FINISH_REASON_UNSPECIFIED", 0, "stop"),
            ("A_REASON_OF_THE_FUTURE", 0, "stop"),
        ] {
            assert_eq!(reason(word, calls).unwrap(), expected, "{word} {calls}");
        }
        for word in ["ERROR", "error", "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL"] {
            assert_eq!(reason(word, 1).unwrap_err().class, Class::Internal, "{word}");
        }
    }

    #[test]
    fn only_openai_s_words_are_left() {
        for (word, expected) in [
            ("stop", Meaning::Same),
            ("length", Meaning::Same),
            ("tool_calls", Meaning::Same),
            ("content_filter", Meaning::Same),
            ("function_call", Meaning::Same),
            ("", Meaning::Unfinished),
            ("eos", Meaning::Says("\"stop\"")),
            ("eos_token", Meaning::Says("\"stop\"")),
            ("STOP", Meaning::Says("\"stop\"")),
            ("model_length", Meaning::Says("\"length\"")),
            ("model_context_window_exceeded", Meaning::Says("\"length\"")),
            ("sensitive", Meaning::Says("\"content_filter\"")),
            ("guardrail_intervened", Meaning::Says("\"content_filter\"")),
            ("content_filtered", Meaning::Says("\"content_filter\"")),
            ("malformed_tool_use", Meaning::Broken(Class::Internal)),
            ("SAFETY", Meaning::Says("\"content_filter\"")),
            ("RECITATION", Meaning::Says("\"content_filter\"")),
            ("MALFORMED_FUNCTION_CALL", Meaning::Broken(Class::Internal)),
            ("OTHER", Meaning::Says("\"stop\"")),
            ("tool_use", Meaning::Says("\"tool_calls\"")),
            ("COMPLETE", Meaning::Says("\"stop\"")),
            ("STOP_SEQUENCE", Meaning::Says("\"stop\"")),
            ("MAX_TOKENS", Meaning::Says("\"length\"")),
            ("TOOL_CALL", Meaning::Says("\"tool_calls\"")),
            ("ERROR_TOXIC", Meaning::Says("\"content_filter\"")),
            ("ERROR", Meaning::Broken(Class::Internal)),
            ("TIMEOUT", Meaning::Broken(Class::Timeout)),
            ("error", Meaning::Broken(Class::Internal)),
            ("network_error", Meaning::Broken(Class::Internal)),
            ("insufficient_system_resource", Meaning::Broken(Class::Overloaded)),
        ] {
            assert_eq!(meaning(word), expected, "{word}");
        }
    }
}
