//! A request in Google's own words to a vendor that speaks them: bytes go through, and the model's name goes in the path.
//!
//! The vendor is always asked for events, which have no names. Here they get one, so that they are told apart from what
//! the gateway says beside them; no client sees it.

use bytes::{BufMut, Bytes, BytesMut};
use nexus_core::{
    call::Call,
    fault::{Class, Fault},
    site::Site,
};
use nexus_wire::{
    completion::Generated,
    conversation::members::Members,
    place,
    splice::{self, Edit},
    sse::{decode::Frame, encode},
};

use super::said::camel;
use crate::{
    dialect::{
        COUNTED_TEXT_MAX, Consumed, Decoded, Encoded, Progress, StreamDecoder, Unsayable, bad_answer,
        gemini::{Tally, grounding, in_band, objects},
    },
    part::{
        event,
        events::{Events, Relay},
        finish,
    },
    tongue::{Own, OwnAsk, frame},
};

/// What the events are called between the vendor and the client.
const NAME: &str = "google";

/// The most that is held before an answer begins, in bytes.
const HELD_MAX: usize = 64 * 1024;

/// A vendor that takes requests of this kind at this path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Host {
    pub(crate) path: fn(&str, Site<'_>, bool) -> Result<String, Unsayable>,
}

impl Own for Host {
    fn encode(&self, ask: OwnAsk<'_>) -> Result<Encoded, Unsayable> {
        let text = std::str::from_utf8(ask.body).unwrap_or_default();
        let members = place::members(text);
        // a name of the model in the body would have to be the one in the path
        let gone = place::removals(text, &members, |member| member.name == "model");
        let edits: Vec<Edit<'_>> = gone.into_iter().map(|place| Edit { place, text: "" }).collect();
        let path = (self.path)(ask.real_model, ask.site, ask.call.is_stream)?;
        Ok(Encoded { path, headers: Vec::new(), body: splice::splice(ask.body, &edits) })
    }

    fn decode(&self, call: &Call, body: &Bytes) -> Result<Decoded, Fault> {
        let text = std::str::from_utf8(body).map_err(|_| bad_answer("the provider's answer is not UTF-8"))?;
        let said =
            Members::read(text).ok_or_else(|| bad_answer("the provider's answer is not a JSON object"))?;
        if said.raw("error").is_some() {
            return Err(in_band(body));
        }
        if !is_answer(&said) {
            return Err(bad_answer("the provider's answer has no `candidates`"));
        }
        let mut hearing = Hearing::default();
        hearing.hear(&said)?;
        let consumed = hearing.tally.consumed();
        let text_said = if consumed.usage.is_some() { String::new() } else { hearing.generated.text };
        Ok(Decoded { body: renamed(text, &splice::model_text(&call.alias)), consumed, text: text_said })
    }

    fn stream(&self, call: &Call) -> Box<dyn StreamDecoder> {
        Box::new(Events::new(Through {
            alias: splice::model_text(&call.alias),
            held: BytesMut::new(),
            hearing: Hearing::default(),
            progress: Progress::Waiting,
        }))
    }
}

fn is_answer(said: &Members<'_>) -> bool {
    ["candidates", "promptFeedback"].iter().any(|name| said.raw(name).is_some())
}

/// An answer under another name of the model.
fn renamed(text: &str, alias: &str) -> Bytes {
    let members = place::members(text);
    let models = members.iter().filter(|member| camel(&member.name) == "modelVersion");
    let edits: Vec<Edit<'_>> =
        models.map(|model| Edit { place: model.value_place(text), text: alias }).collect();
    splice::splice(text.as_bytes(), &edits)
}

/// What an answer says that matters here.
struct Hearing {
    tally: Tally,
    generated: Generated,
    /// Whether it said why it finished.
    is_finished: bool,
}

impl Default for Hearing {
    fn default() -> Self {
        let generated = Generated::new(COUNTED_TEXT_MAX);
        Self { tally: Tally::default(), generated, is_finished: false }
    }
}

impl Hearing {
    /// Hears an answer or a piece of one; one that broke is none.
    fn hear(&mut self, said: &Members<'_>) -> Result<(), Fault> {
        if let Some(usage) = said.raw("usageMetadata") {
            self.tally.note(usage);
        }
        let feedback = said.object("promptFeedback").ok().flatten().unwrap_or_default();
        self.is_finished |= feedback.raw("blockReason").is_some();
        let mut searches = 0;
        for candidate in objects(said, "candidates") {
            let word = candidate.word("finishReason");
            finish::reason(&word, 0)?;
            self.is_finished |= !word.is_empty();
            searches += grounding::read(&candidate).map_or(0, |found| grounding::searches(&found));
            let content = candidate.object("content").ok().flatten().unwrap_or_default();
            for part in objects(&content, "parts") {
                self.generated.push(&part.word("text"));
                let call = part.object("functionCall").ok().flatten().unwrap_or_default();
                self.generated.push(&call.word("name"));
                self.generated.push(call.raw("args").map_or("", |args| args.get()));
            }
        }
        if searches > 0 {
            self.tally.searched(searches);
        }
        Ok(())
    }
}

/// The vendor's events as they come.
struct Through {
    /// As a JSON string.
    alias: String,
    /// What came before the answer began, such as counts alone.
    held: BytesMut,
    hearing: Hearing,
    progress: Progress,
}

impl Relay for Through {
    fn take(&mut self, frame: &Frame<'_>, out: &mut BytesMut) -> Result<(), Fault> {
        if frame.data.trim_ascii().is_empty() {
            return Ok(());
        }
        let said = event::read(frame)?;
        if said.raw("error").is_some() {
            return Err(in_band(frame.data));
        }
        self.hearing.hear(&said)?;
        let text = std::str::from_utf8(frame.data).unwrap_or_default();
        let told = renamed(text, &self.alias);
        if self.progress == Progress::Waiting && !is_answer(&said) {
            if self.held.len().saturating_add(told.len()) > HELD_MAX {
                return Err(bad_answer("the provider's stream does not begin with `candidates`"));
            }
            frame::event(NAME, &told, &mut self.held);
            return Ok(());
        }
        out.put_slice(&self.held.split());
        frame::event(NAME, &told, out);
        self.progress = Progress::Flowing;
        Ok(())
    }

    fn progress(&self) -> Progress {
        self.progress
    }

    /// No event says that it is the last: a stream is whole when it ends after its candidate said why it finished.
    fn end(&mut self, out: &mut BytesMut) -> Result<(), Fault> {
        if !self.hearing.is_finished {
            let message = "the provider's stream ended before the answer was complete";
            return Err(Fault::new(Class::Truncated, message));
        }
        out.put_slice(encode::DONE);
        self.progress = Progress::Done;
        Ok(())
    }

    /// Of an answer that was cut off, the totals so far, unless they know nothing of what was written.
    fn consumed(&self) -> Consumed {
        let consumed = self.hearing.tally.consumed();
        let is_silent = consumed.usage.is_some_and(|usage| usage.completion_tokens() == 0);
        if is_silent && !self.hearing.is_finished && !self.text().is_empty() {
            return Consumed { usage: None, ..consumed };
        }
        consumed
    }

    fn text(&self) -> &str {
        &self.hearing.generated.text
    }
}
