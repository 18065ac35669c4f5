//! Stage 1, parse: what is being asked, as far as the bytes themselves tell.
//!
//! The head is read before the caller is known, the body only after: strangers cannot make us read.

pub mod form;

use std::{fmt, time::Duration};

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use nexus_core::{
    call::{Call, Operation},
    id::{RequestId, Uuid},
    label::Labels,
    refusal::Refusal,
    usage::Usage,
};
use nexus_keystore::bearer;
use nexus_providers::{
    dialect::{Unsayable, openai::by_piece},
    tongue::{self, Address, Kept, Retold, Terms, Told, Tongue},
};
use nexus_wire::{
    chat::{BodyError, ChatRequest},
    embedding::EmbeddingRequest,
    mark::{self, Borne},
    passed::{Form, PassedRequest},
    references::{Reference, references},
    rerank::RerankRequest,
};

use self::form::{Carried, Hold};
use crate::{
    arrival::{BodyCut, BodyStream, Headers},
    estimate::Prompt,
    port::Clock,
    resource::ResourceCall,
    shared::Limits,
    telling::Telling,
};

/// The key a caller shows, in whichever header its tool puts it.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a>(pub &'a str);

/// Finds the key: `Authorization: Bearer`, else `api-key`, `x-api-key` or Google's; an `sk-` in front is ignored.
pub fn key<'a>(headers: &Headers<'a>) -> Result<Shown<'a>, Refusal> {
    headers
        .authorization
        .and_then(after_bearer)
        .or(headers.api_key)
        .or(headers.x_api_key)
        .or(headers.goog_api_key)
        .map(|presented| Shown(bearer::token(presented.trim())))
        .ok_or(Refusal::InvalidKey)
}

fn after_bearer(authorization: &str) -> Option<&str> {
    let (scheme, rest) = authorization.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(rest)
}

/// An operation as a URL names it.
#[derive(Clone, Debug)]
pub struct Named {
    pub operation: Operation,
    pub address: Address,
}

impl From<Operation> for Named {
    fn from(operation: Operation) -> Self {
        Self { operation, address: Address::default() }
    }
}

/// A call whose body has been read.
#[derive(Debug)]
pub struct Asked {
    pub call: Call,
    /// The body, or of a large form its beginning.
    pub body: Bytes,
    pub request: Request,
    /// How the body goes on its way where it is a form.
    pub carried: Option<Box<Carried>>,
    /// What the application says of the call for the ledger.
    pub labels: Labels,
    /// What was said in another tongue than OpenAI's; `body` is that as a chat.
    pub foreign: Option<Box<Foreign>>,
    /// What is asked for of what a provider keeps.
    pub resource: Option<Box<ResourceCall>>,
    /// What the body refers to of such.
    pub references: Vec<Reference>,
}

/// A request in another tongue.
#[derive(Clone)]
pub struct Foreign {
    pub tongue: &'static dyn Tongue,
    pub address: Address,
    /// The body as it was sent.
    pub sent: Bytes,
    /// What of it is sealed, and the body without the marks of who did.
    sealed: Option<(Bytes, Borne)>,
    /// Headers that go along where the vendor speaks the tongue, names in lower case.
    pub along: Vec<(&'static str, String)>,
    /// The query, which goes along where the vendor speaks Responses; empty where there is none.
    pub query: String,
    /// Whether a chat in other than plain terms would say more.
    pub has_more: bool,
    /// What no chat can say.
    pub unsayable: Option<Unsayable>,
}

impl fmt::Debug for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Foreign").field("along", &self.along).finish_non_exhaustive()
    }
}

impl Foreign {
    /// Reads a request of this tongue, and says it as a chat.
    fn read(
        named: Named,
        tongue: &'static dyn Tongue,
        sent: Bytes,
        headers: &Headers<'_>,
    ) -> Result<(Bytes, Self), BodyError> {
        let along = tongue.along().iter();
        let along = along.filter_map(|name| Some((*name, headers.along(name)?.to_owned()))).collect();
        Self::of(named, tongue, sent, along)
    }

