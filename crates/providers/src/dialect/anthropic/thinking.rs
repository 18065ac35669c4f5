//! How much the model shall think: `reasoning_effort` in the words of the model's generation.
//!
//! Effort is a wish and never makes a request fail: where the vendor would refuse thinking beside
//! something the caller needs, it is left off.

use nexus_wire::conversation::members::Members;
use serde::Serialize;
use serde_json::value::RawValue;

use super::model;
use crate::part::effort::Effort;

/// The least budget the vendor takes, in tokens.
const BUDGET_MIN: u64 = 1_024;

impl Effort {
    /// The share of the answer's length that may be spent on thinking, in percent.
    fn share(self) -> u64 {
        match self {
            Self::None => 0,
            Self::Minimal => 2,
            Self::Low => 10,
            Self::Medium => 30,
            Self::High => 60,
            Self::ExtraHigh | Self::Max => 90,
        }
    }

    fn word(self, knows_xhigh: bool) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Minimal | Self::Low => Some("low"),
            Self::Medium => Some("medium"),
            Self::High => Some("high"),
            Self::ExtraHigh if knows_xhigh => Some("xhigh"),
            Self::ExtraHigh | Self::Max => Some("max"),
        }
    }
}

/// The `thinking` member.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(in crate::dialect) enum Thinking<'a> {
    /// The caller's own.
    Said(&'a RawValue),
    Made(Mode),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(in crate::dialect) enum Mode {
    Disabled,
    /// Newer models keep their thoughts to themselves unless `display` asks for a summary.
    Adaptive {
        display: &'static str,
    },
    Enabled {
        budget_tokens: u64,
    },
}

/// What else the request says that thinking must go with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::dialect) enum Beside {
    /// Nothing that forbids a budget.
    Nothing,
    /// A forced tool, or results of tools that were called without thinking.
    ForbidsBudget,
}

/// The two members that say how much to think.
#[derive(Clone, Debug, Default)]
pub(in crate::dialect) struct Wish<'a> {
    pub(in crate::dialect) thinking: Option<Thinking<'a>>,
    pub(in crate::dialect) effort: Option<&'static str>,
}

impl Wish<'_> {
    /// Whether the model will think, and takes no sampling therefore.
    pub(in crate::dialect) fn thinks(&self) -> bool {
        match &self.thinking {
            None | Some(Thinking::Made(Mode::Disabled)) => false,
            Some(Thinking::Made(_)) => true,
            Some(Thinking::Said(said)) => {
                let kind = Members::read(said.get()).and_then(|said| said.text("type").ok().flatten());
                kind.as_deref() != Some("disabled")
            }
        }
    }

    /// Whether it will think within a budget.
    pub(in crate::dialect) fn is_budget(&self) -> bool {
        match &self.thinking {
            Some(Thinking::Said(said)) => {
                Members::read(said.get()).is_some_and(|said| said.raw("budget_tokens").is_some())
            }
            Some(Thinking::Made(mode)) => matches!(mode, Mode::Enabled { .. }),
            None => false,
        }
    }
}

pub(in crate::dialect) fn wish<'a>(
    said: Option<&'a RawValue>,
    effort: Option<Effort>,
    abilities: model::Thinking,
    max_tokens: u64,
    beside: Beside,
) -> Wish<'a> {
    let knows_xhigh = matches!(abilities, model::Thinking::Adaptive { knows_xhigh: true });
    let word = effort
        .filter(|_| matches!(abilities, model::Thinking::Adaptive { .. }))
        .and_then(|effort| effort.word(knows_xhigh));
    let made = match (abilities, effort) {
        (model::Thinking::None, _) | (_, None) => None,
        (_, Some(Effort::None)) => Some(Mode::Disabled),
        (model::Thinking::Adaptive { .. }, Some(_)) => Some(Mode::Adaptive { display: "summarized" }),
        (model::Thinking::Budget, Some(_)) if beside == Beside::ForbidsBudget => None,
        (model::Thinking::Budget, Some(effort)) => {
            let budget_tokens = (max_tokens / 100 * effort.share()).max(BUDGET_MIN);
            (budget_tokens < max_tokens).then_some(Mode::Enabled { budget_tokens })
        }
    };
    Wish { thinking: said.map(Thinking::Said).or(made.map(Thinking::Made)), effort: word }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effort_is_said_in_the_words_of_the_model_s_generation() {
        const NEWEST: model::Thinking = model::Thinking::Adaptive { knows_xhigh: true };
        const NEWER: model::Thinking = model::Thinking::Adaptive { knows_xhigh: false };
        const BUDGET: model::Thinking = model::Thinking::Budget;
        let free = Beside::Nothing;
        let adaptive = r#"{"type":"adaptive","display":"summarized"}"#;
        let enabled = |budget: u64| format!(r#"{{"type":"enabled","budget_tokens":{budget}}}"#);
        let cases = [
            (NEWEST, "minimal", 128_000, free, adaptive.to_owned(), Some("low")),
            (NEWEST, "medium", 128_000, Beside::ForbidsBudget, adaptive.to_owned(), Some("medium")),
            (NEWEST, "xhigh", 128_000, free, adaptive.to_owned(), Some("xhigh")),
            (NEWER, "xhigh", 128_000, free, adaptive.to_owned(), Some("max")),
            (NEWER, "max", 100, free, adaptive.to_owned(), Some("max")),
            (NEWER, "none", 128_000, free, r#"{"type":"disabled"}"#.to_owned(), None),
            (BUDGET, "none", 64_000, free, r#"{"type":"disabled"}"#.to_owned(), None),
            (BUDGET, "minimal", 64_000, free, enabled(1_280), None),
            (BUDGET, "low", 8_000, free, enabled(1_024), None),
            (BUDGET, "high", 64_000, free, enabled(38_400), None),
            (BUDGET, "max", 64_000, free, enabled(57_600), None),
            (BUDGET, "high", 1_025, free, enabled(1_024), None),
            (BUDGET, "high", 1_024, free, "null".to_owned(), None),
            (BUDGET, "high", 64_000, Beside::ForbidsBudget, "null".to_owned(), None),
            (model::Thinking::None, "high", 4_096, free, "null".to_owned(), None),
        ];
        for (abilities, effort, max_tokens, beside, thinking, word) in cases {
            let wish = wish(None, Some(Effort::read(effort).unwrap()), abilities, max_tokens, beside);
            let shown = serde_json::to_string(&wish.thinking).unwrap();
            assert_eq!((shown, wish.effort), (thinking, word), "{abilities:?} {effort} {max_tokens}");
        }
        assert!(Effort::read("much").is_err());
    }
}
