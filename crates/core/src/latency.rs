//! How long things took, counted in steps of half an octave: what quantiles are read from.
//!
//! Counts of two hours, teams or nodes add up, which quantiles themselves do not. A quantile is off by at most
//! the width of its step, a factor of 1.42.

use std::collections::BTreeMap;

/// Steps there are: below a millisecond, then up to beyond nine hours.
pub const STEPS: u8 = 52;

/// The step a time falls into.
pub fn step(us: u64) -> u8 {
    let ms = us.checked_div(1_000).unwrap_or_default();
    let Some(octave) = ms.checked_ilog2() else { return 0 };
    // the upper half of an octave begins at its root of two: ms² ≥ 2^(2·octave + 1)
    let square = u128::from(ms).saturating_mul(u128::from(ms));
    let is_upper =
        square.checked_shr(octave.saturating_mul(2).saturating_add(1)).is_some_and(|above| above > 0);
    let step = octave.saturating_mul(2).saturating_add(1).saturating_add(u32::from(is_upper));
    u8::try_from(step).unwrap_or(u8::MAX).min(STEPS.saturating_sub(1))
}

/// Where a step begins, in whole milliseconds.
fn begin_ms(step: u8) -> u64 {
    let Some(half_octaves) = step.checked_sub(1) else { return 0 };
    // the root of 2^half_octaves, rounded up, so that what is in the step is not below it
    let square = 1_u64.checked_shl(half_octaves.into()).unwrap_or(u64::MAX);
    let root = square.isqrt();
    if root.saturating_mul(root) < square { root.saturating_add(1) } else { root }
}

/// The time, in milliseconds, that so many thousandths of what was counted took at most. `counts` are by step, which
/// may come more than once; `None` where there are none. Within a step times are taken to lie evenly.
pub fn quantile_ms(counts: &[(u8, u64)], per_mille: u64) -> Option<u64> {
    let total = counts.iter().fold(0_u64, |sum, (_, count)| sum.saturating_add(*count));
    if total == 0 {
        return None;
    }
    let rank = total.saturating_mul(per_mille.min(1_000)).div_ceil(1_000).max(1);
    let mut by_step = BTreeMap::<u8, u64>::new();
    for (step, count) in counts {
        let sum = by_step.entry(*step).or_default();
        *sum = sum.saturating_add(*count);
    }
    let mut before = 0_u64;
    for (step, count) in by_step {
        let through = before.saturating_add(count);
        if rank <= through {
            let (begin, end) = (begin_ms(step), begin_ms(step.saturating_add(1)));
            let width = end.saturating_sub(begin);
            let inside = width.saturating_mul(rank.saturating_sub(before));
            return Some(begin.saturating_add(inside.checked_div(count).unwrap_or_default()));
        }
        before = through;
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_time_is_in_the_step_that_begins_before_and_ends_after_it() {
        for (us, expected) in
            [(0, 0), (999, 0), (1_000, 1), (2_000, 3), (3_000, 4), (4_000, 5), (6_000, 6), (1_024_000, 21)]
        {
            assert_eq!(step(us), expected, "{us}");
        }
        assert_eq!(step(u64::MAX), STEPS - 1);
    }

    #[test]
    fn a_quantile_is_of_what_was_counted_and_of_nothing_there_is_none() {
        assert_eq!(quantile_ms(&[], 500), None);
        assert_eq!(quantile_ms(&[(4, 0)], 500), None);
        let hundred: Vec<(u8, u64)> = (1..=100_u64).map(|ms| (step(ms * 1_000), 1)).collect();
        for (per_mille, exact) in [(500, 50), (900, 90), (990, 99), (1_000, 100)] {
            let found = quantile_ms(&hundred, per_mille).unwrap();
            assert!(found * 100 >= exact * 70 && found * 100 <= exact * 142, "{per_mille}: {found}");
        }
    }

    proptest! {
        #[test]
        fn a_longer_time_is_in_no_lower_step(one in any::<u64>(), other in any::<u64>()) {
            prop_assert!(one > other || step(one) <= step(other));
        }

        #[test]
        fn what_is_in_a_step_is_not_below_its_begin(us in 0_u64..30_000_000_000) {
            let step = step(us);
            prop_assert!(us / 1_000 >= begin_ms(step));
            prop_assert!(step == STEPS - 1 || us / 1_000 < begin_ms(step + 1));
        }

        #[test]
        fn a_higher_quantile_is_no_shorter(counts in prop::collection::vec((0_u8..STEPS, 1_u64..9), 1..20), low in 0_u64..=1000, high in 0_u64..=1000) {
            let (low, high) = (low.min(high), low.max(high));
            prop_assert!(quantile_ms(&counts, low) <= quantile_ms(&counts, high));
        }
    }
}
