//! What becomes of each member of a chat request in the vendor's words.

use super::super::member::{Row, dropped, mapped, refused};

/// The last rows are extensions beyond OpenAI's API.
#[rustfmt::skip]
pub const MEMBERS: &[Row] = &[
    mapped("model", "`model`: the target's real name"),
    mapped("messages", "`system` and `messages`; tool results go before the text of their turn"),
    mapped("stream", "`stream`"),
    dropped("stream_options", "usage always arrives; the gateway shows it where it was asked for"),
    mapped("max_tokens", "`max_tokens`, at most what the model can write; unsaid it is just that"),
    mapped("max_completion_tokens", "`max_tokens`, before the older member"),
    refused("n", &["1"], "the model gives one choice; send the request several times"),
    mapped("tools", "`tools`; only functions, `strict` where the model knows it"),
    mapped("tool_choice", "`tool_choice`; left out where there are no tools"),
    mapped("response_format", "`output_config.format`; a tool that must be called where the model has no such thing; an instruction for `json_object`"),
    mapped("temperature", "`temperature`, at most 1; left out where the model takes none or thinks"),
    mapped("top_p", "`top_p`; left out beside `temperature`, and where the model takes none or thinks"),
    mapped("stop", "`stop_sequences`; those of white space only are left out"),
    mapped("user", "`metadata.user_id`; left out if longer than 256 characters"),
    dropped("seed", "the model cannot be seeded"),
    dropped("metadata", "nothing is stored"),
    dropped("store", "nothing is stored"),
    mapped("parallel_tool_calls", "`tool_choice.disable_parallel_tool_use`, the other way round"),
    mapped("reasoning_effort", "`thinking` and `output_config.effort`, or a budget of tokens for older models"),
    mapped("service_tier", "`auto` stays, `default` is `standard_only`, others are left out"),
    dropped("frequency_penalty", "the model knows no penalties"),
    dropped("presence_penalty", "the model knows no penalties"),
    dropped("logit_bias", "the model knows no bias"),
    refused("logprobs", &["false"], "the model tells no probabilities"),
    refused("top_logprobs", &["0"], "the model tells no probabilities"),
    refused("modalities", &[r#"["text"]"#, "[]"], "the model answers with text only"),
    refused("audio", &[], "the model answers with text only"),
    dropped("prediction", "it only makes answers faster"),
    dropped("verbosity", "ask for a short or long answer in the prompt"),
    mapped("web_search_options", "the vendor's tool `web_search`, and what was found is `annotations`; refused beside a tool of that name, and where an answer's form takes a tool that must be called; the size of the search is left out"),
    mapped("safety_identifier", "`metadata.user_id`, where `user` is unsaid"),
    dropped("prompt_cache_key", "mark parts with `cache_control` instead"),
    dropped("prompt_cache_retention", "mark parts with `cache_control` instead"),
    dropped("prompt_cache_options", "mark parts with `cache_control` instead"),
    refused("moderation", &[], "the model's provider moderates nothing on request"),
    refused("functions", &["[]"], "say it with `tools`"),
    refused("function_call", &[], "say it with `tool_choice`"),
    mapped("top_k", "an extension: `top_k`, as it is"),
    mapped("thinking", "an extension: `thinking`, as it is, before `reasoning_effort`"),
];

#[cfg(test)]
mod tests;
