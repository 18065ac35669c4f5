//! What holds of rounds whatever keeps the texts: the same cases in memory and in the database.

use std::{cell::RefCell, collections::HashMap, rc::Rc, sync::Arc};

use nexus_core::{
    id::Uuid,
    lease::{
        Answer, Ask, LEASE_MS, Leases, NodeId,
        rate::{Rate, RateAsk},
    },
    limit::{
        RateLimit,
        share::{RateAsked, Rates},
    },
    quota::Asked,
};
use nexus_keystore::{root::RootSecret, shared_state::SharedState};
use nexus_store::{Store, migrate};

use crate::{
    keeper::{Keeper, KeeperError, Memory, Outcome, Swap, Swapped},
    round::{Answers, Writer},
    table::TableKeeper,
};

const LIMIT: u64 = 10;

/// Texts in memory, with a clock that is set.
#[derive(Clone, Default)]
struct MemoryKeeper(Rc<RefCell<Texts>>);

#[derive(Default)]
struct Texts {
    memory: Option<String>,
    texts: HashMap<String, Vec<u8>>,
    now_ms: i64,
}

impl Keeper for MemoryKeeper {
    async fn memory(&mut self, fresh: &str) -> Result<Memory, KeeperError> {
        let mut texts = self.0.borrow_mut();
        let text = texts.memory.get_or_insert_with(|| fresh.to_owned()).clone();
        Ok(Memory { text, now_ms: texts.now_ms })
    }

    async fn swap(&mut self, memory: &str, swaps: &[Swap]) -> Result<Outcome, KeeperError> {
        let mut texts = self.0.borrow_mut();
        if texts.memory.as_deref() != Some(memory) {
            return Err(KeeperError::Forgot);
        }
        let mut swapped = Vec::new();
        for Swap { name, expected, text, .. } in swaps {
            let there = texts.texts.get(name).cloned();
            if there == *expected {
                texts.texts.insert(name.clone(), text.clone().into_bytes());
                swapped.push(Swapped::Done);
            } else {
                swapped.push(Swapped::Differs(there));
            }
        }
        Ok(Outcome { now_ms: texts.now_ms, swapped })
    }
}

fn writer() -> Writer {
    let root = RootSecret::from_text("a root for the tests, 32 bytes or more").ok().unwrap();
    Writer::new(Arc::new(SharedState::new(&root).ok().unwrap()))
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

fn asked(quota: u128, node: u64, has: u64, want: u64) -> (String, Asked) {
    let ask = Ask {
        node: NodeId(node),
        part_ms: 0,
        since_ms: 0,
        gone_ms: i64::MAX,
        limit: LIMIT,
        has,
        knows: has,
        tells: false,
        used: 0,
        want,
        is_held: false,
    };
    (quota.to_string(), Asked { quota: Uuid::from_u128(quota), ask })
}

/// What was given, by the number of the quota.
fn given(answers: &Answers<Leases>) -> Vec<u64> {
    let mut given: Vec<_> =
        answers.answers.iter().map(|(asked, Answer { has, .. })| (asked.quota, *has)).collect();
    given.sort();
    given.into_iter().map(|(_, has)| has).collect()
}

/// Two nodes that did not look before they wrote are given what there is and no more.
async fn check_that_two_share<K: Keeper>(mut one: K, mut other: K) {
    let (mut first, mut second) = (writer(), writer());
    first.greet(&mut one, "first", (true, 0)).await.unwrap();
    second.greet(&mut other, "second", (false, 0)).await.unwrap();
    let asks = vec![asked(1, 1, 0, 6), asked(2, 1, 0, 3)];
    assert_eq!(given(&first.write::<Leases>(&mut one, asks, 0).await.unwrap()), [6, 3]);
    let asks = vec![asked(1, 2, 0, 6), asked(2, 2, 0, 3)];
    assert_eq!(given(&second.write::<Leases>(&mut other, asks, 0).await.unwrap()), [4, 3]);
    // the first knows an older text, and is told the one there is
    let asks = vec![asked(1, 1, 6, 1), asked(2, 1, 3, 9)];
    assert_eq!(given(&first.write::<Leases>(&mut one, asks, 0).await.unwrap()), [1, 7]);
    assert_eq!(given(&second.write::<Leases>(&mut other, vec![asked(1, 2, 4, 20)], 0).await.unwrap()), [9]);
}

#[test]
fn two_nodes_share_what_is_kept_in_memory() {
    let keeper = MemoryKeeper::default();
    run(check_that_two_share(keeper.clone(), keeper));
}

#[test]
fn two_nodes_share_what_is_kept_in_the_database() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&format!("sqlite://{}", folder.path().join("nexus.db").display())).unwrap();
    migrate::run(&store).unwrap();
    run(check_that_two_share(TableKeeper::new(store.clone()), TableKeeper::new(store)));
}

