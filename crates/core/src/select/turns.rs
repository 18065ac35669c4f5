//! Smooth weighted round-robin: targets take turns by weight, and no target comes in bursts.
//!
//! Each time, every target that may be taken gains its weight and the richest pays the sum of them all. Three
//! of weights 5, 1 and 1 come as a a b a c a a.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Where the turns of a route stand, by place.
#[derive(Debug)]
pub struct Turns(Mutex<Box<[i64]>>);

impl Turns {
    pub fn new(places: usize) -> Self {
        Self(Mutex::new(vec![0; places].into()))
    }

    /// Whose turn it is among these places and weights, and lets it pay.
    pub fn take(&self, among: impl Iterator<Item = (usize, u32)>) -> Option<usize> {
        let mut credits = self.lock();
        let mut total = 0i64;
        let mut best: Option<(i64, usize)> = None;
        for (place, weight) in among {
            let weight = i64::from(weight.max(1));
            total = total.saturating_add(weight);
            if let Some(credit) = credits.get_mut(place) {
                *credit = credit.saturating_add(weight);
                if best.is_none_or(|(most, _)| *credit > most) {
                    best = Some((*credit, place));
                }
            }
        }
        let (_, place) = best?;
        if let Some(credit) = credits.get_mut(place) {
            *credit = credit.saturating_sub(total);
        }
        Some(place)
    }

    /// How much this place has coming: what it gains next included.
    pub fn credit(&self, place: usize, weight: u32) -> i64 {
        let credit = self.lock().get(place).copied().unwrap_or_default();
        credit.saturating_add(i64::from(weight.max(1)))
    }

    /// A copy that goes its own way.
    pub fn copy(&self) -> Self {
        Self(Mutex::new(self.lock().clone()))
    }

    fn lock(&self) -> MutexGuard<'_, Box<[i64]>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn turns_are_spread_evenly() {
        let turns = Turns::new(3);
        let taken: Vec<_> =
            (0..14).filter_map(|_| turns.take([(0, 5), (1, 1), (2, 1)].into_iter())).collect();
        assert_eq!(taken, [0, 0, 1, 0, 2, 0, 0, 0, 0, 1, 0, 2, 0, 0]);
        assert_eq!(turns.take(std::iter::empty()), None);
    }

    proptest! {
        #[test]
        fn after_each_full_round_everybody_had_exactly_its_share(weights in prop::collection::vec(1u32..20, 1..10)) {
            let turns = Turns::new(weights.len());
            let mut counts = vec![0u32; weights.len()];
            for _ in 0..weights.iter().sum::<u32>() {
                let among = weights.iter().copied().enumerate();
                counts[turns.take(among).unwrap()] += 1;
            }
            prop_assert_eq!(counts, weights);
        }
    }
}
