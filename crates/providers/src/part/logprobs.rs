//! How probable a model held its tokens to be, in OpenAI's form.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

#[derive(Serialize)]
struct Logprobs<'a> {
    content: Vec<Token<'a>>,
    refusal: Option<()>,
}

/// A token that was chosen, and those that might have stood in its place.
#[derive(Serialize)]
pub(crate) struct Token<'a> {
    #[serde(flatten)]
    pub(crate) said: Candidate<'a>,
    pub(crate) top_logprobs: Vec<Candidate<'a>>,
}

#[derive(Serialize)]
pub(crate) struct Candidate<'a> {
    token: Cow<'a, str>,
    logprob: f64,
    bytes: Vec<u8>,
}

impl<'a> Candidate<'a> {
    pub(crate) fn new(token: Cow<'a, str>, logprob: f64) -> Self {
        Self { bytes: token.as_bytes().to_vec(), token, logprob }
    }
}

/// Of the chosen tokens; `None` where there are none.
pub(crate) fn shown(content: Vec<Token<'_>>) -> Option<Box<RawValue>> {
    let logprobs = (!content.is_empty()).then_some(Logprobs { content, refusal: None })?;
    serde_json::value::to_raw_value(&logprobs).ok()
}