    fn of(
        named: Named,
        tongue: &'static dyn Tongue,
        sent: Bytes,
        along: Vec<(&'static str, String)>,
    ) -> Result<(Bytes, Self), BodyError> {
        let Named { operation, address } = named;
        let Retold { chat, has_more, unsayable } = tongue.read(&address, &sent, Terms::Plain)?;
        let text = std::str::from_utf8(&sent).ok().filter(|_| operation == Operation::Responses);
        let sealed = text.and_then(mark::take);
        let query = String::new();
        Ok((chat, Self { tongue, address, sent, sealed, along, query, has_more, unsayable }))
    }

    /// The same as a chat in these terms.
    pub fn retold(&self, terms: Terms) -> Result<Bytes, BodyError> {
        self.tongue.read(&self.address, &self.sent, terms).map(|retold| retold.chat)
    }

    /// The same, asked with this query. What clients made for Azure say of its version is not meant for the vendor.
    pub(crate) fn asked_with(&mut self, query: &str) {
        let pairs = query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("api-version="));
        self.query = pairs.collect::<Vec<_>>().join("&");
    }

    /// The body for a vendor that speaks the tongue.
    pub fn own(&self) -> &Bytes {
        self.sealed.as_ref().map_or(&self.sent, |(bare, _)| bare)
    }
}

impl Asked {
    /// The body as it was sent.
    pub fn sent(&self) -> &Bytes {
        self.foreign.as_ref().map_or(&self.body, |foreign| &foreign.sent)
    }

    /// Who sealed what the request brings back.
    pub fn sealed(&self) -> Option<Borne> {
        self.foreign.as_ref()?.sealed.as_ref().map(|(_, borne)| *borne)
    }

    /// How the answer is told, where that is not in OpenAI's words.
    pub fn telling(&self) -> Option<Box<Telling>> {
        let Foreign { tongue, address, sent, .. } = &**self.foreign.as_ref()?;
        let Call { request, alias, asked_at_s, .. } = &self.call;
        let told = Told {
            request: *request,
            alias: alias.clone(),
            asked_at_s: *asked_at_s,
            sent: sent.clone(),
            address: address.clone(),
            kept: Kept::default(),
        };
        Some(Box::new(Telling { tongue: *tongue, told, shelving: None }))
    }

    /// The same call with another body in the same tongue.
    pub fn retold(self, sent: Bytes) -> Result<Self, Refusal> {
        let Some(foreign) = self.foreign else { return Ok(Self { body: sent, ..self }) };
        let Foreign { tongue, along, address, query, .. } = *foreign;
        let named = Named { operation: self.call.operation, address };
        let (body, foreign) = Foreign::of(named, tongue, sent, along).map_err(bad)?;
        let foreign = Foreign { query, ..foreign };
        let request = Request::read(self.call.operation, &body).map_err(bad)?;
        let is_stream = request.streams().0;
        let call = Call { is_stream, ..self.call };
        Ok(Self { call, body, request, foreign: Some(Box::new(foreign)), ..self })
    }

    /// The same call without a body, to be asked another time.
    pub fn again(&self) -> Self {
        Self {
            call: self.call.clone(),
            body: Bytes::new(),
            request: Request::Passed(PassedRequest::default()),
            carried: None,
            labels: self.labels.clone(),
            foreign: None,
            resource: self.resource.clone(),
            references: Vec::new(),
        }
    }

    /// By what the prompt is counted.
    pub fn prompt(&self) -> Prompt {
        match self.request {
            Request::Chat(_) => Prompt::Chat(self.body.clone()),
            Request::Embeddings(_) => Prompt::Embeddings(self.body.clone()),
            Request::Passed(_) => Prompt::Passed(self.body.clone()),
        }
    }

    /// Bytes of the body that may be tokens; what is in a form is none.
    pub fn text_bytes(&self) -> u64 {
        if self.carried.is_some() || self.resource.is_some() { 0 } else { self.body.len() as u64 }
    }

    /// Whether the body was sent and cannot be sent again.
    pub fn is_spent(&self) -> bool {
        self.carried.as_ref().is_some_and(|carried| carried.is_spent())
    }

    /// Whether the body can be sent once only.
    pub fn is_single(&self) -> bool {
        self.carried.as_ref().is_some_and(|carried| carried.is_single())
    }
}

