//! Tells when a quota is getting full: at shares of its limit, and when it is going to be before its window ends.
//!
//! Of a counter and a window each share is told once, the highest of those that were passed at once. Whoever
//! keeps what was told keeps it by [`Alarm::fingerprint`]: after a restart it is told again.

use std::collections::HashMap;

use super::{Level, Measure, Mode, Quota, Window};
use crate::id::{TeamId, Uuid};

/// The shares of the limit, in percent.
pub const PERCENTS: [u64; 3] = [50, 80, 100];
/// So much of the window must be over for a forecast, in percent.
const FORECAST_PERCENT: i64 = 10;
/// The shortest window there are forecasts for.
const FORECAST_MS: i64 = 3_600_000;
/// A quota without windows of a calendar must fall so far below a share to be told of it again, in percent.
const SLACK_PERCENT: u64 = 10;

/// What there is to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// So many percent of the limit are used.
    Reached { percent: u64 },
    /// At this pace so much is used when the window ends.
    Forecast { expected: u64 },
}

impl Sign {
    /// The word in alerts.
    pub fn kind(self) -> &'static str {
        match self {
            Sign::Reached { .. } => "quota.threshold",
            Sign::Forecast { .. } => "quota.forecast",
        }
    }
}

/// One of a quota's counters: its only one, or that of a name.
#[derive(Clone, Copy, Debug)]
pub struct Watched<'a> {
    pub quota: &'a Quota,
    /// The counter's.
    pub id: Uuid,
    pub team: Option<TeamId>,
    pub name: Option<&'a str>,
    pub level: Level,
}

/// Something to tell of a counter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    pub sign: Sign,
    /// The same for the same counter, window, limit and share.
    pub fingerprint: String,
}

/// What was told of a counter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Told {
    begin_ms: i64,
    limit: u64,
    percent: u64,
    is_foreseen: bool,
}

/// Remembers what was told.
#[derive(Debug, Default)]
pub struct Alarms(HashMap<Uuid, Told>);

impl Alarms {
    /// Looks at a counter. Quotas that are only counted are never told of.
    pub fn look(&mut self, watched: &Watched<'_>, now_ms: i64) -> Option<Alarm> {
        let Watched { quota, level, .. } = watched;
        if quota.mode == Mode::Shadow {
            return None;
        }
        let span = quota.window.span(now_ms);
        let is_calendar = quota.window.is_calendar();
        let begin_ms = if is_calendar { span.begin_ms } else { 0 };
        let used = match quota.measure {
            Measure::Concurrent => level.reserved,
            _ => level.used,
        };
        let now = percent(used, quota.limit);
        let told = self.0.entry(watched.id).or_default();
        if (told.begin_ms, told.limit) != (begin_ms, quota.limit) {
            *told = Told { begin_ms, limit: quota.limit, ..Told::default() };
        }
        let reached = PERCENTS.into_iter().filter(|share| now >= *share).max().unwrap_or(0);
        let sign = if reached > told.percent {
            told.percent = reached;
            Sign::Reached { percent: reached }
        } else {
            if !is_calendar && now.saturating_add(SLACK_PERCENT) < told.percent {
                told.percent = reached;
            }
            let expected = forecast(quota, used, now_ms).filter(|expected| *expected > quota.limit)?;
            if used >= quota.limit || std::mem::replace(&mut told.is_foreseen, true) {
                return None;
            }
            Sign::Forecast { expected }
        };
        Some(Alarm { sign, fingerprint: fingerprint(watched, sign, begin_ms, now_ms) })
    }

    /// Forgets counters there are no more.
    pub fn keep(&mut self, is_wanted: impl Fn(Uuid) -> bool) {
        self.0.retain(|id, _| is_wanted(*id));
    }
}

fn fingerprint(watched: &Watched<'_>, sign: Sign, begin_ms: i64, now_ms: i64) -> String {
    let Watched { quota, team, name, .. } = watched;
    let sign = match sign {
        Sign::Reached { percent } => percent.to_string(),
        Sign::Forecast { .. } => "forecast".to_owned(),
    };
    // what goes by no calendar is told at most once an hour
    let hour = now_ms.div_euclid(FORECAST_MS);
    let window = match quota.window {
        Window::Total => "total".to_owned(),
        Window::Rolling { .. } => format!("hour {hour}"),
        _ => format!("{begin_ms}"),
    };
    let team = team.map(|team| team.to_string()).unwrap_or_default();
    format!("quota/{}/{team}/{}/{window}/{}/{sign}", quota.id, name.unwrap_or_default(), quota.limit)
}

fn percent(used: u64, limit: u64) -> u64 {
    if used == 0 {
        return 0;
    }
    let percent = u128::from(used).saturating_mul(100).checked_div(u128::from(limit));
    percent.map_or(u64::MAX, |percent| u64::try_from(percent).unwrap_or(u64::MAX))
}

