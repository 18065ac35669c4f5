//! The one place where a refusal or a fault becomes what the client is told.

use nexus_core::{
    fault::{Class, Fault, Verbatim},
    flow::{Left, Scarce, Short},
    id::RequestId,
    refusal::Refusal,
};
use nexus_wire::error::{ErrorCode, PublicError};

use crate::{pipeline::Refused, stage::admit::BUSY_MS};

/// What a client gets in place of an answer.
#[derive(Debug)]
pub struct Denial {
    pub request: RequestId,
    pub error: PublicError,
    /// When another try may help, in milliseconds from now.
    pub retry_after_ms: Option<u64>,
    /// Whether the same request would be denied again, so that clients had better not repeat it.
    pub is_final: bool,
    /// Whether a key was refused, or too many were before it: such an answer need not be quick.
    pub is_guess: bool,
    /// What is left of the caller's own limits; `None` where it has none, or nobody knows who it is.
    pub left: Option<Left>,
    /// What the provider said, to be handed on as it came in the place of the error.
    pub verbatim: Option<Box<Verbatim>>,
}

impl Denial {
    pub fn new(request: RequestId, refused: Refused) -> Self {
        match refused {
            Refused::Here(refusal) => {
                let is_guess = matches!(refusal, Refusal::InvalidKey | Refusal::TooManyFailures { .. });
                let retry_after_ms = match refusal {
                    Refusal::TooManyFailures { wait_ms } => Some(wait_ms),
                    Refusal::AtLimit { short, .. } | Refusal::Throttled { short } => {
                        Some(short.wait_us.map_or(BUSY_MS, |wait_us| wait_us.div_ceil(1000)))
                    }
                    Refusal::Unbookable
                    | Refusal::Unbooked
                    | Refusal::OwnersAway
                    | Refusal::AnswerUnderWay => Some(BUSY_MS),
                    _ => None,
                };
                Self {
                    request,
                    error: of_refusal(refusal),
                    retry_after_ms,
                    is_final: retry_after_ms.is_none(),
                    is_guess,
                    left: None,
                    verbatim: None,
                }
            }
            Refused::There(fault) => Self {
                request,
                error: of_fault(&fault),
                retry_after_ms: fault.retry_after_ms,
                is_final: matches!(fault.class, Class::Billing | Class::Credential | Class::ModelNotFound)
                    || fault.retry() == nexus_core::fault::Retry::Never,
                is_guess: false,
                left: None,
                verbatim: fault.verbatim,
            },
        }
    }
}