/// The members of a body that matter, with their places in it.
#[derive(Debug)]
pub enum Request {
    Chat(ChatRequest),
    Embeddings(EmbeddingRequest),
    /// Of an operation whose words go through as they are.
    Passed(PassedRequest),
}

impl Request {
    fn read(operation: Operation, body: &[u8]) -> Result<Self, BodyError> {
        match operation {
            Operation::ChatCompletions | Operation::Messages | Operation::GenerateContent => {
                ChatRequest::read(body).map(Self::Chat)
            }
            // what a stored prompt says it is for
            Operation::Responses => ChatRequest::read_nameless(body).map(Self::Chat),
            Operation::Embeddings => EmbeddingRequest::read(body).map(Self::Embeddings),
            Operation::Rerank => {
                RerankRequest::read(body)?;
                PassedRequest::read(body).map(Self::Passed)
            }
            Operation::Completions
            | Operation::Moderations
            | Operation::ImageGenerations
            | Operation::ImageEdits
            | Operation::ImageVariations
            | Operation::Speech
            | Operation::Transcriptions
            | Operation::Translations
            | Operation::Resources(_) => PassedRequest::read(body).map(Self::Passed),
        }
    }

    /// The model that is named, if one is.
    pub fn model(&self) -> Option<&str> {
        match self {
            Self::Chat(request) => Some(request.model.as_str()).filter(|model| !model.is_empty()),
            Self::Embeddings(request) => Some(&request.model),
            Self::Passed(request) => request.model.as_ref().map(|named| named.name.as_str()),
        }
    }

    /// What is used by the piece: pictures, and characters read aloud.
    pub fn pieces(&self, operation: Operation) -> Usage {
        match self {
            Self::Passed(request) => by_piece(operation, request, None),
            Self::Chat(_) | Self::Embeddings(_) => Usage::default(),
        }
    }

    /// The most tokens an answer may have, where the request says it; vectors have none.
    pub fn max_output_tokens(&self) -> Option<u64> {
        match self {
            Self::Chat(request) => request.max_tokens,
            Self::Embeddings(_) => Some(0),
            Self::Passed(request) => Some(request.max_tokens.unwrap_or(0)),
        }
    }

    /// How many answers are wanted.
    pub fn choices(&self) -> u64 {
        match self {
            Self::Chat(request) => request.n.unwrap_or(1),
            Self::Embeddings(_) => 1,
            Self::Passed(request) => request.n.unwrap_or(1),
        }
    }

    /// What the body says of the call for the ledger.
    fn labels(&self) -> Labels {
        match self {
            Self::Chat(request) => {
                let mut labels = Labels::default().for_user(request.said.user.as_deref());
                for (name, value) in &request.said.metadata {
                    labels.tag(&format!("{name}:{value}"));
                }
                labels
            }
            Self::Embeddings(request) => Labels::default().for_user(request.user.as_deref()),
            Self::Passed(request) => Labels::default().for_user(request.user.as_deref()),
        }
    }

    /// Whether a stream is wanted, and whether it is to end with the usage.
    fn streams(&self) -> (bool, bool) {
        match self {
            Self::Chat(request) => (request.is_stream, request.wants_usage),
            Self::Embeddings(_) => (false, false),
            Self::Passed(request) => (request.is_stream, false),
        }
    }
}

/// Reads and understands the body of an operation.
pub async fn body<B: BodyStream>(
    request_id: RequestId,
    named: Named,
    headers: &Headers<'_>,
    body: B,
    hold: Hold,
    limits: &Limits,
    clock: &dyn Clock,
) -> Result<Asked, Refusal> {
    let operation = named.operation;
    if operation.takes_forms()
        && let Some(form) = headers.content_type.and_then(Form::of)
    {
        plain(headers)?;
        let read = Box::pin(form::read(form, headers, body, hold, limits));
        let (body, request, carried) = read.await?;
        let references = request.references.clone();
        let asked = asked(request_id, operation, body, Request::Passed(request), headers, clock);
        return Ok(Asked { carried: Some(Box::new(carried)), references, ..asked });
    }
    let body = whole(headers, body, limits).await?;
    let asked = understood(request_id, named, body, headers, clock)?;
    let references = references(asked.sent(), kinds(operation), free(operation)).map_err(bad)?;
    Ok(Asked { references, ..asked })
}

