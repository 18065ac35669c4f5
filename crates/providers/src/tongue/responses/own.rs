//! A request in Responses' own words to a vendor that speaks them: bytes go through, but for the model's name.

use bytes::{BufMut, Bytes, BytesMut};
use nexus_core::{
    call::Call,
    fault::Fault,
    price::Tier,
    site::Site,
    usage::{Quantity, Usage},
};
use nexus_wire::{
    completion::Generated,
    conversation::members::Members,
    place,
    splice::{self, Edit},
    sse::decode::Frame,
};

use super::{SEAL_OF_CALL, SEALED_THOUGHT};
use crate::{
    dialect::{COUNTED_TEXT_MAX, Consumed, Decoded, Encoded, Progress, StreamDecoder, Unsayable, bad_answer},
    part::{
        event,
        events::{Events, Relay},
        fault,
        usage::{Convention, Counted, Reported},
    },
    tongue::{Own, OwnAsk, frame, heard::elements},
};

/// A vendor that takes responses at this path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Host {
    pub(crate) path: fn(Site<'_>) -> String,
}

impl Own for Host {
    fn encode(&self, ask: OwnAsk<'_>) -> Result<Encoded, Unsayable> {
        let text = std::str::from_utf8(ask.body).unwrap_or_default();
        let told = without_thoughts_of_others(text);
        let body = renamed(told.as_deref().unwrap_or(text), &[], &splice::model_text(ask.real_model));
        Ok(Encoded { path: (self.path)(ask.site), headers: Vec::new(), body })
    }

    fn decode(&self, call: &Call, body: &Bytes) -> Result<Decoded, Fault> {
        let text = std::str::from_utf8(body).map_err(|_| bad_answer("the provider's answer is not UTF-8"))?;
        let said =
            Members::read(text).ok_or_else(|| bad_answer("the provider's answer is not a JSON object"))?;
        let has_output = said.raw("output").is_some();
        // one that came to something is an answer, whatever it says went wrong on the way
        if said.raw("error").is_some() && (!has_output || said.word("status") == "failed") {
            return Err(fault::in_band(body));
        }
        if !has_output {
            return Err(bad_answer("the provider's answer has no `output`"));
        }
        let consumed = consumed(&said);
        let mut generated = Generated::new(if consumed.usage.is_some() { 0 } else { COUNTED_TEXT_MAX });
        for item in elements(said.raw("output")).into_iter().filter_map(|item| Members::read(item.get())) {
            heard(&item, &mut generated);
            for name in ["content", "summary"] {
                let parts = elements(item.raw(name)).into_iter().filter_map(|part| Members::read(part.get()));
                parts.for_each(|part| heard(&part, &mut generated));
            }
        }
        Ok(Decoded {
            body: match alias(call) {
                Some(alias) => renamed(text, &[], &alias),
                None => body.clone(),
            },
            consumed,
            text: generated.text,
        })
    }

    fn stream(&self, call: &Call) -> Box<dyn StreamDecoder> {
        Box::new(Events::new(Through {
            alias: alias(call),
            held: BytesMut::new(),
            has_begun: false,
            consumed: Consumed::default(),
            generated: Generated::new(COUNTED_TEXT_MAX),
            progress: Progress::Waiting,
        }))
    }
}

/// A request without the `reasoning` items that bear what another vendor gave out: this one opens none of them, and
/// refuses a request that brings one. `None`: there are none.
fn without_thoughts_of_others(body: &str) -> Option<String> {
    if [SEALED_THOUGHT, SEAL_OF_CALL].iter().all(|sign| !body.contains(sign)) {
        return None;
    }
    let input = place::members(body).into_iter().find(|member| member.name == "input")?;
    let is_other = |item: &&str| {
        Members::read(item).is_some_and(|item| {
            let content = item.word("encrypted_content");
            content.starts_with(SEALED_THOUGHT) || content.starts_with(SEAL_OF_CALL)
        })
    };
    let kept: Vec<&str> = place::elements(input.value).into_iter().filter(|item| !is_other(item)).collect();
    let place = input.value_place(body);
    Some([body.get(..place.start)?, "[", &kept.join(","), "]", body.get(place.end..)?].concat())
}

/// Everything that cost tokens, of an item, a part or a delta.
fn heard(said: &Members<'_>, generated: &mut Generated) {
    for name in ["text", "refusal", "name", "arguments", "input"] {
        generated.push(&said.word(name));
    }
}

/// What an answer's model becomes, as a JSON string; `None` where the request named none.
fn alias(call: &Call) -> Option<String> {
    call.names_model().then(|| splice::model_text(&call.alias))
}

/// A text under another name of the model, which stands in the object at the end of this path.
fn renamed(text: &str, path: &[&str], alias: &str) -> Bytes {
    let mut object = text;
    for name in path {
        let inner = place::members(object).into_iter().find(|member| member.name == *name);
        object = inner.map_or("", |inner| inner.value);
    }
    let members = place::members(object);
    let models = members.iter().filter(|member| member.name == "model");
    let edits: Vec<Edit<'_>> =
        models.map(|model| Edit { place: model.value_place(text), text: alias }).collect();
    splice::splice(text.as_bytes(), &edits)
}

