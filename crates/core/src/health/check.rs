//! What a look at a provider found that was no request: it is asked for something that costs nothing.
//!
//! It decides where a breaker is half-open and is shown; it moves no closed breaker and counts in no statistics.

use crate::fault::Class;

/// The latest look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Check {
    /// By the clock that never runs backwards.
    pub began_us: u64,
    pub ended_us: u64,
    /// `None`: it is well.
    pub fault: Option<Class>,
}

/// What a look says of a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Says {
    Well,
    Ill {
        weight: u32,
    },
    /// The provider has no such list, or is merely busy.
    Nothing,
}

impl Check {
    pub(super) fn says(&self) -> Says {
        match self.fault {
            None => Says::Well,
            Some(Class::ModelNotFound) => Says::Nothing,
            Some(class) if class.weight() == 0 => Says::Nothing,
            Some(class) => Says::Ill { weight: class.weight() },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        fault::Fault,
        health::{Entry, Health, Seat, State, window::Span},
    };

    const S: u64 = 1_000_000;

    fn opened() -> Arc<Health> {
        let health = Arc::new(Health::default());
        let mut seat = Seat::take(&health, true, Entry::Asked, S).unwrap();
        seat.failed(&Fault::new(Class::Credential, "no"), S);
        health
    }

    fn check(health: &Health, fault: Option<Class>, at_us: u64) {
        health.checked(Check { began_us: at_us, ended_us: at_us, fault });
    }

    #[test]
    fn a_look_decides_a_half_open_breaker_and_no_other() {
        let health = opened();
        check(&health, None, 2 * S);
        assert_eq!(health.state(2 * S), State::Open { until_us: 6 * S }, "its time is not over");
        check(&health, Some(Class::BadRequest), 7 * S);
        check(&health, Some(Class::ModelNotFound), 7 * S);
        assert_eq!(health.state(7 * S), State::HalfOpen { is_probe_free: true }, "that says nothing");
        check(&health, Some(Class::Connect), 7 * S);
        assert_eq!(health.state(8 * S), State::Open { until_us: 17 * S });
        check(&health, None, 17 * S);
        assert_eq!(health.state(17 * S), State::Closed);
        for at in 18..40 {
            check(&health, Some(Class::Connect), at * S);
        }
        assert_eq!(health.state(40 * S), State::Closed, "only requests open it");
        assert_eq!(health.check().unwrap().fault, Some(Class::Connect));
        assert_eq!(health.summary(Span::Seconds(60), 40 * S).requests(), 1);
    }

    #[test]
    fn a_request_that_probes_is_not_decided_for() {
        let health = opened();
        let probe = Seat::take(&health, true, Entry::Asked, 7 * S).unwrap();
        check(&health, None, 8 * S);
        assert_eq!(health.state(8 * S), State::HalfOpen { is_probe_free: false });
        drop(probe);
        check(&health, None, 9 * S);
        assert_eq!(health.state(9 * S), State::Closed);
    }
}
