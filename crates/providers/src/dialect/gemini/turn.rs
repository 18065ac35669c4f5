//! Messages as the vendor takes them: an instruction, then turns of user and model by turns.
//!
//! Messages of one side that follow each other become one turn. A result goes by its function's name, which
//! only the call before it tells. A signature goes back on the part it came with.

use std::borrow::Cow;

use nexus_wire::conversation::{
    members::{Members, Wrong},
    message::{Content, Message, Part as Said, Role, ToolCall},
};
use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    Surface, media,
    model::{Abilities, Seals, System},
    piece::MADE_ID,
};
use crate::part::arguments;

/// Said by nobody: a conversation begins with its user, also where it begins otherwise.
const BEGINNING: &str = "(the conversation begins)";

/// Stands, by the vendor's leave, for a signature that did not come back.
const NO_SEAL: &str = "skip_thought_signature_validator";

#[derive(Clone, Debug, Serialize)]
pub(super) struct Turn<'a> {
    role: Side,
    parts: Vec<Part<'a>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Side {
    User,
    Model,
}

/// The system prompt.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Instruction<'a> {
    parts: Vec<Part<'a>>,
}

/// One of the first five, and perhaps the last.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Part<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inline_data: Option<InlineData<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_data: Option<FileData<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_call: Option<FunctionCall<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_response: Option<FunctionResponse<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thought_signature: Option<Cow<'a, str>>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InlineData<'a> {
    pub(super) mime_type: Cow<'a, str>,
    pub(super) data: Cow<'a, str>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FileData<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mime_type: Option<&'static str>,
    pub(super) file_uri: Cow<'a, str>,
}

#[derive(Clone, Debug, Serialize)]
struct FunctionCall<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Cow<'a, str>>,
    name: Cow<'a, str>,
    args: Box<RawValue>,
}

#[derive(Clone, Debug, Serialize)]
struct FunctionResponse<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Cow<'a, str>>,
    name: Cow<'a, str>,
    response: Box<RawValue>,
}

/// A function's result that is no object by itself.
#[derive(Serialize)]
struct Output<'a> {
    output: &'a str,
}

impl<'a> Part<'a> {
    fn text(text: Cow<'a, str>) -> Self {
        Self { text: Some(text), ..Self::default() }
    }

    pub(super) fn inline(data: InlineData<'a>) -> Self {
        Self { inline_data: Some(data), ..Self::default() }
    }

    pub(super) fn file(data: FileData<'a>) -> Self {
        Self { file_data: Some(data), ..Self::default() }
    }
}

impl<'a> Instruction<'a> {
    pub(super) fn push(&mut self, text: &'a str) {
        self.parts.push(Part::text(Cow::Borrowed(text)));
    }
}

#[derive(Clone, Debug)]
pub(super) struct Turns<'a> {
    /// What `system` and `developer` messages say, wherever they stand.
    pub(super) system: Instruction<'a>,
    pub(super) turns: Vec<Turn<'a>>,
    /// The calls so far: id and name.
    calls: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    surface: Surface,
    seals: Seals,
}

impl<'a> Turns<'a> {
    pub(super) fn read(
        messages: Vec<Message<'a>>,
        surface: Surface,
        abilities: &Abilities,
    ) -> Result<Self, Wrong> {
        let system = Instruction { parts: Vec::new() };
        let mut turns =
            Self { system, turns: Vec::new(), calls: Vec::new(), surface, seals: abilities.seals };
        for (at, message) in messages.into_iter().enumerate() {
            turns.take(message).map_err(|wrong| wrong.under(&format!("messages[{at}]")))?;
        }
        if turns.turns.first().is_none_or(|turn| turn.role == Side::Model) {
            let begin = Part::text(Cow::Borrowed(BEGINNING));
            turns.turns.insert(0, Turn { role: Side::User, parts: vec![begin] });
        }
        Ok(turns)
    }