/// What a response says of its usage.
fn consumed(said: &Members<'_>) -> Consumed {
    let tier = said.text("service_tier").ok().flatten().map(|tier| Tier::served(&tier)).unwrap_or_default();
    let Some(raw) = said.raw("usage") else { return Consumed { tier, ..Consumed::default() } };
    let counted = counted(raw.get()).unwrap_or(Counted::NONSENSE);
    Consumed { tier, ..counted.consumed(Some(Box::from(raw.get()))) }
}

/// What a `usage` object of a response counts to; `None` where that cannot be.
pub(crate) fn counted(raw: &str) -> Option<Counted> {
    let usage = Members::read(raw)?;
    let inner = |name: &str| usage.object(name).ok().flatten().unwrap_or_default();
    let count = |members: &Members<'_>, name: &str| match members.raw(name) {
        None => Some(0),
        Some(count) => count.get().parse().ok().filter(|count| *count <= Usage::PLAUSIBLE_MAX),
    };
    if usage.raw("input_tokens").is_none() && usage.raw("output_tokens").is_none() {
        return Some(Counted::MISSING);
    }
    let (input, output) = (inner("input_tokens_details"), inner("output_tokens_details"));
    let parts = Usage::default()
        .with(Quantity::CacheRead, count(&input, "cached_tokens")?)
        .with(Quantity::Reasoning, count(&output, "reasoning_tokens")?);
    let reported = Reported {
        prompt: count(&usage, "input_tokens")?,
        completion: count(&usage, "output_tokens")?,
        total: usage.raw("total_tokens").and_then(|total| total.get().parse().ok()),
        parts,
    };
    Some(reported.disjoint(Convention::OPENAI))
}

/// The vendor's events as they come. Nothing is written before the first item, so that an error in place of an answer can
/// still be tried elsewhere.
struct Through {
    /// As a JSON string; `None` where the model's name stays the provider's.
    alias: Option<String>,
    /// What came before the first item.
    held: BytesMut,
    has_begun: bool,
    consumed: Consumed,
    generated: Generated,
    progress: Progress,
}

impl Relay for Through {
    fn take(&mut self, frame: &Frame<'_>, out: &mut BytesMut) -> Result<(), Fault> {
        if frame.data.trim_ascii().is_empty() || frame.data.trim_ascii() == b"[DONE]" {
            return Ok(());
        }
        let said = event::read(frame)?;
        let kind = said.word("type");
        if kind == "error" || frame.event == b"error" || said.raw("error").is_some() {
            return Err(fault::in_band(frame.data));
        }
        let response = said.raw("response").and_then(|response| Members::read(response.get()));
        if kind == "response.failed" {
            let inner = said.raw("response").map_or(frame.data, |response| response.get().as_bytes());
            return Err(fault::in_band(inner));
        }
        let is_first = kind == "response.created";
        if is_first && std::mem::replace(&mut self.has_begun, true) {
            return Err(bad_answer("the provider began a second response in one stream"));
        }
        if !self.has_begun {
            return Err(bad_answer("the provider's stream does not begin with `response.created`"));
        }
        let ends = matches!(&*kind, "response.completed" | "response.incomplete");
        if ends && let Some(response) = &response {
            self.consumed = consumed(response);
        }
        if kind.ends_with(".delta") {
            self.generated.push(&said.word("delta"));
        }
        let data = match (response, &self.alias) {
            (Some(_), Some(alias)) => {
                renamed(std::str::from_utf8(frame.data).unwrap_or_default(), &["response"], alias)
            }
            _ => Bytes::copy_from_slice(frame.data),
        };
        if matches!(&*kind, "response.created" | "response.queued" | "response.in_progress") {
            frame::event(&kind, &data, &mut self.held);
            return Ok(());
        }
        if self.progress == Progress::Waiting {
            out.put_slice(&self.held.split());
            self.progress = Progress::Flowing;
        }
        frame::event(&kind, &data, out);
        if ends {
            self.progress = Progress::Done;
        }
        Ok(())
    }

    fn progress(&self) -> Progress {
        self.progress
    }

    fn consumed(&self) -> Consumed {
        self.consumed.clone()
    }

    fn text(&self) -> &str {
        &self.generated.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_vendor_sealed_is_left_out_and_nothing_else() {
        let own = r#"{"type":"reasoning","encrypted_content":"gAAA"}"#;
        let said = r#"{"role":"user","content":"nexus.thought. and nexus.google."}"#;
        let others = [
            r#"{"type":"reasoning","encrypted_content":"nexus.thought.{}"}"#,
            r#"{"encrypted_content":"nexus.google.x"}"#,
        ];
        let body = |items: &[&str]| format!(r#"{{ "input" : [{}],"model":"m" }}"#, items.join(","));
        let left = without_thoughts_of_others(&body(&[others[0], said, own, others[1]]));
        assert_eq!(left, Some(body(&[said, own])));
        assert_eq!(without_thoughts_of_others(r#"{"input":[ {"content":"nexus"} ]}"#), None);
    }
}
