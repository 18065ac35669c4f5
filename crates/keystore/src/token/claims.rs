//! What a token says, and whether it may be said.
//!
//! Exactly these members, each once, each of its type: a further member (`nbf` among them), a repeated one,
//! a number written as text or with a fraction is refused.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use uuid::{Uuid, fmt::Hyphenated};

use super::{Grant, Invalid, Level, MAX_SKEW_S, Rights, Verified, hour_of};

const ISSUER: &str = "nexus";
const AUDIENCE: &str = "nexus";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    /// The key the token speaks for; a key speaks for itself.
    sub: &'a str,
    jti: &'a str,
    /// Unix seconds.
    iat: u64,
    /// Unix seconds; from then on the token is not accepted.
    exp: u64,
    typ: &'a str,
    level: &'a str,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    team: Option<&'a str>,
    scope: &'a str,
    /// The parent's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    par: Option<&'a str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rights: Option<Cow<'a, Rights>>,
    /// Present and true, or absent.
    #[serde(default, skip_serializing_if = "is_false")]
    bound: bool,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// Ids as text, for claims to borrow.
pub(super) struct Ids {
    key: [u8; Hyphenated::LENGTH],
    team: [u8; Hyphenated::LENGTH],
    parent: [u8; Hyphenated::LENGTH],
}

impl Ids {
    pub(super) fn new() -> Self {
        let blank = [0; Hyphenated::LENGTH];
        Self { key: blank, team: blank, parent: blank }
    }
}

impl<'a> Claims<'a> {
    pub(super) fn granting(grant: &'a Grant, now_s: u64, ids: &'a mut Ids) -> Self {
        let key: &str = grant.key.hyphenated().encode_lower(&mut ids.key);
        Self {
            iss: ISSUER,
            aud: AUDIENCE,
            sub: key,
            jti: key,
            iat: now_s,
            exp: now_s.saturating_add(grant.lifetime_s),
            typ: grant.level.kind(),
            level: grant.level.as_str(),
            team: grant.team.map(|team| &*team.hyphenated().encode_lower(&mut ids.team)),
            scope: grant.level.scope(),
            par: grant.parent.map(|parent| &*parent.hyphenated().encode_lower(&mut ids.parent)),
            rights: grant.rights.as_ref().map(Cow::Borrowed),
            bound: grant.is_bound,
        }
    }

    /// Reads claims whose signature by the key of `hour` has been verified, and judges them.
    pub(super) fn judge(json: &[u8], hour: u64, now_s: u64) -> Result<Verified, Invalid> {
        let claims: Claims<'_> = serde_json::from_slice(json).map_err(|_| Invalid("claims"))?;
        let level = Level::from_word(claims.level).ok_or(Invalid("level"))?;
        let is_session = level == Level::Session;
        let rules = [
            (claims.iss == ISSUER, "issuer"),
            (claims.aud == AUDIENCE, "audience"),
            (claims.typ == level.kind(), "type"),
            (claims.scope == level.scope(), "scope"),
            (claims.sub == claims.jti, "subject"),
            (claims.par.is_some() == is_session, "parent"),
            (is_session || claims.rights.is_none(), "rights"),
            (hour_of(claims.iat) == hour, "hour"),
            (claims.iat <= now_s.saturating_add(MAX_SKEW_S), "issued in the future"),
            (
                claims.exp.checked_sub(claims.iat).is_some_and(|life_s| level.lifetime_s().contains(&life_s)),
                "lifetime",
            ),
            (claims.exp > now_s, "expired"),
        ];
        if let Some((_, reason)) = rules.into_iter().find(|(is_sound, _)| !is_sound) {
            return Err(Invalid(reason));
        }
        let id = |text| Uuid::try_parse(text).map_err(|_| Invalid("id"));
        Ok(Verified {
            key: id(claims.jti)?,
            level,
            team: claims.team.map(id).transpose()?,
            parent: claims.par.map(id).transpose()?,
            rights: claims.rights.map(Cow::into_owned),
            is_bound: claims.bound,
            issued_at_s: claims.iat,
            expires_at_s: claims.exp,
        })
    }
}
