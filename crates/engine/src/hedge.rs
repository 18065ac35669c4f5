//! A second attempt beside a first that is slower than usual, at another target, where the route's rule allows it.
//!
//! The first of the two to begin an answer wins, and the other is cancelled at once; both are booked. A second attempt
//! takes from the route's share, from the budget of retries, and from the caller's quotas, or there is none.

use std::{cell::Cell, pin::pin, rc::Rc, sync::Arc, time::Duration};

use nexus_core::{
    catalogue::Target,
    fault::{Fault, Retry},
    select::Choice,
};
use tracing::{Instrument as _, debug_span};

use crate::{
    attempt::{Ready, Served, There, Trip},
    port::Transport,
    shared::Engine,
    stage::{reserve, select::Course},
    world::World,
};

/// Whether another attempt has won; the bills of those that have not are booked as outrun.
#[derive(Clone, Debug, Default)]
pub struct Race(Option<Rc<Cell<bool>>>);

impl Race {
    fn begin() -> Self {
        Self(Some(Rc::default()))
    }

    pub fn is_lost(&self) -> bool {
        self.0.as_ref().is_some_and(|is_lost| is_lost.get())
    }

    fn lose(&self) {
        self.0.iter().for_each(|is_lost| is_lost.set(true));
    }
}

/// An attempt that is ready to go.
pub(crate) struct Runner<'a> {
    pub(crate) choice: Choice,
    pub(crate) there: There<'a>,
    pub(crate) ready: Ready<'a>,
}

/// What a try came to: who answered, or whose fault it was.
pub(crate) type Tried<'a, B> = Result<(Choice, &'a Arc<Target>, Served<B>), (Choice, Fault)>;

/// Tries at one target, or at two where the first takes longer than it usually does.
pub(crate) async fn attempt<'a, T: Transport>(
    engine: &Engine<T>,
    world: &'a World,
    course: &mut Course<'a>,
    first: Runner<'a>,
    trip: &Trip<'_>,
) -> Tried<'a, T::Body> {
    match patience_us(engine, first.there, trip) {
        // boxed: a request's future has no room for two attempts, which few make
        Some(wait_us) => Box::pin(race(engine, world, course, first, wait_us, trip)).await,
        None => {
            let Runner { choice, there, ready } = first;
            won(there, choice, there.attempt(engine, ready, trip, &Race::default()).await)
        }
    }
}

/// Tries at one target, and after this time at another beside it.
async fn race<'a, T: Transport>(
    engine: &Engine<T>,
    world: &'a World,
    course: &mut Course<'a>,
    first: Runner<'a>,
    wait_us: u64,
    trip: &Trip<'_>,
) -> Tried<'a, T::Body> {
    let Runner { choice, there, ready } = first;
    let race = Race::begin();
    let mut one = pin!(there.attempt(engine, ready, trip, &race));
    tokio::select! {
        biased;
        came = &mut one => return won(there, choice, came),
        () = tokio::time::sleep(Duration::from_micros(wait_us)) => {}
    }
    let Some(second) = second(engine, world, course, there, trip).await else {
        return won(there, choice, one.await);
    };
    let Runner { choice: other_choice, there: other, ready } = second;
    let other_race = Race::begin();
    let mut two = pin!(other.attempt(engine, ready, trip, &other_race));
    tokio::select! {
        biased;
        came = &mut one => match came {
            Ok(served) => {
                other_race.lose();
                Ok((choice, there.target, served))
            }
            // it would fail like this everywhere
            Err(fault) if fault.retry() == Retry::Never => {
                other_race.lose();
                Err((choice, fault))
            }
            Err(fault) => {
                course.failed(engine, choice, fault);
                trip.tally.heads_for(&other.backend.meters);
                won(other, other_choice, two.await)
            }
        },
        came = &mut two => match came {
            Ok(served) => {
                race.lose();
                trip.tally.heads_for(&other.backend.meters);
                Ok((other_choice, other.target, served))
            }
            Err(fault) if fault.retry() == Retry::Never => {
                race.lose();
                Err((other_choice, fault))
            }
            Err(fault) => {
                course.failed(engine, other_choice, fault);
                won(there, choice, one.await)
            }
        },
    }
}

fn won<'a, B>(there: There<'a>, choice: Choice, came: Result<Served<B>, Fault>) -> Tried<'a, B> {
    came.map(|served| (choice, there.target, served)).map_err(|fault| (choice, fault))
}

/// How long the first attempt is given before there is a second; `None` where there is none. A request brings its share
/// once, however often it is tried.
fn patience_us<T: Transport>(engine: &Engine<T>, there: There<'_>, trip: &Trip<'_>) -> Option<u64> {
    let to = &there.routed.to;
    if there.routed.asked.is_single() {
        return None;
    }
    let percent = to.rule.conduct.hedge_percent?;
    if trip.attempts.get() == 0 {
        to.route.hedges.arrive(percent);
    }
    let is_stream = there.routed.asked.call.is_stream;
    there.target.health.usual_us(is_stream, engine.shared.clock.monotonic_us())
}

/// Another target that is ready, paid for by everybody who has to. What is not sent costs nothing.
async fn second<'a, T: Transport>(
    engine: &Engine<T>,
    world: &'a World,
    course: &mut Course<'a>,
    first: There<'a>,
    trip: &Trip<'_>,
) -> Option<Runner<'a>> {
    let hedges = &first.routed.to.route.hedges;
    if !hedges.take() {
        return None;
    }
    let Some(choice) = debug_span!("select").in_scope(|| course.beside(engine, world)) else {
        hedges.give_back();
        return None;
    };
    let Some(second) = beside(engine, world, choice, first, trip).await else {
        hedges.give_back();
        engine.shared.retries.give_back();
        return None;
    };
    course.begun(choice);
    Some(Runner { ready: second.ready.passing(course.passed()), ..second })
}

/// What was chosen, with as much held for it again as for the first.
async fn beside<'a, T: Transport>(
    engine: &Engine<T>,
    world: &'a World,
    choice: Choice,
    first: There<'a>,
    trip: &Trip<'_>,
) -> Option<Runner<'a>> {
    let routed = first.routed;
    let (target, backend) = world.stand(&routed.to.route, choice.place).ok()?;
    let held = reserve::beside(routed, world, trip.request, &engine.shared);
    let hold = held.instrument(debug_span!("reserve")).await.ok()?;
    let there = There { routed, target, backend };
    let ready = there.ready(engine, choice, None).await.ok()?.holding(hold);
    Some(Runner { choice, there, ready })
}
