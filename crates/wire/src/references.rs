//! What a body refers to of what providers keep: ids of files, vector stores, threads and their like, wherever they
//! stand in it.
//!
//! What is said to a model or kept for the client's own use is no reference, whatever it is called.

use std::{collections::BTreeSet, sync::LazyLock};

use aho_corasick::AhoCorasick;

use crate::{
    chat::BodyError,
    json::{self, Cursor, Kind, Malformed},
};

/// The most one body may refer to.
pub const REFERENCES_MAX: usize = 1024;

/// Members that refer to something, and to what: by a text, by several, or by an object with an `id`.
const NAMES: &[(&str, &str)] = &[
    ("file_id", "file"),
    ("file_ids", "file"),
    ("input_file_id", "file"),
    ("training_file", "file"),
    ("validation_file", "file"),
    ("vector_store_id", "vector_store"),
    ("vector_store_ids", "vector_store"),
    ("assistant_id", "assistant"),
    ("thread_id", "thread"),
    ("previous_response_id", "response"),
    ("conversation", "conversation"),
    ("conversation_id", "conversation"),
    ("container", "container"),
    ("container_id", "container"),
    ("skill_id", "skill"),
    ("consent", "consent"),
    ("consent_id", "consent"),
    ("video", "video"),
    ("video_id", "video"),
    ("characters", "character"),
];

/// Members whose values are the client's own, and schemas.
const FREE: &[&str] = &[
    "metadata",
    "client_metadata",
    "parameters",
    "schema",
    "input_schema",
    "item_schema",
    "item",
    "variables",
    "arguments",
    "attributes",
];

/// Part of [`NAMES`], to be looked for in a body before it is read.
const SIGNS: &[&[u8]] = &[
    b"_file",
    b"file_id",
    b"vector_store_id",
    b"assistant_id",
    b"thread_id",
    b"response_id",
    b"\"conversation",
    b"\"container",
    b"skill_id",
    b"\"consent",
    b"\"video",
    b"\"characters",
    b"\"voice",
    b"\"prompt\"",
    b"\"source\"",
    b"\\u",
];

/// All of them in one pass over the body. Without it every body is read, which is slower and no less right.
static SIGN: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| AhoCorasick::new(SIGNS).ok());

/// Something a body refers to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    pub kind: &'static str,
    pub id: String,
}

/// The kind a member or a form's field of this name refers to.
pub fn kind_of(name: &str) -> Option<&'static str> {
    // a form says `input_reference[file_id]`, `file_ids[]`
    let plain = name.strip_suffix("[]").unwrap_or(name);
    let inner = plain.strip_suffix(']').and_then(|open| open.rsplit_once('['));
    let of = |name: &str| NAMES.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind);
    match inner {
        Some((outer, "id")) => of(outer.rsplit('[').next().unwrap_or(outer)),
        Some((_, inner)) => of(inner),
        None => of(plain),
    }
}

/// Everything of these kinds a body refers to, each once; a body that is no JSON refers to nothing. Beside the members
/// that are the client's own everywhere, those of the names in `free` are so in this one.
///
/// # Errors
/// If that is too much, or it asks for what is everybody's at a provider.
pub fn references(
    body: &[u8],
    kinds: fn(&str) -> bool,
    free: &'static [&'static str],
) -> Result<Vec<Reference>, BodyError> {
    if SIGN.as_ref().is_some_and(|sign| !sign.is_match(body)) {
        return Ok(Vec::new());
    }
    let Ok(text) = std::str::from_utf8(body) else { return Ok(Vec::new()) };
    let mut found = Found { kinds, free, all: BTreeSet::new(), wrong: None };
    if json::read(text, |cursor| found.object(cursor, "")).is_err() {
        return Ok(Vec::new());
    }
    if let Some(error) = found.wrong {
        return Err(error);
    }
    Ok(found.all.into_iter().collect())
}

struct Found {
    kinds: fn(&str) -> bool,
    free: &'static [&'static str],
    all: BTreeSet<Reference>,
    wrong: Option<BodyError>,
}

impl Found {
    /// A value that stands under this name.
    fn value(&mut self, cursor: &mut Cursor<'_>, name: &str) -> Result<(), Malformed> {
        match (cursor.kind(), kind_of(name)) {
            (Kind::Text, Some(kind)) => {
                let id = cursor.string()?.map(|text| text.unescaped().into_owned());
                self.refer(kind, id.unwrap_or_default());
                Ok(())
            }
            (Kind::Object, _) => self.object(cursor, name),
            (Kind::Array, _) => cursor.array(|cursor, _| self.value(cursor, name)).map(drop),
            (Kind::Text | Kind::Other, _) => cursor.value().map(drop),
        }
    }

