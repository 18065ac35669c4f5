//! What the client is given: a whole body, or a stream that is relayed as it comes.

use std::sync::Arc;

use bytes::Bytes;
use futures_core::stream::LocalBoxStream;
use nexus_core::{catalogue::Target, flow::Left, id::RequestId, policy::Policy, usage::Repeat};
use nexus_providers::tongue::Words;

use crate::{
    keeping::Keeping, relay::Relay, repeat::flight::Listener, resource::owners::OwnersAway,
    stage::normalise::Media, telling::Telling,
};

/// An answer to the client.
pub struct Reply<B> {
    pub request: RequestId,
    /// `None` where nobody was asked: it is about what lies here.
    pub decision: Option<Decision>,
    pub sharing: Sharing,
    /// From the request's arrival until its answer began, in microseconds.
    pub took_us: u64,
    /// What is left of the caller's own limits; `None` where it has none.
    pub left: Option<Left>,
    /// Whoever is to hear a stream.
    pub keeping: Option<Box<Keeping>>,
    /// How it is told where the client speaks another tongue than OpenAI's.
    pub telling: Option<Box<Telling>>,
    pub body: ReplyBody<B>,
    /// 200, but for what a provider says of what it keeps; everything outside of 2xx is a denial.
    pub status: u16,
}

impl<B> Reply<B> {
    /// What is said of the caller and of its tongue comes last.
    pub(crate) fn new(request: RequestId, decision: Decision, sharing: Sharing, body: ReplyBody<B>) -> Self {
        let decision = Some(decision);
        Self { decision, sharing, ..Self::here(request, body) }
    }

    /// An answer about what lies here.
    pub(crate) fn here(request: RequestId, body: ReplyBody<B>) -> Self {
        Self {
            request,
            decision: None,
            sharing: Sharing::Own,
            took_us: 0,
            left: None,
            keeping: None,
            telling: None,
            body,
            status: 200,
        }
    }
}

/// Where the answer came from, and how that was decided.
#[derive(Clone, Debug)]
pub struct Decision {
    pub target: Arc<Target>,
    /// Of this request; none where it was given another's answer.
    pub attempts: u32,
    pub policy: Policy,
    pub words: Words,
}

/// Whose answer it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// The request's own.
    Own,
    /// Its own, because none was kept.
    Missed,
    /// Another request's.
    Others(Repeat),
}

/// The answer's body.
pub enum ReplyBody<B> {
    /// `application/json`
    Whole(Bytes),
    /// `text/event-stream`
    Stream(Relay<B>),
    /// Bytes of whatever they are, as they come; they are whole where the relay's status is 200 in the end.
    Bytes(Media, Relay<B>),
    /// Bytes that are kept here, as they come.
    Pieces(Media, LocalBoxStream<'static, Result<Bytes, OwnersAway>>),
    /// Events of an answer that several hear.
    Heard(Box<Listener>),
    /// The same, of an answer that was kept: all events at once.
    Kept(Bytes),
}
