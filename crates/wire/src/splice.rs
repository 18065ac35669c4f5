//! Changing a few members of a body without rebuilding it: bytes outside the edits are copied as they are.
//!
//! Edits must come in the order of their places and must not overlap; an edit that does is left out.

use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};

use crate::{
    chat::{ChatRequest, SaidOptions},
    json,
};

/// Puts `text` where `place` is. An empty place inserts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit<'a> {
    pub place: Range<usize>,
    pub text: &'a str,
}

/// `body` with the edits made. One allocation.
pub fn splice(body: &[u8], edits: &[Edit<'_>]) -> Bytes {
    let added: usize = edits.iter().map(|edit| edit.text.len()).sum();
    let mut out = BytesMut::with_capacity(body.len() + added);
    splice_into(body, edits, &mut out);
    out.freeze()
}

/// Appends `body` with the edits made.
pub fn splice_into(body: &[u8], edits: &[Edit<'_>], out: &mut BytesMut) {
    let mut done = 0;
    for edit in edits {
        let Some(before) = body.get(done..edit.place.start).filter(|_| edit.place.end <= body.len()) else {
            continue;
        };
        out.put_slice(before);
        out.put_slice(edit.text.as_bytes());
        done = edit.place.end.max(edit.place.start);
    }
    out.put_slice(body.get(done..).unwrap_or_default());
}

/// `name` as a JSON string: what stands in the place of a `model`.
pub fn model_text(name: &str) -> String {
    json::quoted(name)
}

/// What becomes of `stream_options`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamOptions {
    /// It stays as it is.
    Keep,
    /// `include_usage` becomes true, whatever the body says.
    AskUsage,
    /// It is taken out: the provider does not know it.
    Remove,
}

/// What a chat request must say differently to a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retarget<'a> {
    /// The provider's name of the model.
    pub model: &'a str,
    pub stream_options: StreamOptions,
    /// Say `max_tokens` where the body says `max_completion_tokens`, unless it says both.
    pub old_max_tokens: bool,
}

/// The body of a chat request with these changes; `request` must have been read from `body`.
pub fn retarget(body: &[u8], request: &ChatRequest, changes: Retarget<'_>) -> Bytes {
    let places = &request.places;
    let model = model_text(changes.model);
    let options;
    let mut edits = Vec::with_capacity(3);
    edits.push(Edit { place: places.model.clone(), text: &model });
    if changes.old_max_tokens
        && !places.has_max_tokens
        && let Some(place) = &places.max_completion_tokens_name
    {
        edits.push(Edit { place: place.clone(), text: "\"max_tokens\"" });
    }
    match (changes.stream_options, &places.stream_options) {
        (StreamOptions::AskUsage, Some(member)) => {
            options = with_usage(body.get(member.value.clone()).unwrap_or_default());
            edits.push(Edit { place: member.value.clone(), text: &options });
        }
        (StreamOptions::AskUsage, None) => edits.push(Edit {
            place: places.closing_brace..places.closing_brace,
            text: ",\"stream_options\":{\"include_usage\":true}",
        }),
        (StreamOptions::Remove, Some(member)) => {
            edits.push(Edit { place: with_comma(body, member.whole.clone()), text: "" });
        }
        (StreamOptions::Remove, None) | (StreamOptions::Keep, _) => {}
    }
    edits.sort_by_key(|edit| edit.place.start);
    splice(body, &edits)
}

/// A member's place with one comma beside it, where there is one.
fn with_comma(body: &[u8], member: Range<usize>) -> Range<usize> {
    let before = body.get(..member.start).unwrap_or_default().trim_ascii_end();
    if before.ends_with(b",") {
        return before.len() - 1..member.end;
    }
    let after = body.get(member.end..).unwrap_or_default();
    let blanks = after.len() - after.trim_ascii_start().len();
    let is_followed = after.get(blanks) == Some(&b',');
    member.start..member.end + if is_followed { blanks + 1 } else { 0 }
}

/// `stream_options` with `include_usage` true and its other members as they are.
fn with_usage(value: &[u8]) -> String {
    let text = std::str::from_utf8(value).unwrap_or_default();
    let mut options = SaidOptions::default();
    if !text.starts_with('{') || options.read(text).is_err() || options.is_empty {
        return "{\"include_usage\":true}".to_owned();
    }
    let (place, new) = match options.include_usage {
        Some(said) => (json::place(text, said), "true"),
        None => (1..1, "\"include_usage\":true,"),
    };
    let (before, after) =
        (text.get(..place.start).unwrap_or_default(), text.get(place.end..).unwrap_or_default());
    [before, new, after].concat()
}

#[cfg(test)]
mod tests;
