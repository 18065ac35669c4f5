//! Where a calendar is: at a fixed offset from UTC, or in a time zone with its changes of the clocks.
//!
//! The rules of all zones are part of the program: none are read from the machine, so every node agrees.

use std::sync::{Arc, LazyLock};

use jiff::{
    Timestamp, ToSpan as _,
    civil::Date,
    tz::{Offset, TimeZone, TimeZoneDatabase},
};

use super::window::Span;

const MINUTE_S: i32 = 60;
const HOUR_MS: i64 = 3_600_000;

static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// A place's calendar. Weeks begin on Monday.
#[derive(Clone, Debug)]
pub struct Zone {
    said: Said,
    rules: TimeZone,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    /// Minutes east of UTC.
    Offset(i32),
    /// The name in IANA's database.
    Name(Arc<str>),
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.said == other.said
    }
}

impl Eq for Zone {}

impl Zone {
    /// So many minutes east of UTC; UTC itself where there is no such place.
    pub fn fixed(minutes: i32) -> Self {
        let offset = Offset::from_seconds(minutes.saturating_mul(MINUTE_S)).unwrap_or(Offset::UTC);
        Self { said: Said::Offset(minutes), rules: TimeZone::fixed(offset) }
    }

    /// The zone of a name such as `Europe/Berlin`.
    pub fn named(name: &str) -> Option<Self> {
        let rules = ZONES.get(name).ok()?;
        let name = Arc::from(rules.iana_name().unwrap_or(name));
        Some(Self { said: Said::Name(name), rules })
    }

    /// Of a zone with a name.
    pub fn name(&self) -> Option<&str> {
        match &self.said {
            Said::Name(name) => Some(name),
            Said::Offset(_) => None,
        }
    }

    /// Of a zone without a name, in minutes east of UTC; else 0.
    pub fn offset_minutes(&self) -> i32 {
        match self.said {
            Said::Offset(minutes) => minutes,
            Said::Name(_) => 0,
        }
    }

    /// The hour of the clocks there. One that comes twice is two; one the clocks change in ends there.
    pub(super) fn hour(&self, now_ms: i64) -> Span {
        let now = moment(now_ms);
        let offset_ms = i64::from(self.rules.to_offset(now).seconds()).saturating_mul(1000);
        let local_ms = now_ms.saturating_add(offset_ms);
        let begin_ms = local_ms.saturating_sub(local_ms.rem_euclid(HOUR_MS)).saturating_sub(offset_ms);
        let end_ms = begin_ms.saturating_add(HOUR_MS);
        let next_ms = now_ms.saturating_add(1);
        let last = self.rules.preceding(moment(next_ms)).next().map(|change| change.timestamp());
        let next = self.rules.following(now).next().map(|change| change.timestamp());
        let moved = |at: Option<Timestamp>| {
            let at_ms = at?.as_millisecond();
            let before = self.rules.to_offset(moment(at_ms.saturating_sub(1)));
            (before != self.rules.to_offset(moment(at_ms))).then_some(at_ms)
        };
        Span {
            begin_ms: moved(last).map_or(begin_ms, |at_ms| begin_ms.max(at_ms)),
            end_ms: moved(next).map_or(end_ms, |at_ms| end_ms.min(at_ms)),
        }
    }

    pub(super) fn day(&self, now_ms: i64) -> Span {
        self.between(now_ms, |date| date, |date| date.tomorrow().ok())
    }

    pub(super) fn week(&self, now_ms: i64) -> Span {
        let monday = |date: Date| {
            let days = i64::from(date.weekday().to_monday_zero_offset());
            date.checked_sub(days.days()).unwrap_or(date)
        };
        self.between(now_ms, monday, |date| date.checked_add(7.days()).ok())
    }

    pub(super) fn month(&self, now_ms: i64) -> Span {
        self.between(now_ms, Date::first_of_month, |date| date.checked_add(1.month()).ok())
    }

    /// From the begin of one date to the begin of the next, of those that `first` comes to. Where the clocks
    /// go back over midnight, a date that has begun goes on.
    fn between(&self, now_ms: i64, first: fn(Date) -> Date, next: fn(Date) -> Option<Date>) -> Span {
        let today = self.rules.to_datetime(moment(now_ms)).date();
        let mut date = first(today);
        let mut begin_ms = self.begin_ms(date);
        if begin_ms > now_ms
            && let Ok(before) = date.yesterday()
        {
            date = first(before);
            begin_ms = self.begin_ms(date);
        }
        loop {
            let Some(after) = next(date) else { return Span { begin_ms, end_ms: i64::MAX } };
            let end_ms = self.begin_ms(after);
            if now_ms < end_ms {
                return Span { begin_ms, end_ms };
            }
            (date, begin_ms) = (after, end_ms);
        }
    }

    /// The first moment of a date: midnight, the first of two, or when the clocks have skipped it.
    fn begin_ms(&self, date: Date) -> i64 {
        let midnight = self.rules.to_ambiguous_timestamp(date.at(0, 0, 0, 0)).compatible();
        let beyond = if date.year() < 0 { i64::MIN } else { i64::MAX };
        midnight.map_or(beyond, Timestamp::as_millisecond)
    }
}

/// A moment as near as a calendar comes to it.
fn moment(ms: i64) -> Timestamp {
    let beyond = if ms < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_millisecond(ms).unwrap_or(beyond)
}
