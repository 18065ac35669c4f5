//! The arithmetic of the benchmark: CPU time of a process, medians, ratios.
//! Absolute figures do not travel between machines; ratios within one run do, so only those have targets.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// Linux counts CPU time in hundredths of a second, whatever the kernel's own tick.
const TICKS_A_SECOND: f64 = 100.0;

/// What the load generator says of one run.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(crate) struct Load {
    pub requests: u64,
    pub chunks: u64,
    pub errors: u64,
    pub p50_us: f64,
}

/// CPU time so far, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Cpu {
    pub user_s: f64,
    pub system_s: f64,
}

impl Cpu {
    /// Reads a text of `/proc/PID/stat`; all threads are in it.
    pub(crate) fn read(stat: &str) -> Result<Self> {
        // The program's name stands in parentheses and may hold anything, blanks too.
        let (_, rest) = stat.rsplit_once(')').context("no process status")?;
        let field = |index: usize| -> Result<f64> {
            let text = rest.split_whitespace().nth(index).context("a short process status")?;
            Ok(text.parse::<u32>().map(f64::from)? / TICKS_A_SECOND)
        };
        Ok(Self { user_s: field(11)?, system_s: field(12)? })
    }

    pub(crate) fn since(self, before: Self) -> Self {
        Self { user_s: self.user_s - before.user_s, system_s: self.system_s - before.system_s }
    }

    pub(crate) fn total_s(self) -> f64 {
        self.user_s + self.system_s
    }
}

/// One program under one kind of load: medians over the repetitions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Cost {
    /// Per request, or per chunk where the answer is streamed.
    pub user_us: f64,
    pub system_us: f64,
    pub total_us: f64,
    pub p50_us: f64,
}

/// What one repetition measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub cpu: Cpu,
    pub load: Load,
    /// Requests, or chunks.
    pub units: u64,
}

impl Cost {
    pub(crate) fn of(samples: &[Sample]) -> Self {
        let each = |pick: fn(&Sample) -> f64| median(samples.iter().map(pick).collect());
        Self {
            user_us: each(|sample| per_unit(sample.cpu.user_s, sample.units)),
            system_us: each(|sample| per_unit(sample.cpu.system_s, sample.units)),
            total_us: each(Sample::total_us),
            p50_us: each(|sample| sample.load.p50_us),
        }
    }
}

/// One kind of load on both programs, as often as there were rounds.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub kind: &'static str,
    pub unit: &'static str,
    pub gateway: Cost,
    pub pass_through: Cost,
    /// The gateway's CPU a unit against the pass-through's.
    pub cpu: Ratio,
}

/// What one round measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    pub gateway: Sample,
    pub pass_through: Sample,
}

/// The ratios of the rounds. A machine that slows down between two rounds changes none of them much.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Ratio {
    pub median: f64,
    pub lowest: f64,
    pub highest: f64,
}

impl Row {
    pub(crate) fn of(kind: &'static str, unit: &'static str, rounds: &[Round]) -> Self {
        let samples = |pick: fn(&Round) -> Sample| rounds.iter().map(pick).collect::<Vec<_>>();
        let ratios = rounds.iter().map(|round| round.gateway.total_us() / round.pass_through.total_us());
        Self {
            kind,
            unit,
            gateway: Cost::of(&samples(|round| round.gateway)),
            pass_through: Cost::of(&samples(|round| round.pass_through)),
            cpu: Ratio {
                median: median(ratios.clone().collect()),
                lowest: ratios.clone().fold(f64::NAN, f64::min),
                highest: ratios.fold(f64::NAN, f64::max),
            },
        }
    }
}

impl Sample {
    fn total_us(&self) -> f64 {
        per_unit(self.cpu.total_s(), self.units)
    }
}

/// Microseconds a unit.
#[expect(clippy::cast_precision_loss, reason = "counts of a few seconds are far below 2^52")]
fn per_unit(seconds: f64, units: u64) -> f64 {
    if units == 0 { f64::NAN } else { seconds * 1e6 / units as f64 }
}

