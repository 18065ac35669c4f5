//! JSON by chance, from names and words that mean something to a dialect, so that chance finds its way
//! inside.

use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::{Value, json};

pub(crate) fn any_json(
    names: &'static [&'static str],
    words: &'static [&'static str],
) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0..3_u64).prop_map(Value::from),
        (-2.0..3.0).prop_map(Value::from),
        select(words).prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 6, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((select(names), inner), 0..6).prop_map(|members| members
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect()),
        ]
    })
}

/// A message that is one by its role and content, and else anything. Tools answer the call `a.b`.
pub(crate) fn any_message(
    names: &'static [&'static str],
    words: &'static [&'static str],
) -> impl Strategy<Value = Value> {
    const ROLES: &[&str] = &["system", "user", "user", "assistant", "assistant", "tool", "tool"];
    let call = json!({"id": "a.b", "function": {"name": "f", "arguments": "{\"x\":1}"}});
    let any = (select(ROLES), select(words), any_json(names, words), any::<bool>());
    any.prop_map(move |(role, word, more, calls)| {
        let mut message = if more.is_object() { more } else { json!({}) };
        message["role"] = json!(role);
        message["tool_call_id"] = json!("a.b");
        message["tool_calls"] = if calls { json!([call]) } else { Value::Null };
        (message["thinking_blocks"], message["refusal"]) = (Value::Null, Value::Null);
        if !message["content"].is_array() {
            message["content"] = json!(word);
        }
        message
    })
}
