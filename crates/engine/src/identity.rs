//! Makes the ids of requests and attempts: UUID version 7, so that rows sort by age.

use std::cell::Cell;

use uuid::{Builder, Uuid};

use crate::port::{Clock, Dice};

thread_local! {
    /// The millisecond of this thread's last id, and its number in it.
    static LAST: Cell<(u64, u16)> = const { Cell::new((0, 0)) };
}

/// A new id, from the clock's time and the dice's bits. Of those that a thread makes in one millisecond each is greater
/// than the one before, so that what is made together stays in its order (RFC 9562, 6.2, method 1).
pub fn mint(clock: &dyn Clock, dice: &dyn Dice) -> Uuid {
    let millis = u64::try_from(clock.unix_ms()).unwrap_or_default();
    let number = match LAST.get() {
        (last, number) if last == millis => number.wrapping_add(1),
        _ => 0,
    };
    LAST.set((millis, number));
    let mut bits = [0; 10];
    let (counted, drawn) = bits.split_at_mut(2);
    counted.copy_from_slice(&number.to_be_bytes());
    for (to, from) in drawn.iter_mut().zip(dice.bits().to_le_bytes()) {
        *to = from;
    }
    Builder::from_unix_timestamp_millis(millis, &bits).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Still;

    impl Clock for Still {
        fn unix_ms(&self) -> i64 {
            1_700_000_000_000
        }

        fn monotonic_us(&self) -> u64 {
            0
        }
    }

    impl Dice for Still {
        fn roll(&self, _: u64) -> u64 {
            0
        }

        fn bits(&self) -> u128 {
            7
        }
    }

    #[test]
    fn what_is_made_in_one_millisecond_stays_in_its_order() {
        let ids: Vec<Uuid> = (0..1000).map(|_| mint(&Still, &Still)).collect();
        assert!(ids.is_sorted_by(|one, next| one < next));
        assert!(ids.iter().all(|id| id.get_version_num() == 7));
    }
}
