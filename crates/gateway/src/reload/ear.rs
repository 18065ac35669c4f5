//! Listens for changes where the database tells of them, and connects again when it is cut off.
//!
//! Nothing depends on it but how soon a change is seen: who has an ear looks by itself too.

use std::time::{Duration, Instant};

use nexus_store::{Listener, Store};

/// Between two glances at what was told, each a system call: the connection's socket is its library's own.
const GLANCE: Duration = Duration::from_millis(10);
/// Before the first try to connect again; twice as long after each that fails, up to the last.
const AGAIN: Duration = Duration::from_millis(100);
const AGAIN_MAX: Duration = Duration::from_secs(10);

pub(super) struct Ear {
    store: Store,
    state: State,
}

enum State {
    Listening(Listener),
    Deaf {
        until: Instant,
        wait: Duration,
    },
    /// There is nothing to listen to.
    Silence,
}

impl Ear {
    /// It connects with the first question for news.
    pub(super) fn new(store: Store) -> Self {
        Self { store, state: State::Deaf { until: Instant::now(), wait: AGAIN } }
    }

    /// How long to pause before the next question, where there is something to do at `next` in any case.
    pub(super) fn pause(&self, next: Instant) -> Duration {
        let left = next.saturating_duration_since(Instant::now());
        match &self.state {
            State::Listening(_) => left.min(GLANCE),
            State::Deaf { until, .. } => left.min(until.saturating_duration_since(Instant::now())),
            State::Silence => left,
        }
    }

    /// Whether a look is worth while: something was told, or may have been before there was a connection.
    pub(super) fn has_news(&mut self) -> bool {
        match &mut self.state {
            State::Silence => false,
            State::Listening(listener) => listener.has_news().unwrap_or_else(|error| {
                tracing::warn!(%error, "the database cannot tell of changes; they are looked for until it can");
                self.state = State::Deaf { until: Instant::now(), wait: AGAIN };
                false
            }),
            State::Deaf { until, .. } if Instant::now() < *until => false,
            State::Deaf { wait, .. } => match self.store.listener() {
                Ok(Some(listener)) => {
                    self.state = State::Listening(listener);
                    true
                }
                Ok(None) => {
                    self.state = State::Silence;
                    false
                }
                // that the database is away is said by whoever looks
                Err(error) => {
                    tracing::debug!(%error, "no connection to be told of changes");
                    let (until, wait) = (Instant::now() + *wait, (*wait * 2).min(AGAIN_MAX));
                    self.state = State::Deaf { until, wait };
                    false
                }
            },
        }
    }
}