/// The middle value, the mean of the two middle ones, or NaN where there is none.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match (values.get(middle.wrapping_sub(1)), values.get(middle)) {
        (Some(low), Some(high)) if values.len().is_multiple_of(2) => f64::midpoint(*low, *high),
        (_, Some(value)) => *value,
        _ => f64::NAN,
    }
}

/// A ratio with its target.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Goal {
    pub name: &'static str,
    pub ratio: f64,
    pub at_least: Option<f64>,
    pub at_most: Option<f64>,
}

impl Goal {
    /// A ratio that could not be measured is not met.
    pub(crate) fn is_met(&self) -> bool {
        self.ratio.is_finite()
            && self.at_least.is_none_or(|least| self.ratio >= least)
            && self.at_most.is_none_or(|most| self.ratio <= most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        let cases = [(vec![3.0, 1.0, 2.0], 2.0), (vec![4.0, 1.0], 2.5), (vec![7.0], 7.0)];
        for (values, expected) in cases {
            assert!((median(values.clone()) - expected).abs() < 1e-9, "{values:?}");
        }
        assert!(median(Vec::new()).is_nan());
    }

    #[test]
    fn cpu_time_is_read_past_a_hostile_name() {
        let stat = "42 (a) b (c)) S 1 42 42 0 -1 4194560 100 0 0 0 250 150 0 0 20 0 4 0 99 0 0";
        let cpu = Cpu::read(stat).unwrap();
        assert_eq!(cpu, Cpu { user_s: 2.5, system_s: 1.5 });
        assert_eq!(cpu.since(Cpu { user_s: 0.5, system_s: 0.5 }), Cpu { user_s: 2.0, system_s: 1.0 });
        assert!(Cpu::read("42 (a) S 1").is_err());
    }

    #[test]
    fn a_cost_is_the_median_of_its_repetitions() {
        let sample = |user_s, units| Sample {
            cpu: Cpu { user_s, system_s: 1.0 },
            load: Load { p50_us: 10.0, ..Load::default() },
            units,
        };
        let cost = Cost::of(&[sample(1.0, 100_000), sample(9.0, 100_000), sample(2.0, 100_000)]);
        assert!((cost.user_us - 20.0).abs() < 1e-9 && (cost.system_us - 10.0).abs() < 1e-9);
        assert!((cost.total_us - 30.0).abs() < 1e-9 && (cost.p50_us - 10.0).abs() < 1e-9);
    }

    #[test]
    fn a_ratio_is_that_of_a_round_and_not_of_medians() {
        let sample =
            |user_s| Sample { cpu: Cpu { user_s, system_s: 0.0 }, load: Load::default(), units: 1000 };
        // the machine is three times slower in the last round
        let rounds = [(2.0, 1.0), (2.2, 1.0), (6.6, 3.0)]
            .map(|(gateway, floor)| Round { gateway: sample(gateway), pass_through: sample(floor) });
        let row = Row::of("x", "request", &rounds);
        let Ratio { median, lowest, highest } = row.cpu;
        assert!((median - 2.2).abs() < 1e-9 && (lowest - 2.0).abs() < 1e-9, "{median} {lowest}");
        assert!((highest - 2.2).abs() < 1e-9 && (row.gateway.total_us - 2200.0).abs() < 1e-9, "{highest}");
    }

    #[test]
    fn a_goal_is_met_only_by_a_number_within_it() {
        let goal = |ratio, at_least, at_most| Goal { name: "x", ratio, at_least, at_most }.is_met();
        let cases = [
            (0.7, Some(0.7), None, true),
            (0.69, Some(0.7), None, false),
            (1.0, None, Some(1.0), true),
            (1.01, None, Some(1.0), false),
            (f64::NAN, Some(0.7), None, false),
        ];
        for (ratio, least, most, met) in cases {
            assert_eq!(goal(ratio, least, most), met, "{ratio}");
        }
    }
}
