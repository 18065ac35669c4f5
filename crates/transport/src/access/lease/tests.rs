//! When a token is fetched, kept, renewed and dropped; the clock is moved by hand.

use futures_util::{FutureExt as _, future::join_all};
use nexus_core::fault::Class;
use tokio::sync::Notify;

use super::*;
use crate::access::tests::{Moved, credential};

const HOUR_MS: i64 = 3_600_000;

/// Leases of numbers, counted by the exchanges there were, under a clock that is moved.
struct Bench {
    clock: Arc<Moved>,
    leases: Leases<u32>,
    exchanges: Rc<Cell<u32>>,
    is_refusing: Rc<Cell<bool>>,
    /// Where set, an exchange waits for it.
    gate: Option<Rc<Notify>>,
}

impl Bench {
    fn new() -> Self {
        Self {
            clock: Arc::default(),
            leases: Leases::default(),
            exchanges: Rc::default(),
            is_refusing: Rc::default(),
            gate: None,
        }
    }

    async fn lease_of(&self, key: Key) -> Result<Rc<Lease<u32>>, Fault> {
        let clock: Arc<dyn Clock> = Arc::<Moved>::clone(&self.clock);
        let (exchanges, is_refusing, gate) =
            (Rc::clone(&self.exchanges), Rc::clone(&self.is_refusing), self.gate.clone());
        let fetch = || async move {
            exchanges.set(exchanges.get() + 1);
            if let Some(gate) = gate {
                gate.notified().await;
            }
            if is_refusing.get() {
                return Err(Fault::new(Class::Credential, "no"));
            }
            Ok(Granted { value: exchanges.get(), lifetime_ms: HOUR_MS })
        };
        self.leases.lease(key, &clock, fetch).await
    }

    /// The value that is leased now, or 0 for a refusal.
    async fn value(&self) -> u32 {
        self.lease_of(Key::new(&credential(1, ""), "p")).await.map(|lease| lease.value).unwrap_or(0)
    }

    /// The same once what runs beside requests had its turn.
    async fn value_after_renewal(&self) -> u32 {
        let value = self.value().await;
        while self.leases.slots.borrow().values().any(|slot| Rc::strong_count(slot) > 1) {
            tokio::task::yield_now().await;
        }
        value
    }
}

#[actix_rt::test]
async fn a_lease_is_used_renewed_before_its_end_and_never_used_at_it() {
    let bench = Bench::new();
    let renewed_at_ms = HOUR_MS - RENEWED_BEFORE_MS;
    for (now_ms, value, exchanges) in [
        (0, 1, 1),
        (renewed_at_ms - 1, 1, 1),
        // the old one still serves while the new one is asked for
        (renewed_at_ms, 1, 2),
        (renewed_at_ms, 2, 2),
        (HOUR_MS, 2, 2),
        // nobody asked for anything for a long time
        (renewed_at_ms + HOUR_MS, 3, 3),
    ] {
        bench.clock.to_ms(now_ms);
        assert_eq!(
            (bench.value_after_renewal().await, bench.exchanges.get()),
            (value, exchanges),
            "{now_ms}"
        );
    }
}

#[actix_rt::test]
async fn a_renewal_that_is_refused_leaves_the_old_lease_to_its_end_and_is_tried_again() {
    let bench = Bench::new();
    assert_eq!(bench.value().await, 1);
    bench.is_refusing.set(true);
    let renewed_at_ms = HOUR_MS - RENEWED_BEFORE_MS;
    let unused_at_ms = HOUR_MS - UNUSED_BEFORE_MS;
    for (now_ms, value, exchanges) in [
        (renewed_at_ms, 1, 2),
        (renewed_at_ms + PAUSE_MS - 1, 1, 2),
        (renewed_at_ms + PAUSE_MS, 1, 3),
        (unused_at_ms - 1, 1, 4),
        (unused_at_ms, 0, 5),
        (unused_at_ms + PAUSE_MS - 1, 0, 5),
        (unused_at_ms + PAUSE_MS, 0, 6),
    ] {
        bench.clock.to_ms(now_ms);
        assert_eq!(
            (bench.value_after_renewal().await, bench.exchanges.get()),
            (value, exchanges),
            "{now_ms}"
        );
    }
    bench.is_refusing.set(false);
    bench.clock.to_ms(unused_at_ms + 2 * PAUSE_MS);
    assert_eq!(bench.value().await, 7);
}

#[actix_rt::test]
async fn a_crowd_asks_once_and_one_that_goes_away_leaves_the_others_their_turn() {
    let gate = Rc::new(Notify::new());
    let bench = Bench { gate: Some(Rc::clone(&gate)), ..Bench::new() };
    gate.notify_one();
    let crowd = join_all((0..20).map(|_| bench.value())).await;
    assert_eq!((crowd, bench.exchanges.get()), (vec![1; 20], 1));

    bench.clock.to_ms(HOUR_MS);
    {
        let mut leaver = Box::pin(bench.value());
        assert!((&mut leaver).now_or_never().is_none());
        assert_eq!(bench.exchanges.get(), 2);
    }
    gate.notify_one();
    assert_eq!((bench.value().await, bench.exchanges.get()), (3, 3));

    bench.clock.to_ms(3 * HOUR_MS);
    bench.is_refusing.set(true);
    gate.notify_one();
    let crowd = join_all((0..20).map(|_| bench.value())).await;
    assert_eq!((crowd, bench.exchanges.get()), (vec![0; 20], 4), "a refusal is heard by all");
}

#[actix_rt::test]
async fn another_secret_and_another_purpose_are_another_lease() {
    let bench = Bench::new();
    for (generation, purpose, value) in [(1, "a", 1), (1, "b", 2), (2, "a", 3), (1, "a", 1), (2, "a", 3)] {
        let key = Key::new(&credential(generation, ""), purpose);
        assert_eq!(bench.lease_of(key).await.unwrap().value, value);
    }
}

#[actix_rt::test]
async fn what_ends_first_makes_room() {
    let bench = Bench::new();
    let key = |number: usize| Key::new(&credential(1, ""), number.to_string());
    for number in 0..=HELD_MAX {
        bench.clock.to_ms(number as i64);
        bench.lease_of(key(number)).await.unwrap();
    }
    let exchanges = bench.exchanges.get();
    assert_eq!(bench.leases.slots.borrow().len(), HELD_MAX);
    for number in (1..=HELD_MAX).rev() {
        bench.lease_of(key(number)).await.unwrap();
    }
    assert_eq!(bench.exchanges.get(), exchanges, "all but the oldest are held");
    bench.lease_of(key(0)).await.unwrap();
    assert_eq!(bench.exchanges.get(), exchanges + 1);
}
