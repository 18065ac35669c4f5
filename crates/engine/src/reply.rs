//! What the client is given: a whole body, or a stream that is relayed as it comes.

use bytes::Bytes;
use nexus_core::id::RequestId;

use crate::relay::Relay;

/// An answer to the client. The status is 200; everything else is a denial.
pub struct Reply<B> {
    pub request: RequestId,
    pub body: ReplyBody<B>,
}

/// The answer's body.
pub enum ReplyBody<B> {
    /// `application/json`
    Whole(Bytes),
    /// `text/event-stream`
    Stream(Box<Relay<B>>),
}
