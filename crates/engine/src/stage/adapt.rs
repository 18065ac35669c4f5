//! Stage 5, adapt: the request in the words of the target's vendor, as one exchange or as many as it takes there.
//!
//! An operation is data here: what is asked, how an answer is read, and by what its prompt is counted. The stages
//! around know exchanges only.

mod batches;

use std::borrow::Cow;

use bytes::Bytes;
use nexus_core::{
    call::{Call, Operation},
    capabilities::Capabilities,
    catalogue::Target,
    fault::{self, Class, Fault},
    refusal::Refusal,
    site::Site,
    usage::Usage,
};
use nexus_providers::{
    dialect::{
        Ask, Decoded, Dialect, Encoded, StreamDecoder, Unsayable, fitted,
        openai::{
            KeptPassing, Passing, Reading, decode_embeddings, decode_kept, decode_passed, decode_relayed, encode_embeddings,
            encode_passed,
        },
        ranker::Ranker,
    },
    tongue::{Own, OwnAsk, Terms, Words},
};
use nexus_wire::{
    chat::{BodyError, ChatRequest, no_model},
    embedding::EmbeddingRequest,
    passed::PassedRequest,
};

use self::batches::Batches;
use crate::{
    estimate::Prompt,
    pipeline::Refused,
    port::{JSON, Rest},
    resource::ResourceCall,
    stage::{
        parse::{Asked, Foreign, Request, form::Carried},
        resolve::Routed,
    },
    world::Backend,
};

/// The media type of events.
const EVENTS: &str = "text/event-stream";

/// A request on its way through one target.
pub struct Adapted<'a> {
    call: &'a Call,
    body: &'a Bytes,
    dialect: &'static dyn Dialect,
    real_model: &'a str,
    capabilities: &'a Capabilities,
    site: Site<'a>,
    said: Said<'a>,
    carried: Option<&'a Carried>,
    is_asked: bool,
}

