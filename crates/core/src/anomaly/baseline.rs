//! What is usual of one number: a mean and a deviation that follow slowly, and the highest at each hour of the day.
//!
//! A value far off moves neither far: what happens once does not become usual, what goes on does in the end.

use super::memory::{Reading, Writing};

/// How fast the mean follows: by half in about forty minutes.
const PACE: f64 = 1.0 / 60.0;
/// Minutes with a value before anything is compared.
const WARM_UP: u32 = 120;
/// So many deviations, and so many times the usual, is too much.
const DEVIATIONS: f64 = 8.0;
const TIMES: f64 = 4.0;
/// A value counts as at most so many deviations off.
const CLIP: f64 = 4.0;
/// How much of an hour's highest is still expected a day later.
const PEAK_KEPT: f32 = 0.8;

#[derive(Clone, Debug)]
pub(super) struct Baseline {
    mean: f64,
    deviation: f64,
    minutes: u32,
    /// The highest at each hour of the day, less each day.
    peaks: [f32; 24],
    hour: usize,
    /// The highest of the hour under way.
    now: f32,
}

impl Default for Baseline {
    fn default() -> Self {
        Self { mean: 0.0, deviation: 0.0, minutes: 0, peaks: [0.0; 24], hour: 0, now: 0.0 }
    }
}

impl Baseline {
    pub(super) fn write(&self, out: &mut Writing) {
        out.double(self.mean);
        out.double(self.deviation);
        out.int(self.minutes.into());
        out.singles(&self.peaks);
        out.int(self.hour as u64);
        out.singles(&[self.now]);
    }

    pub(super) fn read(bytes: &mut Reading<'_>) -> Option<Self> {
        Some(Self {
            mean: bytes.double()?,
            deviation: bytes.double()?,
            minutes: bytes.int()?.try_into().ok()?,
            peaks: bytes.singles()?,
            hour: bytes.int()?.try_into().ok().filter(|hour| *hour < 24)?,
            now: bytes.singles::<1>()?[0],
        })
    }

    /// Whether there is something to compare with.
    pub(super) fn is_known(&self) -> bool {
        self.minutes >= WARM_UP
    }

    pub(super) fn mean(&self) -> f64 {
        self.mean
    }

    /// Beyond what it is too much: never below `least`, and `cap` while nothing is known.
    pub(super) fn upper(&self, least: f64, cap: f64) -> f64 {
        if !self.is_known() {
            return cap;
        }
        let peak = f64::from(self.peak());
        (self.mean + DEVIATIONS * self.deviation).max(TIMES * self.mean.max(peak)).max(least)
    }

    /// Of a share: so much more than usual, and so much at all.
    pub(super) fn upper_share(&self, more: f64, least: f64) -> f64 {
        if !self.is_known() { 1.0 } else { (self.mean + more.max(4.0 * self.deviation)).max(least) }
    }

    /// What this hour or the next one came to on the days before; people come early.
    fn peak(&self) -> f32 {
        let next = self.hour.saturating_add(1) % 24;
        [self.hour, next]
            .iter()
            .filter_map(|hour| self.peaks.get(*hour))
            .fold(self.now, |most, peak| most.max(*peak))
    }

    /// A minute of this hour came to this.
    pub(super) fn learn(&mut self, value: f64, hour: usize) {
        self.enter(hour);
        let usual = if !self.is_known() {
            f64::INFINITY
        } else {
            CLIP * self.deviation.max(0.1 * self.mean).max(1.0)
        };
        let off = (value - self.mean).clamp(-usual, usual);
        let believed = self.mean + off;
        // at first the mean is that of all so far
        let pace = PACE.max(1.0 / f64::from(self.minutes.saturating_add(1)));
        self.mean += pace * off;
        self.deviation += pace * (off.abs() - self.deviation);
        self.minutes = self.minutes.saturating_add(1);
        #[expect(clippy::cast_possible_truncation, reason = "a peak is no matter of the 25th bit")]
        let believed = believed as f32;
        self.now = self.now.max(believed);
    }

    /// So many minutes came to nothing.
    pub(super) fn rest(&mut self, minutes: u32, hour: usize) {
        let kept = (1.0 - PACE).powi(i32::try_from(minutes).unwrap_or(i32::MAX));
        self.mean *= kept;
        self.deviation *= kept;
        self.enter(hour);
    }

    /// It is this hour of the day now.
    pub(super) fn enter(&mut self, hour: usize) {
        if hour == self.hour {
            return;
        }
        if let Some(peak) = self.peaks.get_mut(self.hour) {
            *peak = self.now.max(*peak * PEAK_KEPT);
        }
        (self.hour, self.now) = (hour, 0.0);
    }
}
