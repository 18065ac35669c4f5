//! Who gets what room there is, and when; the time is given.

use std::{
    sync::atomic::AtomicUsize,
    task::{Wake, Waker},
};

use super::*;
use crate::{
    catalogue::Provider,
    flow::{Bounds, Limits},
    id::Uuid,
    sample,
};

const S: u64 = 1_000_000;

fn team(number: u128) -> Option<TeamId> {
    Some(TeamId(Uuid::from_u128(number)))
}

fn target(bounds: Bounds) -> Arc<Target> {
    Arc::new(Target { limits: Limits::new(bounds), ..sample::target(1) })
}

/// A target that takes so many at once.
fn gated(concurrent: u32) -> Arc<Target> {
    target(Bounds { concurrent: Some(concurrent), ..Bounds::default() })
}

#[derive(Default)]
struct Calls(AtomicUsize);

impl Wake for Calls {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn is_given(turn: &Turn) -> bool {
    matches!(turn, Turn::Given(_))
}

#[test]
fn teams_take_turns_by_what_they_take_whoever_has_more_in_the_line() {
    let cheap = [QUANTUM / 4; 4];
    for (costs, expected) in [
        // equal ones alternate
        ([(1, &[QUANTUM; 3][..]), (2, &[QUANTUM; 3][..])], "121212"),
        // a flood does not go first
        ([(1, &[QUANTUM; 6][..]), (2, &[QUANTUM; 2][..])], "12121111"),
        // four small ones are as much as one large
        ([(1, &cheap[..]), (2, &[QUANTUM; 2][..])], "111122"),
        // a large one waits for as many turns as it is large
        ([(1, &[2 * QUANTUM][..]), (2, &[QUANTUM; 3][..])], "2122"),
    ] {
        let target = gated(1);
        let line = Arc::clone(target.limits.line.as_ref().unwrap());
        let held = target.place(1, 0).unwrap();
        let mut tickets = Vec::new();
        for (number, tokens) in costs {
            for tokens in tokens {
                tickets.push((number, line.join(&target, team(number), *tokens).unwrap()));
            }
        }
        let mut order = String::new();
        let mut held = Some(held);
        while !tickets.is_empty() {
            drop(held.take());
            let given = tickets.iter().position(|(_, ticket)| match ticket.poll(0, Waker::noop()) {
                Turn::Given(place) => {
                    held = Some(place);
                    true
                }
                Turn::Wait { .. } => false,
                Turn::Lost => panic!("nobody has to give way"),
            });
            let (number, _) = tickets.remove(given.unwrap());
            order.push_str(&number.to_string());
        }
        assert_eq!(order, expected, "{costs:?}");
        assert_eq!(line.waiting(), 0);
    }
}

#[test]
fn who_leaves_makes_room_for_the_next_and_wakes_it_also_with_a_place_it_never_fetched() {
    let target = gated(1);
    let line = Arc::clone(target.limits.line.as_ref().unwrap());
    let held = target.place(1, 0).unwrap();
    let calls: [Arc<Calls>; 3] = Default::default();
    let wakers = calls.each_ref().map(|calls| Waker::from(Arc::clone(calls)));
    let counts = || calls.each_ref().map(|calls| calls.0.load(Ordering::SeqCst));
    let tickets: Vec<_> = (0..3).map(|_| line.join(&target, None, 1).unwrap()).collect();
    for (ticket, waker) in tickets.iter().zip(&wakers) {
        assert!(matches!(ticket.poll(0, waker), Turn::Wait { until_us: None }));
    }
    let [first, second, third] = tickets.try_into().unwrap();
    drop(held);
    assert_eq!(counts(), [1, 0, 0], "whoever is in front looks");
    drop(first);
    assert_eq!(counts(), [1, 1, 0], "who went away without looking passes it on");
    assert!(!is_given(&third.poll(0, &wakers[2])), "it was given to the second");
    assert_eq!(counts()[1], 2);
    drop(second);
    assert_eq!(line.waiting(), 1);
    assert!(is_given(&third.poll(0, &wakers[2])));
    assert_eq!(target.limits.left(0).places, Some((1, 1)));
}

#[test]
fn who_waits_for_a_full_model_holds_up_nobody_of_the_team_who_waits_for_another_of_the_provider() {
    let provider = Arc::new(Provider {
        limits: Limits::new(Bounds { concurrent: Some(2), ..Bounds::default() }),
        ..Provider::clone(&sample::target(1).provider)
    });
    let model = |concurrent| {
        let limits = Limits::new(Bounds { concurrent: Some(concurrent), ..Bounds::default() });
        Arc::new(Target { limits, provider: Arc::clone(&provider), ..sample::target(1) })
    };
    let (narrow, wide) = (model(1), model(9));
    let line = Arc::clone(narrow.line().unwrap());
    assert!(Arc::ptr_eq(&line, wide.line().unwrap()), "one line for all of a bounded provider");
    let held = narrow.place(1, 0).unwrap();
    let first = line.join(&narrow, team(1), 1).unwrap();
    let second = line.join(&narrow, team(1), 1).unwrap();
    let other = line.join(&wide, team(1), 1).unwrap();
    let Turn::Given(place) = other.poll(0, Waker::noop()) else { panic!("its own model has room") };
    assert_eq!(line.waiting(), 2);
    let late = line.join(&wide, team(1), 1).unwrap();
    assert!(!is_given(&late.poll(0, Waker::noop())), "the provider is full");
    drop(held);
    assert!(!is_given(&late.poll(0, Waker::noop())), "who came first goes first where both could");
    let Turn::Given(held) = first.poll(0, Waker::noop()) else { panic!("its model has room again") };
    drop(place);
    assert!(is_given(&late.poll(0, Waker::noop())) && !is_given(&second.poll(0, Waker::noop())));
    drop(held);
    assert!(is_given(&second.poll(0, Waker::noop())));
}

#[test]
fn room_that_comes_with_time_is_waited_for_by_the_one_in_front() {
    let target = target(Bounds { requests: Some(60), ..Bounds::default() });
    let line = Arc::clone(target.limits.line.as_ref().unwrap());
    target.limits.requests.as_ref().unwrap().take_many(60, 0).unwrap();
    let [first, second] = [1, 2].map(|number| line.join(&target, team(number), 1).unwrap());
    assert!(matches!(first.poll(0, Waker::noop()), Turn::Wait { until_us: Some(S) }));
    assert!(matches!(second.poll(0, Waker::noop()), Turn::Wait { until_us: None }));
    let calls = Arc::<Calls>::default();
    second.poll(0, &Waker::from(Arc::clone(&calls)));
    assert!(is_given(&first.poll(S, Waker::noop())));
    assert_eq!(calls.0.load(Ordering::SeqCst), 1, "it is in front now, and has to know when to look");
    assert!(
        matches!(second.poll(S, Waker::noop()), Turn::Wait { until_us: Some(until_us) } if until_us == 2 * S)
    );
    drop(first);
    assert!(is_given(&second.poll(2 * S, Waker::noop())));
}

#[test]
fn a_full_line_takes_no_more_of_who_fills_it_but_one_of_everybody_else() {
    let target = gated(1);
    let line = Arc::clone(target.limits.line.as_ref().unwrap());
    let _held = target.place(1, 0).unwrap();
    let mut flood: Vec<_> = (0..LENGTH_MAX).map(|_| line.join(&target, team(1), 1).unwrap()).collect();
    assert!(line.join(&target, team(1), 1).is_none());
    let other = line.join(&target, team(2), 1).unwrap();
    assert_eq!(line.waiting(), LENGTH_MAX);
    let last = flood.pop().unwrap();
    assert!(matches!(last.poll(0, Waker::noop()), Turn::Lost));
    assert!(matches!(other.poll(0, Waker::noop()), Turn::Wait { .. }));
    drop((last, other, flood));
    assert_eq!(line.waiting(), 0);
}
