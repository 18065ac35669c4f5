//! Several nodes that share one limit, which some of them ask for late, in vain or not at all.

use proptest::prelude::*;

use super::*;
use crate::lease::rate::Rate;

const MINUTE_US: u64 = 60_000_000;
const BEGIN_MS: i64 = 1_800_000_000_000;

/// A node and its part of the limit.
struct Node {
    rates: Arc<Rates>,
    limit: Arc<RateLimit>,
}

impl Node {
    fn new(per_minute: u32) -> Self {
        let (rates, limit) = (Arc::new(Rates::default()), Arc::new(RateLimit::new(per_minute)));
        rates.begin(false);
        limit.share_as(&rates, || "rate".to_owned());
        Self { rates, limit }
    }

    /// A round of asks; where it is lost nobody can say what came of it.
    fn round(&self, rate: &mut Rate, now_us: u64, is_lost: bool) {
        for asked in self.rates.asks(now_us) {
            let answer = rate.ask(&asked.ask, BEGIN_MS + i64::try_from(now_us / 1000).unwrap());
            if is_lost {
                Rates::unanswered(&asked);
            } else {
                Rates::answered(&asked, answer, now_us, now_us);
            }
        }
    }

    /// A call that waits for one round, where that is of use.
    fn call(&self, rate: &mut Rate, units: u64, now_us: u64) -> Result<(), Lack> {
        match self.limit.take_many(units, now_us) {
            Err(Lack::Asked) => {
                self.round(rate, now_us, false);
                self.limit.take_many(units, now_us)
            }
            taken => taken,
        }
    }
}

#[test]
fn of_a_small_limit_each_call_asks_and_all_nodes_together_get_what_there_is() {
    let (nodes, mut rate) = ([Node::new(10), Node::new(10), Node::new(10)], Rate::default());
    let mut served = 0;
    for node in nodes.iter().cycle().take(30) {
        match node.call(&mut rate, 1, 0) {
            Ok(()) => served += 1,
            Err(lack) => assert!(matches!(lack, Lack::For(1..=6_000_000)), "{lack:?}"),
        }
        assert_eq!(node.limit.share.get().unwrap().lock().free(), 0, "nothing is had that nobody waits for");
    }
    assert_eq!(served, 10);
    for node in &nodes {
        // who has heard that there is none does not ask before there is
        let Err(Lack::For(wait_us)) = node.limit.take_many(1, 0) else { panic!("it is used up") };
        assert!(node.limit.take_many(1, wait_us) == Err(Lack::Asked));
    }
}

#[test]
fn what_a_call_waited_for_and_did_not_take_is_had_by_others() {
    let ([one, other], mut rate) = ([Node::new(2), Node::new(2)], Rate::default());
    assert_eq!(one.limit.take_many(2, 0), Err(Lack::Asked));
    one.round(&mut rate, 0, false);
    assert_eq!(other.limit.take_many(1, 0), Err(Lack::Asked));
    other.round(&mut rate, 0, false);
    assert!(matches!(other.limit.take_many(1, 0), Err(Lack::For(_))));
    let later_us = 2 * CALL_MS * 1000;
    one.round(&mut rate, later_us, false);
    other.round(&mut rate, later_us + FRESH_US, false);
    assert_eq!(other.limit.take_many(1, later_us + FRESH_US), Err(Lack::Asked), "it has heard of it");
    other.round(&mut rate, later_us + FRESH_US, false);
    assert_eq!(other.limit.take_many(1, later_us + FRESH_US), Ok(()));
}

#[test]
fn of_a_large_limit_what_is_used_in_a_second_is_had_before_it_is_needed() {
    let (node, mut rate) = (Node::new(60_000), Rate::default());
    let mut asked = 0;
    for at in 0..3_000_u64 {
        let now_us = at * 1_000;
        if at % 100 == 0 {
            node.round(&mut rate, now_us, false);
        }
        if node.limit.take_many(1, now_us).is_err() {
            asked += 1;
            node.round(&mut rate, now_us, false);
            assert_eq!(node.limit.take_many(1, now_us), Ok(()));
        }
    }
    assert!(asked < 200, "{asked} of 3000 calls had to wait");
}

