//! A gate: so many at once. A [`Pass`] is given back when it is dropped, whatever became of its holder.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use super::line::Line;

/// So many at once.
#[derive(Debug)]
pub struct Gate {
    most: u32,
    /// Shared by the gates of one thing in all worlds.
    held: Arc<AtomicU32>,
}

impl Gate {
    /// A gate for `most` at once; 0 is treated as 1. Who has passed an earlier one counts in this one too.
    pub fn following(most: u32, earlier: Option<&Gate>) -> Self {
        let held = earlier.map(|earlier| Arc::clone(&earlier.held)).unwrap_or_default();
        Self { most: most.max(1), held }
    }

    pub fn most(&self) -> u32 {
        self.most
    }

    /// How many may pass now.
    pub fn free(&self) -> u32 {
        self.most.saturating_sub(self.held.load(Ordering::SeqCst))
    }

    /// Passes, if there is room.
    pub fn enter(&self) -> Option<Pass> {
        let enter = |held: u32| held.checked_add(1).filter(|next| *next <= self.most);
        self.held.fetch_update(Ordering::SeqCst, Ordering::SeqCst, enter).ok()?;
        Some(Pass { held: Arc::clone(&self.held), line: None })
    }
}

/// One who has passed.
#[derive(Debug)]
#[must_use = "the pass is given back when this is dropped"]
pub struct Pass {
    held: Arc<AtomicU32>,
    /// Who is told that there is room again.
    line: Option<Arc<Line>>,
}

impl Pass {
    /// Tells those who wait there when it is given back.
    pub(super) fn telling(self, line: Option<Arc<Line>>) -> Self {
        let mut pass = self;
        pass.line = line;
        pass
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.held.fetch_sub(1, Ordering::SeqCst);
        if let Some(line) = self.line.take() {
            line.stir();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_more_than_so_many_are_inside_and_everyone_who_leaves_makes_room() {
        let gate = Arc::new(Gate::following(3, None));
        let most = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..2_000 {
                        let Some(_pass) = gate.enter() else { continue };
                        most.fetch_max(3 - gate.free(), Ordering::SeqCst);
                    }
                });
            }
        });
        assert!((1..=3).contains(&most.load(Ordering::SeqCst)));
        assert_eq!(gate.free(), 3);
        let unwound = std::panic::catch_unwind(|| {
            let _pass = gate.enter();
            panic!("whatever happens to who has passed");
        });
        assert!(unwound.is_err());
        assert_eq!(gate.free(), 3, "it is given back");
    }
}
