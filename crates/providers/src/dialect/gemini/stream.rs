//! One stream of the vendor's as OpenAI's chunks.
//!
//! No event says that it is the last: a stream is whole when it ends after its candidate said why it
//! finished. That is told to the client at the end, since calls and counts may still follow.
//! A request asks for one candidate; others are passed over.

use bytes::BytesMut;
use nexus_core::{
    call::Call,
    fault::{Class, Fault},
    id::RequestId,
};
use nexus_wire::{completion::Generated, conversation::members::Members, sse::decode::Frame};

use super::{
    super::{COUNTED_TEXT_MAX, Consumed, Progress, StreamDecoder},
    answer::{self, Block},
    fault, grounding, logprobs,
    piece::{self, Piece, Said},
    usage::Tally,
};
use crate::part::{
    chunks::Chunks,
    event,
    events::{Events, Relay},
    finish,
    usage::Shown,
};

pub(in crate::dialect) fn stream(call: &Call) -> Box<dyn StreamDecoder> {
    Box::new(Events::new(Candidate {
        chunks: Chunks::new(call),
        request: call.request,
        id: String::new(),
        finish: String::new(),
        content: Generated::new(COUNTED_TEXT_MAX),
        grounding: String::new(),
        tally: Tally::default(),
        progress: Progress::Waiting,
    }))
}

/// The first candidate, event by event.
struct Candidate {
    chunks: Chunks,
    request: RequestId,
    /// The vendor's id of the answer.
    id: String,
    /// Why the candidate finished; empty before it did.
    finish: String,
    /// The answer's text, as far as it is kept, in which passages are looked up.
    content: Generated,
    /// What the vendor said last of what it found, as it stands.
    grounding: String,
    tally: Tally,
    progress: Progress,
}

impl Relay for Candidate {
    fn take(&mut self, frame: &Frame<'_>, out: &mut BytesMut) -> Result<(), Fault> {
        if frame.data.trim_ascii().is_empty() {
            return Ok(());
        }
        let event = event::read(frame)?;
        if event.raw("error").is_some() {
            return Err(fault::in_band(frame.data));
        }
        if let Some(usage) = event.raw("usageMetadata") {
            self.tally.note(usage);
        }
        let candidates = piece::objects(&event, "candidates");
        let first = candidates.iter().enumerate().find(|(at, said)| answer::index(said, *at) == 0);
        if let Some((_, candidate)) = first {
            return self.candidate(&event, candidate, out);
        }
        if candidates.is_empty()
            && let Some(block) = Block::read(&event)
        {
            self.begin(&event, out);
            if let Some(words) = block.words {
                self.chunks.refusal(&words, out);
            }
            "SAFETY".clone_into(&mut self.finish);
        }
        Ok(())
    }

    fn progress(&self) -> Progress {
        self.progress
    }

    fn end(&mut self, out: &mut BytesMut) -> Result<(), Fault> {
        if self.finish.is_empty() {
            let message = "the provider's stream ended before the answer was complete";
            return Err(Fault::new(Class::Truncated, message));
        }
        let reason = finish::reason(&self.finish, self.chunks.calls())?;
        self.tell_what_was_found(out);
        self.chunks.finish(reason, out);
        self.chunks.end(self.tally.consumed().usage.map(Shown::of), out);
        self.progress = Progress::Done;
        Ok(())
    }

    /// Of an answer that was cut off, the totals so far, unless they know nothing of what was written.
    fn consumed(&self) -> Consumed {
        let consumed = self.tally.consumed();
        let is_silent = consumed.usage.is_some_and(|usage| usage.completion_tokens() == 0);
        if is_silent && self.finish.is_empty() && !self.text().is_empty() {
            return Consumed { usage: None, ..consumed };
        }
        consumed
    }

    fn text(&self) -> &str {
        self.chunks.text()
    }
}

impl Candidate {
    /// Nothing is written of a candidate that turns out to be none.
    fn candidate(
        &mut self,
        event: &Members<'_>,
        candidate: &Members<'_>,
        out: &mut BytesMut,
    ) -> Result<(), Fault> {
        let pieces = piece::pieces(candidate)?;
        let finish = candidate.word("finishReason");
        finish::reason(&finish, 0)?;
        self.begin(event, out);
        if let Some(logprobs) = logprobs::shown(candidate.object("logprobsResult").ok().flatten().as_slice())
        {
            self.chunks.logprobs(logprobs.get(), out);
        }
        for piece in pieces {
            self.piece(piece, out);
        }
        if let Some(found) = grounding::raw(candidate) {
            found.clone_into(&mut self.grounding);
        }
        if !finish.is_empty() {
            if let Some(words) = answer::explanation(candidate, &finish) {
                self.chunks.refusal(&words, out);
            }
            self.finish = finish.into_owned();
        }
        Ok(())
    }

    fn begin(&mut self, event: &Members<'_>, out: &mut BytesMut) {
        if self.chunks.has_begun() {
            return;
        }
        self.id = event.word("responseId").into_owned();
        self.chunks.begin(&self.id);
        self.chunks.role(out);
        self.progress = Progress::Flowing;
    }

    fn piece(&mut self, piece: Piece<'_>, out: &mut BytesMut) {
        let Piece { said, seal } = piece;
        match said {
            Said::Text(text) => {
                self.content.push(&text);
                self.chunks.content(&text, out);
            }
            Said::Thought(text) => self.chunks.reasoning(&text, out),
            Said::Answer(text) => drop(self.chunks.content(text, out)),
            Said::Image(url) => self.chunks.image(&url, out),
            Said::Call { id, name, arguments } => {
                let made = || piece::made_id(&self.id, self.request, 0, self.chunks.calls());
                let id = if id.is_empty() { made() } else { id.into_owned() };
                let call = self.chunks.sealed_call(&id, &name, seal.as_deref(), out);
                self.chunks.arguments(call, arguments, out);
                return;
            }
            Said::Nothing => return,
        }
        if let Some(seal) = seal {
            self.chunks.seal(&seal, out);
        }
    }

    fn tell_what_was_found(&mut self, out: &mut BytesMut) {
        let Some(found) = Members::read(&self.grounding) else { return };
        self.tally.searched(grounding::searches(&found));
        let annotations = grounding::annotations(&found, &self.content.text);
        if !annotations.is_empty() {
            self.chunks.annotations(&annotations, out);
        }
    }
}
