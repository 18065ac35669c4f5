//! What differs between a thing before and after, member by member.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// A member with another value.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct FieldChange {
    /// JSON pointer (RFC 6901) into the thing.
    pub field: String,
    /// `null` where it was not there.
    pub before: Value,
    /// `null` where it is no more.
    pub after: Value,
}

/// What differs between two objects, in the order of their members. A list is compared as a whole; what is not there
/// has no members, and what is no JSON is nothing.
pub fn between(before: Option<&str>, after: Option<&str>) -> Vec<FieldChange> {
    let read =
        |text: Option<&str>| text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null);
    let mut changes = Vec::new();
    compare(String::new(), read(before), read(after), &mut changes);
    changes
}

fn compare(field: String, before: Value, after: Value, changes: &mut Vec<FieldChange>) {
    match (before, after) {
        (before, after) if before == after => {}
        (Value::Object(mut before), Value::Object(mut after)) => {
            let names: BTreeSet<String> = before.keys().chain(after.keys()).cloned().collect();
            for name in names {
                let inner = format!("{field}/{}", name.replace('~', "~0").replace('/', "~1"));
                let (was, is) = (before.remove(&name), after.remove(&name));
                compare(inner, was.unwrap_or_default(), is.unwrap_or_default(), changes);
            }
        }
        // what comes or goes as a whole is told by its members
        (Value::Null, Value::Object(after)) if field.is_empty() => {
            compare(field, Value::Object(Default::default()), Value::Object(after), changes);
        }
        (Value::Object(before), Value::Null) if field.is_empty() => {
            compare(field, Value::Object(before), Value::Object(Default::default()), changes);
        }
        (before, after) => changes.push(FieldChange { field, before, after }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_that_differ_are_told_by_their_pointers() {
        let told = |before, after| {
            let changes = between(before, after);
            changes.iter().map(|c| format!("{} {} {}", c.field, c.before, c.after)).collect::<Vec<_>>()
        };
        for (before, after, expected) in [
            (Some(r#"{"a":1,"b":2}"#), Some(r#"{"a":1,"b":3}"#), vec!["/b 2 3"]),
            (
                Some(r#"{"a":{"b":[1]}}"#),
                Some(r#"{"a":{"b":[1,2],"c/d":0}}"#),
                vec!["/a/b [1] [1,2]", "/a/c~1d null 0"],
            ),
            (None, Some(r#"{"a":1,"b":null}"#), vec!["/a null 1"]),
            (Some(r#"{"a":{"b":1}}"#), None, vec![r#"/a {"b":1} null"#]),
            (Some("1"), Some("2"), vec![" 1 2"]),
            (Some("{}"), Some("{}"), vec![]),
            (None, None, vec![]),
        ] {
            assert_eq!(told(before, after), expected, "{before:?} {after:?}");
        }
    }
}
