//! Which target each policy chooses; health, dice and time are given.

use super::{explain::explain, *};
use crate::{
    catalogue::Target,
    fault::{Class, Fault},
    flow::{Bounds, Limits, Scarce, line::LENGTH_MAX},
    health::Seat,
    need::{Ability, Fit, Need, Unfit},
    policy::Policy,
    sample::{ask, route, target, weighted},
};

const S: u64 = 1_000_000;

fn rule(policy: Policy) -> Rule {
    Rule { policy, ..Rule::default() }
}

fn taken(route: &Route, rule: &Rule, ask: &Ask<'_>) -> Option<usize> {
    choose(route, rule, ask, &Tried::default(), &mut Passed::default(), |_| 0).ok().map(|choice| choice.place)
}

fn fail(target: &Target, class: Class, now_us: u64) {
    let mut seat = Seat::take(&target.health, true, Entry::Forced, now_us).unwrap();
    seat.failed(&Fault::new(class, "no"), now_us);
}

/// Gives a target a pace and leaves so many requests under way there.
fn occupy(target: &Target, first_token_us: u64, in_flight: usize) -> Vec<Seat> {
    let mut seats: Vec<_> =
        (0..in_flight.max(1)).map(|_| Seat::take(&target.health, true, Entry::Asked, 0).unwrap()).collect();
    seats[0].first_token(first_token_us);
    seats.truncate(in_flight);
    seats
}

#[test]
fn each_policy_takes_the_best_by_its_own_measure() {
    let route = weighted(&[1, 1, 2]);
    let _seats = [
        occupy(&route.targets[0], 500, 2),
        occupy(&route.targets[1], 900, 1),
        occupy(&route.targets[2], 100, 3),
    ];
    let cost = |target: &Target| [Some(7), Some(5), None][target.provider.name.parse::<usize>().unwrap()];
    let ask = Ask { cost_nano_usd: &cost, ..ask(0) };
    for (policy, rolls, expected) in [
        (Policy::Weighted, [0, 0], 2),
        (Policy::Priority, [0, 0], 0),
        (Policy::LeastBusy, [0, 0], 1),
        (Policy::Cheapest, [0, 0], 1),
        // of the first and the second, of the first and the third, of the third and the second
        (Policy::LeastLatency, [0, 0], 0),
        (Policy::LeastLatency, [0, 1], 2),
        (Policy::LeastLatency, [2, 1], 2),
    ] {
        let mut rolls = rolls.into_iter();
        let choice = choose(&route, &rule(policy), &ask, &Tried::default(), &mut Passed::default(), |_| {
            rolls.next().unwrap()
        });
        assert_eq!(choice.unwrap(), Choice { place: expected, entry: Entry::Asked }, "{policy:?}");
    }
}

#[test]
fn equals_take_turns_by_the_dice() {
    let route = weighted(&[1, 1, 1]);
    for policy in [Policy::LeastBusy, Policy::Cheapest] {
        let by_roll = |roll| {
            choose(&route, &rule(policy), &ask(0), &Tried::default(), &mut Passed::default(), |_| roll)
                .unwrap()
                .place
        };
        assert_eq!([0, 1, 2].map(by_roll), [0, 1, 2], "{policy:?}");
    }
}

#[test]
fn a_tier_is_left_only_when_none_of_it_can_and_weight_zero_comes_last() {
    let in_tier = |number, tier, weight| Target { tier, weight, ..target(number) };
    let route = route([in_tier(0, 0, 0), in_tier(1, 1, 5), in_tier(2, 0, 1)]);
    let order: Vec<_> = route.targets.iter().map(|target| target.provider.name.to_string()).collect();
    assert_eq!(order, ["2", "1", "0"]);
    let mut tried = Tried::default();
    for place in 0..3 {
        let choice =
            choose(&route, &Rule::default(), &ask(0), &tried, &mut Passed::default(), |_| 0).unwrap();
        assert_eq!(choice.place, place);
        tried.add(place);
    }
    assert_eq!(
        choose(&route, &Rule::default(), &ask(0), &tried, &mut Passed::default(), |_| 0),
        Err(Nobody::Exhausted)
    );
}

