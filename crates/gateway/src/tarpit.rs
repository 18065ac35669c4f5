//! Answers to those whose keys are refused, given at a pace.
//!
//! However many bad keys come, a worker tells so no more than so many times a second at once: a client that waits for
//! its answers then asks no faster, and the worker's time stays with those who show good keys. It is the worker's pace
//! and not an address's, so it holds whoever guesses, from wherever, and needs no memory. Those who would wait too long
//! are spread over a while, or else thousands that came together would be answered, and ask again, together.

use std::{cell::Cell, time::Duration};

/// Between two answers.
const PACE_US: u64 = 10_000;
/// Answers that are given at once, after a time without.
const AT_ONCE: u64 = 100;
/// No answer waits longer: whoever opens connection after connection is bounded by how many there may be.
const WAIT_MAX_US: u64 = 4_000_000;
/// Multiples of it fall evenly over the whole range of numbers, however many are taken: 2^64 by the golden ratio.
const EVENLY: u64 = 0x9E37_79B9_7F4A_7C15;

/// One worker's pace.
pub struct Tarpit {
    /// When the answers promised until now would have been given one by one.
    promised_us: Cell<u64>,
    /// Answers whose turn would have come too late, so far.
    late: Cell<u64>,
    /// Answers that wait.
    held: Cell<usize>,
    held_max: usize,
}

/// Whether the connection of somebody who was told so may stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stay {
    Welcome,
    /// So many are held already that whoever shows good keys might find no connection.
    Leave,
}

impl Tarpit {
    /// `held_max` is how many answers may wait at once.
    pub fn new(held_max: usize) -> Self {
        Self { promised_us: Cell::new(0), late: Cell::new(0), held: Cell::new(0), held_max }
    }

    /// Waits until the next answer may be given. `now_us` is any clock that never runs backwards.
    pub async fn hold(&self, now_us: u64) -> Stay {
        let wait_us = self.wait_us(now_us);
        if wait_us == 0 {
            return Stay::Welcome;
        }
        let Some(_held) = Held::new(self) else { return Stay::Leave };
        actix_web::rt::time::sleep(Duration::from_micros(wait_us)).await;
        Stay::Welcome
    }

    fn wait_us(&self, now_us: u64) -> u64 {
        let at_once_us = AT_ONCE.saturating_mul(PACE_US);
        let latest_us = now_us.saturating_add(at_once_us).saturating_add(WAIT_MAX_US);
        let promised_us = self.promised_us.get().max(now_us).saturating_add(PACE_US);
        self.promised_us.set(promised_us.min(latest_us));
        if promised_us > latest_us {
            return self.late_us();
        }
        promised_us.saturating_sub(at_once_us).saturating_sub(now_us)
    }

    /// Somewhere in the later half of the longest wait.
    fn late_us(&self) -> u64 {
        const HALF_US: u64 = WAIT_MAX_US / 2;
        let late = self.late.get().wrapping_add(1);
        self.late.set(late);
        HALF_US + (late.wrapping_mul(EVENLY) >> 32) * HALF_US / (1 << 32)
    }
}

/// One answer's place among those that wait.
struct Held<'a>(&'a Tarpit);

impl<'a> Held<'a> {
    fn new(tarpit: &'a Tarpit) -> Option<Self> {
        let held = tarpit.held.get();
        (held < tarpit.held_max).then(|| {
            tarpit.held.set(held + 1);
            Self(tarpit)
        })
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.held.set(self.0.held.get().saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        task::{Context, Waker},
    };

    use super::*;

    #[test]
    fn some_are_answered_at_once_and_the_rest_at_a_pace_but_never_after_long() {
        let tarpit = Tarpit::new(1);
        let paced = AT_ONCE + WAIT_MAX_US / PACE_US;
        for number in 0..paced {
            assert_eq!(tarpit.wait_us(5), (number + 1).saturating_sub(AT_ONCE) * PACE_US, "{number}");
        }
        for _ in 0..10_000 {
            assert!((WAIT_MAX_US / 2..WAIT_MAX_US).contains(&tarpit.wait_us(5)));
        }
        // a while later the pace has caught up with that while
        assert_eq!(tarpit.wait_us(5 + WAIT_MAX_US), PACE_US);
        assert_eq!(tarpit.wait_us(5 + 10 * WAIT_MAX_US), 0);
    }

    #[test]
    fn thousands_that_come_together_are_answered_one_after_another() {
        let tarpit = Tarpit::new(1);
        let mut waits: Vec<u64> = (0..4_000).map(|_| tarpit.wait_us(5)).filter(|wait| *wait > 0).collect();
        assert_eq!(waits.len(), 3_900);
        waits.sort_unstable();
        let crowd = waits.chunk_by(|one, other| one / 10_000 == other / 10_000).map(<[u64]>::len).max();
        assert!(crowd <= Some(25), "{crowd:?} within 10 ms");
    }

    #[test]
    fn whoever_waits_for_each_answer_is_answered_a_hundred_times_a_second() {
        let tarpit = Tarpit::new(1);
        let (mut now_us, mut answers) = (0, 0_u64);
        while now_us < 10_000_000 {
            now_us += tarpit.wait_us(now_us) + 50;
            answers += 1;
        }
        assert!((1_000..=1_200).contains(&answers), "{answers}");
    }

    #[actix_web::test]
    async fn who_finds_no_place_to_wait_is_to_leave_and_who_is_gone_holds_none() {
        let tarpit = Tarpit::new(1);
        for _ in 0..AT_ONCE {
            assert_eq!(tarpit.hold(0).await, Stay::Welcome);
        }
        let mut context = Context::from_waker(Waker::noop());
        {
            let mut waiting = pin!(tarpit.hold(0));
            assert!(waiting.as_mut().poll(&mut context).is_pending());
            assert_eq!(tarpit.hold(0).await, Stay::Leave);
        }
        assert!(pin!(tarpit.hold(0)).poll(&mut context).is_pending());
    }
}
