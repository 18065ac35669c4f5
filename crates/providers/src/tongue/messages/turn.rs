//! Turns as the messages of a chat: of a user's turn the results of tools come first, each a message of its own.

use std::borrow::Cow;

use nexus_wire::conversation::members::{Members, Wrong};
use serde_json::value::RawValue;

use super::block::{self, Part, content, part};
use crate::{
    part::object::{Object, array, quoted},
    tongue::{Terms, body::Retelling, heard::elements},
};

/// What stands before a signature of Google's in a `redacted_thinking` block's `data`.
pub(super) const SEAL_OF_CALL: &str = "nexus.google.";

/// What a tool's message says where its result is an image and stands in the next message.
const SHOWN_NEXT: &str = "(the result is in the next message)";

/// The messages that one turn comes to.
pub(super) fn messages(turn: &RawValue, path: &str, telling: &mut Retelling) -> Result<Vec<String>, Wrong> {
    let turn = Members::read(turn.get()).ok_or_else(|| Wrong::new(path, "an object"))?;
    let role = turn.needed("role").map_err(|wrong| wrong.under(path))?;
    let said = turn.raw("content");
    let text = said.filter(|said| said.get().starts_with('"'));
    let path = format!("{path}.content");
    let blocks: Vec<&RawValue> = match (text, said) {
        (Some(_), _) | (_, None) => Vec::new(),
        (None, Some(said)) => serde_json::from_str(said.get())
            .map_err(|_| Wrong::new(&*path, "a string or an array of blocks"))?,
    };
    match (&*role, text) {
        ("user" | "assistant" | "system", Some(text)) => {
            Ok(vec![Object::default().text("role", &role).raw("content", text.get()).done()])
        }
        ("user", None) => user(&blocks, &path, telling),
        ("assistant", None) => assistant(&blocks, &path, telling),
        ("system", None) => {
            let parts = block::parts(&blocks, &path, telling)?;
            Ok(vec![Object::default().text("role", "system").raw("content", &content(&parts)).done()])
        }
        _ => Err(Wrong::new(path.replace(".content", ".role"), "`user` or `assistant`")),
    }
}

fn user(blocks: &[&RawValue], path: &str, telling: &mut Retelling) -> Result<Vec<String>, Wrong> {
    let (mut messages, mut rest) = (Vec::new(), Vec::new());
    for (at, raw) in blocks.iter().enumerate() {
        let path = format!("{path}[{at}]");
        let block = Members::read(raw.get()).ok_or_else(|| Wrong::new(&*path, "an object"))?;
        match &*block.word("type") {
            "tool_result" => messages.push(result(&block, &path, &mut rest, telling)?),
            _ => rest.extend(part(&block, &path, telling)?),
        }
    }
    if !rest.is_empty() {
        messages.push(Object::default().text("role", "user").raw("content", &content(&rest)).done());
    }
    Ok(messages)
}

/// A tool's message. What it cannot hold goes to the `rest` of the turn.
fn result(
    block: &Members<'_>,
    path: &str,
    rest: &mut Vec<Part>,
    telling: &mut Retelling,
) -> Result<String, Wrong> {
    let id = block.needed("tool_use_id").map_err(|wrong| wrong.under(path))?;
    let mark = block.raw("cache_control").filter(|_| telling.more()).map(RawValue::get);
    let said = match block.raw("content") {
        Some(text) if text.get().starts_with('"') => text.get().to_owned(),
        blocks => {
            let parts = block::parts(&elements(blocks), &format!("{path}.content"), telling)?;
            let is_text = |part: &Part| part.json.starts_with(r#"{"type":"text""#);
            let (texts, others): (Vec<Part>, Vec<Part>) = parts.iter().cloned().partition(is_text);
            match others.is_empty() {
                _ if parts.is_empty() => quoted(""),
                false if telling.more() => content(&parts),
                false => {
                    rest.extend(others);
                    if texts.is_empty() { quoted(SHOWN_NEXT) } else { content(&texts) }
                }
                true => content(&texts),
            }
        }
    };
    let message = Object::default().text("role", "tool").text("tool_call_id", &id).raw("content", &said);
    Ok(message.maybe("cache_control", mark).done())
}

/// What an assistant's blocks say.
#[derive(Default)]
struct Said<'a> {
    text: String,
    calls: Vec<String>,
    /// Sealed thoughts as they came.
    thoughts: Vec<&'a str>,
    /// What they say.
    reasoning: String,
    /// Google's signature of the next call.
    seal: Option<String>,
    mark: Option<&'a str>,
}

fn assistant(blocks: &[&RawValue], path: &str, telling: &mut Retelling) -> Result<Vec<String>, Wrong> {
    let mut said = Said::default();
    for (at, raw) in blocks.iter().enumerate() {
        let path = format!("{path}[{at}]");
        let block = Members::read(raw.get()).ok_or_else(|| Wrong::new(&*path, "an object"))?;
        said.mark = block.raw("cache_control").map(RawValue::get).or(said.mark);
        said.take(raw.get(), &block, telling).map_err(|wrong| wrong.under(&path))?;
    }
    Ok(said.message(telling).into_iter().collect())
}

impl<'a> Said<'a> {
    /// What the vendor ran by itself, and told in blocks of other kinds, no chat has a place for.
    fn take(&mut self, raw: &'a str, block: &Members<'a>, telling: &mut Retelling) -> Result<(), Wrong> {
        match &*block.needed("type")? {
            "text" => self.text.push_str(&block.needed("text")?),
            "thinking" => {
                self.thoughts.push(raw);
                self.reasoning.push_str(&block.word("thinking"));
            }
            "redacted_thinking" => match block.word("data").strip_prefix(SEAL_OF_CALL) {
                Some(seal) => self.seal = Some(seal.to_owned()),
                None => self.thoughts.push(raw),
            },
            "tool_use" => {
                let (id, name) = (block.needed("id")?, block.needed("name")?);
                let input = block.raw("input").map_or("{}", RawValue::get);
                let function = Object::default().text("name", &name).text("arguments", input).done();
                let call =
                    Object::default().text("id", &id).text("type", "function").raw("function", &function);
                self.calls.push(match self.seal.take().filter(|_| telling.more()) {
                    Some(seal) => {
                        let google = Object::default().text("thought_signature", &seal).done();
                        let extra = Object::default().raw("google", &google).done();
                        call.raw("extra_content", &extra).done()
                    }
                    None => call.done(),
                });
            }
            _ => {}
        }
        Ok(())
    }

    fn message(self, telling: &mut Retelling) -> Option<String> {
        if self.text.is_empty() && self.calls.is_empty() && self.thoughts.is_empty() {
            return None;
        }
        let has_marks = self.mark.is_some();
        let has_thoughts = !self.thoughts.is_empty();
        let is_full = (has_marks || has_thoughts) && telling.more();
        let text = match self.text.is_empty() && !self.calls.is_empty() {
            true => Cow::Borrowed("null"),
            false => Cow::Owned(quoted(&self.text)),
        };
        let mut message = Object::default().text("role", "assistant").raw("content", &text);
        if is_full && has_thoughts {
            message = message.raw("thinking_blocks", &array(&self.thoughts));
        } else if telling.terms == Terms::Thoughts && !self.reasoning.is_empty() {
            message = message.text("reasoning_content", &self.reasoning);
        }
        if !self.calls.is_empty() {
            message = message.raw("tool_calls", &array(&self.calls));
        }
        Some(message.maybe("cache_control", self.mark.filter(|_| is_full)).done())
    }
}