/// The kinds of things a body can name. What is kept for OpenAI's own operations on it no chat can name, and members
/// of those names are a vendor's own there: `video` is what a model is shown.
fn kinds(operation: Operation) -> fn(&str) -> bool {
    match operation {
        // neither has a member for anything that is kept so
        Operation::GenerateContent | Operation::Rerank => |_| false,
        Operation::ChatCompletions
        | Operation::Messages
        | Operation::Completions
        | Operation::Embeddings
        | Operation::Moderations => {
            |kind| !matches!(kind, "video" | "character" | "consent" | "conversation")
        }
        _ => |_| true,
    }
}

/// Members that are the client's own in such a body: with what a model called a tool.
fn free(operation: Operation) -> &'static [&'static str] {
    match operation {
        Operation::Messages => &["input"],
        _ => &[],
    }
}

/// Reads and understands a call about what a provider keeps; most have no body.
pub async fn resource<B: BodyStream>(
    request_id: RequestId,
    call: Box<ResourceCall>,
    headers: &Headers<'_>,
    body: B,
    hold: Hold,
    limits: &Limits,
    clock: &dyn Clock,
) -> Result<Asked, Refusal> {
    let operation = call.operation();
    let form = headers.content_type.and_then(Form::of).filter(|_| call.method.takes_body());
    let (body, request, carried) = match form {
        Some(form) => {
            plain(headers)?;
            let read = Box::pin(form::read(form.without_model(), headers, body, hold, limits)).await?;
            (read.0, read.1, Some(Box::new(read.2)))
        }
        None if call.method.takes_body() => {
            plain(headers)?;
            let body = collect(headers.content_length, body, limits).await?;
            let request = match &*body {
                [] => PassedRequest::default(),
                _ if !headers.content_type.is_none_or(is_json) => return Err(Refusal::UnsupportedMediaType),
                // whatever it is, it is the provider's to understand
                said if call.provider.is_some() => PassedRequest::read(said).unwrap_or_default(),
                said => PassedRequest::read(said).map_err(bad)?,
            };
            (body, request, None)
        }
        None => (Bytes::new(), PassedRequest::default(), None),
    };
    let request = match &call.provider {
        // a name of a model in there is none of this gateway's
        Some(_) => PassedRequest { model: None, ..request },
        None => request,
    };
    let references = match &carried {
        // what such a body names is the provider's to know
        _ if call.provider.is_some() => Vec::new(),
        Some(_) => request.references.clone(),
        None => references(&body, kinds(operation), free(operation)).map_err(bad)?,
    };
    let mut asked = asked(request_id, operation, body, Request::Passed(request), headers, clock);
    asked.call.is_stream |= call.is_stream();
    Ok(Asked { carried, references, resource: Some(call), ..asked })
}

/// The same of a body that may be of any operation: what has messages is a chat, what has an input embeddings.
pub async fn any_body<B: BodyStream>(
    headers: &Headers<'_>,
    body: B,
    limits: &Limits,
    clock: &dyn Clock,
) -> Result<Asked, Refusal> {
    let body = whole(headers, body, limits).await?;
    // nobody answers it
    let request_id = RequestId(Uuid::nil());
    let chat = understood(request_id, Operation::ChatCompletions.into(), body.clone(), headers, clock);
    match &chat {
        Err(Refusal::BadBody { param: Some(param), .. }) if param == "messages" => {
            understood(request_id, Operation::Embeddings.into(), body, headers, clock).or(chat)
        }
        _ => chat,
    }
}

/// The same of a body that is only to be counted, of what is said as a chat.
pub async fn counted<B: BodyStream>(
    headers: &Headers<'_>,
    body: B,
    limits: &Limits,
    chat: impl FnOnce(&[u8]) -> Result<Bytes, BodyError>,
    clock: &dyn Clock,
) -> Result<(Bytes, Asked), Refusal> {
    let sent = whole(headers, body, limits).await?;
    let chat = chat(&sent).map_err(bad)?;
    let asked = understood(RequestId(Uuid::nil()), Operation::ChatCompletions.into(), chat, headers, clock)?;
    Ok((sent, asked))
}

