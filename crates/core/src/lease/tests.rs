//! What holds of leases, whatever happens between nodes and where leases are kept.

use proptest::prelude::*;

use super::*;
use crate::{
    id::{KeyId, RequestId, Uuid},
    quota::{Amounts, Book, Measure, Mode, Owner, Quota, ReservationId, Subject, WhenAlone, Window},
};

const LIMIT: u64 = 100;

fn ask(node: u64, has: u64, used: u64, want: u64) -> Ask {
    Ask {
        node: NodeId(node),
        part_ms: 0,
        since_ms: 0,
        gone_ms: i64::MAX,
        limit: LIMIT,
        has,
        knows: 0,
        tells: false,
        used,
        want,
        is_held: false,
    }
}

#[test]
fn what_one_gives_back_another_may_have_and_never_more_than_there_is() {
    let mut leases = Leases::default();
    let mut has = |ask: Ask| leases.ask(&ask, 0).has;
    assert_eq!(has(ask(1, 0, 0, 60)), 60);
    assert_eq!(has(ask(2, 0, 0, 60)), 40);
    assert_eq!(has(ask(2, 40, 10, 60)), 40, "nothing is taken away");
    assert_eq!(has(ask(1, 60, 20, 20)), 20);
    assert_eq!(has(ask(2, 40, 10, 90)), 80);
    assert_eq!(has(ask(1, 20, 25, 25)), 25, "what is used is used");
    assert_eq!(has(ask(2, 80, 10, 90)), 80);
}

#[test]
fn what_a_dead_node_leased_stays_taken_and_what_it_held_is_free_again() {
    for (is_held, at_ms, left) in
        [(false, LEASE_MS + 1, 40), (true, HELD_LEASE_MS - 1, 40), (true, HELD_LEASE_MS, 100)]
    {
        let mut leases = Leases::default();
        leases.ask(&Ask { is_held, ..ask(1, 0, 0, 60) }, 0);
        let answer = leases.ask(&Ask { is_held, ..ask(2, 0, 0, 100) }, at_ms);
        assert_eq!(answer.has, left, "{is_held} {at_ms}");
    }
}

#[test]
fn after_a_loss_nobody_gets_more_until_all_have_told_what_they_have() {
    let mut leases = Leases::closed_until(1_000);
    assert_eq!(leases.ask(&ask(3, 0, 0, 50), 0).has, 0);
    assert_eq!(leases.ask(&Ask { knows: 90, ..ask(1, 50, 10, 60) }, 0).has, 50);
    assert_eq!(leases.ask(&Ask { knows: 95, ..ask(2, 30, 10, 60) }, 999).has, 30);
    // 15 more were taken by somebody who has not come back
    assert_eq!(
        leases.ask(&ask(3, 0, 0, 50), 1_000),
        Answer { has: 5, taken: 100, taken_in_all: 100, nodes: 3, is_closed: false }
    );
}

#[test]
fn what_a_node_knew_before_others_gave_back_takes_nothing_and_what_the_ledger_says_does() {
    let mut leases = Leases::default();
    leases.ask(&ask(1, 0, 0, 60), 0);
    assert_eq!(
        leases.ask(&ask(2, 0, 0, 50), 0),
        Answer { has: 40, taken: 100, taken_in_all: 100, nodes: 2, is_closed: false }
    );
    leases.ask(&ask(2, 40, 0, 0), 0);
    leases.ask(&ask(1, 60, 0, 0), 0);
    assert_eq!(leases.ask(&Ask { knows: 100, ..ask(2, 0, 0, 50) }, 0).has, 50);
    assert_eq!(leases.ask(&Ask { knows: 90, tells: true, ..ask(3, 0, 0, 50) }, 0).has, 10);
}

#[test]
fn parts_of_a_rolling_window_count_together_until_the_keeper_says_they_are_gone() {
    let part = |part_ms: i64, since_ms: i64, want: u64| Ask {
        part_ms,
        since_ms,
        gone_ms: part_ms + 70,
        ..ask(1, 0, 0, want)
    };
    let mut leases = Leases::default();
    assert_eq!(leases.ask(&part(0, -60, 70), 5).has, 70);
    assert_eq!(leases.ask(&part(10, -50, 70), 15).has, 30);
    // a node whose clock is ahead forgets nothing for the others
    assert_eq!(leases.ask(&part(500, 440, 70), 15).has, 70);
    assert_eq!(
        leases.ask(&part(20, -40, 70), 25),
        Answer { has: 0, taken: 0, taken_in_all: 170, nodes: 0, is_closed: false }
    );
}

