//! How one credential of a provider fares: taken out when it is refused, at rest when it is asked to wait.
//!
//! What is out comes back with the first answer to a probe, and one request at a time is a probe. A rest is of one
//! model only, because vendors limit by model. Everything else about a credential is decided elsewhere.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use crate::fault::Class;

/// Until the first probe after a refusal; it doubles with each probe that is refused, up to [`PROBE_MAX_US`].
pub const PROBE_US: u64 = 5_000_000;
pub const PROBE_MAX_US: u64 = 300_000_000;
/// A rest of which the provider does not say how long.
pub const REST_US: u64 = 1_000_000;
/// No rest is longer, whatever the provider says.
pub const REST_MAX_US: u64 = 3_600_000_000;
/// Models whose rests are remembered at once; beyond it the one that ends first is forgotten.
const RESTS_MAX: usize = 64;

/// Where one credential stands. Shared by all workers; times are of one clock that never runs backwards.
#[derive(Debug, Default)]
pub struct Trust {
    /// Whether there is nothing to remember, which is nearly always.
    is_troubled: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    out: Option<Out>,
    rests: Vec<Rest>,
}

/// A credential that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Out {
    pub reason: Class,
    pub since_us: u64,
    /// When one request may try it.
    pub probe_at_us: u64,
    /// From a probe to the next.
    wait_us: u64,
}

/// A model that is asked for no more until then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rest {
    pub model: Box<str>,
    pub until_us: u64,
}

/// Whether a credential takes a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Good,
    /// Out, and the time for a probe has come.
    Due,
    Out {
        probe_at_us: u64,
    },
    Resting {
        until_us: u64,
    },
}

/// What a credential has come to, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    pub out: Option<Out>,
    pub rests: Vec<Rest>,
}

impl Trust {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it takes a request for this model.
    pub fn standing(&self, model: &str, now_us: u64) -> Standing {
        if !self.is_troubled.load(Ordering::Relaxed) {
            return Standing::Good;
        }
        self.state().standing(model, now_us)
    }

    /// Takes it for a request, if it still takes one; of those who would probe it, one gets it.
    pub fn claim(&self, model: &str, now_us: u64) -> bool {
        if !self.is_troubled.load(Ordering::Relaxed) {
            return true;
        }
        let mut state = self.state();
        match (state.standing(model, now_us), &mut state.out) {
            (Standing::Good, _) => true,
            (Standing::Due, Some(out)) => {
                out.probe_at_us = now_us.saturating_add(out.wait_us);
                true
            }
            _ => false,
        }
    }

    /// The provider refused it. Whether it is out only now.
    pub fn refused(&self, reason: Class, now_us: u64) -> bool {
        let mut state = self.state();
        self.is_troubled.store(true, Ordering::Relaxed);
        match &mut state.out {
            // those that were on their way when it was refused first say nothing new
            Some(out) if now_us < out.since_us.saturating_add(out.wait_us) => false,
            Some(out) => {
                out.wait_us = out.wait_us.saturating_mul(2).min(PROBE_MAX_US);
                out.probe_at_us = now_us.saturating_add(out.wait_us);
                out.reason = reason;
                false
            }
            none => {
                let probe_at_us = now_us.saturating_add(PROBE_US);
                *none = Some(Out { reason, since_us: now_us, probe_at_us, wait_us: PROBE_US });
                true
            }
        }
    }

    /// The provider asked to be left alone about this model; `None`: it did not say for how long.
    pub fn limited(&self, model: &str, wait_us: Option<u64>, now_us: u64) {
        let until_us = now_us.saturating_add(wait_us.unwrap_or(REST_US).min(REST_MAX_US));
        let mut state = self.state();
        self.is_troubled.store(true, Ordering::Relaxed);
        state.rests.retain(|rest| rest.until_us > now_us);
        match state.rests.iter_mut().find(|rest| &*rest.model == model) {
            Some(rest) => rest.until_us = rest.until_us.max(until_us),
            None => {
                if state.rests.len() >= RESTS_MAX
                    && let Some((first, _)) =
                        state.rests.iter().enumerate().min_by_key(|(_, rest)| rest.until_us)
                {
                    state.rests.swap_remove(first);
                }
                state.rests.push(Rest { model: model.into(), until_us });
            }
        }
    }

    /// The provider let it in. Whether it was out and is back.
    pub fn accepted(&self, now_us: u64) -> bool {
        if !self.is_troubled.load(Ordering::Relaxed) {
            return false;
        }
        let mut state = self.state();
        state.rests.retain(|rest| rest.until_us > now_us);
        let is_back = state.out.take().is_some();
        self.is_troubled.store(!state.rests.is_empty(), Ordering::Relaxed);
        is_back
    }

    /// Forgets everything. Whether there was anything.
    pub fn reset(&self) -> bool {
        let mut state = self.state();
        let was = std::mem::take(&mut *state);
        self.is_troubled.store(false, Ordering::Relaxed);
        was.out.is_some() || !was.rests.is_empty()
    }

    /// Forgets a refusal, and the rest of this model.
    pub fn forgive(&self, model: &str) {
        let mut state = self.state();
        state.out = None;
        state.rests.retain(|rest| &*rest.model != model);
        self.is_troubled.store(!state.rests.is_empty(), Ordering::Relaxed);
    }

    /// What it has come to.
    pub fn condition(&self, now_us: u64) -> Condition {
        let state = self.state();
        let rests = state.rests.iter().filter(|rest| rest.until_us > now_us).cloned().collect();
        Condition { out: state.out, rests }
    }
}

impl State {
    fn standing(&self, model: &str, now_us: u64) -> Standing {
        if let Some(Out { probe_at_us, .. }) = self.out {
            return if now_us >= probe_at_us { Standing::Due } else { Standing::Out { probe_at_us } };
        }
        let rest = self.rests.iter().find(|rest| &*rest.model == model && rest.until_us > now_us);
        rest.map_or(Standing::Good, |rest| Standing::Resting { until_us: rest.until_us })
    }
}

#[cfg(test)]
mod tests;
