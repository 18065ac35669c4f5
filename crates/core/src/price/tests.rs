//! Prices applied: which rate holds, how it is rounded, and what holds of every amount.

use proptest::prelude::*;

use super::*;

fn rates(text: &str) -> Rates {
    Rates::new("r", text.split_whitespace().map(|rate| rate.parse().unwrap()), 0)
}

fn multipliers(ppm: u64) -> [Option<u64>; MULTIPLIERS] {
    let mut multipliers = [None; MULTIPLIERS];
    multipliers[0] = Some(ppm);
    multipliers
}

fn usage(counts: &[(Quantity, u64)]) -> Usage {
    counts.iter().fold(Usage::default(), |usage, (quantity, count)| usage.with(*quantity, *count))
}

#[test]
fn the_rate_that_holds_is_the_tiers_then_the_longest_contexts_then_the_kins() {
    use Quantity::*;
    let rates = rates(
        "input=10 input+200000=20 input@batch=5 output=100 cache_read=1 cache_write_5m=12 output@priority+200000=300",
    );
    for (quantity, tier, prompt_tokens, expected) in [
        (Input, Tier::Standard, 0, Some(10)),
        (Input, Tier::Standard, 199_999, Some(10)),
        (Input, Tier::Standard, 200_000, Some(20)),
        (Input, Tier::Batch, 200_000, Some(5)),
        (Input, Tier::Flex, 0, Some(10)),
        (Output, Tier::Priority, 1, Some(100)),
        (Output, Tier::Priority, 200_000, Some(300)),
        (Reasoning, Tier::Standard, 0, Some(100)),
        (CacheRead, Tier::Standard, 300_000, Some(1)),
        (CacheWrite1h, Tier::Standard, 0, Some(12)),
        (ImageIn, Tier::Standard, 200_000, Some(20)),
        (AudioCacheRead, Tier::Standard, 0, Some(10)),
        (Searches, Tier::Standard, 0, None),
    ] {
        assert_eq!(rates.rate(quantity, tier, prompt_tokens), expected, "{quantity:?} {tier:?}");
    }
    assert_eq!(Rates::new("r", [], 0).rate(Quantity::Reasoning, Tier::Standard, 0), None);
}

#[test]
fn amounts_are_exact_to_the_nano_dollar_and_rounded_once() {
    use Quantity::*;
    let terms = Terms::default();
    let multiplied = |ppm| Terms { multipliers_ppm: multipliers(ppm), ..terms };
    for (text, counts, terms, expected) in [
        ("input=2500000000 output=10000000000", &[(Input, 1000), (Output, 500)][..], terms, 7_500_000),
        ("input=2500000000 cache_read=1250000000", &[(Input, 1), (CacheRead, 1)], terms, 3_750),
        // half a nano-dollar is rounded up, less is not
        ("input=500000", &[(Input, 1)], terms, 1),
        ("input=499999", &[(Input, 1)], terms, 0),
        // two halves are one, not two
        ("input=500000 output=500000", &[(Input, 1), (Output, 1)], terms, 1),
        ("input=1000000", &[(Input, 3)], multiplied(1_500_000), 5),
        ("input=1000000", &[(Input, 3)], multiplied(0), 0),
        ("searches=10000000000000", &[(Searches, 2)], terms, 20_000_000),
    ] {
        let amount = rates(text).charge(&usage(counts), terms);
        assert_eq!(amount, Some(Amount { nano_usd: expected, is_complete: true }), "{text} {counts:?}");
    }
}

