//! The public error table: every failure a client can see, in OpenAI's shape.
//!
//! One row a failure; nothing else in the workspace spells a `type` or a `code`.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

/// A failure as clients know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// No key, or one that is not accepted.
    InvalidApiKey,
    /// The request's signature is missing or wrong.
    InvalidSignature,
    /// The request looks like an attack.
    Blocked,
    /// A valid key that may not do this.
    PermissionDenied,
    /// No model of this name.
    ModelNotFound,
    /// Nothing of this id that the caller has made.
    ResourceNotFound,
    /// No such path.
    UnknownUrl,
    /// OpenAI has the operation, and it is not served here.
    NotServed,
    /// The path exists, the method does not.
    MethodNotAllowed,
    /// The request names a host that is not the gateway.
    Misdirected,
    /// The body cannot be served as it stands.
    InvalidRequest,
    /// The body cannot be said in the provider's words.
    UnsupportedParameter,
    /// The body is larger than the limit.
    TooLarge,
    /// The body's media type is not JSON.
    UnsupportedMediaType,
    /// Another body came under an `Idempotency-Key` that was used before.
    IdempotencyKeyReused,
    /// What was answered under an `Idempotency-Key` is not kept any more.
    AnswerNotKept,
    /// A request under the same `Idempotency-Key` is under way elsewhere.
    AnswerUnderWay,
    /// Too many requests or tokens.
    RateLimited,
    /// The budget or the account is used up.
    InsufficientQuota,
    /// The prompt does not fit the model.
    ContextLength,
    /// A content policy refused the prompt.
    ContentFilter,
    /// The provider did not accept the gateway's credential.
    UpstreamAuth,
    /// The provider's answer was none.
    UpstreamError,
    /// The provider is overloaded, away or unreachable.
    Overloaded,
    /// A deadline passed.
    Timeout,
    /// The gateway failed inside.
    Internal,
}

/// What a failure looks like on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    pub status: u16,
    /// The member `type`.
    pub kind: &'static str,
    pub code: Option<&'static str>,
    /// Said where there is nothing better to say.
    pub message: &'static str,
}

const fn row(status: u16, kind: &'static str, code: Option<&'static str>, message: &'static str) -> Row {
    Row { status, kind, code, message }
}

const REQUEST: &str = "invalid_request_error";
const SERVER: &str = "server_error";

impl ErrorCode {
    /// Every row of the table.
    pub const ALL: [ErrorCode; 26] = [
        ErrorCode::InvalidApiKey,
        ErrorCode::InvalidSignature,
        ErrorCode::Blocked,
        ErrorCode::PermissionDenied,
        ErrorCode::ModelNotFound,
        ErrorCode::ResourceNotFound,
        ErrorCode::UnknownUrl,
        ErrorCode::NotServed,
        ErrorCode::MethodNotAllowed,
        ErrorCode::Misdirected,
        ErrorCode::InvalidRequest,
        ErrorCode::UnsupportedParameter,
        ErrorCode::TooLarge,
        ErrorCode::UnsupportedMediaType,
        ErrorCode::IdempotencyKeyReused,
        ErrorCode::AnswerNotKept,
        ErrorCode::AnswerUnderWay,
        ErrorCode::RateLimited,
        ErrorCode::InsufficientQuota,
        ErrorCode::ContextLength,
        ErrorCode::ContentFilter,
        ErrorCode::UpstreamAuth,
        ErrorCode::UpstreamError,
        ErrorCode::Overloaded,
        ErrorCode::Timeout,
        ErrorCode::Internal,
    ];

