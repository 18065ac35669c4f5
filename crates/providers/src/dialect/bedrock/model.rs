//! What the models behind this vendor can do, by family, and what an operator says otherwise.
//!
//! As the vendor documents it in November 2026; recorded traffic confirms some of it. A row that promises
//! too much makes the vendor refuse. What Claude can do is the table of its own vendor's. A model in no
//! row gets what every model takes: no thinking, no cache points, a tool in the place of a schema.

use nexus_core::capabilities::{Capabilities, Thinking};

use super::{
    super::anthropic::model::{self as claude, Schema},
    turn::Caching,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Abilities {
    pub(super) family: Family,
    pub(super) schema: Schema,
    pub(super) caching: Caching,
    /// Which calls can be demanded.
    pub(super) demand: Demand,
}

/// Whose words a model's own members are said in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Claude(claude::Abilities),
    /// The second generation thinks.
    Nova {
        thinks: bool,
    },
    /// OpenAI's open models.
    GptOss,
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Demand {
    /// Any tool, or one by its name.
    Named,
    /// Any tool.
    Any,
    /// None at all.
    Nothing,
}

const fn row(family: Family, schema: Schema, caching: Caching, demand: Demand) -> Abilities {
    Abilities { family, schema, caching, demand }
}

/// What is known of nobody: a demand is passed on, and the vendor says what it thinks of it.
const UNKNOWN: Abilities = row(Family::Other, Schema::ByTool, Caching::Unknown, Demand::Named);

const NATIVE: Abilities = row(Family::Other, Schema::Native, Caching::Unknown, Demand::Named);

/// The beginning of a name behind its region, the longer before the shorter.
#[rustfmt::skip]
const FAMILIES: &[(&str, Abilities)] = &[
    ("amazon.nova-2", row(Family::Nova { thinks: true }, Schema::ByTool, Caching::Marked, Demand::Named)),
    ("amazon.nova", row(Family::Nova { thinks: false }, Schema::ByTool, Caching::Marked, Demand::Named)),
    ("openai.gpt-oss", row(Family::GptOss, Schema::Native, Caching::Unknown, Demand::Named)),
    ("minimax.minimax-m2", NATIVE),
    ("moonshot", NATIVE),
    ("qwen.qwen3", NATIVE),
    ("deepseek.v3", NATIVE),
    ("google.gemma-3", NATIVE),
    ("nvidia.nemotron", NATIVE),
    ("mistral.ministral", NATIVE),
    ("mistral.magistral", NATIVE),
    ("mistral.mistral-large-3", NATIVE),
    ("mistral.", row(Family::Other, Schema::ByTool, Caching::Unknown, Demand::Any)),
    ("meta.llama", row(Family::Other, Schema::ByTool, Caching::Unknown, Demand::Nothing)),
];

/// What this model can do. An inference profile's region before the name is passed over.
pub(super) fn abilities(real_model: &str) -> Abilities {
    let name = real_model.to_ascii_lowercase();
    if name.contains("claude-") {
        let abilities = claude::abilities(&name);
        // Opus 4.1 is bound to schemas at its own vendor, but not at this one.
        let schema = if name.contains("claude-opus-4-1") { Schema::ByTool } else { abilities.schema };
        return row(Family::Claude(abilities), schema, Caching::Marked, Demand::Named);
    }
    let name = name.rsplit('/').next().unwrap_or_default();
    let is_of = |family: &str| {
        let behind = name.split_once('.').map_or("", |(_, behind)| behind);
        name.starts_with(family) || behind.starts_with(family)
    };
    FAMILIES.iter().find(|(family, _)| is_of(family)).map_or(UNKNOWN, |(_, abilities)| *abilities)
}

impl Abilities {
    /// These, but for what is said of the model.
    pub(super) fn but(self, said: &Capabilities) -> Self {
        let family = match (self.family, said.thinking) {
            (Family::Claude(known), _) => Family::Claude(known.but(said)),
            (Family::Nova { .. }, Some(how)) => Family::Nova { thinks: how != Thinking::None },
            (family, _) => family,
        };
        Self { family, schema: self.schema.said(said.binds_schemas), ..self }
    }
}

/// Names of what an account set up for itself, which do not tell which model is behind them.
const OPAQUE: &[&str] = &[
    ":application-inference-profile/",
    ":provisioned-model/",
    ":custom-model-deployment/",
    ":imported-model/",
    ":prompt-router/",
    ":default-prompt-router/",
];

/// Whether a name tells which model it is.
pub(super) fn tells(real_model: &str) -> bool {
    !OPAQUE.iter().any(|part| real_model.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_known_by_its_name_wherever_it_runs() {
        for (name, family, schema, demand) in [
            ("amazon.nova-micro-v1:0", "Nova { thinks: false }", Schema::ByTool, Demand::Named),
            ("us.amazon.nova-2-lite-v1:0", "Nova { thinks: true }", Schema::ByTool, Demand::Named),
            ("openai.gpt-oss-120b-1:0", "GptOss", Schema::Native, Demand::Named),
            ("minimax.minimax-m2", "Other", Schema::Native, Demand::Named),
            ("us.meta.llama4-maverick-17b-instruct-v1:0", "Other", Schema::ByTool, Demand::Nothing),
            ("mistral.mistral-large-2407-v1:0", "Other", Schema::ByTool, Demand::Any),
            ("mistral.mistral-large-3-675b", "Other", Schema::Native, Demand::Named),
            (
                "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-2-lite-v1:0",
                "Nova { thinks: true }",
                Schema::ByTool,
                Demand::Named,
            ),
            (
                "arn:aws:bedrock:us-east-1:1:application-inference-profile/abc",
                "Other",
                Schema::ByTool,
                Demand::Named,
            ),
            ("", "Other", Schema::ByTool, Demand::Named),
        ] {
            let seen = abilities(name);
            assert_eq!((&*format!("{:?}", seen.family), seen.schema, seen.demand), (family, schema, demand));
        }
        for (name, schema) in [
            ("eu.anthropic.claude-haiku-4-5-20251001-v1:0", Schema::Native),
            ("anthropic.claude-opus-4-1-20250805-v1:0", Schema::ByTool),
            ("anthropic.claude-3-haiku-20240307-v1:0", Schema::ByTool),
            ("arn:aws:bedrock:eu-west-1:1:inference-profile/eu.anthropic.claude-sonnet-4-6", Schema::Native),
        ] {
            let seen = abilities(name);
            assert!(
                matches!(seen.family, Family::Claude(known) if known == claude::abilities(name)),
                "{name}"
            );
            assert_eq!((seen.schema, seen.caching), (schema, Caching::Marked), "{name}");
        }
    }

    #[test]
    fn what_is_said_of_a_model_counts_before_what_is_known() {
        let said = Capabilities {
            thinking: Some(Thinking::None),
            binds_schemas: Some(true),
            ..Capabilities::default()
        };
        let nova = abilities("amazon.nova-2-lite-v1:0").but(&said);
        assert_eq!((nova.family, nova.schema), (Family::Nova { thinks: false }, Schema::Native));
        let claude = abilities("anthropic.claude-opus-4-1-20250805-v1:0");
        assert_eq!(claude.but(Capabilities::UNSAID), claude);
        assert!(
            matches!(claude.but(&said).family, Family::Claude(known) if known.thinking == claude::Thinking::None)
        );
    }

    #[test]
    fn a_name_that_an_account_gave_does_not_tell() {
        for (name, expected) in [
            ("anthropic.claude-sonnet-4-5-20250929-v1:0", true),
            ("arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-2-lite-v1:0", true),
            ("arn:aws:bedrock:eu-west-1:1:inference-profile/eu.anthropic.claude-sonnet-4-6", true),
            ("arn:aws:bedrock:us-east-1:1:application-inference-profile/abc", false),
            ("arn:aws:bedrock:us-east-1:1:provisioned-model/abc", false),
        ] {
            assert_eq!(tells(name), expected, "{name}");
        }
    }

    #[test]
    fn no_row_is_hidden_by_one_before_it() {
        for (at, (family, _)) in FAMILIES.iter().enumerate() {
            let found = FAMILIES.iter().position(|(other, _)| family.starts_with(other));
            assert_eq!(found, Some(at), "{family}");
        }
    }
}
