//! Stage 5, adapt: the request in the words of the target's vendor, as one exchange or as many as it takes there.
//!
//! An operation is data here: what is asked, how an answer is read, and by what its prompt is counted. The stages
//! around know exchanges only.

mod batches;

use bytes::Bytes;
use nexus_core::{
    call::{Call, Operation},
    capabilities::Capabilities,
    catalogue::Target,
    fault::{Class, Fault, Said},
    refusal::Refusal,
    site::Site,
    usage::Usage,
};
use nexus_providers::dialect::{
    Ask, Decoded, Dialect, Encoded, StreamDecoder, Unsayable, fitted,
    openai::{decode_embeddings, encode_embeddings},
};
use nexus_wire::{chat::ChatRequest, embedding::EmbeddingRequest};

use self::batches::Batches;
use crate::{
    estimate::Prompt,
    pipeline::Refused,
    stage::{parse::Request, resolve::Routed},
    world::Backend,
};

/// A request on its way through one target.
pub struct Adapted<'a> {
    call: &'a Call,
    body: &'a Bytes,
    dialect: &'static dyn Dialect,
    real_model: &'a str,
    capabilities: &'a Capabilities,
    site: Site<'a>,
    words: Words<'a>,
    is_asked: bool,
}

enum Words<'a> {
    /// Chat in the vendor's words.
    Chat(&'a ChatRequest),
    /// Embeddings in OpenAI's own.
    Embeddings { request: &'a EmbeddingRequest, path: String },
    /// Embeddings in the vendor's words.
    Batches(Batches<'a>),
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
    let (dialect, real_model, site) =
        (backend.dialect, target.model_for(&routed.to.name), target.site());
    let words = match &asked.request {
        Request::Chat(request) => Words::Chat(request),
        Request::Embeddings(request) => {
            match (dialect.path_of(Operation::Embeddings, real_model, site), dialect.embedder()) {
                (Some(path), _) => Words::Embeddings { request, path },
                (None, Some(embedder)) => {
                    let known_as = target.capabilities.known_as(real_model);
                    Words::Batches(Batches::new(embedder, request, &asked.body, known_as)?)
                },
                (None, None) => return Err(Refused::There(unknown(&asked.call))),
            }
        }
    };
    let (call, body) = (&asked.call, &asked.body);
    let capabilities = &target.capabilities;
    let mut adapted =
        Adapted { call, body, dialect, real_model, capabilities, site, words, is_asked: false };
    let first = adapted.ask()?.ok_or_else(|| Refused::There(unknown(call)))?;
    Ok((adapted, first))
}

/// What it means that a target does not know the operation.
fn unknown(call: &Call) -> Fault {
    let message = format!(
        "the model `{}` is at no provider that knows `{}`; ask for another model",
        call.alias,
        call.operation.as_str()
    );
    let said = Said { message: message.clone(), param: Some("model".to_owned()), ..Said::default() };
    Fault { said: Some(Box::new(said)), ..Fault::new(Class::BadRequest, message) }
}

impl Adapted<'_> {
    /// The next request in the vendor's words, if there is more to ask; what cannot be said is refused by name.
    pub fn ask(&mut self) -> Result<Option<Encoded>, Refusal> {
        let encoded = match &mut self.words {
            Words::Batches(batches) => {
                return batches.ask_on(self.call, self.real_model, self.site).map_err(refused);
            }
            _ if std::mem::replace(&mut self.is_asked, true) => return Ok(None),
            Words::Chat(request) => {
                let ask = Ask {
                    call: self.call,
                    body: self.body,
                    request,
                    real_model: self.real_model,
                    capabilities: self.capabilities,
                    site: self.site,
                };
                fitted::encode(self.dialect, ask)
            }
            Words::Embeddings { request, path } => Ok(Encoded {
                path: path.clone(),
                headers: Vec::new(),
                body: encode_embeddings(self.body, request, self.real_model),
            }),
        };
        encoded.map(Some).map_err(refused)
    }

    /// By what the prompt of the latest request is counted, should the provider not say.
    pub fn prompt(&self) -> Prompt {
        match &self.words {
            Words::Chat(_) => Prompt::Chat(self.body.clone()),
            Words::Embeddings { .. } => Prompt::Embeddings(self.body.clone()),
            Words::Batches(batches) => batches.prompt(),
        }
    }

    /// The media type of the answer where it is wanted as a stream.
    pub fn stream_media(&self) -> Option<&'static str> {
        self.call.is_stream.then(|| self.dialect.stream_media())
    }

    /// A decoder for one such answer.
    pub fn stream(&self) -> Box<dyn StreamDecoder> {
        self.dialect.stream(self.call)
    }

    /// Reads a whole answer.
    pub fn whole(&mut self, body: &Bytes) -> Result<Came, Fault> {
        match &mut self.words {
            Words::Chat(_) => self.dialect.decode(self.call, body).map(Came::Whole),
            Words::Embeddings { request, .. } => {
                decode_embeddings(self.call, request, body).map(Came::Whole)
            }
            Words::Batches(batches) => {
                batches.take(self.call, self.real_model, self.site, body).map(Came::Part)
            }
        }
    }

    /// What the latest part is booked with.
    pub fn spent(&mut self, usage: Usage) {
        if let Words::Batches(batches) = &mut self.words {
            batches.spent(usage);
        }
    }

    /// The client's body, once there is nothing left to ask and every answer came in parts.
    pub fn finish(&self) -> Bytes {
        match &self.words {
            Words::Batches(batches) => batches.finish(&self.call.alias),
            Words::Chat(_) | Words::Embeddings { .. } => Bytes::new(),
        }
    }
}

/// A refusal that comes only when part of the answer is there already.
pub fn too_late(refusal: Refusal) -> Fault {
    match refusal {
        Refusal::Unsayable { param, message } => {
            let said = Said { message: message.clone(), param: Some(param), ..Said::default() };
            Fault { said: Some(Box::new(said)), ..Fault::new(Class::BadRequest, message) }
        }
        _ => Fault::new(Class::BadRequest, "the rest of the request cannot be said to the provider"),
    }
}

fn refused(unsayable: Unsayable) -> Refusal {
    Refusal::Unsayable { param: unsayable.param, message: unsayable.message }
}
