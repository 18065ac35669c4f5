//! How much may pass through a provider, a model at it, a team or a key: requests a minute, tokens a minute,
//! requests at once.
//!
//! What has no bound costs nothing to ask. State lives on from one world to the next ([`Limits::following`]):
//! a change elsewhere never gives anybody a fresh minute.

pub mod gate;
pub mod line;
pub mod place;

use std::sync::Arc;

use self::{gate::Gate, line::Line};
use crate::limit::{Lack, Level, RateLimit, share::Rates};

/// The bounds as they are written; `None` sets none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Requests a minute.
    pub requests: Option<u32>,
    /// Tokens a minute, of prompts and answers together.
    pub tokens: Option<u32>,
    /// Requests at once.
    pub concurrent: Option<u32>,
}

/// The bounds as they are kept.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    pub requests: Option<Arc<RateLimit>>,
    pub tokens: Option<Arc<RateLimit>>,
    pub gate: Option<Arc<Gate>>,
    /// Where requests wait for room; there where anything is bounded.
    pub line: Option<Arc<Line>>,
}

/// What there is not enough of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scarce {
    Requests,
    Tokens,
    Concurrent,
}

impl Scarce {
    /// The word in errors, as OpenAI has it for the first two.
    pub fn as_str(self) -> &'static str {
        match self {
            Scarce::Requests => "requests",
            Scarce::Tokens => "tokens",
            Scarce::Concurrent => "concurrent",
        }
    }
}

/// Why something may not pass now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Short {
    pub scarce: Scarce,
    pub limit: u32,
    /// When there will be enough, in microseconds from now; `None`: when somebody is done.
    pub wait_us: Option<u64>,
    /// Whether other nodes are being asked for it.
    pub is_asked: bool,
}

impl Short {
    /// Of something that comes with time.
    pub fn of_rate(scarce: Scarce, limit: u32, lack: Lack) -> Self {
        Self { scarce, limit, wait_us: Some(lack.wait_us()), is_asked: lack == Lack::Asked }
    }

    /// Of something that somebody has to give back.
    pub fn of_gate(limit: u32) -> Self {
        Self { scarce: Scarce::Concurrent, limit, wait_us: None, is_asked: false }
    }
}

/// How much is left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    pub requests: Option<Level>,
    pub tokens: Option<Level>,
    /// Places: how many there are, and how many are free.
    pub places: Option<(u32, u32)>,
}

impl Limits {
    /// No bound at all.
    pub const OPEN: Limits = Limits { requests: None, tokens: None, gate: None, line: None };

    /// Limits that nobody has taken from.
    pub fn new(bounds: Bounds) -> Self {
        Self::following(bounds, &Self::OPEN)
    }

    /// The same that go on where earlier ones stand, as far as they still hold.
    pub fn following(bounds: Bounds, earlier: &Limits) -> Self {
        let rate = |per_minute: Option<u32>, earlier: &Option<Arc<RateLimit>>| {
            let per_minute = per_minute?.max(1);
            let kept = earlier.clone().filter(|earlier| earlier.per_minute() == per_minute);
            Some(kept.unwrap_or_else(|| Arc::new(RateLimit::new(per_minute))))
        };
        let is_bounded = bounds != Bounds::default();
        Self {
            requests: rate(bounds.requests, &earlier.requests),
            tokens: rate(bounds.tokens, &earlier.tokens),
            gate: bounds.concurrent.map(|most| Arc::new(Gate::following(most, earlier.gate.as_deref()))),
            line: is_bounded.then(|| earlier.line.clone().unwrap_or_default()),
        }
    }

    /// From now on the rates are shared with other nodes, where they go by this name.
    pub fn share_as(&self, rates: &Arc<Rates>, name: impl Fn() -> String) {
        if let Some(requests) = &self.requests {
            requests.share_as(rates, || format!("{}/{}", name(), Scarce::Requests.as_str()));
        }
        if let Some(tokens) = &self.tokens {
            tokens.share_as(rates, || format!("{}/{}", name(), Scarce::Tokens.as_str()));
        }
    }

    pub fn bounds(&self) -> Bounds {
        let per_minute = |limit: &Option<Arc<RateLimit>>| limit.as_ref().map(|limit| limit.per_minute());
        Bounds {
            requests: per_minute(&self.requests),
            tokens: per_minute(&self.tokens),
            concurrent: self.gate.as_ref().map(|gate| gate.most()),
        }
    }

    /// Whether nothing is bounded.
    pub fn are_open(&self) -> bool {
        self.line.is_none()
    }

