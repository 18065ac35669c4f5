//! What becomes of each member of a chat request with this vendor.

use super::super::member::{Row, dropped, mapped, refused};

/// The table. The last rows are extensions beyond OpenAI's API.
#[rustfmt::skip]
pub const MEMBERS: &[Row] = &[
    mapped("model", "the model's id, profile or ARN, in the path"),
    mapped("messages", "`system` and `messages`; tool results go before the text of their turn, files and images inline or by `s3://` address"),
    mapped("stream", "`converse-stream` in place of `converse`"),
    dropped("stream_options", "usage always arrives; the gateway shows it where it was asked for"),
    mapped("max_tokens", "`inferenceConfig.maxTokens`; for Claude at most what the model can write"),
    mapped("max_completion_tokens", "`inferenceConfig.maxTokens`, before the older member"),
    refused("n", &["1"], "the model gives one choice; send the request several times"),
    mapped("tools", "`toolConfig.tools`; only functions, `strict` where the model knows it"),
    mapped("tool_choice", "`toolConfig.toolChoice`; for `none` the tools are left out, unless the conversation has calls in it"),
    mapped("response_format", "`outputConfig.textFormat`; a tool that must be called where the model has no such thing; an instruction for `json_object`"),
    mapped("temperature", "`inferenceConfig.temperature`, at most 1; left out where the model takes none or thinks"),
    mapped("top_p", "`inferenceConfig.topP`; for Claude left out beside `temperature`, and where it takes none or thinks"),
    mapped("stop", "`inferenceConfig.stopSequences`; those of white space only are left out"),
    mapped("user", "`requestMetadata.user_id`; left out if it has other letters than the vendor takes"),
    dropped("seed", "the models cannot be seeded"),
    mapped("metadata", "`requestMetadata`; entries with other letters than the vendor takes are left out"),
    dropped("store", "nothing is stored"),
    mapped("parallel_tool_calls", "for Claude, `disable_parallel_tool_use` the other way round; else left out"),
    mapped("reasoning_effort", "Claude's `thinking` and `output_config`, Nova's `reasoningConfig`, `reasoning_effort` for OpenAI's open models; else left out"),
    mapped("service_tier", "`serviceTier` for `default`, `flex` and `priority`; others are left out"),
    dropped("frequency_penalty", "the models know no penalties"),
    dropped("presence_penalty", "the models know no penalties"),
    dropped("logit_bias", "the models know no bias"),
    refused("logprobs", &["false"], "the models tell no probabilities"),
    refused("top_logprobs", &["0"], "the models tell no probabilities"),
    refused("modalities", &[r#"["text"]"#, "[]"], "the models answer with text only"),
    refused("audio", &[], "the models answer with text only"),
    dropped("prediction", "it only makes answers faster"),
    dropped("verbosity", "ask for a short or long answer in the prompt"),
    refused("web_search_options", &[], "the vendor's own search is not offered; give the model a tool"),
    mapped("safety_identifier", "`requestMetadata.user_id`, where `user` is unsaid"),
    dropped("prompt_cache_key", "mark parts with `cache_control` instead"),
    dropped("prompt_cache_retention", "mark parts with `cache_control` instead"),
    dropped("prompt_cache_options", "mark parts with `cache_control` instead"),
    refused("moderation", &[], "the vendor moderates nothing on request"),
    refused("functions", &["[]"], "say it with `tools`"),
    refused("function_call", &[], "say it with `tool_choice`"),
    mapped("top_k", "an extension: `top_k` in the model's own words"),
    mapped("thinking", "an extension: Claude's `thinking`, as it is, before `reasoning_effort`"),
];

#[cfg(test)]
mod tests;
