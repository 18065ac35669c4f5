//! How full one quota is: what was used in its window, and what is held.
//!
//! What falls out of the window is remembered for a while longer and counts again where the clock is set back into
//! it, so a clock that steps ahead and back empties nothing.

use std::collections::VecDeque;

use super::window::{Span, Window};

/// Parts remembered when they are out of the window: the whole of a rolling one, and some of a calendar's.
const GONE_ROLLING: usize = 61;
const GONE_CALENDAR: usize = 3;

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
    /// What was used, by when its part of the window began, the oldest first; a calendar's window is one part.
    parts: VecDeque<(i64, u64)>,
    /// How many of the parts, from the oldest on, are out of the window.
    gone: usize,
    /// The sum of the others.
    used: u64,
    reserved: u64,
}

impl Cell {
    pub(super) fn new(window: Window) -> Self {
        Self { window, span: None, parts: VecDeque::new(), gone: 0, used: 0, reserved: 0 }
    }

    /// The quota's window is another now: what was used counts on in it.
    pub(super) fn follow(&mut self, window: &Window) {
        if self.window != *window {
            (self.window, self.span) = (window.clone(), None);
        }
    }

    pub(super) fn level(&mut self, now_ms: i64) -> Level {
        self.turn(now_ms);
        Level { used: self.used, reserved: self.reserved }
    }

    pub(super) fn hold(&mut self, amount: u64) {
        self.reserved = self.reserved.saturating_add(amount);
    }

    pub(super) fn let_go(&mut self, amount: u64) {
        self.reserved = self.reserved.saturating_sub(amount);
    }

    pub(super) fn use_up(&mut self, amount: u64, now_ms: i64) {
        self.turn(now_ms);
        let part_ms = match self.window.step_ms() {
            Some(step) => now_ms.saturating_sub(now_ms.rem_euclid(step)),
            None => self.span(now_ms).begin_ms,
        };
        let after = self.parts.partition_point(|(begin, _)| *begin <= part_ms);
        match after.checked_sub(1).and_then(|at| self.parts.get_mut(at)) {
            Some((begin, sum)) if *begin == part_ms => *sum = sum.saturating_add(amount),
            _ => self.parts.insert(after, (part_ms, amount)),
        }
        self.used = self.used.saturating_add(amount);
    }

    /// At that time so much more was used, or less. What lies in no part of the present window changes nothing.
    pub(super) fn correct(&mut self, delta: i64, at_ms: i64, now_ms: i64) {
        self.turn(now_ms);
        let span = self.span(now_ms);
        if !span.contains(at_ms) {
            return;
        }
        let part_ms = match self.window.step_ms() {
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

    /// Counts what is in the window now, and what is ahead of it where the clock was set back.
    fn turn(&mut self, now_ms: i64) {
        let begin_ms = self.span(now_ms).begin_ms;
        // a part of a rolling window counts until its last moment is out of the window
        let length_ms = self.window.step_ms().unwrap_or(1);
        let is_out = |part_ms: i64| part_ms.saturating_add(length_ms) <= begin_ms;
        while let Some((_, sum)) = self.parts.get(self.gone).filter(|(part_ms, _)| is_out(*part_ms)) {
            self.used = self.used.saturating_sub(*sum);
            self.gone = self.gone.saturating_add(1);
        }
        while let Some(last) = self.gone.checked_sub(1)
            && let Some((_, sum)) = self.parts.get(last).filter(|(part_ms, _)| !is_out(*part_ms))
        {
            self.used = self.used.saturating_add(*sum);
            self.gone = last;
        }
        let kept = if self.window.is_calendar() { GONE_CALENDAR } else { GONE_ROLLING };
        while self.gone > kept && self.parts.pop_front().is_some() {
            self.gone = self.gone.saturating_sub(1);
        }
    }

    #[cfg(test)]
    pub(super) fn parts(&self) -> usize {
        self.parts.len()
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
