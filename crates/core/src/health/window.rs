//! What happened at a target lately: by the second for five minutes, by the minute for a day.
//!
//! Memory is bounded: a span of time without a request takes none, and what is older than the window is
//! dropped when something new comes.

use std::collections::VecDeque;

use super::histogram::{Histogram, Spread};
use crate::fault::Class;

const SECOND_US: u64 = 1_000_000;
const MINUTE_US: u64 = 60 * SECOND_US;
const SECONDS: u64 = 300;
const MINUTES: u64 = 1440;

/// How an attempt went, as far as statistics care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sample {
    Answered {
        latency_us: u64,
        /// Of a stream, where content came.
        first_token_us: Option<u64>,
        output_tokens: u64,
    },
    Failed(Class),
}

/// A stretch of time that is looked back on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// At most 300; more is read as 300.
    Seconds(u64),
    /// At most 1440; more is read as 1440.
    Minutes(u64),
}

/// A target's recent past.
#[derive(Debug)]
pub struct Window {
    seconds: Ring,
    minutes: Ring,
}

impl Default for Window {
    fn default() -> Self {
        let ring = |slot_us, length| Ring { slot_us, length, slots: VecDeque::new() };
        Self { seconds: ring(SECOND_US, SECONDS), minutes: ring(MINUTE_US, MINUTES) }
    }
}

impl Window {
    pub fn record(&mut self, sample: Sample, now_us: u64) {
        self.seconds.record(sample, now_us);
        self.minutes.record(sample, now_us);
    }

    /// What happened in the span that ends now.
    pub fn summary(&self, span: Span, now_us: u64) -> Summary {
        let mut summary = Summary::default();
        let (ring, length) = match span {
            Span::Seconds(seconds) => (&self.seconds, seconds.min(SECONDS)),
            Span::Minutes(minutes) => (&self.minutes, minutes.min(MINUTES)),
        };
        for slot in ring.since(length, now_us) {
            slot.add_to(&mut summary);
        }
        summary
    }

    /// Answers and failures in the last `seconds`; what was the request's own fault is neither.
    pub fn tally(&self, seconds: u64, now_us: u64) -> Tally {
        let mut tally = Tally::default();
        for slot in self.seconds.since(seconds, now_us) {
            tally.answered = tally.answered.saturating_add(slot.answered);
            tally.latency_us = tally.latency_us.saturating_add(slot.latency_us);
            for (class, count) in &slot.failed {
                if class.weight() > 0 {
                    tally.failed = tally.failed.saturating_add(u64::from(*count));
                }
            }
        }
        tally
    }
}

/// Counts of a short while, for comparing targets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub answered: u64,
    pub failed: u64,
    /// Of all answers together.
    pub latency_us: u64,
}

/// What is known of a span of time.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    pub answered: u64,
    pub failed: Vec<(Class, u64)>,
    pub latency: Spread,
    pub first_token: Spread,
    pub output_tokens: u64,
    /// How long answers took after their first token, or in all where nobody saw it, together.
    pub writing_us: u64,
}

impl Summary {
    pub fn requests(&self) -> u64 {
        self.failed.iter().fold(self.answered, |sum, (_, count)| sum.saturating_add(*count))
    }

    /// Tokens a second of one answer; 0 where nothing was written.
    pub fn tokens_per_second(&self) -> u64 {
        self.output_tokens.saturating_mul(SECOND_US).checked_div(self.writing_us).unwrap_or_default()
    }
}

#[derive(Debug)]
struct Ring {
    slot_us: u64,
    length: u64,
    /// Oldest first; a slot in which nothing happened is not there.
    slots: VecDeque<Slot>,
}

impl Ring {
    fn record(&mut self, sample: Sample, now_us: u64) {
        let number = self.number(now_us);
        while self.slots.front().is_some_and(|slot| slot.number.saturating_add(self.length) <= number) {
            self.slots.pop_front();
        }
        // a clock read before another's counts with the latest slot
        if self.slots.back().is_none_or(|slot| slot.number < number) {
            self.slots.push_back(Slot { number, ..Slot::default() });
        }
        if let Some(slot) = self.slots.back_mut() {
            slot.record(sample);
        }
    }

    fn number(&self, now_us: u64) -> u64 {
        now_us.checked_div(self.slot_us).unwrap_or_default()
    }