    /// The system prompt, if the model knows such a thing; else it goes before what the user first says.
    pub(super) fn instruction(&mut self, system: System) -> Option<Instruction<'a>> {
        let parts = std::mem::take(&mut self.system.parts);
        if parts.is_empty() {
            return None;
        }
        match (system, self.turns.first_mut()) {
            (System::FirstTurn, Some(turn)) => {
                turn.parts.splice(0..0, parts);
                None
            }
            _ => Some(Instruction { parts }),
        }
    }

    fn take(&mut self, message: Message<'a>) -> Result<(), Wrong> {
        let Message { role, parts, calls, call_id, extra_content, .. } = message;
        match role {
            Role::System => {
                let said = self.parts(parts)?;
                if said.iter().any(|part| part.text.is_none()) {
                    return Err(Wrong::new("content", "text in a system message"));
                }
                self.system.parts.extend(said);
            }
            Role::User => {
                let said = self.parts(parts)?;
                self.turn(Side::User).extend(said);
            }
            Role::Assistant => {
                let mut said = self.parts(parts)?;
                if let Some(seal) = seal(extra_content.as_ref()) {
                    match said.iter_mut().rfind(|part| part.text.is_some()) {
                        Some(part) => part.thought_signature = Some(seal),
                        None => {
                            said.push(Part { thought_signature: Some(seal), ..Part::text(Cow::Borrowed("")) })
                        }
                    }
                }
                said.extend(self.called(calls));
                self.turn(Side::Model).extend(said);
            }
            Role::Tool => self.result(call_id, parts)?,
        }
        // A message that says nothing must not leave an empty turn, nor part its neighbours.
        if self.turns.last().is_some_and(|turn| turn.parts.is_empty()) {
            self.turns.pop();
        }
        Ok(())
    }

    /// The calls of one message. The first of them bears the signature.
    fn called(&mut self, calls: Vec<ToolCall<'a>>) -> Vec<Part<'a>> {
        let mut said: Vec<Part<'a>> = Vec::with_capacity(calls.len());
        for call in calls {
            let thought_signature = seal(call.extra_content.as_ref());
            self.calls.push((call.id.clone(), call.name.clone()));
            let args = arguments::object(&call.arguments);
            let function_call = Some(FunctionCall { id: given(call.id), name: call.name, args });
            said.push(Part { function_call, thought_signature, ..Part::default() });
        }
        if let Some(first) = said.first_mut()
            && self.seals == Seals::Demanded
        {
            first.thought_signature.get_or_insert(Cow::Borrowed(NO_SEAL));
        }
        said
    }

    /// A result goes before everything else of its turn but other results; what it has beside text is said
    /// after them.
    fn result(&mut self, call_id: Cow<'a, str>, parts: Vec<Said<'a>>) -> Result<(), Wrong> {
        let name = self.calls.iter().rev().find(|(id, _)| *id == call_id).map(|(_, name)| name.clone());
        let name = name.ok_or_else(|| Wrong::new("tool_call_id", "the id of a call in a message before"))?;
        let (texts, others): (Vec<_>, Vec<_>) =
            self.parts(parts)?.into_iter().partition(|part| part.text.is_some());
        let text: String = texts.iter().filter_map(|part| part.text.as_deref()).collect();
        let response = Some(FunctionResponse { id: given(call_id), name, response: output(&text) });
        let parts = self.turn(Side::User);
        let results = parts.iter().take_while(|part| part.function_response.is_some()).count();
        parts.insert(results, Part { function_response: response, ..Part::default() });
        parts.extend(others);
        Ok(())
    }

    /// The turn that this side is speaking in.
    fn turn(&mut self, role: Side) -> &mut Vec<Part<'a>> {
        let is_new = self.turns.last().is_none_or(|turn| turn.role != role);
        let spoken = if is_new { None } else { self.turns.pop() };
        let turn = spoken.unwrap_or(Turn { role, parts: Vec::new() });
        &mut self.turns.push_mut(turn).parts
    }

    /// A message's parts; empty text, which the vendor refuses, is left out.
    fn parts(&self, said: Vec<Said<'a>>) -> Result<Vec<Part<'a>>, Wrong> {
        let mut parts = Vec::with_capacity(said.len());
        for (at, part) in said.into_iter().enumerate() {
            let part = match part.content {
                Content::Text(text) if text.is_empty() => continue,
                Content::Text(text) => Ok(Part::text(text)),
                Content::Image(url) => media::image(url, self.surface),
                Content::Audio(audio) => media::audio(audio),
                Content::File(file) => media::file(file, self.surface),
                Content::Other(_) => {
                    Err(Wrong::new("type", "`text`, `image_url`, `input_audio` or `file` for this model"))
                }
            };
            parts.push(part.map_err(|wrong| wrong.under(&format!("content[{at}]")))?);
        }
        Ok(parts)
    }
}

/// A call's id as the vendor gave it; one that was made here says nothing to the vendor.
fn given(id: Cow<'_, str>) -> Option<Cow<'_, str>> {
    (!id.is_empty() && !id.starts_with(MADE_ID)).then_some(id)
}

/// `google.thought_signature`: what the answer gave out to be sent back.
fn seal<'a>(extra_content: Option<&Members<'a>>) -> Option<Cow<'a, str>> {
    let google = extra_content?.object("google").ok().flatten()?;
    google.text("thought_signature").ok().flatten().filter(|seal| !seal.is_empty())
}

/// A result as an object: as it stands if it is one.
fn output(text: &str) -> Box<RawValue> {
    let trimmed = text.trim();
    let object = trimmed.starts_with('{').then(|| RawValue::from_string(trimmed.to_owned()).ok()).flatten();
    object.unwrap_or_else(|| serde_json::value::to_raw_value(&Output { output: text }).unwrap_or_default())
}
