//! The last word: an answer in the words its client speaks, where those are not OpenAI's.
//!
//! It is said outside of everything that is shared, kept or gone on with, so that none of that knows of tongues.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use futures_core::{Stream, future::LocalBoxFuture};
use nexus_providers::tongue::{Speaker, Told, Tongue, Words};
use nexus_wire::sse::encode;

use crate::shelf::responses::Shelving;

/// How an answer is told.
pub struct Telling {
    pub tongue: &'static dyn Tongue,
    pub told: Told,
    /// Who keeps it, where that is wanted and its provider does not.
    pub shelving: Option<Box<Shelving>>,
}

impl Telling {
    /// A whole answer; `None` where it cannot be read.
    pub fn whole(&self, answer: Bytes, words: Words) -> Option<Bytes> {
        match words {
            Words::Own => Some(answer),
            Words::Chat => self.tongue.whole(&self.told, &answer),
        }
    }

    /// Tells a whole answer and keeps it; `None` where it cannot be read, or is not to be kept.
    pub async fn keep(&mut self, answer: &Bytes) -> Option<Bytes> {
        let shelving = self.shelving.take()?;
        let told = self.tongue.whole(&self.told, answer)?;
        if shelving.keep(String::from_utf8_lossy(&told).into_owned()).await {
            return Some(told);
        }
        self.told.kept.is_kept = false;
        self.tongue.whole(&self.told, answer)
    }

    /// The same of events that are all there.
    pub async fn keep_events(&mut self, events: &[u8]) -> Option<Bytes> {
        let shelving = self.shelving.take()?;
        let mut out = BytesMut::with_capacity(events.len());
        let mut speaker = self.tongue.speaker(&self.told, Words::Chat);
        speaker.feed(events, &mut out);
        if let Some(answer) = speaker.closing() {
            let is_kept = shelving.keep(answer).await;
            speaker.close(is_kept, &mut out);
        }
        Some(out.freeze())
    }

    /// A stream of events that is there already, all at once.
    pub fn kept(&self, events: &[u8], words: Words) -> Bytes {
        let mut out = BytesMut::with_capacity(events.len());
        self.tongue.speaker(&self.told, words).feed(events, &mut out);
        out.freeze()
    }

    /// A stream of events as they come.
    pub fn stream<S>(self, events: S, words: Words) -> Spoken<S> {
        let speaker = self.tongue.speaker(&self.told, words);
        Spoken { events, speaker, out: BytesMut::new(), shelving: self.shelving, keeping: None }
    }
}

/// Events in the client's words.
pub struct Spoken<S> {
    events: S,
    speaker: Box<dyn Speaker>,
    out: BytesMut,
    shelving: Option<Box<Shelving>>,
    /// The answer is being kept; its end is told then.
    keeping: Option<LocalBoxFuture<'static, bool>>,
}

impl<S> Spoken<S> {
    /// Takes what the speaker has to say of an end that is to be kept.
    fn closed(&mut self) {
        let Some(answer) = self.speaker.closing() else { return };
        match self.shelving.take() {
            Some(shelving) => self.keeping = Some(Box::pin(shelving.keep(answer))),
            None => self.speaker.close(false, &mut self.out),
        }
    }
}

impl<S: Stream<Item = Bytes> + Unpin> Stream for Spoken<S> {
    type Item = Bytes;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let spoken = self.get_mut();
        loop {
            if let Some(keeping) = &mut spoken.keeping {
                let Poll::Ready(is_kept) = keeping.as_mut().poll(cx) else { return Poll::Pending };
                spoken.keeping = None;
                spoken.speaker.close(is_kept, &mut spoken.out);
                return Poll::Ready(Some(spoken.out.split().freeze()));
            }
            match Pin::new(&mut spoken.events).poll_next(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(Some(piece)) if *piece == *encode::HEARTBEAT => {
                    spoken.speaker.beat(&mut spoken.out)
                }
                Poll::Ready(Some(piece)) => {
                    spoken.speaker.feed(&piece, &mut spoken.out);
                    spoken.closed();
                }
            }
            if !spoken.out.is_empty() {
                return Poll::Ready(Some(spoken.out.split().freeze()));
            }
        }
    }
}
