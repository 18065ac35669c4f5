//! How long answers usually take to begin: what 95 of 100 stayed below lately.
//!
//! Read from the windows at most once a second, by whoever comes first; in between it is one atomic read.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{histogram::Spread, window::Summary};

/// How often it is read anew.
const PERIOD_US: u64 = 1_000_000;
/// What it is read from, in seconds.
pub const SPAN_S: u64 = 300;
/// Fewer answers than these say nothing.
pub const ANSWERS_MIN: u64 = 20;
const PER_MILLE: u64 = 950;

/// Of one target; 0 is unknown.
#[derive(Debug, Default)]
pub struct Usual {
    due_us: AtomicU64,
    stream_us: AtomicU64,
    whole_us: AtomicU64,
}

impl Usual {
    /// To the first token of streams, or to the end of whole answers; `None` where too little is known.
    pub fn at(&self, is_stream: bool, now_us: u64, summary: impl FnOnce() -> Summary) -> Option<u64> {
        let due_us = self.due_us.load(Ordering::Relaxed);
        let next_us = now_us.saturating_add(PERIOD_US);
        let is_due = now_us >= due_us;
        if is_due
            && self.due_us.compare_exchange(due_us, next_us, Ordering::AcqRel, Ordering::Relaxed).is_ok()
        {
            let summary = summary();
            self.stream_us.store(usual(&summary.first_token), Ordering::Relaxed);
            self.whole_us.store(usual(&summary.latency), Ordering::Relaxed);
        }
        let known = if is_stream { &self.stream_us } else { &self.whole_us };
        Some(known.load(Ordering::Relaxed)).filter(|us| *us > 0)
    }
}

fn usual(spread: &Spread) -> u64 {
    let known = spread.quantile_us(PER_MILLE).filter(|_| spread.total() >= ANSWERS_MIN);
    known.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::window::{Sample, Span, Window};

    #[test]
    fn it_is_what_most_stayed_below_once_enough_is_known_and_read_once_a_second() {
        let (usual, mut window) = (Usual::default(), Window::default());
        let answered = |ms: u64| Sample::Answered {
            latency_us: ms * 2_000,
            first_token_us: Some(ms * 1_000),
            output_tokens: 1,
        };
        (1..20).for_each(|ms| window.record(answered(ms), 1));
        let at = |window: &Window, is_stream, now_us| {
            usual.at(is_stream, now_us, || window.summary(Span::Seconds(SPAN_S), now_us))
        };
        assert_eq!(at(&window, true, 1), None, "too few");
        window.record(answered(20), 1);
        assert_eq!(at(&window, true, 1_000_000), None, "it was read a moment ago");
        let close = |known: Option<u64>, us: u64| known.unwrap().abs_diff(us) <= us / 16;
        assert!(close(at(&window, true, 1_000_001), 19_000));
        assert!(close(at(&window, false, 1_000_001), 38_000));
    }
}