    /// What stands against a request of so many tokens: what it would wait for longest.
    pub fn short(&self, tokens: u64, now_us: u64) -> Option<Short> {
        if self.are_open() {
            return None;
        }
        let rate = |scarce, limit: &Option<Arc<RateLimit>>, units| {
            let limit = limit.as_ref()?;
            let wait_us = limit.wait_many_us(units, now_us)?;
            Some(Short::of_rate(scarce, limit.per_minute(), Lack::For(wait_us)))
        };
        let rates =
            [rate(Scarce::Requests, &self.requests, 1), rate(Scarce::Tokens, &self.tokens, tokens.max(1))];
        let longest = rates.into_iter().flatten().max_by_key(|short| short.wait_us);
        let is_full = || self.gate.as_ref().filter(|gate| gate.free() == 0);
        longest.or_else(|| is_full().map(|gate| Short::of_gate(gate.most())))
    }

    /// How much is left.
    pub fn left(&self, now_us: u64) -> Left {
        let level = |limit: &Option<Arc<RateLimit>>| limit.as_ref().map(|limit| limit.level(now_us));
        Left {
            requests: level(&self.requests),
            tokens: level(&self.tokens),
            places: self.gate.as_ref().map(|gate| (gate.most(), gate.free())),
        }
    }
}

impl Left {
    /// Of two that both hold, what is tighter.
    pub fn tighter(self, other: Self) -> Self {
        let least = |a: Option<Level>, b: Option<Level>| {
            a.into_iter().chain(b).min_by_key(|level| (level.remaining, level.limit))
        };
        Self {
            requests: least(self.requests, other.requests),
            tokens: least(self.tokens, other.tokens),
            places: self.places.into_iter().chain(other.places).min_by_key(|(most, free)| (*free, *most)),
        }
    }
}

impl PartialEq for Limits {
    fn eq(&self, other: &Self) -> bool {
        self.bounds() == other.bounds()
    }
}

impl Eq for Limits {}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Bounds = Bounds { requests: Some(60), tokens: Some(6000), concurrent: Some(2) };

    #[test]
    fn what_still_holds_goes_on_and_what_is_new_begins_full() {
        let earlier = Limits::new(ALL);
        earlier.requests.as_ref().unwrap().take(0).unwrap();
        earlier.tokens.as_ref().unwrap().take_many(100, 0).unwrap();
        let pass = earlier.gate.as_ref().unwrap().enter().unwrap();
        let left = |limits: &Limits| {
            let Left { requests, tokens, places } = limits.left(0);
            (requests.unwrap().remaining, tokens.unwrap().remaining, places.unwrap())
        };
        for (bounds, expected) in [
            (ALL, (59, 5900, (2, 1))),
            (Bounds { tokens: Some(7000), ..ALL }, (59, 7000, (2, 1))),
            (Bounds { concurrent: Some(1), ..ALL }, (59, 5900, (1, 0))),
        ] {
            let next = Limits::following(bounds, &earlier);
            assert_eq!((left(&next), next.bounds()), (expected, bounds));
            assert!(Arc::ptr_eq(next.line.as_ref().unwrap(), earlier.line.as_ref().unwrap()));
        }
        drop(pass);
        assert_eq!(left(&earlier).2, (2, 2));
        assert!(Limits::following(Bounds::default(), &earlier).are_open());
    }

    #[test]
    fn what_is_waited_for_longest_is_told() {
        let bounds = Bounds { requests: Some(1), tokens: Some(60), concurrent: Some(1) };
        let short = |requests: u64, tokens: u64, passes: usize| {
            let limits = Limits::new(bounds);
            limits.requests.as_ref().unwrap().take_many(requests, 0).unwrap();
            limits.tokens.as_ref().unwrap().take_many(tokens, 0).unwrap();
            let _passes: Vec<_> =
                (0..passes).map(|_| limits.gate.as_ref().unwrap().enter().unwrap()).collect();
            limits.short(10, 0).map(|short| (short.scarce, short.limit, short.wait_us))
        };
        for (taken, expected) in [
            ((0, 0, 0), None),
            ((0, 50, 0), None),
            ((0, 51, 0), Some((Scarce::Tokens, 60, Some(1_000_000)))),
            ((1, 51, 0), Some((Scarce::Requests, 1, Some(60_000_000)))),
            ((0, 0, 1), Some((Scarce::Concurrent, 1, None))),
            ((0, 51, 1), Some((Scarce::Tokens, 60, Some(1_000_000)))),
        ] {
            assert_eq!(short(taken.0, taken.1, taken.2), expected, "{taken:?}");
        }
        assert_eq!(Limits::OPEN.short(u64::MAX, 0), None);
    }
}
