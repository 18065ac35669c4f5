//! What answers can hold, by the description of all of them: nothing that is named like a secret, but for what is
//! shown once because that is its purpose.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Api, platform_key};
use crate::node::mocked;

/// Words secrets go by.
const WORDS: [&str; 8] =
    ["hash", "secret", "token", "password", "private_key", "credential", "sealed", "key"];

/// Members named so that are no secrets: ids, names, ends and counts of them.
const HARMLESS: [&str; 12] = [
    "_id",
    "_four",
    "first_token",
    "fingerprint",
    "_count",
    "has_",
    "max_",
    "tokens",
    "token_ms",
    "token_limit",
    "without_key",
    "last_hash",
];

/// Collects the names of all members an answer of this schema can have.
fn members(description: &Value, schema: &Value, seen: &mut BTreeSet<String>, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(object) => {
            if let Some(path) = object.get("$ref").and_then(Value::as_str)
                && seen.insert(path.to_owned())
            {
                let named = description.pointer(path.trim_start_matches('#')).unwrap();
                members(description, named, seen, found);
            }
            if let Some(properties) = object.get("properties").and_then(Value::as_object) {
                found.extend(properties.keys().cloned());
            }
            object.values().for_each(|inner| members(description, inner, seen, found));
        }
        Value::Array(items) => items.iter().for_each(|item| members(description, item, seen, found)),
        _ => {}
    }
}

#[test]
fn no_answer_has_a_member_named_like_a_secret_but_those_that_are_shown_once() {
    let (_mock, site) = mocked(&[]);
    let key = platform_key(&site);
    let node = site.start();
    let description = Api::new(&node, &key).get("/openapi.json").json();
    let mut named = BTreeSet::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let mut found = BTreeSet::new();
            members(&description, &operation["responses"], &mut BTreeSet::new(), &mut found);
            let is_telling = |name: &String| {
                let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
                has(&WORDS) && !has(&HARMLESS)
            };
            named.extend(found.into_iter().filter(is_telling).map(|name| format!("{method} {path} {name}")));
        }
    }
    let shown_once: Vec<&str> = named.iter().map(String::as_str).collect();
    assert_eq!(
        shown_once,
        [
            // of the trail it is the chain that is shown
            "get /audit-logs hash",
            // names of environment variables, not what is in them
            "get /provider-kinds key_variables",
            "get /session csrf_token",
            "post /keys key",
            "post /keys signing_secret",
            "post /keys/{id}/rotate key",
            "post /keys/{id}/rotate signing_secret",
            "post /keys/{id}/signing-secret signing_secret",
            "post /session csrf_token",
            "post /webhooks secret",
            "post /webhooks/{id}/rotate-secret secret",
        ]
    );
}
