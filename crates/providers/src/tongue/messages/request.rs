//! A request as a chat.
//!
//! What is wrong by the tongue's own rules is refused here, in its words. What only cannot be said as a chat is noted, and
//! refused where no vendor is found that speaks the tongue itself.

use nexus_wire::{
    chat::BodyError,
    conversation::members::{Members, Wrong},
};
use serde_json::value::RawValue;

use super::{block, turn};
use crate::{
    part::object::{Object, array, quoted},
    tongue::{
        Retold, Terms,
        body::{self, Retelling},
        heard::elements,
    },
};

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wants {
    Answer,
    /// The number of its tokens.
    Count,
}

/// Tools that the vendor runs itself: a model that does not know them calls none.
const RUN_BY_THE_VENDOR: &[&str] =
    &["web_search_", "web_fetch_", "code_execution_", "tool_search_tool_", "mcp_toolset"];

pub(super) fn read(body: &[u8], terms: Terms, wants: Wants) -> Result<Retold, BodyError> {
    let said = body::read(body, str::to_owned)?;
    let mut telling = Retelling::new(terms);
    let messages = conversation(&said, &mut telling)?;
    let mut told = Object::default();
    told = told.maybe("model", said.raw("model").map(RawValue::get)).raw("messages", &array(&messages));
    told = limits(&said, told, wants)?;
    told = tools(&said, told, &mut telling)?;
    told = sampling(&said, told, &mut telling);
    told = thinking(&said, told, &mut telling)?;
    told = format(&said, told);
    if !elements(said.raw("mcp_servers")).is_empty() {
        let message = "only Anthropic's own models ask servers of tools themselves; leave `mcp_servers` away";
        telling.cannot("mcp_servers".to_owned(), message.to_owned());
    }
    Ok(telling.done(told.done()))
}

fn conversation(said: &Members<'_>, telling: &mut Retelling) -> Result<Vec<String>, BodyError> {
    let mut messages = Vec::new();
    match said.raw("system") {
        None => {}
        Some(text) if text.get().starts_with('"') => {
            messages.push(Object::default().text("role", "system").raw("content", text.get()).done());
        }
        Some(blocks) => {
            let blocks: Vec<&RawValue> = serde_json::from_str(blocks.get())
                .map_err(|_| Wrong::new("system", "a string or an array of blocks"))?;
            let parts = block::parts(&blocks, "system", telling)?;
            if !parts.is_empty() {
                let content = block::content(&parts);
                messages.push(Object::default().text("role", "system").raw("content", &content).done());
            }
        }
    }
    let turns = said.raw("messages").ok_or_else(|| Wrong::new("messages", "there"))?;
    let turns: Vec<&RawValue> =
        serde_json::from_str(turns.get()).map_err(|_| Wrong::new("messages", "an array of messages"))?;
    if turns.is_empty() {
        return Err(Wrong::new("messages", "at least one message").into());
    }
    for (at, turn) in turns.iter().enumerate() {
        messages.extend(turn::messages(turn, &format!("messages[{at}]"), telling)?);
    }
    Ok(messages)
}

