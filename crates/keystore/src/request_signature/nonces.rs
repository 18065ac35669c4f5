//! The memory of proofs that were used: each is good once, here and after the process has started anew.
//!
//! It never forgets a proof whose signature could still be taken. Where there is no room the answer is
//! [`Unfit::Full`], and where a clock that jumped made it forget too early, older proofs are refused.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Mutex, PoisonError},
};

use ring::digest::{Context, SHA256};
use thiserror::Error;

use super::{MAX_AGE_S, Proof};

/// Proofs a node should have room for: some 12 MiB when full, 430 signed requests a second at the least.
pub const NONCES: usize = 1 << 18;

/// The start of a hash over a key and a nonce.
pub type Mark = [u8; 16];

/// Where proofs that were used outlive the process.
pub trait Keeper: Send + Sync + 'static {
    /// Makes a mark survive the death of this process before it returns. It may be forgotten [`MAX_AGE_S`] after
    /// `created_s`. Takes microseconds.
    fn keep(&self, mark: &Mark, created_s: i64, now_s: i64) -> Result<(), Unkept>;
}

/// A mark could not be kept.
#[derive(Debug)]
pub struct Unkept;

/// Why a proof is not taken, though the signature holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum Unfit {
    #[error("the `nonce` was used before; sign each request anew")]
    Replayed,
    #[error("the signature was made before this node could remember it; sign again")]
    Unremembered,
    #[error("too many signed requests are remembered; try again in some seconds")]
    Full,
    #[error("the signature cannot be kept from being used again; try again in some seconds")]
    Unkept,
}

impl Unfit {
    /// The reason as a word that stays the same from release to release.
    pub fn code(self) -> &'static str {
        match self {
            Unfit::Replayed => "nonce_replayed",
            Unfit::Unremembered => "nonce_unremembered",
            Unfit::Full => "nonce_memory_full",
            Unfit::Unkept => "nonce_not_kept",
        }
    }
}

/// Remembers used proofs. Shared by all threads; the lock is held for some hash look-ups and one mark to be kept.
pub struct Nonces {
    capacity: usize,
    keeper: Option<Box<dyn Keeper>>,
    memory: Mutex<Memory>,
}

struct Memory {
    used: HashSet<Mark>,
    /// The same marks by the second their proofs were created in.
    by_created_s: BTreeMap<i64, Vec<Mark>>,
    /// Of proofs created earlier nothing is known.
    covered_from_s: i64,
}

impl Nonces {
    /// An empty memory with room for [`NONCES`], or another number, in this process only. Proofs created before
    /// `started_s` are refused, as this memory cannot know them.
    pub fn new(capacity: usize, started_s: i64) -> Self {
        let memory =
            Memory { used: HashSet::new(), by_created_s: BTreeMap::new(), covered_from_s: started_s };
        Self { capacity, keeper: None, memory: Mutex::new(memory) }
    }

    /// The same, knowing what processes before this one have used, and telling those after it. What was created
    /// before `started_s` is refused all the same; of signers whose clock is ahead, and of one that was set back,
    /// the marks are what tells.
    pub fn kept(self, used: impl IntoIterator<Item = (Mark, i64)>, keeper: impl Keeper) -> Self {
        let mut memory = self.memory.into_inner().unwrap_or_else(PoisonError::into_inner);
        for (mark, created_s) in used {
            memory.take(mark, created_s);
        }
        Self { memory: Mutex::new(memory), keeper: Some(Box::new(keeper)), ..self }
    }

