//! How long things took, counted in buckets that grow with the value: quantiles within a sixteenth.
//!
//! Log-linear: eight buckets to each doubling, from 64 microseconds to half an hour. Only buckets that
//! something fell into take memory, so that a quiet second costs a few bytes and a busy one is bounded.

/// Buckets to a doubling.
const STEPS: u64 = 8;
/// Everything shorter, in microseconds, is in the first bucket: 2 to the sixth.
const SHORTEST_BITS: u32 = 6;
/// The number of buckets.
const BUCKETS: usize = 256;

/// Counts by duration.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    /// Sorted by bucket.
    cells: Vec<(u8, u32)>,
}

impl Histogram {
    pub fn record(&mut self, us: u64) {
        let bucket = bucket(us);
        match self.cells.binary_search_by_key(&bucket, |(bucket, _)| *bucket) {
            Ok(at) => {
                if let Some((_, count)) = self.cells.get_mut(at) {
                    *count = count.saturating_add(1);
                }
            }
            Err(at) => self.cells.insert(at, (bucket, 1)),
        }
    }
}

/// Several histograms laid on top of each other.
#[derive(Clone, Debug)]
pub struct Spread {
    counts: [u64; BUCKETS],
    total: u64,
}

impl Default for Spread {
    fn default() -> Self {
        Self { counts: [0; BUCKETS], total: 0 }
    }
}

impl Spread {
    pub fn add(&mut self, histogram: &Histogram) {
        for (bucket, count) in &histogram.cells {
            if let Some(sum) = self.counts.get_mut(usize::from(*bucket)) {
                *sum = sum.saturating_add(u64::from(*count));
                self.total = self.total.saturating_add(u64::from(*count));
            }
        }
    }

    /// How many durations it is of.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The duration, in microseconds, that `per_mille` of all stay at or below; `None` where there is none.
    pub fn quantile_us(&self, per_mille: u64) -> Option<u64> {
        if self.total == 0 {
            return None;
        }
        let rank = self.total.saturating_mul(per_mille).div_ceil(1000).max(1);
        let mut passed = 0u64;
        let bucket = self.counts.iter().position(|count| {
            passed = passed.saturating_add(*count);
            passed >= rank
        })?;
        Some(middle_us(bucket as u64))
    }
}

fn bucket(us: u64) -> u8 {
    let bits = us.max(1).ilog2();
    let Some(doublings) = bits.checked_sub(SHORTEST_BITS) else { return 0 };
    // the three bits behind the leading one say which of the eight steps it is
    let step = us.checked_shr(bits.saturating_sub(3)).unwrap_or_default() % STEPS;
    let number = u64::from(doublings).saturating_mul(STEPS).saturating_add(step).saturating_add(1);
    u8::try_from(number).unwrap_or(u8::MAX)
}

/// The middle of a bucket, in microseconds.
fn middle_us(bucket: u64) -> u64 {
    let Some(number) = bucket.checked_sub(1) else { return 1 << (SHORTEST_BITS - 1) };
    let (doublings, step) = (number / STEPS, number % STEPS);
    let width =
        1u64.checked_shl(u32::try_from(doublings).unwrap_or(u32::MAX).saturating_add(3)).unwrap_or(u64::MAX);
    width.saturating_mul(STEPS.saturating_add(step)).saturating_add(width / 2)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quantiles_are_read_from_what_was_laid_together() {
        let (mut fast, mut slow, mut spread) =
            (Histogram::default(), Histogram::default(), Spread::default());
        assert_eq!(spread.quantile_us(500), None);
        (0..90).for_each(|_| fast.record(1_000));
        (0..10).for_each(|_| slow.record(1_000_000));
        spread.add(&fast);
        spread.add(&slow);
        let near = |per_mille, expected: u64| {
            let found = spread.quantile_us(per_mille).unwrap();
            assert!(found.abs_diff(expected) <= expected / 15, "{per_mille}: {found} for {expected}");
        };
        near(500, 1_000);
        near(900, 1_000);
        near(901, 1_000_000);
        near(990, 1_000_000);
    }

    proptest! {
        #[test]
        fn a_duration_is_told_within_a_sixteenth(us in 64u64..1_800_000_000) {
            let (mut one, mut spread) = (Histogram::default(), Spread::default());
            one.record(us);
            spread.add(&one);
            let found = spread.quantile_us(500).unwrap();
            prop_assert!(found.abs_diff(us) <= us / 16 + 1, "{found} for {us}");
        }

        #[test]
        fn memory_is_bounded_whatever_is_recorded(durations in prop::collection::vec(any::<u64>(), 0..600)) {
            let mut histogram = Histogram::default();
            durations.iter().for_each(|us| histogram.record(*us));
            prop_assert!(histogram.cells.len() <= BUCKETS);
        }
    }
}
