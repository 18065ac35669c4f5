//! What nodes know of a promise made to an `Idempotency-Key`: whether it is being kept somewhere, or was.
//!
//! Of two requests under one key exactly one is told that it is the one to ask. What was answered stays at its node;
//! here is only that it was. Bodies are told apart by digests that nobody can make but the nodes.

use std::{fmt, str::FromStr};

use super::text::{Unreadable, number};

/// In front of what is written, so that another form can follow.
const FORM: &str = "promise1";
/// What says nothing is kept so long, in milliseconds.
const NOTHING_MS: i64 = 1_000;
/// How long an answer is known to have been given, in milliseconds.
pub const GIVEN_MS: i64 = 24 * 3600 * 1000;

/// What becomes of a promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A request would be the one that asks; it takes so long at most, in milliseconds.
    Begin { most_ms: i64 },
    /// It was answered to the end.
    Kept,
    /// It was not, and another may ask.
    Broken,
}

/// What a request says of its promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PromiseAsk {
    /// Which request it is; no other has this number.
    pub request: u128,
    /// The digest of its body: one word.
    pub body: Box<str>,
    pub step: Step,
}

/// What it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PromiseAnswer {
    /// It is the one that asks.
    Yours,
    /// Another is asking.
    UnderWay,
    /// Another was answered.
    Given,
    /// The key was used with another body.
    OtherBody,
}

/// A promise as it is written down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Promised {
    /// Raised by every change, so that no state is ever mistaken for an earlier one.
    version: u64,
    made: Option<Made>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Made {
    request: u128,
    body: Box<str>,
    is_kept: bool,
    until_ms: i64,
}

impl Promised {
    /// `now_ms` is the keeper's clock.
    pub fn ask(&mut self, ask: &PromiseAsk, now_ms: i64) -> PromiseAnswer {
        self.version = self.version.wrapping_add(1);
        let made = self.made.take().filter(|made| now_ms < made.until_ms);
        let PromiseAsk { request, body, step } = ask.clone();
        let is_mine = made.as_ref().is_none_or(|made| made.request == request);
        let (made, answer) = match (step, made) {
            (Step::Begin { most_ms }, None) => {
                let until_ms = now_ms.saturating_add(most_ms);
                (Some(Made { request, body, is_kept: false, until_ms }), PromiseAnswer::Yours)
            }
            (Step::Begin { .. }, Some(made)) => {
                let answer = if made.body != body {
                    PromiseAnswer::OtherBody
                } else if is_mine {
                    PromiseAnswer::Yours
                } else if made.is_kept {
                    PromiseAnswer::Given
                } else {
                    PromiseAnswer::UnderWay
                };
                (Some(made), answer)
            }
            // what was forgotten meanwhile is made known again
            (Step::Kept, _) if is_mine => {
                let until_ms = now_ms.saturating_add(GIVEN_MS);
                (Some(Made { request, body, is_kept: true, until_ms }), PromiseAnswer::Yours)
            }
            (Step::Broken, Some(made)) if is_mine && !made.is_kept => (None, PromiseAnswer::Yours),
            (Step::Kept | Step::Broken, made) => (made, PromiseAnswer::Yours),
        };
        self.made = made;
        answer
    }

    /// How long it is worth keeping, in milliseconds.
    pub fn keep_ms(&self, now_ms: i64) -> i64 {
        self.made.as_ref().map_or(NOTHING_MS, |made| made.until_ms.saturating_sub(now_ms))
    }
}

impl fmt::Display for Promised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{FORM} {}", self.version)?;
        match &self.made {
            Some(Made { request, body, is_kept, until_ms }) => {
                write!(f, " {request:032x} {body} {} {until_ms}", if *is_kept { "kept" } else { "made" })
            }
            None => Ok(()),
        }
    }
}

impl FromStr for Promised {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let words: Vec<&str> = text.split(' ').collect();
        match *words {
            [FORM, version] => Ok(Self { version: number(Some(version))?, made: None }),
            [FORM, version, request, body, state @ ("kept" | "made"), until_ms] => {
                let request = u128::from_str_radix(request, 16).map_err(|_| Unreadable)?;
                let (is_kept, until_ms) = (state == "kept", number(Some(until_ms))?);
                let made = Made { request, body: body.into(), is_kept, until_ms };
                Ok(Self { version: number(Some(version))?, made: Some(made) })
            }
            _ => Err(Unreadable),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST_MS: i64 = 60_000;

    fn asks(promised: &mut Promised, request: u128, body: &str, step: Step, now_ms: i64) -> PromiseAnswer {
        *promised = promised.to_string().parse().unwrap();
        promised.ask(&PromiseAsk { request, body: body.into(), step }, now_ms)
    }

    const BEGIN: Step = Step::Begin { most_ms: MOST_MS };

    #[test]
    fn of_all_requests_under_one_key_one_asks() {
        use PromiseAnswer::{Given, OtherBody, UnderWay, Yours};
        let mut promised = Promised::default();
        for (request, body, step, now_ms, expected) in [
            (1, "a", BEGIN, 0, Yours),
            // it did not hear, and asks once more
            (1, "a", BEGIN, 0, Yours),
            (2, "a", BEGIN, MOST_MS - 1, UnderWay),
            (2, "b", BEGIN, 0, OtherBody),
            (2, "a", Step::Broken, 0, Yours),
            (2, "a", BEGIN, 0, UnderWay),
            (1, "a", Step::Broken, 0, Yours),
            (2, "a", BEGIN, 10, Yours),
            // whoever asked is gone
            (3, "b", BEGIN, 10 + MOST_MS, Yours),
            (2, "a", Step::Kept, 10 + MOST_MS, Yours),
            (4, "b", BEGIN, 10 + MOST_MS, UnderWay),
            (3, "b", Step::Kept, 100_000, Yours),
            (3, "b", Step::Broken, 100_000, Yours),
            (4, "b", BEGIN, 100_000 + GIVEN_MS - 1, Given),
            (4, "c", BEGIN, 100_000, OtherBody),
            (4, "c", BEGIN, 100_000 + GIVEN_MS, Yours),
        ] {
            assert_eq!(asks(&mut promised, request, body, step, now_ms), expected, "{request} {step:?}");
        }
    }

    #[test]
    fn what_was_forgotten_meanwhile_is_known_again_once_it_is_kept() {
        let mut promised = Promised::default();
        assert_eq!(promised.keep_ms(0), NOTHING_MS);
        asks(&mut promised, 1, "a", Step::Kept, 0);
        assert_eq!(promised.keep_ms(0), GIVEN_MS);
        assert_eq!(asks(&mut promised, 2, "a", BEGIN, 0), PromiseAnswer::Given);
        for text in
            ["", "promise1", "promise1 x", "promise1 1 a b kept", "promise1 1 a b lost 3", "promise2 1"]
        {
            assert_eq!(text.parse::<Promised>(), Err(Unreadable), "{text}");
        }
    }
}