enum Said<'a> {
    /// Chat in the vendor's words.
    Chat { request: Cow<'a, ChatRequest>, body: Cow<'a, Bytes> },
    /// What was asked in a tongue that the vendor speaks itself.
    Own { own: &'a dyn Own, foreign: &'a Foreign },
    /// Embeddings in OpenAI's own.
    Embeddings { request: &'a EmbeddingRequest, path: String },
    /// Embeddings in the vendor's words.
    Batches(Batches<'a>),
    /// Documents to be put in an order.
    Ranked(Ranker),
    /// Words that go through as they are.
    Passed { request: &'a PassedRequest, path: String },
    /// A call about what the vendor keeps.
    Kept { call: &'a ResourceCall, request: &'a PassedRequest, path: String },
}

/// How an answer goes through that is not read whole.
pub struct Passage {
    pub decoder: Box<dyn StreamDecoder>,
    /// Whether it is events, and not bytes of whatever they are.
    pub is_events: bool,
}

/// How a request goes on its way.
pub struct Carriage<'a> {
    pub method: &'static str,
    /// Empty where there is no body.
    pub content_type: &'a str,
    /// What of the body is still to come.
    pub rest: Option<Rest>,
    /// Whether the client is given the provider's own words where it says no.
    pub is_verbatim: bool,
}

/// How an answer about what is kept goes through.
fn kept_passing(call: &ResourceCall, media: Option<&str>) -> Option<Passage> {
    let (decoder, is_events) = match media {
        Some("text/event-stream") if call.provider.is_some() => (KeptPassing::heard_events(), true),
        Some("application/json") | None if call.provider.is_some() => return None,
        _ if call.provider.is_some() => (KeptPassing::heard_bytes(), false),
        _ if call.does.is_content => (KeptPassing::bytes(), false),
        Some("application/json") | None => return None,
        Some("text/event-stream") => (KeptPassing::events(), true),
        Some(_) => (KeptPassing::bytes(), false),
    };
    Some(Passage { decoder: Box::new(decoder), is_events })
}

/// What a whole answer comes to.
pub enum Came {
    /// One of several; [`Adapted::ask`] says what is still to be asked.
    Part(Decoded),
    Whole(Decoded),
}

/// Takes the request to a target, with the first of what is to be asked there.
pub fn adapt<'a>(
    routed: &'a Routed,
    target: &'a Target,
    backend: &Backend,
) -> Result<(Adapted<'a>, Encoded), Refused> {
    let asked = &routed.asked;
    let (dialect, real_model, site) = (backend.dialect, target.model_for(&routed.to.name), target.site());
    let said = match &asked.request {
        Request::Chat(request) => chat(routed, target, backend, request)?,
        Request::Embeddings(request) => {
            match (dialect.path_of(Operation::Embeddings, real_model, site), dialect.embedder()) {
                (Some(path), _) => Said::Embeddings { request, path },
                (None, Some(embedder)) => {
                    let known_as = target.capabilities.known_as(real_model);
                    Said::Batches(Batches::new(embedder, request, &asked.body, known_as)?)
                }
                (None, None) => return Err(Refused::There(unknown(&asked.call))),
            }
        }
        Request::Passed(_) if asked.call.operation == Operation::Rerank => {
            Said::Ranked(dialect.ranker().ok_or_else(|| Refused::There(unknown(&asked.call)))?)
        }
        Request::Passed(request) => {
            let path = match &asked.resource {
                Some(call) if call.provider.is_some() => Some(call.target()),
                Some(call) => dialect.kept_at(&call.target(), site),
                None => dialect.path_of(asked.call.operation, real_model, site),
            };
            let path = path.ok_or_else(|| Refused::There(unknown(&asked.call)))?;
            match asked.resource.as_deref() {
                Some(call) => Said::Kept { call, request, path },
                None => Said::Passed { request, path },
            }
        }
    };
    let (call, body) = (&asked.call, &asked.body);
    let capabilities = &target.capabilities;
    let carried = asked.carried.as_deref();
    let mut adapted =
        Adapted { call, body, dialect, real_model, capabilities, site, said, carried, is_asked: false };
    let first = adapted.ask()?.ok_or_else(|| Refused::There(unknown(call)))?;
    Ok((adapted, first))
}

/// A chat as this target is to be asked it: in the client's own words where it speaks them, else in as many as it takes.
fn chat<'a>(
    routed: &'a Routed,
    target: &Target,
    backend: &Backend,
    request: &'a ChatRequest,
) -> Result<Said<'a>, Refusal> {
    let Asked { body, foreign, .. } = &routed.asked;
    let plain = Said::Chat { request: Cow::Borrowed(request), body: Cow::Borrowed(body) };
    let Some(foreign) = foreign else { return Ok(plain) };
    if let Some(own) = own(routed, target, backend) {
        return Ok(Said::Own { own, foreign });
    }
    let bad = |error: BodyError| Refusal::BadBody { message: error.message, param: error.param };
    if request.model.is_empty() {
        return Err(bad(no_model()));
    }
    if let Some(unsayable) = &foreign.unsayable {
        return Err(refused(unsayable.clone()));
    }
    let terms = backend.dialect.terms();
    if !foreign.has_more || terms == Terms::Plain {
        return Ok(plain);
    }
    let body = foreign.retold(terms).map_err(bad)?;
    let request = ChatRequest::read(&body).map_err(bad)?;
    Ok(Said::Chat { request: Cow::Owned(request), body: Cow::Owned(body) })
}

/// How the target is asked in the client's own words, where it speaks them.
pub fn own(routed: &Routed, target: &Target, backend: &Backend) -> Option<&'static dyn Own> {
    routed.asked.foreign.as_ref()?;
    let (operation, real_model) = (routed.asked.call.operation, target.model_for(&routed.to.name));
    backend.dialect.own(operation, real_model, target.site())
}

