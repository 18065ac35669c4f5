//! What goes wrong in the administration, as RFC 9457 problems: one table, one shape, one place.
//!
//! A thing of another team and a thing that does not exist are the same problem in the same words; no
//! problem repeats a secret.

use actix_web::{
    HttpResponse,
    http::{
        Method, StatusCode,
        header::{self, HeaderValue},
    },
};
use nexus_core::id::RequestId;
use nexus_store::StoreError;
use serde::Serialize;
use utoipa::ToSchema;

use super::answer;

/// Every kind of problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    BadRequest,
    BadCursor,
    NotSignedIn,
    WrongCredentials,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    TooSlow,
    Conflict,
    UnderWay,
    Stale,
    TooLarge,
    UnsupportedMediaType,
    Misdirected,
    Invalid,
    KeyReused,
    NotConditional,
    TooManyTries,
    TooManyKeys,
    Internal,
    IdentityProviderAway,
    Unavailable,
}

/// What a kind looks like.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    pub status: u16,
    /// The end of `type`, and the member `code`.
    pub code: &'static str,
    pub title: &'static str,
}

const fn row(status: u16, code: &'static str, title: &'static str) -> Row {
    Row { status, code, title }
}

impl Kind {
    /// The table.
    #[rustfmt::skip]
    pub const fn row(self) -> Row {
        match self {
            Self::BadRequest => row(400, "bad_request", "The request cannot be understood"),
            Self::BadCursor => row(400, "bad_cursor", "The cursor does not belong to this list"),
            Self::NotSignedIn => row(401, "not_signed_in", "No valid admin key was sent"),
            Self::WrongCredentials => row(401, "wrong_credentials", "The sign-in was refused"),
            Self::Forbidden => row(403, "forbidden", "You may not do this"),
            Self::NotFound => row(404, "not_found", "There is no such thing"),
            Self::MethodNotAllowed => row(405, "method_not_allowed", "This URL does not take this method"),
            Self::TooSlow => row(408, "too_slow", "The request took too long to arrive"),
            Self::Conflict => row(409, "conflict", "Something else stands in the way"),
            Self::UnderWay => row(409, "under_way", "The first request with this key is still under way"),
            Self::Stale => row(412, "stale", "It has changed since you read it"),
            Self::TooLarge => row(413, "too_large", "The request is larger than the limit"),
            Self::UnsupportedMediaType => row(415, "unsupported_media_type", "The body is not JSON"),
            Self::Misdirected => row(421, "misdirected", "The gateway does not go by this name; see `server.allowed_hosts`"),
            Self::Invalid => row(422, "invalid", "The request says something that cannot be"),
            Self::KeyReused => row(422, "idempotency_key_reused", "Another request was made with this key"),
            Self::NotConditional => row(428, "if_match_required", "The version to change is not named"),
            Self::TooManyTries => row(429, "too_many_tries", "Too many sign-ins have failed"),
            Self::TooManyKeys => row(429, "too_many_session_keys", "The key has as many session keys as it may"),
            Self::Internal => row(500, "internal", "The gateway failed inside"),
            Self::IdentityProviderAway => row(502, "identity_provider_away", "The identity provider cannot be used"),
            Self::Unavailable => row(503, "unavailable", "The database is away"),
        }
    }
}

/// One member of a request that is not right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Flaw {
    /// JSON pointer (RFC 6901) into the body.
    pub pointer: String,
    /// What is wrong with it, and what would be right.
    pub detail: String,
}

/// A problem on its way to the client.
#[derive(Clone, Debug)]
pub struct Problem {
    pub kind: Kind,
    /// `None` for kinds whose title says it all.
    pub detail: Option<String>,
    pub errors: Vec<Flaw>,
    /// The methods the URL takes, for [`Kind::MethodNotAllowed`].
    pub allow: Vec<Method>,
    /// For [`Kind::TooManyTries`], and for a key after too many bad ones.
    pub retry_after_s: Option<u64>,
}

/// RFC 9457, `application/problem+json`
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// `urn:nexus:problem:` and the code.
    pub r#type: String,
    pub title: String,
    pub status: u16,
    pub code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub detail: Option<String>,
    /// Every member of the request that is not right.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub errors: Vec<Flaw>,
}

impl From<Kind> for Problem {
    fn from(kind: Kind) -> Self {
        Self { kind, detail: None, errors: Vec::new(), allow: Vec::new(), retry_after_s: None }
    }
}

impl Problem {
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..kind.into() }
    }

    /// One member that is not right.
    pub fn at(pointer: &str, detail: impl Into<String>) -> Self {
        Self {
            errors: vec![Flaw { pointer: pointer.to_owned(), detail: detail.into() }],
            ..Kind::Invalid.into()
        }
    }

    /// Everything it says, in one line.
    pub fn said(&self) -> String {
        let flaws = self.errors.iter().map(|flaw| format!("{} {}", flaw.pointer, flaw.detail));
        self.detail.iter().cloned().chain(flaws).collect::<Vec<_>>().join("; ")
    }

    /// The body, alike for alike problems: the request's id stands in a header only.
    pub fn body(&self) -> ProblemBody {
        let row = self.kind.row();
        ProblemBody {
            r#type: format!("urn:nexus:problem:{}", row.code),
            title: row.title.to_owned(),
            status: row.status,
            code: row.code.to_owned(),
            detail: self.detail.clone(),
            errors: self.errors.clone(),
        }
    }

    pub fn respond(&self, request: RequestId) -> HttpResponse {
        let status =
            StatusCode::from_u16(self.kind.row().status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = answer::begin(status, request);
        response.insert_header((header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json")));
        match self.kind {
            Kind::NotSignedIn => {
                response.insert_header((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
            }
            Kind::Unavailable => {
                response.insert_header((header::RETRY_AFTER, HeaderValue::from_static("2")));
            }
            _ => {}
        }
        if let Some(wait_s) = self.retry_after_s {
            response.insert_header((header::RETRY_AFTER, HeaderValue::from(wait_s)));
        }
        if !self.allow.is_empty() {
            let methods: Vec<_> = self.allow.iter().map(Method::as_str).collect();
            response.insert_header((header::ALLOW, methods.join(", ")));
        }
        response.body(serde_json::to_vec(&self.body()).unwrap_or_default())
    }
}

/// A database that is away is said once where it is noticed; what is broken is said here.
impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) | StoreError::Lost => {
                Self::new(Kind::Unavailable, "nothing was changed; try again in a moment")
            }
            StoreError::Conflict(what) => Self::new(Kind::Conflict, what),
            error => {
                tracing::error!(%error, cause = ?std::error::Error::source(&error), "the administration failed");
                Kind::Internal.into()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_says_what_is_wrong_and_nothing_that_differs_between_alike_ones() {
        let body = |problem: &Problem| serde_json::to_value(problem.body()).unwrap();
        assert_eq!(
            body(&Kind::NotFound.into()),
            serde_json::json!({
                "type": "urn:nexus:problem:not_found", "title": "There is no such thing",
                "status": 404, "code": "not_found",
            })
        );
        assert_eq!(body(&Problem::at("/name", "is empty"))["errors"][0]["pointer"], "/name");
    }

    #[test]
    fn a_database_that_is_away_is_told_from_one_that_is_broken() {
        for (error, kind) in [
            (StoreError::Unavailable(String::new()), Kind::Unavailable),
            (StoreError::Lost, Kind::Unavailable),
            (StoreError::Conflict("name".to_owned()), Kind::Conflict),
        ] {
            assert_eq!(Problem::from(error).kind, kind);
        }
    }
}
