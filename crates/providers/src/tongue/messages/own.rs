//! A request in Anthropic's own words to a vendor that speaks them: bytes go through, but for the model's name.

use bytes::{BufMut, Bytes, BytesMut};
use nexus_core::{call::Call, fault::Fault, site::Site};
use nexus_wire::{
    completion::Generated,
    conversation::members::Members,
    place::{self, Placed},
    splice::{self, Edit},
    sse::decode::Frame,
};

use crate::{
    dialect::{
        COUNTED_TEXT_MAX, Consumed, Decoded, Encoded, Progress, StreamDecoder, Unsayable,
        anthropic::usage::{Stand, Tally},
        bad_answer, fitted,
    },
    part::{
        event,
        events::{Events, Relay},
        fault,
    },
    tongue::{Own, OwnAsk, frame},
};

pub(super) const VERSION: &str = "anthropic-version";
pub(super) const BETA: &str = "anthropic-beta";

/// The version that is meant where a client names none.
const USUAL_VERSION: &str = "2023-06-01";

/// Where a host takes requests, and how it wants to be told the model.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Host {
    /// The vendor's own API.
    Anthropic,
    /// One where the model stands in the path and the version, which is this one, in the body.
    InPath { path: fn(&str, Site<'_>, bool) -> Result<String, Unsayable>, version: &'static str },
}

impl Own for Host {
    fn encode(&self, ask: OwnAsk<'_>) -> Result<Encoded, Unsayable> {
        let fitted = fitted::fitted(ask.body, ask.capabilities);
        let body = fitted.as_ref().unwrap_or(ask.body);
        let text = std::str::from_utf8(body).unwrap_or_default();
        let members = place::members(text);
        let said =
            |name: &str| ask.along.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
        let mut headers: Vec<(&'static str, String)> =
            said(BETA).map(|betas| (BETA, betas)).into_iter().collect();
        match self {
            Self::Anthropic => {
                headers.insert(0, (VERSION, said(VERSION).unwrap_or_else(|| USUAL_VERSION.to_owned())));
                let model = splice::model_text(ask.real_model);
                let places = members.iter().filter(|member| member.name == "model");
                let edits: Vec<Edit<'_>> =
                    places.map(|member| Edit { place: member.value_place(text), text: &model }).collect();
                Ok(Encoded { path: "/messages".to_owned(), headers, body: splice::splice(body, &edits) })
            }
            Self::InPath { path, version } => {
                let goes = |member: &Placed<'_>| matches!(&*member.name, "model" | "anthropic_version");
                let version =
                    format!("{}:{},", splice::model_text("anthropic_version"), splice::model_text(version));
                let after_brace = text.find('{').map_or(0, |at| at + 1);
                let mut edits = vec![Edit { place: after_brace..after_brace, text: &version }];
                let gone = place::removals(text, &members, goes);
                edits.extend(gone.into_iter().map(|place| Edit { place, text: "" }));
                let body = splice::splice(body, &edits);
                Ok(Encoded { path: path(ask.real_model, ask.site, ask.call.is_stream)?, headers, body })
            }
        }
    }

    fn decode(&self, call: &Call, body: &Bytes) -> Result<Decoded, Fault> {
        decode(call, body)
    }

    fn stream(&self, call: &Call) -> Box<dyn StreamDecoder> {
        Box::new(Events::new(Through {
            alias: splice::model_text(&call.alias),
            held: BytesMut::new(),
            has_begun: false,
            tally: Tally::default(),
            generated: Generated::new(COUNTED_TEXT_MAX),
            progress: Progress::Waiting,
        }))
    }
}

fn decode(call: &Call, body: &Bytes) -> Result<Decoded, Fault> {
    let text = std::str::from_utf8(body).map_err(|_| bad_answer("the provider's answer is not UTF-8"))?;
    let said = Members::read(text).ok_or_else(|| bad_answer("the provider's answer is not a JSON object"))?;
    if said.raw("error").is_some() || said.word("type") == "error" {
        return Err(fault::in_band(body));
    }
    let blocks: Option<Vec<Members<'_>>> =
        said.raw("content").and_then(|blocks| serde_json::from_str(blocks.get()).ok());
    let blocks = blocks.ok_or_else(|| bad_answer("the provider's answer has no `content`"))?;
    let mut tally = Tally::default();
    if let Some(usage) = said.raw("usage") {
        tally.note(usage, Stand::Final);
    }
    let consumed = tally.consumed();
    let mut generated = Generated::new(if consumed.usage.is_some() { 0 } else { COUNTED_TEXT_MAX });
    blocks.iter().for_each(|block| heard(block, &mut generated));
    Ok(Decoded { body: renamed(text, &splice::model_text(&call.alias)), consumed, text: generated.text })
}

/// Everything that cost tokens, of a block or a delta.
fn heard(block: &Members<'_>, generated: &mut Generated) {
    for name in ["thinking", "text", "name", "partial_json"] {
        generated.push(&block.word(name));
    }
    if let Some(input) = block.raw("input") {
        generated.push(input.get());
    }
}

/// A message under another name of the model.
fn renamed(text: &str, alias: &str) -> Bytes {
    let members = place::members(text);
    let models = members.iter().filter(|member| member.name == "model");
    let edits: Vec<Edit<'_>> =
        models.map(|model| Edit { place: model.value_place(text), text: alias }).collect();
    splice::splice(text.as_bytes(), &edits)
}

/// The vendor's events as they come. Nothing is written before the first block begins, so that an error in place of an
/// answer can still be tried elsewhere.
struct Through {
    /// As a JSON string.
    alias: String,
    /// What came before the first block.
    held: BytesMut,
    has_begun: bool,
    tally: Tally,
    generated: Generated,
    progress: Progress,
}

impl Through {
    /// The message's begin, under the alias.
    fn begin(&mut self, frame: &Frame<'_>, said: &Members<'_>) -> Result<(), Fault> {
        let message = said.object("message").ok().flatten();
        let message = message.ok_or_else(|| bad_answer("the provider began without a message"))?;
        if std::mem::replace(&mut self.has_begun, true) {
            return Err(bad_answer("the provider began a second message in one stream"));
        }
        if let Some(usage) = message.raw("usage") {
            self.tally.note(usage, Stand::First);
        }
        let text = std::str::from_utf8(frame.data).unwrap_or_default();
        let inner = place::members(text).into_iter().find(|member| member.name == "message");
        let inner = inner.map(|message| place::members(message.value)).unwrap_or_default();
        let models = inner.iter().filter(|member| member.name == "model");
        let edits: Vec<Edit<'_>> =
            models.map(|model| Edit { place: model.value_place(text), text: &self.alias }).collect();
        frame::event("message_start", &splice::splice(frame.data, &edits), &mut self.held);
        Ok(())
    }

