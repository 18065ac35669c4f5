//! What to try next after a fault, until an answer begins or nothing is left.
//!
//! A [`Plan`] is consumed when an answer begins ([`Plan::commit`]): there is no way to ask it for
//! another try after the first byte went out.

use std::{collections::VecDeque, sync::Arc};

use crate::{
    catalogue::Target,
    fault::{Fault, Retry},
};

/// What the plan says to do now.
#[derive(Clone, Debug)]
pub enum Step {
    /// Send to this target.
    Try(Arc<Target>),
    /// Nothing is left to try.
    GiveUp,
}

/// The order of targets for one request, and how many tries are left.
#[derive(Debug)]
pub struct Plan {
    waiting: VecDeque<Arc<Target>>,
    tries_left: u32,
}

impl Plan {
    /// At most `tries` attempts over `targets`, in order; each target is tried once.
    pub fn new(targets: Vec<Arc<Target>>, tries: u32) -> Self {
        Self { waiting: targets.into(), tries_left: tries }
    }

    /// What to do first, or after [`Plan::failed`].
    pub fn step(&mut self) -> Step {
        if self.tries_left == 0 {
            return Step::GiveUp;
        }
        match self.waiting.pop_front() {
            Some(target) => {
                self.tries_left = self.tries_left.saturating_sub(1);
                Step::Try(target)
            }
            None => Step::GiveUp,
        }
    }

    /// Takes note of a failed attempt: a fault of the request itself ends the plan.
    pub fn failed(&mut self, fault: &Fault) {
        if fault.retry() == Retry::Never {
            self.waiting.clear();
        }
    }

    /// Gives a try back: the target was passed over without being sent anything.
    pub fn passed_over(&mut self) {
        self.tries_left = self.tries_left.saturating_add(1);
    }

    /// An answer has begun; from here on there is no other.
    pub fn commit(self) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        catalogue::Provider,
        endpoint::Endpoint,
        fault::Class,
        id::{ProviderId, RouteId, Uuid},
    };

    fn targets(count: u128) -> Vec<Arc<Target>> {
        let provider = Arc::new(Provider {
            id: ProviderId(Uuid::from_u128(0)),
            name: "p".into(),
            kind: "openai".into(),
            endpoint: Endpoint::parse("https://one.example/v1").unwrap(),
            options: Default::default(),
            allow_private_network: false,
            weight: 1,
            rate_limit: None,
        });
        (0..count)
            .map(|at| {
                Arc::new(Target {
                    route: RouteId(Uuid::from_u128(at)),
                    provider: Arc::clone(&provider),
                    real_model: "m".into(),
                    region: None,
                    rate_limit: None,
                })
            })
            .collect()
    }

    #[expect(clippy::arithmetic_side_effects, reason = "counts to nine")]
    fn tried(plan: &mut Plan, class: Class) -> usize {
        let mut count = 0;
        while let Step::Try(_) = plan.step() {
            count += 1;
            plan.failed(&Fault::new(class, "no"));
        }
        count
    }

    #[test]
    fn each_target_is_tried_once_and_never_more_than_the_limit() {
        assert_eq!(tried(&mut Plan::new(targets(2), 5), Class::Reset), 2);
        assert_eq!(tried(&mut Plan::new(targets(9), 3), Class::Overloaded), 3);
        assert_eq!(tried(&mut Plan::new(targets(0), 3), Class::Reset), 0);
    }

    #[test]
    fn a_callers_mistake_is_not_tried_elsewhere() {
        assert_eq!(tried(&mut Plan::new(targets(3), 3), Class::BadRequest), 1);
        assert_eq!(tried(&mut Plan::new(targets(3), 3), Class::ContextLength), 1);
    }

    #[test]
    fn a_target_passed_over_costs_no_try() {
        let mut plan = Plan::new(targets(2), 1);
        assert!(matches!(plan.step(), Step::Try(_)));
        plan.passed_over();
        assert!(matches!(plan.step(), Step::Try(_)));
        assert!(matches!(plan.step(), Step::GiveUp));
    }
}
