//! What somebody uses and when: the models so far, and how often each hour of the day sees any use. In UTC.

use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};

use super::memory::{Reading, Writing};

/// Before so long, everything is new.
pub(super) const LEARNING_MS: i64 = 7 * DAY_MS;
/// An hour with use on less than this share of days is a rare one.
pub(super) const RARE: f64 = 0.05;
const DAY_MS: i64 = 86_400_000;
const HOUR_MS: i64 = 3_600_000;
/// Models remembered; who uses more is told of none.
const MODELS_MAX: usize = 64;
/// How much a day counts among those before.
const DAY_WEIGHT: f32 = 1.0 / 14.0;
/// Whose hours with regular use are more than this has no hours off.
const REGULAR_HOURS_MAX: usize = 18;

fn digest(alias: &str) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(alias)
}

#[derive(Clone, Debug)]
pub(super) struct Habits {
    since_ms: i64,
    /// Digests of their names: enough to tell them apart.
    models: Vec<u64>,
    day: i64,
    /// The hours of today with use, one bit each.
    today: u32,
    /// On which share of days an hour had use.
    hours: [f32; 24],
}

/// The hour of the day.
pub(super) fn hour(at_ms: i64) -> usize {
    usize::try_from(at_ms.div_euclid(HOUR_MS).rem_euclid(24)).unwrap_or_default()
}

impl Habits {
    pub(super) fn since(at_ms: i64) -> Self {
        Self {
            since_ms: at_ms,
            models: Vec::new(),
            day: at_ms.div_euclid(DAY_MS),
            today: 0,
            hours: [0.0; 24],
        }
    }

    /// What tells whether digests are still made as they were.
    pub(super) fn digest_of_nothing() -> u64 {
        digest("")
    }

    pub(super) fn write(&self, out: &mut Writing) {
        out.int(self.since_ms.cast_unsigned());
        out.int(self.models.len() as u64);
        self.models.iter().for_each(|digest| out.int(*digest));
        out.int(self.day.cast_unsigned());
        out.int(self.today.into());
        out.singles(&self.hours);
    }

    pub(super) fn read(bytes: &mut Reading<'_>) -> Option<Self> {
        let since_ms = bytes.int()?.cast_signed();
        let models = bytes.int()?.try_into().ok().filter(|models| *models <= MODELS_MAX)?;
        Some(Self {
            since_ms,
            models: (0..models).map(|_| bytes.int()).collect::<Option<_>>()?,
            day: bytes.int()?.cast_signed(),
            today: bytes.int()?.try_into().ok()?,
            hours: bytes.singles()?,
        })
    }

    fn has_learnt(&self, at_ms: i64) -> bool {
        at_ms.saturating_sub(self.since_ms) >= LEARNING_MS
    }

    /// Whether a model is used for the first time by somebody whose models are known.
    pub(super) fn is_new_model(&mut self, alias: &str, at_ms: i64) -> bool {
        let digest = digest(alias);
        if self.models.contains(&digest) || self.models.len() >= MODELS_MAX {
            return false;
        }
        self.models.push(digest);
        self.has_learnt(at_ms)
    }

    /// On which share of days this hour has use, where that is rare for somebody who is regular.
    pub(super) fn is_off_hours(&mut self, at_ms: i64) -> Option<f64> {
        self.turn(at_ms.div_euclid(DAY_MS));
        let now = hour(at_ms);
        let bit = 1_u32.checked_shl(u32::try_from(now).unwrap_or_default()).unwrap_or_default();
        let is_first = self.today & bit == 0;
        self.today |= bit;
        if !is_first || !self.has_learnt(at_ms) {
            return None;
        }
        let around = [now.saturating_add(23) % 24, now, now.saturating_add(1) % 24];
        let share = around.iter().filter_map(|hour| self.hours.get(*hour)).copied().fold(0.0_f32, f32::max);
        let regular = self.hours.iter().filter(|share| **share > 0.3).count();
        let share = f64::from(share);
        (share < RARE && (1..=REGULAR_HOURS_MAX).contains(&regular)).then_some(share)
    }

    /// Days that are over count; those without any use say nothing of hours.
    fn turn(&mut self, day: i64) {
        if day <= self.day {
            return;
        }
        if self.today != 0 {
            for (at, share) in self.hours.iter_mut().enumerate() {
                let bit = 1_u32.checked_shl(u32::try_from(at).unwrap_or_default()).unwrap_or_default();
                let had_use = if self.today & bit == 0 { 0.0 } else { 1.0 };
                *share += DAY_WEIGHT * (had_use - *share);
            }
        }
        (self.day, self.today) = (day, 0);
    }
}
