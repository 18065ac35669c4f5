//! Teams that share a provider which is short, on a clock that jumps: one of them floods it.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    sync::{Arc, Mutex},
    task::{Wake, Waker},
};

use nexus_core::{
    catalogue::Target,
    flow::{
        Bounds, Limits,
        line::{LENGTH_MAX, Ticket, Turn, WAIT_MAX_US},
        place::Place,
    },
    id::{TeamId, Uuid},
};

use crate::world::{SECOND_US, SeededDice, World};

/// How long an answer takes, on average.
const SERVICE_US: u64 = 100_000;
const TOKENS: u64 = 1_000;

/// A team that sends so many requests a second.
#[derive(Clone, Copy)]
struct Sender {
    team: u128,
    a_second: u64,
}

/// What became of a team's requests.
#[derive(Debug, Default)]
struct Fate {
    sent: u64,
    refused: u64,
    /// From coming to the end of the answer.
    took_us: Vec<u64>,
}

impl Fate {
    fn p99_us(&self) -> u64 {
        let mut sorted = self.took_us.clone();
        sorted.sort_unstable();
        sorted[sorted.len() * 99 / 100]
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Came(usize),
    Done(usize),
    Look(usize),
    TooLate(usize),
}

/// Puts who is woken on a list.
struct Call {
    number: usize,
    woken: Arc<Mutex<Vec<usize>>>,
}

impl Wake for Call {
    fn wake(self: Arc<Self>) {
        self.woken.lock().unwrap().push(self.number);
    }
}

struct Street {
    target: Arc<Target>,
    senders: Vec<Sender>,
    /// Who sent which request, when, and how long its answer takes.
    came: Vec<(usize, u64, u64)>,
    events: BinaryHeap<Reverse<(u64, Event)>>,
    waiting: BTreeMap<usize, Ticket>,
    served: BTreeMap<usize, Place>,
    woken: Arc<Mutex<Vec<usize>>>,
    fates: Vec<Fate>,
    longest: usize,
}

impl Street {
    fn new(bounds: Bounds, senders: Vec<Sender>, dice: &SeededDice, seconds: u64) -> Self {
        let mut world = World::new(1);
        world.add(1, Vec::new());
        let known = world.route();
        let target = Arc::new(Target { limits: Limits::new(bounds), ..Target::clone(&known.targets[0]) });
        let (mut came, mut events) = (Vec::new(), BinaryHeap::new());
        for (sender, Sender { a_second, .. }) in senders.iter().enumerate() {
            for _ in 0..a_second * seconds {
                let at_us = dice.roll(seconds * SECOND_US);
                events.push(Reverse((at_us, Event::Came(came.len()))));
                came.push((sender, at_us, SERVICE_US / 2 + dice.roll(SERVICE_US)));
            }
        }
        let fates = senders.iter().map(|_| Fate::default()).collect();
        let (waiting, served) = (BTreeMap::new(), BTreeMap::new());
        Self { target, senders, came, events, waiting, served, woken: Arc::default(), fates, longest: 0 }
    }

    fn run(mut self) -> Vec<Fate> {
        while let Some(Reverse((now_us, event))) = self.events.pop() {
            match event {
                Event::Came(number) => self.arrive(number, now_us),
                Event::Done(number) => {
                    let (sender, came_us, _) = self.came[number];
                    self.fates[sender].took_us.push(now_us - came_us);
                    drop(self.served.remove(&number));
                }
                Event::Look(number) => self.look(number, now_us),
                Event::TooLate(number) => {
                    if let Some(ticket) = self.waiting.remove(&number) {
                        drop(ticket);
                        self.fates[self.came[number].0].refused += 1;
                    }
                }
            }
            loop {
                let woken = self.woken.lock().unwrap().pop();
                let Some(number) = woken else { break };
                self.look(number, now_us);
            }
            self.longest = self.longest.max(self.target.line().unwrap().waiting());
        }
        assert!(self.waiting.is_empty() && self.served.is_empty(), "everything ends");
        assert!(self.longest <= LENGTH_MAX);
        assert_eq!(self.target.line().unwrap().waiting(), 0);
        self.fates
    }

