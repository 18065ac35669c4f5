//! How probable the model held its tokens to be.

use nexus_wire::conversation::members::Members;
use serde_json::value::RawValue;

use super::piece::objects;
use crate::part::logprobs::{self, Candidate, Token};

/// In OpenAI's form; `None` where nothing is said.
pub(super) fn shown(results: &[Members<'_>]) -> Option<Box<RawValue>> {
    logprobs::shown(results.iter().flat_map(tokens).collect())
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
    let logprob = said.raw("logProbability").and_then(|value| value.get().parse().ok()).unwrap_or(0.0);
    Candidate::new(said.word("token"), logprob)
}
