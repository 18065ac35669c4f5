//! A choice's `finish_reason` in OpenAI's words, whatever the vendor calls it.
//!
//! Only `stop`, `length`, `tool_calls`, `content_filter` and `function_call` may reach a client.

use nexus_core::fault::Class;

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
        // Zhipu; Gemini behind compatible surfaces.
        "sensitive" | "refusal" | "safety" | "SAFETY" => Meaning::Says("\"content_filter\""),
        "tool_use" | "tool_call" => Meaning::Says("\"tool_calls\""),
        // OpenRouter, Mistral; Zhipu.
        "error" | "network_error" => Meaning::Broken(Class::Internal),
        // DeepSeek.
        "insufficient_system_resource" => Meaning::Broken(Class::Overloaded),
        // Together's `eos`, Hugging Face's `eos_token` and `stop_sequence`, and whatever comes next.
        _ => Meaning::Says("\"stop\""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            ("tool_use", Meaning::Says("\"tool_calls\"")),
            ("error", Meaning::Broken(Class::Internal)),
            ("network_error", Meaning::Broken(Class::Internal)),
            ("insufficient_system_resource", Meaning::Broken(Class::Overloaded)),
        ] {
            assert_eq!(meaning(word), expected, "{word}");
        }
    }
}