    fn note(&mut self, kind: &str, said: &Members<'_>) {
        match kind {
            "content_block_start" | "content_block_delta" => {
                let inner =
                    ["content_block", "delta"].into_iter().find_map(|name| said.object(name).ok().flatten());
                if let Some(inner) = inner {
                    heard(&inner, &mut self.generated);
                }
            }
            "message_delta" => {
                if let Some(usage) = said.raw("usage") {
                    self.tally.note(usage, Stand::Final);
                }
            }
            _ => {}
        }
    }
}

impl Relay for Through {
    fn take(&mut self, frame: &Frame<'_>, out: &mut BytesMut) -> Result<(), Fault> {
        if frame.data.trim_ascii().is_empty() {
            return Ok(());
        }
        let said = event::read(frame)?;
        let kind = said.word("type");
        if kind == "error" || frame.event == b"error" {
            return Err(fault::in_band(frame.data));
        }
        match &*kind {
            "message_start" => return self.begin(frame, &said),
            "ping" if self.progress == Progress::Waiting => {
                frame::event("ping", frame.data, &mut self.held);
                return Ok(());
            }
            _ if !self.has_begun => {
                return Err(bad_answer("the provider's stream does not begin with `message_start`"));
            }
            _ => {}
        }
        if self.progress == Progress::Waiting {
            out.put_slice(&self.held.split());
            self.progress = Progress::Flowing;
        }
        self.note(&kind, &said);
        // the name is written anew, as some that speak this leave it out
        frame::event(&kind, frame.data, out);
        if kind == "message_stop" {
            self.progress = Progress::Done;
        }
        Ok(())
    }

    fn progress(&self) -> Progress {
        self.progress
    }

    fn consumed(&self) -> Consumed {
        self.tally.consumed()
    }

    fn text(&self) -> &str {
        &self.generated.text
    }
}