/// A refusal in public words.
pub fn of_refusal(refusal: Refusal) -> PublicError {
    match refusal {
        Refusal::InvalidKey => PublicError::new(ErrorCode::InvalidApiKey),
        Refusal::WrongLevel { needed } => PublicError::new(ErrorCode::PermissionDenied)
            .with_message(format!("this key may not do this; use a key of the level `{needed}`")),
        Refusal::ForeignAddress => PublicError::new(ErrorCode::PermissionDenied)
            .with_message("this key may not be used from this address; ask whoever manages it to allow it"),
        Refusal::TooManyFailures { .. } => PublicError::new(ErrorCode::RateLimited).with_message(
            "too many bad keys came from this address; try again after the time in `retry-after`",
        ),
        Refusal::AtLimit { whose, short, tokens } => at_limit(whose, short, tokens),
        Refusal::Throttled { short } => throttled(short),
        Refusal::AllowanceUsed { requests } => PublicError::new(ErrorCode::InsufficientQuota).with_message(
            format!("this session key was good for {requests} requests, and they are made; ask for another"),
        ),
        Refusal::QuotaExhausted { name, measure, limit } => {
            PublicError::new(ErrorCode::InsufficientQuota).with_message(format!(
                "the quota `{name}` of {limit} {measure} is used up or held by calls under way; ask whoever manages it to raise it"
            ))
        }
        Refusal::Unpriced { model } => unpriced(&model),
        Refusal::Unbookable => {
            unbooked("usage cannot be booked at the moment, so no call is made; try again in a moment")
        }
        Refusal::Unbooked => unbooked(GIVES_NOTHING),
        Refusal::BadSignature { code } => {
            PublicError::new(ErrorCode::InvalidSignature).with_said_code(Some(code.to_owned()))
        }
        Refusal::Hostile { position } => PublicError::new(ErrorCode::Blocked).with_message(format!(
            "the {position} looks like an attack and was refused; ask whoever manages the team if it is none"
        )),
        Refusal::BadBody { message, param } => {
            PublicError::new(ErrorCode::InvalidRequest).with_message(message).with_param(param)
        }
        Refusal::TooLarge { limit_bytes } => PublicError::new(ErrorCode::TooLarge).with_message(format!(
            "the request body is larger than the limit of {limit_bytes} bytes; make it smaller"
        )),
        Refusal::UnsupportedMediaType => PublicError::new(ErrorCode::UnsupportedMediaType),
        Refusal::BadIdempotencyKey => PublicError::new(ErrorCode::InvalidRequest)
            .with_message("the header `idempotency-key` must have 1 to 255 visible ASCII characters")
            .with_param(Some("idempotency-key".to_owned())),
        Refusal::OtherBody => PublicError::new(ErrorCode::IdempotencyKeyReused),
        Refusal::AnswerNotKept => PublicError::new(ErrorCode::AnswerNotKept),
        Refusal::AnswerUnderWay => PublicError::new(ErrorCode::AnswerUnderWay),
        Refusal::UnknownModel { model } => unknown_model(&model),
        Refusal::UnknownResource { kind, id } => unknown_resource(kind, &id),
        Refusal::NoSuchPath => PublicError::new(ErrorCode::UnknownUrl),
        Refusal::OwnersAway => unbooked(OWNERS_AWAY),
        Refusal::Unfit { alias, against } => unfit(&alias, against),
        Refusal::SealedElsewhere { param } => sealed_elsewhere(param),
        Refusal::Unsayable { param, message } => {
            PublicError::new(ErrorCode::UnsupportedParameter).with_message(message).with_param(Some(param))
        }
    }
}

fn unfit(alias: &str, against: &str) -> PublicError {
    let against = against.replace('_', " ");
    let message =
        format!("no provider of the model `{alias}` takes this request: {against}; ask for another model");
    PublicError::new(ErrorCode::InvalidRequest).with_message(message)
}

fn unknown_model(model: &str) -> PublicError {
    let message = format!(
        "the model `{model}` does not exist or this key has no access to it; `GET /v1/models` lists what there is"
    );
    PublicError::new(ErrorCode::ModelNotFound).with_message(message).with_param(Some("model".to_owned()))
}

fn sealed_elsewhere(param: String) -> PublicError {
    let message = format!(
        "`{param}` was sealed by an account that is not behind this model any more; leave out the `reasoning` items of earlier turns, or ask the model they came from"
    );
    PublicError::new(ErrorCode::InvalidRequest)
        .with_message(message)
        .with_said_code(Some("invalid_encrypted_content".to_owned()))
        .with_param(Some(param))
}

fn unpriced(model: &str) -> PublicError {
    let message = format!(
        "the model `{model}` has no price and this call is under a budget; ask whoever manages the gateway to set one"
    );
    PublicError::new(ErrorCode::InsufficientQuota).with_message(message).with_param(Some("model".to_owned()))
}

/// What is said in the place of an answer that came and could not be booked.
const GIVES_NOTHING: &str =
    "what the answer used could not be booked, so it is not given and costs nothing; try again in a moment";

/// What is said where who has made what cannot be looked up or noted.
const OWNERS_AWAY: &str = "who has made what cannot be looked up at the moment, so nothing that is kept is served; try again in a moment";

