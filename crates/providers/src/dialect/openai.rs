//! OpenAI's own dialect, which every vendor of the compatible table speaks with its quirks.
//!
//! Bodies are never rebuilt: the members that must differ are spliced, and every other byte, unknown
//! members included, goes through as it came.

mod adjust;
mod embedding;
mod going_on;
mod kept;
mod passed;
mod repeat;
mod stream;

use std::fmt::Display;

use bytes::Bytes;
use nexus_core::{
    call::{Call, Operation},
    fault::Fault,
    price::Tier,
    site::Site,
};
use nexus_wire::{
    chat::ChatRequest,
    completion::{Choices, Completion, Generated},
    splice::{self, Edit, Retarget, StreamOptions},
    usage::TokenUsage,
};

pub use self::{
    embedding::{Vectors, decode_embeddings, encode_embeddings},
    kept::{KeptPassing, Reading, decode_kept, decode_relayed},
    passed::{Passing, by_piece, decode_passed, encode_passed},
};
use super::{
    Ask, AuthScheme, COUNTED_TEXT_MAX, Consumed, Decoded, Dialect, Encoded, Head, StreamDecoder, Unsayable,
    bad_answer, member::Row, ranker::Ranker,
};
use crate::{
    compat::{self, Quirks, Vendor},
    part::{
        fault,
        finish::{self, Meaning},
        id,
        scrub::scrub,
        usage::{Counted, Reported},
    },
    tongue::{self, Terms, responses::own},
};

/// The one of these vendors that takes responses.
const OPENAI: &str = "openai";

/// The one that has words of its own for reranking.
const VOYAGE: &str = "voyage";

const RESPONSES: own::Host = own::Host { path: |_| "/responses".to_owned() };

impl Dialect for Vendor {
    fn id(&self) -> &'static str {
        self.id
    }

    fn auth(&self) -> AuthScheme {
        self.auth
    }

    fn members(&self) -> Vec<Row> {
        compat::rows(self.quirks)
    }

    fn encode(&self, ask: Ask<'_>) -> Result<Encoded, Unsayable> {
        Ok(Encoded {
            path: "/chat/completions".to_owned(),
            headers: Vec::new(),
            body: encode(ask, self.quirks)?,
        })
    }

    fn decode(&self, call: &Call, body: &Bytes) -> Result<Decoded, Fault> {
        decode(call, body, self.quirks)
    }

    fn path_of(&self, operation: Operation, _: &str, _: Site<'_>) -> Option<String> {
        match operation {
            Operation::ChatCompletions
            | Operation::Messages
            | Operation::Responses
            | Operation::GenerateContent
            | Operation::Rerank => None,
            other => Some(other.path().to_owned()),
        }
    }

    fn ranker(&self) -> Option<Ranker> {
        Some(if self.id == VOYAGE { Ranker::VOYAGE } else { Ranker::USUAL })
    }

    fn vectors(&self) -> Vectors {
        if self.id == OPENAI { Vectors::AsTheyCome } else { Vectors::AsAsked }
    }

    fn kept_at(&self, path: &str, _: Site<'_>) -> Option<String> {
        Some(path.to_owned())
    }

    fn own(&self, operation: Operation, _: &str, _: Site<'_>) -> Option<&dyn tongue::Own> {
        (operation == Operation::Responses && self.id == OPENAI).then_some(&RESPONSES)
    }

    fn terms(&self) -> Terms {
        if self.quirks.thoughts_in_loops { Terms::Thoughts } else { Terms::Plain }
    }

    fn stream(&self, call: &Call) -> Box<dyn StreamDecoder> {
        stream(call, self.quirks)
    }

    fn fault(&self, head: Head<'_>, body: &[u8]) -> Fault {
        Fault { retry_after_ms: head.retry_after_ms, ..fault::of_answer(head.status, body) }
    }
}

/// The body with what must differ for a vendor of these quirks.
pub(super) fn encode(ask: Ask<'_>, quirks: Quirks) -> Result<Bytes, Unsayable> {
    let stream_options = match (ask.request.is_stream, quirks.takes_stream_options) {
        (true, true) if !ask.request.wants_usage => StreamOptions::AskUsage,
        (_, false) => StreamOptions::Remove,
        _ => StreamOptions::Keep,
    };
    let changes = Retarget { model: ask.real_model, stream_options, old_max_tokens: quirks.old_max_tokens };
    let body = match adjust::adjusted(ask.body, quirks)? {
        None => splice::retarget(ask.body, ask.request, changes),
        Some(body) => splice::retarget(&body, &ChatRequest::read(&body)?, changes),
    };
    Ok(if ask.request.goes_on { going_on::told(body, quirks.goes_on, ask.site) } else { body })
}

