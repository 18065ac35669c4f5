//! `reasoning_effort`: how much a model shall think, in OpenAI's words.
//!
//! Effort is a wish: only a word that nobody knows makes a request fail.

use nexus_wire::conversation::members::Wrong;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effort {
    None,
    Minimal,
    Low,
    Medium,
    High,
    ExtraHigh,
    Max,
}

impl Effort {
    pub(crate) fn read(word: &str) -> Result<Self, Wrong> {
        Ok(match word {
            "none" => Self::None,
            "minimal" => Self::Minimal,
            "low" => Self::Low,
            "medium" => Self::Medium,
            "high" => Self::High,
            "xhigh" => Self::ExtraHigh,
            "max" => Self::Max,
            _ => {
                let words = "`none`, `minimal`, `low`, `medium`, `high`, `xhigh` or `max`";
                return Err(Wrong::new("reasoning_effort", words));
            }
        })
    }
}
