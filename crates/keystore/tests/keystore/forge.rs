//! Forges tokens member by member, with keys derived here and not by the keystore.
//!
//! That keys derived twice agree is itself a check: a token outlives the program that signed it.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use nexus_keystore::{
    root::RootSecret,
    token::{Grant, Level, Rights, Tokens},
};
use ring::hmac;
use uuid::Uuid;

pub(crate) const ROOT: &str = "a root for the tests, 32 bytes or more";
pub(crate) const NOW_S: u64 = 1_800_000_123;
pub(crate) const HOUR: u64 = NOW_S / 3600;
pub(crate) const KEY: Uuid = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001);
pub(crate) const TEAM: Uuid = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0002);
pub(crate) const PARENT: Uuid = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0003);

pub(crate) fn tokens(root: &str) -> Tokens {
    Tokens::new(RootSecret::from_text(root).unwrap_or_else(|weak| panic!("{weak}")))
}

pub(crate) fn grant() -> Grant {
    Grant {
        key: KEY,
        level: Level::App,
        team: Some(TEAM),
        parent: None,
        rights: None,
        is_bound: false,
        lifetime_s: 60,
    }
}

pub(crate) fn session() -> Grant {
    let rights = Rights {
        models: Some(vec!["gpt-*".into(), "千问 \"x\"".into()]),
        addresses: Some(vec!["10.0.0.0/8".into()]),
        max_requests: Some(7),
        ..Rights::default()
    };
    Grant { level: Level::Session, parent: Some(PARENT), rights: Some(rights), ..grant() }
}

pub(crate) fn header() -> String {
    format!(r#"{{"typ":"JWT","alg":"HS256","kid":"h{HOUR}"}}"#)
}

pub(crate) fn claims() -> String {
    let exp = NOW_S + 60;
    format!(
        r#"{{"iss":"nexus","aud":"nexus","sub":"{KEY}","jti":"{KEY}","iat":{NOW_S},"exp":{exp},"typ":"key","level":"app","team":"{TEAM}","scope":"call"}}"#
    )
}

/// What [`session`] is granted.
pub(crate) fn session_claims() -> String {
    let exp = NOW_S + 60;
    format!(
        r#"{{"iss":"nexus","aud":"nexus","sub":"{KEY}","jti":"{KEY}","iat":{NOW_S},"exp":{exp},"typ":"session","level":"session","team":"{TEAM}","scope":"call","par":"{PARENT}","rights":{{"models":["gpt-*","千问 \"x\""],"addresses":["10.0.0.0/8"],"max_requests":7}}}}"#
    )
}

/// HKDF-SHA-256 by hand: extract, then the first and only block of expand.
pub(crate) fn hour_key(root: &str, hour: u64) -> Vec<u8> {
    let prk = hs256(b"nexus/1/root", root.as_bytes());
    hs256(&prk, format!("nexus/1/token-signing\0h{hour}\x01").as_bytes())
}

pub(crate) fn hs256(key: &[u8], message: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message).as_ref().to_vec()
}

pub(crate) fn hs384(key: &[u8], message: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA384, key), message).as_ref().to_vec()
}

/// A token of these texts, signed by `sign` over its first two parts.
pub(crate) fn token(header: &str, claims: &str, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let message = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
    let signature = URL_SAFE_NO_PAD.encode(sign(message.as_bytes()));
    format!("{message}.{signature}")
}

/// A token of these texts, signed as the keystore would in [`HOUR`].
pub(crate) fn signed(header: &str, claims: &str) -> String {
    token(header, claims, |message| hs256(&hour_key(ROOT, HOUR), message))
}