pub(super) fn decode(call: &Call, body: &Bytes, quirks: Quirks) -> Result<Decoded, Fault> {
    let text = std::str::from_utf8(body).map_err(|_| bad_answer("the provider's answer is not UTF-8"))?;
    let mut generated = Generated::new(0);
    let said = Completion::read(text, &mut generated)
        .map_err(|_| bad_answer("the provider's answer is not JSON"))?;
    if said.error.is_some() || is_flat_error(&said) {
        return Err(fault::in_band(body));
    }
    if !matches!(said.choices, Choices::Array { count: 1.. }) {
        return Err(bad_answer("the provider's answer has no `choices`"));
    }
    let own = Own::of(call);
    let missing = own.missing(&said, Form::Whole);
    let body = splice::splice(body, &edits(&said, &missing, &own, Form::Whole)?);
    let consumed = match &said.usage {
        Some(usage) => counted(said.tokens, usage.raw, quirks),
        None => consumed(said.groq_usage, quirks),
    };
    let consumed = Consumed { tier: said.service_tier.map(Tier::served).unwrap_or_default(), ..consumed };
    if consumed.usage.is_some() {
        return Ok(Decoded { body, consumed, text: String::new() });
    }
    let mut generated = Generated::new(COUNTED_TEXT_MAX);
    let _ = Completion::read(text, &mut generated);
    Ok(Decoded { body, consumed, text: generated.text })
}

pub(super) fn stream(call: &Call, quirks: Quirks) -> Box<dyn StreamDecoder> {
    Box::new(stream::OpenAiStream::new(call, quirks))
}

/// The raw usage object and what it counts to.
fn consumed(raw: Option<&str>, quirks: Quirks) -> Consumed {
    raw.map_or_else(Consumed::default, |raw| counted(TokenUsage::read(raw), raw, quirks))
}

fn counted(tokens: Option<TokenUsage>, raw: &str, quirks: Quirks) -> Consumed {
    let counted = match tokens {
        Some(tokens) => Reported::from(tokens).disjoint(quirks.usage),
        None if TokenUsage::is_silent(raw) => Counted::MISSING,
        None => Counted::NONSENSE,
    };
    counted.consumed(Some(Box::from(raw)))
}

/// vLLM's and Mistral's errors: `{"object":"error","message":..}`.
fn is_flat_error(said: &Completion<'_>) -> bool {
    said.choices == Choices::Absent && said.object.as_ref().is_some_and(|object| object.raw == "\"error\"")
}

/// What kind of body a completion is read from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Whole,
    /// A chunk, whose `usage` becomes `null`: it is said once, at the end.
    Chunk,
    /// The chunk that says the usage.
    UsageChunk,
}

/// What an answer says of itself where its vendor says otherwise or nothing, as JSON.
struct Own {
    id: String,
    alias: String,
    created: u64,
}

impl Own {
    fn of(call: &Call) -> Self {
        let id = format!("\"{}\"", id::Made(call.request));
        Self { id, alias: splice::model_text(&call.alias), created: call.asked_at_s }
    }

    /// The members that OpenAI always sends and this vendor did not, to be put before the closing brace.
    fn missing(&self, said: &Completion<'_>, form: Form) -> String {
        let object = if form == Form::Whole { "\"chat.completion\"" } else { "\"chat.completion.chunk\"" };
        let members: [(_, _, &dyn Display); 4] = [
            ("id", said.id.is_none(), &self.id),
            ("object", said.object.is_none(), &object),
            ("created", said.created.is_none(), &self.created),
            ("model", said.model.is_none(), &self.alias),
        ];
        let missing = members.iter().filter(|(_, is_missing, _)| *is_missing);
        missing.map(|(name, _, value)| format!(",\"{name}\":{value}")).collect()
    }
}

/// The id, where it is one: some vendors say an empty text, or `null`.
fn named<'a>(said: &'a Completion<'_>) -> Option<&'a str> {
    said.id.as_ref().map(|id| id.raw).filter(|raw| !matches!(*raw, "\"\"" | "null"))
}

/// What must change in a completion with at least one member, in the order of the places.
fn edits<'a>(
    said: &'a Completion<'_>,
    missing: &'a str,
    own: &'a Own,
    form: Form,
) -> Result<Vec<Edit<'a>>, Fault> {
    let mut edits = Vec::new();
    edits.extend(said.model.as_ref().map(|model| Edit { place: model.place.clone(), text: &own.alias }));
    let nameless = said.id.as_ref().filter(|_| named(said).is_none());
    edits.extend(nameless.map(|id| Edit { place: id.place.clone(), text: &own.id }));
    edits.extend(said.repairs.iter().map(|repair| Edit { place: repair.place.clone(), text: &repair.text }));
    let empty = if form == Form::Whole { "\"message\":{\"content\":null}," } else { "\"delta\":{}," };
    edits.extend(said.bare.iter().map(|at| Edit { place: *at..*at, text: empty }));
    for finish in &said.finishes {
        let text = match finish::meaning(finish.word) {
            Meaning::Same => continue,
            Meaning::Says(word) => word,
            Meaning::Unfinished if form != Form::Whole => "null",
            // A whole answer has finished, whatever it says.
            Meaning::Unfinished if finish.calls_tools => "\"tool_calls\"",
            Meaning::Unfinished => "\"stop\"",
            Meaning::Broken(class) => {
                return Err(Fault::new(
                    class,
                    format!("the provider broke off with `{}`", scrub(finish.word)),
                ));
            }
        };
        edits.push(Edit { place: finish.place.clone(), text });
    }
    if form == Form::Chunk {
        edits.extend(said.usage.as_ref().map(|usage| Edit { place: usage.place.clone(), text: "null" }));
    }
    if !missing.is_empty() {
        edits.push(Edit { place: said.closing_brace..said.closing_brace, text: missing });
    }
    edits.sort_by_key(|edit| edit.place.start);
    Ok(edits)
}
