//! Why a request is not rightly signed, one word a reason.
//!
//! The words are told to clients, who can mend nothing without them, and none says what would have been
//! right: a wrong signature is only wrong.

use thiserror::Error;

use super::MAX_AGE_S;

/// Why a request is not taken for signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum Wrong {
    #[error("the request is not signed; send `Signature-Input` and `Signature`")]
    Missing,
    #[error("the signature's headers are not structured fields as RFC 9421 has them")]
    Malformed,
    #[error("no signature's `keyid` is the id of the key that is shown")]
    KeyId,
    #[error("a signature's `alg` is `hmac-sha256` or left out")]
    Algorithm,
    #[error("a signature has the parameters `created`, `nonce`, `keyid`, `expires` and `alg`, no other")]
    Parameters,
    #[error(
        "a signature covers `@method`, `@path`, `@query` and `content-digest`, each once and without parameters"
    )]
    Components,
    #[error("the signature does not say when it was made; add `created`")]
    CreatedMissing,
    #[error("the signature is older than {MAX_AGE_S} seconds or past its `expires`; sign again")]
    Expired,
    #[error("the signature is dated more than {MAX_AGE_S} seconds ahead; set the clock")]
    Early,
    #[error("the signature has no `nonce`")]
    NonceMissing,
    #[error("a `nonce` has 8 to 128 characters")]
    NonceLength,
    #[error("the signature does not match the request")]
    Mismatch,
    #[error("the request has no `Content-Digest`")]
    DigestMissing,
    #[error("`Content-Digest` is not a structured field as RFC 9530 has it")]
    DigestMalformed,
    #[error("`Content-Digest` names neither `sha-256` nor `sha-512`")]
    DigestAlgorithm,
    #[error("`Content-Digest` does not match the body")]
    DigestMismatch,
}

impl Wrong {
    /// The reason as a word that stays the same from release to release.
    pub fn code(self) -> &'static str {
        match self {
            Wrong::Missing => "signature_missing",
            Wrong::Malformed => "signature_malformed",
            Wrong::KeyId => "signature_keyid",
            Wrong::Algorithm => "signature_algorithm",
            Wrong::Parameters => "signature_parameters",
            Wrong::Components => "signature_components",
            Wrong::CreatedMissing => "created_missing",
            Wrong::Expired => "signature_expired",
            Wrong::Early => "signature_early",
            Wrong::NonceMissing => "nonce_missing",
            Wrong::NonceLength => "nonce_length",
            Wrong::Mismatch => "signature_mismatch",
            Wrong::DigestMissing => "digest_missing",
            Wrong::DigestMalformed => "digest_malformed",
            Wrong::DigestAlgorithm => "digest_algorithm",
            Wrong::DigestMismatch => "digest_mismatch",
        }
    }
}
