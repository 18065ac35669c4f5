//! A chat's whole answer as a message.

use bytes::Bytes;
use nexus_wire::usage::TokenUsage;

use super::turn::SEAL_OF_CALL;
use crate::{
    part::{
        arguments,
        object::{Object, array},
    },
    tongue::{
        Told,
        heard::{Heard, Piece},
    },
};

pub(super) fn whole(told: &Told, answer: &[u8]) -> Option<Bytes> {
    let heard = Heard::read(std::str::from_utf8(answer).ok()?)?;
    let mut blocks = Blocks::default();
    let mut stop = "end_turn";
    for piece in heard.pieces {
        match piece {
            Piece::Finish(word) => stop = stop_reason(&word),
            piece => blocks.take(piece),
        }
    }
    let message = begun(told, &heard.id, &array(&blocks.done()))
        .text("stop_reason", stop)
        .raw("stop_sequence", "null")
        .raw("usage", &usage(heard.usage.unwrap_or_default()));
    Some(message.done().into())
}

/// What every message begins with, up to its `content`.
pub(super) fn begun(told: &Told, said: &str, content: &str) -> Object {
    let inner = said.trim_start_matches("chatcmpl-");
    let id = match inner {
        "" => format!("msg_{}", told.request.0.simple()),
        inner if inner.starts_with("msg_") => inner.to_owned(),
        inner => format!("msg_{inner}"),
    };
    let message = Object::default().text("id", &id).text("type", "message").text("role", "assistant");
    message.text("model", &told.alias).raw("content", content)
}

/// Anthropic's word for why the model stopped.
pub(super) fn stop_reason(finish_reason: &str) -> &'static str {
    match finish_reason {
        "length" => "max_tokens",
        "tool_calls" | "function_call" => "tool_use",
        "content_filter" => "refusal",
        _ => "end_turn",
    }
}

/// The prompt's count without what its caches hold, which stands beside it.
pub(super) fn usage(usage: TokenUsage) -> String {
    let TokenUsage { prompt, completion, cached, cache_write, .. } = usage;
    let input = prompt.saturating_sub(cached).saturating_sub(cache_write);
    let counts = Object::default().count("input_tokens", input);
    let counts =
        counts.count("cache_creation_input_tokens", cache_write).count("cache_read_input_tokens", cached);
    counts.count("output_tokens", completion).done()
}

/// A block before its words.
pub(super) fn text_block(text: &str) -> String {
    Object::of("text").text("text", text).done()
}

pub(super) fn thinking_block(text: &str, seal: &str) -> String {
    Object::of("thinking").text("thinking", text).text("signature", seal).done()
}

pub(super) fn redacted_block(data: &str) -> String {
    Object::of("redacted_thinking").text("data", data).done()
}

/// What bears Google's signature of the next call.
pub(super) fn seal_block(seal: &str) -> String {
    redacted_block(&format!("{SEAL_OF_CALL}{seal}"))
}

pub(super) fn call_block(id: &str, name: &str, input: &str) -> String {
    Object::of("tool_use").text("id", id).text("name", name).raw("input", input).done()
}

/// The blocks of a message as they come about.
#[derive(Default)]
struct Blocks {
    done: Vec<String>,
    open: Option<Open>,
}

enum Open {
    Text(String),
    Thought { place: Option<u64>, text: String, seal: String },
    Call { id: String, name: String, arguments: String },
}

impl Blocks {
    fn take(&mut self, piece: Piece<'_>) {
        match (piece, &mut self.open) {
            (Piece::Text(text) | Piece::Refusal(text), Some(Open::Text(open))) => open.push_str(&text),
            (Piece::Text(text) | Piece::Refusal(text), _) => self.open(Open::Text(text.into_owned())),
            (Piece::Thought { place, text }, Some(Open::Thought { place: open, text: said, .. }))
                if *open == place =>
            {
                said.push_str(&text);
            }
            (Piece::Thought { place, text }, _) => {
                self.open(Open::Thought { place, text: text.into_owned(), seal: String::new() });
            }
            (Piece::Seal(seal), Some(Open::Thought { seal: open, .. })) => open.push_str(&seal),
            (Piece::Redacted(data), _) => {
                self.close();
                self.done.push(redacted_block(&data));
            }
            (Piece::Call { id, name, seal, .. }, _) => {
                self.close();
                self.done.extend(seal.map(|seal| seal_block(&seal)));
                let (id, name) = (id.into_owned(), name.into_owned());
                self.open = Some(Open::Call { id, name, arguments: String::new() });
            }
            (Piece::Arguments { text, .. }, Some(Open::Call { arguments, .. })) => arguments.push_str(&text),
            (Piece::Seal(_) | Piece::Arguments { .. } | Piece::Finish(_), _) => {}
        }
    }

    fn open(&mut self, block: Open) {
        self.close();
        self.open = Some(block);
    }

    fn close(&mut self) {
        self.done.extend(self.open.take().map(|open| match open {
            Open::Text(text) => text_block(&text),
            Open::Thought { text, seal, .. } => thinking_block(&text, &seal),
            Open::Call { id, name, arguments } => call_block(&id, &name, arguments::object(&arguments).get()),
        }));
    }

    fn done(mut self) -> Vec<String> {
        self.close();
        self.done
    }
}