fn limits(said: &Members<'_>, mut told: Object, wants: Wants) -> Result<Object, BodyError> {
    if wants == Wants::Answer {
        let most = said.raw("max_tokens").map(RawValue::get);
        let most = most.filter(|most| most.parse::<u64>().is_ok_and(|most| most > 0));
        let most = most.ok_or_else(|| Wrong::new("max_tokens", "an integer of at least 1"))?;
        told = told.raw("max_completion_tokens", most);
    }
    match said.raw("stream").map(RawValue::get) {
        None | Some("false") => {}
        Some("true") => told = told.raw("stream", "true").raw("stream_options", r#"{"include_usage":true}"#),
        Some(_) => return Err(Wrong::new("stream", "`true` or `false`").into()),
    }
    let stops = elements(said.raw("stop_sequences"));
    if !stops.is_empty() {
        told = told.raw("stop", &array(&stops.iter().map(|stop| stop.get()).collect::<Vec<_>>()));
    }
    Ok(told)
}

fn sampling(said: &Members<'_>, mut told: Object, telling: &mut Retelling) -> Object {
    for name in ["temperature", "top_p"] {
        told = told.maybe(name, said.raw(name).map(RawValue::get));
    }
    if let Some(top_k) = said.raw("top_k").filter(|_| telling.more()) {
        told = told.raw("top_k", top_k.get());
    }
    let user = said.object("metadata").ok().flatten().and_then(|metadata| metadata.raw("user_id"));
    told = told.maybe("user", user.map(RawValue::get).filter(|user| user.starts_with('"')));
    match &*said.word("service_tier") {
        "auto" => told.text("service_tier", "auto"),
        "standard_only" => told.text("service_tier", "default"),
        _ => told,
    }
}

fn tools(said: &Members<'_>, mut told: Object, telling: &mut Retelling) -> Result<Object, BodyError> {
    let mut tools = Vec::new();
    let mut names = Vec::new();
    for (at, raw) in elements(said.raw("tools")).into_iter().enumerate() {
        let path = format!("tools[{at}]");
        let tool = Members::read(raw.get()).ok_or_else(|| Wrong::new(&*path, "an object"))?;
        let kind = tool.word("type");
        if !matches!(&*kind, "" | "custom") {
            if !RUN_BY_THE_VENDOR.iter().any(|known| kind.starts_with(known)) {
                let message = format!(
                    "only Anthropic's own models know the tool `{kind}`; say it as one with an `input_schema`"
                );
                telling.cannot(format!("{path}.type"), message);
            }
            continue;
        }
        let name = tool.needed("name").map_err(|wrong| wrong.under(&path))?;
        let mut function = Object::default().text("name", &name);
        function = function.maybe("description", tool.raw("description").map(RawValue::get));
        function = function.maybe("parameters", tool.raw("input_schema").map(RawValue::get));
        function = function.maybe("strict", tool.raw("strict").map(RawValue::get));
        let mark = tool.raw("cache_control").filter(|_| telling.more()).map(RawValue::get);
        tools.push(
            Object::of("function").raw("function", &function.done()).maybe("cache_control", mark).done(),
        );
        names.push(name);
    }
    if tools.is_empty() {
        return Ok(told);
    }
    told = told.raw("tools", &array(&tools));
    let Some(choice) = said.object("tool_choice").map_err(BodyError::from)? else { return Ok(told) };
    told = match &*choice.word("type") {
        "auto" => told.text("tool_choice", "auto"),
        "any" => told.text("tool_choice", "required"),
        "none" => told.text("tool_choice", "none"),
        "tool" if names.contains(&choice.word("name")) => {
            let function = Object::default().text("name", &choice.word("name")).done();
            told.raw("tool_choice", &Object::of("function").raw("function", &function).done())
        }
        "tool" => {
            telling.cannot(
                "tool_choice.name".to_owned(),
                "`tool_choice` names no tool that this model has".to_owned(),
            );
            told
        }
        _ => return Err(Wrong::new("tool_choice.type", "`auto`, `any`, `tool` or `none`").into()),
    };
    match choice.raw("disable_parallel_tool_use").map(RawValue::get) {
        Some("true") => Ok(told.raw("parallel_tool_calls", "false")),
        _ => Ok(told),
    }
}

/// How much to think, as an effort; where the model decides by itself and no effort is said, nothing.
fn thinking(said: &Members<'_>, mut told: Object, telling: &mut Retelling) -> Result<Object, BodyError> {
    let thinking = said.object("thinking").map_err(BodyError::from)?;
    if let Some(raw) = said.raw("thinking").filter(|_| telling.more()) {
        told = told.raw("thinking", raw.get());
    }
    let output = said.object("output_config").map_err(BodyError::from)?.unwrap_or_default();
    let thinking = thinking.unwrap_or_default();
    let budget = thinking.raw("budget_tokens").and_then(|budget| budget.get().parse().ok());
    let effort = match (&*output.word("effort"), &*thinking.word("type"), budget) {
        (_, "disabled", _) | ("", _, None) => return Ok(told),
        ("", _, Some(budget)) => quoted(effort(budget)),
        (effort, ..) => quoted(effort),
    };
    Ok(told.raw("reasoning_effort", &effort))
}

/// The effort that a budget of so many tokens stands for.
fn effort(budget_tokens: u64) -> &'static str {
    match budget_tokens {
        0..=4_096 => "low",
        4_097..=16_384 => "medium",
        _ => "high",
    }
}

fn format(said: &Members<'_>, told: Object) -> Object {
    let inside =
        said.object("output_config").ok().flatten().and_then(|output| output.object("format").ok().flatten());
    let format = inside.or_else(|| said.object("output_format").ok().flatten());
    match format.as_ref().and_then(|format| format.raw("schema")) {
        Some(schema) => {
            let named =
                Object::default().text("name", "answer").raw("strict", "true").raw("schema", schema.get());
            let format = Object::of("json_schema").raw("json_schema", &named.done());
            told.raw("response_format", &format.done())
        }
        None => told,
    }
}
