//! A request as a chat. Which model is meant and how it is to answer stands in the URL.
//!
//! What is wrong by the tongue's own rules is refused here, in its words. What only cannot be said as a chat is noted, and
//! refused where no vendor is found that speaks the tongue itself. What the provider's account keeps for all of its
//! callers nobody may name.

use nexus_wire::{
    chat::BodyError,
    conversation::members::{Members, Wrong},
};
use serde_json::value::RawValue;

use super::{
    said::{Said, camel},
    schema,
    tool::{self, OF_THE_ACCOUNT},
    turn,
};
use crate::{
    part::object::{Object, array},
    tongue::{
        Address, Retold, Terms,
        body::{self, Retelling},
    },
};

const CONFIG: &str = "generationConfig";

/// Members of `generationConfig` that a chat has too, and what they are called there.
const NUMBERS: &[(&str, &str)] = &[
    ("temperature", "temperature"),
    ("topP", "top_p"),
    ("presencePenalty", "presence_penalty"),
    ("frequencyPenalty", "frequency_penalty"),
];

/// A request for an answer.
pub(super) fn read(address: &Address, body: &[u8], terms: Terms) -> Result<Retold, BodyError> {
    chat(address, &Said(body::read(body, camel)?), terms)
}

/// A request for the number of its tokens: the contents alone, or a request for an answer with all it has.
pub(super) fn to_count(address: &Address, body: &[u8]) -> Result<Retold, BodyError> {
    let said = Said(body::read(body, camel)?);
    match said.raw("generateContentRequest").map(Said::read) {
        None => chat(address, &said, Terms::Plain),
        Some(Some(inner)) => chat(address, &inner, Terms::Plain),
        Some(None) => Err(Wrong::new("generateContentRequest", "an object").into()),
    }
}

fn chat(address: &Address, said: &Said<'_>, terms: Terms) -> Result<Retold, BodyError> {
    nothing_of_the_account(said)?;
    let mut telling = Retelling::new(terms);
    let contents = said.list("contents")?;
    if contents.is_empty() {
        return Err(Wrong::new("contents", "at least one turn").into());
    }
    let mut messages = Vec::with_capacity(contents.len() + 1);
    messages.extend(turn::instruction(said, &mut telling)?);
    messages.extend(turn::messages(&contents, &mut telling)?);
    let config = said.object(CONFIG)?;
    let within = |wrong: Wrong| BodyError::from(wrong.under(CONFIG));
    let mut told = Object::default().text("model", &address.model).raw("messages", &array(&messages));
    told = limits(address, &config, told, &mut telling).map_err(within)?;
    told = tool::tools(said, told, &mut telling)?;
    told = sampling(&config, told, &mut telling).map_err(within)?;
    told = thinking(&config, told).map_err(within)?;
    told = form(&config, told, &mut telling);
    Ok(telling.done(told.done()))
}

/// A cache and a store are found by whoever knows their name, so a name alone proves nothing.
fn nothing_of_the_account(said: &Said<'_>) -> Result<(), BodyError> {
    let refused = |path: String| {
        let message = format!(
            "`{path}` names what the provider's account keeps, which is not served here; leave it away"
        );
        Err(BodyError { message, param: Some(path) })
    };
    if said.raw("cachedContent").is_some() {
        return refused("cachedContent".to_owned());
    }
    for (at, tool) in said.list("tools")?.into_iter().enumerate() {
        let tool = Said::read(tool).unwrap_or_default();
        if let Some(name) = tool.names().find(|name| OF_THE_ACCOUNT.contains(&&**name)) {
            return refused(format!("tools[{at}].{name}"));
        }
    }
    Ok(())
}

