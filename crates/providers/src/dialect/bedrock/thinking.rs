//! How much the model shall think, in the words of its family.
//!
//! Effort is a wish and never makes a request fail; a family that cannot be told is not told.

use serde::Serialize;

use crate::part::effort::Effort;

/// For Amazon's own models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(super) enum ReasoningConfig {
    Enabled { max_reasoning_effort: &'static str },
    Disabled,
}

impl ReasoningConfig {
    pub(super) fn of(effort: Effort) -> Self {
        match effort {
            Effort::None => Self::Disabled,
            effort => Self::Enabled { max_reasoning_effort: word(effort) },
        }
    }

    /// At the highest effort the vendor takes no limits beside it.
    pub(super) fn forbids_limits(self) -> bool {
        self == Self::Enabled { max_reasoning_effort: HIGHEST }
    }
}

const HIGHEST: &str = "high";

/// One of the three words that all families know.
pub(super) fn word(effort: Effort) -> &'static str {
    match effort {
        Effort::None | Effort::Minimal | Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High | Effort::ExtraHigh | Effort::Max => HIGHEST,
    }
}