#[test]
fn what_nobody_of_us_wrote_is_counted_and_gives_nobody_more_for_a_while() {
    let mut keeper = MemoryKeeper::default();
    let mut writer = writer();
    run(async {
        writer.greet(&mut keeper, "first", (true, 0)).await.unwrap();
        writer.write::<Leases>(&mut keeper, vec![asked(1, 1, 0, 2)], 0).await.unwrap();
        for wrong in [&b"lease1 9 0"[..], b"\xff\xfe"] {
            keeper.0.borrow_mut().texts.values_mut().for_each(|text| *text = wrong.to_vec());
            let answers = writer.write::<Leases>(&mut keeper, vec![asked(1, 1, 2, 9)], 0).await.unwrap();
            assert_eq!((given(&answers), answers.tampered), (vec![2], 1), "it has what it had");
        }
        keeper.0.borrow_mut().now_ms = LEASE_MS;
        let answers = writer.write::<Leases>(&mut keeper, vec![asked(1, 1, 2, 9)], LEASE_MS).await.unwrap();
        assert_eq!((given(&answers), answers.tampered), (vec![9], 0));
    });
}

#[test]
fn after_a_loss_of_memory_nothing_is_written_before_it_is_greeted_and_nobody_gets_more_for_a_while() {
    let mut keeper = MemoryKeeper::default();
    let mut writer = writer();
    run(async {
        assert!(writer.greet(&mut keeper, "first", (true, 0)).await.unwrap().0);
        assert!(!writer.greet(&mut keeper, "again", (false, 0)).await.unwrap().0);
        writer.write::<Leases>(&mut keeper, vec![asked(1, 1, 0, 2)], 0).await.unwrap();
        *keeper.0.borrow_mut() = Texts { now_ms: 5, ..Texts::default() };
        let lost = writer.write::<Leases>(&mut keeper, vec![asked(1, 1, 2, 9)], 5).await;
        assert!(matches!(lost, Err(KeeperError::Forgot)));
        assert!(writer.greet(&mut keeper, "second", (false, 5)).await.unwrap().0);
        let asks = vec![asked(1, 1, 2, 9), asked(2, 1, 0, 3)];
        assert_eq!(given(&writer.write::<Leases>(&mut keeper, asks, 5).await.unwrap()), [2, 0]);
        keeper.0.borrow_mut().now_ms = 5 + LEASE_MS;
        let asks = vec![asked(1, 1, 2, 9), asked(2, 1, 0, 3)];
        assert_eq!(given(&writer.write::<Leases>(&mut keeper, asks, 5 + LEASE_MS).await.unwrap()), [9, 3]);
    });
}

/// An ask for units of a limit of ten a minute.
fn units(want: u64) -> Vec<(String, RateAsked)> {
    let limit = Arc::new(RateLimit::new(10));
    limit.share_as(&Arc::new(Rates::default()), || "rate/key".to_owned());
    let asked = RateAsked { limit, ask: RateAsk { per_minute: 10, want, least: 1, back: 0 } };
    vec![(asked.name(), asked)]
}

#[test]
fn a_rate_is_shared_and_counts_as_used_up_where_it_was_lost_or_changed_by_somebody_else() {
    let keeper = MemoryKeeper::default();
    let (mut one, mut other) = (keeper.clone(), keeper);
    let (mut first, mut second) = (writer(), writer());
    let begin_ms = 1_800_000_000_000;
    one.0.borrow_mut().now_ms = begin_ms;
    async fn given(writer: &mut Writer, keeper: &mut MemoryKeeper, want: u64) -> (u64, u64) {
        let now_ms = keeper.0.borrow().now_ms;
        let answers = writer.write::<Rate>(keeper, units(want), now_ms).await.unwrap();
        (answers.answers[0].1.given, answers.tampered)
    }
    run(async {
        first.greet(&mut one, "first", (true, begin_ms)).await.unwrap();
        second.greet(&mut other, "second", (false, begin_ms)).await.unwrap();
        assert_eq!(given(&mut first, &mut one, 7).await, (7, 0));
        assert_eq!(given(&mut second, &mut other, 7).await, (3, 0));
        one.0.borrow_mut().now_ms += 60_000;
        assert_eq!(given(&mut first, &mut one, 1).await, (1, 0), "it is replenished");
        one.0.borrow_mut().texts.values_mut().for_each(|text| *text = b"rate1 1 0".to_vec());
        assert_eq!(given(&mut second, &mut other, 9).await, (0, 1), "somebody else wrote that");
        let now_ms = begin_ms + 70_000;
        *one.0.borrow_mut() = Texts { now_ms, ..Texts::default() };
        first.greet(&mut one, "third", (false, now_ms)).await.unwrap();
        assert_eq!(given(&mut first, &mut one, 9).await, (0, 0), "nobody knows what was used");
        one.0.borrow_mut().now_ms += 6_000;
        assert_eq!(given(&mut first, &mut one, 9).await, (1, 0));
    });
}

#[test]
fn what_one_node_claimed_no_other_does() {
    let keeper = MemoryKeeper::default();
    let (mut one, mut other) = (keeper.clone(), keeper);
    let (mut first, mut second) = (writer(), writer());
    run(async {
        first.greet(&mut one, "first", (true, 0)).await.unwrap();
        second.greet(&mut other, "second", (false, 0)).await.unwrap();
        let things = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), 5)).collect::<Vec<_>>();
        assert_eq!(first.claim(&mut one, &things(&["a", "b"])).await.unwrap(), [true, true]);
        assert_eq!(second.claim(&mut other, &things(&["b", "c"])).await.unwrap(), [false, true]);
    });
}