fn unknown_resource(kind: &str, id: &str) -> PublicError {
    let kind = kind.replace('_', " ");
    PublicError::new(ErrorCode::ResourceNotFound)
        .with_message(format!("there is no {kind} `{id}` that this team has made; check the id"))
        .with_param(Some("id".to_owned()))
}

fn unbooked(why: &str) -> PublicError {
    PublicError::new(ErrorCode::Overloaded).with_message(why)
}

fn again(short: Short) -> String {
    let wait_ms = short.wait_us.map_or(BUSY_MS, |wait_us| wait_us.div_ceil(1000));
    format!("try again in {}.{:03} s", wait_ms / 1000, wait_ms % 1000)
}

fn throttled(short: Short) -> PublicError {
    let message = format!(
        "this key is held to {} requests a minute for a while, because something about its use looked wrong; whoever manages the team can see what, and lift it; {}",
        short.limit,
        again(short)
    );
    PublicError::new(ErrorCode::RateLimited).with_message(message).with_kind(Some(short.scarce.as_str()))
}

/// A limit of the caller's own, as OpenAI tells of its.
fn at_limit(whose: &str, short: Short, tokens: u64) -> PublicError {
    let Short { scarce, limit, .. } = short;
    let remedy = again(short);
    let (message, kind) = match scarce {
        Scarce::Requests => {
            (format!("the {whose}'s limit of {limit} requests a minute is used up; {remedy}"), scarce)
        }
        Scarce::Tokens => (
            format!(
                "of the {whose}'s limit of {limit} tokens a minute too few are left for this request, which counts for {tokens}; {remedy}"
            ),
            scarce,
        ),
        Scarce::Concurrent => (
            format!("the {whose} has {limit} requests under way, as many as it may; {remedy}"),
            Scarce::Requests,
        ),
    };
    PublicError::new(ErrorCode::RateLimited).with_message(message).with_kind(Some(kind.as_str()))
}

/// A fault in public words. What the provider said to a caller about the caller's own request is handed
/// on; what it said to us about our account is not.
pub fn of_fault(fault: &Fault) -> PublicError {
    let code = code(fault.class);
    let error = PublicError::new(code);
    match (fault.class, &fault.said) {
        (
            Class::BadRequest
            | Class::ContextLength
            | Class::ContentFilter
            | Class::TooLarge
            | Class::RateLimited
            | Class::Overloaded
            | Class::Internal,
            Some(said),
        ) => {
            let said_code = said.code.clone().filter(|_| code == ErrorCode::InvalidRequest);
            error
                .with_message(said.message.as_str())
                .with_param(said.param.clone())
                .with_said_code(said_code)
                .with_more(said.more.clone())
                .with_kind(limited(fault.class, said.kind.as_deref()))
        }
        (Class::RateLimited, None) => error.with_message(fault.message.as_str()),
        _ => error,
    }
}

/// Of what there was too much, where a provider says it as OpenAI does.
fn limited(class: Class, kind: Option<&str>) -> Option<&'static str> {
    let kinds = [Scarce::Requests, Scarce::Tokens].map(Scarce::as_str);
    kinds.into_iter().find(|known| class == Class::RateLimited && kind == Some(known))
}

fn code(class: Class) -> ErrorCode {
    match class {
        Class::BadRequest => ErrorCode::InvalidRequest,
        Class::ContextLength => ErrorCode::ContextLength,
        Class::ContentFilter => ErrorCode::ContentFilter,
        Class::TooLarge => ErrorCode::TooLarge,
        Class::Credential => ErrorCode::UpstreamAuth,
        Class::Billing => ErrorCode::InsufficientQuota,
        Class::ModelNotFound => ErrorCode::ModelNotFound,
        Class::RateLimited => ErrorCode::RateLimited,
        Class::Overloaded | Class::Connect => ErrorCode::Overloaded,
        Class::Timeout => ErrorCode::Timeout,
        Class::Internal
        | Class::Forbidden
        | Class::Reset
        | Class::Truncated
        | Class::Framing
        | Class::BadAnswer => ErrorCode::UpstreamError,
    }
}
