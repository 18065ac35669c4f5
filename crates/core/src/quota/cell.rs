//! How full one quota is: what was used in its window, and what is held.

use std::collections::VecDeque;

use super::window::{Span, Window};

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
    /// Where in the calendar we are, as long as that is known to hold.
    span: Option<Span>,
    /// What was used, by when its part of the window began; a calendar's window is one part.
    parts: VecDeque<(i64, u64)>,
    used: u64,
    reserved: u64,
}

impl Cell {
    pub(super) fn new(window: Window) -> Self {
        Self { window, span: None, parts: VecDeque::new(), used: 0, reserved: 0 }
    }

    /// The quota's window is another now: what was used counts on in it.
    pub(super) fn follow(&mut self, window: &Window) {
        if self.window != *window {
            (self.window, self.span) = (window.clone(), None);
        }
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
        let part_ms = match self.step_ms() {
            Some(step) => now_ms.saturating_sub(now_ms.rem_euclid(step)),
            None => self.span(now_ms).begin_ms,
        };
        match self.parts.back_mut() {
            Some((begin, sum)) if *begin >= part_ms => *sum = sum.saturating_add(amount),
            _ => self.parts.push_back((part_ms, amount)),
        }
        self.used = self.used.saturating_add(amount);
    }

    /// At that time so much more was used, or less. What lies in no part of the present window changes nothing.
    pub(super) fn correct(&mut self, delta: i64, at_ms: i64, now_ms: i64) {
        self.forget(now_ms);
        let span = self.span(now_ms);
        if !span.contains(at_ms) {
            return;
        }
        let part_ms = match self.step_ms() {
            Some(step) => at_ms.saturating_sub(at_ms.rem_euclid(step)),
            None => span.begin_ms,
        };
        let place = self.parts.partition_point(|(begin_ms, _)| *begin_ms < part_ms);
        if self.parts.get(place).is_none_or(|(begin_ms, _)| *begin_ms != part_ms) {
            self.parts.insert(place, (part_ms, 0));
        }
        if let Some((_, sum)) = self.parts.get_mut(place) {
            let others = self.used.saturating_sub(*sum);
            *sum = sum.saturating_add_signed(delta);
            self.used = others.saturating_add(*sum);
        }
    }

    fn forget(&mut self, now_ms: i64) {
        let begin_ms = self.span(now_ms).begin_ms;
        // a part of a rolling window counts until its last moment is out of the window
        let length_ms = self.step_ms().unwrap_or(1);
        while let Some((part_ms, sum)) = self.parts.front().copied() {
            if part_ms.saturating_add(length_ms) > begin_ms {
                break;
            }
            self.used = self.used.saturating_sub(sum);
            self.parts.pop_front();
        }
    }

    /// How long the parts of a rolling window are.
    fn step_ms(&self) -> Option<i64> {
        self.window.rolling_ms().map(|ms| ms.checked_div(PARTS).unwrap_or(1).max(1))
    }

    /// The window that now is in. The calendar is looked at once a window, not once a request.
    fn span(&mut self, now_ms: i64) -> Span {
        match self.span {
            Some(span) if span.contains(now_ms) => span,
            _ => {
                let span = self.window.span(now_ms);
                self.span = self.window.is_calendar().then_some(span);
                span
            }
        }
    }
}
