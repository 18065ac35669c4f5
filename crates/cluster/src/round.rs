//! One round: everything a node asks of shared limits, decided here and written down where nobody was faster.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt::Display,
    str::FromStr,
    sync::Arc,
};

use nexus_core::{
    lease::{
        Answer, LEASE_MS, Leases,
        promise::{PromiseAnswer, PromiseAsk, Promised},
        rate::{Rate, RateAnswer},
    },
    limit::share::RateAsked,
    quota::Asked,
};
use nexus_keystore::shared_state::SharedState;
use tokio::sync::oneshot;

use crate::keeper::{Keeper, KeeperError, Outcome, Swap, Swapped};

/// How often what somebody else was faster with is tried again in a round.
const TRIES: usize = 32;
/// Texts that are remembered from a round to the next, so that they need not be read first.
const KNOWN_MAX: usize = 20_000;

/// What came of a round.
#[derive(Debug)]
pub struct Answers<K: Kept> {
    pub answers: Vec<(K::Asked, K::Answer)>,
    /// Texts that none of us had written.
    pub tampered: u64,
}

/// What is written down of something that nodes share.
pub trait Kept: FromStr + Display {
    type Asked;
    type Answer;

    /// Where nothing stands. Until `settled_ms` there may be nodes that have not told what they have.
    fn begin(asks: &[Self::Asked], settled_ms: i64, now_ms: i64) -> Self;

    /// In the place of what somebody else wrote.
    fn distrusted(now_ms: i64) -> Self;

    fn ask(&mut self, asked: &Self::Asked, now_ms: i64) -> Self::Answer;

    /// How long it is worth keeping.
    fn keep_ms(&self, now_ms: i64) -> i64;
}

impl Kept for Leases {
    type Asked = Asked;
    type Answer = Answer;

    fn begin(asks: &[Asked], settled_ms: i64, now_ms: i64) -> Self {
        // it is gone although we had something
        let is_lost = asks.iter().any(|asked| asked.ask.has > 0);
        if is_lost { Self::distrusted(now_ms) } else { Leases::closed_until(settled_ms) }
    }

    fn distrusted(now_ms: i64) -> Self {
        Leases::closed_until(now_ms.saturating_add(LEASE_MS))
    }

    fn ask(&mut self, asked: &Asked, now_ms: i64) -> Answer {
        Leases::ask(self, &asked.ask, now_ms)
    }

    fn keep_ms(&self, now_ms: i64) -> i64 {
        self.gone_ms().saturating_sub(now_ms)
    }
}

impl Kept for Rate {
    type Asked = RateAsked;
    type Answer = RateAnswer;

    fn begin(_asks: &[RateAsked], settled_ms: i64, now_ms: i64) -> Self {
        if now_ms < settled_ms { Rate::used_up(now_ms) } else { Rate::default() }
    }

    fn distrusted(now_ms: i64) -> Self {
        Rate::used_up(now_ms)
    }

    fn ask(&mut self, asked: &RateAsked, now_ms: i64) -> RateAnswer {
        Rate::ask(self, &asked.ask, now_ms)
    }

    fn keep_ms(&self, now_ms: i64) -> i64 {
        Rate::keep_ms(self, now_ms)
    }
}

impl Kept for Promised {
    type Asked = (PromiseAsk, Option<oneshot::Sender<PromiseAnswer>>);
    type Answer = PromiseAnswer;

    fn begin(_asks: &[Self::Asked], _settled_ms: i64, _now_ms: i64) -> Self {
        Self::default()
    }

    /// Nobody can know what was promised; whoever wrote that could have taken it away as well.
    fn distrusted(_now_ms: i64) -> Self {
        Self::default()
    }

    fn ask(&mut self, (ask, _): &Self::Asked, now_ms: i64) -> PromiseAnswer {
        Promised::ask(self, ask, now_ms)
    }

    fn keep_ms(&self, now_ms: i64) -> i64 {
        Promised::keep_ms(self, now_ms)
    }
}

/// Writes rounds down in a keeper's memory.
pub struct Writer {
    shared: Arc<SharedState>,
    known: HashMap<String, Option<Vec<u8>>>,
    /// What the memory is called, and until when there may be nodes that have not told it what they have.
    memory: String,
    settled_ms: i64,
}

impl Writer {
    pub fn new(shared: Arc<SharedState>) -> Self {
        Self { shared, known: HashMap::new(), memory: String::new(), settled_ms: 0 }
    }

