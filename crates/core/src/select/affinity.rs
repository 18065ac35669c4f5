//! Keeping together what begins alike: rendezvous hashing with a bound on load.
//!
//! Every target bids for a key; the highest bid among those that are not overloaded takes it. When a target
//! goes, only its own keys move.

/// How much busier than the mean a target may be and still take a key of its own, in quarters.
const BOUND_QUARTERS: u64 = 5;

/// The bid of a target for a key: the same ones always bid the same, in proportion to weight over all keys.
pub fn bid(key: u64, target: u64, weight: u32) -> f64 {
    let mixed = mix(key ^ mix(target));
    // in (0, 1): 52 bits and a half
    let drawn = ((mixed >> 12) as f64 + 0.5) / (1u64 << 52) as f64;
    f64::from(weight.max(1)) / -drawn.ln()
}

/// Whether one with so much under way, of so many in all among so many targets, may take one more.
pub fn has_room(own: u64, all: u64, targets: u64) -> bool {
    let allowed =
        all.saturating_add(1).saturating_mul(BOUND_QUARTERS).div_ceil(targets.max(1).saturating_mul(4));
    own < allowed
}

/// SplitMix64's finalizer: every bit of the result hangs on every bit given.
fn mix(bits: u64) -> u64 {
    let bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn winner(key: u64, weights: &[u32]) -> usize {
        let bids = weights.iter().enumerate().map(|(at, weight)| (at, bid(key, at as u64 + 1, *weight)));
        bids.max_by(|a, b| a.1.total_cmp(&b.1)).unwrap().0
    }

    #[test]
    fn keys_are_spread_by_weight_and_only_those_of_a_lost_target_move() {
        let mut counts = [0u32; 3];
        for key in 0..10_000 {
            let won = winner(key, &[2, 1, 1]);
            counts[won] += 1;
            if won != 2 {
                assert_eq!(winner(key, &[2, 1]), won);
            }
        }
        assert!(counts[0].abs_diff(5000) < 250 && counts[1].abs_diff(2500) < 250, "{counts:?}");
    }

    #[test]
    fn an_overloaded_target_gives_its_keys_away() {
        for (own, all, targets, expected) in [
            (0, 0, 3, true),
            (1, 1, 3, false),
            (1, 2, 3, true),
            (10, 30, 3, true),
            (13, 30, 3, false),
            (9, 9, 1, true),
        ] {
            assert_eq!(has_room(own, all, targets), expected, "{own} of {all} among {targets}");
        }
    }
}