    /// The table.
    #[rustfmt::skip]
    pub const fn row(self) -> Row {
        match self {
            Self::InvalidApiKey => row(401, REQUEST, Some("invalid_api_key"), "the API key is missing or not valid; send a current key as `Authorization: Bearer KEY`"),
            Self::InvalidSignature => row(401, REQUEST, Some("invalid_signature"), "the request's signature is missing or wrong; sign it anew"),
            Self::Blocked => row(403, "permission_error", Some("request_blocked"), "the request looks like an attack and was refused; ask whoever manages the team if it is none"),
            Self::PermissionDenied => row(403, "permission_error", Some("permission_denied"), "this key may not do this; use a key of the level or with the models it needs"),
            Self::ModelNotFound => row(404, REQUEST, Some("model_not_found"), "the model does not exist or this key has no access to it; `GET /v1/models` lists what there is"),
            Self::ResourceNotFound => row(404, REQUEST, Some("resource_not_found"), "there is nothing of this id that this team has made; check the id"),
            Self::UnknownUrl => row(404, REQUEST, Some("unknown_url"), "there is nothing at this URL; check the base URL, it ends with `/v1`"),
            Self::NotServed => row(404, REQUEST, Some("operation_not_served"), "this operation of OpenAI's API is not served here"),
            Self::MethodNotAllowed => row(405, REQUEST, Some("method_not_allowed"), "this URL does not take this method"),
            Self::Misdirected => row(421, REQUEST, Some("misdirected_request"), "the gateway does not go by the name in `host`; call it by its own, or let whoever runs it add this one to `server.allowed_hosts`"),
            Self::InvalidRequest => row(400, REQUEST, None, "the request cannot be served as it stands"),
            Self::UnsupportedParameter => row(400, REQUEST, Some("unsupported_parameter"), "the model's provider does not support this parameter; leave it away"),
            Self::TooLarge => row(413, REQUEST, Some("request_too_large"), "the request is larger than the limit; make it smaller"),
            Self::UnsupportedMediaType => row(415, REQUEST, Some("unsupported_media_type"), "the request body must be JSON; send `content-type: application/json`"),
            Self::IdempotencyKeyReused => row(422, REQUEST, Some("idempotency_key_reused"), "this `Idempotency-Key` was used with another body; use another key for another request"),
            Self::AnswerNotKept => row(409, REQUEST, Some("idempotency_answer_not_kept"), "the request of this `Idempotency-Key` was answered and charged, and the answer is not kept any more, or at another node; use another key to ask anew"),
            Self::AnswerUnderWay => row(409, REQUEST, Some("idempotency_answer_under_way"), "a request of this `Idempotency-Key` is under way at another node; send it again after the time in `retry-after`"),
            Self::RateLimited => row(429, "rate_limit_error", Some("rate_limit_exceeded"), "too many requests; try again after the time in `retry-after`"),
            Self::InsufficientQuota => row(429, "insufficient_quota", Some("insufficient_quota"), "the quota is used up; ask whoever manages it to raise it"),
            Self::ContextLength => row(400, REQUEST, Some("context_length_exceeded"), "the prompt is longer than the model's context; shorten it"),
            Self::ContentFilter => row(400, REQUEST, Some("content_filter"), "the provider's content policy refused the prompt; change it"),
            Self::UpstreamAuth => row(502, SERVER, Some("upstream_auth"), "the provider did not accept the gateway's credential; tell whoever runs the gateway"),
            Self::UpstreamError => row(502, SERVER, Some("upstream_error"), "the provider did not answer properly; try again"),
            Self::Overloaded => row(503, SERVER, Some("overloaded"), "the provider is overloaded or unreachable; try again in a moment"),
            Self::Timeout => row(504, "timeout_error", Some("timeout"), "the provider did not answer in time; try again"),
            Self::Internal => row(500, SERVER, Some("internal_error"), "the gateway failed inside; try again, and report the `x-request-id`"),
        }
    }
}

/// A failure, ready to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicError {
    pub code: ErrorCode,
    /// Empty for the row's own.
    pub message: String,
    /// The member at fault.
    pub param: Option<String>,
    /// In place of the row's `code`: what the provider called it.
    pub said_code: Option<String>,
    /// Further members of what the provider said, each with its value as JSON.
    pub more: Vec<(&'static str, Box<str>)>,
    /// In place of the row's `type`.
    pub kind: Option<&'static str>,
}

#[derive(Serialize)]
struct Envelope<'a> {
    error: Body<'a>,
}

#[derive(Serialize)]
struct Body<'a> {
    message: &'a str,
    r#type: &'a str,
    param: Option<&'a str>,
    code: Option<&'a str>,
    #[serde(flatten)]
    more: BTreeMap<&'static str, &'a RawValue>,
}

impl PublicError {
    /// A failure in the row's own words.
    pub fn new(code: ErrorCode) -> Self {
        Self { code, message: String::new(), param: None, said_code: None, more: Vec::new(), kind: None }
    }

    /// With a message of its own.
    pub fn with_message(self, message: impl Into<String>) -> Self {
        Self { message: message.into(), ..self }
    }

    /// Naming the member at fault.
    pub fn with_param(self, param: Option<String>) -> Self {
        Self { param, ..self }
    }

    /// With the provider's own word for it, where it has one.
    pub fn with_said_code(self, said_code: Option<String>) -> Self {
        Self { said_code, ..self }
    }