#[test]
fn what_stands_against_a_target_is_told_and_the_rest_is_offered() {
    let limited = Limits::new(Bounds { requests: Some(1), ..Bounds::default() });
    limited.requests.as_ref().unwrap().take(S).unwrap();
    let blind = Fit { abilities: Some([Ability::Tools].into_iter().collect()), ..Fit::default() };
    let targets = [
        Target { limits: limited, ..target(0) },
        Target { fit: blind, ..target(1) },
        target(2),
        target(3),
        target(4),
        target(5),
    ];
    fail(&targets[2], Class::Credential, S);
    fail(&targets[3], Class::RateLimited, S);
    let route = route(targets);
    let seeing = Need { abilities: [Ability::Vision].into_iter().collect(), ..Need::NOTHING };
    let allowed = |target: &Target| &*target.provider.name != "4";
    let ask = Ask { need: &seeing, may_use: &allowed, ..ask(S) };
    let explained = explain(&route, &Rule::default(), &ask, |_| 0);
    let against: Vec<_> = explained.candidates.iter().map(|candidate| candidate.against).collect();
    let expected = [
        Some(Against::AtLimit { scarce: Scarce::Requests, until_us: Some(61 * S) }),
        Some(Against::Unfit(Unfit::Lacks(Ability::Vision))),
        Some(Against::Shut { until_us: 6 * S }),
        Some(Against::Resting { until_us: 2 * S }),
        Some(Against::Forbidden),
        None,
    ];
    assert_eq!(against, expected);
    assert_eq!(explained.choice, Ok(Choice { place: 5, entry: Entry::Asked }));
    assert_eq!(explained.candidates[0].wait_us, 60 * S);
}

#[test]
fn explaining_changes_nothing() {
    let route = weighted(&[3, 1]);
    let explained: Vec<_> =
        (0..4).map(|_| explain(&route, &Rule::default(), &ask(0), |_| 0).choice.unwrap().place).collect();
    assert_eq!(explained, [0; 4]);
    let chosen: Vec<_> = (0..4).filter_map(|_| taken(&route, &Rule::default(), &ask(0))).collect();
    assert_eq!(chosen, [0, 0, 1, 0]);
}

#[test]
fn the_last_target_is_never_taken_out_and_the_one_that_is_back_soonest_goes_first() {
    let route = weighted(&[1, 1]);
    fail(&route.targets[0], Class::Credential, 2 * S);
    fail(&route.targets[1], Class::Credential, S);
    let forced = Choice { place: 1, entry: Entry::Forced };
    assert_eq!(
        choose(&route, &Rule::default(), &ask(2 * S), &Tried::default(), &mut Passed::default(), |_| 0),
        Ok(forced)
    );
    let mut tried = Tried::default();
    tried.add(0);
    let choice = choose(&route, &Rule::default(), &ask(2 * S), &tried, &mut Passed::default(), |_| 0);
    assert_eq!(choice, Err(Nobody::Shut(forced)), "not at once where another was tried already");
}

#[test]
fn who_asked_to_be_left_alone_is_left_alone() {
    let route = weighted(&[1]);
    fail(&route.targets[0], Class::RateLimited, S);
    let against = Against::Resting { until_us: 2 * S };
    let nobody = choose(&route, &Rule::default(), &ask(S), &Tried::default(), &mut Passed::default(), |_| 0);
    assert_eq!(nobody, Err(Nobody::Until { until_us: 2 * S, against }));
    assert_eq!(taken(&route, &Rule::default(), &ask(2 * S)), Some(0));
}

#[test]
fn a_probe_goes_before_every_policy() {
    let route = weighted(&[1, 1]);
    fail(&route.targets[1], Class::Credential, S);
    assert_eq!(taken(&route, &rule(Policy::Priority), &ask(2 * S)), Some(0));
    assert_eq!(taken(&route, &rule(Policy::Priority), &ask(6 * S)), Some(1));
    let _probe = Seat::take(&route.targets[1].health, true, Entry::Asked, 6 * S).unwrap();
    assert_eq!(taken(&route, &rule(Policy::Priority), &ask(6 * S)), Some(0));
}

#[test]
fn what_begins_alike_stays_together_until_its_target_is_overloaded_or_gone() {
    let route = weighted(&[1, 1, 1]);
    let keeping = Rule { has_affinity: true, ..Rule::default() };
    let at = |key| Ask { affinity: Some(key), ..ask(2 * S) };
    let home = taken(&route, &keeping, &at(7)).unwrap();
    assert!((0..10).all(|_| taken(&route, &keeping, &at(7)) == Some(home)));
    let spread: std::collections::BTreeSet<_> =
        (0..50).filter_map(|key| taken(&route, &keeping, &at(key))).collect();
    assert_eq!(spread.len(), 3);
    let seats = occupy(&route.targets[home], 1, 5);
    assert_ne!(taken(&route, &keeping, &at(7)), Some(home));
    drop(seats);
    fail(&route.targets[home], Class::Credential, S);
    assert_ne!(taken(&route, &keeping, &at(7)), Some(home));
}

