//! A line: where requests wait for room at a provider, and whose turn is next.
//!
//! Deficit round robin over teams: each in turn may take as many tokens as the others, so that who sends ten
//! times as much waits ten times as long and nobody else does. Room is given away under the line's own lock and
//! to those who wait first: nobody who comes later overtakes them. The line is bounded; where it is full, who
//! has the most in it gives way to who has less. Within a team it is first come, first served among those whose own
//! model has room.
//!
//! Nobody waits in here. Who waits outside asks with [`Ticket::poll`], and is woken when asking again may help.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::Waker,
};

use super::{Short, place::Place};
use crate::{catalogue::Target, id::TeamId};

/// The most that wait in one line.
pub const LENGTH_MAX: usize = 1_024;
/// The longest anybody waits, in microseconds.
pub const WAIT_MAX_US: u64 = 10_000_000;
/// What each team may take when its turn comes, in tokens.
const QUANTUM: u64 = 1_024;
/// What one request counts for at most, so that a turn is never many rounds away.
const COST_MAX: u64 = 64 * QUANTUM;

/// One line. Shared by everything that its room is taken from.
#[derive(Debug, Default)]
pub struct Line {
    waiting: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Teams with somebody waiting; whose turn it is stands in front.
    teams: VecDeque<Flow>,
    waiting: usize,
    /// Places that were given and not fetched yet.
    given: HashMap<u64, Place>,
    next_number: u64,
}

/// What one team has in the line.
#[derive(Debug)]
struct Flow {
    team: Option<TeamId>,
    deficit: u64,
    waiting: VecDeque<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    number: u64,
    target: Arc<Target>,
    tokens: u64,
    waker: Option<Waker>,
}

/// Where somebody who waits stands.
#[derive(Debug)]
pub enum Turn {
    /// It is their turn, and this is theirs.
    Given(Place),
    /// Not yet. Asking again may help at this moment, or when the waker is called.
    Wait { until_us: Option<u64> },
    /// They had to give way.
    Lost,
}

impl Line {
    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    /// Joins the line, for a request of so many tokens at this target; `None`: there is no room in it.
    pub fn join(self: &Arc<Self>, target: &Arc<Target>, team: Option<TeamId>, tokens: u64) -> Option<Ticket> {
        let mut state = self.lock();
        let lost = if state.waiting >= LENGTH_MAX { Some(state.make_room(team)?) } else { None };
        let number = state.next_number;
        state.next_number = number.wrapping_add(1);
        state.enter(team, Waiting { number, target: Arc::clone(target), tokens, waker: None });
        self.count(&state);
        drop(state);
        wake(lost.and_then(|lost| lost.waker));
        Some(Ticket { line: Arc::clone(self), team, number })
    }

    /// There may be room again: whoever is in front is told to look.
    pub fn stir(&self) {
        if self.waiting() > 0 {
            let front = self.lock().front();
            wake(front);
        }
    }