    /// With further members, each with its value as JSON.
    pub fn with_more(self, more: Vec<(&'static str, Box<str>)>) -> Self {
        Self { more, ..self }
    }

    /// With a `type` of its own, where it has one.
    pub fn with_kind(self, kind: Option<&'static str>) -> Self {
        Self { kind, ..self }
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.code.row().status
    }

    /// `{"error":{"message","type","param","code"}}`, and what more was said. A value that is no JSON is
    /// left out.
    pub fn to_json(&self) -> Bytes {
        let row = self.code.row();
        let error = Body {
            message: if self.message.is_empty() { row.message } else { &self.message },
            r#type: self.kind.unwrap_or(row.kind),
            param: self.param.as_deref(),
            code: self.said_code.as_deref().or(row.code),
            more: self
                .more
                .iter()
                .filter_map(|(name, value)| Some((*name, serde_json::from_str(value).ok()?)))
                .collect(),
        };
        serde_json::to_vec(&Envelope { error }).map_or_else(|_| Bytes::new(), Bytes::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_what_clients_are_told() {
        let table: &[(u16, &str, Option<&str>)] = &[
            (401, "invalid_request_error", Some("invalid_api_key")),
            (401, "invalid_request_error", Some("invalid_signature")),
            (403, "permission_error", Some("request_blocked")),
            (403, "permission_error", Some("permission_denied")),
            (404, "invalid_request_error", Some("model_not_found")),
            (404, "invalid_request_error", Some("resource_not_found")),
            (404, "invalid_request_error", Some("unknown_url")),
            (404, "invalid_request_error", Some("operation_not_served")),
            (405, "invalid_request_error", Some("method_not_allowed")),
            (421, "invalid_request_error", Some("misdirected_request")),
            (400, "invalid_request_error", None),
            (400, "invalid_request_error", Some("unsupported_parameter")),
            (413, "invalid_request_error", Some("request_too_large")),
            (415, "invalid_request_error", Some("unsupported_media_type")),
            (422, "invalid_request_error", Some("idempotency_key_reused")),
            (409, "invalid_request_error", Some("idempotency_answer_not_kept")),
            (409, "invalid_request_error", Some("idempotency_answer_under_way")),
            (429, "rate_limit_error", Some("rate_limit_exceeded")),
            (429, "insufficient_quota", Some("insufficient_quota")),
            (400, "invalid_request_error", Some("context_length_exceeded")),
            (400, "invalid_request_error", Some("content_filter")),
            (502, "server_error", Some("upstream_auth")),
            (502, "server_error", Some("upstream_error")),
            (503, "server_error", Some("overloaded")),
            (504, "timeout_error", Some("timeout")),
            (500, "server_error", Some("internal_error")),
        ];
        assert_eq!(table.len(), ErrorCode::ALL.len());
        for (code, (status, kind, word)) in ErrorCode::ALL.into_iter().zip(table) {
            let row = code.row();
            assert_eq!((row.status, row.kind, row.code), (*status, *kind, *word), "{code:?}");
            assert!(!row.message.is_empty() && !row.message.ends_with('.'), "{code:?}");
            let error = PublicError::new(code);
            assert_eq!(error.status(), *status);
            let shown: serde_json::Value = serde_json::from_slice(&error.to_json()).unwrap();
            let expected = serde_json::json!({"error": {"message": row.message, "type": kind, "param": null, "code": word}});
            assert_eq!(shown, expected, "{code:?}");
        }
    }

    #[test]
    fn an_error_keeps_openai_s_shape_and_order_with_words_of_its_own() {
        let error = PublicError::new(ErrorCode::InvalidRequest)
            .with_message("a \"b\"\nc")
            .with_param(Some("model".into()))
            .with_said_code(Some("1214".into()));
        let json = r#"{"error":{"message":"a \"b\"\nc","type":"invalid_request_error","param":"model","code":"1214"}}"#;
        assert_eq!(error.to_json(), json);
        let limited = PublicError::new(ErrorCode::RateLimited).with_message("a").with_kind(Some("tokens"));
        let said = r#"{"error":{"message":"a","type":"tokens","param":null,"code":"rate_limit_exceeded"}}"#;
        assert_eq!(limited.to_json(), said);
        let more = vec![("innererror", r#"{"b":1.50,"a":[]}"#.into()), ("other", "no json".into())];
        let json = r#"{"error":{"message":"a \"b\"\nc","type":"invalid_request_error","param":"model","code":"1214","innererror":{"b":1.50,"a":[]}}}"#;
        assert_eq!(error.with_more(more).to_json(), json);
    }
}
