//! Every order in which calls side by side can take their steps at the book of quotas, tried out by loom.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may be blunt")]

use loom::{
    sync::{Arc, Mutex},
    thread,
};
use nexus_core::{
    id::{KeyId, RequestId, Uuid},
    quota::{Amounts, Book, Level, Measure, Mode, Owner, Quota, Subject, WhenAlone, Window},
};

const LIMIT: u64 = 10;
/// What a call holds, and what it uses of that.
const HELD: u64 = 5;
const USED: u64 = 3;

fn budget() -> Quota {
    Quota {
        id: Uuid::from_u128(1),
        name: "budget".into(),
        subject: Subject::Platform,
        measure: Measure::CostNanoUsd,
        window: Window::Total,
        limit: LIMIT,
        mode: Mode::Hard,
        when_alone: WhenAlone::Node,
    }
}

fn cost(cost_nano_usd: u64) -> Amounts {
    Amounts { tokens: 0, cost_nano_usd }
}

fn owner(number: u128, until_ms: i64) -> Owner {
    Owner { request: RequestId(Uuid::from_u128(number)), key: KeyId(Uuid::from_u128(1)), until_ms }
}

/// Takes a step, after which no more is settled and reserved than there is.
fn step<T>(book: &Mutex<Book>, quota: &Quota, step: impl FnOnce(&mut Book) -> T) -> T {
    let mut book = book.lock().unwrap();
    let done = step(&mut book);
    let level = book.level(quota, 0);
    assert!(level.used + level.reserved <= LIMIT, "{level:?}");
    done
}

#[test]
fn a_budget_for_two_serves_exactly_two_of_three_whatever_the_order_of_their_steps() {
    loom::model(|| {
        let book = Arc::new(Mutex::new(Book::default()));
        let call = |number: u128| {
            let book = Arc::clone(&book);
            thread::spawn(move || {
                let quota = budget();
                let reserve =
                    |book: &mut Book| book.reserve([&quota].into_iter(), cost(HELD), owner(number, 9), 0);
                let Ok(id) = step(&book, &quota, reserve) else { return false };
                step(&book, &quota, |book| book.settle(id, cost(USED), 0));
                step(&book, &quota, |book| book.release(id));
                true
            })
        };
        let calls = [1, 2, 3].map(call);
        let served = calls.into_iter().filter_map(|call| call.join().ok()).filter(|served| *served).count();
        assert_eq!(served, 2);
        assert_eq!(book.lock().unwrap().level(&budget(), 0), Level { used: 2 * USED, reserved: 0 });
    });
}

#[test]
fn what_is_swept_while_its_call_still_settles_is_freed_once_and_counts() {
    loom::model(|| {
        let book = Arc::new(Mutex::new(Book::default()));
        let quota = budget();
        let id = book.lock().unwrap().reserve([&quota].into_iter(), cost(LIMIT), owner(1, 5), 0).unwrap();
        let shared = Arc::clone(&book);
        let call = thread::spawn(move || {
            let quota = budget();
            step(&shared, &quota, |book| book.settle(id, cost(USED), 0));
            step(&shared, &quota, |book| book.release(id));
        });
        let swept = step(&book, &quota, |book| book.sweep(5));
        call.join().unwrap();
        let level = book.lock().unwrap().level(&quota, 0);
        assert!(swept <= 1);
        assert_eq!(level, Level { used: USED, reserved: 0 });
    });
}
