//! Whether the database answers anybody: one that stands still while its sockets stay open says nothing by itself.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

/// Beats with every transaction the database had a part in, however that ended.
#[derive(Debug)]
pub(super) struct Pulse {
    began: Instant,
    /// When it last beat, in microseconds since it began.
    last_us: AtomicU64,
}

impl Pulse {
    pub(super) fn new() -> Self {
        Self { began: Instant::now(), last_us: AtomicU64::new(0) }
    }

    pub(super) fn beat(&self) {
        let now_us = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.last_us.fetch_max(now_us, Ordering::Relaxed);
    }

    fn last(&self) -> Instant {
        self.began + Duration::from_micros(self.last_us.load(Ordering::Relaxed))
    }

    /// Since when there was no beat, or since there could be one.
    pub(super) fn quiet(&self) -> Duration {
        self.last().elapsed()
    }

    /// Ends when there was no beat for so long, counted from now on.
    pub(super) async fn silence(&self, most: Duration) {
        let mut until = Instant::now() + most;
        while Instant::now() < until {
            sleep_until(until).await;
            until = until.max(self.last() + most);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn silence_begins_anew_with_every_beat() {
        let (pulse, most) = (Pulse::new(), Duration::from_secs(5));
        let begun = Instant::now();
        let beating = async {
            for _ in 0..20 {
                tokio::time::sleep(most / 2).await;
                pulse.beat();
            }
            assert_eq!(pulse.quiet(), Duration::ZERO);
            begun.elapsed()
        };
        let (ended, last) = tokio::join!(
            async {
                pulse.silence(most).await;
                begun.elapsed()
            },
            beating
        );
        let late = ended - (last + most);
        assert!(late < Duration::from_millis(10), "{late:?}");
        assert!(pulse.quiet() >= most);
    }
}
