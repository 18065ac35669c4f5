//! What a target is there for, as text: an object of bounds, where one that is left out sets none.
//!
//! Reading fails closed: what is not understood makes the whole unreadable, because leaving it out would
//! offer the target what it cannot do.

use std::collections::BTreeMap;

use nexus_core::need::{Abilities, Ability, Fit};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    abilities: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    context_tokens: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    min_input_tokens: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_input_tokens: Option<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    teams: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<Box<str>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<Box<str>, Box<str>>,
}

pub(super) fn read(text: &str) -> Option<Fit> {
    if !text.starts_with('{') {
        return None;
    }
    let written: Written = serde_json::from_str(text).ok()?;
    let abilities = |words: Vec<String>| -> Option<Abilities> {
        words.iter().map(|word| Ability::from_word(word)).collect()
    };
    Some(Fit {
        abilities: match written.abilities {
            Some(words) => Some(abilities(words)?),
            None => None,
        },
        context_tokens: written.context_tokens,
        min_input_tokens: written.min_input_tokens,
        max_input_tokens: written.max_input_tokens,
        teams: written.teams.iter().map(|team| team.parse().ok()).collect::<Option<_>>()?,
        tags: written.tags,
        headers: written.headers.into_iter().collect(),
    })
}

/// The fit as it stands in a row; one without bounds is `{}`.
pub(crate) fn written(fit: &Fit) -> String {
    let words = |abilities: Abilities| abilities.iter().map(|ability| ability.as_str().to_owned()).collect();
    let written = Written {
        abilities: fit.abilities.map(words),
        context_tokens: fit.context_tokens,
        min_input_tokens: fit.min_input_tokens,
        max_input_tokens: fit.max_input_tokens,
        teams: fit.teams.iter().map(ToString::to_string).collect(),
        tags: fit.tags.clone(),
        headers: fit.headers.iter().cloned().collect(),
    };
    serde_json::json!(written).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_the_same_and_what_is_not_understood_is_refused() {
        let whole = r#"{"abilities":["tools"],"context_tokens":8,"headers":{"x-plan":"gold"},"max_input_tokens":4,"min_input_tokens":1,"tags":["night"],"teams":["00000000-0000-0000-0000-000000000001"]}"#;
        for text in ["{}", r#"{"abilities":[]}"#, whole] {
            assert_eq!(written(&read(text).unwrap()), text);
        }
        for text in ["", "[]", "null", r#"{"abilities":["flying"]}"#, r#"{"teams":["x"]}"#, r#"{"other":1}"#]
        {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
