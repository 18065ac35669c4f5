//! The time a quota is for: aligned with the calendar of a fixed offset from UTC, rolling, or all of it.
//!
//! Months follow the proleptic Gregorian calendar; a week begins on Monday.

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// The window of a quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    Minute,
    Hour {
        offset_minutes: i32,
    },
    Day {
        offset_minutes: i32,
    },
    Week {
        offset_minutes: i32,
    },
    Month {
        offset_minutes: i32,
    },
    /// The last so many milliseconds.
    Rolling {
        ms: i64,
    },
    /// Since the quota is there.
    Total,
}

impl Window {
    /// When the window that now is in began, Unix milliseconds.
    pub fn begin_ms(self, now_ms: i64) -> i64 {
        let aligned = |offset_minutes: i32, begin: fn(i64) -> i64| {
            let offset_ms = i64::from(offset_minutes).saturating_mul(MINUTE_MS);
            begin(now_ms.saturating_add(offset_ms)).saturating_sub(offset_ms)
        };
        match self {
            Window::Minute => floor(now_ms, MINUTE_MS),
            Window::Hour { offset_minutes } => aligned(offset_minutes, |ms| floor(ms, HOUR_MS)),
            Window::Day { offset_minutes } => aligned(offset_minutes, |ms| floor(ms, DAY_MS)),
            Window::Week { offset_minutes } => aligned(offset_minutes, week),
            Window::Month { offset_minutes } => aligned(offset_minutes, month),
            Window::Rolling { ms } => now_ms.saturating_sub(ms),
            Window::Total => i64::MIN,
        }
    }

    /// The word in rows and requests, without offset or length.
    pub fn as_str(self) -> &'static str {
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
    pub fn from_word(word: &str, offset_minutes: i32, rolling_ms: Option<i64>) -> Option<Self> {
        Some(match word {
            "minute" => Window::Minute,
            "hour" => Window::Hour { offset_minutes },
            "day" => Window::Day { offset_minutes },
            "week" => Window::Week { offset_minutes },
            "month" => Window::Month { offset_minutes },
            "rolling" => Window::Rolling { ms: rolling_ms.filter(|ms| *ms > 0)? },
            "total" => Window::Total,
            _ => return None,
        })
    }
}

fn floor(ms: i64, step: i64) -> i64 {
    ms.saturating_sub(ms.rem_euclid(step))
}

/// 1 January 1970 was a Thursday.
fn week(ms: i64) -> i64 {
    let shift = 3_i64.saturating_mul(DAY_MS);
    floor(ms.saturating_add(shift), 7_i64.saturating_mul(DAY_MS)).saturating_sub(shift)
}

fn month(ms: i64) -> i64 {
    let days = ms.div_euclid(DAY_MS);
    let (_, _, day) = civil(days);
    days.saturating_sub(day.saturating_sub(1)).saturating_mul(DAY_MS)
}

/// Year, month and day of a day since the epoch, by counting in eras of 400 years that begin in March.
#[expect(clippy::arithmetic_side_effects, reason = "days of i64 milliseconds stay far from every border")]
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2024-02-29T23:30:00Z, a Thursday.
    const LEAP: i64 = 1_709_249_400_000;

    #[test]
    fn windows_begin_where_the_calendar_of_their_place_says() {
        let utc = 0;
        let shanghai = 480;
        for (window, expected) in [
            (Window::Minute, LEAP),
            (Window::Hour { offset_minutes: utc }, 1_709_247_600_000),
            (Window::Hour { offset_minutes: 330 }, LEAP),
            (Window::Day { offset_minutes: utc }, 1_709_164_800_000),
            // in Shanghai it is the morning of 1 March
            (Window::Day { offset_minutes: shanghai }, 1_709_222_400_000),
            (Window::Week { offset_minutes: utc }, 1_708_905_600_000),
            (Window::Month { offset_minutes: utc }, 1_706_745_600_000),
            (Window::Month { offset_minutes: shanghai }, 1_709_222_400_000),
            (Window::Rolling { ms: 1_000 }, LEAP - 1_000),
            (Window::Total, i64::MIN),
        ] {
            assert_eq!(window.begin_ms(LEAP), expected, "{window:?}");
        }
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(-1), (1969, 12, 31));
        assert_eq!(civil(19_782), (2024, 2, 29));
    }

    #[test]
    fn a_window_is_read_as_it_is_written() {
        for window in [
            Window::Minute,
            Window::Hour { offset_minutes: 1 },
            Window::Day { offset_minutes: 1 },
            Window::Week { offset_minutes: 1 },
            Window::Month { offset_minutes: 1 },
            Window::Rolling { ms: 5 },
            Window::Total,
        ] {
            assert_eq!(Window::from_word(window.as_str(), 1, Some(5)), Some(window));
        }
        assert_eq!(Window::from_word("rolling", 0, None), None);
        assert_eq!(Window::from_word("year", 0, None), None);
    }
}