fn limits(
    address: &Address,
    config: &Said<'_>,
    mut told: Object,
    telling: &mut Retelling,
) -> Result<Object, Wrong> {
    if let Some(most) = config.integer("maxOutputTokens")? {
        let most = u64::try_from(most).ok().filter(|most| *most > 0);
        let most = most.ok_or_else(|| Wrong::new("maxOutputTokens", "at least 1"))?;
        told = told.count("max_completion_tokens", most);
    }
    match config.integer("candidateCount")? {
        None | Some(1) => {}
        Some(_) if address.framing.is_some() => {
            let message = "this model gives one candidate only in a stream; leave `candidateCount` away";
            telling.cannot(format!("{CONFIG}.candidateCount"), message.to_owned());
        }
        Some(count) => {
            let count = u64::try_from(count).map_err(|_| Wrong::new("candidateCount", "at least 1"))?;
            told = told.count("n", count);
        }
    }
    if address.framing.is_some() {
        told = told.raw("stream", "true").raw("stream_options", r#"{"include_usage":true}"#);
    }
    let stops: Vec<&str> = config.list("stopSequences")?.into_iter().map(RawValue::get).collect();
    Ok(if stops.is_empty() { told } else { told.raw("stop", &array(&stops)) })
}

fn sampling(config: &Said<'_>, mut told: Object, telling: &mut Retelling) -> Result<Object, Wrong> {
    for (name, known) in NUMBERS {
        told = told.maybe(known, config.number(name)?);
    }
    if let Some(top_k) = config.integer("topK")?
        && telling.more()
    {
        told = told.raw("top_k", &top_k.to_string());
    }
    if let Some(seed) = config.integer("seed")? {
        told = told.raw("seed", &seed.to_string());
    }
    if config.flag("responseLogprobs") {
        told = told.raw("logprobs", "true");
    }
    Ok(told)
}

/// How much to think, as an effort; where the model decides by itself, nothing.
fn thinking(config: &Said<'_>, told: Object) -> Result<Object, Wrong> {
    const PATH: &str = "thinkingConfig";
    let thinking = config.object(PATH)?;
    let level = thinking.word("thinkingLevel").to_ascii_lowercase();
    let effort = match (&*level, thinking.integer("thinkingBudget").map_err(|wrong| wrong.under(PATH))?) {
        ("minimal" | "low" | "medium" | "high", _) => &*level,
        ("" | "thinking_level_unspecified", None | Some(..=-1)) => return Ok(told),
        ("" | "thinking_level_unspecified", Some(0)) => "none",
        ("" | "thinking_level_unspecified", Some(1..=4_096)) => "low",
        ("" | "thinking_level_unspecified", Some(4_097..=16_384)) => "medium",
        ("" | "thinking_level_unspecified", Some(_)) => "high",
        _ => {
            let path = format!("{PATH}.thinkingLevel");
            return Err(Wrong::new(path, "`MINIMAL`, `LOW`, `MEDIUM` or `HIGH`"));
        }
    };
    Ok(told.text("reasoning_effort", effort))
}

/// The form of the answer.
fn form(config: &Said<'_>, told: Object, telling: &mut Retelling) -> Object {
    let is_text = |kind: &RawValue| kind.get().eq_ignore_ascii_case("\"text\"");
    if !config.list("responseModalities").unwrap_or_default().into_iter().all(is_text) {
        let message = "this model answers in text only; leave `responseModalities` away";
        telling.cannot(format!("{CONFIG}.responseModalities"), message.to_owned());
    }
    let schema = match (config.raw("responseJsonSchema"), config.raw("responseSchema")) {
        (Some(schema), _) => Some(schema.get().to_owned()),
        (None, schema) => schema.map(schema::json_schema),
    };
    match (&*config.word("responseMimeType"), schema) {
        ("application/json", Some(schema)) => {
            let named = Object::default().text("name", "answer").raw("schema", &schema).done();
            told.raw("response_format", &Object::of("json_schema").raw("json_schema", &named).done())
        }
        ("application/json", None) => told.raw("response_format", r#"{"type":"json_object"}"#),
        ("" | "text/plain", _) => told,
        (kind, _) => {
            let message = format!(
                "only Google's own models answer in `{kind}`; ask for `application/json` or plain text"
            );
            telling.cannot(format!("{CONFIG}.responseMimeType"), message);
            told
        }
    }
}

/// Whether a request wants to be told what the model thought.
pub(super) fn wants_thoughts(body: &[u8]) -> bool {
    let said = std::str::from_utf8(body).ok().and_then(Members::read).map(Said);
    let config = said.and_then(|said| said.object(CONFIG).ok()).unwrap_or_default();
    config.object("thinkingConfig").is_ok_and(|thinking| thinking.flag("includeThoughts"))
}
