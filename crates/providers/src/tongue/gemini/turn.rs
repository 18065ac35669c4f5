//! Turns as the messages of a chat: of a user's turn the results of functions come first, each a message of its own, and
//! neighbours of the model's become one message.
//!
//! Google's calls and results need no ids: a result without one answers the first call of its name that has none yet.

use std::borrow::Cow;

use nexus_wire::conversation::members::{Members, Wrong};
use serde_json::value::RawValue;

use super::{part::part, said::Said, seal};
use crate::{
    part::object::{Object, array, quoted},
    tongue::{
        Terms,
        body::Retelling,
        part::{Part, content},
    },
};

/// How the id of a call begins whose client gave it none.
const MADE_ID: &str = "call_nexus_";

/// The messages of `contents`.
pub(super) fn messages(contents: &[&RawValue], telling: &mut Retelling) -> Result<Vec<String>, Wrong> {
    let mut turns = Turns::default();
    for (at, turn) in contents.iter().enumerate() {
        let path = format!("contents[{at}]");
        let turn = Said::read(turn).ok_or_else(|| Wrong::new(&*path, "an object with `parts`"))?;
        let parts = turn.list("parts").map_err(|wrong| wrong.under(&path))?;
        match &*turn.word("role") {
            "model" => turns.model(&parts, &path, telling)?,
            "user" | "function" | "" => turns.user(&parts, &path, telling)?,
            _ => return Err(Wrong::new(format!("{path}.role"), "`user` or `model`")),
        }
    }
    turns.close(telling);
    Ok(turns.messages)
}

/// What the system's instruction says; `None` where there is none.
pub(super) fn instruction(said: &Said<'_>, telling: &mut Retelling) -> Result<Option<String>, Wrong> {
    const PATH: &str = "systemInstruction";
    let Some(raw) = said.raw(PATH) else { return Ok(None) };
    let parts = match Said::read(raw) {
        Some(turn) => read(&turn.list("parts").map_err(|wrong| wrong.under(PATH))?, PATH, telling)?,
        None => return Err(Wrong::new(PATH, "an object with `parts`")),
    };
    let message = || Object::default().text("role", "system").raw("content", &content(&parts)).done();
    Ok((!parts.is_empty()).then(message))
}

fn read(parts: &[&RawValue], path: &str, telling: &mut Retelling) -> Result<Vec<Part>, Wrong> {
    let mut told = Vec::with_capacity(parts.len());
    for (at, raw) in parts.iter().enumerate() {
        let path = format!("{path}.parts[{at}]");
        told.extend(part(&object(raw, &path)?, &path, telling)?);
    }
    Ok(told)
}

fn object<'a>(raw: &'a RawValue, path: &str) -> Result<Said<'a>, Wrong> {
    Said::read(raw).ok_or_else(|| Wrong::new(path, "an object"))
}

/// A call that was made.
struct Called {
    id: String,
    name: String,
    is_answered: bool,
}

#[derive(Default)]
struct Turns {
    messages: Vec<String>,
    calls: Vec<Called>,
    /// What the model says, turn after turn, until somebody else does.
    said: Spoken,
}

/// What the model has said that is no message yet.
#[derive(Default)]
struct Spoken {
    text: String,
    calls: Vec<String>,
    /// Sealed thoughts of other vendors'.
    thoughts: Vec<String>,
    /// The words of all thoughts.
    reasoning: String,
    /// Where in them the thought begins that has no seal yet.
    open: usize,
    /// Google's signature of the text.
    seal: Option<String>,
}

impl Turns {
    fn model(&mut self, parts: &[&RawValue], path: &str, telling: &mut Retelling) -> Result<(), Wrong> {
        for (at, raw) in parts.iter().enumerate() {
            let path = format!("{path}.parts[{at}]");
            let said = object(raw, &path)?;
            let seal = said.word("thoughtSignature");
            if said.flag("thought") {
                self.said.thought(&said.word("text"), &seal);
            } else if said.raw("functionCall").is_some() {
                self.call(&said, &path, &seal, telling)?;
            } else if said.raw("text").is_some() {
                self.said.text.push_str(&said.needed("text").map_err(|wrong| wrong.under(&path))?);
                if !seal.is_empty() {
                    self.said.seal = Some(seal.into_owned());
                }
            }
        }
        Ok(())
    }

    fn call(
        &mut self,
        said: &Said<'_>,
        path: &str,
        seal: &str,
        telling: &mut Retelling,
    ) -> Result<(), Wrong> {
        let path = format!("{path}.functionCall");
        let call = said.object("functionCall").map_err(|wrong| wrong.under(&path))?;
        let name = call.needed("name").map_err(|wrong| wrong.under(&path))?;
        let id = match call.word("id") {
            given if given.is_empty() => format!("{MADE_ID}{}", self.calls.len()),
            given => given.into_owned(),
        };
        let arguments = call.raw("args").map_or("{}", RawValue::get);
        let function = Object::default().text("name", &name).text("arguments", arguments).done();
        let told = Object::default().text("id", &id).text("type", "function").raw("function", &function);
        let is_sealed = !seal.is_empty() && telling.more();
        let told = if is_sealed { told.raw("extra_content", &google(seal)) } else { told };
        self.said.calls.push(told.done());
        self.calls.push(Called { id, name: name.into_owned(), is_answered: false });
        Ok(())
    }

