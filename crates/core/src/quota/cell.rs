//! How full one quota is: what was used in its window, and what is held.

use std::collections::VecDeque;

use super::window::Window;

/// A rolling window is remembered in so many parts.
const PARTS: i64 = 60;

/// How full a quota is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Level {
    /// In the present window.
    pub used: u64,
    /// Held for calls under way.
    pub reserved: u64,
}

#[derive(Debug)]
pub(super) struct Cell {
    window: Window,
    /// What was used, by when its part of the window began; a calendar's window is one part.
    parts: VecDeque<(i64, u64)>,
    used: u64,
    reserved: u64,
}

impl Cell {
    pub(super) fn new(window: Window) -> Self {
        Self { window, parts: VecDeque::new(), used: 0, reserved: 0 }
    }

    /// The quota's window is another now: what was used counts on in it.
    pub(super) fn follow(&mut self, window: Window) {
        self.window = window;
    }

    pub(super) fn level(&mut self, now_ms: i64) -> Level {
        self.forget(now_ms);
        Level { used: self.used, reserved: self.reserved }
    }

    pub(super) fn hold(&mut self, amount: u64) {
        self.reserved = self.reserved.saturating_add(amount);
    }

    pub(super) fn let_go(&mut self, amount: u64) {
        self.reserved = self.reserved.saturating_sub(amount);
    }

    pub(super) fn use_up(&mut self, amount: u64, now_ms: i64) {
        self.forget(now_ms);
        let part_ms = match self.window {
            Window::Rolling { ms } => {
                let step = ms.checked_div(PARTS).unwrap_or(1).max(1);
                now_ms.saturating_sub(now_ms.rem_euclid(step))
            }
            _ => self.window.begin_ms(now_ms),
        };
        match self.parts.back_mut() {
            Some((begin, sum)) if *begin >= part_ms => *sum = sum.saturating_add(amount),
            _ => self.parts.push_back((part_ms, amount)),
        }
        self.used = self.used.saturating_add(amount);
    }

    fn forget(&mut self, now_ms: i64) {
        let begin_ms = self.window.begin_ms(now_ms);
        while let Some((part_ms, sum)) = self.parts.front().copied() {
            let is_over = match self.window {
                // a part counts until its last moment is out of the window
                Window::Rolling { ms } => {
                    let step = ms.checked_div(PARTS).unwrap_or(1).max(1);
                    part_ms.saturating_add(step) <= begin_ms
                }
                _ => part_ms < begin_ms,
            };
            if !is_over {
                break;
            }
            self.used = self.used.saturating_sub(sum);
            self.parts.pop_front();
        }
    }
}
