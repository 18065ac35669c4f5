//! Points in time as signatures write them: `20150830T123600Z`, always UTC.

const DAY_S: u64 = 24 * 60 * 60;

/// Days from 1 March of the year 0 to 1 January 1970, in the proleptic Gregorian calendar.
const DAYS_BEFORE_1970: u64 = 719_468;

/// Days in 400 years.
const ERA_DAYS: u64 = 146_097;

/// Later than any year that is written with four digits is not written.
const LAST_S: u64 = 253_402_300_799;

pub(super) struct Moment {
    year: u64,
    month: u64,
    day: u64,
    second: u64,
}

impl Moment {
    /// Of Unix seconds. Years begin in March here, so that the odd day is a year's last.
    pub(super) fn of(unix_s: u64) -> Self {
        let unix_s = unix_s.min(LAST_S);
        let days = unix_s / DAY_S + DAYS_BEFORE_1970;
        let (era, of_era) = (days / ERA_DAYS, days % ERA_DAYS);
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = era * 400 + year_of_era + u64::from(month <= 2);
        Self { year, month, day, second: unix_s % DAY_S }
    }

    /// `20150830`
    pub(super) fn day(&self) -> String {
        format!("{:04}{:02}{:02}", self.year, self.month, self.day)
    }

    /// `20150830T123600Z`
    pub(super) fn stamp(&self) -> String {
        let (hour, minute, second) = (self.second / 3_600, self.second / 60 % 60, self.second % 60);
        format!("{}T{hour:02}{minute:02}{second:02}Z", self.day())
    }
}

/// Unix seconds of a time written as `2015-08-30T12:36:00Z`, with or without the separators and a fraction
/// of a second, which is left away. `None` if it is no such time, is before 1970 or is not UTC.
pub fn unix_seconds(text: &str) -> Option<u64> {
    let text = text.strip_suffix('Z')?;
    let (text, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits: String = text.chars().filter(|c| !matches!(c, '-' | ':' | 'T')).collect();
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if digits.len() != 14 || !is_number(&digits) || !is_number(fraction) {
        return None;
    }
    let part = |from: usize, to: usize| digits.get(from..to)?.parse::<u64>().ok();
    let (year, month, day) = (part(0, 4)?, part(4, 6)?, part(6, 8)?);
    let (hour, minute, second) = (part(8, 10)?, part(10, 12)?, part(12, 14)?);
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || hour > 23 || minute > 59 || second > 60
    {
        return None;
    }
    let from_march = year - u64::from(month <= 2);
    let month_from_march = if month > 2 { month - 3 } else { month + 9 };
    let of_era = from_march % 400;
    let of_year = (153 * month_from_march + 2) / 5 + day.checked_sub(1)?;
    let days = from_march / 400 * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    let unix_s = days.checked_sub(DAYS_BEFORE_1970)? * DAY_S + hour * 3_600 + minute * 60 + second;
    let written = Moment::of(unix_s);
    (second == 60 || (written.month, written.day) == (month, day)).then_some(unix_s)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_time_is_written_in_utc_by_the_calendar() {
        for (unix_s, expected) in [
            (0, "19700101T000000Z"),
            (1_440_938_160, "20150830T123600Z"),
            (951_782_399, "20000228T235959Z"),
            (951_782_400, "20000229T000000Z"),
            (951_868_800, "20000301T000000Z"),
            (1_709_251_199, "20240229T235959Z"),
            (4_107_542_400, "21000301T000000Z"),
            (LAST_S, "99991231T235959Z"),
            (u64::MAX, "99991231T235959Z"),
        ] {
            assert_eq!(Moment::of(unix_s).stamp(), expected);
        }
    }

    #[test]
    fn only_a_whole_time_in_utc_is_read() {
        for (text, expected) in [
            ("2015-08-30T12:36:00Z", Some(1_440_938_160)),
            ("20150830T123600Z", Some(1_440_938_160)),
            ("2015-08-30T12:36:00.123Z", Some(1_440_938_160)),
            ("2000-02-29T00:00:00Z", Some(951_782_400)),
            ("2001-02-29T00:00:00Z", None),
            ("2015-08-30T12:36:00", None),
            ("2015-08-30T12:36:00+02:00", None),
            ("2015-13-30T12:36:00Z", None),
            ("2015-08-32T12:36:00Z", None),
            ("2015-08-00T12:36:00Z", None),
            ("2015-08-30T24:36:00Z", None),
            ("1969-12-31T23:59:59Z", None),
            ("2015-08-30T12:36:00.Z", None),
            ("Z", None),
            ("", None),
            ("éé-08-30T12:36:00Z", None),
        ] {
            assert_eq!(unix_seconds(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(unix_s in 0..=LAST_S) {
            prop_assert_eq!(unix_seconds(&Moment::of(unix_s).stamp()), Some(unix_s));
        }

        #[test]
        fn any_text_is_a_time_or_none(text in ".{0,30}") {
            let _ = unix_seconds(&text);
        }
    }
}
