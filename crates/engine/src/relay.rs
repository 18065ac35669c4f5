//! Relays a stream that has begun: what has arrived together is written together.
//!
//! The bill is settled before the bytes that end the answer are handed out, so that an answer a client
//! saw finish is always booked. A relay that is dropped early books what it has seen and, by dropping
//! the provider's body, cancels the exchange.

pub mod cutter;
mod doorbell;
pub mod orphan;
mod spare;

use std::{
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use futures_core::{Stream, future::LocalBoxFuture};
use nexus_core::{
    fault::Fault,
    refusal::Refusal,
    usage::{Outcome, Source, Usage},
};
use nexus_providers::dialect::{Consumed, Progress, StreamDecoder};
use nexus_wire::{continuation::Voice, error::PublicError, sse::encode};
use tokio::time::{Instant, Sleep};

use self::{cutter::Cutter, doorbell::Doorbell, orphan::Orphanage};
use crate::{
    denial,
    estimate::count,
    port::Unbooked,
    resume::{self, Heir, Resumed},
    stage::{
        account::{Bill, CLIENT_GONE},
        normalise::{Opened, Shape},
    },
    tally::Tally,
};

/// Written together, in bytes, a piece more at most: what is larger leaves the processor's nearest memory
/// between reading and writing.
const WRITE_MAX: usize = 16 * 1024;

/// Pieces behind the terminal event that are read before the connection is given up.
const PIECES_AFTER_END_MAX: usize = 4;

/// The rest of an answer, as server-sent events. Where it is dropped early it may be read on by somebody else.
pub struct Relay<B> {
    /// `None` once it was left.
    flow: Option<Box<Flow<B>>>,
    orphans: Rc<Orphanage<B>>,
}

struct Flow<B> {
    body: B,
    decoder: Box<dyn StreamDecoder>,
    out: BytesMut,
    bill: Box<Bill>,
    tally: Rc<Tally>,
    /// `None` where it is no stream of events.
    heartbeat: Option<Heartbeat>,
    phase: Phase<B>,
    /// What the request is counted with; `None` until its end is clear.
    status: Option<u16>,
    /// Who goes on where the answer breaks off; `None` where nobody may.
    legacy: Option<Legacy<B>>,
    /// Where a quota may end the stream.
    cutter: Option<Box<Cutter>>,
    /// `None` before the first poll.
    doorbell: Option<Doorbell>,
}

/// What is left behind where an answer breaks off: what was said, and who goes on.
struct Legacy<B> {
    voice: Voice,
    heir: Box<dyn Heir<B>>,
}

enum Phase<B> {
    Flowing,
    /// The answer broke off with this, which the client is told unless somebody goes on.
    Resuming {
        rest: LocalBoxFuture<'static, Result<Resumed<B>, Fault>>,
        voice: Voice,
        error: PublicError,
    },
    /// The answer is complete, but its tokens have to be counted here before its end may be shown.
    Counting {
        usage: LocalBoxFuture<'static, Usage>,
        said: Consumed,
        /// What ends the stream then, where a quota did.
        cutter: Option<Box<Cutter>>,
    },
    /// Booked; what is left in `out` ends the stream.
    Closing,
}

impl<B> Relay<B>
where
    B: Stream<Item = Result<Bytes, Fault>> + Unpin,
{
    /// Takes over a stream whose beginning has been read.
    pub fn new(
        opened: Opened<B>,
        bill: Box<Bill>,
        tally: Rc<Tally>,
        heartbeat: Duration,
        orphans: Rc<Orphanage<B>>,
    ) -> Self {
        Self { flow: Some(Box::new(Flow::new(opened, bill, tally, heartbeat))), orphans }
    }

    /// Lets somebody go on where this answer breaks off. For a relay that nobody has heard yet.
    pub fn inherit(&mut self, heir: Box<dyn Heir<B>>) {
        if let Some(flow) = &mut self.flow {
            flow.inherit(heir);
        }
    }

    /// The status the request is counted with, once its end is clear: 200 where the answer is complete.
    pub fn status(&self) -> Option<u16> {
        self.flow.as_ref()?.status
    }
}

impl<B> Stream for Relay<B>
where
    B: Stream<Item = Result<Bytes, Fault>> + Unpin,
{
    type Item = Bytes;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.get_mut().flow.as_mut().map_or(Poll::Ready(None), |flow| flow.poll_next(cx))
    }
}

impl<B> Drop for Relay<B> {
    fn drop(&mut self) {
        if let Some(flow) = self.flow.take() {
            self.orphans.leave(flow);
        }
    }
}

