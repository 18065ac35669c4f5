//! A response's own members around its items: what was asked is said again, as clients' types want it.

use nexus_wire::{
    conversation::members::Members,
    place,
    splice::{self, Edit},
    usage::TokenUsage,
};
use serde_json::value::RawValue;

use crate::{
    part::object::{Object, array, quoted},
    tongue::Told,
};

/// A member that is said again, and what it is where it was not said.
const ECHOED: &[(&str, &str)] = &[
    ("instructions", "null"),
    ("max_output_tokens", "null"),
    ("max_tool_calls", "null"),
    ("metadata", "{}"),
    ("parallel_tool_calls", "true"),
    ("prompt_cache_key", "null"),
    ("reasoning", r#"{"effort":null,"summary":null}"#),
    ("safety_identifier", "null"),
    ("service_tier", r#""default""#),
    ("temperature", "1.0"),
    ("text", r#"{"format":{"type":"text"}}"#),
    ("tool_choice", r#""auto""#),
    ("tools", "[]"),
    ("top_logprobs", "0"),
    ("top_p", "1.0"),
    ("truncation", r#""disabled""#),
    ("user", "null"),
];

/// How a response stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status<'a> {
    InProgress,
    Completed,
    /// With the reason.
    Incomplete(&'static str),
    /// With what is said about it.
    Failed(&'a str),
}

impl Status<'_> {
    /// What a chat's reason to stop comes to.
    pub(super) fn of(finish_reason: Option<&str>) -> Self {
        match finish_reason {
            Some("length") => Self::Incomplete("max_output_tokens"),
            Some("content_filter") => Self::Incomplete("content_filter"),
            _ => Self::Completed,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Incomplete(_) => "incomplete",
            Self::Failed(_) => "failed",
        }
    }

    /// The event that ends a stream so.
    pub(super) fn event(self) -> String {
        format!("response.{}", self.word())
    }
}

/// The whole object.
pub(super) fn response(
    told: &Told,
    status: Status<'_>,
    items: &[String],
    usage: Option<TokenUsage>,
) -> String {
    let said = std::str::from_utf8(&told.sent).ok().and_then(Members::read).unwrap_or_default();
    let details = match status {
        Status::Incomplete(reason) => Object::default().text("reason", reason).done(),
        _ => "null".to_owned(),
    };
    let error = match status {
        Status::Failed(message) => {
            Object::default().text("code", "server_error").text("message", message).done()
        }
        _ => "null".to_owned(),
    };
    let mut object = Object::default()
        .text("id", &format!("resp_{}", told.request.0.simple()))
        .text("object", "response")
        .count("created_at", told.asked_at_s)
        .text("status", status.word())
        .raw("background", "false")
        .raw("error", &error)
        .raw("incomplete_details", &details)
        .text("model", &told.alias)
        .raw("output", &array(items))
        .raw("previous_response_id", &named(told.kept.previous.as_deref()))
        .raw("store", if told.kept.is_kept { "true" } else { "false" });
    for (name, unsaid) in ECHOED {
        object = object.raw(name, said.raw(name).map_or(unsaid, RawValue::get));
    }
    object.raw("usage", &usage.map_or_else(|| "null".to_owned(), counts)).done()
}

fn named(id: Option<&str>) -> String {
    id.map_or_else(|| "null".to_owned(), quoted)
}

/// The same response, which says that it is not kept.
pub(super) fn unkept(response: &str) -> String {
    let members = place::members(response);
    let store = members.iter().find(|member| member.name == "store");
    let edit = store.map(|store| Edit { place: store.value_place(response), text: "false" });
    let told = splice::splice(response.as_bytes(), edit.as_slice());
    String::from_utf8_lossy(&told).into_owned()
}

pub(super) fn counts(usage: TokenUsage) -> String {
    let TokenUsage { prompt, completion, cached, reasoning, .. } = usage;
    let input = Object::default().count("cached_tokens", cached).done();
    let output = Object::default().count("reasoning_tokens", reasoning).done();
    let counts = Object::default().count("input_tokens", prompt).raw("input_tokens_details", &input);
    let counts = counts.count("output_tokens", completion).raw("output_tokens_details", &output);
    counts.count("total_tokens", prompt.saturating_add(completion)).done()
}
