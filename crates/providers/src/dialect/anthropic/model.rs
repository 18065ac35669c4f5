//! What the vendor's models can do, by family, and what an operator says otherwise.
//!
//! As known in November 2026. Recorded traffic confirms some of it (4.6 refuses `xhigh` and takes a forced
//! tool beside adaptive thinking); the rest was not tried. A row that promises too much makes the vendor
//! refuse. A model in no row gets what every model takes: a small answer, no thinking, a tool in the
//! place of a schema.

use nexus_core::capabilities::{Capabilities, Thinking as How};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::dialect) struct Abilities {
    /// The most tokens of an answer, thinking included; `None` if it is not known.
    pub(in crate::dialect) max_output: Option<u64>,
    pub(in crate::dialect) sampling: Sampling,
    pub(in crate::dialect) thinking: Thinking,
    pub(in crate::dialect) schema: Schema,
}

/// Whether `temperature`, `top_p` and `top_k` are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::dialect) enum Sampling {
    Taken,
    /// A request with one of them is refused.
    Refused,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::dialect) enum Thinking {
    None,
    /// With a budget of tokens; neither forced tools nor a tool loop begun without thinking go with it.
    Budget,
    /// The model decides, steered by an effort up to `max`; `xhigh` only where it is known.
    Adaptive {
        knows_xhigh: bool,
    },
}

/// Whether an answer can be bound to a schema, and tools to theirs with `strict`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::dialect) enum Schema {
    Native,
    /// Only by a tool that must be called.
    ByTool,
}

/// The default of an answer's length where the model is unknown.
const SMALL_OUTPUT: u64 = 4_096;

const UNKNOWN: Abilities = Abilities {
    max_output: None,
    sampling: Sampling::Taken,
    thinking: Thinking::None,
    schema: Schema::ByTool,
};

const fn family(max_output: u64, sampling: Sampling, thinking: Thinking, schema: Schema) -> Abilities {
    Abilities { max_output: Some(max_output), sampling, thinking, schema }
}

const NEWEST: Abilities =
    family(128_000, Sampling::Refused, Thinking::Adaptive { knows_xhigh: true }, Schema::Native);
const NEWER: Abilities =
    family(128_000, Sampling::Taken, Thinking::Adaptive { knows_xhigh: false }, Schema::Native);
const SCHEMA: Abilities = family(64_000, Sampling::Taken, Thinking::Budget, Schema::Native);
const BUDGET: Abilities = family(64_000, Sampling::Taken, Thinking::Budget, Schema::ByTool);
const OLD: Abilities = family(SMALL_OUTPUT, Sampling::Taken, Thinking::None, Schema::ByTool);

/// The beginning of a name, the longer before the shorter.
#[rustfmt::skip]
const FAMILIES: &[(&str, Abilities)] = &[
    ("claude-fable-5", NEWEST),
    ("claude-opus-5", NEWEST),
    ("claude-sonnet-5", NEWEST),
    ("claude-opus-4-8", NEWEST),
    ("claude-opus-4-7", NEWEST),
    ("claude-opus-4-6", NEWER),
    ("claude-sonnet-4-6", NEWER),
    ("claude-opus-4-5", SCHEMA),
    ("claude-sonnet-4-5", SCHEMA),
    ("claude-haiku-4-5", SCHEMA),
    ("claude-opus-4-1", Abilities { max_output: Some(32_000), ..SCHEMA }),
    ("claude-opus-4", Abilities { max_output: Some(32_000), ..BUDGET }),
    ("claude-sonnet-4", BUDGET),
    ("claude-3-7-sonnet", BUDGET),
    ("claude-3-5", Abilities { max_output: Some(8_192), ..OLD }),
    ("claude-3", OLD),
];

/// What this model can do. A gateway's or region's prefix before the name is passed over.
pub(in crate::dialect) fn abilities(real_model: &str) -> Abilities {
    let name = real_model.to_ascii_lowercase();
    let name = name.find("claude-").and_then(|at| name.get(at..)).unwrap_or_default();
    let is_of = |family: &str| {
        let rest = name.strip_prefix(family);
        rest.is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_digit()))
    };
    FAMILIES.iter().find(|(family, _)| is_of(family)).map_or(UNKNOWN, |(_, abilities)| *abilities)
}

impl Schema {
    /// As it is said, else as it is known.
    pub(in crate::dialect) fn said(self, binds: Option<bool>) -> Self {
        match binds {
            None => self,
            Some(true) => Self::Native,
            Some(false) => Self::ByTool,
        }
    }
}

