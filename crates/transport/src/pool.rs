//! Connections that wait for their next request, the latest first.
//!
//! The latest is the likeliest to live, and those a burst left over are not touched, so they age out. Entries
//! are in the order in which they began to wait: what is too old stands in front.

use std::{cell::RefCell, collections::VecDeque, time::Duration};

use tokio::time::Instant;

/// How long a connection may wait for its next request.
pub(crate) const IDLE: Duration = Duration::from_secs(60);
/// How long a connection may serve at all, so that a provider's new addresses are found.
const LIFETIME: Duration = Duration::from_secs(60 * 60);
/// How many may wait at once, for each peer of a worker thread.
const WAITING_MAX: usize = 256;

struct Waiting<C> {
    since: Instant,
    opened_at: Instant,
    connection: C,
}

/// The connections of one peer that wait.
pub(crate) struct Pool<C>(RefCell<VecDeque<Waiting<C>>>);

impl<C> Default for Pool<C> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<C> Pool<C> {
    /// The latest that is young enough and `is_alive`; the ones found dead are closed.
    pub(crate) fn take(&self, now: Instant, mut is_alive: impl FnMut(&mut C) -> bool) -> Option<C> {
        let mut waiting = self.0.borrow_mut();
        while let Some(mut latest) = waiting.pop_back() {
            if now < latest.since + IDLE
                && now < latest.opened_at + LIFETIME
                && is_alive(&mut latest.connection)
            {
                return Some(latest.connection);
            }
        }
        None
    }

    /// Keeps a connection for its next request, or closes it if it is too old.
    pub(crate) fn put(&self, connection: C, opened_at: Instant, now: Instant) {
        if now >= opened_at + LIFETIME {
            return;
        }
        let mut waiting = self.0.borrow_mut();
        if waiting.len() >= WAITING_MAX {
            waiting.pop_front();
        }
        waiting.push_back(Waiting { since: now, opened_at, connection });
    }

    /// Closes what has waited too long.
    pub(crate) fn shed(&self, now: Instant) {
        let mut waiting = self.0.borrow_mut();
        while waiting.front().is_some_and(|oldest| now >= oldest.since + IDLE) {
            waiting.pop_front();
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn drain(pool: &Pool<usize>, now: Instant) -> Vec<usize> {
        std::iter::from_fn(|| pool.take(now, |_| true)).collect()
    }

    #[test]
    fn the_latest_is_lent_first_and_the_dead_are_passed_over() {
        let (pool, now) = (Pool::default(), Instant::now());
        for connection in 0..5 {
            pool.put(connection, now, now);
        }
        assert_eq!(pool.take(now, |connection| *connection < 3), Some(2));
        assert_eq!(drain(&pool, now), [1, 0]);
    }

    #[test]
    fn what_waited_or_served_too_long_is_closed() {
        let begin = Instant::now();
        for (opened, since, now, is_lent) in [
            (0, 0, 59, true),
            (0, 0, 60, false),
            (0, 3590, 3599, true),
            (0, 3590, 3600, false),
            (0, 3600, 3600, false),
        ] {
            let [opened, since, now] = [opened, since, now].map(|at| begin + SECOND * at);
            let pool = Pool::default();
            pool.put(0, opened, since);
            assert_eq!(!drain(&pool, now).is_empty(), is_lent);
        }
    }

    #[test]
    fn the_idlest_goes_when_too_many_wait_or_its_time_is_over() {
        let (pool, begin) = (Pool::default(), Instant::now());
        for connection in 0..WAITING_MAX + 2 {
            let at = if connection < 10 { begin } else { begin + SECOND };
            pool.put(connection, begin, at);
        }
        pool.shed(begin + IDLE);
        let left = drain(&pool, begin + IDLE);
        assert_eq!((left.len(), left.last()), (WAITING_MAX - 8, Some(&10)));
        assert!(pool.is_empty());
    }
}
