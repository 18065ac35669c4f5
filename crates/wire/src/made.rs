//! What an answer says was made: ids of things that are the caller's from now on.
//!
//! Only members of the answer itself are looked at. What lies deeper may be the client's own words, and nobody comes
//! to own a thing by mentioning it.

use serde::Deserialize;

use crate::{
    json::{self, Cursor, Kind, Malformed},
    references::Reference,
};

/// Members of an answer that name something made along with it.
const ALONG: &[(&str, &str)] = &[
    ("output_file_id", "file"),
    ("error_file_id", "file"),
    ("result_files", "file"),
    ("file", "file"),
    ("thread_id", "thread"),
    ("conversation", "conversation"),
    ("fine_tuned_model", "checkpoint"),
];

/// What an answer names: its own `id`, where it is of a kind, and what was made along with it.
pub fn made(answer: &[u8], own: Option<&'static str>) -> Vec<Reference> {
    let Ok(text) = std::str::from_utf8(answer) else { return Vec::new() };
    let mut all = Vec::new();
    let read = json::read(text, |cursor| {
        let object = cursor.object(|cursor, name| {
            let name = name.unescaped();
            let kind = match &*name {
                "id" => own,
                name => ALONG.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind),
            };
            match kind {
                Some(kind) => named(cursor, kind, &mut all),
                None => cursor.value().map(drop),
            }
        });
        object.map(drop)
    });
    if read.is_err() {
        all.clear();
    }
    all
}

/// An id, several, or an object that has one.
fn named(cursor: &mut Cursor<'_>, kind: &'static str, all: &mut Vec<Reference>) -> Result<(), Malformed> {
    match cursor.kind() {
        Kind::Text => {
            let id = cursor.string()?.map(|id| id.unescaped().into_owned());
            all.extend(id.filter(|id| !id.is_empty()).map(|id| Reference { kind, id }));
            Ok(())
        }
        Kind::Array => cursor.array(|cursor, _| named(cursor, kind, all)).map(drop),
        Kind::Object => cursor
            .object(|cursor, name| match name.plain() {
                Some("id") => named(cursor, kind, all),
                _ => cursor.value().map(drop),
            })
            .map(drop),
        Kind::Other => cursor.value().map(drop),
    }
}

/// The id an answer has, or the response that an event tells of.
pub fn named_first(answer: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        id: Option<String>,
        response: Option<Box<Named>>,
    }
    let named: Named = serde_json::from_slice(answer).ok()?;
    named.id.or_else(|| named.response?.id).filter(|id| !id.is_empty())
}

/// Whether a request wants its answer kept, where one that says nothing does so or not.
pub fn wants_storing(request: &[u8], usual: bool) -> bool {
    #[derive(Deserialize)]
    struct Wish {
        store: Option<bool>,
    }
    if memchr::memmem::find(request, b"\"store\"").is_none() {
        return usual;
    }
    serde_json::from_slice::<Wish>(request).ok().and_then(|wish| wish.store).unwrap_or(usual)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_along_with_an_answer_is_named_and_wanted() {
        for (answer, id) in [
            (r#"{"id":"resp_1","object":"response"}"#, Some("resp_1")),
            (r#"{"type":"response.created","response":{"id":"resp_2","output":[]}}"#, Some("resp_2")),
            (r#"{"type":"x"}"#, None),
            ("[DONE]", None),
        ] {
            assert_eq!(named_first(answer.as_bytes()).as_deref(), id, "{answer}");
        }
        for (request, usual, expected) in [
            (r#"{"model":"a"}"#, true, true),
            (r#"{"store":false}"#, true, false),
            (r#"{"store": true}"#, false, true),
            (r#"{"metadata":{"store":"x"},"store":null}"#, false, false),
        ] {
            assert_eq!(wants_storing(request.as_bytes(), usual), expected, "{request}");
        }
    }

    #[test]
    fn an_answer_names_what_it_made_and_nothing_that_lies_deeper() {
        for (answer, own, expected) in [
            (
                r#"{"id":"b","output_file_id":"o","error_file_id":null}"#,
                Some("batch"),
                &["batch b", "file o"][..],
            ),
            (r#"{"id":"u","file":{"object":"file","id":"f"}}"#, None, &["file f"]),
            (r#"{"id":"r","thread_id":"t"}"#, None, &["thread t"]),
            (
                r#"{"id":"j","result_files":["x","y"]}"#,
                Some("fine_tuning_job"),
                &["fine_tuning_job j", "file x", "file y"],
            ),
            (
                r#"{"id":"a","metadata":{"output_file_id":"z"},"tools":[{"file":{"id":"z"}}]}"#,
                Some("assistant"),
                &["assistant a"],
            ),
            (r#"{"id":"a""#, Some("file"), &[]),
        ] {
            let found: Vec<String> = made(answer.as_bytes(), own)
                .into_iter()
                .map(|made| format!("{} {}", made.kind, made.id))
                .collect();
            assert_eq!(found, expected, "{answer}");
        }
    }
}