impl Abilities {
    /// These, but for what is said of the model.
    pub(in crate::dialect) fn but(self, said: &Capabilities) -> Self {
        Self {
            max_output: said.max_output_tokens.or(self.max_output),
            sampling: match said.takes_sampling {
                None => self.sampling,
                Some(true) => Sampling::Taken,
                Some(false) => Sampling::Refused,
            },
            thinking: match (said.thinking, self.thinking) {
                (None, known) | (Some(How::Effort), known @ Thinking::Adaptive { .. }) => known,
                (Some(How::None), _) => Thinking::None,
                (Some(How::Budget), _) => Thinking::Budget,
                (Some(How::Effort), _) => Thinking::Adaptive { knows_xhigh: false },
            },
            schema: self.schema.said(said.binds_schemas),
        }
    }

    /// The answer's greatest length, given what the caller asked for.
    pub(in crate::dialect) fn max_tokens(&self, asked: Option<u64>) -> u64 {
        match (asked, self.max_output) {
            (Some(asked), Some(limit)) => asked.min(limit),
            (Some(asked), None) => asked,
            (None, limit) => limit.unwrap_or(SMALL_OUTPUT),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_belongs_to_the_longest_family_that_begins_its_name() {
        for (name, expected) in [
            ("claude-opus-4-8", NEWEST),
            ("claude-sonnet-5", NEWEST),
            ("anthropic/Claude-Opus-4-6", NEWER),
            ("eu.anthropic.claude-haiku-4-5-20251001-v1:0", SCHEMA),
            ("claude-sonnet-4-5@20250929", SCHEMA),
            ("claude-opus-4-1-20250805", Abilities { max_output: Some(32_000), ..SCHEMA }),
            ("claude-opus-4-20250514", Abilities { max_output: Some(32_000), ..BUDGET }),
            ("claude-sonnet-4-0", BUDGET),
            ("claude-sonnet-4", BUDGET),
            ("claude-3-7-sonnet-latest", BUDGET),
            ("claude-3-5-haiku-latest", Abilities { max_output: Some(8_192), ..OLD }),
            ("claude-3-haiku-20240307", OLD),
            ("claude-opus-50", UNKNOWN),
            ("claude-opus-6", UNKNOWN),
            ("my-model", UNKNOWN),
            ("", UNKNOWN),
        ] {
            assert_eq!(abilities(name), expected, "{name}");
        }
    }

    #[test]
    fn what_is_said_of_a_model_counts_before_what_is_known() {
        assert_eq!(abilities("my-model").but(Capabilities::UNSAID), UNKNOWN);
        assert_eq!(NEWEST.but(Capabilities::UNSAID), NEWEST);
        let said = Capabilities {
            max_output_tokens: Some(9),
            takes_sampling: Some(false),
            thinking: Some(How::Effort),
            binds_schemas: Some(true),
            ..Capabilities::default()
        };
        let expected =
            family(9, Sampling::Refused, Thinking::Adaptive { knows_xhigh: false }, Schema::Native);
        assert_eq!(UNKNOWN.but(&said), expected);
        assert_eq!(NEWEST.but(&said).thinking, Thinking::Adaptive { knows_xhigh: true });
        let older = Capabilities {
            takes_sampling: Some(true),
            thinking: Some(How::Budget),
            binds_schemas: Some(false),
            ..Capabilities::default()
        };
        assert_eq!(NEWEST.but(&older), family(128_000, Sampling::Taken, Thinking::Budget, Schema::ByTool));
    }

    #[test]
    fn no_row_is_hidden_by_one_before_it() {
        for (at, (family, _)) in FAMILIES.iter().enumerate() {
            let found = FAMILIES.iter().position(|(other, _)| family.starts_with(other));
            assert_eq!(found, Some(at), "{family}");
        }
    }

    #[test]
    fn an_answer_is_as_long_as_was_asked_and_the_model_can() {
        for (name, asked, expected) in [
            ("claude-sonnet-4-5", None, 64_000),
            ("claude-sonnet-4-5", Some(100), 100),
            ("claude-sonnet-4-5", Some(100_000), 64_000),
            ("unknown", None, 4_096),
            ("unknown", Some(100_000), 100_000),
        ] {
            assert_eq!(abilities(name).max_tokens(asked), expected, "{name} {asked:?}");
        }
    }
}