    fn count(&self, state: &State) {
        self.waiting.store(state.waiting, Ordering::SeqCst);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wake(wakers: impl IntoIterator<Item = Waker>) {
    wakers.into_iter().for_each(Waker::wake);
}

/// A stand in a line, which is left when this is dropped.
#[derive(Debug)]
#[must_use = "the line is left when this is dropped"]
pub struct Ticket {
    line: Arc<Line>,
    team: Option<TeamId>,
    number: u64,
}

impl Ticket {
    /// Gives away what room there is, by turns, and says whether some of it is ours. The waker is called when it
    /// is worth asking again before the moment that is told.
    pub fn poll(&self, now_us: u64, waker: &Waker) -> Turn {
        let mut state = self.line.lock();
        let before = state.front_number();
        let (until_us, mut told) = state.give_away(now_us);
        self.line.count(&state);
        let turn = match state.given.remove(&self.number) {
            Some(place) => Turn::Given(place),
            None => match state.find(self.team, self.number) {
                Some(waiting) => {
                    waiting.waker = Some(waker.clone());
                    Turn::Wait { until_us: until_us.filter(|_| state.front_number() == Some(self.number)) }
                }
                None => Turn::Lost,
            },
        };
        // who is in front now has to know when to look
        if state.front_number() != before {
            told.extend(state.front());
        }
        drop(state);
        wake(told.into_iter().filter(|told| !told.will_wake(waker)));
        turn
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut state = self.line.lock();
        let given = state.given.remove(&self.number);
        let was_front = state.front_number() == Some(self.number);
        state.leave(self.team, self.number);
        self.line.count(&state);
        let front = state.front().filter(|_| was_front || given.is_some());
        drop(state);
        // it may be the last of something others wait for, so it goes outside the lock
        drop(given);
        wake(front);
    }
}

impl Flow {
    /// Numbers go up within a flow.
    fn place_of(&self, number: u64) -> Option<usize> {
        self.waiting.binary_search_by_key(&number, |waiting| waiting.number).ok()
    }
}

impl State {
    fn enter(&mut self, team: Option<TeamId>, waiting: Waiting) {
        match self.teams.iter_mut().find(|flow| flow.team == team) {
            Some(flow) => flow.waiting.push_back(waiting),
            None => self.teams.push_back(Flow { team, deficit: 0, waiting: [waiting].into() }),
        }
        self.waiting = self.waiting.saturating_add(1);
    }

    /// Takes the last of whoever has the most, if that is more than this team has with one more.
    fn make_room(&mut self, team: Option<TeamId>) -> Option<Waiting> {
        let own = self.teams.iter().find(|flow| flow.team == team).map_or(0, |flow| flow.waiting.len());
        let longest = self.teams.iter_mut().max_by_key(|flow| flow.waiting.len())?;
        if longest.waiting.len() <= own.saturating_add(1) {
            return None;
        }
        self.waiting = self.waiting.saturating_sub(1);
        longest.waiting.pop_back()
    }

    fn find(&mut self, team: Option<TeamId>, number: u64) -> Option<&mut Waiting> {
        let flow = self.teams.iter_mut().find(|flow| flow.team == team)?;
        let at = flow.place_of(number)?;
        flow.waiting.get_mut(at)
    }

    fn leave(&mut self, team: Option<TeamId>, number: u64) {
        let Some(flow) = self.teams.iter_mut().find(|flow| flow.team == team) else { return };
        if let Some(at) = flow.place_of(number) {
            flow.waiting.remove(at);
            self.waiting = self.waiting.saturating_sub(1);
        }
        self.teams.retain(|flow| !flow.waiting.is_empty());
    }

    fn front_number(&self) -> Option<u64> {
        Some(self.teams.front()?.waiting.front()?.number)
    }

    fn front(&self) -> Option<Waker> {
        self.teams.front()?.waiting.front()?.waker.clone()
    }

    /// Gives room to the first of each team whose target has any, in turns, until nobody finds any. Says when there
    /// may be more, and who got something.
    fn give_away(&mut self, now_us: u64) -> (Option<u64>, Vec<Waker>) {
        let (mut soonest_us, mut told, mut in_vain) = (None, Vec::new(), 0);
        while in_vain < self.teams.len() {
            let Some(mut flow) = self.teams.pop_front() else { break };
            match flow.serve(now_us) {
                Served::Given(waiting, place) => {
                    in_vain = 0;
                    self.given.insert(waiting.number, place);
                    self.waiting = self.waiting.saturating_sub(1);
                    told.extend(waiting.waker);
                    match flow.waiting.front().map(|next| cost(next.tokens)) {
                        None => {}
                        Some(next) if next <= flow.deficit => self.teams.push_front(flow),
                        Some(_) => self.teams.push_back(flow),
                    }
                }
                Served::Saves => {
                    in_vain = 0;
                    self.teams.push_back(flow);
                }
                Served::Nothing { until_us } => {
                    in_vain = in_vain.saturating_add(1);
                    soonest_us = soonest_us.into_iter().chain(until_us).min();
                    self.teams.push_back(flow);
                }
            }
        }
        (soonest_us, told)
    }
}

/// What a team gets when its turn comes.
enum Served {
    Given(Waiting, Place),
    /// There is room, and it costs more than the team has saved.
    Saves,
    /// There is no room; there may be at this moment.
    Nothing {
        until_us: Option<u64>,
    },
}

impl Flow {
    /// Gives room to the first whose target has some. Who waits for a model that is full holds up nobody who waits for
    /// another one of the same provider.
    fn serve(&mut self, now_us: u64) -> Served {
        let mut soonest_us: Option<u64> = None;
        let mut full: Vec<*const Target> = Vec::new();
        for at in 0..self.waiting.len() {
            let Some(waiting) = self.waiting.get(at) else { break };
            if full.contains(&Arc::as_ptr(&waiting.target)) {
                continue;
            }
            let lack = match lack(&waiting.target, waiting.tokens, now_us) {
                Some(lack) => lack,
                None => {
                    let cost = cost(waiting.tokens);
                    if self.deficit < cost {
                        self.deficit = self.deficit.saturating_add(QUANTUM);
                        if self.deficit < cost {
                            return Served::Saves;
                        }
                    }
                    match waiting.target.place(waiting.tokens, now_us) {
                        Ok(place) => {
                            let Some(waiting) = self.waiting.remove(at) else { break };
                            self.deficit = self.deficit.saturating_sub(cost);
                            return Served::Given(waiting, place);
                        }
                        // somebody who does not wait was faster
                        Err((whose, short)) => Lack::of(whose, short, now_us),
                    }
                }
            };
            soonest_us = soonest_us.into_iter().chain(lack.until_us).min();
            if lack.is_of_all {
                break;
            }
            full.push(Arc::as_ptr(&waiting.target));
        }
        Served::Nothing { until_us: soonest_us }
    }
}

/// Why there is no room at a target.
struct Lack {
    /// When there may be some; `None`: when somebody is done.
    until_us: Option<u64>,
    /// Whether it is the provider that is short, and with it every target of the line.
    is_of_all: bool,
}

impl Lack {
    /// `whose`: of the target (0), or of its provider (1).
    fn of(whose: usize, short: Short, now_us: u64) -> Self {
        Self { until_us: short.wait_us.map(|wait_us| now_us.saturating_add(wait_us)), is_of_all: whose > 0 }
    }
}

fn lack(target: &Target, tokens: u64, now_us: u64) -> Option<Lack> {
    if let Some(until_us) = target.health.rests_until(now_us) {
        return Some(Lack { until_us: Some(until_us), is_of_all: false });
    }
    let [here, there] = target.shorts(tokens, now_us);
    let lack = |whose| move |short| Lack::of(whose, short, now_us);
    there.map(lack(1)).or_else(|| here.map(lack(0)))
}

/// What a request of so many tokens counts for: something, and never more than a few turns.
fn cost(tokens: u64) -> u64 {
    tokens.clamp(1, COST_MAX)
}

#[cfg(test)]
mod tests;