    /// As a request does it: at once where nobody waits, else through the line.
    fn arrive(&mut self, number: usize, now_us: u64) {
        let sender = self.came[number].0;
        self.fates[sender].sent += 1;
        let line = Arc::clone(self.target.line().unwrap());
        if line.waiting() == 0
            && let Ok(place) = self.target.place(TOKENS, now_us)
        {
            return self.serve(number, place, now_us);
        }
        let team = Some(TeamId(Uuid::from_u128(self.senders[sender].team)));
        match line.join(&self.target, team, TOKENS) {
            Some(ticket) => {
                self.waiting.insert(number, ticket);
                self.events.push(Reverse((now_us + WAIT_MAX_US, Event::TooLate(number))));
                self.look(number, now_us);
            }
            None => self.fates[sender].refused += 1,
        }
    }

    fn look(&mut self, number: usize, now_us: u64) {
        let Some(ticket) = self.waiting.get(&number) else { return };
        let waker = Waker::from(Arc::new(Call { number, woken: Arc::clone(&self.woken) }));
        match ticket.poll(now_us, &waker) {
            Turn::Given(place) => {
                self.waiting.remove(&number);
                self.serve(number, place, now_us);
            }
            Turn::Wait { until_us } => {
                let look = until_us.map(|until_us| Reverse((until_us.max(now_us + 1), Event::Look(number))));
                self.events.extend(look);
            }
            Turn::Lost => {
                self.waiting.remove(&number);
                self.fates[self.came[number].0].refused += 1;
            }
        }
    }

    fn serve(&mut self, number: usize, place: Place, now_us: u64) {
        if let Some(taken) = place.taken() {
            taken.settle(TOKENS, now_us);
        }
        self.served.insert(number, place);
        self.events.push(Reverse((now_us + self.came[number].2, Event::Done(number))));
    }
}

const QUIET: Sender = Sender { team: 2, a_second: 5 };

#[test]
fn a_team_that_floods_a_provider_delays_nobody_but_itself() {
    // sixteen at once for a tenth of a second each, or a hundred and twenty a second by rate
    let gate = Bounds { concurrent: Some(16), ..Bounds::default() };
    let requests = Bounds { requests: Some(7_200), ..Bounds::default() };
    let tokens = Bounds { tokens: Some(7_200_000), ..Bounds::default() };
    for (name, bounds) in [("gate", gate), ("requests", requests), ("tokens", tokens)] {
        let mut worst = 0.0_f64;
        for seed in 0..3 {
            let world = World::new(seed);
            let alone = Street::new(bounds, vec![QUIET], &world.dice, 30).run();
            let flood = Sender { team: 1, a_second: 1_500 };
            let both = Street::new(bounds, vec![flood, QUIET], &world.dice, 30).run();
            let [flooding, quiet] = &both[..] else { panic!("two teams") };
            assert_eq!((quiet.refused, alone[0].refused), (0, 0), "{name} {seed}");
            assert!(flooding.refused > flooding.sent / 2, "{name} {seed}: it sends ten times too much");
            let served = flooding.took_us.len() as u64;
            assert!(served > 50 * 30, "{name} {seed}: what the other leaves is its own: {served}");
            let ratio = quiet.p99_us() as f64 / alone[0].p99_us() as f64;
            assert!(ratio <= 1.5, "{name} {seed}: {ratio}");
            worst = worst.max(ratio);
        }
        println!("{name}: the quiet team's p99 is at most {worst:.2} times what it is alone");
    }
}

#[test]
fn teams_that_all_want_too_much_get_the_same() {
    let bounds = Bounds { concurrent: Some(4), ..Bounds::default() };
    let senders = [(1, 100), (2, 300), (3, 900)].map(|(team, a_second)| Sender { team, a_second });
    let fates = Street::new(bounds, senders.to_vec(), &World::new(7).dice, 30).run();
    let served: Vec<_> = fates.iter().map(|fate| fate.took_us.len()).collect();
    let (least, most) = (served.iter().min().unwrap(), served.iter().max().unwrap());
    assert!(most - least <= most / 20, "{served:?}");
}