/// What is used when the window ends, if it goes on as it has; `None` where nobody can say.
fn forecast(quota: &Quota, used: u64, now_ms: i64) -> Option<u64> {
    if !quota.window.is_calendar() || quota.measure == Measure::Concurrent {
        return None;
    }
    let span = quota.window.span(now_ms);
    let length_ms = span.end_ms.saturating_sub(span.begin_ms);
    let elapsed_ms = now_ms.saturating_sub(span.begin_ms);
    let is_early = elapsed_ms.saturating_mul(100) < length_ms.saturating_mul(FORECAST_PERCENT);
    if length_ms < FORECAST_MS || is_early {
        return None;
    }
    let expected = u128::from(used).saturating_mul(u128::try_from(length_ms).ok()?);
    u64::try_from(expected.checked_div(u128::try_from(elapsed_ms).ok()?)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quota::{Subject, WhenAlone, Zone};

    const HOUR_MS: i64 = 3_600_000;
    const DAY_MS: i64 = 24 * HOUR_MS;

    fn quota(window: Window) -> Quota {
        Quota {
            id: Uuid::from_u128(1),
            name: "q".into(),
            subject: Subject::Platform,
            measure: Measure::CostNanoUsd,
            window,
            limit: 1_000,
            mode: Mode::Soft,
            when_alone: WhenAlone::Node,
        }
    }

    fn day() -> Quota {
        quota(Window::Day { zone: Zone::fixed(0) })
    }

    fn look(alarms: &mut Alarms, quota: &Quota, used: u64, now_ms: i64) -> Option<Sign> {
        let level = Level { used, reserved: 0 };
        let watched = Watched { quota, id: quota.id, team: None, name: None, level };
        alarms.look(&watched, now_ms).map(|alarm| alarm.sign)
    }

    fn reached(percent: u64) -> Option<Sign> {
        Some(Sign::Reached { percent })
    }

    #[test]
    fn each_share_is_told_once_a_window_and_the_highest_of_several() {
        let mut alarms = Alarms::default();
        // late in the day, where nothing more is foreseen
        let late = DAY_MS - 1;
        for (used, now_ms, expected) in [
            (499, late, None),
            (500, late, reached(50)),
            (799, late, None),
            (1_500, late, reached(100)),
            (2_000, late, None),
            (900, late + DAY_MS, reached(80)),
            (0, late + 2 * DAY_MS, None),
        ] {
            assert_eq!(look(&mut alarms, &day(), used, now_ms), expected, "{used} at {now_ms}");
        }
    }

    #[test]
    fn a_limit_that_is_another_begins_anew_and_shadow_quotas_are_silent() {
        let mut alarms = Alarms::default();
        let late = DAY_MS - 1;
        assert_eq!(look(&mut alarms, &day(), 1_000, late), reached(100));
        assert_eq!(look(&mut alarms, &Quota { limit: 2_000, ..day() }, 1_000, late), reached(50));
        assert_eq!(look(&mut alarms, &Quota { limit: 0, ..day() }, 1, late), reached(100));
        assert_eq!(look(&mut alarms, &Quota { limit: 0, ..day() }, 0, late + DAY_MS), None);
        assert_eq!(look(&mut alarms, &Quota { mode: Mode::Shadow, ..day() }, 9_000, late), None);
    }

    #[test]
    fn a_quota_that_will_be_used_up_early_is_told_once_when_enough_of_the_window_is_over() {
        let mut alarms = Alarms::default();
        for (used, hours, expected) in [
            (100, 1, None),
            (100, 3, None),
            (200, 3, Some(Sign::Forecast { expected: 1_600 })),
            (300, 4, None),
        ] {
            assert_eq!(look(&mut alarms, &day(), used, hours * HOUR_MS), expected, "{used} after {hours} h");
        }
        let minute = Quota { window: Window::Minute, ..day() };
        assert_eq!(look(&mut Alarms::default(), &minute, 400, 7_000), None);
    }

    #[test]
    fn a_rolling_quota_is_told_of_again_when_it_had_been_well_below() {
        let mut alarms = Alarms::default();
        let rolling = quota(Window::Rolling { ms: HOUR_MS });
        for (used, expected) in
            [(850, reached(80)), (750, None), (850, None), (600, None), (850, reached(80))]
        {
            assert_eq!(look(&mut alarms, &rolling, used, 0), expected, "{used}");
        }
    }

    #[test]
    fn what_is_told_has_a_fingerprint_of_its_counter_window_limit_and_share() {
        let of = |name, used, at_ms, limit| {
            let quota = Quota { limit, ..day() };
            let level = Level { used, reserved: 0 };
            let watched = Watched { quota: &quota, id: quota.id, team: None, name, level };
            Alarms::default().look(&watched, at_ms).unwrap().fingerprint
        };
        let late = DAY_MS - 1;
        let one = of(None, 500, late, 1_000);
        assert_eq!(of(None, 510, late - 1_000, 1_000), one);
        for other in [
            of(Some("ann"), 500, late, 1_000),
            of(None, 800, late, 1_000),
            of(None, 500, late + DAY_MS, 1_000),
            of(None, 550, late, 1_100),
        ] {
            assert_ne!(other, one);
        }
    }
}
