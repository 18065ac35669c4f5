//! The time a quota is for: aligned with a place's calendar, rolling, or all of it.
//!
//! Windows of one kind leave no gap and never overlap, also where the clocks change.

use super::zone::Zone;

const MINUTE_MS: i64 = 60_000;

/// The window of a quota.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Window {
    Minute,
    Hour {
        zone: Zone,
    },
    Day {
        zone: Zone,
    },
    Week {
        zone: Zone,
    },
    Month {
        zone: Zone,
    },
    /// The last so many milliseconds.
    Rolling {
        ms: i64,
    },
    /// Since the quota is there.
    Total,
}

/// Some time, in Unix milliseconds: its first, and the first after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub begin_ms: i64,
    pub end_ms: i64,
}

impl Span {
    pub fn contains(self, now_ms: i64) -> bool {
        self.begin_ms <= now_ms && now_ms < self.end_ms
    }
}

/// A rolling window is remembered in so many parts.
const PARTS: i64 = 60;

/// What is counted together in a window: all of a calendar's, a small part of a rolling one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    pub begin_ms: i64,
    /// The first moment after it.
    pub end_ms: i64,
    /// When it is out of every window.
    pub gone_ms: i64,
}

impl Part {
    /// The only one there is.
    pub const ALL: Self = Self { begin_ms: i64::MIN, end_ms: i64::MAX, gone_ms: i64::MAX };

    pub fn contains(self, at_ms: i64) -> bool {
        self.begin_ms <= at_ms && at_ms < self.end_ms
    }

    /// The begin of the first part that counts beside this one.
    pub fn since_ms(self, now_ms: i64) -> i64 {
        // of a calendar's window it is gone when it ends
        if self.gone_ms == self.end_ms { self.begin_ms } else { self.begin_of_rolling(now_ms) }
    }

    /// One is out of the window when its last moment is.
    fn begin_of_rolling(self, now_ms: i64) -> i64 {
        now_ms.saturating_sub(self.gone_ms.saturating_sub(self.begin_ms)).saturating_add(1)
    }
}

impl Window {
    /// The part that a moment is in.
    pub fn part(&self, at_ms: i64) -> Part {
        match (self, self.step_ms()) {
            (Window::Rolling { ms }, Some(step_ms)) => {
                let begin_ms = at_ms.saturating_sub(at_ms.rem_euclid(step_ms));
                let end_ms = begin_ms.saturating_add(step_ms);
                Part { begin_ms, end_ms, gone_ms: end_ms.saturating_add(*ms) }
            }
            _ => {
                let Span { begin_ms, end_ms } = self.span(at_ms);
                Part { begin_ms, end_ms, gone_ms: end_ms }
            }
        }
    }

    /// How long the parts of a rolling window are.
    pub(super) fn step_ms(&self) -> Option<i64> {
        self.rolling_ms().map(|ms| ms.checked_div(PARTS).unwrap_or(1).max(1))
    }

    /// The window that now is in.
    pub fn span(&self, now_ms: i64) -> Span {
        match self {
            Window::Minute => {
                let begin_ms = now_ms.saturating_sub(now_ms.rem_euclid(MINUTE_MS));
                Span { begin_ms, end_ms: begin_ms.saturating_add(MINUTE_MS) }
            }
            Window::Hour { zone } => zone.hour(now_ms),
            Window::Day { zone } => zone.day(now_ms),
            Window::Week { zone } => zone.week(now_ms),
            Window::Month { zone } => zone.month(now_ms),
            Window::Rolling { ms } => {
                Span { begin_ms: now_ms.saturating_sub(*ms), end_ms: now_ms.saturating_add(1) }
            }
            Window::Total => Span { begin_ms: i64::MIN, end_ms: i64::MAX },
        }
    }

    /// Whether it ends at a moment that is known beforehand.
    pub fn is_calendar(&self) -> bool {
        !matches!(self, Window::Rolling { .. } | Window::Total)
    }

    /// The place whose calendar it goes by.
    pub fn zone(&self) -> Option<&Zone> {
        match self {
            Window::Hour { zone } | Window::Day { zone } | Window::Week { zone } | Window::Month { zone } => {
                Some(zone)
            }
            Window::Minute | Window::Rolling { .. } | Window::Total => None,
        }
    }