#[test]
fn leases_are_read_as_they_are_written_and_nothing_else_is() {
    let mut leases = Leases::closed_until(77);
    leases.ask(&ask(1, 0, 0, 5), 3);
    leases.ask(&Ask { part_ms: i64::MIN, since_ms: i64::MIN, ..ask(u64::MAX, 0, 2, 5) }, 3);
    let text = leases.to_string();
    assert_eq!(text.parse(), Ok(leases));
    for wrong in ["", "lease2 0 0", "lease1 0", "lease1 0 0 0", "lease1 0 0\n1 2", "lease1 0 0\n1 2 3 x 1 1"]
    {
        assert_eq!(wrong.parse::<Leases>(), Err(Unreadable), "{wrong:?}");
    }
}

fn quota(measure: Measure, limit: u64) -> Quota {
    Quota {
        id: Uuid::from_u128(1),
        name: "q".into(),
        subject: Subject::Platform,
        measure,
        window: Window::Total,
        limit,
        mode: Mode::Hard,
        when_alone: WhenAlone::Node,
    }
}

/// What may happen to one of the nodes.
#[derive(Clone, Copy, Debug)]
enum Deed {
    /// It is asked for a call that needs so much.
    Call(u64),
    /// Its oldest call ends, having used a share of what was held, in percent.
    End(u64),
    /// It asks and hears the answer.
    Sync,
    /// It asks and never hears the answer.
    Deaf,
    /// It asks and is not heard.
    Mute,
    /// It dies; another takes its place.
    Die,
    /// Time goes by, in milliseconds.
    Wait(u64),
    /// Its wall clock is set elsewhere.
    Step(i64),
}

fn deeds() -> impl Strategy<Value = (usize, Deed)> {
    let deed = prop_oneof![
        8 => (1u64..30).prop_map(Deed::Call),
        4 => (0u64..=100).prop_map(Deed::End),
        8 => Just(Deed::Sync),
        1 => Just(Deed::Deaf),
        1 => Just(Deed::Mute),
        1 => Just(Deed::Die),
        2 => (0u64..20_000).prop_map(Deed::Wait),
        1 => (-1_000_000i64..1_000_000).prop_map(Deed::Step),
    ];
    (0usize..3, deed)
}

struct Node {
    book: Book,
    open: Vec<(ReservationId, u64)>,
    step_ms: i64,
}

/// Three nodes and where their leases are kept.
struct World {
    nodes: Vec<Node>,
    leases: Leases,
    quota: Quota,
    now_us: u64,
    born: u64,
    /// By all nodes that ever were.
    used: u64,
}

impl World {
    fn new(quota: Quota) -> Self {
        let mut world =
            Self { nodes: Vec::new(), leases: Leases::default(), quota, now_us: 0, born: 0, used: 0 };
        for _ in 0..3 {
            let node = world.bear();
            world.nodes.push(node);
        }
        world
    }

    fn bear(&mut self) -> Node {
        self.born += 1;
        let mut book = Book::default();
        book.share_as(NodeId(self.born), false);
        Node { book, open: Vec::new(), step_ms: 0 }
    }

    fn call(&mut self, at: usize, need: u64) -> bool {
        let (now_us, now_ms) = (self.now_us, self.now_us as i64 / 1000);
        let node = &mut self.nodes[at];
        node.book.tick(now_us);
        let owner = Owner { request: RequestId(Uuid::nil()), key: KeyId(Uuid::nil()), until_ms: i64::MAX };
        let needs = Amounts { tokens: need, cost_nano_usd: 0 };
        let held = node.book.reserve([&self.quota].into_iter(), needs, owner, now_ms + node.step_ms);
        if let Ok(id) = held {
            node.open.push((id, need));
        }
        held.is_ok()
    }

    fn end(&mut self, at: usize, percent: u64) {
        let now_ms = self.now_us as i64 / 1000;
        let node = &mut self.nodes[at];
        if !node.open.is_empty() {
            let (id, need) = node.open.remove(0);
            let tokens = need * percent / 100;
            node.book.settle(id, Amounts { tokens, cost_nano_usd: 0 }, now_ms + node.step_ms);
            node.book.release(id);
            self.used += tokens;
        }
    }

