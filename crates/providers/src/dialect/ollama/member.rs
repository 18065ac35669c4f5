//! What becomes of each member of a chat request in the vendor's words.

use super::super::member::{Row, dropped, mapped, refused};

/// The last rows are extensions beyond OpenAI's API: the vendor's own members.
#[rustfmt::skip]
pub const MEMBERS: &[Row] = &[
    mapped("model", "`model`: the target's real name"),
    mapped("messages", "`messages`; the parts of a text are joined, images are base64 only, `developer` is `system`"),
    mapped("stream", "`stream`"),
    dropped("stream_options", "usage always arrives; the gateway shows it where it was asked for"),
    mapped("max_tokens", "`options.num_predict`"),
    mapped("max_completion_tokens", "`options.num_predict`, before the older member"),
    refused("n", &["1"], "the model gives one choice; send the request several times"),
    mapped("tools", "`tools`; only functions"),
    mapped("tool_choice", "of `none`, no tools are offered; that a tool must be called cannot be said and is refused"),
    mapped("response_format", "`format`: the schema, or `json`"),
    mapped("temperature", "`options.temperature`"),
    mapped("top_p", "`options.top_p`"),
    mapped("stop", "`options.stop`"),
    dropped("user", "the server knows no users"),
    mapped("seed", "`options.seed`"),
    dropped("metadata", "nothing is stored"),
    dropped("store", "nothing is stored"),
    refused("parallel_tool_calls", &["true"], "the model decides how many tools it calls at once"),
    mapped("reasoning_effort", "`think`: `false` for `none`, else `low`, `medium` or `high`"),
    dropped("service_tier", "the server knows no tiers"),
    mapped("frequency_penalty", "`options.frequency_penalty`"),
    mapped("presence_penalty", "`options.presence_penalty`"),
    dropped("logit_bias", "the model knows no bias"),
    mapped("logprobs", "`logprobs`; a server before 0.12.11 knows none"),
    mapped("top_logprobs", "`top_logprobs`, where `logprobs` is true"),
    refused("modalities", &[r#"["text"]"#, "[]"], "the model answers with text only"),
    refused("audio", &[], "the model answers with text only"),
    dropped("prediction", "it only makes answers faster"),
    dropped("verbosity", "ask for a short or long answer in the prompt"),
    refused("web_search_options", &[], "the model searches nothing; give it a tool"),
    dropped("safety_identifier", "the server knows no users"),
    dropped("prompt_cache_key", "the server caches unasked"),
    dropped("prompt_cache_retention", "the server caches unasked"),
    dropped("prompt_cache_options", "the server caches unasked"),
    refused("moderation", &[], "the server moderates nothing"),
    refused("functions", &["[]"], "say it with `tools`"),
    refused("function_call", &[], "say it with `tool_choice`"),
    mapped("top_k", "`options.top_k`"),
    mapped("options", "`options`, after OpenAI's members and before the provider's own option `num_ctx`"),
    mapped("think", "`think`, before `reasoning_effort`"),
    mapped("keep_alive", "`keep_alive`, before the provider's own option"),
];

#[cfg(test)]
mod tests {
    use nexus_core::site::Site;

    use super::{
        super::{super::member::proof::Proof, Ollama},
        *,
    };

    #[test]
    fn what_a_row_says_is_what_the_encoder_does() {
        let proof = Proof {
            dialect: &Ollama,
            rows: MEMBERS,
            extensions: &["top_k", "options", "think", "keep_alive"],
            real_model: "qwen3",
            site: Site::PLAIN,
            example: |member| {
                let value = match member {
                    "options" => r#"{"num_ctx":8192}"#,
                    "think" => "true",
                    "keep_alive" => r#""10m""#,
                    "top_logprobs" => return Some(r#""logprobs":true,"top_logprobs":3"#.to_owned()),
                    "tool_choice" => {
                        return Some(
                            r#""tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"none""#
                                .to_owned(),
                        );
                    }
                    _ => return None,
                };
                Some(format!("\"{member}\":{value}"))
            },
        };
        proof.check();
    }
}
