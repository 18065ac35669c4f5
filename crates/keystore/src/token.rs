//! Tokens: JWTs signed with HMAC-SHA-256 under a key of their own hour.
//!
//! `kid` is `h<hours since the Unix epoch>` and names the key derived from `NEXUS_SECRET_KEY` for the hour
//! in which the token was issued, so every node signs and verifies alike and nothing is stored. Verifying
//! says who a key is and until when; whether it has been revoked is the snapshot's to say, by [`Verified::key`].

mod claims;
mod header;
mod hour_keys;
mod rights;

use std::ops::RangeInclusive;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::EncodingKey;
use thiserror::Error;
use uuid::Uuid;

pub use self::rights::Rights;
use self::{
    claims::{Claims, Ids},
    hour_keys::HourKeys,
};
use crate::{
    crypto::{self, Hs256},
    root::RootSecret,
    secret::Secret,
};

/// Bytes in the longest token looked at.
pub const MAX_TOKEN_BYTES: usize = 4096;

/// Seconds in the longest lifetime: ten years with their leap days. A key "without expiry" has it.
pub const MAX_LIFETIME_S: u64 = 3653 * 86_400;

/// Seconds a session key may live.
pub const SESSION_LIFETIME_S: RangeInclusive<u64> = 30..=86_400;

/// Seconds by which another node's clock may be ahead when it issues. There is no such leeway at the end.
const MAX_SKEW_S: u64 = 3600;

/// The rank of a key, as a token says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Level {
    /// Manages the gateway.
    Admin,
    /// Calls models.
    App,
    /// Calls models for a short time, in the name of the application key it was made from.
    Session,
}

impl Level {
    /// The word in the token.
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Admin => "admin",
            Level::App => "app",
            Level::Session => "session",
        }
    }

    /// The inverse of [`Level::as_str`].
    pub fn from_word(word: &str) -> Option<Self> {
        [Level::Admin, Level::App, Level::Session].into_iter().find(|level| level.as_str() == word)
    }

    /// What a key of this level may do; a token whose scope is another one is refused.
    fn scope(self) -> &'static str {
        match self {
            Level::Admin => "manage",
            Level::App | Level::Session => "call",
        }
    }

    /// What kind of token a key of this level is.
    fn kind(self) -> &'static str {
        match self {
            Level::Admin | Level::App => "key",
            Level::Session => "session",
        }
    }

    fn lifetime_s(self) -> RangeInclusive<u64> {
        match self {
            Level::Admin | Level::App => 1..=MAX_LIFETIME_S,
            Level::Session => SESSION_LIFETIME_S,
        }
    }
}

/// What a token is to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The key's id; the token's `jti`.
    pub key: Uuid,
    pub level: Level,
    /// None for a key of the platform.
    pub team: Option<Uuid>,
    /// The application key a session key is made from; a session key has one and no other does.
    pub parent: Option<Uuid>,
    /// A session key's own bounds; no other key bears any.
    pub rights: Option<Rights>,
    /// Whether the token is worth nothing where what bounds the key is not known.
    pub is_bound: bool,
    /// From 1 to [`MAX_LIFETIME_S`], a session key's in [`SESSION_LIFETIME_S`].
    pub lifetime_s: u64,
}

/// What a verified token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    pub key: Uuid,
    pub level: Level,
    pub team: Option<Uuid>,
    /// The application key a session key stands and falls with; a session key has one and no other does.
    pub parent: Option<Uuid>,
    /// A session key's own bounds, beside its parent's; no other key bears any.
    pub rights: Option<Rights>,
    /// Whether the key, or a session key's parent, must be known to whoever takes the token.
    pub is_bound: bool,
    /// Unix seconds.
    pub issued_at_s: u64,
    /// Unix seconds; from then on the token is not accepted.
    pub expires_at_s: u64,
}

/// The token is not valid. To the client every reason is the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the key is not valid")]
pub struct Invalid(&'static str);

impl Invalid {
    /// A word for a debug log, never for the client. It holds nothing of the token.
    pub fn reason(self) -> &'static str {
        self.0
    }
}

/// A token could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CannotMint {
    #[error(
        "a key lives from 1 to `{MAX_LIFETIME_S}` seconds, a session key from `{}` to `{}`",
        SESSION_LIFETIME_S.start(),
        SESSION_LIFETIME_S.end()
    )]
    Lifetime,
    #[error("a session key is made from an application key, and only a session key bears rights of its own")]
    Descent,
    #[error("the rights make the key longer than {MAX_TOKEN_BYTES} bytes; name fewer, or use patterns")]
    Long,
    #[error("the token could not be signed")]
    Unsigned,
}

/// Makes and verifies tokens. Shared by all threads; verifying takes no lock.
pub struct Tokens {
    keys: HourKeys,
    /// Spends on a token refused early what a signature would have cost.
    decoy: Hs256,
}

impl Tokens {
    /// Tokens signed under keys derived from `NEXUS_SECRET_KEY`.
    pub fn new(root: RootSecret) -> Self {
        crypto::install();
        Self { keys: HourKeys::new(root), decoy: Hs256::decoy() }
    }

