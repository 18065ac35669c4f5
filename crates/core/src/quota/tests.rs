//! What holds after every step, whatever the steps are.

use std::{collections::HashMap, sync::Mutex};

use proptest::prelude::*;

use super::*;
use crate::{
    id::RequestId,
    lease::{Leases, NodeId},
};

fn quota(number: u128, measure: Measure, limit: u64) -> Quota {
    Quota {
        id: Uuid::from_u128(number),
        name: "q".into(),
        subject: Subject::Platform,
        measure,
        window: Window::Total,
        limit,
        mode: Mode::Hard,
        when_alone: WhenAlone::Node,
    }
}

fn owner(number: u128) -> Owner {
    Owner { request: RequestId(Uuid::from_u128(number)), key: KeyId(Uuid::from_u128(1)), until_ms: 100 }
}

fn cost(cost_nano_usd: u64) -> Amounts {
    Amounts { tokens: 0, cost_nano_usd }
}

#[test]
fn what_fits_is_held_what_is_used_stays_and_the_rest_is_free_again() {
    let budget = quota(1, Measure::CostNanoUsd, 100);
    let mut book = Book::default();
    let reserve = |book: &mut Book, amount| book.reserve([&budget].into_iter(), cost(amount), owner(1), 0);
    let first = reserve(&mut book, 60).unwrap();
    assert!(reserve(&mut book, 41).unwrap_err().is_held);
    let second = reserve(&mut book, 40).unwrap();
    book.settle(first, cost(10), 0);
    book.settle(first, cost(15), 0);
    assert_eq!(book.level(&budget, 0), Level { used: 25, reserved: 75 });
    book.release(first);
    book.release(first);
    book.settle(first, cost(50), 0);
    assert_eq!(book.level(&budget, 0), Level { used: 25, reserved: 40 });
    assert_eq!(book.holders(|id| id == budget.id).len(), 1);
    book.settle(second, cost(90), 0);
    book.release(second);
    assert_eq!(book.level(&budget, 0), Level { used: 115, reserved: 0 }, "more than was held counts too");
    assert!(!reserve(&mut book, 1).unwrap_err().is_held);
}

#[test]
fn all_quotas_of_a_call_are_held_or_none() {
    let (wide, narrow) = (quota(1, Measure::Tokens, 100), quota(2, Measure::Concurrent, 1));
    let soft = Quota { mode: Mode::Soft, ..quota(3, Measure::Requests, 0) };
    let mut book = Book::default();
    let all = || [&wide, &narrow, &soft].into_iter();
    let need = Amounts { tokens: 10, cost_nano_usd: 0 };
    let first = book.reserve(all(), need, owner(1), 0).unwrap();
    assert_eq!(book.reserve(all(), need, owner(2), 0).unwrap_err().quota, narrow.id);
    assert_eq!(book.level(&wide, 0), Level { used: 0, reserved: 10 });
    assert_eq!(book.level(&soft, 0).used, 1, "a soft quota counts and never refuses");
    book.release(first);
    assert!(book.reserve(all(), need, owner(3), 0).is_ok());
}

#[test]
fn a_new_window_is_empty_and_what_is_held_goes_over_into_it() {
    let daily = Quota { window: Window::Day { zone: Zone::fixed(0) }, ..quota(1, Measure::Tokens, 10) };
    let rolling = Quota { window: Window::Rolling { ms: 60_000 }, ..quota(2, Measure::Tokens, 10) };
    let day = 24 * 3_600_000;
    for (quota, later, used) in [(&daily, day, 0), (&rolling, 60_000, 4), (&rolling, 61_000, 0)] {
        let mut book = Book::default();
        let need = Amounts { tokens: 4, cost_nano_usd: 0 };
        let first = book.reserve([quota].into_iter(), need, owner(1), 0).unwrap();
        book.reserve([quota].into_iter(), need, owner(2), 0).unwrap();
        book.settle(first, need, 0);
        assert_eq!(book.level(quota, later), Level { used, reserved: 4 }, "{quota:?} {later}");
    }
}

