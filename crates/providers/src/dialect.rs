//! What a vendor's dialect is: a value that turns OpenAI's words into the vendor's and back.
//!
//! A dialect holds no state, opens no socket, reads no clock and never sees a credential: it names an
//! [`AuthScheme`], and the send stage applies the secret.

use bytes::{Bytes, BytesMut};
use nexus_core::{
    call::{Call, Operation},
    capabilities::Capabilities,
    endpoint::Endpoint,
    fault::{Class, Fault},
    price::Tier,
    site::Site,
    usage::{Doubt, Usage},
};
use nexus_wire::{
    chat::{BodyError, ChatRequest},
    conversation::members::Wrong,
};

pub mod anthropic;
pub mod azure;
pub mod bedrock;
pub mod cohere;
pub mod embedder;
pub mod fitted;
pub mod gemini;
pub mod member;
pub mod ollama;
pub mod openai;
pub mod ranker;
pub mod vertex;

use self::{embedder::Embedder, openai::Vectors, ranker::Ranker};
use crate::{
    part::listing,
    tongue::{Own, Terms},
};

/// How a vendor wants to be shown the credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthScheme {
    /// `Authorization: Bearer KEY`
    Bearer,
    /// The key alone in a header of this (lower-case) name.
    Header(&'static str),
    /// No credential is sent, even if one is configured.
    Open,
    /// Signed as AWS wants it (Signature Version 4) for this service, with an access key; an API key goes as
    /// [`AuthScheme::Bearer`].
    Aws { service: &'static str },
    /// An access token of Google's for this scope, made from a service account.
    Google { scope: &'static str },
    /// A key in the header of this name, or a token of Microsoft Entra for this scope as a bearer.
    Entra { header: &'static str, scope: &'static str },
}

/// A request in OpenAI's words, with what the dialect needs to say it in its own.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    pub call: &'a Call,
    /// The body as the application sent it.
    pub body: &'a Bytes,
    /// The members of `body` that matter, with their places in it.
    pub request: &'a ChatRequest,
    /// The provider's name of the model.
    pub real_model: &'a str,
    /// What is said of the model beside what is known of it.
    pub capabilities: &'a Capabilities,
    pub site: Site<'a>,
}

/// A request in the vendor's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// Appended to the endpoint's base path; begins with `/`.
    pub path: String,
    /// Beyond `content-type: application/json` and the credential; names in lower case.
    pub headers: Vec<(&'static str, String)>,
    pub body: Bytes,
}

/// A field that has no counterpart in the vendor's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsayable {
    /// The member's name in OpenAI's words.
    pub param: String,
    /// What cannot be said and what to do instead.
    pub message: String,
}

impl From<BodyError> for Unsayable {
    fn from(error: BodyError) -> Self {
        Self { param: error.param.unwrap_or_default(), message: error.message }
    }
}

impl From<Wrong> for Unsayable {
    fn from(wrong: Wrong) -> Self {
        BodyError::from(wrong).into()
    }
}

/// The parts of an answer's head that a dialect may need.
#[derive(Clone, Copy, Debug, Default)]
pub struct Head<'a> {
    pub status: u16,
    pub content_type: Option<&'a str>,
    /// What the vendor calls the error, where it does so in a header.
    pub error_type: Option<&'a str>,
    /// `retry-after`, or `retry-after-ms` already turned into seconds' fraction: milliseconds.
    pub retry_after_ms: Option<u64>,
}

/// Where a vendor lists its models.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The provider's own, or what stands in its place.
    pub endpoint: Endpoint,
    /// Behind the endpoint's base path; begins with `/`.
    pub path: String,
}

/// What an answer says it consumed, as read so far. Make it with `..Consumed::default()`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Consumed {
    /// The normalised counts; `None` while the provider has not said, or said nonsense.
    pub usage: Option<Usage>,
    /// Why the counts are to be flagged.
    pub doubt: Option<Doubt>,
    /// The tier that was served, which need not be the one that was asked for.
    pub tier: Tier,
    /// The provider's usage object as it came.
    pub raw: Option<Box<str>>,
}

/// A whole answer in OpenAI's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    pub body: Bytes,
    pub consumed: Consumed,
    /// The text that was generated, for counting locally; empty where `consumed.usage` is known.
    pub text: String,
}

/// Where a stream stands after a piece was fed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nothing that commits to this answer came yet: no event at all, or comments only.
    Waiting,
    /// The answer has begun.
    Flowing,
    /// The terminal event came; what follows is ignored.
    Done,
}