/// In which words the target's answer comes.
pub fn words(routed: &Routed, target: &Target, backend: &Backend) -> Words {
    if own(routed, target, backend).is_some() { Words::Own } else { Words::Chat }
}

/// What it means that a target does not know the operation.
fn unknown(call: &Call) -> Fault {
    let message = format!(
        "the model `{}` is at no provider that knows `{}`; ask for another model",
        call.alias,
        call.operation.as_str()
    );
    let said =
        fault::Said { message: message.clone(), param: Some("model".to_owned()), ..fault::Said::default() };
    Fault { said: Some(Box::new(said)), ..Fault::new(Class::BadRequest, message) }
}

impl Adapted<'_> {
    /// The next request in the vendor's words, if there is more to ask; what cannot be said is refused by name.
    pub fn ask(&mut self) -> Result<Option<Encoded>, Refusal> {
        let encoded = match &mut self.said {
            Said::Batches(batches) => {
                return batches.ask_on(self.call, self.real_model, self.site).map_err(refused);
            }
            _ if std::mem::replace(&mut self.is_asked, true) => return Ok(None),
            Said::Own { own, foreign } => own
                .encode(OwnAsk {
                    call: self.call,
                    body: foreign.own(),
                    along: &foreign.along,
                    real_model: self.real_model,
                    capabilities: self.capabilities,
                    site: self.site,
                })
                .map(|encoded| asked_with(&foreign.query, encoded)),
            Said::Chat { request, body } => {
                let ask = Ask {
                    call: self.call,
                    body,
                    request,
                    real_model: self.real_model,
                    capabilities: self.capabilities,
                    site: self.site,
                };
                fitted::encode(self.dialect, ask)
            }
            Said::Embeddings { request, path } => Ok(Encoded {
                path: path.clone(),
                headers: Vec::new(),
                body: encode_embeddings(self.body, request, self.real_model),
            }),
            Said::Ranked(ranker) => ranker.encode(self.body, self.real_model).map_err(Unsayable::from).map(
                |body| Encoded { path: Ranker::PATH.to_owned(), headers: Vec::new(), body },
            ),
            Said::Passed { request, path } => Ok(Encoded {
                path: path.clone(),
                headers: Vec::new(),
                body: encode_passed(self.body, request, self.real_model),
            }),
            Said::Kept { call, request, path } => Ok(Encoded {
                path: path.clone(),
                headers: call.along.clone(),
                body: encode_passed(self.body, request, self.real_model),
            }),
        };
        encoded.map(Some).map_err(refused)
    }

    /// By what the prompt of the latest request is counted, should the provider not say.
    pub fn prompt(&self) -> Prompt {
        match &self.said {
            Said::Chat { .. } | Said::Own { .. } => Prompt::Chat(self.body.clone()),
            Said::Embeddings { .. } => Prompt::Embeddings(self.body.clone()),
            Said::Batches(batches) => batches.prompt(),
            Said::Ranked(_) | Said::Passed { .. } | Said::Kept { .. } => Prompt::Passed(self.body.clone()),
        }
    }

    /// Whether there may be sealed contents in the answer that a client brings back.
    pub fn may_seal(&self) -> bool {
        self.call.operation == Operation::Responses && matches!(self.said, Said::Own { .. })
    }

    /// The media type of the answer where it is wanted as a stream.
    pub fn stream_media(&self) -> Option<&'static str> {
        self.call.is_stream.then(|| match self.said {
            Said::Own { .. } => EVENTS,
            _ => self.dialect.stream_media(),
        })
    }

    /// How an answer of this media type goes through without being read whole; `None` where it is read.
    pub fn passing(&self, media: Option<&str>) -> Option<Passage> {
        let (request, media) = match &self.said {
            Said::Passed { request, .. } => (request, media),
            Said::Kept { call, .. } => return kept_passing(call, media),
            _ => return None,
        };
        let (decoder, is_events) = match media {
            Some("application/json") | None => return None,
            Some("text/event-stream") => (Passing::events(self.call, request), true),
            Some(_) => (Passing::bytes(self.call, request), false),
        };
        Some(Passage { decoder: Box::new(decoder), is_events })
    }

    /// How the request goes on its way.
    ///
    /// # Errors
    /// If that has been sent already.
    pub fn carried(&self) -> Result<Carriage<'_>, Fault> {
        let (method, is_kept) = match &self.said {
            Said::Kept { call, .. } => (call.method.as_str(), true),
            _ => ("POST", false),
        };
        let Some(carried) = self.carried else {
            let content_type = if is_kept && self.body.is_empty() { "" } else { JSON };
            return Ok(Carriage { method, content_type, rest: None, is_verbatim: is_kept });
        };
        if carried.is_spent() {
            return Err(Fault::new(Class::BadRequest, "the body was sent once and cannot be sent again"));
        }
        let rest = carried.take_rest();
        Ok(Carriage { method, content_type: &carried.content_type, rest, is_verbatim: is_kept })
    }

    /// A decoder for one such answer.
    pub fn stream(&self) -> Box<dyn StreamDecoder> {
        match &self.said {
            Said::Own { own, .. } => own.stream(self.call),
            _ => self.dialect.stream(self.call),
        }
    }

    /// Reads a whole answer.
    pub fn whole(&mut self, body: &Bytes) -> Result<Came, Fault> {
        match &mut self.said {
            Said::Chat { .. } => self.dialect.decode(self.call, body).map(Came::Whole),
            Said::Own { own, .. } => own.decode(self.call, body).map(Came::Whole),
            Said::Embeddings { request, .. } => {
                decode_embeddings(self.call, request, body, self.dialect.vectors()).map(Came::Whole)
            }
            Said::Batches(batches) => {
                batches.take(self.call, self.real_model, self.site, body).map(Came::Part)
            }
            Said::Ranked(ranker) => ranker.decode(self.call, self.body, body).map(Came::Whole),
            Said::Passed { request, .. } => decode_passed(self.call, request, body).map(Came::Whole),
            Said::Kept { call, .. } if call.provider.is_some() => Ok(Came::Whole(decode_relayed(body))),
            Said::Kept { call, request, .. } => {
                let alias = request.model.as_ref().map(|_| self.call.alias.clone());
                let reading = Reading { alias, generates: call.does.generates };
                decode_kept(&reading, body).map(Came::Whole)
            }
        }
    }

    /// What the latest part is booked with.
    pub fn spent(&mut self, usage: Usage) {
        if let Said::Batches(batches) = &mut self.said {
            batches.spent(usage);
        }
    }

    /// The client's body, once there is nothing left to ask and every answer came in parts.
    pub fn finish(&self) -> Bytes {
        match &self.said {
            Said::Batches(batches) => batches.finish(&self.call.alias),
            Said::Chat { .. }
            | Said::Own { .. }
            | Said::Embeddings { .. }
            | Said::Ranked(_)
            | Said::Passed { .. }
            | Said::Kept { .. } => Bytes::new(),
        }
    }
}

/// The same, with this query behind what its path says.
fn asked_with(query: &str, mut encoded: Encoded) -> Encoded {
    if !query.is_empty() {
        encoded.path.push(if encoded.path.contains('?') { '&' } else { '?' });
        encoded.path.push_str(query);
    }
    encoded
}

/// A refusal that comes only when part of the answer is there already.
pub fn too_late(refusal: Refusal) -> Fault {
    match refusal {
        Refusal::Unsayable { param, message } => {
            let said = fault::Said { message: message.clone(), param: Some(param), ..fault::Said::default() };
            Fault { said: Some(Box::new(said)), ..Fault::new(Class::BadRequest, message) }
        }
        _ => Fault::new(Class::BadRequest, "the rest of the request cannot be said to the provider"),
    }
}

fn refused(unsayable: Unsayable) -> Refusal {
    Refusal::Unsayable { param: unsayable.param, message: unsayable.message }
}
