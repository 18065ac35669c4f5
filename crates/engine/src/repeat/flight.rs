//! An answer under way: one leads and writes, whoever listens reads at a pace of its own.
//!
//! What was written is kept whole as long as it is small, so that who comes late hears the beginning. Beyond that
//! nobody can join, what everybody has read is dropped, and the lead waits for the slowest.

use std::{
    collections::{HashMap, VecDeque},
    future::poll_fn,
    pin::Pin,
    rc::Rc,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use nexus_core::{
    fault::{Class, Fault},
    refusal::Refusal,
};
use nexus_keystore::fingerprint::Fingerprint;
use nexus_wire::sse::encode;

use crate::{denial, pipeline::Refused, reply::Decision, tally::Tally};

/// The largest answer that is kept whole, in bytes.
pub const WHOLE_BYTES_MAX: usize = 4 << 20;
/// Bytes of all answers under way together; beyond it none is kept whole that has not ended.
pub const LIVE_BYTES_MAX: usize = 256 << 20;
/// How far a lead runs ahead of the slowest listener where the answer is not kept whole, in bytes.
const AHEAD_BYTES_MAX: usize = 256 << 10;

/// How a flight ended.
#[derive(Clone, Debug)]
pub enum End {
    /// Every byte was written.
    Complete,
    /// The stream ended with the error that was written last; the status it is counted with.
    Broken(u16),
    /// No answer came.
    Failed(Refused),
    /// Whoever led is gone.
    Lost,
}

/// What a listener hears first.
#[derive(Clone, Debug)]
pub enum Began {
    Whole(Decision, Bytes),
    Stream(Decision),
}

/// Why there is nothing to hear.
#[derive(Clone, Debug)]
pub enum Silent {
    /// The same would be said to everybody who asks for the same.
    Refused(Refused),
    /// Somebody else may fare better.
    Again { failures: u32 },
}

/// Shared by a lead and its listeners.
pub struct Flight {
    body: Fingerprint,
    is_promised: bool,
    failures: u32,
    live_bytes: Arc<AtomicUsize>,
    flow: Mutex<Flow>,
}

#[derive(Default)]
struct Flow {
    began: Option<Began>,
    pieces: VecDeque<Bytes>,
    /// The number of the first piece that is still there.
    first: usize,
    bytes: usize,
    is_large: bool,
    end: Option<End>,
    /// How often the lead gave a sign of life and nothing else.
    beats: usize,
    listeners: HashMap<u64, Place>,
    last_listener: u64,
    lead: Option<Waker>,
}

#[derive(Default)]
struct Place {
    next: usize,
    beats: usize,
    waker: Option<Waker>,
}

impl Flow {
    fn wake_listeners(&mut self) {
        self.listeners.values_mut().filter_map(|place| place.waker.take()).for_each(Waker::wake);
    }

    fn wake_lead(&mut self) {
        self.lead.take().into_iter().for_each(Waker::wake);
    }

    /// Drops what everybody has read, and says how many bytes that were.
    fn trim(&mut self) -> usize {
        let end = self.first.saturating_add(self.pieces.len());
        let read = self.listeners.values().map(|place| place.next).min().unwrap_or(end);
        let mut dropped = 0_usize;
        while self.first < read
            && let Some(piece) = self.pieces.pop_front()
        {
            self.first = self.first.saturating_add(1);
            dropped = dropped.saturating_add(piece.len());
        }
        self.bytes = self.bytes.saturating_sub(dropped);
        dropped
    }
}

impl Flight {
    pub(super) fn open(
        body: Fingerprint,
        is_promised: bool,
        failures: u32,
        live_bytes: Arc<AtomicUsize>,
    ) -> Arc<Self> {
        Arc::new(Self { body, is_promised, failures, live_bytes, flow: Mutex::default() })
    }

    /// The ear of the request that leads: it is told of its own failure, and never sent to lead again.
    pub(super) fn lead(self: &Arc<Self>) -> Listener {
        self.attach(true)
    }

    /// Another ear; `None` where the beginning is not there any more.
    pub(super) fn listen(self: &Arc<Self>, body: Fingerprint) -> Result<Option<Listener>, Refusal> {
        if body != self.body {
            return Err(Refusal::OtherBody);
        }
        let is_open = {
            let flow = self.lock();
            !flow.is_large && matches!(flow.end, None | Some(End::Complete))
        };
        Ok(is_open.then(|| self.attach(false)))
    }

    fn attach(self: &Arc<Self>, is_lead: bool) -> Listener {
        let mut flow = self.lock();
        flow.last_listener = flow.last_listener.wrapping_add(1);
        let number = flow.last_listener;
        flow.listeners.insert(number, Place::default());
        Listener { flight: Arc::clone(self), number, is_lead, has_ended: false, tally: None }
    }

    /// The answer begins, as a whole or as a stream whose pieces follow.
    pub fn begin(&self, began: Began) {
        let mut flow = self.lock();
        if let Began::Whole(_, body) = &began {
            flow.is_large = body.len() > WHOLE_BYTES_MAX;
        }
        flow.began = Some(began);
        flow.wake_listeners();
    }

    /// The next piece of a stream.
    pub fn push(&self, piece: &[u8]) {
        let mut flow = self.lock();
        // a copy, because the piece may be a small part of a large buffer
        flow.pieces.push_back(Bytes::copy_from_slice(piece));
        flow.bytes = flow.bytes.saturating_add(piece.len());
        let live_bytes = self.live_bytes.fetch_add(piece.len(), Ordering::Relaxed);
        flow.is_large |= flow.bytes > WHOLE_BYTES_MAX || live_bytes > LIVE_BYTES_MAX;
        if flow.is_large {
            self.live_bytes.fetch_sub(flow.trim(), Ordering::Relaxed);
        }
        flow.wake_listeners();
    }

    /// There is nothing to say, but the answer still comes.
    pub fn beat(&self) {
        let mut flow = self.lock();
        flow.beats = flow.beats.wrapping_add(1);
        flow.wake_listeners();
    }

    pub(super) fn complete(&self) {
        self.end(End::Complete);
    }

    pub(super) fn end(&self, end: End) {
        let mut flow = self.lock();
        flow.end = Some(end);
        flow.wake_listeners();
    }

    /// The answer in one piece, unless it is too large.
    pub(super) fn whole(&self) -> Option<(Decision, bool, Bytes)> {
        let flow = self.lock();
        match flow.began.as_ref().filter(|_| !flow.is_large)? {
            Began::Whole(decision, body) => Some((decision.clone(), false, Bytes::copy_from_slice(body))),
            Began::Stream(decision) => {
                let mut whole = BytesMut::with_capacity(flow.bytes);
                flow.pieces.iter().for_each(|piece| whole.extend_from_slice(piece));
                Some((decision.clone(), true, whole.freeze()))
            }
        }
    }

    pub(super) fn is_deserted(&self) -> bool {
        !self.is_promised && self.lock().listeners.is_empty()
    }

    /// Until nobody listens any more; for ever where the answer was promised to whoever comes.
    pub async fn deserted(&self) {
        poll_fn(|cx| self.poll_lead(cx, |flow| !self.is_promised && flow.listeners.is_empty())).await;
    }

    /// Until there is room for another piece.
    pub async fn room(&self) {
        let has_room =
            |flow: &Flow| !flow.is_large || flow.bytes <= AHEAD_BYTES_MAX || flow.listeners.is_empty();
        poll_fn(|cx| self.poll_lead(cx, has_room)).await;
    }

    fn poll_lead(&self, cx: &Context<'_>, is_ready: impl Fn(&Flow) -> bool) -> Poll<()> {
        let mut flow = self.lock();
        if is_ready(&flow) {
            return Poll::Ready(());
        }
        flow.lead = Some(cx.waker().clone());
        Poll::Pending
    }

    fn lock(&self) -> MutexGuard<'_, Flow> {
        self.flow.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let bytes = self.lock().bytes;
        self.live_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// One that hears an answer from its beginning. As a stream: the pieces, and an error event where it breaks off.
pub struct Listener {
    flight: Arc<Flight>,
    number: u64,
    is_lead: bool,
    has_ended: bool,
    /// Of a request that is counted by what it hears; that of the lead is counted by the answer itself.
    tally: Option<Rc<Tally>>,
}

impl Listener {
    /// Counts the request when the answer has ended.
    #[must_use]
    pub fn counted(mut self, tally: &Rc<Tally>) -> Self {
        self.tally = (!self.is_lead).then(|| Rc::clone(tally));
        self
    }

    /// Waits until the answer begins, or until it is clear that none will.
    pub async fn began(&self) -> Result<Began, Silent> {
        poll_fn(|cx| {
            let mut flow = self.flight.lock();
            if let Some(began) = &flow.began {
                return Poll::Ready(Ok(began.clone()));
            }
            if let Some(end) = &flow.end {
                return Poll::Ready(Err(self.silent(end)));
            }
            if let Some(place) = flow.listeners.get_mut(&self.number) {
                place.waker = Some(cx.waker().clone());
            }
            Poll::Pending
        })
        .await
    }

    /// A refusal is one caller's own, and a fault that another try may mend is tried once more by somebody else.
    fn silent(&self, end: &End) -> Silent {
        let failures = self.flight.failures.saturating_add(1);
        match end {
            End::Failed(refused) if self.is_lead => Silent::Refused(refused.clone()),
            End::Failed(Refused::There(fault))
                if failures > 1 || fault.retry() == nexus_core::fault::Retry::Never =>
            {
                Silent::Refused(Refused::There(fault.clone()))
            }
            End::Failed(Refused::Here(_)) => Silent::Again { failures: self.flight.failures },
            _ if self.is_lead => Silent::Refused(Refused::There(lost())),
            _ => Silent::Again { failures },
        }
    }

    fn finish(&mut self, status: u16) {
        self.has_ended = true;
        if let Some(tally) = &self.tally {
            tally.finish(status);
        }
    }
}

fn lost() -> Fault {
    Fault::new(Class::Reset, "the answer broke off")
}

impl Stream for Listener {
    type Item = Bytes;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let listener = self.get_mut();
        if listener.has_ended {
            return Poll::Ready(None);
        }
        let flight = Arc::clone(&listener.flight);
        let mut flow = flight.lock();
        let (first, beats) = (flow.first, flow.beats);
        let Some(place) = flow.listeners.get_mut(&listener.number) else { return Poll::Ready(None) };
        let at = place.next.saturating_sub(first);
        if let Some(piece) = flow.pieces.get(at).cloned() {
            if let Some(place) = flow.listeners.get_mut(&listener.number) {
                place.next = place.next.saturating_add(1);
            }
            if flow.is_large {
                flight.live_bytes.fetch_sub(flow.trim(), Ordering::Relaxed);
                flow.wake_lead();
            }
            return Poll::Ready(Some(piece));
        }
        match &flow.end {
            Some(End::Complete) => listener.finish(200),
            Some(End::Broken(status)) => listener.finish(*status),
            Some(End::Failed(_) | End::Lost) => {
                let error = denial::of_fault(&lost());
                listener.finish(error.status());
                let mut frame = BytesMut::new();
                encode::data(&error.to_json(), &mut frame);
                return Poll::Ready(Some(frame.freeze()));
            }
            None => {
                let Some(place) = flow.listeners.get_mut(&listener.number) else { return Poll::Ready(None) };
                if place.beats != beats {
                    place.beats = beats;
                    return Poll::Ready(Some(Bytes::from_static(encode::HEARTBEAT)));
                }
                place.waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
        }
        Poll::Ready(None)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut flow = self.flight.lock();
        flow.listeners.remove(&self.number);
        if flow.is_large {
            self.flight.live_bytes.fetch_sub(flow.trim(), Ordering::Relaxed);
        }
        flow.wake_lead();
    }
}