impl<B> Flow<B>
where
    B: Stream<Item = Result<Bytes, Fault>> + Unpin,
{
    fn new(opened: Opened<B>, mut bill: Box<Bill>, tally: Rc<Tally>, heartbeat: Duration) -> Self {
        let cutter = bill.cutter();
        bill.wrote(opened.ready.len());
        let is_events = opened.shape == Shape::Events;
        let mut flow = Self {
            body: opened.body,
            decoder: opened.decoder,
            out: opened.ready,
            bill,
            tally,
            heartbeat: is_events.then(|| Heartbeat::new(heartbeat)),
            phase: Phase::Flowing,
            status: None,
            legacy: None,
            cutter,
            doorbell: None,
        };
        flow.advance(opened.progress);
        flow
    }

    fn inherit(&mut self, heir: Box<dyn Heir<B>>) {
        let mut voice = Voice::default();
        voice.hear(&mut self.out, 0);
        if matches!(self.phase, Phase::Flowing) {
            self.legacy = Some(Legacy { voice, heir });
        }
    }

    /// Takes what the provider sent to what the client is to see.
    fn feed(&mut self, piece: &[u8]) -> Result<Progress, Fault> {
        let at = self.out.len();
        let came = self.decoder.feed(piece, &mut self.out);
        self.heard(at);
        came
    }

    /// The body has ended.
    fn end(&mut self) -> Result<Progress, Fault> {
        let at = self.out.len();
        let came = self.decoder.end(&mut self.out);
        self.heard(at);
        came.map(|()| Progress::Done)
    }

    /// Takes note of what the client is to see from this place on.
    fn heard(&mut self, at: usize) {
        if let Some(legacy) = &mut self.legacy {
            legacy.voice.hear(&mut self.out, at);
        }
        self.bill.wrote(self.out.len().saturating_sub(at));
    }

    /// Reads everything that has arrived. Says whether it got to where nothing more has.
    fn gather(&mut self, cx: &mut Context<'_>) -> bool {
        while matches!(self.phase, Phase::Flowing) && self.out.len() < WRITE_MAX {
            match Pin::new(&mut self.body).poll_next(cx) {
                Poll::Pending => return true,
                Poll::Ready(Some(Ok(piece))) => match self.feed(&piece) {
                    Ok(progress) => {
                        self.advance(progress);
                        self.cut();
                    }
                    Err(fault) => self.fail(&fault),
                },
                Poll::Ready(Some(Err(fault))) => self.fail(&fault),
                Poll::Ready(None) => match self.end() {
                    Ok(progress) => self.advance(progress),
                    Err(fault) => self.fail(&fault),
                },
            }
        }
        false
    }

    /// The next output; asks the provider only where there is a reason to.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let known = self.doorbell.take().filter(|doorbell| doorbell.wakes(cx.waker()));
        let doorbell = known.unwrap_or_else(|| Doorbell::of(cx.waker()));
        let (output, would_ring) = if doorbell.has_rung() {
            self.poll_output(&mut Context::from_waker(doorbell.waker()))
        } else {
            (Poll::Pending, true)
        };
        if !would_ring {
            doorbell.ring();
        }
        self.doorbell = Some(doorbell);
        output
    }

    /// The next output, and whether everything there is to wait for would ring by itself.
    fn poll_output(&mut self, cx: &mut Context<'_>) -> (Poll<Option<Bytes>>, bool) {
        spare::lend(&mut self.out);
        let mut is_dry = self.gather(cx);
        while let Phase::Resuming { rest, .. } = &mut self.phase {
            let Poll::Ready(resumed) = rest.as_mut().poll(cx) else {
                is_dry = true;
                break;
            };
            self.resume(resumed);
            is_dry = self.gather(cx);
        }
        if let Phase::Counting { usage, said, cutter } = &mut self.phase {
            let Poll::Ready(usage) = usage.as_mut().poll(cx) else { return (Poll::Pending, true) };
            let (said, cutter) = (std::mem::take(said), cutter.take());
            let settled = self.settle(usage, Source::Estimated, said);
            if let Some(cutter) = cutter.filter(|_| settled.is_ok()) {
                cutter.end(&usage, &mut self.out);
            }
        }
        if !self.out.is_empty() {
            self.heartbeat.iter_mut().for_each(Heartbeat::wrote);
            let is_dry = is_dry && self.poll_heartbeat(cx).is_pending();
            return (Poll::Ready(Some(spare::take(&mut self.out))), is_dry);
        }
        spare::give_back(&mut self.out);
        if matches!(self.phase, Phase::Closing) {
            self.read_out(cx);
            return (Poll::Ready(None), false);
        }
        match self.poll_heartbeat(cx) {
            Poll::Ready(()) => (Poll::Ready(Some(Bytes::from_static(encode::HEARTBEAT))), false),
            Poll::Pending => (Poll::Pending, true),
        }
    }

    fn poll_heartbeat(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.heartbeat.as_mut().map_or(Poll::Pending, |heartbeat| heartbeat.poll(cx))
    }

    /// Takes what has come behind the end, so that the provider's connection can serve again; does not
    /// wait for it.
    fn read_out(&mut self, cx: &mut Context<'_>) {
        let mut pieces = 0;
        while pieces < PIECES_AFTER_END_MAX
            && let Poll::Ready(Some(Ok(_))) = Pin::new(&mut self.body).poll_next(cx)
        {
            pieces += 1;
        }
    }

    fn advance(&mut self, progress: Progress) {
        match progress {
            Progress::Waiting => {}
            Progress::Flowing => self.bill.first_token(),
            Progress::Done => {
                self.bill.first_token();
                self.complete();
            }
        }
    }

    fn complete(&mut self) {
        let said = self.decoder.consumed();
        match said.usage {
            Some(usage) => {
                let _told = self.settle(usage, Source::Provider, said);
            }
            None => {
                let counted = count(self.bill.prompt(), self.decoder.text().to_owned());
                self.phase = Phase::Counting { usage: Box::pin(counted), said, cutter: None };
            }
        }
    }

    /// Books a complete answer. Where that cannot be and must be, what ends the answer is not given: an error takes
    /// its place.
    fn settle(&mut self, usage: Usage, source: Source, said: Consumed) -> Result<(), Unbooked> {
        let settled = self.bill.settle_counted(Outcome::Answered, 200, usage, source, said);
        match settled {
            Ok(()) => self.close(200),
            Err(Unbooked) => {
                self.out.clear();
                self.tell(&denial::of_refusal(Refusal::Unbooked));
            }
        }
        settled
    }

    /// Ends an answer for which a quota has no more room; it is booked by what was written.
    fn cut(&mut self) {
        let Phase::Flowing = self.phase else { return };
        let Some(cutter) = &mut self.cutter else { return };
        let Some(last) = cutter.look(&self.out, self.decoder.text().len()) else { return };
        encode::data(&last, &mut self.out);
        let counted = count(self.bill.prompt(), self.decoder.text().to_owned());
        let (said, cutter) = (Consumed::default(), self.cutter.take());
        (self.phase, self.legacy) = (Phase::Counting { usage: Box::pin(counted), said, cutter }, None);
    }

    /// Lets somebody go on, or ends the client's stream with an error event: no `[DONE]`, no made-up finish.
    fn fail(&mut self, fault: &Fault) {
        let error = denial::of_fault(fault);
        tracing::warn!(class = fault.class.as_str(), message = %fault.message, "a stream broke off");
        let consumed = self.decoder.consumed();
        let outcome = Outcome::Failed(fault.class);
        self.bill.break_off(outcome, error.status(), consumed, self.decoder.text());
        let legacy = self.legacy.take().filter(|_| resume::may_help(fault));
        match legacy.map(|legacy| (legacy.voice.broken_off().map(str::to_owned), legacy)) {
            Some((Some(said), Legacy { voice, heir })) => {
                self.phase = Phase::Resuming { rest: heir.go_on(said), voice, error };
            }
            _ => self.tell(&error),
        }
    }

    /// Somebody goes on, or nobody could.
    fn resume(&mut self, resumed: Result<Resumed<B>, Fault>) {
        let Phase::Resuming { mut voice, error, .. } = std::mem::replace(&mut self.phase, Phase::Flowing)
        else {
            return;
        };
        let Ok(Resumed { opened, mut bill, heir }) = resumed else { return self.tell(&error) };
        voice.pass_on();
        let at = self.out.len();
        self.out.extend_from_slice(&opened.ready);
        voice.hear(&mut self.out, at);
        bill.wrote(self.out.len().saturating_sub(at));
        (self.body, self.decoder, self.bill) = (opened.body, opened.decoder, bill);
        self.legacy = Some(Legacy { voice, heir });
        self.advance(opened.progress);
    }

    fn tell(&mut self, error: &PublicError) {
        // in bytes there is no place for words: that they end early says it
        if self.heartbeat.is_some() {
            encode::data(&error.to_json(), &mut self.out);
        }
        self.close(error.status());
    }

    fn close(&mut self, status: u16) {
        self.status = Some(status);
        self.tally.finish(status);
        self.phase = Phase::Closing;
    }
}

impl<B> Drop for Flow<B> {
    fn drop(&mut self) {
        let outcome = match self.phase {
            Phase::Flowing => Outcome::Abandoned,
            Phase::Counting { .. } => Outcome::Answered,
            Phase::Closing | Phase::Resuming { .. } => return,
        };
        let consumed = self.decoder.consumed();
        self.bill.break_off(outcome, CLIENT_GONE, consumed, self.decoder.text());
    }
}

/// Fires after a time without a write. Its timer is only touched when it fires, not on every write.
struct Heartbeat {
    interval: Duration,
    written_at: Instant,
    timer: Pin<Box<Sleep>>,
}

impl Heartbeat {
    fn new(interval: Duration) -> Self {
        let now = Instant::now();
        Self { interval, written_at: now, timer: Box::pin(tokio::time::sleep_until(now + interval)) }
    }

    fn wrote(&mut self) {
        self.written_at = Instant::now();
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.timer.as_mut().poll(cx).is_ready() {
            let due = self.written_at + self.interval;
            let now = Instant::now();
            if due <= now {
                self.written_at = now;
                self.timer.as_mut().reset(now + self.interval);
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(due);
        }
        Poll::Pending
    }
}
