//! Attacks on tokens, each the valid token but for one thing.

use nexus_keystore::token::{Invalid, MAX_LIFETIME_S, MAX_TOKEN_BYTES};

use crate::forge::{
    self, HOUR, KEY, NOW_S, PARENT, ROOT, claims, header, hour_key, hs256, hs384, session_claims, signed,
    token,
};

type Sign = fn(&[u8]) -> Vec<u8>;

/// Tried against a node that has never seen the hour and against one that remembers its key.
fn refusal(attack: &str) -> Invalid {
    let cold = forge::tokens(ROOT);
    let warm = forge::tokens(ROOT);
    assert!(warm.verify(&signed(&header(), &claims()), NOW_S).is_ok());
    let [cold, warm] = [cold, warm].map(|node| node.verify(attack, NOW_S));
    assert_eq!(cold, warm, "{attack}");
    let invalid = cold.err().unwrap_or_else(|| panic!("accepted: {attack}"));
    assert_eq!(invalid.to_string(), "the key is not valid");
    invalid
}

fn replaced(text: &str, from: &str, to: &str) -> String {
    assert_eq!(text.matches(from).count(), 1, "{from} in {text}");
    text.replace(from, to)
}

#[test]
fn a_rightly_signed_token_with_one_wrong_claim_is_refused() {
    let exp = format!(r#""exp":{}"#, NOW_S + 60);
    let iat = format!(r#""iat":{NOW_S}"#);
    let (exp, iat) = (exp.as_str(), iat.as_str());
    let jti = format!(r#""jti":"{KEY}""#);
    let exp_at = |at: u64| format!(r#""exp":{at}"#);
    for (from, to, reason) in [
        (r#""iss":"nexus""#, r#""iss":"other""#, "issuer"),
        (r#""iss":"nexus","#, "", "claims"),
        (r#""aud":"nexus""#, r#""aud":"other""#, "audience"),
        (r#""aud":"nexus""#, r#""aud":["nexus"]"#, "claims"),
        (r#""aud":"nexus","#, "", "claims"),
        (r#""sub":"0"#, r#""sub":"1"#, "subject"),
        (r#""jti":"0"#, r#""jti":"1"#, "subject"),
        (&format!("{jti},"), "", "claims"),
        (exp, r#""exp":"9999999999""#, "claims"),
        (exp, r#""exp":-1"#, "claims"),
        (exp, r#""exp":1900000000.0"#, "claims"),
        (exp, r#""exp":19e8"#, "claims"),
        (exp, r#""exp":99999999999999999999"#, "claims"),
        (exp, r#""exp":null"#, "claims"),
        (exp, r#""exp":true"#, "claims"),
        (&format!("{exp},"), "", "claims"),
        (exp, &exp_at(NOW_S - 30), "lifetime"),
        (exp, &exp_at(NOW_S), "lifetime"),
        (exp, &exp_at(NOW_S + MAX_LIFETIME_S + 1), "lifetime"),
        (exp, &exp_at(u64::MAX), "lifetime"),
        (iat, &format!(r#""iat":{}"#, NOW_S - 3600), "hour"),
        (iat, &format!(r#""iat":{}"#, NOW_S + 3600), "hour"),
        (iat, r#""iat":0"#, "hour"),
        (&format!("{iat},"), "", "claims"),
        (r#""typ":"key""#, r#""typ":"session""#, "type"),
        (r#""level":"app""#, r#""level":"session""#, "type"),
        (r#""scope":"call""#, &format!(r#""scope":"call","par":"{PARENT}""#), "parent"),
        (r#""scope":"call""#, r#""scope":"call","rights":{}"#, "rights"),
        (r#""scope":"call""#, r#""scope":"call","rights":{"models":["*"]}"#, "rights"),
        (r#""typ":"key","#, "", "claims"),
        (r#""level":"app""#, r#""level":"root""#, "level"),
        (r#""level":"app""#, r#""level":"admin""#, "scope"),
        (r#""level":"app","#, "", "claims"),
        (r#""scope":"call""#, r#""scope":"manage""#, "scope"),
        (r#""scope":"call""#, r#""scope":"call manage""#, "scope"),
        (r#""scope":"call""#, r#""scope":["call"]"#, "claims"),
        (r#","scope":"call""#, "", "claims"),
        (r#""team":"0"#, r#""team":"x"#, "id"),
        (r#""team":"0"#, r#""team":""#, "id"),
        (r#""scope":"call""#, r#""scope":"call","nbf":1900000000"#, "claims"),
        (r#""scope":"call""#, r#""scope":"call","admin":true"#, "claims"),
        (r#""level":"app""#, r#""level":"app","level":"admin""#, "claims"),
        (r#""level":"app""#, r#""level":"app","l\u0065vel":"admin""#, "claims"),
        (exp, &format!(r#"{exp},"exp":1900000000"#), "claims"),
        (r#"{"iss""#, r#"[{"iss""#, "claims"),
        (r#""scope":"call"}"#, r#""scope":"call"}{}"#, "claims"),
        (&claims(), "", "claims"),
        (&claims(), "null", "claims"),
        (&claims(), &"[".repeat(2000), "claims"),
    ] {
        let attack = signed(&header(), &replaced(&claims(), from, to));
        assert_eq!(refusal(&attack).reason(), reason, "{from} -> {to}");
    }
}

#[test]
fn a_rightly_signed_session_token_with_one_wrong_claim_is_refused() {
    let exp = format!(r#""exp":{}"#, NOW_S + 60);
    let exp_at = |at: u64| format!(r#""exp":{at}"#);
    let par = format!(r#","par":"{PARENT}""#);
    for (from, to, reason) in [
        (r#""typ":"session""#, r#""typ":"key""#, "type"),
        (r#""typ":"session""#, r#""typ":"Session""#, "type"),
        (r#""level":"session""#, r#""level":"app""#, "type"),
        (r#""level":"session""#, r#""level":"admin""#, "type"),
        (r#""typ":"session","level":"session""#, r#""typ":"key","level":"admin""#, "scope"),
        (r#""typ":"session","level":"session""#, r#""typ":"key","level":"app""#, "parent"),
        (r#""typ":"session","level":"session""#, r#""typ":"session","level":"platform_admin""#, "level"),
        (r#""scope":"call""#, r#""scope":"manage""#, "scope"),
        (r#""scope":"call""#, r#""scope":"admin""#, "scope"),
        (&par, "", "parent"),
        (&par, r#","par":null"#, "parent"),
        (&par, r#","par":"""#, "id"),
        (&par, r#","par":"x""#, "id"),
        (&par, r#","par":7"#, "claims"),
        (&par, &format!("{par}{par}"), "claims"),
        (&exp, &exp_at(NOW_S + 29), "lifetime"),
        (&exp, &exp_at(NOW_S + 86_401), "lifetime"),
        (&exp, &exp_at(NOW_S + MAX_LIFETIME_S), "lifetime"),
        (&exp, &exp_at(NOW_S - 1), "lifetime"),
        (r#""max_requests":7"#, r#""max_requests":-1"#, "claims"),
        (r#""max_requests":7"#, r#""max_requests":"7""#, "claims"),
        (r#""max_requests":7"#, r#""max_requests":7,"max_requests":70"#, "claims"),
        (r#""max_requests":7"#, r#""max_requests":7,"tenants":["*"]"#, "claims"),
        (r#"["10.0.0.0/8"]"#, r#""10.0.0.0/8""#, "claims"),
        (r#"["10.0.0.0/8"]"#, r#"[10]"#, "claims"),
        (r#""rights":{"#, r#""rights":{},"rights":{"#, "claims"),
        (r#""rights":{"#, r#""rights":["*"],"other":{"#, "claims"),
    ] {
        let attack = signed(&header(), &replaced(&session_claims(), from, to));
        assert_eq!(refusal(&attack).reason(), reason, "{from} -> {to}");
    }
}

#[test]
fn a_rightly_signed_token_with_another_header_is_refused_unread() {
    for (from, to) in [
        ("HS256", "none"),
        ("HS256", "None"),
        ("HS256", "nOnE"),
        ("HS256", ""),
        ("HS256", "HS384"),
        ("HS256", "RS256"),
        (r#""HS256""#, r#"["HS256"]"#),
        (r#""alg":"HS256","#, ""),
        (r#""alg":"HS256","#, r#""alg":"none","alg":"HS256","#),
        (r#""alg":"HS256","#, r#""alg":"HS256","alg":"none","#),
        (r#""typ":"JWT","#, ""),
        ("JWT", "JWE"),
        (r#""}"#, r#"","crit":["exp"]}"#),
        (r#""}"#, r#"","jku":"http://127.0.0.1:9/k"}"#),
        (r#""}"#, r#"","x5u":"http://127.0.0.1:9/c"}"#),
        (r#""}"#, r#"","jwk":{"kty":"oct","k":"AAAA"}}"#),
        (r#""}"#, r#"","b64":false}"#),
        (r#""}"#, r#"","zip":"DEF"}"#),
        (r#""}"#, r#"","x":1}"#),
    ] {
        assert_eq!(refusal(&signed(&replaced(&header(), from, to), &claims())).reason(), "form", "{to}");
    }
}

#[test]
fn a_kid_that_names_no_hour_of_ours_is_refused() {
    let kid = format!("h{HOUR}");
    for (to, reason) in [
        ("", "form"),
        ("nope", "form"),
        ("h", "form"),
        ("../../../../dev/null", "form"),
        ("x' UNION SELECT 'k'-- -", "form"),
        (&format!("h{HOUR}\\u0000"), "form"),
        (&format!("h0{HOUR}"), "form"),
        (&format!("h{}", HOUR + 2), "form"),
        ("h9999999", "form"),
        ("h18446744073709551616", "form"),
        // Hours that were or may be: the signature is another hour's.
        (&format!("h{}", HOUR + 1), "signature"),
        (&format!("h{}", HOUR - 1), "signature"),
        (&format!("h{}", HOUR - 1024), "signature"),
        ("h1", "signature"),
    ] {
        assert_eq!(refusal(&signed(&replaced(&header(), &kid, to), &claims())).reason(), reason, "{to}");
    }
}

#[test]
fn a_signature_by_any_other_key_is_refused() {
    let signers: [(&str, Sign, &str); 11] = [
        ("another hour", |m| hs256(&hour_key(ROOT, HOUR - 1), m), "signature"),
        ("another root", |m| hs256(&hour_key("another root of 32 bytes or more!", HOUR), m), "signature"),
        ("the root itself", |m| hs256(ROOT.as_bytes(), m), "signature"),
        ("an empty key", |m| hs256(b"", m), "signature"),
        ("zeros, as the decoy has", |m| hs256(&[0; 32], m), "signature"),
        ("a key of one letter", |m| hs256(b"k", m), "signature"),
        ("HS384", |m| hs384(&hour_key(ROOT, HOUR), m), "form"),
        ("nothing", |_| Vec::new(), "form"),
        ("zeros", |_| vec![0; 32], "signature"),
        ("half of it", |m| hs256(&hour_key(ROOT, HOUR), m)[..16].to_vec(), "form"),
        ("more than it", |m| [hs256(&hour_key(ROOT, HOUR), m), vec![0]].concat(), "form"),
    ];
    for (name, sign, reason) in signers {
        assert_eq!(refusal(&token(&header(), &claims(), sign)).reason(), reason, "{name}");
    }
}

#[test]
fn what_has_not_the_form_of_a_token_is_refused() {
    let valid = signed(&header(), &claims());
    let (message, signature) = valid.rsplit_once('.').unwrap();
    for attack in [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "a.b.c.d",
        "a.b.c.d.e",
        "Bearer",
        "\u{1f680}.\u{1f680}.\u{1f680}",
        message,
        &format!("{message}."),
        &format!(".{valid}"),
        &format!("{valid}."),
        &format!("{valid}.{signature}"),
        &format!("{valid}="),
        &format!("{valid}\n"),
        &format!(" {valid}"),
        &format!("sk-{valid}"),
        &format!("{}={}.{signature}", &message[..58], &message[58..]),
        &valid.replace('.', ".."),
        &"a".repeat(MAX_TOKEN_BYTES),
        &".".repeat(MAX_TOKEN_BYTES),
    ] {
        assert_eq!(refusal(attack).reason(), "form", "{attack}");
    }
    let other_spare_bits = ["B", "C", "D"].map(|last| format!("{}{last}", &valid[..valid.len() - 1]));
    assert!(other_spare_bits.iter().all(|attack| *attack == valid || !refusal(attack).reason().is_empty()));
}

#[test]
fn a_token_is_measured_before_it_is_looked_at() {
    let long = |bytes: usize| {
        let room = bytes - signed(&header(), &claims()).len();
        signed(
            &header(),
            &replaced(&claims(), r#""scope""#, &format!("{}\"scope\"", " ".repeat(room * 3 / 4))),
        )
    };
    assert!(forge::tokens(ROOT).verify(&long(MAX_TOKEN_BYTES), NOW_S).is_ok());
    for bytes in [MAX_TOKEN_BYTES + 8, 100_000] {
        assert_eq!(refusal(&long(bytes)).reason(), "too long", "{bytes}");
    }
}
