//! Bytes that are relayed as they come. Where they break off the connection is cut: nothing else says it.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::{
    body::{BodySize, MessageBody},
    web::Bytes,
};
use futures_core::Stream;
use nexus_core::fault::Fault;
use nexus_engine::relay::Relay;

use crate::bug;

/// A relay whose end must be the answer's.
pub struct Whole<B>(Option<Relay<B>>);

/// The answer broke off.
#[derive(Debug)]
pub struct BrokenOff;

impl fmt::Display for BrokenOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the provider's answer broke off")
    }
}

impl std::error::Error for BrokenOff {}

impl<B> Whole<B> {
    pub fn new(relay: Relay<B>) -> Self {
        Self(Some(relay))
    }
}

impl<B: Stream<Item = Result<Bytes, Fault>> + Unpin> MessageBody for Whole<B> {
    type Error = BrokenOff;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        let whole = self.get_mut();
        let Some(relay) = whole.0.as_mut() else { return Poll::Ready(None) };
        match bug::caught(|| Pin::new(&mut *relay).poll_next(cx)) {
            Some(Poll::Ready(None)) if relay.status() != Some(200) => Poll::Ready(Some(Err(BrokenOff))),
            Some(poll) => poll.map(|piece| piece.map(Ok)),
            None => {
                // what is left of it books what it has seen, if it still can
                let broken = whole.0.take();
                let _booked = bug::caught(move || drop(broken));
                Poll::Ready(Some(Err(BrokenOff)))
            }
        }
    }
}