    fn sync(&mut self, at: usize, is_heard: bool, hears: bool) {
        let (now_us, now_ms) = (self.now_us, self.now_us as i64 / 1000);
        let node = &mut self.nodes[at];
        node.book.tick(now_us);
        let (_, asks) = node.book.asks(now_ms + node.step_ms);
        for asked in asks {
            if is_heard {
                let text = self.leases.to_string();
                self.leases = text.parse().unwrap();
                let answer = self.leases.ask(&asked.ask, now_ms);
                if hears {
                    node.book.answered(&asked, answer, now_us);
                }
            }
        }
    }

    fn does(&mut self, at: usize, deed: Deed) {
        match deed {
            Deed::Call(need) => {
                self.call(at, need);
            }
            Deed::End(percent) => self.end(at, percent),
            Deed::Sync => self.sync(at, true, true),
            Deed::Deaf => self.sync(at, true, false),
            Deed::Mute => self.sync(at, false, false),
            Deed::Die => {
                let node = self.bear();
                self.nodes[at] = node;
            }
            Deed::Wait(ms) => self.now_us += ms * 1000,
            Deed::Step(ms) => self.nodes[at].step_ms += ms,
        }
    }

    fn held(&self) -> u64 {
        self.nodes.iter().flat_map(|node| &node.open).map(|(_, need)| need).sum()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn all_nodes_together_never_use_more_than_there_is(
        limit in prop_oneof![0u64..60, 500u64..2_000],
        deeds in prop::collection::vec(deeds(), 1..200),
    ) {
        let mut world = World::new(quota(Measure::Tokens, limit));
        for (at, deed) in deeds {
            world.does(at, deed);
            let all = world.used + world.held();
            prop_assert!(all <= limit, "{all} of {limit} after {deed:?} at {at}");
        }
    }

    #[test]
    fn there_are_never_more_calls_under_way_than_there_may_be(
        limit in 0u64..20,
        deeds in prop::collection::vec(deeds(), 1..200),
    ) {
        let mut world = World::new(quota(Measure::Concurrent, limit));
        for (at, deed) in deeds {
            // whoever cannot renew for longer is as good as dead, and its calls are not
            let deed = if let Deed::Wait(ms) = deed { Deed::Wait(ms / 10) } else { deed };
            world.does(at, deed);
            (0..3).for_each(|at| world.sync(at, true, true));
            let all = world.nodes.iter().map(|node| node.open.len() as u64).sum::<u64>();
            prop_assert!(all <= limit, "{all} of {limit} after {deed:?}");
        }
        let open = world.nodes[0].open.len() as u64;
        world.nodes.drain(1..).for_each(drop);
        world.does(0, Deed::Wait(HELD_LEASE_MS as u64));
        for more in open..limit {
            let is_in = world.call(0, 1) || { world.sync(0, true, true); world.call(0, 1) };
            prop_assert!(is_in, "what the dead held is free: {more} of {limit}");
        }
    }

    #[test]
    fn whoever_waits_for_what_is_there_gets_it(limit in 1u64..5_000, calls in prop::collection::vec(0usize..3, 1..60)) {
        let mut world = World::new(quota(Measure::Requests, limit));
        let mut admitted = 0;
        for at in calls {
            let mut is_in = world.call(at, 1);
            for _ in 0..2 {
                if !is_in {
                    world.sync(at, true, true);
                    is_in = world.call(at, 1);
                }
            }
            admitted += u64::from(is_in);
            // what others have ahead can be a part of what is left
            prop_assert!(is_in || admitted * 2 >= limit, "{admitted} of {limit}");
        }
    }
}

#[test]
fn where_nobody_can_be_asked_each_quota_goes_its_own_way_or_its_nodes() {
    for (says, node_allows, expected) in [
        (WhenAlone::Node, false, false),
        (WhenAlone::Node, true, true),
        (WhenAlone::Refuse, true, false),
        (WhenAlone::Allow, false, true),
    ] {
        let mut book = Book::default();
        book.share_as(NodeId(1), node_allows);
        book.stand_alone(true);
        let quota = Quota { when_alone: says, ..quota(Measure::Requests, 1) };
        let owner = Owner { request: RequestId(Uuid::nil()), key: KeyId(Uuid::nil()), until_ms: i64::MAX };
        let mut reserve = || book.reserve([&quota].into_iter(), Amounts::default(), owner, 0).is_ok();
        // what is let through counts here: by itself the node keeps to the limit
        assert_eq!([reserve(), reserve()], [expected, false], "{says:?} {node_allows}");
        let counts = book.counts();
        let counted = if expected { (0, 1) } else { (2, 0) };
        assert_eq!((counts.refused_alone, counts.allowed_alone), counted);
    }
}
