//! One round: everything a node asks of shared limits, decided here and written down where nobody was faster.

use std::collections::{BTreeMap, HashMap, HashSet};

use nexus_core::{
    lease::{Answer, LEASE_MS, Leases},
    quota::Asked,
};
use nexus_keystore::shared_state::SharedState;

use crate::keeper::{Keeper, KeeperError, Outcome, Swap, Swapped};

/// How often what somebody else was faster with is tried again in a round.
const TRIES: usize = 32;
/// Texts that are remembered from a round to the next, so that they need not be read first.
const KNOWN_MAX: usize = 20_000;

/// What is asked, each with what its quota is called on every node.
pub type Asks = Vec<(String, Asked)>;

/// What came of a round.
#[derive(Debug, Default)]
pub struct Answers {
    pub answers: Vec<(Asked, Answer)>,
    /// Texts that none of us had written.
    pub tampered: u64,
}

/// Writes rounds down in a keeper's memory.
pub struct Writer {
    shared: SharedState,
    known: HashMap<String, Option<Vec<u8>>>,
    /// What the memory is called, and until when there may be nodes that have not told it what they have.
    memory: String,
    settled_ms: i64,
}

impl Writer {
    pub fn new(shared: SharedState) -> Self {
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

    /// Asks all of it. `now_ms` is the keeper's clock as near as it is known.
    pub async fn write(
        &mut self,
        keeper: &mut impl Keeper,
        asks: Asks,
        now_ms: i64,
    ) -> Result<Answers, KeeperError> {
        let mut answers = Answers::default();
        let mut open: BTreeMap<String, Vec<Asked>> = BTreeMap::new();
        for (thing, asked) in asks {
            open.entry(self.shared.name(&thing)).or_default().push(asked);
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
                    let (swap, given) = self.decide(name, asks, now_ms, &mut doubted);
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
    fn decide(
        &self,
        name: &str,
        asks: &[Asked],
        now_ms: i64,
        doubted: &mut HashSet<String>,
    ) -> (Swap, Vec<Answer>) {
        let expected = self.known.get(name).cloned().flatten();
        let opened = expected.as_deref().map(|written| {
            let text = self.shared.open(name, std::str::from_utf8(written).ok()?)?;
            text.parse::<Leases>().ok()
        });
        let mut leases = match opened {
            Some(Some(leases)) => leases,
            Some(None) => {
                doubted.insert(name.to_owned());
                Leases::closed_until(now_ms.saturating_add(LEASE_MS))
            }
            // it is gone although we had something
            None if asks.iter().any(|asked| asked.ask.has > 0) => {
                Leases::closed_until(now_ms.saturating_add(LEASE_MS))
            }
            None => Leases::closed_until(self.settled_ms),
        };
        let given = asks.iter().map(|asked| leases.ask(&asked.ask, now_ms)).collect();
        let text = self.shared.tag(name, &leases.to_string());
        let keep_ms = leases.gone_ms().saturating_sub(now_ms);
        (Swap { name: name.to_owned(), expected, text, keep_ms }, given)
    }
}

/// What is written down of something that is claimed.
const CLAIMED: &str = "claimed";
/// Under which name the memory's text is tagged.
const MEMORY: &str = "memory";
