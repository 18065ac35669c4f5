//! What a candidate says, part by part.
//!
//! Parts of the vendor's own tools, and kinds that are not known, say nothing: nothing a caller did not ask
//! for may look like a call of the caller's tools.

use std::borrow::Cow;

use nexus_core::{fault::Fault, id::RequestId};
use nexus_wire::conversation::members::Members;
use serde_json::value::RawValue;

use super::super::bad_answer;
use crate::part::structured::ANSWER_TOOL;

/// How the id of a call begins that the vendor gave none.
pub(super) const MADE_ID: &str = "call_nexus_";

/// A part, and the signature it came with.
#[derive(Debug)]
pub(super) struct Piece<'a> {
    pub(super) said: Said<'a>,
    pub(super) seal: Option<Cow<'a, str>>,
}

#[derive(Debug)]
pub(super) enum Said<'a> {
    Text(Cow<'a, str>),
    Thought(Cow<'a, str>),
    /// The id is empty where the vendor gave none.
    Call {
        id: Cow<'a, str>,
        name: Cow<'a, str>,
        arguments: &'a str,
    },
    /// An answer in the clothes of a call.
    Answer(&'a str),
    /// As a `data:` URL.
    Image(String),
    Nothing,
}

/// The elements of a member that are objects.
pub(crate) fn objects<'a>(members: &Members<'a>, name: &str) -> Vec<Members<'a>> {
    let values = members.raw(name).and_then(|values| serde_json::from_str(values.get()).ok());
    let values: Vec<&'a RawValue> = values.unwrap_or_default();
    values.into_iter().filter_map(|value| Members::read(value.get())).collect()
}

/// The parts of a candidate.
pub(super) fn pieces<'a>(candidate: &Members<'a>) -> Result<Vec<Piece<'a>>, Fault> {
    let content = candidate.object("content").ok().flatten().unwrap_or_default();
    objects(&content, "parts").iter().map(piece).collect()
}

fn piece<'a>(part: &Members<'a>) -> Result<Piece<'a>, Fault> {
    let object = |name| part.object(name).ok().flatten();
    let is_thought = part.raw("thought").is_some_and(|value| value.get() == "true");
    let said = if let Some(call) = object("functionCall") {
        called(&call)?
    } else if let Some(data) = object("inlineData") {
        image(&data)
    } else {
        match (part.text("text").ok().flatten(), is_thought) {
            (Some(text), true) => Said::Thought(text),
            (Some(text), false) => Said::Text(text),
            (None, _) => Said::Nothing,
        }
    };
    let is_of_own_tool = matches!(said, Said::Nothing);
    let seal = part.text("thoughtSignature").ok().flatten();
    Ok(Piece { said, seal: seal.filter(|seal| !seal.is_empty() && !is_of_own_tool) })
}

fn called<'a>(call: &Members<'a>) -> Result<Said<'a>, Fault> {
    let is_piece = call.raw("partialArgs").is_some()
        || call.raw("willContinue").is_some_and(|value| value.get() == "true");
    let name = call.word("name");
    if is_piece || name.is_empty() {
        return Err(bad_answer("the provider sent a call in pieces, which nobody asked for"));
    }
    let arguments = call.raw("args").map_or("{}", RawValue::get);
    if name == ANSWER_TOOL {
        return Ok(Said::Answer(arguments));
    }
    Ok(Said::Call { id: call.word("id"), name, arguments })
}

fn image<'a>(data: &Members<'a>) -> Said<'a> {
    let media_type = data.word("mimeType");
    if !media_type.starts_with("image/") {
        return Said::Nothing;
    }
    Said::Image(format!("data:{media_type};base64,{}", data.word("data")))
}

/// An id for the call of this number, the same whenever the same answer is read.
pub(super) fn made_id(response_id: &str, request: RequestId, choice: u64, number: usize) -> String {
    match response_id {
        "" => format!("{MADE_ID}{}_{choice}_{number}", request.0.simple()),
        known => format!("{MADE_ID}{known}_{choice}_{number}"),
    }
}
