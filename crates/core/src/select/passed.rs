//! Whom a choice passed over, and why: what is kept with the attempt it led to.

/// Of how many targets it is kept; of more, how many they are.
pub const PASSED_MAX: usize = 8;

/// Targets that were passed over, by their places in the route, each with the word that stood against it. It has a
/// fixed size: choosing allocates nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    first: [Option<(usize, &'static str)>; PASSED_MAX],
    more: u32,
}

impl Passed {
    pub fn add(&mut self, place: usize, why: &'static str) {
        match self.first.iter_mut().find(|slot| slot.is_none()) {
            Some(free) => *free = Some((place, why)),
            None => self.more = self.more.saturating_add(1),
        }
    }

    /// The first of them, in the order they were looked at.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &'static str)> {
        self.first.iter().flatten().copied()
    }

    /// How many there are beyond those.
    pub fn more(&self) -> u32 {
        self.more
    }

    pub fn is_empty(&self) -> bool {
        self.first.iter().all(Option::is_none)
    }
}
