//! How much the model shall think: `reasoning_effort` in the words of the model's generation.
//!
//! A level never stands beside a budget: the vendor refuses both together. Where thinking cannot be turned
//! off, `none` is the least there is.

use serde::Serialize;

use super::model;
use crate::part::effort::Effort;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ThinkingConfig {
    /// Thoughts are told only where this asks for them.
    include_thoughts: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_budget: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_level: Option<&'static str>,
}

/// `None` where nothing was asked for, or the model does not think.
pub(super) fn config(effort: Option<Effort>, abilities: model::Thinking) -> Option<ThinkingConfig> {
    let effort = effort?;
    let (thinking_budget, thinking_level) = match abilities {
        model::Thinking::None => return None,
        model::Thinking::Budget { least, most } => (Some(budget(effort).unwrap_or(most).max(least)), None),
        model::Thinking::Level { knows_minimal, knows_medium } => {
            (None, Some(level(effort, knows_minimal, knows_medium)))
        }
    };
    Some(ThinkingConfig { include_thoughts: effort != Effort::None, thinking_budget, thinking_level })
}

/// In tokens, as the vendor's own surface in OpenAI's form has them; `None` is all the model takes.
fn budget(effort: Effort) -> Option<u64> {
    match effort {
        Effort::None => Some(0),
        Effort::Minimal | Effort::Low => Some(1_024),
        Effort::Medium => Some(8_192),
        Effort::High => Some(24_576),
        Effort::ExtraHigh | Effort::Max => None,
    }
}

fn level(effort: Effort, knows_minimal: bool, knows_medium: bool) -> &'static str {
    match effort {
        Effort::None | Effort::Minimal if knows_minimal => "minimal",
        Effort::None | Effort::Minimal | Effort::Low => "low",
        Effort::Medium if knows_medium => "medium",
        Effort::Medium | Effort::High | Effort::ExtraHigh | Effort::Max => "high",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effort_is_said_in_the_words_of_the_model_s_generation() {
        const FLASH_3: model::Thinking = model::Thinking::Level { knows_minimal: true, knows_medium: true };
        const PRO_3: model::Thinking = model::Thinking::Level { knows_minimal: false, knows_medium: false };
        const FLASH: model::Thinking = model::Thinking::Budget { least: 0, most: 24_576 };
        const PRO: model::Thinking = model::Thinking::Budget { least: 128, most: 32_768 };
        let told = |rest: &str| format!(r#"{{"includeThoughts":true,{rest}}}"#);
        let untold = |rest: &str| format!(r#"{{"includeThoughts":false,{rest}}}"#);
        for (abilities, effort, expected) in [
            (FLASH_3, "none", untold(r#""thinkingLevel":"minimal""#)),
            (FLASH_3, "minimal", told(r#""thinkingLevel":"minimal""#)),
            (FLASH_3, "medium", told(r#""thinkingLevel":"medium""#)),
            (FLASH_3, "max", told(r#""thinkingLevel":"high""#)),
            (PRO_3, "none", untold(r#""thinkingLevel":"low""#)),
            (PRO_3, "minimal", told(r#""thinkingLevel":"low""#)),
            (PRO_3, "medium", told(r#""thinkingLevel":"high""#)),
            (FLASH, "none", untold(r#""thinkingBudget":0"#)),
            (FLASH, "low", told(r#""thinkingBudget":1024"#)),
            (FLASH, "xhigh", told(r#""thinkingBudget":24576"#)),
            (PRO, "none", untold(r#""thinkingBudget":128"#)),
            (PRO, "medium", told(r#""thinkingBudget":8192"#)),
            (PRO, "high", told(r#""thinkingBudget":24576"#)),
            (PRO, "max", told(r#""thinkingBudget":32768"#)),
            (model::Thinking::None, "high", "null".to_owned()),
        ] {
            let config = config(Some(Effort::read(effort).unwrap()), abilities);
            assert_eq!(serde_json::to_string(&config).unwrap(), expected, "{abilities:?} {effort}");
        }
        assert_eq!(config(None, FLASH), None);
    }
}
