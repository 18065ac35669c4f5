//! A part of a chat's message, written; and a message's content out of such.

use crate::part::object::{Object, array, quoted};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) json: String,
    /// What it says, where it is text and nothing else.
    pub(super) text: Option<String>,
}

impl Part {
    /// With the mark of a cache, where it bears one.
    pub(super) fn text(text: &str, mark: Option<&str>) -> Self {
        let json = Object::of("text").text("text", text).maybe("cache_control", mark).done();
        Self { json, text: mark.is_none().then(|| text.to_owned()) }
    }

    pub(super) fn other(json: Object, mark: Option<&str>) -> Self {
        Self { json: json.maybe("cache_control", mark).done(), text: None }
    }
}

/// A message's `content`: a string where one text is all there is.
pub(super) fn content(parts: &[Part]) -> String {
    match parts {
        [Part { text: Some(text), .. }] => quoted(text),
        parts => array(&parts.iter().map(|part| &part.json).collect::<Vec<_>>()),
    }
}