    fn user(&mut self, parts: &[&RawValue], path: &str, telling: &mut Retelling) -> Result<(), Wrong> {
        self.close(telling);
        let mut rest = Vec::new();
        for (at, raw) in parts.iter().enumerate() {
            let path = format!("{path}.parts[{at}]");
            let said = object(raw, &path)?;
            match said.raw("functionResponse") {
                Some(_) => self.result(&said, &format!("{path}.functionResponse"), &mut rest, telling)?,
                None => rest.extend(part(&said, &path, telling)?),
            }
        }
        if !rest.is_empty() {
            let message = Object::default().text("role", "user").raw("content", &content(&rest));
            self.messages.push(message.done());
        }
        Ok(())
    }

    /// A function's result. What of it is no text goes to the `rest` of the turn.
    fn result(
        &mut self,
        said: &Said<'_>,
        path: &str,
        rest: &mut Vec<Part>,
        telling: &mut Retelling,
    ) -> Result<(), Wrong> {
        let result = said.object("functionResponse").map_err(|wrong| wrong.under(path))?;
        let (id, name) = (result.word("id"), result.word("name"));
        let by_id = self.calls.iter().position(|call| !id.is_empty() && call.id == id);
        let by_name = || self.calls.iter().position(|call| !call.is_answered && call.name == name);
        let call = by_id.or_else(by_name).and_then(|at| self.calls.get_mut(at));
        let call = call.ok_or_else(|| Wrong::new(path, "the result of a call in a turn before"))?;
        call.is_answered = true;
        let response = result.raw("response").map_or(Cow::Borrowed(""), output);
        let message = Object::default().text("role", "tool").text("tool_call_id", &call.id);
        self.messages.push(message.text("content", &response).done());
        rest.extend(read(&result.list("parts").map_err(|wrong| wrong.under(path))?, path, telling)?);
        Ok(())
    }

    /// The model's message, where it has said anything.
    fn close(&mut self, telling: &mut Retelling) {
        self.messages.extend(std::mem::take(&mut self.said).message(telling));
    }
}

impl Spoken {
    fn thought(&mut self, text: &str, seal: &str) {
        self.reasoning.push_str(text);
        let Some(block) = seal::block(seal) else { return };
        let Some(sealed) = Members::read(&block) else { return };
        self.thoughts.push(match sealed.raw("data") {
            Some(data) => Object::of("redacted_thinking").raw("data", data.get()).done(),
            None => {
                let words = self.reasoning.get(self.open..).unwrap_or_default();
                let thought = Object::of("thinking").text("thinking", words);
                thought.maybe("signature", sealed.raw("signature").map(RawValue::get)).done()
            }
        });
        self.open = self.reasoning.len();
    }

    fn message(self, telling: &mut Retelling) -> Option<String> {
        if self.text.is_empty() && self.calls.is_empty() && self.thoughts.is_empty() {
            return None;
        }
        let text = match self.text.is_empty() && !self.calls.is_empty() {
            true => Cow::Borrowed("null"),
            false => Cow::Owned(quoted(&self.text)),
        };
        let mut message = Object::default().text("role", "assistant").raw("content", &text);
        let has_thoughts = !self.reasoning.is_empty() || !self.thoughts.is_empty();
        if has_thoughts && telling.more() && !self.thoughts.is_empty() {
            message = message.raw("thinking_blocks", &array(&self.thoughts));
        } else if telling.terms == Terms::Thoughts && !self.reasoning.is_empty() {
            message = message.text("reasoning_content", &self.reasoning);
        }
        if !self.calls.is_empty() {
            message = message.raw("tool_calls", &array(&self.calls));
        }
        if let Some(seal) = self.seal
            && telling.more()
        {
            message = message.raw("extra_content", &google(&seal));
        }
        Some(message.done())
    }
}

/// What Google gave out, as on its own surface in OpenAI's form.
fn google(seal: &str) -> String {
    let google = Object::default().text("thought_signature", seal).done();
    Object::default().raw("google", &google).done()
}

/// A result as text: the words alone where it says nothing else.
fn output(response: &RawValue) -> Cow<'_, str> {
    let said = Members::read(response.get()).unwrap_or_default();
    let mut members = said.iter();
    match (members.next(), members.next()) {
        (Some(("output" | "result", value)), None) if value.get().starts_with('"') => {
            serde_json::from_str(value.get()).map_or(Cow::Borrowed(response.get()), Cow::Owned)
        }
        _ => Cow::Borrowed(response.get()),
    }
}
