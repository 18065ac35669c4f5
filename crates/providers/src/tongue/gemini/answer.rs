//! A chat's whole answer as Google's, and the pieces that a streamed one is made of too.

use std::borrow::Cow;

use bytes::Bytes;
use nexus_wire::usage::TokenUsage;

use super::{request::wants_thoughts, seal};
use crate::{
    part::{
        arguments,
        object::{Object, array, quoted},
    },
    tongue::{
        Told,
        heard::{Heard, Piece},
    },
};

pub(super) fn whole(told: &Told, answer: &[u8]) -> Option<Bytes> {
    let text = std::str::from_utf8(answer).ok()?;
    let choices = Heard::choices(text)?;
    let shows_thoughts = wants_thoughts(&told.sent);
    let first = choices.first()?;
    let (id, usage) = (first.id.clone().into_owned(), first.usage);
    let mut candidates = Vec::with_capacity(choices.len());
    for (index, heard) in (0..).zip(choices) {
        let mut parts = Parts { shows_thoughts, ..Parts::default() };
        let mut finish = "stop".to_owned();
        for piece in heard.pieces {
            match piece {
                Piece::Finish(word) => finish = word.into_owned(),
                piece => parts.take(piece),
            }
        }
        candidates.push(candidate(index, &parts.done(), Some(finish_reason(&finish))));
    }
    Some(response(told, &id, &candidates, Some(usage.unwrap_or_default())).into())
}

/// An answer, or an event of one.
pub(super) fn response(
    told: &Told,
    said_id: &str,
    candidates: &[String],
    usage: Option<TokenUsage>,
) -> String {
    let usage = usage.map(counts);
    let answer = Object::default().raw("candidates", &array(candidates));
    let answer = answer.maybe("usageMetadata", usage.as_deref()).text("modelVersion", &told.alias);
    let made = || Cow::Owned(told.request.0.simple().to_string());
    let id = Some(Cow::Borrowed(said_id)).filter(|id| !id.is_empty()).unwrap_or_else(made);
    answer.text("responseId", &id).done()
}

/// A candidate; without parts it has an empty text, as the vendor's own last event has.
pub(super) fn candidate(index: u64, parts: &[String], finish: Option<&str>) -> String {
    let nothing = [text_part("")];
    let parts = if parts.is_empty() { &nothing } else { parts };
    let content = Object::default().raw("parts", &array(parts)).text("role", "model").done();
    let candidate = Object::default().raw("content", &content);
    candidate.maybe("finishReason", finish.map(quoted).as_deref()).count("index", index).done()
}

/// Google's word for why the model stopped; a call is no reason of its own there.
pub(super) fn finish_reason(word: &str) -> &'static str {
    match word {
        "length" => "MAX_TOKENS",
        "content_filter" => "SAFETY",
        _ => "STOP",
    }
}

/// The counts, of which what was thought stands beside what was said.
fn counts(usage: TokenUsage) -> String {
    let TokenUsage { prompt, completion, cached, reasoning, .. } = usage;
    let mut counts = Object::default().count("promptTokenCount", prompt);
    counts = counts.count("candidatesTokenCount", completion.saturating_sub(reasoning));
    for (name, count) in [("thoughtsTokenCount", reasoning), ("cachedContentTokenCount", cached)] {
        if count > 0 {
            counts = counts.count(name, count);
        }
    }
    counts.count("totalTokenCount", prompt.saturating_add(completion)).done()
}

pub(super) fn text_part(text: &str) -> String {
    Object::default().text("text", text).done()
}

pub(super) fn thought_part(text: &str) -> String {
    Object::default().text("text", text).raw("thought", "true").done()
}

/// What proves the thought before it to be its vendor's.
pub(super) fn seal_part(seal: &str) -> String {
    let part = Object::default().text("text", "").raw("thought", "true");
    part.text("thoughtSignature", seal).done()
}

/// A call with all of its arguments.
pub(super) fn call_part(call: &Call) -> String {
    let function = Object::default().text("id", &call.id).text("name", &call.name);
    let function = function.raw("args", arguments::object(&call.arguments).get()).done();
    let seal = call.seal.as_deref().map(quoted);
    let part = Object::default().raw("functionCall", &function);
    part.maybe("thoughtSignature", seal.as_deref()).done()
}

/// A call as it comes about.
#[derive(Clone, Debug, Default)]
pub(super) struct Call {
    pub(super) place: u64,
    id: String,
    name: String,
    seal: Option<String>,
    pub(super) arguments: String,
}

impl Call {
    pub(super) fn new(place: u64, id: Cow<'_, str>, name: Cow<'_, str>, seal: Option<Cow<'_, str>>) -> Self {
        let (id, name) = (id.into_owned(), name.into_owned());
        Self { place, id, name, seal: seal.map(Cow::into_owned), arguments: String::new() }
    }
}

/// The parts of a whole answer.
#[derive(Default)]
struct Parts {
    shows_thoughts: bool,
    done: Vec<String>,
    text: String,
    thought: String,
    call: Option<Call>,
}

impl Parts {
    fn take(&mut self, piece: Piece<'_>) {
        match piece {
            Piece::Text(text) | Piece::Refusal(text) => {
                self.close(Some(Open::Text));
                self.text.push_str(&text);
            }
            Piece::Thought { text, .. } if self.shows_thoughts => {
                self.close(Some(Open::Thought));
                self.thought.push_str(&text);
            }
            Piece::Seal(signature) if self.shows_thoughts => {
                self.close(None);
                self.done.push(seal_part(&seal::of_thought(&signature)));
            }
            Piece::Redacted(data) if self.shows_thoughts => {
                self.close(None);
                self.done.push(seal_part(&seal::of_redacted(&data)));
            }
            Piece::Call { place, id, name, seal } => {
                self.close(None);
                self.call = Some(Call::new(place, id, name, seal));
            }
            Piece::Arguments { place, text } => {
                if let Some(call) = self.call.as_mut().filter(|call| call.place == place) {
                    call.arguments.push_str(&text);
                }
            }
            Piece::Thought { .. } | Piece::Seal(_) | Piece::Redacted(_) | Piece::Finish(_) => {}
        }
    }

    /// Completes what is open, but for what is to go on.
    fn close(&mut self, but: Option<Open>) {
        if but != Some(Open::Thought) && !self.thought.is_empty() {
            self.done.push(thought_part(&std::mem::take(&mut self.thought)));
        }
        if but != Some(Open::Text) && !self.text.is_empty() {
            self.done.push(text_part(&std::mem::take(&mut self.text)));
        }
        self.done.extend(self.call.take().map(|call| call_part(&call)));
    }

    fn done(mut self) -> Vec<String> {
        self.close(None);
        self.done
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    Text,
    Thought,
}
