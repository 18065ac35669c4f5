//! The shared collection of attacks on tokens, run where it lies.
//!
//! Each is tried as it is written, and again with everything right but the thing it names, for a key and for
//! a session key: as written, most would fail already for want of a `kid`.

use nexus_keystore::token::MAX_TOKEN_BYTES;
use serde_json::Value;

use crate::forge::{self, HOUR, KEY, NOW_S, ROOT, hour_key, hs256, hs384};

/// What stands in place of the public key that a confused verifier takes for a secret.
const PUBLIC_KEY: &[u8] = b"-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----\n";

#[test]
fn every_published_attack_is_refused() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpora/own/jwt_attacks.json");
    let Ok(text) = std::fs::read_to_string(path) else {
        return println!("published attacks on tokens: absent");
    };
    let cases: Vec<Value> = serde_json::from_str(&text).unwrap();
    let tokens = forge::tokens(ROOT);
    for case in &cases {
        let name = case["name"].as_str().unwrap();
        let header = case["header"].as_str().unwrap();
        for valid in [forge::claims(), forge::session_claims()] {
            let as_written = attack(case, header, &valid);
            assert!(tokens.verify(&as_written, NOW_S).is_err(), "{name}");
            let otherwise_right = attack(case, &completed(header), &valid);
            match tokens.verify(&otherwise_right, NOW_S) {
                // Who is revoked the snapshot knows, by this id.
                Ok(verified) if name == "revoked jti" => assert_eq!(verified.key, KEY),
                verified => assert!(verified.is_err(), "{name}, otherwise right"),
            }
        }
    }
    println!("published attacks on tokens: {} ran", cases.len());
    assert!(!cases.is_empty());
}

/// The keystore's own header where the attack is not in the header.
fn completed(header: &str) -> String {
    if header == r#"{"alg":"HS256"}"# {
        return forge::header();
    }
    let Some(rest) = header.strip_prefix('{') else { return header.to_owned() };
    let kid = if header.contains("kid") { String::new() } else { format!(r#""kid":"h{HOUR}","#) };
    format!(r#"{{"typ":"JWT",{kid}{rest}"#)
}

fn attack(case: &Value, header: &str, valid: &str) -> String {
    let key = hour_key(ROOT, HOUR);
    let claims = claims(case["claims"].as_str().unwrap(), valid);
    let sign = |key: &[u8]| forge::token(header, &claims, |message| hs256(key, message));
    match (case["signature"].as_str().unwrap(), case["name"].as_str().unwrap()) {
        (text @ ("a.b.c.d" | "a.b.c.d.e"), _) => text.to_owned(),
        ("-", "100 KB token") => {
            let text = forge::signed(&forge::header(), &" ".repeat(100_000));
            assert!(text.len() > MAX_TOKEN_BYTES);
            text
        }
        ("unsigned", _) => forge::token(header, &claims, |_| Vec::new()),
        ("hs256", _) => sign(&key),
        ("hs384", _) => forge::token(header, &claims, |message| hs384(&key, message)),
        ("hs256 with PEM public key as secret", _) => sign(PUBLIC_KEY),
        ("hs256 with raw ed25519 public key as secret", _) => sign(&[0xd7; 32]),
        ("hs256 empty key" | "hs256 without key", _) => sign(b""),
        ("hs256 key k", _) => sign(b"k"),
        ("hs256 tenant-b key", _) => sign(&hour_key("the root of another installation!", HOUR)),
        ("rs256 attacker key", _) => forge::token(header, &claims, |_| vec![0x5a; 256]),
        ("hs256 + \"=\"", _) => sign(&key) + "=",
        (signature, name) => panic!("a new kind of attack: {name}: {signature}"),
    }
}

fn claims(said: &str, valid: &str) -> String {
    let mut claims: Value = serde_json::from_str(valid).unwrap();
    match said {
        "valid" | "valid tenant-a claims" | "-" | "jti revoked" => {}
        "exp \"9999999999\"" => claims["exp"] = "9999999999".into(),
        "exp -1" => claims["exp"] = (-1).into(),
        "exp now-30" => {
            claims["iat"] = (NOW_S - 60).into();
            claims["exp"] = (NOW_S - 30).into();
        }
        "nbf now+1000" => claims["nbf"] = (NOW_S + 1000).into(),
        "iss other" => claims["iss"] = "other".into(),
        "aud other" => claims["aud"] = "other".into(),
        "typ=session scope=admin added" => {
            claims["typ"] = "session".into();
            claims["scope"] = "admin".into();
        }
        said => panic!("a new kind of claims: {said}"),
    }
    claims.to_string()
}
