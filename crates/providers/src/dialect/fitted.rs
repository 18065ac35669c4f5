//! A chat request as the model takes it: what an operator says it cannot take is left out before any dialect sees it.
//!
//! What a model can do beyond that is each dialect's to know; here is only what holds of every vendor.

use bytes::Bytes;
use nexus_core::capabilities::{Capabilities, Thinking};
use nexus_wire::{
    chat::ChatRequest,
    place::{self, Placed},
    splice::{self, Edit},
};

use super::{Ask, Dialect, Encoded, Unsayable};

/// How the next token is drawn.
const SAMPLING: &[&str] = &["temperature", "top_p", "top_k", "frequency_penalty", "presence_penalty"];

const LIMITS: &[&str] = &["max_tokens", "max_completion_tokens"];

const EFFORT: &[&str] = &["reasoning_effort", "thinking"];

/// Says a chat request in a vendor's words, fitted to its model.
pub fn encode(dialect: &dyn Dialect, ask: Ask<'_>) -> Result<Encoded, Unsayable> {
    match fitted(ask.body, ask.capabilities) {
        None => dialect.encode(ask),
        Some(body) => {
            let request = ChatRequest::read(&body)?;
            dialect.encode(Ask { body: &body, request: &request, ..ask })
        }
    }
}

/// The body the model takes, of a chat or in a tongue whose members have the same names; `None` where it is so already.
pub(crate) fn fitted(body: &[u8], said: &Capabilities) -> Option<Bytes> {
    if said == Capabilities::UNSAID {
        return None;
    }
    let text = std::str::from_utf8(body).ok()?;
    let members = place::members(text);
    let goes = |member: &Placed<'_>| {
        let is_of = |names: &[&str]| names.contains(&&*member.name);
        said.takes_sampling == Some(false) && is_of(SAMPLING)
            || said.thinking == Some(Thinking::None) && is_of(EFFORT)
    };
    let gone = place::removals(text, &members, goes);
    let most = said.max_output_tokens.map(|most| most.to_string()).unwrap_or_default();
    let is_larger = |member: &&Placed<'_>| {
        let asked = member.value.parse::<u64>();
        LIMITS.contains(&&*member.name)
            && asked.is_ok_and(|asked| said.max_output_tokens.is_some_and(|most| asked > most))
    };
    let lowered = members.iter().filter(is_larger).map(|member| member.value_place(text));
    let mut edits: Vec<Edit<'_>> = gone.into_iter().map(|place| Edit { place, text: "" }).collect();
    edits.extend(lowered.map(|place| Edit { place, text: &most }));
    edits.sort_by_key(|edit| edit.place.start);
    (!edits.is_empty()).then(|| splice::splice(body, &edits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_model_does_not_take_is_left_out_and_nothing_else_is_touched() {
        let limited = Capabilities { max_output_tokens: Some(100), ..Capabilities::default() };
        let cold = Capabilities { takes_sampling: Some(false), ..Capabilities::default() };
        let blank = Capabilities { thinking: Some(Thinking::None), ..Capabilities::default() };
        let all = Capabilities { max_output_tokens: Some(100), takes_sampling: Some(false), ..blank.clone() };
        for (said, body, expected) in [
            (Capabilities::UNSAID, r#"{"model":"m","temperature":1}"#, None),
            (&limited, r#"{"model":"m","max_tokens":100}"#, None),
            (&limited, r#"{"model":"m","max_tokens":null}"#, None),
            (&limited, r#"{"max_tokens": 101, "model":"m"}"#, Some(r#"{"max_tokens": 100, "model":"m"}"#)),
            (
                &limited,
                r#"{"model":"m","max_completion_tokens":9999}"#,
                Some(r#"{"model":"m","max_completion_tokens":100}"#),
            ),
            (&cold, r#"{"model":"m","messages":[{"temperature":1}]}"#, None),
            (
                &cold,
                r#"{"temperature":1,"model":"m","top_p":0.5,"user":"u","presence_penalty":0}"#,
                Some(r#"{"model":"m","user":"u"}"#),
            ),
            (&blank, r#"{"model":"m","reasoning_effort":"high"}"#, Some(r#"{"model":"m"}"#)),
            (
                &all,
                r#"{"model":"m","max_tokens":200,"thinking":{},"top_k":1,"n":1}"#,
                Some(r#"{"model":"m","max_tokens":100,"n":1}"#),
            ),
        ] {
            let seen = fitted(body.as_bytes(), said);
            assert_eq!(seen.as_deref(), expected.map(str::as_bytes), "{body}");
        }
    }
}
