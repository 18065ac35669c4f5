//! Answers whose clients have left, read on to what the provider says of their usage.
//!
//! Only where the provider is set up so: to leave it makes it stop writing, which costs less, but of what it wrote it
//! then says nothing. Bounded in number, time and bytes; past a bound the provider is left and what came is counted here.

use std::{rc::Rc, time::Duration};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use nexus_core::{fault::Fault, site::Options};
use nexus_providers::{
    dialect::Progress,
    registry::{READ_ON_KIB, READ_ON_S},
};
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::Instant,
};

use super::{Flow, Phase};
use crate::stage::account::CLIENT_GONE;

/// Answers that are read on at once, on one worker; one more is left.
pub const ORPHANS_MAX: usize = 256;
/// KiB that are read on where a provider says only how long.
const KIB_USUAL: usize = 1024;

/// How long and how much an answer is read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    pub time: Duration,
    pub bytes: usize,
}

impl Bounds {
    /// As a provider is set up; `None`: it is left.
    pub fn of(options: &Options) -> Option<Self> {
        let seconds = options.option(READ_ON_S)?.parse().ok()?;
        let kib = options.option(READ_ON_KIB).and_then(|kib| kib.parse().ok()).unwrap_or(KIB_USUAL);
        Some(Self { time: Duration::from_secs(seconds), bytes: kib.saturating_mul(1024) })
    }
}

/// An answer whose client has left.
struct Orphan<B> {
    flow: Box<Flow<B>>,
    until: Instant,
    bytes_left: usize,
    _place: Rc<()>,
}

/// Where a worker's relays leave what is to be read on.
pub struct Orphanage<B> {
    orphans: UnboundedSender<Orphan<B>>,
    /// One holder for each that is read.
    places: Rc<()>,
}

/// Who reads on.
pub struct Reading<B>(UnboundedReceiver<Orphan<B>>);

/// Both ends, of one worker.
pub fn orphanage<B>() -> (Orphanage<B>, Reading<B>) {
    let (orphans, left) = unbounded_channel();
    (Orphanage { orphans, places: Rc::default() }, Reading(left))
}

impl<B> Orphanage<B> {
    /// Takes what nobody hears any more. What is not to be read on, or cannot be, books itself as it is dropped.
    pub(super) fn leave(&self, flow: Box<Flow<B>>) {
        let is_open = matches!(flow.phase, Phase::Flowing) && flow.cutter.is_none();
        let Some(Bounds { time, bytes }) = flow.bill.reads_on().filter(|_| is_open) else { return };
        if Rc::strong_count(&self.places) > ORPHANS_MAX {
            return;
        }
        // the request is over, its attempt is not
        flow.tally.finish(CLIENT_GONE);
        let (until, place) = (Instant::now() + time, Rc::clone(&self.places));
        let _left = self.orphans.send(Orphan { flow, until, bytes_left: bytes, _place: place });
    }
}

impl<B: Stream<Item = Result<Bytes, Fault>> + Unpin> Reading<B> {
    /// Reads on until no relay is left that could leave anything, and nothing to read.
    pub async fn run(mut self) {
        let mut under_way = FuturesUnordered::new();
        let mut is_open = true;
        while is_open || !under_way.is_empty() {
            tokio::select! {
                left = self.0.recv(), if is_open => match left {
                    Some(orphan) => under_way.push(orphan.read()),
                    None => is_open = false,
                },
                Some(()) = under_way.next() => {}
            }
        }
    }
}

impl<B: Stream<Item = Result<Bytes, Fault>> + Unpin> Orphan<B> {
    async fn read(mut self) {
        let until = self.until;
        // the time being over, it is dropped, and books what came
        let _in_time = tokio::time::timeout_at(until, self.read_out()).await;
    }

    /// To the end of the answer, or to where it cannot be read any further.
    async fn read_out(&mut self) {
        let mut unheard = BytesMut::new();
        loop {
            let came = match self.flow.body.next().await {
                Some(Ok(piece)) => {
                    let Some(left) = self.bytes_left.checked_sub(piece.len()) else { return };
                    self.bytes_left = left;
                    self.flow.decoder.feed(&piece, &mut unheard)
                }
                Some(Err(_)) => return,
                None => self.flow.decoder.end(&mut unheard).map(|()| Progress::Done),
            };
            unheard.clear();
            match came {
                Ok(Progress::Done) | Err(_) => return,
                Ok(Progress::Waiting | Progress::Flowing) => {}
            }
        }
    }
}
