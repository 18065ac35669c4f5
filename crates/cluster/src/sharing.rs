//! The thread that asks for this node's part of shared limits: ahead of need, and at once where a call waits.
//!
//! Where the keeper is away the node stands alone: it lives on what it leased. It is looked for in between, never by
//! a request.

use std::{path::PathBuf, pin::Pin, sync::Arc, thread::JoinHandle, time::Duration};

use nexus_core::{
    lease::{
        Leases, NodeId,
        promise::{PromiseAsk, Promised},
        rate::Rate,
    },
    limit::share::{RateAsked, Rates},
    quota::Asked,
};
use nexus_engine::{
    hold::Quotas,
    port::Clock,
    sharing::{PromiseAsked, Sharing},
};
use nexus_keystore::shared_state::SharedState;
use nexus_telemetry::meters::{Meters, Shares};
use tokio::{
    sync::oneshot::{Receiver, Sender, channel},
    time::sleep,
};

use crate::{
    keeper::{Keeper, KeeperError},
    round::{Answers, Kept, Writer},
    spent::{Left, SpentFile},
};

/// Between two looks at what is low, due or too much.
const TICK: Duration = Duration::from_millis(100);
/// Between two greetings of a keeper that is there, in microseconds.
const GREETING_US: u64 = 1_000_000;
/// Between two looks for one that is away, at first and at most, in microseconds.
const AWAY_US: u64 = 200_000;
const AWAY_US_MAX: u64 = 2_000_000;

/// What ends in a bounded time, whatever it asks.
pub type Bounded<T> = Pin<Box<dyn Future<Output = T>>>;

/// What is shared, and what is needed for it.
pub struct Parts {
    pub quotas: Arc<Quotas>,
    pub sharing: Arc<Sharing>,
    pub clock: Arc<dyn Clock>,
    pub meters: Arc<Meters>,
    pub node: NodeId,
    /// Names and tags of what is written down.
    pub shared: Arc<SharedState>,
    /// Whether calls are let through where nobody can be asked.
    pub allows_alone: bool,
    /// Whether no other node is there that could have leased anything.
    pub is_first: Box<dyn Fn() -> Bounded<bool> + Send>,
    /// Told before anything is leased.
    pub begins: Box<dyn Fn() -> Bounded<()> + Send>,
    /// Where what is spent is written down, and what an earlier process left is found.
    pub folder: PathBuf,
}