/// Turns a vendor's stream into OpenAI's, piece by piece. State is this one stream's.
///
/// Pieces may be cut anywhere. Whatever is appended to `out` consists of whole SSE frames.
/// A fault is final: it comes from [`StreamDecoder::feed`] when the provider sends an error event or
/// breaks the format, and from [`StreamDecoder::end`] when the stream ended before it was complete.
pub trait StreamDecoder {
    /// Reads a piece and appends what the client is to see.
    fn feed(&mut self, piece: &[u8], out: &mut BytesMut) -> Result<Progress, Fault>;

    /// The body has ended. Completes the client's stream where the vendor leaves the end unsaid.
    fn end(&mut self, out: &mut BytesMut) -> Result<(), Fault>;

    /// What the stream has said about consumption so far.
    fn consumed(&mut self) -> Consumed;

    /// The text generated so far, for counting locally; bounded by [`COUNTED_TEXT_MAX`].
    fn text(&self) -> &str;
}

/// How much generated text a decoder keeps for local counting, in bytes.
pub const COUNTED_TEXT_MAX: usize = 256 * 1024;

/// A vendor's dialect. See the module's first lines for what it must never do.
pub trait Dialect: Send + Sync {
    /// Its id in configuration, rows and docs.
    fn id(&self) -> &'static str;

    /// How the credential is shown.
    fn auth(&self) -> AuthScheme;

    /// What becomes of each member of a chat request: for the page on providers.
    fn members(&self) -> Vec<member::Row>;

    /// Says the request in the vendor's words.
    fn encode(&self, ask: Ask<'_>) -> Result<Encoded, Unsayable>;

    /// Reads a whole answer of status 2xx.
    fn decode(&self, call: &Call, body: &Bytes) -> Result<Decoded, Fault>;

    /// The media type of its streams.
    fn stream_media(&self) -> &'static str {
        "text/event-stream"
    }

    /// Whether a model's name tells which model it is.
    fn tells(&self, real_model: &str) -> bool {
        let _ = real_model;
        true
    }

    /// A decoder for one stream of status 2xx.
    fn stream(&self, call: &Call) -> Box<dyn StreamDecoder>;

    /// Where it takes an operation beside chat in OpenAI's own words, as a path behind the endpoint's; `None`: not
    /// at all, or in words of its own.
    fn path_of(&self, operation: Operation, real_model: &str, site: Site<'_>) -> Option<String> {
        let _ = (operation, real_model, site);
        None
    }

    /// How the vectors of its embeddings are handed on.
    fn vectors(&self) -> Vectors {
        Vectors::AsAsked
    }

    /// Where it has what stands at this path of OpenAI's API, query included, as a path behind the endpoint's;
    /// `None`: it keeps nothing as OpenAI does.
    fn kept_at(&self, path: &str, site: Site<'_>) -> Option<String> {
        let _ = (path, site);
        None
    }

    /// How it takes an operation that clients ask in a tongue of theirs, where it speaks that itself.
    fn own(&self, operation: Operation, real_model: &str, site: Site<'_>) -> Option<&dyn Own> {
        let _ = (operation, real_model, site);
        None
    }

    /// How much of what is said in another tongue than OpenAI's a chat may hold for it: one that puts requests together
    /// anew takes what it knows.
    fn terms(&self) -> Terms {
        Terms::Full
    }

    /// Where it lists its models, by `GET`; `None`: nowhere.
    fn listing(&self, endpoint: &Endpoint, site: Site<'_>) -> Option<Listing> {
        let _ = site;
        Some(Listing { endpoint: endpoint.clone(), path: "/models".to_owned() })
    }

    /// Reads such a list: the names that routes may have as their real model.
    fn listed(&self, body: &[u8]) -> Result<Vec<String>, Fault> {
        listing::names(body, "data", "id", "")
    }

    /// How it makes embeddings in words of its own; `None`: not at all, or in OpenAI's.
    fn embedder(&self) -> Option<&dyn Embedder> {
        None
    }

    /// How it puts documents in an order; `None`: not at all.
    fn ranker(&self) -> Option<Ranker> {
        None
    }

    /// Reads an answer of any other status. `body` may be cut short and may be anything.
    fn fault(&self, head: Head<'_>, body: &[u8]) -> Fault;
}

/// The fault of an answer that is none.
pub fn bad_answer(message: &str) -> Fault {
    Fault::new(Class::BadAnswer, message)
}
