//! What a provider said is left of its own limits, in the headers of an answer.

/// Of one thing that is limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    pub limit: Option<u64>,
    pub remaining: Option<u64>,
    /// When there is all of it again, in microseconds from when it was said.
    pub reset_us: Option<u64>,
}

/// Of requests and of tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Learned {
    pub requests: Told,
    pub tokens: Told,
}

impl Learned {
    /// How long nothing may be asked: until all is there again of what is used up.
    pub fn rest_us(&self) -> Option<u64> {
        let is_over = |told: &&Told| told.remaining == Some(0);
        [&self.requests, &self.tokens].into_iter().filter(is_over).filter_map(|told| told.reset_us).max()
    }

    /// The same so much later; `None` once it says nothing any more.
    pub fn after(self, us: u64) -> Option<Self> {
        let after = |told: Told| match told.reset_us {
            Some(reset_us) if reset_us <= us => Told::default(),
            Some(reset_us) => Told { reset_us: Some(reset_us.saturating_sub(us)), ..told },
            None if us > FORGOTTEN_US => Told::default(),
            None => told,
        };
        let later = Self { requests: after(self.requests), tokens: after(self.tokens) };
        Some(later).filter(|later| *later != Self::default())
    }
}

/// After how long something is forgotten that has no end of its own.
const FORGOTTEN_US: u64 = 60_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000;

    fn told(remaining: u64, reset_us: Option<u64>) -> Told {
        Told { limit: Some(10), remaining: Some(remaining), reset_us }
    }

    #[test]
    fn what_is_used_up_rests_until_it_is_there_again() {
        let some = |requests, tokens| Learned { requests, tokens };
        for (learned, expected) in [
            (Learned::default(), None),
            (some(told(1, Some(S)), told(1, Some(S))), None),
            (some(told(0, Some(S)), told(1, Some(9 * S))), Some(S)),
            (some(told(0, Some(S)), told(0, Some(9 * S))), Some(9 * S)),
            (some(told(0, None), Told::default()), None),
        ] {
            assert_eq!(learned.rest_us(), expected, "{learned:?}");
        }
    }

    #[test]
    fn what_was_said_is_forgotten_when_it_says_nothing_any_more() {
        let learned = Learned { requests: told(3, Some(S)), tokens: told(4, Some(5 * S)) };
        let later = Learned { requests: Told::default(), tokens: told(4, Some(3 * S)) };
        assert_eq!(learned.after(2 * S), Some(later));
        assert_eq!(learned.after(5 * S), None);
        let endless = Learned { requests: told(3, None), ..Learned::default() };
        assert_eq!((endless.after(S), endless.after(61 * S)), (Some(endless), None));
    }
}
