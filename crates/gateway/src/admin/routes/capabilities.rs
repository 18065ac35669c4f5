//! What a model can do, as requests and answers write it.

use nexus_core::{capabilities::Capabilities, modality::Modalities};
use nexus_providers::registry;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::object::ModelText;
use crate::admin::{
    body::int64_or_none,
    check::Check,
    providers::check_model,
    words::{ModalityWord, ThinkingWord},
};

/// What a model can do, where that is other than what is known of it by its name. What is absent is as it is known
/// or, of a model nobody has heard of, what every model takes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Capabilities)]
pub struct CapabilitiesBody {
    /// The vendor's name of the model it is like, for a name that does not tell: a tuned model's, or the ARN of an
    /// inference profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ModelText>)]
    pub like: Option<String>,
    /// The most tokens of an answer, thinking included: more is never asked for.
    #[serde(default, deserialize_with = "int64_or_none", skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub max_output_tokens: Option<u64>,
    /// Whether it takes `temperature`, `top_p` and their kin; where not, they are left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampling: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thinking: Option<ThinkingWord>,
    /// Whether it binds an answer to a schema by itself; where not, a tool that must be called takes its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub structured_output: Option<bool>,
    /// All it takes in; a request with anything else is not offered to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_items = 1, max_items = 5)]
    pub input_modalities: Option<Vec<ModalityWord>>,
    /// All it gives out; a request that wants anything else is not offered to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_items = 1, max_items = 5)]
    pub output_modalities: Option<Vec<ModalityWord>>,
}

/// The set of these.
pub fn of_words(words: &[ModalityWord]) -> Modalities {
    words.iter().map(|word| (*word).into()).collect()
}

fn words(modalities: Modalities) -> Vec<ModalityWord> {
    modalities.iter().map(Into::into).collect()
}

impl From<&Capabilities> for CapabilitiesBody {
    fn from(said: &Capabilities) -> Self {
        Self {
            like: said.like.as_deref().map(str::to_owned),
            max_output_tokens: said.max_output_tokens,
            sampling: said.takes_sampling,
            thinking: said.thinking.map(Into::into),
            structured_output: said.binds_schemas,
            input_modalities: said.input.map(words),
            output_modalities: said.output.map(words),
        }
    }
}

impl CapabilitiesBody {
    pub fn checked(&self, check: &mut Check, pointer: &str) -> Capabilities {
        if let Some(like) = &self.like {
            check_model(check, &format!("{pointer}/like"), like);
        }
        if self.max_output_tokens == Some(0) {
            check
                .flaw(&format!("{pointer}/max_output_tokens"), "is 0; leave it away where there is no limit");
        }
        for (name, words) in
            [("input_modalities", &self.input_modalities), ("output_modalities", &self.output_modalities)]
        {
            if words.as_ref().is_some_and(|words| words.is_empty() || words.len() > 5) {
                let detail = "is empty or says one twice; leave it away where everything is taken";
                check.flaw(&format!("{pointer}/{name}"), detail);
            }
        }
        Capabilities {
            like: self.like.as_deref().map(Into::into),
            max_output_tokens: self.max_output_tokens,
            takes_sampling: self.sampling,
            thinking: self.thinking.map(Into::into),
            binds_schemas: self.structured_output,
            input: self.input_modalities.as_deref().map(of_words),
            output: self.output_modalities.as_deref().map(of_words),
        }
    }
}

/// A name that tells nothing of its model needs the name of one that it is like.
pub fn check_known(check: &mut Check, pointer: &str, kind: &str, real_model: &str, said: &Capabilities) {
    let is_told = registry::dialect(kind).is_none_or(|dialect| dialect.tells(real_model));
    if !is_told && said.like.is_none() {
        let detail = "is needed, since the `real_name` does not tell which model it is: name the vendor's model \
                      behind it, such as `anthropic.claude-sonnet-4-5-20250929-v1:0`";
        check.flaw(&format!("{pointer}/like"), detail);
    }
}
