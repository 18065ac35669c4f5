//! What becomes of each member of a chat request in the vendor's words.

use super::super::member::{Row, dropped, mapped, refused};

/// The last rows are extensions beyond OpenAI's API.
#[rustfmt::skip]
pub const MEMBERS: &[Row] = &[
    mapped("model", "the target's real name, in the path"),
    mapped("messages", "`systemInstruction` and `contents`; results go by their function's name and before the text of their turn"),
    mapped("stream", "`streamGenerateContent` in the path"),
    dropped("stream_options", "usage always arrives; the gateway shows it where it was asked for"),
    mapped("max_tokens", "`maxOutputTokens`"),
    mapped("max_completion_tokens", "`maxOutputTokens`, before the older member"),
    mapped("n", "`candidateCount`; refused in a stream, which has one choice only"),
    mapped("tools", "`functionDeclarations` with `parametersJsonSchema`; only functions"),
    mapped("tool_choice", "`functionCallingConfig`; left out where there are no tools; `VALIDATED` where a tool is `strict` and none must be called"),
    mapped("response_format", "`responseMimeType` and `responseJsonSchema`; beside tools, for a model before 3, a tool that must be called, and an instruction for `json_object`"),
    mapped("temperature", "`temperature`, at most 2"),
    mapped("top_p", "`topP`"),
    mapped("stop", "`stopSequences`, at most five"),
    dropped("user", "the model's provider wants no word about its user"),
    mapped("seed", "`seed`, folded into 31 bits"),
    dropped("metadata", "nothing is stored"),
    dropped("store", "nothing is stored"),
    dropped("parallel_tool_calls", "the model decides how many tools it calls"),
    mapped("reasoning_effort", "`thinkingConfig`: a level, or a budget of tokens for 2.5; left out where the model does not think"),
    dropped("service_tier", "answers are of the usual tier"),
    mapped("frequency_penalty", "`frequencyPenalty`; left out if 0, and where the model takes none"),
    mapped("presence_penalty", "`presencePenalty`; left out if 0, and where the model takes none"),
    dropped("logit_bias", "the model knows no bias"),
    mapped("logprobs", "`responseLogprobs`"),
    mapped("top_logprobs", "`logprobs`, where `logprobs` is true"),
    refused("modalities", &[r#"["text"]"#, "[]"], "the model is asked for text only"),
    refused("audio", &[], "the model is asked for text only"),
    dropped("prediction", "it only makes answers faster"),
    dropped("verbosity", "ask for a short or long answer in the prompt"),
    mapped("web_search_options", "`googleSearch`, and what was found is `annotations`; refused beside `tools` and, for a model before 3, beside a `response_format`; size and place of the search are left out"),
    dropped("safety_identifier", "the model's provider wants no word about its user"),
    dropped("prompt_cache_key", "the model's provider caches by itself"),
    dropped("prompt_cache_retention", "the model's provider caches by itself"),
    dropped("prompt_cache_options", "the model's provider caches by itself"),
    refused("moderation", &[], "the model's provider moderates nothing on request"),
    refused("functions", &["[]"], "say it with `tools`"),
    refused("function_call", &[], "say it with `tool_choice`"),
    mapped("top_k", "an extension: `topK`, as it is"),
    mapped("safety_settings", "an extension: `safetySettings`, as it is"),
];

#[cfg(test)]
mod tests;
