//! A request as a chat.
//!
//! What names something that a provider keeps can be said in OpenAI's own words only, to who keeps it; whose it is was
//! looked up before. An item that is named alone is refused whoever serves it: nobody knows whose it is.

use nexus_wire::{
    chat::BodyError,
    conversation::members::{Members, Wrong},
};
use serde_json::value::RawValue;

use super::{SEAL_OF_CALL, SEALED_THOUGHT};
use crate::{
    dialect::Unsayable,
    part::object::{Object, array, quoted},
    tongue::{Retold, Terms, body, heard::elements},
};

/// Members that a chat has too, and what they are called there.
const SAME: &[(&str, &str)] = &[
    ("max_output_tokens", "max_completion_tokens"),
    ("temperature", "temperature"),
    ("top_p", "top_p"),
    ("metadata", "metadata"),
    ("user", "user"),
    ("safety_identifier", "safety_identifier"),
    ("prompt_cache_key", "prompt_cache_key"),
    ("service_tier", "service_tier"),
];

/// Members that name what a provider keeps.
const KEPT: &[&str] = &["previous_response_id", "conversation", "prompt"];

/// Tools that the vendor runs itself: a model that does not know them calls none.
const RUN_BY_THE_VENDOR: &[&str] =
    &["web_search", "file_search", "code_interpreter", "image_generation", "mcp", "tool_search"];

/// What is found while a request is told anew.
struct Retelling {
    terms: Terms,
    has_more: bool,
    unsayable: Option<Unsayable>,
    messages: Vec<String>,
    /// What the assistant has said that is no message yet.
    said: Said,
}

/// One turn of the assistant, out of as many items as it took.
#[derive(Default)]
struct Said {
    text: String,
    calls: Vec<String>,
    thoughts: Vec<String>,
    reasoning: String,
    /// Google's signature of the next call.
    seal: Option<String>,
}

