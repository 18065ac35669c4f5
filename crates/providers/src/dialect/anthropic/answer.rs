//! A whole answer of the vendor's as a chat completion.
//!
//! Blocks of the vendor's own tools, and kinds that are not known, are passed over: nothing a caller did
//! not ask for may look like a call of the caller's tools.

use std::borrow::Cow;

use bytes::Bytes;
use nexus_core::{call::Call, fault::Fault};
use nexus_wire::conversation::members::Members;
use serde_json::value::RawValue;

use super::{
    super::{Decoded, bad_answer},
    usage::{Stand, Tally},
};
use crate::part::{
    completion::{Annotation, Message, ToolCall},
    fault, finish,
    structured::ANSWER_TOOL,
};

pub(super) fn decode(call: &Call, body: &Bytes) -> Result<Decoded, Fault> {
    let text = std::str::from_utf8(body).map_err(|_| bad_answer("the provider's answer is not UTF-8"))?;
    let said = Members::read(text).ok_or_else(|| bad_answer("the provider's answer is not a JSON object"))?;
    if said.raw("error").is_some() || word(&said, "type") == "error" {
        return Err(fault::in_band(body));
    }
    let blocks = said.raw("content").and_then(|blocks| serde_json::from_str(blocks.get()).ok());
    let blocks: Vec<&RawValue> =
        blocks.ok_or_else(|| bad_answer("the provider's answer has no `content`"))?;
    let mut message = read(&blocks);
    message.refusal = explanation(&said);
    let mut tally = Tally::default();
    if let Some(usage) = said.raw("usage") {
        tally.note(usage, Stand::Final);
    }
    let reason = finish_reason(&word(&said, "stop_reason"), message.tool_calls.len())?;
    message.complete(call, &word(&said, "id"), reason, tally.consumed())
}

fn read<'a>(blocks: &[&'a RawValue]) -> Message<'a> {
    let mut message = Message::assistant();
    let mut said = 0_usize;
    for raw in blocks {
        let Some(block) = Members::read(raw.get()) else { continue };
        match &*word(&block, "type") {
            "text" => {
                let text = word(&block, "text");
                let begin = said;
                said = said.saturating_add(text.chars().count());
                message.say(&text);
                message
                    .annotations
                    .extend(citations(&block).map(|(title, url)| Annotation::new(begin, said, title, url)));
            }
            "thinking" => {
                message.reasoning_content.push_str(&word(&block, "thinking"));
                message.thinking_blocks.push(Cow::Borrowed(raw));
            }
            "redacted_thinking" => message.thinking_blocks.push(Cow::Borrowed(raw)),
            "tool_use" if word(&block, "name") == ANSWER_TOOL => {
                said = said.saturating_add(input(&block).chars().count());
                message.say(input(&block));
            }
            "tool_use" => {
                let call = ToolCall::new(word(&block, "id"), word(&block, "name"), input(&block));
                message.tool_calls.push(call);
            }
            _ => {}
        }
    }
    message
}

/// The most pages that are told of one passage.
pub(super) const PAGES_MAX: usize = 128;

/// The pages a block of text rests on: the title of each and its address.
fn citations<'a>(block: &Members<'a>) -> impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)> + use<'a> {
    let said = block.raw("citations").map_or("[]", RawValue::get);
    let said: Vec<&'a RawValue> = serde_json::from_str(said).unwrap_or_default();
    said.into_iter().take(PAGES_MAX).filter_map(|one| page(&Members::read(one.get())?))
}

/// The page that is cited; `None` for what is no page of the web.
pub(super) fn page<'a>(citation: &Members<'a>) -> Option<(Cow<'a, str>, Cow<'a, str>)> {
    let is_page = word(citation, "type") == "web_search_result_location";
    is_page.then(|| (word(citation, "title"), word(citation, "url"))).filter(|(_, url)| !url.is_empty())
}

/// A string member; empty where it is none.
pub(in crate::dialect) fn word<'a>(members: &Members<'a>, name: &str) -> Cow<'a, str> {
    members.text(name).ok().flatten().unwrap_or_default()
}

/// A call's arguments as they stand.
pub(in crate::dialect) fn input<'a>(block: &Members<'a>) -> &'a str {
    block.raw("input").map_or("{}", RawValue::get)
}

/// Why the model refused, where the vendor says it.
pub(super) fn explanation<'a>(said: &Members<'a>) -> Option<Cow<'a, str>> {
    let details = said.object("stop_details").ok().flatten()?;
    let is_refusal = word(said, "stop_reason") == "refusal";
    details.text("explanation").ok().flatten().filter(|_| is_refusal)
}

/// OpenAI's word for why the model stopped. Calls that are there beside another reason are of code the vendor ran,
/// and answered already.
pub(super) fn finish_reason(stop_reason: &str, calls: usize) -> Result<&'static str, Fault> {
    let calls = if matches!(stop_reason, "tool_use" | "") { calls } else { 0 };
    finish::reason(stop_reason, calls)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_why_the_model_stopped_only_where_the_vendor_says_so() {
        for (word, calls, expected) in [
            ("tool_use", 1, "tool_calls"),
            ("tool_use", 0, "stop"),
            ("", 2, "tool_calls"),
            ("end_turn", 1, "stop"),
        ] {
            assert_eq!(finish_reason(word, calls).unwrap(), expected, "{word} {calls}");
        }
    }
}
