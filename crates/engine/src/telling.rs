//! The last word: an answer in the words its client speaks, where those are not OpenAI's.
//!
//! It is said outside of everything that is shared, kept or gone on with, so that none of that knows of tongues.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use nexus_providers::tongue::{Speaker, Told, Tongue, Words};
use nexus_wire::sse::encode;

/// How an answer is told.
pub struct Telling {
    pub tongue: &'static dyn Tongue,
    pub told: Told,
}

impl Telling {
    /// A whole answer; `None` where it cannot be read.
    pub fn whole(&self, answer: Bytes, words: Words) -> Option<Bytes> {
        match words {
            Words::Own => Some(answer),
            Words::Chat => self.tongue.whole(&self.told, &answer),
        }
    }

    /// A stream of events that is there already, all at once.
    pub fn kept(&self, events: &[u8], words: Words) -> Bytes {
        let mut out = BytesMut::with_capacity(events.len());
        self.tongue.speaker(&self.told, words).feed(events, &mut out);
        out.freeze()
    }

    /// A stream of events as they come.
    pub fn stream<S>(&self, events: S, words: Words) -> Spoken<S> {
        Spoken { events, speaker: self.tongue.speaker(&self.told, words), out: BytesMut::new() }
    }
}

/// Events in the client's words.
pub struct Spoken<S> {
    events: S,
    speaker: Box<dyn Speaker>,
    out: BytesMut,
}

impl<S: Stream<Item = Bytes> + Unpin> Stream for Spoken<S> {
    type Item = Bytes;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let spoken = self.get_mut();
        loop {
            match Pin::new(&mut spoken.events).poll_next(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(Some(piece)) if *piece == *encode::HEARTBEAT => {
                    spoken.speaker.beat(&mut spoken.out)
                }
                Poll::Ready(Some(piece)) => spoken.speaker.feed(&piece, &mut spoken.out),
            }
            if !spoken.out.is_empty() {
                return Poll::Ready(Some(spoken.out.split().freeze()));
            }
        }
    }
}
