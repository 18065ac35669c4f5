//! How probable the model held its tokens to be, in OpenAI's form.

use std::borrow::Cow;

use nexus_wire::conversation::members::Members;
use serde::Serialize;
use serde_json::value::RawValue;

use super::piece::objects;

#[derive(Serialize)]
struct Logprobs<'a> {
    content: Vec<Token<'a>>,
    refusal: Option<()>,
}

#[derive(Serialize)]
struct Token<'a> {
    #[serde(flatten)]
    said: Candidate<'a>,
    top_logprobs: Vec<Candidate<'a>>,
}

#[derive(Serialize)]
struct Candidate<'a> {
    token: Cow<'a, str>,
    logprob: f64,
    bytes: Vec<u8>,
}

/// Of the chosen tokens, each with those that might have stood in its place; `None` where nothing is said.
pub(super) fn shown(results: &[Members<'_>]) -> Option<Box<RawValue>> {
    let content: Vec<Token<'_>> = results.iter().flat_map(tokens).collect();
    let logprobs = (!content.is_empty()).then_some(Logprobs { content, refusal: None })?;
    serde_json::value::to_raw_value(&logprobs).ok()
}

fn tokens<'a>(result: &Members<'a>) -> Vec<Token<'a>> {
    let chosen = objects(result, "chosenCandidates");
    let mut beside = objects(result, "topCandidates").into_iter();
    let token = |said: &Members<'a>| {
        let beside = beside.next().map(|beside| objects(&beside, "candidates")).unwrap_or_default();
        Token { said: candidate(said), top_logprobs: beside.iter().map(candidate).collect() }
    };
    chosen.iter().map(token).collect()
}

/// A probability of 1 is left unsaid, as 0 is everywhere in the vendor's JSON.
fn candidate<'a>(said: &Members<'a>) -> Candidate<'a> {
    let token = said.word("token");
    let logprob = said.raw("logProbability").and_then(|value| value.get().parse().ok()).unwrap_or(0.0);
    Candidate { bytes: token.as_bytes().to_vec(), token, logprob }
}
