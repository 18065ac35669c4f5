//! What a chat's answer says, piece by piece: the same pieces for a whole message and for the deltas of a stream.
//!
//! Of a stream only the first choice is heard: no tongue here has others there. What is not understood is passed over.

use std::borrow::Cow;

use nexus_wire::{conversation::members::Members, usage::TokenUsage};
use serde_json::value::RawValue;

/// Something that is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Text(Cow<'a, str>),
    Refusal(Cow<'a, str>),
    /// A thought begins, or goes on where there is one already; by its place among the thoughts.
    Thought {
        place: Option<u64>,
        text: Cow<'a, str>,
    },
    /// What proves a thought to be the vendor's.
    Seal(Cow<'a, str>),
    /// A thought that only the vendor can read.
    Redacted(Cow<'a, str>),
    /// A call begins.
    Call {
        place: u64,
        id: Cow<'a, str>,
        name: Cow<'a, str>,
        /// The signature that Google wants back with it.
        seal: Option<Cow<'a, str>>,
    },
    Arguments {
        place: u64,
        text: Cow<'a, str>,
    },
    /// OpenAI's word for why the model stopped.
    Finish(Cow<'a, str>),
}

/// A completion or a chunk.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard<'a> {
    pub(super) id: Cow<'a, str>,
    pub(super) pieces: Vec<Piece<'a>>,
    pub(super) usage: Option<TokenUsage>,
    /// `error`, as it stands.
    pub(super) error: Option<&'a RawValue>,
}

impl<'a> Heard<'a> {
    /// The first choice. `None` where the text is no JSON object.
    pub(super) fn read(text: &'a str) -> Option<Self> {
        let said = Members::read(text)?;
        Some(Self::choice(&said, &elements(said.raw("choices")), 0))
    }

    /// Every choice in its order, at least one. `None` where the text is no JSON object.
    pub(super) fn choices(text: &'a str) -> Option<Vec<Self>> {
        let said = Members::read(text)?;
        let choices = elements(said.raw("choices"));
        let last = choices.len().saturating_sub(1) as u64;
        Some((0..=last).map(|at| Self::choice(&said, &choices, at)).collect())
    }

    fn choice(said: &Members<'a>, choices: &[&'a RawValue], at: u64) -> Self {
        let mut heard = Self {
            id: said.word("id"),
            pieces: Vec::new(),
            usage: said.raw("usage").and_then(|usage| TokenUsage::read(usage.get())),
            error: said.raw("error"),
        };
        let choices = choices.iter().filter_map(|choice| Members::read(choice.get())).enumerate();
        let it = choices.filter(|(ordinal, choice)| place(choice, *ordinal) == at).map(|(_, choice)| choice);
        for choice in it.take(1) {
            for name in ["message", "delta"] {
                if let Some(message) = choice.object(name).ok().flatten() {
                    heard.message(&message);
                }
            }
            let finish = choice.text("finish_reason").ok().flatten();
            heard.pieces.extend(finish.filter(|word| !word.is_empty()).map(Piece::Finish));
        }
        heard
    }

    fn message(&mut self, message: &Members<'a>) {
        let thoughts = elements(message.raw("thinking_blocks"));
        match thoughts.is_empty() {
            true => {
                let text = [message.word("reasoning_content"), message.word("reasoning")];
                let text = text.into_iter().find(|text| !text.is_empty());
                self.pieces.extend(text.map(|text| Piece::Thought { place: None, text }));
            }
            false => thoughts.iter().enumerate().for_each(|(at, block)| self.thought(at, block)),
        }
        self.content(message.raw("content"));
        let refusal = message.word("refusal");
        if !refusal.is_empty() {
            self.pieces.push(Piece::Refusal(refusal));
        }
        for (at, call) in elements(message.raw("tool_calls")).into_iter().enumerate() {
            self.call(at, call);
        }
    }

    fn thought(&mut self, at: usize, block: &'a RawValue) {
        let Some(block) = Members::read(block.get()) else { return };
        let (text, seal, data) = (block.word("thinking"), block.word("signature"), block.word("data"));
        if !data.is_empty() {
            self.pieces.push(Piece::Redacted(data));
            return;
        }
        if !text.is_empty() || block.raw("type").is_some() {
            self.pieces.push(Piece::Thought { place: Some(place(&block, at)), text });
        }
        if !seal.is_empty() {
            self.pieces.push(Piece::Seal(seal));
        }
    }

    /// A string, or parts as some vendors have them.
    fn content(&mut self, content: Option<&'a RawValue>) {
        let Some(content) = content else { return };
        if let Ok(text) = serde_json::from_str::<Cow<'a, str>>(content.get()) {
            if !text.is_empty() {
                self.pieces.push(Piece::Text(text));
            }
            return;
        }
        for part in elements(Some(content)).into_iter().filter_map(|part| Members::read(part.get())) {
            match &*part.word("type") {
                "text" => self.pieces.push(Piece::Text(part.word("text"))),
                "refusal" => self.pieces.push(Piece::Refusal(part.word("refusal"))),
                "thinking" => {
                    let inner = elements(part.raw("thinking")).into_iter();
                    let words =
                        inner.filter_map(|part| Members::read(part.get())).map(|part| part.word("text"));
                    self.pieces.extend(words.map(|text| Piece::Thought { place: None, text }));
                }
                _ => {}
            }
        }
    }

    fn call(&mut self, at: usize, call: &'a RawValue) {
        let Some(call) = Members::read(call.get()) else { return };
        let function = call.object("function").ok().flatten().unwrap_or_default();
        let (place, id, name) = (place(&call, at), call.word("id"), function.word("name"));
        if !id.is_empty() || !name.is_empty() {
            self.pieces.push(Piece::Call { place, id, name, seal: seal(&call) });
        }
        let text = function.word("arguments");
        if !text.is_empty() {
            self.pieces.push(Piece::Arguments { place, text });
        }
    }
}

