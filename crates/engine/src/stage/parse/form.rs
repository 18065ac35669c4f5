//! Reading a form as far as it must be known before it may go on its way; the rest follows piece by piece.
//!
//! A small form is read whole, so that it can be sent again. Of a large one only what stands before its first file is
//! kept, and the rest is watched as it passes: nothing in it may say otherwise.

use std::{
    cell::{Cell, RefCell},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use futures_util::StreamExt as _;
use nexus_core::{
    fault::{Class, Fault, Said},
    refusal::Refusal,
};
use nexus_wire::{
    chat::BodyError,
    passed::{Form, PassedRequest, Scan},
};

use super::{bad_body, cut};
use crate::{
    arrival::{BodyCut, BodyStream, Headers},
    port::Rest,
    shared::Limits,
};

/// A form up to this size, in bytes, is kept whole.
const KEPT_MAX: usize = 1 << 20;

/// A piece of a body, at most, in bytes.
const PIECE: usize = 64 << 10;

/// How a form goes on its way.
#[derive(Debug)]
pub struct Carried {
    pub content_type: String,
    rest: RefCell<Option<Rest>>,
    is_spent: Cell<bool>,
}

impl Carried {
    /// What follows the part of the body that was read; there once.
    pub fn take_rest(&self) -> Option<Rest> {
        let rest = self.rest.borrow_mut().take();
        self.is_spent.set(self.is_spent.get() || rest.is_some());
        rest
    }

    /// Whether the body cannot be sent again.
    pub fn is_spent(&self) -> bool {
        self.is_spent.get()
    }

    /// Whether the body can be sent once only.
    pub fn is_single(&self) -> bool {
        self.is_spent() || self.rest.borrow().is_some()
    }
}

/// How much of a form is to be here before it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// All of it: it is signed.
    Whole,
    /// What comes before the first file.
    Beginning,
}

/// Reads a form's beginning, or all of it where it is small.
///
/// # Errors
/// If it is no form, too large, or says something that cannot be.
pub async fn read<B: BodyStream>(
    form: Form,
    headers: &Headers<'_>,
    body: B,
    hold: Hold,
    limits: &Limits,
) -> Result<(Bytes, PassedRequest, Carried), Refusal> {
    if headers.content_length.is_some_and(|length| length > limits.upload_bytes) {
        return Err(Refusal::TooLarge { limit_bytes: saturated(limits.upload_bytes) });
    }
    let patience = Duration::from_millis(limits.request_body_ms);
    // at once: what grows leaves as much behind
    let room = headers.content_length.map_or(0, |length| saturated(length).min(KEPT_MAX + PIECE));
    let reading = Reading { form, body, begun: BytesMut::with_capacity(room), hold };
    let read = tokio::time::timeout(patience, reading.run(limits)).await;
    let (reading, is_over) =
        read.map_err(|_| bad_body("the request body took too long to arrive; send it faster"))??;
    let Reading { mut form, body, begun, .. } = reading;
    let (said, begun) = (form.said().clone(), begun.freeze());
    let rest = if is_over {
        None
    } else {
        form.watch(&begun).map_err(refused)?;
        let taken = begun.len() as u64;
        let len = headers.content_length.map(|length| length.saturating_sub(taken));
        let watched = Watched { form, body, left: limits.upload_bytes.saturating_sub(taken) };
        Some(Rest { pieces: Box::pin(watched), len })
    };
    let content_type = headers.content_type.unwrap_or_default().to_owned();
    Ok((begun, said, Carried { content_type, rest: RefCell::new(rest), is_spent: Cell::new(false) }))
}

struct Reading<B> {
    form: Form,
    body: B,
    begun: BytesMut,
    hold: Hold,
}

impl<B: BodyStream> Reading<B> {
    /// Reads as far as it must; says whether that was all.
    async fn run(mut self, limits: &Limits) -> Result<(Self, bool), Refusal> {
        let mut scan = Scan::More;
        loop {
            let Some(piece) = self.body.next().await.transpose().map_err(cut)? else {
                self.form.finish(&self.begun).map_err(refused)?;
                return Ok((self, true));
            };
            self.begun.extend_from_slice(&piece);
            if scan == Scan::More {
                scan = self.form.scan(&self.begun).map_err(refused)?;
            }
            let may_go = scan == Scan::Ready && self.hold == Hold::Beginning;
            if may_go && self.begun.len() > KEPT_MAX {
                return Ok((self, false));
            }
            if self.begun.len() > limits.request_body_bytes {
                return Err(Refusal::BadBody {
                    message: format!(
                        "the first {} bytes of the form do not say the `model`; let it stand before the file",
                        limits.request_body_bytes
                    ),
                    param: Some("model".to_owned()),
                });
            }
        }
    }
}

/// The rest of a form on its way.
struct Watched<B> {
    form: Form,
    body: B,
    left: u64,
}

impl<B: BodyStream> Stream for Watched<B> {
    type Item = Result<Bytes, Fault>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let piece = match ready!(Pin::new(&mut self.body).poll_next(cx)) {
            Some(Ok(piece)) => piece,
            Some(Err(BodyCut::Incomplete | BodyCut::Malformed)) => {
                return Poll::Ready(Some(Err(broken("the request body ended early; send it whole", None))));
            }
            None if self.form.has_ended() => return Poll::Ready(None),
            None => return Poll::Ready(Some(Err(broken("the form has no end; send it whole", None)))),
        };
        let Some(left) = self.left.checked_sub(piece.len() as u64) else {
            let message = "the request body is larger than uploads may be; make it smaller";
            return Poll::Ready(Some(Err(Fault::new(Class::TooLarge, message))));
        };
        self.left = left;
        let watched = self.form.piece(&piece).map(|()| piece);
        Poll::Ready(Some(watched.map_err(|error| broken(&error.message, error.param))))
    }
}

fn broken(message: &str, param: Option<String>) -> Fault {
    let said = Said { message: message.to_owned(), param, ..Said::default() };
    Fault { said: Some(Box::new(said)), ..Fault::new(Class::BadRequest, message.to_owned()) }
}

fn refused(error: BodyError) -> Refusal {
    Refusal::BadBody { message: error.message, param: error.param }
}

fn saturated(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