async fn whole<B: BodyStream>(headers: &Headers<'_>, body: B, limits: &Limits) -> Result<Bytes, Refusal> {
    if !headers.content_type.is_none_or(is_json) {
        return Err(Refusal::UnsupportedMediaType);
    }
    plain(headers)?;
    collect(headers.content_length, body, limits).await
}

fn plain(headers: &Headers<'_>) -> Result<(), Refusal> {
    if headers.content_encoding.is_some_and(|coding| !coding.eq_ignore_ascii_case("identity")) {
        return Err(bad_body("the request body is compressed; send it as it is, without `content-encoding`"));
    }
    Ok(())
}

fn understood(
    request_id: RequestId,
    named: Named,
    body: Bytes,
    headers: &Headers<'_>,
    clock: &dyn Clock,
) -> Result<Asked, Refusal> {
    let operation = named.operation;
    let (body, foreign) = match tongue::of(operation) {
        None => (body, None),
        Some(tongue) => {
            let (chat, foreign) = Foreign::read(named, tongue, body, headers).map_err(bad)?;
            (chat, Some(Box::new(foreign)))
        }
    };
    let request = Request::read(operation, &body).map_err(bad)?;
    Ok(Asked { foreign, ..asked(request_id, operation, body, request, headers, clock) })
}

fn asked(
    request_id: RequestId,
    operation: Operation,
    body: Bytes,
    request: Request,
    headers: &Headers<'_>,
    clock: &dyn Clock,
) -> Asked {
    let (is_stream, wants_usage) = request.streams();
    let call = Call {
        request: request_id,
        operation,
        alias: request.model().unwrap_or(operation.as_str()).to_owned(),
        is_stream,
        wants_usage,
        asked_at_s: u64::try_from(clock.unix_ms()).unwrap_or_default() / 1000,
    };
    let mut labels = request.labels();
    labels.tag_each(headers.tags.unwrap_or_default());
    Asked {
        call,
        body,
        request,
        carried: None,
        labels,
        foreign: None,
        resource: None,
        references: Vec::new(),
    }
}

fn is_json(content_type: &str) -> bool {
    if content_type == "application/json" {
        return true;
    }
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
        || (essence.len() > 5 && essence.to_ascii_lowercase().ends_with("+json"))
}

async fn collect<B: BodyStream>(declared: Option<u64>, body: B, limits: &Limits) -> Result<Bytes, Refusal> {
    let limit = limits.request_body_bytes;
    let too_large = || Refusal::TooLarge { limit_bytes: limit };
    if declared.is_some_and(|length| length > limit as u64) {
        return Err(too_large());
    }
    let patience = Duration::from_millis(limits.request_body_ms);
    match tokio::time::timeout(patience, gather(body, limit)).await {
        Ok(Ok(Some(bytes))) => Ok(bytes),
        Ok(Ok(None)) => Err(too_large()),
        Ok(Err(how)) => Err(cut(how)),
        Err(_) => Err(bad_body("the request body took too long to arrive; send it faster")),
    }
}

/// The whole body in one piece, or `None` where it exceeds the limit. One piece is not copied.
async fn gather<B: BodyStream>(mut body: B, limit: usize) -> Result<Option<Bytes>, BodyCut> {
    let Some(first) = body.next().await.transpose()? else { return Ok(Some(Bytes::new())) };
    let mut more = BytesMut::new();
    let mut length = first.len();
    while let Some(piece) = body.next().await.transpose()? {
        if more.is_empty() {
            more.extend_from_slice(&first);
        }
        length = length.saturating_add(piece.len());
        if length > limit {
            return Ok(None);
        }
        more.extend_from_slice(&piece);
    }
    if length > limit {
        return Ok(None);
    }
    Ok(Some(if more.is_empty() { first } else { more.freeze() }))
}

fn cut(how: BodyCut) -> Refusal {
    bad_body(match how {
        BodyCut::Incomplete => "the request body ended early; send it whole",
        BodyCut::Malformed => "the request body could not be read; check its coding",
    })
}

fn bad(error: BodyError) -> Refusal {
    Refusal::BadBody { message: error.message, param: error.param }
}

fn bad_body(message: &str) -> Refusal {
    Refusal::BadBody { message: message.to_owned(), param: None }
}