    /// Makes a token. `now_s` is Unix seconds.
    pub fn mint(&self, grant: &Grant, now_s: u64) -> Result<Secret, CannotMint> {
        if !grant.level.lifetime_s().contains(&grant.lifetime_s) {
            return Err(CannotMint::Lifetime);
        }
        let is_session = grant.level == Level::Session;
        if grant.parent.is_some() != is_session || (grant.rights.is_some() && !is_session) {
            return Err(CannotMint::Descent);
        }
        let hour = hour_of(now_s);
        let key = self.keys.derive(hour).map_err(|_| CannotMint::Unsigned)?;
        let mut ids = Ids::new();
        let claims = Claims::granting(grant, now_s, &mut ids);
        let key = EncodingKey::from_secret(key.bytes());
        let token = jsonwebtoken::encode(&header::of_hour(hour), &claims, &key);
        let token = token.map(Secret::new).map_err(|_| CannotMint::Unsigned)?;
        if token.expose().len() > MAX_TOKEN_BYTES { Err(CannotMint::Long) } else { Ok(token) }
    }

    /// Verifies a token ([`crate::bearer::token`] takes it out of what a client sent). `now_s` is Unix
    /// seconds. Costs some 3 microseconds and, after an hour's first token, no allocation but for a
    /// session's rights.
    pub fn verify(&self, token: &str, now_s: u64) -> Result<Verified, Invalid> {
        if token.len() > MAX_TOKEN_BYTES {
            let beginning = token.as_bytes().get(..MAX_TOKEN_BYTES).unwrap_or_default();
            std::hint::black_box(self.decoy.tag(beginning));
            return Err(Invalid("too long"));
        }
        let Some(parts) = Parts::of(token, now_s) else {
            std::hint::black_box(self.decoy.tag(token.as_bytes()));
            return Err(Invalid("form"));
        };
        if !self.keys.is_signature(parts.hour, parts.message.as_bytes(), &parts.signature) {
            return Err(Invalid("signature"));
        }
        let mut buffer = [0; MAX_TOKEN_BYTES / 4 * 3];
        let length =
            URL_SAFE_NO_PAD.decode_slice(parts.claims, &mut buffer).map_err(|_| Invalid("claims"))?;
        Claims::judge(buffer.get(..length).unwrap_or_default(), parts.hour, now_s)
    }
}

/// A token taken apart; nothing of it is proven yet.
struct Parts<'a> {
    /// Header and claims as they stand in the token: what is signed.
    message: &'a str,
    claims: &'a str,
    /// The hour of the key it says it is signed with; it has come, or nearly.
    hour: u64,
    signature: [u8; 32],
}

impl<'a> Parts<'a> {
    fn of(token: &'a str, now_s: u64) -> Option<Self> {
        let (message, encoded) = token.rsplit_once('.')?;
        let (header, claims) = message.split_once('.')?;
        let hour = header::hour(header)?;
        if claims.contains('.') || hour > hour_of(now_s.saturating_add(MAX_SKEW_S)) {
            return None;
        }
        // Room for what 43 characters could hold before the last one's spare bits are looked at.
        let mut buffer = [0; 36];
        let length = URL_SAFE_NO_PAD.decode_slice(encoded, &mut buffer).ok()?;
        Some(Self { message, claims, hour, signature: buffer.get(..length)?.try_into().ok()? })
    }
}

fn hour_of(unix_s: u64) -> u64 {
    unix_s / 3600
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_S: u64 = 1_790_000_000;

    fn minted(tokens: &Tokens, lifetime_s: u64) -> String {
        let key = Uuid::from_u128(1);
        let grant = Grant {
            key,
            level: Level::App,
            team: None,
            parent: None,
            rights: None,
            is_bound: false,
            lifetime_s,
        };
        tokens.mint(&grant, NOW_S).ok().unwrap().expose().to_owned()
    }

    /// Whatever is wrong with a token, refusing it computes one tag over about as many bytes as it has.
    #[test]
    fn every_refusal_costs_one_tag_over_the_whole_token() {
        let [ours, foreign] = [0, 1].map(|_| Tokens::new(RootSecret::random().ok().unwrap()));
        let good = minted(&ours, 3600);
        let (message, signature) = good.rsplit_once('.').unwrap();
        let (header, claims) = message.split_once('.').unwrap();
        let other = minted(&ours, 60);
        let (_, other_claims) = other.rsplit_once('.').unwrap().0.split_once('.').unwrap();
        let cases = [
            minted(&foreign, 3600),
            format!("{message}.{}", &other.rsplit_once('.').unwrap().1),
            format!("{header}.{other_claims}.{signature}"),
            format!("{message}."),
            message.to_owned(),
            good.replace('.', "-"),
            format!("{claims}.{claims}.{signature}"),
            format!("{good}.{good}"),
            good[1..].to_owned(),
            "x".repeat(good.len()),
        ];
        for token in &cases {
            crypto::work::done();
            assert!(ours.verify(token, NOW_S).is_err(), "{token}");
            let done = crypto::work::done();
            let least = token.len().min(message.len()) - 1;
            assert!(matches!(done.as_slice(), [bytes] if *bytes >= least), "{done:?} for {token}");
        }
        // one that is signed well and refused for what it says is compared with the rest
        crypto::work::done();
        assert!(ours.verify(&good, NOW_S + 3600).is_err());
        assert_eq!(crypto::work::done(), [message.len()]);
        crypto::work::done();
        assert!(ours.verify(&"x".repeat(MAX_TOKEN_BYTES + 1), NOW_S).is_err());
        assert_eq!(crypto::work::done(), [MAX_TOKEN_BYTES]);
    }
}