/// The thread. Dropping it gives back what is leased and not used, and stops it.
pub struct Sharer {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Sharer {
    /// From now on this node's quotas are shared in what `keeper` keeps. Nothing is waited for: while the keeper is
    /// not there the node stands alone.
    pub fn start(keeper: impl Keeper + Send + 'static, parts: Parts) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = channel();
        parts.quotas.share_as(parts.node, parts.allows_alone);
        let (spent, left) = outlived(&parts);
        if let Some(spent) = &spent {
            parts.quotas.note_in(Arc::<SpentFile>::clone(spent));
        }
        parts.sharing.rates.begin(parts.allows_alone);
        parts.sharing.begin();
        let run = move || runtime.block_on(Loop::new(keeper, parts, (spent, left)).run(stopped));
        let thread = std::thread::Builder::new().name("nexus-sharing".into()).spawn(run)?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Sharer {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

/// The file of what this node spends, and what earlier processes left. Without it only their windows' ends give back
/// what they had.
fn outlived(Parts { folder, node, shared, .. }: &Parts) -> (Option<Arc<SpentFile>>, Vec<Left>) {
    let found = Left::find(folder).and_then(|left| {
        let spent = SpentFile::begin(folder, *node, Arc::clone(shared))?;
        Ok((Some(Arc::new(spent)), left))
    });
    found.unwrap_or_else(|error| {
        tracing::warn!(%error, "what this node spends of shared quotas cannot be written down");
        (None, Vec::new())
    })
}

struct Loop<K> {
    keeper: K,
    writer: Writer,
    quotas: Arc<Quotas>,
    sharing: Arc<Sharing>,
    clock: Arc<dyn Clock>,
    meters: Arc<Meters>,
    node: NodeId,
    is_first: Box<dyn Fn() -> Bounded<bool> + Send>,
    begins: Box<dyn Fn() -> Bounded<()> + Send>,
    spent: Option<Arc<SpentFile>>,
    left: Vec<Left>,
    /// What the keeper's clock said, and when.
    heard: Option<(i64, u64)>,
    greeted_us: Option<u64>,
    away: Option<Away>,
}

/// Since when, and when it is looked for again.
#[derive(Clone, Copy)]
struct Away {
    pause_us: u64,
    again_us: u64,
}

impl<K: Keeper> Loop<K> {
    fn new(keeper: K, parts: Parts, (spent, left): (Option<Arc<SpentFile>>, Vec<Left>)) -> Self {
        let Parts { quotas, sharing, clock, meters, node, shared, is_first, begins, .. } = parts;
        let writer = Writer::new(shared);
        let (heard, greeted_us, away) = (None, None, None);
        Self {
            keeper,
            writer,
            quotas,
            sharing,
            clock,
            meters,
            node,
            is_first,
            begins,
            spent,
            left,
            heard,
            greeted_us,
            away,
        }
    }

    async fn run(mut self, mut stopped: Receiver<()>) {
        loop {
            self.turn().await;
            tokio::select! {
                _ = &mut stopped => break,
                () = self.sharing.rung() => {}
                () = sleep(TICK) => {}
            }
        }
        self.quotas.leave();
        self.sharing.rates.leave();
        self.turn().await;
        if self.away.is_none()
            && let Some(spent) = &self.spent
        {
            spent.end();
        }
    }

    async fn turn(&mut self) {
        let now_us = self.clock.monotonic_us();
        if self.away.is_some_and(|away| now_us < away.again_us) {
            drop(self.sharing.take_claims());
            self.put_off(self.sharing.take_promises());
            return;
        }
        let is_due = self.greeted_us.is_none_or(|at_us| at_us.saturating_add(GREETING_US) <= now_us);
        if is_due || self.away.is_some() {
            // while it is away nothing is asked, and whoever waits is told so
            self.greet().await;
        }
        if self.away.is_none() && !self.left.is_empty() {
            self.give_back_left().await;
        }
        let sent_us = self.clock.monotonic_us();
        let (round, asks) = self.quotas.asks(self.clock.unix_ms(), sent_us);
        self.ask_for_quotas(asks, sent_us).await;
        let asks = self.sharing.rates.asks(sent_us);
        self.ask_for_rates(asks, sent_us).await;
        self.sharing.is_over(round);
        self.claim().await;
        self.ask_for_promises().await;
        let counts = self.quotas.counts();
        let (refused, allowed) = self.sharing.rates.alone();
        self.meters.shares(Shares {
            leased: counts.leased,
            short: counts.short,
            refused: counts.refused_alone.saturating_add(refused),
            allowed: counts.allowed_alone.saturating_add(allowed),
        });
    }

    /// What earlier processes of this node had and did not spend is free again.
    async fn give_back_left(&mut self) {
        let now_ms = self.keeper_ms();
        let asks = self.left.iter().flat_map(|left| left.asks.iter().cloned());
        let asks: Vec<_> = asks.filter(|(_, asked)| now_ms < asked.ask.gone_ms).collect();
        let count = asks.len();
        match self.writer.write_named::<Leases>(&mut self.keeper, asks, now_ms).await {
            Ok(_) => {
                std::mem::take(&mut self.left).into_iter().for_each(Left::end);
                tracing::info!(count, "what this node had leased when it was ended is given back");
            }
            Err(error) => {
                tracing::warn!(%error, "what this node had leased when it was ended is not given back yet");
                self.greeted_us = None;
            }
        }
    }

    async fn ask_for_quotas(&mut self, asks: Vec<(String, Asked)>, sent_us: u64) {
        if let Some(answers) = self.ask::<Leases>(asks).await {
            self.quotas.answered(&answers, sent_us, self.clock.monotonic_us());
        }
    }

    async fn ask_for_rates(&mut self, asks: Vec<RateAsked>, sent_us: u64) {
        let named = asks.iter().map(|asked| (asked.name(), asked.clone())).collect();
        match self.ask::<Rate>(named).await {
            Some(answers) => {
                let now_us = self.clock.monotonic_us();
                answers.iter().for_each(|(asked, answer)| Rates::answered(asked, *answer, sent_us, now_us));
            }
            None => asks.iter().for_each(Rates::unanswered),
        }
    }

    async fn ask_for_promises(&mut self) {
        let promises = self.sharing.take_promises();
        if self.away.is_some() {
            self.put_off(promises);
            return;
        }
        let told = promises.iter().filter(|asked| asked.answer.is_none());
        let told: Vec<_> = told.map(|asked| (asked.thing.clone(), asked.ask.clone())).collect();
        let asks = promises.into_iter().map(|PromiseAsked { thing, ask, answer }| {
            let body = self.writer.digest(&ask.body);
            (thing, (PromiseAsk { body, ..ask }, answer))
        });
        let asks = asks.collect();
        match self.ask::<Promised>(asks).await {
            Some(answers) => {
                for ((_, waiting), answer) in answers {
                    // whoever does not wait any more need not know
                    let _left = waiting.map(|waiting| waiting.send(answer));
                }
            }
            None => told.into_iter().for_each(|(thing, ask)| {
                self.sharing.push_promise(PromiseAsked { thing, ask, answer: None });
            }),
        }
    }

    /// Whoever waits hears that nobody can say; what nobody waits for is told later.
    fn put_off(&self, promises: Vec<PromiseAsked>) {
        promises
            .into_iter()
            .filter(|asked| asked.answer.is_none())
            .for_each(|asked| self.sharing.push_promise(asked));
    }

    /// Claims what requests wait for; whoever is not told is unheard.
    async fn claim(&mut self) {
        let claims = self.sharing.take_claims();
        if claims.is_empty() || self.away.is_some() {
            return;
        }
        let things: Vec<_> = claims.iter().map(|claim| (claim.thing.clone(), claim.keep_ms)).collect();
        match self.writer.claim(&mut self.keeper, &things).await {
            Ok(firsts) => {
                for (claim, is_first) in claims.into_iter().zip(firsts) {
                    // whoever does not wait any more need not know
                    let _left = claim.answer.send(is_first);
                }
            }
            Err(error) => {
                tracing::warn!(%error, "other nodes could not be asked whether signatures were used");
                self.greeted_us = None;
            }
        }
    }

    /// `None`: nobody can say what came of it.
    async fn ask<T: Kept>(&mut self, asks: Vec<(String, T::Asked)>) -> Option<Vec<(T::Asked, T::Answer)>> {
        if asks.is_empty() {
            return Some(Vec::new());
        }
        let now_ms = self.keeper_ms();
        match self.writer.write::<T>(&mut self.keeper, asks, now_ms).await {
            Ok(Answers { answers, tampered }) => {
                // whoever answers is there
                self.greeted_us = Some(self.clock.monotonic_us());
                self.meters.share_round("answered");
                self.meters.tampered(tampered);
                if tampered > 0 {
                    tracing::error!(tampered, "shared limits were changed by somebody else; that is ignored");
                }
                Some(answers)
            }
            Err(error) => {
                self.meters.share_round("failed");
                self.greeted_us = None;
                // a connection that broke, or a memory that was lost, is no keeper that is away
                if self.greet().await {
                    tracing::warn!(%error, "shared limits were not asked for; they are again");
                }
                None
            }
        }
    }

    /// Whether the keeper is there.
    async fn greet(&mut self) -> bool {
        let now_us = self.clock.monotonic_us();
        // one that was there a moment ago has not forgotten: nobody else is asked about it
        let may_have_forgotten = self.greeted_us.is_none() || self.away.is_some();
        let is_first = may_have_forgotten && (self.is_first)().await;
        let name = format!("{} {now_us}", self.node);
        let near = (is_first, self.keeper_ms());
        let greeted = self.writer.greet(&mut self.keeper, &name, near).await;
        match greeted {
            Ok((is_other, now_ms)) => {
                let now_us = self.clock.monotonic_us();
                (self.heard, self.greeted_us) = (Some((now_ms, now_us)), Some(now_us));
                if is_other {
                    (self.begins)().await;
                    self.quotas.tell_again();
                }
                if self.away.take().is_some() {
                    tracing::info!("what nodes share is reached again");
                }
            }
            Err(error) => self.miss(&error),
        }
        let is_there = self.away.is_none();
        self.quotas.stand_alone(!is_there);
        self.sharing.rates.stand_alone(!is_there);
        self.meters.keeper_is_there(is_there);
        is_there
    }

    fn miss(&mut self, error: &KeeperError) {
        let pause_us = match self.away {
            Some(away) => away.pause_us.saturating_mul(2).min(AWAY_US_MAX),
            None => {
                // said once, not with every look
                tracing::error!(%error, "what nodes share is out of reach; this node lives on what it leased");
                AWAY_US
            }
        };
        let again_us = self.clock.monotonic_us().saturating_add(pause_us);
        self.away = Some(Away { pause_us, again_us });
    }

    /// The keeper's clock, as near as it is known.
    fn keeper_ms(&self) -> i64 {
        let Some((at_ms, at_us)) = self.heard else { return self.clock.unix_ms() };
        let since_us = self.clock.monotonic_us().saturating_sub(at_us);
        at_ms.saturating_add(i64::try_from(since_us / 1000).unwrap_or(i64::MAX))
    }
}