#[test]
fn a_clock_that_steps_ahead_and_back_empties_no_window() {
    const DAY_MS: i64 = 24 * 3_600_000;
    let now_ms = 20_000 * DAY_MS + DAY_MS / 2;
    let utc = || Zone::fixed(0);
    for (window, ahead_ms) in [
        (Window::Minute, 60_000),
        (Window::Minute, DAY_MS),
        (Window::Hour { zone: utc() }, DAY_MS),
        (Window::Day { zone: utc() }, DAY_MS),
        (Window::Month { zone: utc() }, 40 * DAY_MS),
        (Window::Rolling { ms: 3_600_000 }, DAY_MS),
        (Window::Total, DAY_MS),
    ] {
        let quota = Quota { window: window.clone(), ..quota(1, Measure::Requests, 1000) };
        let mut book = Book::default();
        let mut ask = |count: u64, at_ms: i64| {
            for _ in 0..count {
                book.reserve([&quota].into_iter(), Amounts::default(), owner(1), at_ms).unwrap();
            }
            book.level(&quota, at_ms).used
        };
        assert_eq!(ask(5, now_ms), 5);
        let there = ask(2, now_ms + ahead_ms);
        assert_eq!(there, if window == Window::Total { 7 } else { 2 }, "{window:?}");
        // what was used ahead counts too: nobody can say when that was
        assert_eq!(ask(0, now_ms), 7, "{window:?}");
        assert_eq!(ask(1, now_ms), 8, "{window:?}");
        // and what was used since is not charged to the time ahead
        assert_eq!(ask(0, now_ms + ahead_ms), if window == Window::Total { 8 } else { 2 }, "{window:?}");
    }
}

#[test]
fn what_is_remembered_of_past_windows_is_bounded() {
    let (hour, rolling) = (Window::Hour { zone: Zone::fixed(0) }, Window::Rolling { ms: 3_600_000 });
    for (window, most) in [(hour, 5), (rolling, 125)] {
        let mut cell = super::cell::Cell::new(window.clone());
        (0..10_000).for_each(|minute| cell.use_up(1, minute * 60_000));
        assert!(cell.parts() <= most, "{window:?}: {}", cell.parts());
    }
}

#[test]
fn a_quota_for_users_or_tags_is_for_the_names_that_fit() {
    let tags = ["team:red", "team:blue", "day"].map(Box::from);
    let caller = Caller {
        key: KeyId(Uuid::nil()),
        parent: None,
        team: None,
        alias: "gpt",
        provider: None,
        user: Some("ann"),
        tags: &tags,
    };
    let pattern = |text: &str| Pattern::parse(text).unwrap();
    for (subject, expected) in [
        (Subject::User(pattern("*")), vec!["ann"]),
        (Subject::User(pattern("b*")), vec![]),
        (Subject::Tag(pattern("team:*")), vec!["team:red", "team:blue"]),
        (Subject::Tag(pattern("ann")), vec![]),
    ] {
        let quota = Quota { subject, ..quota(1, Measure::Requests, 1) };
        assert_eq!(quota.names(&caller).collect::<Vec<_>>(), expected, "{quota:?}");
        assert_eq!(quota.is_for(&caller), !expected.is_empty());
        assert!(!quota.is_for(&Caller { user: None, tags: &[], ..caller }));
    }
}

#[test]
fn what_nobody_releases_is_swept_and_what_its_call_still_uses_counts() {
    let budget = quota(1, Measure::CostNanoUsd, 10);
    let mut book = Book::default();
    let late = book.reserve([&budget].into_iter(), cost(10), owner(1), 0).unwrap();
    assert_eq!((book.sweep(99), book.sweep(100), book.sweep(100)), (0, 1, 0));
    assert_eq!(book.level(&budget, 100), Level::default());
    book.settle(late, cost(4), 100);
    book.release(late);
    assert_eq!(book.level(&budget, 100), Level { used: 4, reserved: 0 });
}