pub(super) fn read(body: &[u8], terms: Terms) -> Result<Retold, BodyError> {
    let said = body::read(body, str::to_owned)?;
    let mut telling =
        Retelling { terms, has_more: false, unsayable: None, messages: Vec::new(), said: Said::default() };
    telling.kept(&said);
    telling.conversation(&said)?;
    let mut told = Object::default();
    told =
        told.maybe("model", said.raw("model").map(RawValue::get)).raw("messages", &array(&telling.messages));
    for (name, known) in SAME {
        told = told.maybe(known, said.raw(name).map(RawValue::get));
    }
    match said.raw("stream").map(RawValue::get) {
        None | Some("false") => {}
        Some("true") => told = told.raw("stream", "true").raw("stream_options", r#"{"include_usage":true}"#),
        Some(_) => return Err(Wrong::new("stream", "`true` or `false`").into()),
    }
    told = telling.tools(&said, told)?;
    told = telling.form(&said, told)?;
    let Retelling { has_more, unsayable, .. } = telling;
    Ok(Retold { chat: told.done().into(), has_more, unsayable })
}

impl Retelling {
    fn more(&mut self) -> bool {
        self.has_more = true;
        self.terms == Terms::Full
    }

    fn cannot(&mut self, param: &str, message: impl Into<String>) {
        self.unsayable.get_or_insert(Unsayable { param: param.to_owned(), message: message.into() });
    }

    /// What only a provider can say that keeps it: what is kept here was told anew before.
    fn kept(&mut self, said: &Members<'_>) {
        if let Some(name) = KEPT.iter().find(|name| said.raw(name).is_some()) {
            let what = "names something that another provider keeps than the model is at";
            self.cannot(name, format!("`{name}` {what}; send the whole conversation as `input`"));
        }
        if said.raw("background").map(RawValue::get) == Some("true") {
            let what = "`background` is for OpenAI's own models; leave it away and wait for the answer";
            self.cannot("background", what);
        }
    }

    fn say(&mut self, role: &str, content: &str) {
        self.turn();
        self.messages.push(Object::default().text("role", role).raw("content", content).done());
    }

    fn conversation(&mut self, said: &Members<'_>) -> Result<(), BodyError> {
        match said.raw("instructions") {
            None => {}
            Some(text) if text.get().starts_with('"') => self.say("system", text.get()),
            Some(_) => return Err(Wrong::new("instructions", "a string").into()),
        }
        let Some(input) = said.raw("input") else {
            // what is gone on with may be all there is
            self.cannot("input", "`input` must be a string or an array of items");
            self.say("user", "\"\"");
            return Ok(());
        };
        if input.get().starts_with('"') {
            self.say("user", input.get());
            return Ok(());
        }
        let items: Vec<&RawValue> = serde_json::from_str(input.get())
            .map_err(|_| Wrong::new("input", "a string or an array of items"))?;
        for (at, item) in items.iter().enumerate() {
            let path = format!("input[{at}]");
            let item = Members::read(item.get()).ok_or_else(|| Wrong::new(&*path, "an object"))?;
            self.item(&item, &path)?;
        }
        self.turn();
        Ok(())
    }

    fn item(&mut self, item: &Members<'_>, path: &str) -> Result<(), BodyError> {
        let inside = |wrong: Wrong| BodyError::from(wrong.under(path));
        match &*item.word("type") {
            "" | "message" => self.message(item, path),
            "function_call" => {
                let (id, name) =
                    (item.needed("call_id").map_err(inside)?, item.needed("name").map_err(inside)?);
                let arguments = item.word("arguments");
                let function = Object::default().text("name", &name).text("arguments", &arguments).done();
                let call =
                    Object::default().text("id", &id).text("type", "function").raw("function", &function);
                let seal = self.said.seal.take();
                let call = match seal.filter(|_| self.more()) {
                    Some(seal) => {
                        let google = Object::default().text("thought_signature", &seal).done();
                        call.raw("extra_content", &Object::default().raw("google", &google).done()).done()
                    }
                    None => call.done(),
                };
                self.said.calls.push(call);
                Ok(())
            }
            "function_call_output" => {
                let id = item.needed("call_id").map_err(inside)?;
                let content = match item.raw("output") {
                    Some(text) if text.get().starts_with('"') => text.get().to_owned(),
                    parts => self.parts(parts, &format!("{path}.output"))?,
                };
                self.turn();
                let message = Object::default().text("role", "tool").text("tool_call_id", &id);
                self.messages.push(message.raw("content", &content).done());
                Ok(())
            }
            "reasoning" => {
                self.thought(item);
                Ok(())
            }
            "item_reference" => Err(BodyError {
                message: format!(
                    "`{path}` names an item that is kept, and the gateway keeps none; send the item itself"
                ),
                param: Some(path.to_owned()),
            }),
            // what the vendor ran by itself
            kind if kind.ends_with("_call")
                && RUN_BY_THE_VENDOR.iter().any(|known| kind.starts_with(known)) =>
            {
                Ok(())
            }
            "mcp_list_tools" | "mcp_approval_request" | "compaction" => Ok(()),
            kind => {
                let message = format!(
                    "an item of the type `{kind}` can be said to OpenAI's own models only; leave it away"
                );
                self.cannot(&format!("{path}.type"), message);
                Ok(())
            }
        }
    }

    fn message(&mut self, item: &Members<'_>, path: &str) -> Result<(), BodyError> {
        let role = item.needed("role").map_err(|wrong| BodyError::from(wrong.under(path)))?;
        let content = item.raw("content");
        let text = content.filter(|content| content.get().starts_with('"'));
        match &*role {
            "assistant" => {
                match text {
                    Some(_) => self.said.text.push_str(&item.word("content")),
                    None => {
                        for part in elements(content).into_iter().filter_map(|part| Members::read(part.get()))
                        {
                            self.said.text.push_str(&part.word("text"));
                            self.said.text.push_str(&part.word("refusal"));
                        }
                    }
                }
                Ok(())
            }
            "user" | "system" | "developer" => {
                let role = if role == "user" { "user" } else { "system" };
                let content = match text {
                    Some(text) => text.get().to_owned(),
                    None => self.parts(content, &format!("{path}.content"))?,
                };
                self.say(role, &content);
                Ok(())
            }
            _ => {
                Err(Wrong::new(format!("{path}.role"), "`user`, `assistant`, `system` or `developer`").into())
            }
        }
    }

    /// Parts as a chat's; one text alone as a string.
    fn parts(&mut self, parts: Option<&RawValue>, path: &str) -> Result<String, BodyError> {
        let mut told = Vec::new();
        let mut only = None;
        for (at, part) in elements(parts).into_iter().enumerate() {
            let path = format!("{path}[{at}]");
            let part = Members::read(part.get()).ok_or_else(|| Wrong::new(&*path, "an object"))?;
            match &*part.word("type") {
                "input_text" | "output_text" | "text" => {
                    only = Some(quoted(&part.word("text")));
                    told.push(Object::of("text").text("text", &part.word("text")).done());
                }
                "input_image" if part.raw("image_url").is_some() => {
                    let image = Object::default().text("url", &part.word("image_url"));
                    let image = image.maybe("detail", part.raw("detail").map(RawValue::get));
                    told.push(Object::of("image_url").raw("image_url", &image.done()).done());
                }
                "input_file" => {
                    let data = part.raw("file_data").or(part.raw("file_url")).map(RawValue::get);
                    let file = Object::default().maybe("filename", part.raw("filename").map(RawValue::get));
                    let file = file
                        .maybe("file_data", data)
                        .maybe("file_id", part.raw("file_id").map(RawValue::get));
                    told.push(Object::of("file").raw("file", &file.done()).done());
                }
                "input_audio" => {
                    let audio = part.raw("input_audio").map_or("{}", RawValue::get);
                    told.push(Object::of("input_audio").raw("input_audio", audio).done());
                }
                kind => {
                    let message =
                        format!("a part of the type `{kind}` can be said to OpenAI's own models only");
                    self.cannot(&format!("{path}.type"), message);
                }
            }
        }
        Ok(match only {
            Some(only) if told.len() == 1 => only,
            _ if told.is_empty() => quoted(""),
            _ => array(&told),
        })
    }

    fn thought(&mut self, item: &Members<'_>) {
        for part in elements(item.raw("summary")).into_iter().filter_map(|part| Members::read(part.get())) {
            self.said.reasoning.push_str(&part.word("text"));
        }
        let sealed = item.word("encrypted_content");
        if let Some(seal) = sealed.strip_prefix(SEAL_OF_CALL) {
            self.said.seal = Some(seal.to_owned());
        }
        if let Some(block) = sealed.strip_prefix(SEALED_THOUGHT)
            && Members::read(block).is_some()
        {
            self.said.thoughts.push(block.to_owned());
        }
    }

    /// What the assistant has said becomes a message.
    fn turn(&mut self) {
        let said = std::mem::take(&mut self.said);
        if said.text.is_empty() && said.calls.is_empty() {
            return;
        }
        let has_thoughts = !said.thoughts.is_empty() || !said.reasoning.is_empty();
        let is_full = has_thoughts && self.more();
        let content = match said.text.is_empty() {
            true => "null".to_owned(),
            false => quoted(&said.text),
        };
        let mut message = Object::default().text("role", "assistant").raw("content", &content);
        if is_full && !said.thoughts.is_empty() {
            message = message.raw("thinking_blocks", &array(&said.thoughts));
        } else if self.terms == Terms::Thoughts && !said.reasoning.is_empty() {
            message = message.text("reasoning_content", &said.reasoning);
        }
        if !said.calls.is_empty() {
            message = message.raw("tool_calls", &array(&said.calls));
        }
        self.messages.push(message.done());
    }

    fn tools(&mut self, said: &Members<'_>, mut told: Object) -> Result<Object, BodyError> {
        let mut tools = Vec::new();
        for (at, tool) in elements(said.raw("tools")).into_iter().enumerate() {
            let path = format!("tools[{at}]");
            let tool = Members::read(tool.get()).ok_or_else(|| Wrong::new(&*path, "an object"))?;
            match &*tool.word("type") {
                "function" => tools.push(function(&tool, &path)?),
                "namespace" => {
                    for inner in
                        elements(tool.raw("tools")).into_iter().filter_map(|tool| Members::read(tool.get()))
                    {
                        if inner.word("type") == "function" {
                            tools.push(function(&inner, &path)?);
                        }
                    }
                }
                kind if RUN_BY_THE_VENDOR.iter().any(|known| kind.starts_with(known)) => {}
                kind => {
                    let message =
                        format!("only OpenAI's own models know the tool `{kind}`; say it as a function");
                    self.cannot(&format!("{path}.type"), message);
                }
            }
        }
        if tools.is_empty() {
            return Ok(told);
        }
        told = told.raw("tools", &array(&tools));
        told = told.maybe("parallel_tool_calls", said.raw("parallel_tool_calls").map(RawValue::get));
        match said.raw("tool_choice") {
            None => Ok(told),
            Some(word) if word.get().starts_with('"') => Ok(told.raw("tool_choice", word.get())),
            Some(choice) => {
                let choice = Members::read(choice.get()).unwrap_or_default();
                if choice.word("type") != "function" {
                    self.cannot(
                        "tool_choice",
                        "`tool_choice` must be a word or name a function for this model",
                    );
                    return Ok(told);
                }
                let function = Object::default().text("name", &choice.word("name")).done();
                Ok(told.raw("tool_choice", &Object::of("function").raw("function", &function).done()))
            }
        }
    }

    /// What the answer is to be like.
    fn form(&mut self, said: &Members<'_>, mut told: Object) -> Result<Object, BodyError> {
        let object = |name: &str| said.object(name).map_err(BodyError::from).map(Option::unwrap_or_default);
        let (text, reasoning) = (object("text")?, object("reasoning")?);
        told = told.maybe("verbosity", text.raw("verbosity").map(RawValue::get));
        told = told.maybe("reasoning_effort", reasoning.raw("effort").map(RawValue::get));
        if let Some(format) = text.object("format").ok().flatten() {
            match &*format.word("type") {
                "json_schema" => {
                    let mut schema = Object::default();
                    for name in ["name", "description", "strict", "schema"] {
                        schema = schema.maybe(name, format.raw(name).map(RawValue::get));
                    }
                    let format = Object::of("json_schema").raw("json_schema", &schema.done()).done();
                    told = told.raw("response_format", &format);
                }
                "json_object" => told = told.raw("response_format", &Object::of("json_object").done()),
                _ => {}
            }
        }
        if said.word("truncation") == "auto" {
            self.cannot(
                "truncation",
                "`truncation` is OpenAI's own; leave it away and send what fits the model",
            );
        }
        if said.raw("top_logprobs").is_some_and(|count| count.get() != "0") {
            self.cannot(
                "top_logprobs",
                "probabilities are told in a chat's answers only; leave `top_logprobs` away",
            );
        }
        Ok(told)
    }
}

fn function(tool: &Members<'_>, path: &str) -> Result<String, BodyError> {
    let name = tool.needed("name").map_err(|wrong| BodyError::from(wrong.under(path)))?;
    let mut function = Object::default().text("name", &name);
    for name in ["description", "parameters", "strict"] {
        function = function.maybe(name, tool.raw(name).map(RawValue::get));
    }
    Ok(Object::of("function").raw("function", &function.done()).done())
}