#[test]
fn who_has_no_room_is_passed_over_and_where_nobody_has_the_shortest_wait_is_chosen() {
    let bounded = |number, requests, tokens, concurrent| {
        let limits = Limits::new(Bounds { requests, tokens, concurrent });
        Target { limits, ..target(number) }
    };
    let need = Need { input_tokens: 900, output_tokens: Some(100), ..Need::NOTHING };
    let ask = Ask { need: &need, ..ask(S) };
    let route = route([
        bounded(0, Some(12), None, None),
        bounded(1, None, Some(6_000), None),
        bounded(2, None, None, Some(1)),
        bounded(3, None, None, Some(1)),
    ]);
    let against = || -> Vec<_> {
        let explained = explain(&route, &rule(Policy::Priority), &ask, |_| 0);
        explained.candidates.iter().map(|one| one.against.map_or("-", Against::as_str)).collect()
    };
    let chosen =
        || choose(&route, &rule(Policy::Priority), &ask, &Tried::default(), &mut Passed::default(), |_| 0);
    let mut held = Vec::new();
    for (at, expected) in ["at_limit", "out_of_tokens", "full", "full"].into_iter().enumerate() {
        assert_eq!(chosen().unwrap().place, at);
        while let Ok(place) = route.targets[at].place(need.tokens(), S) {
            held.push(place);
        }
        assert_eq!(against()[at], expected);
    }
    let full =
        |place: usize, against| Err(Nobody::Full { choice: Choice { place, entry: Entry::Asked }, against });
    let gate = Against::AtLimit { scarce: Scarce::Concurrent, until_us: None };
    assert_eq!(chosen(), full(2, gate));
    let line = route.targets[2].line().unwrap();
    let _ticket = line.join(&route.targets[2], None, 1).unwrap();
    assert_eq!(chosen(), full(3, gate), "fewer wait there");
    drop(held);
    assert_eq!(against(), ["at_limit", "-", "others_wait", "-"], "what was taken of tokens is given back");
    assert_eq!(chosen().unwrap().place, 1);
    assert!(line.waiting() < LENGTH_MAX);
}

#[test]
fn a_limit_that_has_no_room_for_long_is_not_waited_for() {
    let limits = Limits::new(Bounds { requests: Some(1), ..Bounds::default() });
    let route = route([Target { limits, ..target(0) }]);
    drop(route.targets[0].place(1, S).unwrap());
    let nobody = choose(&route, &Rule::default(), &ask(S), &Tried::default(), &mut Passed::default(), |_| 0);
    let against = Against::AtLimit { scarce: Scarce::Requests, until_us: Some(61 * S) };
    assert_eq!(nobody, Err(Nobody::Until { until_us: 61 * S, against }));
    let later =
        choose(&route, &Rule::default(), &ask(52 * S), &Tried::default(), &mut Passed::default(), |_| 0);
    assert!(matches!(later, Err(Nobody::Full { .. })), "{later:?}");
}

#[test]
fn whom_a_choice_passed_over_is_kept_with_why_up_to_a_bound() {
    let route = route((0..20).map(target));
    let mut passed = Passed::default();
    let mut choose = |tried: &Tried| {
        passed = Passed::default();
        choose(&route, &rule(Policy::Priority), &ask(2 * S), tried, &mut passed, |_| 0).unwrap().place
    };
    assert_eq!(choose(&Tried::default()), 0);
    fail(&route.targets[0], Class::Credential, S);
    fail(&route.targets[2], Class::RateLimited, 2 * S);
    let mut tried = Tried::default();
    tried.add(1);
    assert_eq!(choose(&tried), 3);
    assert_eq!(passed.iter().collect::<Vec<_>>(), [(0, "breaker_open"), (2, "resting")]);
    assert_eq!(passed.more(), 0, "who was tried has an attempt of its own");
    let mut passed = Passed::default();
    (0..20).for_each(|place| passed.add(place, "full"));
    assert_eq!((passed.iter().count(), passed.more()), (8, 12));
}
