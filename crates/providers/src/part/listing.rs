//! Lists of models as vendors write them: an array of objects under some member, each with a name.

use nexus_core::fault::Fault;
use serde_json::Value;

use crate::dialect::bad_answer;

/// The names, without what every one of them begins with.
pub(crate) fn names(body: &[u8], list: &str, name: &str, beginning: &str) -> Result<Vec<String>, Fault> {
    const STRANGE: &str = "the provider answered, but not with a list of models; look at the endpoint's path";
    let answer: Value = serde_json::from_slice(body).map_err(|_| bad_answer(STRANGE))?;
    let entries = answer.get(list).and_then(Value::as_array).ok_or_else(|| bad_answer(STRANGE))?;
    let named = entries.iter().map(|entry| entry.get(name).and_then(Value::as_str));
    let names: Option<Vec<_>> =
        named.map(|name| name.map(|name| name.strip_prefix(beginning).unwrap_or(name).to_owned())).collect();
    names.ok_or_else(|| bad_answer(STRANGE))
}

#[cfg(test)]
mod tests {
    use crate::registry;

    #[test]
    fn every_vendors_list_is_read_and_what_is_none_is_a_fault() {
        for (kind, body, expected) in [
            (
                "openai",
                r#"{"object":"list","data":[{"id":"a","object":"model"},{"id":"b"}]}"#,
                &["a", "b"][..],
            ),
            ("azure", r#"{"data":[{"id":"gpt-4o","status":"succeeded"}]}"#, &["gpt-4o"]),
            ("anthropic", r#"{"data":[{"type":"model","id":"claude"}],"has_more":false}"#, &["claude"]),
            ("gemini", r#"{"models":[{"name":"models/gemini-x","version":"1"}]}"#, &["gemini-x"]),
            (
                "vertex",
                r#"{"publisherModels":[{"name":"publishers/google/models/gemini-x"}]}"#,
                &["gemini-x"],
            ),
            ("cohere", r#"{"models":[{"name":"command","endpoints":["chat"]}]}"#, &["command"]),
            ("ollama-native", r#"{"models":[{"name":"llama:8b","model":"llama:8b"}]}"#, &["llama:8b"]),
            (
                "bedrock",
                r#"{"modelSummaries":[{"modelId":"amazon.nova","inferenceTypesSupported":[]}]}"#,
                &["amazon.nova"],
            ),
        ] {
            let dialect = registry::dialect(kind).unwrap();
            assert_eq!(dialect.listed(body.as_bytes()).unwrap(), expected, "{kind}");
            for strange in ["", "<html>", "[]", "{}", r#"{"data":{},"models":[{}],"modelSummaries":[1]}"#] {
                assert!(dialect.listed(strange.as_bytes()).is_err(), "{kind} {strange}");
            }
        }
    }
}
