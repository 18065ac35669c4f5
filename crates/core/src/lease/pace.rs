//! How much a node uses of something, from which follows what it leases ahead.

/// What is used is counted by so much time, in microseconds.
const PACE_US: u64 = 1_000_000;

/// How much is used in a second.
#[derive(Debug, Default)]
pub struct Pace {
    at: u64,
    now: u64,
    before: u64,
}

impl Pace {
    fn turn(&mut self, now_us: u64) {
        let at = now_us.checked_div(PACE_US).unwrap_or_default();
        if at != self.at {
            self.before = if at == self.at.saturating_add(1) { self.now } else { 0 };
            (self.at, self.now) = (at, 0);
        }
    }

    pub fn add(&mut self, amount: u64, now_us: u64) {
        self.turn(now_us);
        self.now = self.now.saturating_add(amount);
    }

    pub fn get(&mut self, now_us: u64) -> u64 {
        self.turn(now_us);
        self.now.max(self.before)
    }
}
