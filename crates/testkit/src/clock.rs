//! A clock that moves only when a test moves it.
//!
//! The two readings advance together: nothing may move the wall time without the monotonic one, except `set_unix_ms`, which is a stepped wall clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A settable clock; clones show the same time.
#[derive(Clone, Debug, Default)]
pub struct FakeClock {
    time: Arc<Time>,
}

#[derive(Debug, Default)]
struct Time {
    unix_us: AtomicU64,
    monotonic_us: AtomicU64,
}

impl FakeClock {
    /// A clock that shows `unix_ms` and has run for no time.
    #[must_use]
    pub fn at_unix_ms(unix_ms: u64) -> Self {
        let clock = Self::default();
        clock.set_unix_ms(unix_ms);
        clock
    }

    /// The wall time, in milliseconds since 1970.
    #[must_use]
    pub fn unix_ms(&self) -> u64 {
        self.time.unix_us.load(Ordering::SeqCst) / 1000
    }

    /// Microseconds this clock was advanced by since it was made.
    #[must_use]
    pub fn monotonic_us(&self) -> u64 {
        self.time.monotonic_us.load(Ordering::SeqCst)
    }

    /// Lets `ms` milliseconds pass.
    pub fn advance_ms(&self, ms: u64) {
        self.advance_us(ms.saturating_mul(1000));
    }

    /// Lets `us` microseconds pass.
    pub fn advance_us(&self, us: u64) {
        self.time.unix_us.fetch_add(us, Ordering::SeqCst);
        self.time.monotonic_us.fetch_add(us, Ordering::SeqCst);
    }

    /// Steps the wall time, as an operator or NTP does; the monotonic reading stays.
    pub fn set_unix_ms(&self, unix_ms: u64) {
        self.time.unix_us.store(unix_ms.saturating_mul(1000), Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_show_the_same_time_and_only_an_advance_moves_both_readings() {
        let clock = FakeClock::at_unix_ms(1_000);
        let twin = clock.clone();
        clock.advance_ms(5);
        clock.advance_us(2_500);
        assert_eq!((twin.unix_ms(), twin.monotonic_us()), (1_007, 7_500));
        twin.set_unix_ms(10);
        assert_eq!((clock.unix_ms(), clock.monotonic_us()), (10, 7_500));
    }
}
