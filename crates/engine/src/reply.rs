//! What the client is given: a whole body, or a stream that is relayed as it comes.

use std::sync::Arc;

use bytes::Bytes;
use nexus_core::{catalogue::Target, id::RequestId, policy::Policy};

use crate::relay::Relay;

/// An answer to the client. The status is 200; everything else is a denial.
pub struct Reply<B> {
    pub request: RequestId,
    pub decision: Decision,
    pub body: ReplyBody<B>,
}

/// Where the answer came from, and how that was decided.
#[derive(Clone, Debug)]
pub struct Decision {
    pub target: Arc<Target>,
    pub attempts: u32,
    pub policy: Policy,
}

/// The answer's body.
pub enum ReplyBody<B> {
    /// `application/json`
    Whole(Bytes),
    /// `text/event-stream`
    Stream(Box<Relay<B>>),
}