#[test]
fn what_has_no_rate_makes_the_amount_incomplete_and_unknown_is_never_zero() {
    let known = rates("input=1000000");
    let counts = usage(&[(Quantity::Input, 2), (Quantity::Searches, 1)]);
    let terms = Terms::default();
    assert_eq!(known.charge(&counts, terms), Some(Amount { nano_usd: 2, is_complete: false }));
    assert_eq!(Price::Unknown.charge(&counts, terms), None);
    assert_eq!(Price::Free.charge(&counts, terms), Some(Amount { nano_usd: 0, is_complete: true }));
    let absurd = usage(&[(Quantity::Input, u64::MAX)]);
    assert_eq!(rates("input=100000000000000000").charge(&absurd, terms), None);
    assert_eq!(
        Rates::new("r", [], 7).charge(&Usage::default(), terms),
        Some(Amount { nano_usd: 7, is_complete: true })
    );
}

#[test]
fn the_price_of_a_moment_is_the_one_in_force_then_as_far_as_it_was_known() {
    let dated = |valid_from_ms, known_from_ms, per_request| Dated {
        kind: Kind::Absolute,
        valid_from_ms,
        known_from_ms,
        price: Price::Known(Arc::new(Rates::new("r", [], per_request))),
        multiplier_ppm: None,
    };
    let prices = [dated(0, 0, 1), dated(100, 150, 2), dated(100, 200, 3)];
    for (moment, known_by, expected) in
        [(50, 999, Some(1)), (100, 100, Some(1)), (100, 150, Some(2)), (100, 200, Some(3)), (-1, 999, None)]
    {
        let price = at(&prices, moment, known_by).map(|dated| dated.price.clone());
        let expected = expected.map(|fee| Price::Known(Arc::new(Rates::new("r", [], fee))));
        assert_eq!(price, expected, "{moment} known by {known_by}");
    }
}

fn some_usage() -> impl Strategy<Value = Usage> {
    prop::collection::vec(0_u64..2_000_000, Quantity::COUNT).prop_map(|counts| {
        Quantity::ALL.into_iter().zip(counts).fold(Usage::default(), |usage, (q, count)| usage.with(q, count))
    })
}

fn some_rates() -> impl Strategy<Value = Rates> {
    prop::collection::vec(0_u64..10_000_000_000_000, Quantity::COUNT).prop_map(|rates| {
        Rates::new("r", Quantity::ALL.into_iter().zip(rates).map(|(q, rate)| Rate::plain(q, rate)), 0)
    })
}

proptest! {
    #[test]
    fn more_usage_never_costs_less(rates in some_rates(), usage in some_usage(), more in some_usage()) {
        let terms = Terms::default();
        let both = rates.charge(&usage.plus(&more), terms).unwrap();
        prop_assert!(both.nano_usd >= rates.charge(&usage, terms).unwrap().nano_usd);
    }

    #[test]
    fn two_parts_cost_what_their_whole_does_but_for_one_rounding(
        rates in some_rates(), usage in some_usage(), more in some_usage(), ppm in 0..=MULTIPLIER_MAX_PPM,
    ) {
        let terms = Terms { multipliers_ppm: multipliers(ppm), ..Terms::default() };
        let charge = |usage: &Usage| rates.charge(usage, terms).unwrap().nano_usd;
        prop_assert!(charge(&usage.plus(&more)).abs_diff(charge(&usage) + charge(&more)) <= 1);
    }

    #[test]
    fn whatever_the_numbers_are_an_amount_is_right_or_absent(
        rates in prop::collection::vec(any::<u64>(), Quantity::COUNT),
        counts in prop::collection::vec(any::<u64>(), Quantity::COUNT),
        multipliers: [Option<u64>; MULTIPLIERS],
    ) {
        let rates = Rates::new("r", Quantity::ALL.into_iter().zip(rates).map(|(q, rate)| Rate::plain(q, rate)), 0);
        let usage = Quantity::ALL.into_iter().zip(counts).fold(Usage::default(), |usage, (q, count)| usage.with(q, count));
        if let Some(amount) = rates.charge(&usage, Terms { multipliers_ppm: multipliers, ..Terms::default() }) {
            prop_assert!(i64::try_from(amount.nano_usd).is_ok() && amount.is_complete);
        }
    }
}
