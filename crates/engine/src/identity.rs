//! Makes the ids of requests and attempts: UUID version 7, so that rows sort by age.

use uuid::{Builder, Uuid};

use crate::port::{Clock, Dice};

/// A new id, from the clock's time and the dice's bits.
pub fn mint(clock: &dyn Clock, dice: &dyn Dice) -> Uuid {
    let millis = u64::try_from(clock.unix_ms()).unwrap_or_default();
    let mut random = [0u8; 10];
    for (to, from) in random.iter_mut().zip(dice.bits().to_le_bytes()) {
        *to = from;
    }
    Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
}
