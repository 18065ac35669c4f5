//! The mock's answers against recorded ones: every member the vendor sends is there, and of the same kind.
//!
//! Compared by path and JSON type, indexes and values apart; runs where the recordings lie beside the work tree.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use crate::client::{ask, exchange};
use crate::speaks::mock;

const STREAM: &str = r#","stream":true,"stream_options":{"include_usage":true}"#;
const TOOL: &str = r#","tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object",
    "required":["a"],"properties":{"a":{"type":"string"}}}}}]"#;

type Shape = BTreeMap<String, BTreeSet<&'static str>>;

/// Each path in `value` with the kinds of value seen there.
fn shape_of(value: &Value, path: &str, shape: &mut Shape) {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(items) => {
            items.iter().for_each(|item| shape_of(item, &format!("{path}[]"), shape));
            "array"
        }
        Value::Object(members) => {
            members.iter().for_each(|(name, member)| shape_of(member, &format!("{path}.{name}"), shape));
            "object"
        }
    };
    shape.entry(path.to_owned()).or_default().insert(kind);
}

fn shape(values: &[Value]) -> Shape {
    let mut shape = Shape::new();
    values.iter().for_each(|value| shape_of(value, "", &mut shape));
    shape
}

fn recorded(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap();
    if file.extension().is_some_and(|extension| extension == "json") {
        return vec![serde_json::from_str(&text).unwrap()];
    }
    let data = text.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]");
    data.map(|data| serde_json::from_str(data).unwrap()).collect()
}

#[test]
fn each_answer_has_the_members_of_its_recording_and_no_others() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/fixtures/openai"));
    let cases = [
        ("chat_completions-safety-n-toolres-tools-01.json", "", ""),
        ("chat_completions-safety-tooluse-schema-tchoice-tools-01.json", TOOL, ""),
        ("chat_completions-safety-schema-toolres-tools-01.sse", "", STREAM),
        ("chat_completions-tooluse-tchoice-tools-01.sse", TOOL, STREAM),
    ];
    if !folder.exists() {
        println!("openai recordings: absent, 0 cases ran");
        return;
    }
    let mock = mock();
    for (file, tools, stream) in cases {
        let answer = exchange(mock.addr(), &ask("mock-gpt", "hi", &format!("{tools}{stream}")));
        let ours = if stream.is_empty() { vec![answer.json()] } else { answer.events() };
        assert_eq!(shape(&ours), shape(&recorded(&folder.join(file))), "{file}");
    }
    let error = exchange(mock.addr(), &ask("m+echo_key_401", "hi", ""));
    let refusal = recorded(&folder.join("chat_completions-err401-01.json"));
    assert_eq!(shape(&[error.json()]), shape(&refusal));
    println!("openai recordings: {} cases ran", cases.len() + 1);
}
