//! What the vendor's models can do, by family, and what an operator says otherwise.
//!
//! As known in November 2026; recorded traffic confirms levels and budgets of 2.5 and 3, and schemas beside
//! tools for 3. A model in no row gets what every model takes: no wish about its thoughts, and a schema
//! beside tools by a tool.

use nexus_core::capabilities::{Capabilities, Thinking as How};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Abilities {
    pub(super) thinking: Thinking,
    pub(super) json: Json,
    pub(super) penalties: Penalties,
    pub(super) system: System,
    pub(super) seals: Seals,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Thinking {
    None,
    /// A budget of tokens; 0 turns it off, where that can be.
    Budget {
        least: u64,
        most: u64,
    },
    /// `low` and `high`, and of `minimal` and `medium` what is known. It cannot be turned off.
    Level {
        knows_minimal: bool,
        knows_medium: bool,
    },
}

/// Whether an answer can be bound to JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Json {
    /// Only in a request without tools.
    Alone,
    BesideTools,
}

/// Whether `frequencyPenalty` and `presencePenalty` are taken; where not, a request with one is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Penalties {
    Taken,
    Refused,
}

/// Where what `system` messages say goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum System {
    Instruction,
    /// The model knows no instruction.
    FirstTurn,
}

/// Whether the first call of a turn must bear the signature it was given out with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seals {
    Kept,
    Demanded,
}

const UNKNOWN: Abilities = Abilities {
    thinking: Thinking::None,
    json: Json::Alone,
    penalties: Penalties::Refused,
    system: System::Instruction,
    seals: Seals::Kept,
};

const OLD: Abilities = Abilities { penalties: Penalties::Taken, ..UNKNOWN };
const PRO_25: Abilities = Abilities { thinking: Thinking::Budget { least: 128, most: 32_768 }, ..UNKNOWN };
const FLASH_25: Abilities = Abilities { thinking: Thinking::Budget { least: 0, most: 24_576 }, ..OLD };
const GEMMA: Abilities = Abilities { system: System::FirstTurn, ..UNKNOWN };

const fn third(knows_minimal: bool, knows_medium: bool) -> Abilities {
    Abilities {
        thinking: Thinking::Level { knows_minimal, knows_medium },
        json: Json::BesideTools,
        seals: Seals::Demanded,
        ..UNKNOWN
    }
}

const FLASH_3: Abilities = third(true, true);
const PRO_3: Abilities = third(false, true);
/// What every model of the third generation takes.
const ANY_3: Abilities = third(false, false);
const IMAGE_3: Abilities = Abilities { thinking: Thinking::None, ..ANY_3 };

/// The beginning of a name, the longer before the shorter.
const FAMILIES: &[(&str, Abilities)] = &[
    ("gemini-3-pro-image", IMAGE_3),
    ("gemini-3.1-flash-image", IMAGE_3),
    ("gemini-3-flash", FLASH_3),
    ("gemini-3.1-flash", FLASH_3),
    ("gemini-3.1-pro", PRO_3),
    ("gemini-3", ANY_3),
    ("gemini-flash-latest", FLASH_3),
    ("gemini-flash-lite-latest", FLASH_3),
    ("gemini-pro-latest", ANY_3),
    ("gemini-2.5-flash-image", OLD),
    ("gemini-2.5-flash", FLASH_25),
    ("gemini-2.5-pro", PRO_25),
    ("gemini-2", OLD),
    ("gemini-1", OLD),
    ("gemma-", GEMMA),
];

/// What this model can do. The path before its name is passed over.
pub(super) fn abilities(real_model: &str) -> Abilities {
    let name = real_model.to_ascii_lowercase();
    let name = name.rsplit('/').next().unwrap_or_default();
    let is_of = |family: &str| {
        let rest = name.strip_prefix(family);
        rest.is_some_and(|rest| {
            family.ends_with('-') || !rest.starts_with(|next: char| next.is_ascii_digit())
        })
    };
    FAMILIES.iter().find(|(family, _)| is_of(family)).map_or(UNKNOWN, |(_, abilities)| *abilities)
}

impl Abilities {
    /// These, but for what is said of the model.
    pub(super) fn but(self, said: &Capabilities) -> Self {
        let thinking = match (said.thinking, self.thinking) {
            (None, known)
            | (Some(How::Budget), known @ Thinking::Budget { .. })
            | (Some(How::Effort), known @ Thinking::Level { .. }) => known,
            (Some(How::None), _) => Thinking::None,
            (Some(How::Budget), _) => Thinking::Budget { least: 128, most: 24_576 },
            (Some(How::Effort), _) => Thinking::Level { knows_minimal: false, knows_medium: false },
        };
        let json = match said.binds_schemas {
            None => self.json,
            Some(true) => Json::BesideTools,
            Some(false) => Json::Alone,
        };
        Self { thinking, json, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_belongs_to_the_longest_family_that_begins_its_name() {
        for (name, expected) in [
            ("gemini-3-flash-preview", FLASH_3),
            ("models/Gemini-3.1-flash-lite", FLASH_3),
            ("publishers/google/models/gemini-3-pro-preview", ANY_3),
            ("gemini-3.1-pro-preview", PRO_3),
            ("gemini-3.5-flash", ANY_3),
            ("gemini-3-pro-image-preview", IMAGE_3),
            ("gemini-flash-latest", FLASH_3),
            ("gemini-2.5-flash-lite", FLASH_25),
            ("gemini-2.5-flash-image", OLD),
            ("gemini-2.5-pro", PRO_25),
            ("gemini-2.0-flash", OLD),
            ("gemini-1.5-pro-002", OLD),
            ("gemma-3-27b-it", GEMMA),
            ("gemini-30", UNKNOWN),
            ("gemini-4-pro", UNKNOWN),
            ("tunedModels/mine", UNKNOWN),
            ("", UNKNOWN),
        ] {
            assert_eq!(abilities(name), expected, "{name}");
        }
    }

    #[test]
    fn what_is_said_of_a_model_counts_before_what_is_known() {
        let said = |thinking| Capabilities { thinking: Some(thinking), ..Capabilities::default() };
        for (known, thinking, expected) in [
            (PRO_25, How::None, Thinking::None),
            (PRO_25, How::Budget, PRO_25.thinking),
            (UNKNOWN, How::Budget, Thinking::Budget { least: 128, most: 24_576 }),
            (FLASH_3, How::Effort, FLASH_3.thinking),
            (UNKNOWN, How::Effort, ANY_3.thinking),
        ] {
            assert_eq!(known.but(&said(thinking)), Abilities { thinking: expected, ..known });
        }
        assert_eq!(FLASH_3.but(Capabilities::UNSAID), FLASH_3);
        let alone = Capabilities { binds_schemas: Some(false), ..Capabilities::default() };
        assert_eq!(FLASH_3.but(&alone).json, Json::Alone);
    }

    #[test]
    fn no_row_is_hidden_by_one_before_it() {
        for (at, (family, _)) in FAMILIES.iter().enumerate() {
            let found = FAMILIES.iter().position(|(other, _)| family.starts_with(other));
            assert_eq!(found, Some(at), "{family}");
        }
    }
}
