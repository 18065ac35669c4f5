//! What a model is said to be able to do, as text: an object, where what is left out is not said.
//!
//! Reading fails closed, as for the bounds beside it.

use nexus_core::{
    capabilities::{Capabilities, Thinking},
    modality::{Modalities, Modality},
};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    input_modalities: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    like: Option<Box<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    output_modalities: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sampling: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    structured_output: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    thinking: Option<String>,
}

pub(super) fn read(text: &str) -> Option<Capabilities> {
    if !text.starts_with('{') {
        return None;
    }
    let written: Written = serde_json::from_str(text).ok()?;
    let modalities = |words: Option<Vec<String>>| -> Option<Option<Modalities>> {
        let Some(words) = words else { return Some(None) };
        words.iter().map(|word| Modality::from_word(word)).collect::<Option<Modalities>>().map(Some)
    };
    Some(Capabilities {
        like: written.like,
        max_output_tokens: written.max_output_tokens,
        takes_sampling: written.sampling,
        thinking: match written.thinking {
            Some(word) => Some(Thinking::from_word(&word)?),
            None => None,
        },
        binds_schemas: written.structured_output,
        input: modalities(written.input_modalities)?,
        output: modalities(written.output_modalities)?,
    })
}

/// As it stands in a row; where nothing is said, `{}`.
pub(crate) fn written(said: &Capabilities) -> String {
    let words = |modalities: Modalities| modalities.iter().map(|one| one.as_str().to_owned()).collect();
    let written = Written {
        input_modalities: said.input.map(words),
        output_modalities: said.output.map(words),
        like: said.like.clone(),
        max_output_tokens: said.max_output_tokens,
        sampling: said.takes_sampling,
        structured_output: said.binds_schemas,
        thinking: said.thinking.map(|thinking| thinking.as_str().to_owned()),
    };
    serde_json::json!(written).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_the_same_and_what_is_not_understood_is_refused() {
        let whole = r#"{"input_modalities":["text","file"],"like":"claude-sonnet-4-5","max_output_tokens":8,"output_modalities":["text"],"sampling":false,"structured_output":true,"thinking":"budget"}"#;
        for text in ["{}", r#"{"thinking":"none"}"#, whole] {
            assert_eq!(written(&read(text).unwrap()), text);
        }
        for text in [
            "",
            "[]",
            "null",
            r#"{"thinking":"deep"}"#,
            r#"{"sampling":1}"#,
            r#"{"input_modalities":["smell"]}"#,
            r#"{"other":1}"#,
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
