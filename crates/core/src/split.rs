//! An amount split among several, exactly: the parts add up to the whole to the last nano-dollar.

/// The parts of a whole by these weights, in their order: each its share rounded down, and what is left over one
/// by one to those who lost the most by that, of equals to the first. Equal parts where all weights are 0.
pub fn split(whole: u64, weights: &[u64]) -> Vec<u64> {
    let total: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
    if total == 0 {
        return if weights.is_empty() { Vec::new() } else { split(whole, &vec![1; weights.len()]) };
    }
    let exact = weights.iter().map(|weight| u128::from(whole).saturating_mul(u128::from(*weight)));
    let shares: Vec<(u64, u128)> = exact
        .map(|exact| {
            let share = exact.checked_div(total).and_then(|share| u64::try_from(share).ok());
            (share.unwrap_or_default(), exact.checked_rem(total).unwrap_or_default())
        })
        .collect();
    let mut parts: Vec<u64> = shares.iter().map(|(share, _)| *share).collect();
    let given = parts.iter().fold(0_u64, |sum, part| sum.saturating_add(*part));
    let mut order: Vec<usize> = (0..parts.len()).collect();
    order.sort_by_key(|at| std::cmp::Reverse(shares.get(*at).map(|(_, lost)| *lost)));
    // fewer are left over than there are parts
    let left = usize::try_from(whole.saturating_sub(given)).unwrap_or(usize::MAX);
    for at in order.into_iter().take(left) {
        if let Some(part) = parts.get_mut(at) {
            *part = part.saturating_add(1);
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_left_over_goes_to_those_who_lost_most() {
        for (whole, weights, parts) in [
            (10, &[1, 1, 1][..], vec![4, 3, 3]),
            (10, &[1, 2], vec![3, 7]),
            (10, &[0, 0], vec![5, 5]),
            (7, &[0, 3], vec![0, 7]),
            (0, &[1, 2], vec![0, 0]),
            (5, &[], vec![]),
        ] {
            assert_eq!(split(whole, weights), parts, "{whole} {weights:?}");
        }
    }

    proptest! {
        #[test]
        fn parts_add_up_to_the_whole_and_none_is_off_by_more_than_one(
            whole: u64,
            weights in prop::collection::vec(any::<u64>(), 1..20),
        ) {
            let parts = split(whole, &weights);
            let sum: u128 = parts.iter().map(|part| u128::from(*part)).sum();
            prop_assert_eq!(sum, u128::from(whole));
            let total: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
            for (part, weight) in parts.iter().zip(&weights) {
                let Some(share) = (u128::from(whole) * u128::from(*weight)).checked_div(total) else { continue };
                prop_assert!(u128::from(*part) == share || u128::from(*part) == share + 1);
            }
        }
    }
}