#[test]
fn where_nobody_can_be_asked_a_node_uses_what_it_has_and_then_follows_its_mode() {
    for allows in [false, true] {
        let (node, mut rate) = (Node::new(600), Rate::default());
        node.rates.begin(allows);
        node.call(&mut rate, 1, 0).unwrap();
        node.round(&mut rate, 0, false);
        let had = node.limit.share.get().unwrap().lock().free();
        node.limit.take_many(500, 0).unwrap_err();
        node.rates.stand_alone(true);
        assert_eq!(node.limit.take_many(had, 0), Ok(()));
        assert_eq!(node.limit.take_many(1, 0), if allows { Ok(()) } else { Err(Lack::For(ALONE_US)) });
        assert_eq!(node.rates.alone(), if allows { (0, 1) } else { (1, 0) });
        assert!(node.rates.asks(0).is_empty());
        node.rates.stand_alone(false);
        assert_eq!(node.rates.asks(0).len(), 1);
    }
}

#[test]
fn tokens_are_put_right_for_all_nodes() {
    let ([one, other], mut rate) = ([Node::new(6_000), Node::new(6_000)], Rate::default());
    one.call(&mut rate, 5_000, 0).unwrap();
    assert!(other.call(&mut rate, 2_000, 0).is_err());
    one.limit.correct(5_000, 1_000, 0);
    one.round(&mut rate, 1, false);
    other.round(&mut rate, FRESH_US, false);
    other.call(&mut rate, 4_000, FRESH_US).unwrap();
    one.limit.correct(0, 900, FRESH_US);
    one.round(&mut rate, FRESH_US, true);
    one.round(&mut rate, FRESH_US, false);
    assert!(other.call(&mut rate, 500, FRESH_US).is_err(), "what was used is told until it is heard");
}

#[derive(Clone, Debug)]
enum Step {
    Pass(u64),
    Call(usize),
    Round { node: usize, is_lost: bool },
    Alone(usize, bool),
    Restart(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0u64..400_000).prop_map(Step::Pass),
        8 => (0usize..3).prop_map(Step::Call),
        3 => (0usize..3, prop::bool::weighted(0.1)).prop_map(|(node, is_lost)| Step::Round { node, is_lost }),
        1 => (0usize..3, any::<bool>()).prop_map(|(node, is_alone)| Step::Alone(node, is_alone)),
        1 => (0usize..3).prop_map(Step::Restart),
    ]
}

proptest! {
    /// Of all nodes together no minute sees more than one node alone would let through in it: a minute's worth at
    /// once, and what is replenished meanwhile.
    #[test]
    fn all_nodes_together_never_exceed_the_limit(
        per_minute in prop_oneof![1u32..300, 301u32..3_000],
        steps in prop::collection::vec((step(), 1usize..40), 1..200),
    ) {
        let mut nodes: Vec<Node> = (0..3).map(|_| Node::new(per_minute)).collect();
        let (mut rate, mut now_us, mut served) = (Rate::default(), 0_u64, Vec::new());
        for (step, times) in steps {
            match step {
                Step::Pass(us) => now_us += us,
                Step::Call(at) => for _ in 0..times {
                    if nodes[at].limit.take_many(1, now_us).is_ok() {
                        served.push(now_us);
                    }
                },
                Step::Round { node, is_lost } => nodes[node].round(&mut rate, now_us, is_lost),
                Step::Alone(at, is_alone) => nodes[at].rates.stand_alone(is_alone),
                Step::Restart(at) => nodes[at] = Node::new(per_minute),
            }
        }
        let late_us = if rate::is_leased(per_minute) { 0 } else { CALL_MS * 1000 };
        for (at, first) in served.iter().enumerate() {
            for (more, last) in served[at..].iter().enumerate() {
                let time_us = MINUTE_US + late_us + (last - first);
                let most = (time_us * u64::from(per_minute)).div_ceil(MINUTE_US);
                prop_assert!((more as u64) < most, "{} in {} us", more + 1, last - first);
            }
        }
    }
}
