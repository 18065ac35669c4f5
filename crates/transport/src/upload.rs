//! A large request body, handed to awc in slices.
//!
//! awc copies what it is given into a buffer it keeps until the answer has ended: given a megabyte at once, it
//! would hold that megabyte beside ours for the length of the stream.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use actix_http::body::{BodySize, MessageBody};
use bytes::Bytes;

/// A slice, in bytes. Bodies no longer than this are given whole.
const SLICE: usize = 64 * 1024;

/// What is left of a large body.
pub(crate) struct Upload(Bytes);

impl Upload {
    /// `None` if the body is small.
    pub(crate) fn new(body: &Bytes) -> Option<Self> {
        (body.len() > SLICE).then(|| Self(body.clone()))
    }
}

impl MessageBody for Upload {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.0.len() as u64)
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let rest = &mut self.get_mut().0;
        Poll::Ready(if rest.is_empty() { None } else { Some(Ok(rest.split_to(SLICE.min(rest.len())))) })
    }
}
