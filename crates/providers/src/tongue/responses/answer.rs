//! The items of an answer, and a chat's whole answer as a response.

use bytes::{Bytes, BytesMut};

use super::{SEAL_OF_CALL, SEALED_THOUGHT, echo, echo::Status, events::Events};
use crate::{
    part::object::{Object, array},
    tongue::{Told, heard::Heard},
};

/// One item of an answer, as it comes about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Text(String),
    Refusal(String),
    Thought {
        place: Option<u64>,
        text: String,
        seal: String,
    },
    /// What is only to be sent back.
    Sealed(String),
    Call {
        place: u64,
        id: String,
        name: String,
        arguments: String,
    },
}

impl Item {
    pub(super) fn redacted(data: &str) -> Self {
        let block = Object::of("redacted_thinking").text("data", data).done();
        Self::Sealed(format!("{SEALED_THOUGHT}{block}"))
    }

    pub(super) fn seal_of_call(seal: &str) -> Self {
        Self::Sealed(format!("{SEAL_OF_CALL}{seal}"))
    }

    /// How the id of such an item begins.
    pub(super) fn prefix(&self) -> &'static str {
        match self {
            Self::Text(_) | Self::Refusal(_) => "msg_",
            Self::Thought { .. } | Self::Sealed(_) => "rs_",
            Self::Call { .. } => "fc_",
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Text(text) | Self::Refusal(text) | Self::Sealed(text) => text.len(),
            Self::Thought { text, seal, .. } => text.len() + seal.len(),
            Self::Call { id, name, arguments, .. } => id.len() + name.len() + arguments.len(),
        }
    }

    /// A message's one part.
    pub(super) fn part(&self) -> String {
        match self {
            Self::Refusal(text) => Object::of("refusal").text("refusal", text).done(),
            Self::Text(text) => Object::of("output_text")
                .text("text", text)
                .raw("annotations", "[]")
                .raw("logprobs", "[]")
                .done(),
            _ => "{}".to_owned(),
        }
    }

    /// A thought's summary.
    pub(super) fn summary(&self) -> String {
        match self {
            Self::Thought { text, .. } => Object::of("summary_text").text("text", text).done(),
            _ => "{}".to_owned(),
        }
    }

    /// As it is shown when it begins.
    pub(super) fn begun(&self, id: &str) -> String {
        let item = Object::default().text("id", id);
        match self {
            Self::Text(_) | Self::Refusal(_) => {
                let item =
                    item.text("type", "message").text("status", "in_progress").text("role", "assistant");
                item.raw("content", "[]").done()
            }
            Self::Thought { .. } | Self::Sealed(_) => {
                item.text("type", "reasoning").raw("summary", "[]").done()
            }
            Self::Call { id: call, name, .. } => {
                let item = item.text("type", "function_call").text("status", "in_progress");
                item.text("call_id", call).text("name", name).text("arguments", "").done()
            }
        }
    }

    /// As it is when it is complete.
    pub(super) fn done(&self, id: &str) -> String {
        let item = Object::default().text("id", id);
        match self {
            Self::Text(_) | Self::Refusal(_) => {
                let item = item.text("type", "message").text("status", "completed").text("role", "assistant");
                item.raw("content", &array(&[self.part()])).done()
            }
            Self::Thought { text, seal, .. } => {
                let summary = if text.is_empty() { Vec::new() } else { vec![self.summary()] };
                let item = item.text("type", "reasoning").raw("summary", &array(&summary));
                if seal.is_empty() {
                    return item.done();
                }
                let block = Object::of("thinking").text("thinking", text).text("signature", seal).done();
                item.text("encrypted_content", &format!("{SEALED_THOUGHT}{block}")).done()
            }
            Self::Sealed(content) => {
                item.text("type", "reasoning").raw("summary", "[]").text("encrypted_content", content).done()
            }
            Self::Call { id: call, name, arguments, .. } => {
                let item = item.text("type", "function_call").text("status", "completed");
                item.text("call_id", call).text("name", name).text("arguments", arguments).done()
            }
        }
    }
}

pub(super) fn whole(told: &Told, answer: &[u8]) -> Option<Bytes> {
    let heard = Heard::read(std::str::from_utf8(answer).ok()?)?;
    let mut events = Events::new(told);
    let mut unheard = BytesMut::new();
    heard.pieces.into_iter().for_each(|piece| events.piece(piece, &mut unheard));
    let (items, finish) = events.finish(&mut unheard);
    Some(echo::response(told, Status::of(finish.as_deref()), &items, heard.usage).into())
}
