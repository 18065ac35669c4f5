//! A whole answer of the vendor's as a chat completion.
//!
//! A prompt that was blocked is an answer without words whose end is `content_filter`. An answer is an
//! object, or the array of a stream's objects where the vendor was not asked for events.

use std::borrow::Cow;

use bytes::Bytes;
use nexus_core::{call::Call, fault::Fault, id::RequestId};
use nexus_wire::conversation::members::Members;
use serde_json::value::RawValue;

use super::{
    super::{Decoded, bad_answer},
    fault, grounding, logprobs,
    piece::{self, Piece, Said},
    usage::Tally,
};
use crate::part::{
    completion::{self, Choice, Message, ToolCall},
    finish::{self, Meaning},
};

/// The most candidates that are read of one answer.
const CANDIDATES_MAX: u64 = 128;

pub(in crate::dialect) fn decode(call: &Call, body: &Bytes) -> Result<Decoded, Fault> {
    let text = std::str::from_utf8(body).map_err(|_| bad_answer("the provider's answer is not UTF-8"))?;
    let mut answer = Answer::default();
    for piece in read(text)? {
        if piece.raw("error").is_some() {
            return Err(fault::in_band(body));
        }
        answer.take(&piece)?;
    }
    answer.complete(call)
}

fn read(text: &str) -> Result<Vec<Members<'_>>, Fault> {
    let list = || serde_json::from_str::<Vec<&RawValue>>(text).ok();
    let objects = match Members::read(text) {
        Some(whole) => Some(vec![whole]),
        None => list().map(|list| list.iter().filter_map(|one| Members::read(one.get())).collect()),
    };
    objects.ok_or_else(|| bad_answer("the provider's answer is not a JSON object"))
}

#[derive(Default)]
struct Answer<'a> {
    id: Cow<'a, str>,
    candidates: Vec<Candidate<'a>>,
    tally: Tally,
}

struct Candidate<'a> {
    index: u64,
    message: Message<'a>,
    logprobs: Vec<Members<'a>>,
    grounding: Option<Members<'a>>,
    finish: Cow<'a, str>,
    /// Ids of calls are made when the answer's own is known.
    unnamed: Vec<usize>,
}

impl<'a> Answer<'a> {
    fn take(&mut self, said: &Members<'a>) -> Result<(), Fault> {
        let id = said.word("responseId");
        if !id.is_empty() {
            self.id = id;
        }
        if let Some(usage) = said.raw("usageMetadata") {
            self.tally.note(usage);
        }
        let candidates = piece::objects(said, "candidates");
        if candidates.is_empty()
            && let Some(block) = Block::read(said)
        {
            let candidate = self.candidate(0);
            candidate.message.refusal = block.words;
            candidate.finish = Cow::Borrowed("SAFETY");
        }
        for (at, said) in candidates.iter().enumerate() {
            let index = index(said, at);
            if index < CANDIDATES_MAX {
                self.candidate(index).take(said)?;
            }
        }
        Ok(())
    }

    fn candidate(&mut self, index: u64) -> &mut Candidate<'a> {
        let known = self.candidates.iter().position(|known| known.index == index);
        let found = known.map_or_else(|| Candidate::new(index), |at| self.candidates.swap_remove(at));
        self.candidates.push_mut(found)
    }

    fn complete(mut self, call: &Call) -> Result<Decoded, Fault> {
        if self.candidates.is_empty() {
            return Err(bad_answer("the provider's answer has no `candidates`"));
        }
        self.candidates.sort_by_key(|candidate| candidate.index);
        let found = self.candidates.iter().filter_map(|candidate| candidate.grounding.as_ref());
        self.tally.searched(found.map(grounding::searches).sum());
        let (id, tally) = (&self.id, self.tally);
        let choices = self.candidates.into_iter().map(|candidate| candidate.complete(id, call.request));
        let choices: Result<Vec<Choice<'_>>, Fault> = choices.collect();
        completion::complete(call, id, choices?, tally.consumed())
    }
}

impl<'a> Candidate<'a> {
    fn new(index: u64) -> Self {
        let (message, finish) = (Message::assistant(), Cow::Borrowed(""));
        Self { index, message, logprobs: Vec::new(), grounding: None, finish, unnamed: Vec::new() }
    }

    fn take(&mut self, said: &Members<'a>) -> Result<(), Fault> {
        for Piece { said, seal } in piece::pieces(said)? {
            match said {
                Said::Text(text) => self.message.say(&text),
                Said::Thought(text) => self.message.reasoning_content.push_str(&text),
                Said::Answer(text) => self.message.say(text),
                Said::Image(url) => self.message.show(url),
                Said::Call { id, name, arguments } => {
                    if id.is_empty() {
                        self.unnamed.push(self.message.tool_calls.len());
                    }
                    self.message.tool_calls.push(ToolCall::new(id, name, arguments).sealed(seal));
                    continue;
                }
                Said::Nothing => continue,
            }
            if let Some(seal) = seal {
                self.message.seal(seal);
            }
        }
        let finish = said.word("finishReason");
        if !finish.is_empty() {
            self.message.refusal = explanation(said, &finish);
            self.finish = finish;
        }
        self.grounding = grounding::read(said).or(self.grounding.take());
        self.logprobs.extend(said.object("logprobsResult").ok().flatten());
        Ok(())
    }

    fn complete(mut self, answer_id: &str, request: RequestId) -> Result<Choice<'a>, Fault> {
        for at in self.unnamed {
            if let Some(call) = self.message.tool_calls.get_mut(at) {
                call.call_it(piece::made_id(answer_id, request, self.index, at));
            }
        }
        if let Some(found) = &self.grounding {
            self.message.annotations = grounding::annotations(found, self.message.text());
        }
        let finish_reason = finish::reason(&self.finish, self.message.tool_calls.len())?;
        let logprobs = logprobs::shown(&self.logprobs);
        Ok(Choice { index: self.index, message: self.message, logprobs, finish_reason })
    }
}

/// A prompt that was not answered.
pub(super) struct Block<'a> {
    /// Why, where the vendor says it.
    pub(super) words: Option<Cow<'a, str>>,
}

impl<'a> Block<'a> {
    pub(super) fn read(said: &Members<'a>) -> Option<Self> {
        let feedback = said.object("promptFeedback").ok().flatten()?;
        feedback.text("blockReason").ok().flatten()?;
        let words = feedback.text("blockReasonMessage").ok().flatten();
        Some(Self { words })
    }
}

/// A candidate's place among the choices.
pub(super) fn index(candidate: &Members<'_>, ordinal: usize) -> u64 {
    let said = candidate.raw("index").and_then(|index| index.get().parse().ok());
    said.unwrap_or_else(|| u64::try_from(ordinal).unwrap_or_default())
}

/// Why a filter broke in, where the vendor says it.
pub(super) fn explanation<'a>(candidate: &Members<'a>, finish: &str) -> Option<Cow<'a, str>> {
    let is_filtered = finish::meaning(finish) == Meaning::Says("\"content_filter\"");
    candidate.text("finishMessage").ok().flatten().filter(|_| is_filtered)
}
