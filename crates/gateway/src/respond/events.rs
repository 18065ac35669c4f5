//! A stream of events as a body. Where making the next piece panics, an error event is the last one.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::{
    body::{BodySize, MessageBody},
    web::{Bytes, BytesMut},
};
use futures_core::Stream;
use nexus_engine::keeping::Keeping;
use nexus_providers::tongue::Tongue;
use nexus_wire::{
    error::{ErrorCode, PublicError},
    sse::encode,
};

use crate::bug;

/// actix asks for more only when the socket took what it had.
pub struct Events<S> {
    /// `None` once making a piece has failed.
    stream: Option<S>,
    tongue: Option<&'static dyn Tongue>,
    /// Who is to hear what the client is given.
    keeping: Option<Box<Keeping>>,
}

impl<S> Events<S> {
    /// In this tongue, or in OpenAI's.
    pub fn new(stream: S, tongue: Option<&'static dyn Tongue>, keeping: Option<Box<Keeping>>) -> Self {
        Self { stream: Some(stream), tongue, keeping }
    }
}

impl<S: Stream<Item = Bytes> + Unpin> MessageBody for Events<S> {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        let events = self.get_mut();
        let Some(stream) = events.stream.as_mut() else { return Poll::Ready(None) };
        if let Some(poll) = bug::caught(|| Pin::new(stream).poll_next(cx)) {
            if let (Poll::Ready(Some(piece)), Some(keeping)) = (&poll, &mut events.keeping) {
                keeping.hear(piece);
            }
            return poll.map(|piece| piece.map(Ok));
        }
        // what is left of the stream books what it has seen, if it still can
        let broken = events.stream.take();
        let _booked = bug::caught(move || drop(broken));
        let mut last = BytesMut::new();
        let error = PublicError::new(ErrorCode::Internal);
        match events.tongue {
            None => encode::data(&error.to_json(), &mut last),
            Some(tongue) => tongue.error_event(&error, &mut last),
        }
        Poll::Ready(Some(Ok(last.freeze())))
    }
}
