//! What a node asks others of on a request's way: more of a limit, and whether something was seen before.
//!
//! Whoever asks waits a moment and no longer. On a node that shares nothing nobody ever waits.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use nexus_core::{
    lease::promise::{PromiseAnswer, PromiseAsk},
    limit::share::Rates,
    quota::Spent,
};
use tokio::{
    sync::{Notify, oneshot, watch},
    time::{Instant, timeout, timeout_at},
};

/// A call waits at most so long, however many rounds that is.
const PATIENCE: Duration = Duration::from_millis(100);
/// Claims that wait at once; one more is not made.
const CLAIMS_MAX: usize = 10_000;

/// Where it is written down how much this node has spent of its parts of quotas, before it is spent: what outlives the
/// process says what it had left.
pub trait Spending: Send + Sync + fmt::Debug {
    /// `thing` is what the quota is called on every node. Never fails: what cannot be written down is not given back.
    fn note(&self, thing: &str, spent: &Spent);
}

/// Something that only the first node to say it may use.
pub struct Claim {
    pub thing: String,
    /// How long nobody else may, in milliseconds.
    pub keep_ms: i64,
    /// Told whether this node was the first.
    pub answer: oneshot::Sender<bool>,
}

/// What a request says of its promise.
pub struct PromiseAsked {
    pub thing: String,
    pub ask: PromiseAsk,
    /// Told what came of it; `None`: nobody waits, and it is told until it is heard.
    pub answer: Option<oneshot::Sender<PromiseAnswer>>,
}

/// The bell of whoever asks, and what waits for it.
#[derive(Default)]
pub struct Sharing {
    bell: Notify,
    /// The last round that is over.
    over: watch::Sender<u64>,
    claims: Mutex<Vec<Claim>>,
    promises: Mutex<Vec<PromiseAsked>>,
    is_on: AtomicBool,
    /// Limits of requests and tokens a minute.
    pub rates: Arc<Rates>,
}

impl Sharing {
    /// From now on somebody answers.
    pub fn begin(&self) {
        self.is_on.store(true, Ordering::Relaxed);
    }

    /// How long a call that begins to wait now may do so.
    pub fn deadline() -> Instant {
        Instant::now() + PATIENCE
    }

    /// Waits until a round is over, whatever came of it; whether that was in time.
    pub async fn wait_for(&self, round: u64, deadline: Instant) -> bool {
        let mut over = self.over.subscribe();
        self.bell.notify_one();
        timeout_at(deadline, over.wait_for(|over| *over >= round)).await.is_ok_and(|seen| seen.is_ok())
    }

    /// Whether this node is the first to claim something; where nobody can say, what is known here counts.
    pub async fn claims(&self, thing: String, keep_ms: i64) -> Claimed {
        if !self.is_on.load(Ordering::Relaxed) {
            return Claimed::First;
        }
        let (answer, heard) = oneshot::channel();
        {
            let mut claims = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
            if claims.len() >= CLAIMS_MAX {
                return Claimed::Unheard;
            }
            claims.push(Claim { thing, keep_ms, answer });
        }
        self.bell.notify_one();
        match timeout(PATIENCE, heard).await {
            Ok(Ok(true)) => Claimed::First,
            Ok(Ok(false)) => Claimed::Again,
            Ok(Err(_)) | Err(_) => Claimed::Unheard,
        }
    }

    /// What was claimed since.
    pub fn take_claims(&self) -> Vec<Claim> {
        std::mem::take(&mut *self.claims.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether a request may be the one that asks under its promise; `None`: nobody can say.
    pub async fn promise(&self, thing: String, ask: PromiseAsk) -> Option<PromiseAnswer> {
        if !self.is_on.load(Ordering::Relaxed) {
            return Some(PromiseAnswer::Yours);
        }
        let (answer, heard) = oneshot::channel();
        self.push_promise(PromiseAsked { thing, ask, answer: Some(answer) });
        self.bell.notify_one();
        timeout(PATIENCE, heard).await.ok()?.ok()
    }

    /// Tells what became of a promise; nothing waits for it.
    pub fn tell_promise(&self, thing: String, ask: PromiseAsk) {
        if self.is_on.load(Ordering::Relaxed) {
            self.push_promise(PromiseAsked { thing, ask, answer: None });
            self.bell.notify_one();
        }
    }

    /// Beyond the bound it is dropped: then whoever waits hears that nobody can say, and what nobody waits for is
    /// not told.
    pub fn push_promise(&self, asked: PromiseAsked) {
        let mut promises = self.promises.lock().unwrap_or_else(PoisonError::into_inner);
        if promises.len() < CLAIMS_MAX {
            promises.push(asked);
        }
    }

    /// What was said of promises since.
    pub fn take_promises(&self) -> Vec<PromiseAsked> {
        std::mem::take(&mut *self.promises.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until somebody waits.
    pub async fn rung(&self) {
        self.bell.notified().await;
    }

    /// A round is over.
    pub fn is_over(&self, round: u64) {
        self.over.send_replace(round);
    }
}

/// What came of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claimed {
    First,
    /// It was claimed before.
    Again,
    /// Nobody could say.
    Unheard,
}