#[test]
fn a_call_that_never_ends_is_forgotten_in_the_end() {
    let budget = quota(1, Measure::CostNanoUsd, 10);
    let mut book = Book::default();
    let id = book.reserve([&budget].into_iter(), cost(10), owner(1), 0).unwrap();
    assert_eq!((book.sweep(100), book.sweep(199), book.sweep(200)), (1, 0, 0));
    book.settle(id, cost(4), 200);
    assert_eq!(book.level(&budget, 200), Level::default());
}

#[test]
fn exactly_ten_of_five_hundred_side_by_side_get_what_is_there_for_ten() {
    let budget = quota(1, Measure::CostNanoUsd, 10 * 7);
    let book = Mutex::new(Book::default());
    let admitted: usize = std::thread::scope(|scope| {
        let thread = |thread: u128| {
            let (book, budget) = (&book, &budget);
            move || {
                let attempt = |number| {
                    let admitted =
                        book.lock().unwrap().reserve([budget].into_iter(), cost(7), owner(number), 0);
                    let Ok(id) = admitted else { return false };
                    std::thread::yield_now();
                    book.lock().unwrap().settle(id, cost(7), 0);
                    book.lock().unwrap().release(id);
                    true
                };
                (0..50).filter(|number| attempt(thread * 50 + number)).count()
            }
        };
        let threads: Vec<_> = (0..10).map(|number| scope.spawn(thread(number))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(admitted, 10);
    assert_eq!(book.lock().unwrap().level(&budget, 0), Level { used: 70, reserved: 0 });
}

#[derive(Clone, Debug)]
enum Act {
    Reserve(u64, u64),
    Settle(usize, u64),
    Release(usize),
    Wait(i64),
    Sweep,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        4 => (0_u64..50, 0_u64..50).prop_map(|(tokens, cost)| Act::Reserve(tokens, cost)),
        4 => (any::<usize>(), 0_u64..50).prop_map(|(which, part)| Act::Settle(which, part)),
        2 => any::<usize>().prop_map(Act::Release),
        1 => (0_i64..40).prop_map(Act::Wait),
        1 => Just(Act::Sweep),
    ];
    prop::collection::vec(act, 1..200)
}

proptest! {
    #[test]
    fn settled_and_reserved_are_never_more_than_the_limit_but_for_what_comes_late(acts in acts(), limits: [u8; 3], is_rolling: bool) {
        let [tokens, concurrent, money] = limits.map(u64::from);
        let window = if is_rolling { Window::Rolling { ms: 60 } } else { Window::Total };
        let quotas = [
            Quota { window: window.clone(), ..quota(1, Measure::Tokens, tokens) },
            quota(2, Measure::Concurrent, concurrent % 8),
            Quota { window, ..quota(3, Measure::CostNanoUsd, money) },
        ];
        let mut book = Book::default();
        let mut open: HashMap<usize, (ReservationId, Amounts, i64)> = HashMap::new();
        let (mut now_ms, mut swept_ms) = (0, 0);
        let (mut settled, mut late) = (Amounts::default(), Amounts::default());
        for (at, act) in acts.into_iter().enumerate() {
            let pick = |which: usize| open.keys().copied().nth(which.checked_rem(open.len())?);
            match act {
                Act::Reserve(tokens, cost_nano_usd) => {
                    let need = Amounts { tokens, cost_nano_usd };
                    let owner = Owner { until_ms: now_ms + 30, ..owner(at as u128) };
                    if let Ok(id) = book.reserve(quotas.iter(), need, owner, now_ms) {
                        open.insert(at, (id, need, now_ms + 30));
                    }
                }
                Act::Settle(which, part) => {
                    if let Some((id, left, until_ms)) = pick(which).and_then(|at| open.get_mut(&at)) {
                        let used = Amounts { tokens: part.min(left.tokens), cost_nano_usd: part.min(left.cost_nano_usd) };
                        for sum in [Some(&mut settled), (*until_ms <= swept_ms).then_some(&mut late)].into_iter().flatten() {
                            sum.tokens += used.tokens;
                            sum.cost_nano_usd += used.cost_nano_usd;
                        }
                        left.tokens -= used.tokens;
                        left.cost_nano_usd -= used.cost_nano_usd;
                        book.settle(*id, used, now_ms);
                    }
                }
                Act::Release(which) => {
                    if let Some((id, ..)) = pick(which).and_then(|at| open.remove(&at)) {
                        book.release(id);
                    }
                }
                Act::Wait(ms) => now_ms += ms,
                Act::Sweep => {
                    book.sweep(now_ms);
                    swept_ms = now_ms;
                    // who was late for as long again is forgotten
                    open.retain(|_, (_, _, until_ms)| *until_ms + 30 > now_ms);
                }
            }
            for quota in &quotas {
                let level = book.level(quota, now_ms);
                let beyond = late.used(quota.measure);
                prop_assert!(level.used + level.reserved <= quota.limit + beyond, "{level:?} of {quota:?}");
                if quota.window == Window::Total && quota.measure != Measure::Concurrent {
                    prop_assert_eq!(level.used, settled.used(quota.measure));
                }
            }
        }
        open.into_values().for_each(|(id, ..)| book.release(id));
        book.sweep(i64::MAX);
        book.sweep(i64::MAX);
        for quota in &quotas {
            prop_assert_eq!(book.level(quota, now_ms).reserved, 0);
        }
    }
}

#[test]
fn what_was_used_before_and_what_costs_more_or_less_since_counts_where_it_lies() {
    let day = 24 * 3_600_000;
    let daily = Quota { window: Window::Day { zone: Zone::fixed(0) }, ..quota(1, Measure::CostNanoUsd, 10) };
    let rolling = Quota { window: Window::Rolling { ms: 60_000 }, ..quota(2, Measure::CostNanoUsd, 10) };
    let total = quota(3, Measure::CostNanoUsd, 10);
    let noon = day + day / 2;
    for (quota, at_ms, later_ms, used) in [
        (&daily, day - 1, noon, 0),
        (&daily, day, noon, 5),
        (&daily, day, 2 * day, 0),
        (&rolling, noon - 30_000, noon, 5),
        (&rolling, noon - 30_000, noon + 29_999, 5),
        (&rolling, noon - 30_000, noon + 31_000, 0),
        (&rolling, noon - 61_000, noon, 0),
        (&total, 0, noon, 5),
    ] {
        let mut book = Book::default();
        book.correct(quota, 8, at_ms, noon);
        book.correct(quota, -3, at_ms, noon);
        assert_eq!(book.level(quota, later_ms).used, used, "{quota:?} {at_ms} {later_ms}");
        // in whatever order it is told, less than nothing is never used
        book.correct(quota, -9, at_ms, noon);
        assert_eq!(book.level(quota, noon).used, 0);
    }
}

#[test]
fn while_nobody_is_given_more_because_all_was_lost_calls_go_as_they_do_where_nobody_can_be_asked() {
    for (allows_alone, expected) in [(true, 9), (false, 0)] {
        let shared = quota(1, Measure::Requests, 1_000);
        let mut book = Book::default();
        book.share_as(NodeId(1), allows_alone);
        let mut leases = Leases::closed_until(90_000);
        let mut served = 0;
        for tick in 0..10 {
            book.tick(tick * 100_000);
            if let Ok(id) = book.reserve([&shared].into_iter(), cost(0), owner(1), 0) {
                book.release(id);
                served += 1;
            }
            let (_, asks) = book.asks(0);
            for asked in asks {
                let answer = leases.ask(&asked.ask, 1_000);
                book.answered(&asked, answer, tick * 100_000);
            }
        }
        // the first call asks, and is told
        assert_eq!(served, expected, "{allows_alone}");
        assert_eq!(book.counts().allowed_alone, served);
    }
}
