//! A rate that several nodes share: one theoretical arrival time, which every unit that is given out moves on.
//!
//! What a node was given it uses at once, or within [`SLICE_MS`]; a burst is smaller by what is replenished in that
//! time, so that no minute sees more than one node alone would let through. A node that is gone takes nothing with
//! it: what it was given has been replenished within a minute.

use std::{fmt, str::FromStr};

use super::text::{Unreadable, number};

const MINUTE_NS: u64 = 60_000_000_000;
const MS_NS: u64 = 1_000_000;
/// In front of what is written, so that another form can follow.
const FORM: &str = "rate1";
/// Limits of more units a minute are leased ahead; of others each call asks.
const LEASED_ABOVE: u32 = 300;
/// How long units that were leased ahead may be used, in milliseconds.
pub const SLICE_MS: u64 = 1_000;
/// How long a call's own may be: longer than any call waits for others of its limits.
pub const CALL_MS: u64 = 200;
/// What is written is kept so much longer than it says anything.
const GRACE_MS: u64 = 1_000;

/// One unit's time.
pub fn interval_ns(per_minute: u32) -> u64 {
    MINUTE_NS.checked_div(u64::from(per_minute)).unwrap_or(MINUTE_NS)
}

/// Whether units are leased ahead.
pub fn is_leased(per_minute: u32) -> bool {
    per_minute > LEASED_ABOVE
}

/// Units that may pass at once.
pub fn burst(per_minute: u32) -> u64 {
    let whole = u64::from(per_minute);
    if is_leased(per_minute) {
        whole.saturating_sub(whole.div_ceil(MINUTE_NS / MS_NS / SLICE_MS))
    } else {
        whole
    }
}

/// What a node asks of a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateAsk {
    pub per_minute: u32,
    /// Units it would have.
    pub want: u64,
    /// Less than so many at a time are of no use to anybody who waits.
    pub least: u64,
    /// Units it had and did not use; below nothing: that it used and did not have.
    pub back: i64,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateAnswer {
    pub given: u64,
    /// How far all nodes together are ahead now.
    pub ahead_ns: u64,
}

/// How far all nodes are with a rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rate {
    /// Raised by every change, so that no state is ever mistaken for an earlier one.
    version: u64,
    /// When the next unit would come, in Unix nanoseconds of the keeper's clock.
    arrival_ns: u64,
}

impl Rate {
    /// In the place of what was lost: a whole minute's worth was used just now.
    pub fn used_up(now_ms: i64) -> Self {
        Self { version: 0, arrival_ns: ns(now_ms).saturating_add(MINUTE_NS) }
    }

    /// How long it is worth keeping, in milliseconds.
    pub fn keep_ms(&self, now_ms: i64) -> i64 {
        let ahead_ms = self.arrival_ns.saturating_sub(ns(now_ms)) / MS_NS;
        i64::try_from(ahead_ms.saturating_add(GRACE_MS)).unwrap_or(i64::MAX)
    }

    /// Gives what there is room for. `now_ms` is the keeper's clock.
    pub fn ask(&mut self, ask: &RateAsk, now_ms: i64) -> RateAnswer {
        let (now_ns, interval_ns) = (ns(now_ms), interval_ns(ask.per_minute));
        let time = |units: u64| interval_ns.saturating_mul(units);
        self.version = self.version.wrapping_add(1);
        if ask.back >= 0 {
            self.arrival_ns = self.arrival_ns.saturating_sub(time(ask.back.unsigned_abs()));
        } else {
            self.advance(time(ask.back.unsigned_abs()), now_ns);
        }
        let given = room(ask, self.arrival_ns.saturating_sub(now_ns));
        if given > 0 {
            self.advance(time(given), now_ns);
        }
        RateAnswer { given, ahead_ns: self.arrival_ns.saturating_sub(now_ns) }
    }

    fn advance(&mut self, by_ns: u64, now_ns: u64) {
        self.arrival_ns = self.arrival_ns.max(now_ns).saturating_add(by_ns);
    }
}

