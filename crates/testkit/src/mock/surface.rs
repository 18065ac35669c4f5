//! The APIs the mock speaks, and what they say differently around the same answer.

use serde_json::json;

use super::azure;
use super::render::ID;
use crate::script::Left;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Surface {
    /// OpenAI's `/chat/completions`.
    Chat,
    /// Anthropic's `/messages`.
    Messages,
    /// Gemini's `:generateContent` and `:streamGenerateContent`.
    Generate,
    /// Bedrock's `/converse` and `/converse-stream`.
    Converse,
    /// OpenAI's `/chat/completions` under Azure's paths.
    Azure,
    /// Cohere's `/v2/chat`.
    Cohere,
    /// Ollama's `/api/chat`.
    Ollama,
}

impl Surface {
    /// What stands before an answer's own id.
    pub(crate) fn id_prefix(self) -> &'static str {
        match self {
            Self::Chat | Self::Azure => "chatcmpl-",
            Self::Messages => "msg_",
            Self::Generate | Self::Converse | Self::Cohere | Self::Ollama => "",
        }
    }

    /// Whether a stream is one JSON text a line.
    pub(crate) fn is_by_line(self) -> bool {
        self == Self::Ollama
    }

    /// Whether a stream ends with `[DONE]`; else its last event says that it is over.
    pub(crate) fn says_done(self) -> bool {
        matches!(self, Self::Chat | Self::Azure)
    }

    /// The headers of every answer, beside the content's.
    pub(crate) fn headers(self) -> String {
        match self {
            Self::Chat => format!(
                "x-request-id: req_{ID}\r\nopenai-processing-ms: 12\r\nopenai-version: 2020-10-01\r\n"
            ),
            Self::Azure => format!("apim-request-id: {ID}\r\nx-ms-region: East US\r\n"),
            Self::Cohere => format!("x-debug-trace-id: {ID}\r\nnum_tokens: 7\r\n"),
            Self::Ollama => String::new(),
            Self::Messages => format!("request-id: req_{ID}\r\n"),
            Self::Generate => "server-timing: gfet4t7; dur=12\r\n".to_owned(),
            Self::Converse => format!("x-amzn-requestid: {ID}\r\n"),
        }
    }

    /// The headers that say what is left of the provider's limits.
    pub(crate) fn limits(self, left: Option<Left>) -> String {
        match (self, left) {
            (Self::Chat | Self::Azure, Some(left)) => scripted(left),
            (Self::Chat, None) => {
                "x-ratelimit-limit-requests: 10000\r\nx-ratelimit-remaining-requests: 9999\r\n".to_owned()
            }
            (Self::Azure, None) => "x-ratelimit-remaining-requests: 99\r\n".to_owned(),
            (Self::Messages, _) => "anthropic-ratelimit-requests-limit: 10000\r\n\
                 anthropic-ratelimit-requests-remaining: 9999\r\n"
                .to_owned(),
            _ => String::new(),
        }
    }

    /// The header that names an error, where the API has one.
    pub(crate) fn error_header(self, status: u16) -> String {
        match self {
            Self::Converse => format!("x-amzn-errortype: {}\r\n", converse_exception(status)),
            _ => String::new(),
        }
    }

    /// The media type of a stream.
    pub(crate) fn stream_media(self) -> &'static str {
        match self {
            Self::Converse => "application/vnd.amazon.eventstream",
            Self::Ollama => "application/x-ndjson",
            _ => "text/event-stream; charset=utf-8",
        }
    }

    /// The body of an error; `kind` and `code` are OpenAI's, the other API has its own for each status.
    pub(crate) fn error(
        self,
        status: u16,
        kind: &str,
        code: Option<&str>,
        message: &str,
        param: Option<&str>,
    ) -> String {
        let error = match self {
            Self::Chat => {
                json!({"error": {"message": message, "type": kind, "param": param, "code": code}})
            }
            Self::Azure => azure::error(status, code, message, param),
            Self::Cohere => json!({"id": ID, "message": message}),
            Self::Ollama => json!({ "error": message }),
            Self::Messages => {
                let kind = messages_kind(status);
                json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": format!("req_{ID}")})
            }
            Self::Generate => {
                json!({"error": {"code": status, "message": message, "status": generate_status(status)}})
            }
            Self::Converse => json!({ "message": message }),
        };
        error.to_string()
    }
}

fn scripted(Left { requests, tokens, reset_ms }: Left) -> String {
    let mut headers = String::new();
    for (what, left) in [("requests", requests), ("tokens", tokens)] {
        if let Some(left) = left {
            headers.push_str(&format!(
                "x-ratelimit-limit-{what}: 10000\r\nx-ratelimit-remaining-{what}: {left}\r\n\
                 x-ratelimit-reset-{what}: {reset_ms}ms\r\n"
            ));
        }
    }
    headers
}

fn messages_kind(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        504 => "timeout_error",
        529 => "overloaded_error",
        200 | 500.. => "api_error",
        _ => "invalid_request_error",
    }
}

fn generate_status(status: u16) -> &'static str {
    match status {
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        503 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        200 | 500.. => "INTERNAL",
        _ => "INVALID_ARGUMENT",
    }
}

fn converse_exception(status: u16) -> &'static str {
    match status {
        401 | 403 => "AccessDeniedException",
        404 => "ResourceNotFoundException",
        408 => "ModelTimeoutException",
        424 => "ModelErrorException",
        429 => "ThrottlingException",
        503 => "ServiceUnavailableException",
        200 | 500.. => "InternalServerException",
        _ => "ValidationException",
    }
}