    /// Takes up with the memory a keeper has. `name` is one that no other memory ever had; `is_first` says that no
    /// other node is there that could have leased anything. Whether the memory is another than before, and the
    /// keeper's clock.
    pub async fn greet(
        &mut self,
        keeper: &mut impl Keeper,
        name: &str,
        (is_first, near_ms): (bool, i64),
    ) -> Result<(bool, i64), KeeperError> {
        let settled_ms = if is_first { 0 } else { near_ms.saturating_add(LEASE_MS) };
        let fresh = self.shared.tag(MEMORY, &format!("{name} {settled_ms}"));
        let memory = keeper.memory(&fresh).await?;
        if memory.text == self.memory {
            return Ok((false, memory.now_ms));
        }
        let settled = self.shared.open(MEMORY, &memory.text).and_then(|text| text.rsplit_once(' '));
        let settled = settled.and_then(|(_, settled_ms)| settled_ms.parse().ok());
        // what is not ours may have been put there to make us forget
        self.settled_ms = settled.unwrap_or_else(|| memory.now_ms.saturating_add(LEASE_MS));
        self.memory = memory.text;
        self.known.clear();
        Ok((true, memory.now_ms))
    }

    /// Asks all of it, each with what its thing is called on every node. `now_ms` is the keeper's clock as near as it
    /// is known.
    pub async fn write<K: Kept>(
        &mut self,
        keeper: &mut impl Keeper,
        asks: Vec<(String, K::Asked)>,
        now_ms: i64,
    ) -> Result<Answers<K>, KeeperError> {
        let named = asks.into_iter().map(|(thing, asked)| (self.shared.name(&thing), asked)).collect();
        self.write_named(keeper, named, now_ms).await
    }

    /// The same where what is asked of goes by the names it stands under.
    pub async fn write_named<K: Kept>(
        &mut self,
        keeper: &mut impl Keeper,
        asks: Vec<(String, K::Asked)>,
        now_ms: i64,
    ) -> Result<Answers<K>, KeeperError> {
        let mut answers = Answers { answers: Vec::new(), tampered: 0 };
        let mut open: BTreeMap<String, Vec<K::Asked>> = BTreeMap::new();
        for (name, asked) in asks {
            open.entry(name).or_default().push(asked);
        }
        if self.known.len() > KNOWN_MAX {
            self.known.clear();
        }
        let (mut now_ms, mut doubted) = (now_ms, HashSet::new());
        for _ in 0..TRIES {
            if open.is_empty() {
                break;
            }
            let mut decided = Vec::new();
            let swaps: Vec<Swap> = open
                .iter()
                .map(|(name, asks)| {
                    let (swap, given) = self.decide::<K>(name, asks, now_ms, &mut doubted);
                    decided.push(given);
                    swap
                })
                .collect();
            let Outcome { now_ms: later_ms, swapped } = keeper.swap(&self.memory, &swaps).await?;
            now_ms = later_ms;
            for ((swap, given), swapped) in swaps.into_iter().zip(decided).zip(swapped) {
                match swapped {
                    Swapped::Done => {
                        self.known.insert(swap.name.clone(), Some(swap.text.into_bytes()));
                        let asks = open.remove(&swap.name).unwrap_or_default();
                        answers.answers.extend(asks.into_iter().zip(given));
                    }
                    Swapped::Differs(there) => {
                        self.known.insert(swap.name, there);
                    }
                }
            }
        }
        answers.tampered = u64::try_from(doubted.len()).unwrap_or(u64::MAX);
        Ok(answers)
    }

    /// A word for a text that only nodes can find.
    pub fn digest(&self, text: &str) -> Box<str> {
        self.shared.name(text).into()
    }

    /// Claims things, each for so long, and says of which nobody had before.
    pub async fn claim(
        &self,
        keeper: &mut impl Keeper,
        things: &[(String, i64)],
    ) -> Result<Vec<bool>, KeeperError> {
        let swaps: Vec<Swap> = things
            .iter()
            .map(|(thing, keep_ms)| {
                let name = self.shared.name(thing);
                Swap { text: self.shared.tag(&name, CLAIMED), name, expected: None, keep_ms: *keep_ms }
            })
            .collect();
        let outcome = keeper.swap(&self.memory, &swaps).await?;
        Ok(outcome.swapped.iter().map(|swapped| *swapped == Swapped::Done).collect())
    }

    /// What the text becomes by these asks, and what each is given.
    fn decide<K: Kept>(
        &self,
        name: &str,
        asks: &[K::Asked],
        now_ms: i64,
        doubted: &mut HashSet<String>,
    ) -> (Swap, Vec<K::Answer>) {
        let expected = self.known.get(name).cloned().flatten();
        let opened = expected.as_deref().map(|written| {
            let text = self.shared.open(name, std::str::from_utf8(written).ok()?)?;
            text.parse::<K>().ok()
        });
        let mut kept = match opened {
            Some(Some(kept)) => kept,
            Some(None) => {
                doubted.insert(name.to_owned());
                K::distrusted(now_ms)
            }
            None => K::begin(asks, self.settled_ms, now_ms),
        };
        let given = asks.iter().map(|asked| kept.ask(asked, now_ms)).collect();
        let text = self.shared.tag(name, &kept.to_string());
        let keep_ms = kept.keep_ms(now_ms);
        (Swap { name: name.to_owned(), expected, text, keep_ms }, given)
    }
}

/// What is written down of something that is claimed.
const CLAIMED: &str = "claimed";
/// Under which name the memory's text is tagged.
const MEMORY: &str = "memory";