/// How much of what is asked there is room for. A call for more than a whole burst passes where all of it is there.
fn room(RateAsk { per_minute, want, least, .. }: &RateAsk, ahead_ns: u64) -> u64 {
    let (burst, least) = (burst(*per_minute), (*least).max(1));
    if least > burst {
        return if ahead_ns == 0 { least.min(*want) } else { 0 };
    }
    let taken = ahead_ns.div_ceil(interval_ns(*per_minute).max(1));
    let free = burst.saturating_sub(taken);
    if *want <= free { *want } else { free.checked_div(least).unwrap_or_default().saturating_mul(least) }
}

fn ns(ms: i64) -> u64 {
    u64::try_from(ms).unwrap_or_default().saturating_mul(MS_NS)
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{FORM} {} {}", self.version, self.arrival_ns)
    }
}

impl FromStr for Rate {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let mut words = text.split(' ');
        if words.next() != Some(FORM) {
            return Err(Unreadable);
        }
        let (version, arrival_ns) = (number(words.next())?, number(words.next())?);
        if words.next().is_some() { Err(Unreadable) } else { Ok(Self { version, arrival_ns }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_800_000_000_000;

    fn ask(per_minute: u32, want: u64, least: u64) -> RateAsk {
        RateAsk { per_minute, want, least, back: 0 }
    }

    #[test]
    fn what_is_given_out_is_what_one_node_would_let_through() {
        let mut rate = Rate::default();
        let mut given = |want, least, now_ms| rate.ask(&ask(10, want, least), now_ms).given;
        assert_eq!(given(7, 1, NOW_MS), 7);
        assert_eq!(given(7, 1, NOW_MS), 3);
        assert_eq!(given(1, 1, NOW_MS + 5_999), 0);
        assert_eq!(given(5, 1, NOW_MS + 6_000), 1);
        assert_eq!(given(5, 5, NOW_MS + 30_000), 0, "four are of no use to a call for five");
        assert_eq!(given(9, 2, NOW_MS + 30_000), 4);
    }

    #[test]
    fn a_call_for_more_than_all_of_it_passes_where_all_is_there_and_is_paid_for_after() {
        let mut rate = Rate::default();
        assert_eq!(rate.ask(&ask(100, 300, 300), NOW_MS).given, 300);
        assert_eq!(rate.ask(&ask(100, 300, 300), NOW_MS + 179_999).given, 0);
        assert_eq!(rate.ask(&ask(100, 1, 1), NOW_MS + 179_999).given, 1);
    }

    #[test]
    fn what_was_too_much_is_given_back_and_what_was_too_little_taken() {
        let mut rate = Rate::default();
        let ahead = |rate: &mut Rate, back| {
            rate.ask(&RateAsk { back, ..ask(60, 0, 1) }, NOW_MS).ahead_ns / 1_000_000_000
        };
        rate.ask(&ask(60, 30, 1), NOW_MS);
        assert_eq!(ahead(&mut rate, 10), 20);
        assert_eq!(ahead(&mut rate, -5), 25);
        assert_eq!(ahead(&mut rate, 100), 0, "nobody gets more than there is");
        assert_eq!(rate.ask(&ask(60, 100, 1), NOW_MS).given, 60);
    }

    #[test]
    fn where_a_limit_is_leased_a_burst_is_smaller_by_a_slices_time() {
        for (per_minute, expected) in [(1, 1), (300, 300), (301, 295), (600, 590), (60_000, 59_000)] {
            assert_eq!(burst(per_minute), expected);
            let mut rate = Rate::default();
            assert_eq!(rate.ask(&ask(per_minute, u64::MAX, 1), NOW_MS).given, expected);
        }
        assert_eq!(Rate::used_up(NOW_MS).ask(&ask(600, 1, 1), NOW_MS).given, 0);
    }

    #[test]
    fn it_is_read_as_it_was_written_and_nothing_else_is() {
        let mut rate = Rate::default();
        rate.ask(&ask(60, 3, 1), NOW_MS);
        assert_eq!(rate.to_string().parse(), Ok(rate));
        assert_eq!(rate.keep_ms(NOW_MS), 4_000);
        for text in ["", "rate1", "rate1 1", "rate1 1 -2", "rate1 1 2 3", "lease1 1 2", "rate2 1 2"] {
            assert_eq!(text.parse::<Rate>(), Err(Unreadable), "{text}");
        }
    }
}