    /// Of a rolling window.
    pub fn rolling_ms(&self) -> Option<i64> {
        match self {
            Window::Rolling { ms } => Some(*ms),
            _ => None,
        }
    }

    /// The word in rows and requests, without zone or length.
    pub fn as_str(&self) -> &'static str {
        match self {
            Window::Minute => "minute",
            Window::Hour { .. } => "hour",
            Window::Day { .. } => "day",
            Window::Week { .. } => "week",
            Window::Month { .. } => "month",
            Window::Rolling { .. } => "rolling",
            Window::Total => "total",
        }
    }

    /// The inverse of [`Window::as_str`]; `rolling_ms` is for a rolling window only.
    pub fn from_word(word: &str, zone: Zone, rolling_ms: Option<i64>) -> Option<Self> {
        Some(match word {
            "minute" => Window::Minute,
            "hour" => Window::Hour { zone },
            "day" => Window::Day { zone },
            "week" => Window::Week { zone },
            "month" => Window::Month { zone },
            "rolling" => Window::Rolling { ms: rolling_ms.filter(|ms| *ms > 0)? },
            "total" => Window::Total,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR_MS: i64 = 3_600_000;
    /// 2024-02-29T23:30:00Z, a Thursday.
    const LEAP: i64 = 1_709_249_400_000;

    fn utc() -> Zone {
        Zone::fixed(0)
    }

    fn zone(name: &str) -> Zone {
        Zone::named(name).unwrap()
    }

    #[test]
    fn windows_begin_where_the_calendar_of_their_place_says() {
        let shanghai = || Zone::fixed(480);
        for (window, expected) in [
            (Window::Minute, LEAP),
            (Window::Hour { zone: utc() }, 1_709_247_600_000),
            (Window::Hour { zone: Zone::fixed(330) }, LEAP),
            (Window::Day { zone: utc() }, 1_709_164_800_000),
            // in Shanghai it is the morning of 1 March
            (Window::Day { zone: shanghai() }, 1_709_222_400_000),
            (Window::Day { zone: zone("Asia/Shanghai") }, 1_709_222_400_000),
            (Window::Week { zone: utc() }, 1_708_905_600_000),
            (Window::Month { zone: utc() }, 1_706_745_600_000),
            (Window::Month { zone: shanghai() }, 1_709_222_400_000),
            (Window::Rolling { ms: 1_000 }, LEAP - 1_000),
            (Window::Total, i64::MIN),
        ] {
            assert_eq!(window.span(LEAP).begin_ms, expected, "{window:?}");
        }
    }

    /// How long windows are that the clocks change in; each named by a moment within, in Unix seconds.
    #[test]
    fn a_window_is_as_long_as_the_clocks_make_it() {
        let hours = |window: Window, at_s: i64| {
            let span = window.span(at_s * 1000);
            (span.end_ms - span.begin_ms) as f64 / HOUR_MS as f64
        };
        // Berlin, 29 March 2026, 03:30 in summer time, and 25 October 2026, 02:30 of both kinds
        let (spring, early, late) = (1_774_747_800, 1_792_888_200, 1_792_891_800);
        for (window, at_s, expected) in [
            (Window::Day { zone: zone("Europe/Berlin") }, spring, 23.0),
            (Window::Day { zone: zone("Europe/Berlin") }, early, 25.0),
            (Window::Day { zone: zone("Europe/Berlin") }, late, 25.0),
            (Window::Hour { zone: zone("Europe/Berlin") }, spring, 1.0),
            (Window::Week { zone: zone("Europe/Berlin") }, spring, 167.0),
            (Window::Week { zone: zone("Europe/Berlin") }, late, 169.0),
            (Window::Month { zone: zone("Europe/Berlin") }, spring, 743.0),
            (Window::Month { zone: zone("Europe/Berlin") }, late, 745.0),
            // Lord Howe Island goes by half an hour, on 5 April 2026 at 15:00 UTC of the 4th
            (Window::Day { zone: zone("Australia/Lord_Howe") }, 1_775_314_800, 24.5),
            (Window::Hour { zone: zone("Australia/Lord_Howe") }, 1_775_314_800, 0.5),
            // Samoa had no 30 December 2011
            (Window::Week { zone: zone("Pacific/Apia") }, 1_325_203_200, 144.0),
            // in Havana the hour after midnight comes twice, in Cairo it never comes
            (Window::Day { zone: zone("America/Havana") }, 1_699_160_400, 25.0),
            (Window::Day { zone: zone("Africa/Cairo") }, 1_776_985_200, 23.0),
        ] {
            assert!((hours(window.clone(), at_s) - expected).abs() < 1e-9, "{window:?} at {at_s}");
        }
        let hour = |at_s: i64| Window::Hour { zone: zone("Europe/Berlin") }.span(at_s * 1000);
        assert_eq!(hour(early).end_ms, hour(late).begin_ms, "an hour that comes twice is two windows");
    }

    #[test]
    fn a_window_is_read_as_it_is_written() {
        for zone in [Zone::fixed(1), zone("america/new_york")] {
            for window in [
                Window::Minute,
                Window::Hour { zone: zone.clone() },
                Window::Day { zone: zone.clone() },
                Window::Week { zone: zone.clone() },
                Window::Month { zone: zone.clone() },
                Window::Rolling { ms: 5 },
                Window::Total,
            ] {
                assert_eq!(Window::from_word(window.as_str(), zone.clone(), Some(5)), Some(window));
            }
        }
        assert_eq!(zone("america/new_york").name(), Some("America/New_York"));
        assert_eq!(Zone::named("Mars/Olympus"), None);
        assert_eq!(Window::from_word("rolling", utc(), None), None);
        assert_eq!(Window::from_word("year", utc(), None), None);
    }

    #[test]
    fn the_ends_of_time_are_within_some_window() {
        for name in ["Europe/Berlin", "Pacific/Apia", "America/Los_Angeles"] {
            for at_ms in [i64::MIN, i64::MIN / 2, -1, 0, i64::MAX / 2, i64::MAX - 1] {
                for kind in ["minute", "hour", "day", "week", "month", "total"] {
                    let window = Window::from_word(kind, zone(name), None).unwrap();
                    let span = window.span(at_ms);
                    assert!(span.begin_ms <= span.end_ms, "{kind} {name} {at_ms}: {span:?}");
                }
            }
        }
    }

    fn zones() -> impl Strategy<Value = Zone> {
        prop_oneof![
            (-720..=840_i32).prop_map(Zone::fixed),
            prop::sample::select(vec![
                "Europe/Berlin",
                "America/New_York",
                "America/St_Johns",
                "America/Sao_Paulo",
                "America/Havana",
                "Australia/Lord_Howe",
                "Africa/Cairo",
                "Africa/Casablanca",
                "Asia/Kathmandu",
                "Asia/Gaza",
                "Pacific/Apia",
            ])
            .prop_map(|name| Zone::named(name).unwrap()),
        ]
    }

    /// Any moment from 1971 to 2037, and some hours around one of the changes of the clocks.
    fn moments() -> impl Strategy<Value = i64> {
        let changes = vec![
            1_774_746_000_i64, // Europe, spring of 2026
            1_792_890_000,     // Europe, autumn of 2026
            1_772_953_200,     // New York, spring of 2026
            1_793_512_800,     // New York, autumn of 2026
            1_699_160_400,     // Havana, autumn of 2023
            1_775_314_800,     // Lord Howe Island
            1_325_239_200,     // Samoa crosses the date line
            1_541_300_400,     // São Paulo, spring of 2018
            1_550_368_800,     // São Paulo, autumn of 2019
            1_289_097_060,     // St. John's goes back over midnight
        ];
        prop_oneof![
            31_536_000_000..2_114_380_800_000_i64,
            (prop::sample::select(changes), -90_000_000..90_000_000_i64)
                .prop_map(|(at_s, ms)| at_s * 1000 + ms),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn windows_leave_no_gap_and_never_overlap(
            zone in zones(),
            now_ms in moments(),
            kind in prop::sample::select(vec!["minute", "hour", "day", "week", "month"]),
        ) {
            let window = Window::from_word(kind, zone, None).unwrap();
            let span = window.span(now_ms);
            prop_assert!(span.contains(now_ms), "{span:?} {now_ms}");
            prop_assert_eq!(window.span(span.begin_ms), span);
            prop_assert_eq!(window.span(span.end_ms - 1), span);
            prop_assert_eq!(window.span(span.begin_ms - 1).end_ms, span.begin_ms);
            prop_assert_eq!(window.span(span.end_ms).begin_ms, span.end_ms);
        }
    }
}
