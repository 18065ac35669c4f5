//! Which credential is drawn, rests, is taken out and comes back; the time is given.

#![expect(clippy::arithmetic_side_effects, reason = "small numbers")]

use proptest::prelude::*;

use super::*;

#[test]
fn a_refused_credential_is_out_until_one_probe_is_answered() {
    let trust = Trust::default();
    assert!(trust.claim("m", 0));
    assert!(trust.refused(Class::Credential, 100), "it is out only now");
    assert!(!trust.refused(Class::Credential, 101), "and those on their way with it say nothing new");
    let due_us = 100 + PROBE_US;
    for (now_us, standing, claims) in [
        (101, Standing::Out { probe_at_us: due_us }, false),
        (due_us - 1, Standing::Out { probe_at_us: due_us }, false),
        (due_us, Standing::Due, true),
        (due_us, Standing::Out { probe_at_us: due_us + PROBE_US }, false),
    ] {
        assert_eq!(trust.standing("m", now_us), standing);
        assert_eq!(trust.claim("m", now_us), claims, "{now_us}");
    }
    assert!(!trust.refused(Class::Credential, due_us + 9), "the probe was refused too");
    let next_us = due_us + 9 + 2 * PROBE_US;
    assert_eq!(trust.standing("n", next_us - 1), Standing::Out { probe_at_us: next_us });
    assert!(trust.claim("n", next_us));
    assert!(trust.accepted(next_us + 1), "it is back");
    assert!(!trust.accepted(next_us + 2));
    assert_eq!(trust.standing("m", next_us + 2), Standing::Good);
    assert_eq!(trust.condition(next_us + 2), Condition::default());
}

#[test]
fn the_wait_for_a_probe_doubles_up_to_its_bound_and_begins_anew_after_an_answer() {
    let trust = Trust::default();
    let mut now_us = 0;
    trust.refused(Class::Billing, now_us);
    for _ in 0..12 {
        let Some(Out { probe_at_us, .. }) = trust.condition(now_us).out else { panic!("it is out") };
        assert!(probe_at_us - now_us <= PROBE_MAX_US);
        now_us = probe_at_us;
        assert!(trust.claim("m", now_us));
        trust.refused(Class::Billing, now_us);
    }
    assert_eq!(trust.standing("m", now_us), Standing::Out { probe_at_us: now_us + PROBE_MAX_US });
    assert!(trust.reset() && !trust.reset());
    trust.refused(Class::Credential, now_us);
    assert_eq!(trust.standing("m", now_us), Standing::Out { probe_at_us: now_us + PROBE_US });
}

#[test]
fn a_rest_is_of_one_model_and_ends_by_itself() {
    let trust = Trust::default();
    trust.limited("m", Some(2_000), 1_000);
    trust.limited("m", Some(500), 1_000);
    assert_eq!(trust.standing("m", 2_999), Standing::Resting { until_us: 3_000 }, "the longer rest counts");
    assert!(!trust.claim("m", 2_999) && trust.claim("n", 2_999) && trust.claim("m", 3_000));
    trust.limited("m", None, 5_000);
    trust.limited("n", Some(u64::MAX), 5_000);
    assert!(!trust.accepted(6_000), "an answer about another model ends no rest");
    let untils: Vec<_> = trust.condition(6_000).rests.iter().map(|rest| rest.until_us).collect();
    assert_eq!(untils, [5_000 + REST_US, 5_000 + REST_MAX_US]);
    for model in 0..2 * RESTS_MAX {
        trust.limited(&model.to_string(), Some(10_000_000), 6_000);
    }
    assert_eq!(trust.condition(6_000).rests.len(), RESTS_MAX);
    assert!(matches!(trust.standing("n", 6_000), Standing::Resting { .. }), "what ends first gives way");
}

#[test]
fn what_is_forgiven_for_one_model_is_the_refusal_and_the_rest_of_that_model() {
    let trust = Trust::default();
    trust.limited("m", Some(2_000), 0);
    trust.limited("n", Some(2_000), 0);
    trust.refused(Class::Credential, 0);
    trust.forgive("m");
    assert_eq!(trust.standing("m", 1), Standing::Good);
    assert_eq!(trust.standing("n", 1), Standing::Resting { until_us: 2_000 });
    trust.forgive("n");
    assert_eq!(trust.condition(1), Condition::default());
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Claim,
    Refuse,
    Limit(u64),
    Accept,
}

proptest! {
    #[test]
    fn out_of_any_history_there_is_a_way_back(
        history in prop::collection::vec((0u64..1 << 30, prop_oneof![
            Just(Event::Claim), Just(Event::Refuse), (0u64..1 << 40).prop_map(Event::Limit), Just(Event::Accept),
        ]), 0..60)
    ) {
        let trust = Trust::default();
        let mut now_us = 0;
        for (step, event) in history {
            now_us += step;
            match event {
                Event::Claim => {
                    let standing = trust.standing("m", now_us);
                    let is_taken = trust.claim("m", now_us);
                    prop_assert_eq!(is_taken, matches!(standing, Standing::Good | Standing::Due));
                }
                Event::Refuse => drop(trust.refused(Class::Credential, now_us)),
                Event::Limit(wait_us) => trust.limited("m", Some(wait_us), now_us),
                Event::Accept => drop(trust.accepted(now_us)),
            }
            let condition = trust.condition(now_us);
            prop_assert!(condition.out.is_none_or(|out| out.probe_at_us <= now_us + PROBE_MAX_US));
        }
        now_us += REST_MAX_US + PROBE_MAX_US;
        prop_assert!(trust.claim("m", now_us));
        trust.accepted(now_us);
        prop_assert_eq!(trust.condition(now_us), Condition::default());
    }
}
