//! Chance behind the engine's port: a fast generator for each worker, seeded by the system. Never for secrets.

use nexus_engine::port::Dice;

/// A worker's own generator.
#[derive(Debug)]
pub struct WorkerDice(std::cell::RefCell<fastrand::Rng>);

impl WorkerDice {
    pub fn new() -> Self {
        Self(std::cell::RefCell::new(fastrand::Rng::new()))
    }
}

impl Dice for WorkerDice {
    fn roll(&self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.0.borrow_mut().u64(..bound) }
    }

    fn bits(&self) -> u128 {
        self.0.borrow_mut().u128(..)
    }
}
