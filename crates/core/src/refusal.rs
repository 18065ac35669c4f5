//! Why the gateway itself says no, before any provider is asked.

use crate::flow::Short;

/// A request the gateway does not serve. The words are for the caller: what is wrong and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No key, a malformed, foreign, expired or revoked one: one answer for all, so that it teaches nothing.
    InvalidKey,
    /// A valid key of a level that may not do this.
    WrongLevel { needed: &'static str },
    /// A valid key that may not be used from where the request comes from.
    ForeignAddress,
    /// Too many bad keys came from there; another is looked at after `wait_ms`.
    TooManyFailures { wait_ms: u64 },
    /// A session key has made all the requests it is good for.
    AllowanceUsed { requests: u64 },
    /// A limit of the caller's team or key has no room now.
    AtLimit {
        /// `key` or `team`.
        whose: &'static str,
        short: Short,
        /// Tokens the request was taken for.
        tokens: u64,
    },
    /// The key is held to fewer requests for a while, because something about it looked wrong.
    Throttled { short: Short },
    /// A quota the call falls under has no room for it.
    QuotaExhausted { name: String, measure: &'static str, limit: u64 },
    /// Nobody has said what the model costs, and the call falls under a budget.
    Unpriced { model: String },
    /// What the call uses could not be booked, and calls are not to be made then.
    Unbookable,
    /// An answer came, but what it used could not be booked, and it is not to be given then.
    Unbooked,
    /// The request's signature is missing or wrong; `code` says what about it.
    BadSignature { code: &'static str },
    /// The request's structure looks like an attack, and its team wants such requests refused.
    Hostile { position: &'static str },
    /// The body cannot be served as it stands; `param` names the member at fault.
    BadBody { message: String, param: Option<String> },
    /// The body is larger than `limit_bytes`.
    TooLarge { limit_bytes: usize },
    /// The body's media type is not JSON.
    UnsupportedMediaType,
    /// The `Idempotency-Key` is none.
    BadIdempotencyKey,
    /// The `Idempotency-Key` was used before, with another body.
    OtherBody,
    /// What was answered under the `Idempotency-Key` is not kept any more, or at another node.
    AnswerNotKept,
    /// Another node is being answered under the `Idempotency-Key`.
    AnswerUnderWay,
    /// No alias of this name.
    UnknownModel { model: String },
    /// Nothing of this kind and id that the caller's team has made.
    UnknownResource { kind: &'static str, id: String },
    /// Nothing that the caller may reach is at this path.
    NoSuchPath,
    /// Who has made what cannot be looked up or noted now.
    OwnersAway,
    /// No target of the model takes requests like this; `against` says in a word why the last one does not.
    Unfit { alias: String, against: &'static str },
    /// What the request brings back was sealed by a provider's account that is not behind the model, or by several.
    SealedElsewhere { param: String },
    /// A field that cannot be said in the vendor's words.
    Unsayable { param: String, message: String },
}