    fn object(&mut self, cursor: &mut Cursor<'_>, within: &str) -> Result<(), Malformed> {
        let by_id = match within {
            "voice" => Some("voice"),
            // made where prompts are written, by nobody here
            "prompt" => Some("prompt"),
            // beside the type `file_id`
            "source" => Some("file"),
            _ => kind_of(within),
        };
        let read = cursor.object(|cursor, name| {
            let name = name.unescaped();
            match (&*name, by_id) {
                (free, _) if FREE.contains(&free) || self.free.contains(&free) => cursor.value().map(drop),
                ("id", Some(kind)) if cursor.kind() == Kind::Text => {
                    let id = cursor.string()?.map(|text| text.unescaped().into_owned());
                    self.refer(kind, id.unwrap_or_default());
                    Ok(())
                }
                ("type", _) if within == "source" => {
                    let of = cursor.value()?;
                    if matches!(of, "\"stored_completions\"" | "\"responses\"") {
                        self.wrong.get_or_insert(BodyError::member(
                            "source",
                            "`source` would be what everybody has stored at the provider; give it as a file, or as content",
                        ));
                    }
                    Ok(())
                }
                (name, _) => self.value(cursor, name),
            }
        });
        read.map(drop)
    }

    fn refer(&mut self, kind: &'static str, id: String) {
        if !(self.kinds)(kind) {
            return;
        }
        if self.all.len() >= REFERENCES_MAX {
            let message = format!("the request refers to more than {REFERENCES_MAX} things; refer to fewer");
            self.wrong.get_or_insert(BodyError::whole(message));
            return;
        }
        self.all.insert(Reference { kind, id });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(body: &str) -> Vec<String> {
        let all = references(body.as_bytes(), |_| true, &[]).unwrap();
        all.into_iter().map(|Reference { kind, id }| format!("{kind} {id}")).collect()
    }

    #[test]
    fn what_a_body_refers_to_is_found_wherever_it_stands() {
        for (body, expected) in [
            (r#"{"input_file_id":"file-1","endpoint":"/v1/x"}"#, &["file file-1"][..]),
            (r#"{"messages":[{"content":[{"type":"file","file":{"file_id":"a"}}]}]}"#, &["file a"]),
            (
                r#"{"tools":[{"vector_store_ids":["v1","v2"]},{"container":{"type":"auto","file_ids":["f"]}}]}"#,
                &["file f", "vector_store v1", "vector_store v2"],
            ),
            (r#"{"conversation":{"id":"c"},"previous_response_id":null}"#, &["conversation c"]),
            (r#"{"conversation":"c","container":"k"}"#, &["container k", "conversation c"]),
            (r#"{"f\u0069le_id":"a"}"#, &["file a"]),
            (r#"{"voice":{"id":"v"}}"#, &["voice v"]),
            (r#"{"prompt":{"id":"p","variables":{"file_id":"x"}}}"#, &["prompt p"]),
            (r#"{"prompt":"a cat"}"#, &[]),
            (r#"{"voice":"alloy","metadata":{"file_id":"mine"},"file_id":7}"#, &[]),
            (r#"{"tools":[{"function":{"parameters":{"properties":{"file_id":{"const":"x"}}}}}]}"#, &[]),
            (r#"{"client_metadata":{"thread_id":"t"},"input":"hi"}"#, &[]),
            ("no json with file_id", &[]),
        ] {
            assert_eq!(found(body), expected, "{body}");
        }
    }

    #[test]
    fn a_kind_that_is_not_meant_is_no_reference() {
        let body =
            br#"{"messages":[{"content":[{"type":"video","video":["https://a/1.jpg"]},{"file_id":"f"}]}]}"#;
        let all = references(body, |kind| kind != "video", &[]).unwrap();
        assert_eq!(all, [Reference { kind: "file", id: "f".to_owned() }]);
    }

    #[test]
    fn what_a_model_called_a_tool_with_is_the_client_s_own_where_that_is_said() {
        let body =
            br#"{"messages":[{"content":[{"type":"tool_use","input":{"thread_id":"t"}},{"file_id":"f"}]}]}"#;
        let all = references(body, |_| true, &["input"]).unwrap();
        assert_eq!(all, [Reference { kind: "file", id: "f".to_owned() }]);
    }

    #[test]
    fn what_everybody_stored_is_no_source_and_too_much_is_refused() {
        let refused = |body: &str| references(body.as_bytes(), |_| true, &[]).unwrap_err();
        let all = r#"{"data_source":{"type":"completions","source":{"type":"stored_completions"}}}"#;
        assert_eq!(refused(all).param.as_deref(), Some("source"));
        let file = r#"{"data_source":{"type":"responses","source":{"type":"file_id","id":"x"}}}"#;
        assert_eq!(found(file), ["file x"]);
        let ids: Vec<String> = (0..=REFERENCES_MAX).map(|n| format!("\"f{n}\"")).collect();
        assert!(refused(&format!(r#"{{"file_ids":[{}]}}"#, ids.join(","))).message.contains("1024"));
    }

    #[test]
    fn fields_of_forms_refer_by_their_last_name() {
        for (name, kind) in [
            ("file_id", Some("file")),
            ("file_ids[]", Some("file")),
            ("input_reference[file_id]", Some("file")),
            ("video[id]", Some("video")),
            ("file", None),
            ("metadata[x]", None),
        ] {
            assert_eq!(kind_of(name), kind, "{name}");
        }
    }
}