/// The signature that Google wants back.
fn seal<'a>(call: &Members<'a>) -> Option<Cow<'a, str>> {
    let google = call.object("extra_content").ok().flatten()?.object("google").ok().flatten()?;
    google.text("thought_signature").ok().flatten()
}

/// Where something stands among its kind, where it does not say so itself.
fn place(members: &Members<'_>, at: usize) -> u64 {
    members.raw("index").and_then(|index| index.get().parse().ok()).unwrap_or(at as u64)
}

/// The elements of an array; none if it is none.
pub(super) fn elements(value: Option<&RawValue>) -> Vec<&RawValue> {
    value.and_then(|value| serde_json::from_str(value.get()).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str) -> String {
        format!("{:?}", Heard::read(text).map(|heard| heard.pieces).unwrap_or_default())
    }

    #[test]
    fn a_message_and_the_deltas_of_a_stream_say_the_same_pieces() {
        for (message, expected) in [
            (r#"{"content":"a\n"}"#, r#"[Text("a\n")]"#),
            (r#"{"content":null,"refusal":"no"}"#, r#"[Refusal("no")]"#),
            (r#"{"role":"assistant","content":""}"#, "[]"),
            (r#"{"reasoning":"hm","content":"a"}"#, r#"[Thought { place: None, text: "hm" }, Text("a")]"#),
            (
                r#"{"reasoning_content":"hm","thinking_blocks":[{"index":1,"thinking":"hm"},{"index":1,"signature":"s"}]}"#,
                r#"[Thought { place: Some(1), text: "hm" }, Seal("s")]"#,
            ),
            (r#"{"thinking_blocks":[{"type":"redacted_thinking","data":"x"}]}"#, r#"[Redacted("x")]"#),
            (
                r#"{"content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]},{"type":"text","text":"a"}]}"#,
                r#"[Thought { place: None, text: "hm" }, Text("a")]"#,
            ),
            (
                r#"{"tool_calls":[{"index":2,"id":"c","function":{"name":"f","arguments":"{}"},"extra_content":{"google":{"thought_signature":"s"}}}]}"#,
                r#"[Call { place: 2, id: "c", name: "f", seal: Some("s") }, Arguments { place: 2, text: "{}" }]"#,
            ),
        ] {
            for name in ["message", "delta"] {
                let text = format!(
                    r#"{{"id":"x","choices":[{{"index":0,"{name}":{message}}},{{"index":1,"{name}":{message}}}]}}"#
                );
                assert_eq!(pieces(&text), expected, "{message}");
            }
        }
        assert_eq!(pieces(r#"{"choices":[{"finish_reason":"stop"}]}"#), r#"[Finish("stop")]"#);
        assert!(Heard::read("[]").is_none());
    }
}
