//! What becomes of each member of a chat request in the vendor's words.

use super::super::member::{Row, dropped, mapped, refused};

/// The last rows are extensions beyond OpenAI's API: the vendor's own members, as they are.
#[rustfmt::skip]
pub const MEMBERS: &[Row] = &[
    mapped("model", "`model`: the target's real name"),
    mapped("messages", "`messages`; text and images, `developer` is `system`, tool results are text"),
    mapped("stream", "`stream`"),
    dropped("stream_options", "usage always arrives; the gateway shows it where it was asked for"),
    mapped("max_tokens", "`max_tokens`"),
    mapped("max_completion_tokens", "`max_tokens`, before the older member"),
    refused("n", &["1"], "the model gives one choice; send the request several times"),
    mapped("tools", "`tools`; only functions, `strict_tools` where all of them are strict"),
    mapped("tool_choice", "`REQUIRED` or `NONE`; of a named function, it alone is offered and required"),
    mapped("response_format", "`response_format`, a schema as `json_schema` of `json_object`"),
    mapped("temperature", "`temperature`, at most 1"),
    mapped("top_p", "`p`, from 0.01 to 0.99"),
    mapped("stop", "`stop_sequences`"),
    dropped("user", "the vendor knows no users"),
    mapped("seed", "`seed`"),
    dropped("metadata", "nothing is stored"),
    dropped("store", "nothing is stored"),
    refused("parallel_tool_calls", &["true"], "the model decides how many tools it calls at once"),
    mapped("reasoning_effort", "`thinking`, with a budget of tokens below `high`; left out where the model does not think"),
    dropped("service_tier", "the vendor knows no tiers; say `priority`"),
    mapped("frequency_penalty", "`frequency_penalty`, from 0 to 1"),
    mapped("presence_penalty", "`presence_penalty`, from 0 to 1"),
    dropped("logit_bias", "the model knows no bias"),
    refused("logprobs", &["false"], "the vendor's probabilities are not by token as OpenAI's are"),
    refused("top_logprobs", &["0"], "the vendor tells no alternatives"),
    refused("modalities", &[r#"["text"]"#, "[]"], "the model answers with text only"),
    refused("audio", &[], "the model answers with text only"),
    dropped("prediction", "it only makes answers faster"),
    dropped("verbosity", "ask for a short or long answer in the prompt"),
    refused("web_search_options", &[], "the model searches nothing; give it a tool or `documents`"),
    dropped("safety_identifier", "the vendor knows no users"),
    dropped("prompt_cache_key", "the vendor caches unasked"),
    dropped("prompt_cache_retention", "the vendor caches unasked"),
    dropped("prompt_cache_options", "the vendor caches unasked"),
    refused("moderation", &[], "the model's provider moderates nothing on request"),
    refused("functions", &["[]"], "say it with `tools`"),
    refused("function_call", &[], "say it with `tool_choice`"),
    mapped("top_k", "`k`"),
    mapped("thinking", "`thinking`, before `reasoning_effort`"),
    mapped("documents", "`documents`; what is cited of them comes back under `citations`"),
    mapped("citation_options", "`citation_options`"),
    mapped("safety_mode", "`safety_mode`"),
    mapped("strict_tools", "`strict_tools`"),
    mapped("priority", "`priority`"),
];

#[cfg(test)]
mod tests {
    use nexus_core::site::Site;

    use super::{
        super::{super::member::proof::Proof, Cohere},
        *,
    };

    #[test]
    fn what_a_row_says_is_what_the_encoder_does() {
        let proof = Proof {
            dialect: &Cohere,
            rows: MEMBERS,
            extensions: &[
                "top_k",
                "thinking",
                "documents",
                "citation_options",
                "safety_mode",
                "strict_tools",
                "priority",
            ],
            real_model: "command-a-reasoning-08-2025",
            site: Site::PLAIN,
            example: |member| {
                let value = match member {
                    "thinking" => r#"{"type":"enabled","token_budget":7}"#,
                    "documents" => r#"["a"]"#,
                    "citation_options" => r#"{"mode":"off"}"#,
                    "safety_mode" => r#""OFF""#,
                    "strict_tools" => "true",
                    "priority" => "1",
                    _ => return None,
                };
                Some(format!("\"{member}\":{value}"))
            },
        };
        proof.check();
    }
}
