//! What the pipeline asks of the world: a way out, a ledger, a clock, and chance.
//!
//! Everything that waits, opens, reads the time or rolls dice is behind one of these.

use std::{fmt, future::Future, net::IpAddr, sync::Arc};

use bytes::Bytes;
use futures_core::{Stream, stream::LocalBoxStream};
use nexus_core::{
    catalogue::Provider,
    fault::Fault,
    health::learned::Learned,
    id::{CredentialId, KeyId, ProviderId, RequestId, TeamId},
    site::Site,
    usage::UsageRecord,
};
use nexus_providers::dialect::AuthScheme;

use crate::credentials::Credential;

/// How long the parts of an exchange may take. All in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// Name resolution, TCP and TLS together.
    pub connect_ms: u64,
    /// From the request's last byte to the head of the answer.
    pub first_byte_ms: u64,
    /// Between two pieces of the answer's body.
    pub between_chunks_ms: u64,
    /// The whole exchange.
    pub whole_ms: u64,
}

impl Deadlines {
    /// The same for a client that waits only so long for an answer to begin: of a stream its first byte, else
    /// the whole.
    pub fn within(self, left_ms: u64, is_stream: bool) -> Self {
        let first_byte_ms = self.first_byte_ms.min(left_ms);
        let whole_ms = if is_stream { self.whole_ms } else { self.whole_ms.min(left_ms) };
        Self { connect_ms: self.connect_ms.min(left_ms), first_byte_ms, whole_ms, ..self }
    }
}

/// The type of nearly every body.
pub const JSON: &str = "application/json";

/// Pieces of a client's body; a fault is last, and says why it broke off.
pub type Pieces = LocalBoxStream<'static, Result<Bytes, Fault>>;

/// What is still to come of a body when its request goes on its way. It is there once.
pub struct Rest {
    pub pieces: Pieces,
    /// In bytes, where the client said so.
    pub len: Option<u64>,
}

impl fmt::Debug for Rest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rest").field("len", &self.len).finish_non_exhaustive()
    }
}

/// A request on its way to a provider.
#[derive(Debug)]
pub struct Outbound<'a> {
    pub provider: &'a Provider,
    /// The part of the vendor it goes to.
    pub site: Site<'a>,
    /// Appended to the endpoint's base path; begins with `/`.
    pub path: &'a str,
    /// Names in lower case; values are checked by the transport.
    pub headers: &'a [(&'static str, String)],
    pub auth: AuthScheme,
    pub credential: Option<&'a Credential>,
    pub method: &'static str,
    /// Empty where there is no body.
    pub content_type: &'a str,
    /// The whole body, or its beginning.
    pub body: Bytes,
    /// What follows it.
    pub rest: Option<Rest>,
    pub deadlines: Deadlines,
}

/// The head of a provider's answer, and its body still to come.
#[derive(Debug)]
pub struct Inbound<B> {
    pub status: u16,
    pub content_type: Option<String>,
    /// From `retry-after-ms`, else from `retry-after` in seconds.
    pub retry_after_ms: Option<u64>,
    /// What the vendor calls an error, where it does so in a header.
    pub error_type: Option<String>,
    /// `content-disposition`.
    pub disposition: Option<String>,
    /// What the provider says is left of its own limits, where it says it.
    pub learned: Option<Box<Learned>>,
    /// `x-request-id`, or what the vendor calls it.
    pub provider_request_id: Option<String>,
    pub body: B,
}

/// The way out to providers. One value a worker thread; futures stay on it.
pub trait Transport: 'static {
    /// The answer's body: pieces as they arrive, at most one fault, and it is last. Every end of the
    /// body that is not the end of the message is a fault. Dropping it cancels the exchange.
    type Body: Stream<Item = Result<Bytes, Fault>> + Unpin + 'static;

    /// Sends, and waits for the head of the answer.
    fn send(&self, request: Outbound<'_>) -> impl Future<Output = Result<Inbound<Self::Body>, Fault>>;
}

/// A record could not be made durable.
#[derive(Debug)]
pub struct Unbooked;

/// Where usage is booked.
pub trait Ledger: Send + Sync + 'static {
    /// Makes a record survive the death of this process before it returns. Takes microseconds.
    fn book(&self, record: &UsageRecord) -> Result<(), Unbooked>;

    /// Whether calls may be made now. False where what they use could not be booked and that is not to be.
    fn takes_calls(&self) -> bool {
        true
    }

    /// Whether an answer may be given although what it used could not be booked.
    fn gives_unbooked(&self) -> bool {
        true
    }
}

/// Something the request's way has to tell those who keep the trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Noted {
    /// A key is in use. Said at most once a minute by each worker.
    Used { key: KeyId, at_ms: i64 },
    /// A key came from an address this worker had not seen it come from.
    CameFrom { key: KeyId, team: Option<TeamId>, address: IpAddr },
    /// Somebody was turned away.
    Denied(Denied),
    /// The structure of a request looked like an attack.
    Attacked { kind: &'static str, position: &'static str, evidence: Box<str>, by: Denied },
    /// A provider refused one of its credentials, which is out from now on.
    CredentialOut { provider: ProviderId, name: Arc<str>, credential: CredentialId, reason: &'static str },
    /// It is good again.
    CredentialBack { provider: ProviderId, name: Arc<str>, credential: CredentialId },
}

/// Who was turned away, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// A word for the audit log.
    pub reason: &'static str,
    /// `None` where the key did not verify.
    pub key: Option<KeyId>,
    pub team: Option<TeamId>,
    pub address: Option<IpAddr>,
}

/// Where the trail is kept. Never waits: what cannot be taken at once is counted and dropped.
pub trait Trail: Send + Sync + 'static {
    fn note(&self, noted: Noted);
}

/// What a request and its answer said. It has no `Debug`: nothing of it may come into a log.
pub struct Content {
    pub request: RequestId,
    pub team: TeamId,
    /// When the request was made, Unix milliseconds.
    pub at_ms: i64,
    /// The client's body.
    pub prompt: Bytes,
    /// The body of the answer, as the client was given it; of an answer that broke off, what came of it.
    pub answer: Bytes,
    /// Whether either was longer.
    pub is_cut: bool,
}

/// Where what was said is kept, for teams that want that. Never waits: what cannot be taken at once is counted and
/// dropped.
pub trait Contents: Send + Sync + 'static {
    fn keep(&self, content: Content);
}

/// The time.
pub trait Clock: Send + Sync + 'static {
    /// Unix time in milliseconds. May step.
    fn unix_ms(&self) -> i64;

    /// Microseconds since some moment; never runs backwards.
    fn monotonic_us(&self) -> u64;
}

/// Chance, for spreading load. Never for secrets.
pub trait Dice {
    /// A number below `bound` (0 if `bound` is 0).
    fn roll(&self, bound: u64) -> u64;

    /// 128 random bits, for ids.
    fn bits(&self) -> u128;
}
