//! The vendor's content blocks as they are sent.

use std::borrow::Cow;

use nexus_wire::conversation::members::Members;
use serde::Serialize;
use serde_json::value::RawValue;

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(super) enum Block<'a> {
    Text(Cow<'a, str>),
    Image {
        format: &'static str,
        source: Source<'a>,
    },
    Document {
        format: &'static str,
        /// Unlike every other in the request; the vendor shows it to the model.
        name: String,
        source: Source<'a>,
    },
    Audio {
        format: Cow<'a, str>,
        source: Source<'a>,
    },
    ToolUse {
        tool_use_id: Cow<'a, str>,
        name: Cow<'a, str>,
        input: Box<RawValue>,
    },
    ToolResult {
        tool_use_id: Cow<'a, str>,
        content: Vec<Block<'a>>,
    },
    ReasoningContent(Reasoning<'a>),
    CachePoint(CachePoint),
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(super) enum Reasoning<'a> {
    ReasoningText { text: Cow<'a, str>, signature: Cow<'a, str> },
    RedactedContent(Cow<'a, str>),
}

/// Where the bytes of a block are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Source<'a> {
    /// In base64.
    Bytes(Cow<'a, str>),
    S3Location {
        uri: Cow<'a, str>,
    },
}

/// What stands before it is kept in the vendor's cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct CachePoint {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<&'static str>,
}

impl CachePoint {
    /// From a caller's `cache_control`; a lifetime the vendor does not have is left to it.
    pub(super) fn read(mark: &RawValue) -> Self {
        let ttl = Members::read(mark.get()).and_then(|mark| mark.text("ttl").ok().flatten());
        let ttl = match ttl.as_deref() {
            Some("5m") => Some("5m"),
            Some("1h") => Some("1h"),
            _ => None,
        };
        Self { kind: "default", ttl }
    }
}

impl<'a> Block<'a> {
    /// Text, or nothing where there is none but white space, which the vendor refuses.
    pub(super) fn text(text: Cow<'a, str>) -> Option<Self> {
        (!text.trim().is_empty()).then_some(Self::Text(text))
    }

    pub(super) fn is_reasoning(&self) -> bool {
        matches!(self, Self::ReasoningContent(_))
    }

    pub(super) fn is_tool(&self) -> bool {
        matches!(self, Self::ToolUse { .. } | Self::ToolResult { .. })
    }
}
