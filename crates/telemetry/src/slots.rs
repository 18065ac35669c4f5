//! A small, fixed number of counters that are found by a word or a number, without a lock.
//!
//! A key takes the first free slot when it is first seen and keeps it; a full set counts under `other`.
//! Finding is a walk over a few entries: keep `N` small.

use std::sync::OnceLock;

use metrics::Counter;

pub(crate) struct Slots<K, const N: usize> {
    slots: [OnceLock<(K, Counter)>; N],
    other: OnceLock<Counter>,
}

impl<K: Copy + PartialEq, const N: usize> Slots<K, N> {
    pub(crate) fn new() -> Self {
        Self { slots: [const { OnceLock::new() }; N], other: OnceLock::new() }
    }

    /// The counter of `key`; `register` makes it where it is new, and with `None` makes the one for
    /// all keys that found no slot.
    pub(crate) fn find(&self, key: K, register: impl Fn(Option<K>) -> Counter) -> &Counter {
        self.slots
            .iter()
            .find_map(|slot| {
                let (taken, counter) = slot.get_or_init(|| (key, register(Some(key))));
                (*taken == key).then_some(counter)
            })
            .unwrap_or_else(|| self.other.get_or_init(|| register(None)))
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeMap,
        sync::{Arc, Mutex, atomic::AtomicU64, atomic::Ordering},
    };

    use super::*;

    #[test]
    fn a_key_keeps_its_counter_and_what_finds_no_slot_shares_one() {
        let made: Mutex<BTreeMap<&str, Arc<AtomicU64>>> = Mutex::default();
        let slots = Slots::<&'static str, 2>::new();
        for word in ["a", "b", "a", "c", "d", "b", "a"] {
            let register = |key: Option<&'static str>| {
                let cell = Arc::new(AtomicU64::new(0));
                let before = made.lock().unwrap().insert(key.unwrap_or("other"), Arc::clone(&cell));
                assert!(before.is_none(), "registered twice");
                Counter::from_arc(cell)
            };
            slots.find(word, register).increment(1);
        }
        let counts: Vec<_> =
            made.lock().unwrap().iter().map(|(word, n)| (*word, n.load(Ordering::Relaxed))).collect();
        assert_eq!(counts, [("a", 3), ("b", 2), ("other", 2)]);
    }

    #[test]
    fn threads_that_race_for_a_slot_lose_no_count() {
        let made = AtomicU64::new(0);
        let counted = Arc::new(AtomicU64::new(0));
        let slots = Slots::<u16, 4>::new();
        std::thread::scope(|scope| {
            for start in 0..4_u16 {
                let (slots, made, counted) = (&slots, &made, &counted);
                scope.spawn(move || {
                    for step in 0..1000_u16 {
                        let register = |_| {
                            made.fetch_add(1, Ordering::Relaxed);
                            Counter::from_arc(Arc::clone(counted))
                        };
                        slots.find((start + step) % 4, register).increment(1);
                    }
                });
            }
        });
        assert_eq!((made.into_inner(), counted.load(Ordering::Relaxed)), (4, 4000));
    }
}
