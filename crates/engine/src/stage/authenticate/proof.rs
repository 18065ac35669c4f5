//! What a key proves by itself, before the world is asked whether it is welcome.

use std::sync::Arc;

use nexus_core::{
    id::{KeyId, TeamId},
    principal::{Allowance, Budget, Level, Principal},
    scope::{Pattern, Scope},
    snapshot::Snapshot,
};
use nexus_keystore::{
    opaque,
    token::{self, Rights, Verified},
};

use crate::shared::Keys;

/// Why a key is not accepted: a word for the log and the trail, never for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bad(pub(super) &'static str);

/// A key whose text has been proven.
pub(super) enum Proof {
    /// A token: it says itself who it is, until then (Unix milliseconds).
    Token(Principal, i64),
    /// A key in short form, by the digest under which the world knows it.
    Short([u8; 32]),
}

impl Proof {
    /// Proves a key. Costs microseconds and as much whatever is wrong with it.
    pub(super) fn of(shown: &str, keys: &Keys, now_ms: i64) -> Result<Self, Bad> {
        if opaque::looks_like(shown) {
            let digest = keys.digests.digest(shown);
            return if opaque::is_well_formed(shown) { Ok(Self::Short(digest)) } else { Err(Bad("form")) };
        }
        let now_s = u64::try_from(now_ms.div_euclid(1000)).unwrap_or_default();
        let verified = keys.tokens.verify(shown, now_s).map_err(|invalid| Bad(invalid.reason()))?;
        let until_ms = i64::try_from(verified.expires_at_s.saturating_mul(1000)).unwrap_or(i64::MAX);
        Ok(Self::Token(principal(verified)?, until_ms))
    }

    /// Whether the text must be proven anew.
    pub(super) fn is_over(&self, now_ms: i64) -> bool {
        matches!(self, Self::Token(_, until_ms) if now_ms >= *until_ms)
    }

    /// Who the key is in this world.
    pub(super) fn principal(&self, snapshot: &Snapshot, now_ms: i64) -> Result<Principal, Bad> {
        match self {
            Self::Token(principal, _) => Ok(principal.clone()),
            Self::Short(digest) => {
                let key = snapshot.opaque_keys.get(digest).ok_or(Bad("unknown"))?;
                if key.expires_at_ms.is_some_and(|expires_at_ms| now_ms >= expires_at_ms) {
                    return Err(Bad("expired"));
                }
                Ok(Principal {
                    key: key.key,
                    level: key.level,
                    team: key.team,
                    parent: None,
                    scope: None,
                    is_bound: false,
                    allowance: None,
                    budget: None,
                })
            }
        }
    }
}

fn principal(verified: Verified) -> Result<Principal, Bad> {
    let rights = verified.rights.unwrap_or_default();
    let allowance = rights
        .max_requests
        .map(|requests| Allowance { requests, until_s: verified.expires_at_s });
    let budget =
        rights.budget_nano_usd.map(|nano_usd| Budget { nano_usd, until_s: verified.expires_at_s });
    let scope = scope(&rights).ok_or(Bad("rights"))?;
    Ok(Principal {
        key: KeyId(verified.key),
        level: match verified.level {
            token::Level::Admin => Level::Admin,
            token::Level::App => Level::App,
            token::Level::Session => Level::Session,
        },
        team: verified.team.map(TeamId),
        parent: verified.parent.map(KeyId),
        scope: (!scope.is_open()).then(|| Arc::new(scope)),
        is_bound: verified.is_bound,
        allowance,
        budget,
    })
}

/// The scope a session key bears; `None` where a part of it is not understood: never a wider one.
fn scope(rights: &Rights) -> Option<Scope> {
    Some(Scope {
        models: entries(&rights.models, |text| Pattern::parse(text).ok())?,
        providers: entries(&rights.providers, |text| Pattern::parse(text).ok())?,
        addresses: entries(&rights.addresses, |text| text.parse().ok())?,
    })
}

fn entries<T>(texts: &Option<Vec<String>>, read: impl Fn(&str) -> Option<T>) -> Option<Option<Vec<T>>> {
    match texts {
        None => Some(None),
        Some(texts) => texts.iter().map(|text| read(text)).collect::<Option<Vec<_>>>().map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[&str]) -> Option<Vec<String>> {
        Some(texts.iter().map(|text| (*text).to_owned()).collect())
    }

    #[test]
    fn a_right_that_is_not_understood_makes_the_key_invalid_and_not_wider() {
        for (rights, is_good) in [
            (Rights::default(), true),
            (Rights { models: texts(&["gpt-*"]), addresses: texts(&["10.0.0.0/8"]), ..Rights::default() }, true),
            (Rights { models: texts(&[]), ..Rights::default() }, true),
            (Rights { models: texts(&["gpt-*", ""]), ..Rights::default() }, false),
            (Rights { providers: texts(&["a\nb"]), ..Rights::default() }, false),
            (Rights { addresses: texts(&["10.0.0.0/99"]), ..Rights::default() }, false),
        ] {
            let scope = scope(&rights);
            assert_eq!(scope.is_some(), is_good, "{rights:?}");
            let is_bound = |scope: Scope| scope.models.is_some() == rights.models.is_some();
            assert!(scope.is_none_or(is_bound), "{rights:?}");
        }
    }
}
