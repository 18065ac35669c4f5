//! What a model is there for, as requests and answers write it.

use std::{borrow::Cow, collections::BTreeMap};

use nexus_core::{
    id::{TeamId, Uuid},
    need::Fit,
};
use serde::{Deserialize, Serialize};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, schema::Type},
};

use crate::admin::{
    body::int64_or_none,
    check::{Check, NameText},
    words::AbilityWord,
};

/// The most entries of a list.
const ENTRIES_MAX: usize = 64;

/// The schema of a tag.
#[derive(ToSchema)]
#[schema(
    as = Tag, min_length = 1, max_length = 100,
    pattern = r"^[^\s,\x00-\x1f\x7f-\x9f]([^,\x00-\x1f\x7f-\x9f]*[^\s,\x00-\x1f\x7f-\x9f])?$"
)]
#[expect(dead_code, reason = "a schema and never a value")]
pub struct TagText(String);

/// The schema of headers, each with the value it must have.
pub struct HeaderWishes;

impl PartialSchema for HeaderWishes {
    fn schema() -> RefOr<Schema> {
        let name = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^x-[a-z0-9-]{0,62}$"));
        ObjectBuilder::new()
            .schema_type(Type::Object)
            .max_properties(Some(ENTRIES_MAX))
            .property_names(Some(name))
            .additional_properties(Some(NameText::schema()))
            .into()
    }
}

impl ToSchema for HeaderWishes {
    fn name() -> Cow<'static, str> {
        "HeaderWishes".into()
    }
}

/// What a model can do, and which requests it is there for. What is absent sets no bound.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Fit)]
pub struct FitBody {
    /// All it can do beside text; a request that needs more is not offered to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 64)]
    pub abilities: Option<Vec<AbilityWord>>,
    /// How many tokens of prompt and answer together it takes.
    #[serde(default, deserialize_with = "int64_or_none", skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0)]
    pub context_tokens: Option<u64>,
    #[serde(default, deserialize_with = "int64_or_none", skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0)]
    pub min_input_tokens: Option<u64>,
    #[serde(default, deserialize_with = "int64_or_none", skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0)]
    pub max_input_tokens: Option<u64>,
    /// Only for these teams.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false, max_items = 64)]
    pub teams: Vec<Uuid>,
    /// Only for requests one of whose `x-nexus-tags` is among these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false, max_items = 64, value_type = Vec<TagText>)]
    pub tags: Vec<String>,
    /// Only for requests that bear each of these headers with this value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(required = false, value_type = HeaderWishes)]
    pub headers: BTreeMap<String, String>,
}

impl From<&Fit> for FitBody {
    fn from(fit: &Fit) -> Self {
        Self {
            abilities: fit.abilities.map(|abilities| abilities.iter().map(Into::into).collect()),
            context_tokens: fit.context_tokens,
            min_input_tokens: fit.min_input_tokens,
            max_input_tokens: fit.max_input_tokens,
            teams: fit.teams.iter().map(|team| team.0).collect(),
            tags: fit.tags.iter().map(ToString::to_string).collect(),
            headers: fit.headers.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
        }
    }
}

impl FitBody {
    pub fn checked(&self, check: &mut Check, pointer: &str) -> Fit {
        let lists = [("teams", self.teams.len()), ("tags", self.tags.len()), ("headers", self.headers.len())];
        for (name, length) in lists {
            if length > ENTRIES_MAX {
                check.flaw(&format!("{pointer}/{name}"), format!("has more than {ENTRIES_MAX} entries"));
            }
        }
        for (at, tag) in self.tags.iter().enumerate() {
            check.name(&format!("{pointer}/tags/{at}"), tag);
            if tag.contains(',') || tag.trim() != tag {
                check.flaw(&format!("{pointer}/tags/{at}"), "has a comma, or a space at an end");
            }
        }
        for (name, value) in &self.headers {
            let pointer = format!("{pointer}/headers/{}", name.replace('~', "~0").replace('/', "~1"));
            let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            if !name.starts_with("x-") || name.len() > 64 || !name.bytes().all(is_letter) {
                check.flaw(&pointer, "is no header such as `x-plan`, in lower case");
            }
            check.name(&pointer, value);
        }
        Fit {
            abilities: self
                .abilities
                .as_ref()
                .map(|abilities| abilities.iter().map(|ability| (*ability).into()).collect()),
            context_tokens: self.context_tokens,
            min_input_tokens: self.min_input_tokens,
            max_input_tokens: self.max_input_tokens,
            teams: self.teams.iter().copied().map(TeamId).collect(),
            tags: self.tags.iter().map(|tag| tag.as_str().into()).collect(),
            headers: self
                .headers
                .iter()
                .map(|(name, value)| (name.as_str().into(), value.as_str().into()))
                .collect(),
        }
    }
}