    /// What a proof is called among nodes: nobody can tell key or nonce from it.
    pub fn name(keyid: &str, proof: &Proof) -> String {
        mark(keyid, &proof.nonce).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Uses a proof up. `now_s` is the time at which its signature was verified.
    pub fn remember(&self, keyid: &str, proof: &Proof, now_s: i64) -> Result<(), Unfit> {
        let mark = mark(keyid, &proof.nonce);
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        memory.forget_before(now_s.saturating_sub(MAX_AGE_S));
        if proof.created_s < memory.covered_from_s {
            return Err(Unfit::Unremembered);
        }
        if memory.used.contains(&mark) {
            return Err(Unfit::Replayed);
        }
        if memory.used.len() >= self.capacity {
            return Err(Unfit::Full);
        }
        if let Some(keeper) = &self.keeper {
            keeper.keep(&mark, proof.created_s, now_s).map_err(|Unkept| Unfit::Unkept)?;
        }
        memory.take(mark, proof.created_s);
        Ok(())
    }
}

impl Memory {
    fn take(&mut self, mark: Mark, created_s: i64) {
        if self.used.insert(mark) {
            self.by_created_s.entry(created_s).or_default().push(mark);
        }
    }

    fn forget_before(&mut self, created_s: i64) {
        while let Some(oldest) = self.by_created_s.first_entry()
            && *oldest.key() < created_s
        {
            let (forgotten_s, marks) = oldest.remove_entry();
            for mark in marks {
                self.used.remove(&mark);
            }
            // Should the clock go back, these could be taken again.
            self.covered_from_s = self.covered_from_s.max(forgotten_s.saturating_add(1));
        }
    }
}

fn mark(keyid: &str, nonce: &str) -> Mark {
    let mut hash = Context::new(&SHA256);
    hash.update(&keyid.len().to_be_bytes());
    hash.update(keyid.as_bytes());
    hash.update(nonce.as_bytes());
    let mut mark = [0; 16];
    mark.iter_mut().zip(hash.finish().as_ref()).for_each(|(to, from)| *to = *from);
    mark
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const START_S: i64 = 1_800_000_000;

    /// Key, nonce, created and now in seconds after the start, and what is said to it.
    type Use = (&'static str, &'static str, i64, i64, Result<(), Unfit>);

    fn check(capacity: usize, uses: &[Use]) {
        let nonces = Nonces::new(capacity, START_S);
        for (keyid, nonce, created_s, now_s, expected) in uses {
            let proof = Proof { created_s: START_S + created_s, nonce: (*nonce).to_owned() };
            assert_eq!(
                nonces.remember(keyid, &proof, START_S + now_s),
                *expected,
                "{keyid} {nonce} {created_s} at {now_s}"
            );
        }
    }

    #[test]
    fn a_proof_is_good_once_as_long_as_its_signature_could_be_taken() {
        check(
            NONCES,
            &[
                ("key", "one", 10, 10, Ok(())),
                ("key", "one", 10, 10, Err(Unfit::Replayed)),
                ("key", "one", 10, 310, Err(Unfit::Replayed)),
                ("key", "two", 10, 310, Ok(())),
                ("other", "one", 10, 310, Ok(())),
                ("other", "one", 10, 310, Err(Unfit::Replayed)),
                // Signed anew, a second later than the first could be taken.
                ("key", "one", 311, 311, Ok(())),
                // A signer ahead of us.
                ("key", "ahead", 700, 400, Ok(())),
                ("key", "ahead", 700, 1000, Err(Unfit::Replayed)),
            ],
        );
    }

    #[test]
    fn key_and_nonce_do_not_run_into_each_other() {
        check(NONCES, &[("ab", "c", 0, 0, Ok(())), ("a", "bc", 0, 0, Ok(())), ("", "abc", 0, 0, Ok(()))]);
    }

    #[test]
    fn what_was_created_before_the_memory_began_is_refused() {
        check(
            NONCES,
            &[
                ("key", "before", -1, 5, Err(Unfit::Unremembered)),
                ("key", "with", 0, 5, Ok(())),
                ("key", "before", -1, 5, Err(Unfit::Unremembered)),
            ],
        );
    }

    #[test]
    fn a_full_memory_refuses_and_forgets_nothing() {
        check(
            2,
            &[
                ("key", "one", 10, 10, Ok(())),
                ("key", "two", 20, 20, Ok(())),
                ("key", "three", 30, 310, Err(Unfit::Full)),
                ("key", "one", 10, 310, Err(Unfit::Replayed)),
                ("key", "two", 20, 310, Err(Unfit::Replayed)),
                ("key", "three", 30, 311, Ok(())),
                ("key", "four", 30, 311, Err(Unfit::Full)),
                ("key", "two", 20, 311, Err(Unfit::Replayed)),
            ],
        );
    }

    #[test]
    fn a_clock_that_jumps_lets_nothing_be_used_twice() {
        check(
            NONCES,
            &[
                ("key", "one", 10, 10, Ok(())),
                ("key", "far", 86_400, 86_400, Ok(())),
                // Back again: what was forgotten is refused, what was not is known, the rest goes on.
                ("key", "one", 10, 11, Err(Unfit::Unremembered)),
                ("key", "far", 86_400, 86_300, Err(Unfit::Replayed)),
                ("key", "two", 11, 11, Ok(())),
                ("key", "two", 11, 11, Err(Unfit::Replayed)),
                ("key", "extreme", i64::MAX - START_S, i64::MIN + START_S, Ok(())),
            ],
        );
    }

    /// Keeps marks in memory, as long as it can.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<(Mark, i64)>>>, bool);

    impl Keeper for Kept {
        fn keep(&self, mark: &Mark, created_s: i64, _: i64) -> Result<(), Unkept> {
            if self.1 {
                return Err(Unkept);
            }
            self.0.lock().unwrap().push((*mark, created_s));
            Ok(())
        }
    }

    #[test]
    fn what_was_used_before_a_restart_is_used_up_after_it_whatever_the_clocks_say() {
        let kept = Kept::default();
        let start = |started_s: i64| {
            let used = kept.0.lock().unwrap().clone();
            Nonces::new(NONCES, START_S + started_s).kept(used, kept.clone())
        };
        let uses = |nonces: &Nonces, nonce: &str, created_s: i64, now_s: i64| {
            let proof = Proof { created_s: START_S + created_s, nonce: nonce.to_owned() };
            nonces.remember("key", &proof, START_S + now_s)
        };
        let before = start(0);
        assert_eq!(uses(&before, "ahead", 250, 10), Ok(()));
        assert_eq!(uses(&before, "same second", 20, 20), Ok(()));
        assert_eq!(uses(&before, "usual", 19, 20), Ok(()));
        drop(before);
        for started_s in [20, 21, 250, 500, -3600] {
            let after = start(started_s);
            assert_eq!(
                uses(&after, "ahead", 250, started_s),
                Err(if started_s > 250 { Unfit::Unremembered } else { Unfit::Replayed }),
                "{started_s}"
            );
            for (nonce, created_s) in [("same second", 20), ("usual", 19)] {
                let expected = if started_s > created_s { Unfit::Unremembered } else { Unfit::Replayed };
                assert_eq!(uses(&after, nonce, created_s, started_s), Err(expected), "{nonce} {started_s}");
            }
        }
        assert_eq!(uses(&start(600), "fresh", 600, 600), Ok(()));
    }

    #[test]
    fn a_proof_that_cannot_be_kept_is_not_taken() {
        let nonces = Nonces::new(NONCES, START_S).kept([], Kept(Arc::default(), true));
        let proof = Proof { created_s: START_S, nonce: "one".to_owned() };
        assert_eq!(nonces.remember("key", &proof, START_S), Err(Unfit::Unkept));
    }

    #[test]
    fn threads_cannot_use_one_proof_twice() {
        let nonces = Nonces::new(NONCES, START_S);
        let taken: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        let uses = (0..500).map(|n| Proof { created_s: START_S, nonce: format!("n{n}") });
                        uses.filter(|proof| nonces.remember("key", proof, START_S).is_ok()).count()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(taken, 500);
    }
}