    fn since(&self, length: u64, now_us: u64) -> impl Iterator<Item = &Slot> {
        let now = self.number(now_us);
        self.slots.iter().rev().take_while(move |slot| slot.number.saturating_add(length) > now)
    }
}

#[derive(Debug, Default)]
struct Slot {
    number: u64,
    answered: u64,
    latency_us: u64,
    output_tokens: u64,
    writing_us: u64,
    failed: Vec<(Class, u32)>,
    latency: Histogram,
    first_token: Histogram,
}

impl Slot {
    fn record(&mut self, sample: Sample) {
        match sample {
            Sample::Answered { latency_us, first_token_us, output_tokens } => {
                self.answered = self.answered.saturating_add(1);
                self.latency_us = self.latency_us.saturating_add(latency_us);
                self.latency.record(latency_us);
                if let Some(first_token_us) = first_token_us {
                    self.first_token.record(first_token_us);
                }
                let writing_us = latency_us.saturating_sub(first_token_us.unwrap_or_default());
                self.writing_us = self.writing_us.saturating_add(writing_us);
                self.output_tokens = self.output_tokens.saturating_add(output_tokens);
            }
            Sample::Failed(class) => match self.failed.iter_mut().find(|(known, _)| *known == class) {
                Some((_, count)) => *count = count.saturating_add(1),
                None => self.failed.push((class, 1)),
            },
        }
    }

    fn add_to(&self, summary: &mut Summary) {
        summary.answered = summary.answered.saturating_add(self.answered);
        summary.output_tokens = summary.output_tokens.saturating_add(self.output_tokens);
        summary.writing_us = summary.writing_us.saturating_add(self.writing_us);
        summary.latency.add(&self.latency);
        summary.first_token.add(&self.first_token);
        for (class, count) in &self.failed {
            let count = u64::from(*count);
            match summary.failed.iter_mut().find(|(known, _)| known == class) {
                Some((_, sum)) => *sum = sum.saturating_add(count),
                None => summary.failed.push((*class, count)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: Sample =
        Sample::Answered { latency_us: 3_000_000, first_token_us: Some(1_000_000), output_tokens: 100 };

    #[test]
    fn each_span_counts_what_fell_into_it() {
        let mut window = Window::default();
        window.record(Sample::Failed(Class::Internal), 0);
        window.record(ANSWER, 290 * SECOND_US);
        window.record(Sample::Failed(Class::Internal), 299 * SECOND_US);
        window.record(Sample::Failed(Class::RateLimited), 299 * SECOND_US);
        let now = 299 * SECOND_US;
        for (span, answered, failed) in [
            (Span::Seconds(1), 0, vec![(Class::Internal, 1), (Class::RateLimited, 1)]),
            (Span::Seconds(300), 1, vec![(Class::Internal, 2), (Class::RateLimited, 1)]),
            (Span::Minutes(1), 1, vec![(Class::Internal, 1), (Class::RateLimited, 1)]),
            (Span::Minutes(9999), 1, vec![(Class::Internal, 2), (Class::RateLimited, 1)]),
        ] {
            let summary = window.summary(span, now);
            assert_eq!((summary.answered, &summary.failed), (answered, &failed), "{span:?}");
        }
        assert_eq!(
            window.summary(Span::Seconds(300), now + SECOND_US).failed[0].1,
            1,
            "the first is too old"
        );
        let summary = window.summary(Span::Minutes(5), now);
        assert_eq!((summary.requests(), summary.tokens_per_second()), (4, 50));
        assert!(summary.latency.quantile_us(500).is_some() && summary.first_token.quantile_us(500).is_some());
        let tally = window.tally(300, now);
        assert_eq!((tally.answered, tally.failed), (1, 2), "a busy provider is no failing one");
    }

    #[test]
    fn a_day_of_traffic_takes_no_more_than_the_window() {
        let mut window = Window::default();
        for second in 0..100_000 {
            window.record(ANSWER, second * SECOND_US);
        }
        assert_eq!(window.seconds.slots.len() as u64, SECONDS);
        assert_eq!(window.minutes.slots.len() as u64, MINUTES);
        assert_eq!(window.summary(Span::Minutes(MINUTES), 99_999 * SECOND_US).answered, 86_400 - 20);
    }
}
