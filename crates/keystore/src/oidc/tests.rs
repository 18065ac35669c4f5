//! ID tokens, right and forged, and the proof key of a sign-in.

use ring::hmac;

use super::{forge::*, *};

const RS256: &str = r#"{"alg":"RS256","kid":"rsa-1","typ":"JWT"}"#;
const ES256: &str = r#"{"alg":"ES256","kid":"ec-1"}"#;

fn verdict(token: &str, keys: &KeySet) -> Result<Identity, Refused> {
    verify_id_token(token, keys, &expected(), NOW_S)
}

/// Refused, whatever for.
fn refusal(token: &str, keys: &KeySet) -> Option<Refused> {
    verdict(token, keys).err()
}

/// A provider's token in which one text of the claims is replaced.
fn with(provider: &Provider, from: &str, to: &str) -> String {
    assert_eq!(claims().matches(from).count(), 1, "{from}");
    token(ES256, &claims().replace(from, to), |m| provider.es256(m))
}

fn jane() -> Identity {
    Identity {
        subject: "248289761001".to_owned(),
        email: Some("Jane@example.com".to_owned()),
        is_email_verified: true,
        name: Some("Jane \u{c4}".to_owned()),
        groups: vec!["admins".to_owned(), "ops".to_owned()],
    }
}

#[test]
fn a_token_of_each_algorithm_says_who_somebody_is() {
    let provider = Provider::new();
    let any_rsa = key_set(&[provider.rsa_jwk(""), provider.p256_jwk("")]);
    let bare = |alg: &str| format!(r#"{{"alg":"{alg}"}}"#);
    for (token, keys) in [
        (token(RS256, &claims(), |m| provider.rs256(m)), &provider.keys()),
        (token(ES256, &claims(), |m| provider.es256(m)), &provider.keys()),
        (token(&bare("RS256"), &claims(), |m| provider.rs256(m)), &any_rsa),
        (token(&bare("PS256"), &claims(), |m| provider.ps256(m)), &any_rsa),
        (token(&bare("ES256"), &claims(), |m| provider.es256(m)), &any_rsa),
    ] {
        assert_eq!(verdict(&token, keys), Ok(jane()));
    }
}

#[test]
fn a_rightly_signed_token_with_one_wrong_claim_is_refused() {
    let provider = Provider::new();
    let keys = provider.keys();
    let exp = format!(r#""exp":{}"#, NOW_S + 300);
    let iat = format!(r#""iat":{NOW_S}"#);
    let (exp, iat) = (exp.as_str(), iat.as_str());
    let exp_at = |at: i64| format!(r#""exp":{at}"#);
    let aud = r#""aud":"console""#;
    let sub = r#""sub":"248289761001""#;
    let nonce = r#""nonce":"n-0S6_WzA2Mj""#;
    for (from, to, refused) in [
        (ISSUER, "https://id.example.com/realms/a/", Refused::Issuer),
        (ISSUER, "https://id.example.com/realms/b", Refused::Issuer),
        (ISSUER, "", Refused::Issuer),
        (r#""iss":"#, r#""isz":"#, Refused::Claims),
        (aud, r#""aud":"other""#, Refused::Audience),
        (aud, r#""aud":"Console""#, Refused::Audience),
        (aud, r#""aud":[]"#, Refused::Audience),
        (aud, r#""aud":["other"]"#, Refused::Audience),
        (aud, r#""aud":["console","other"]"#, Refused::Audience),
        (aud, r#""aud":["console","other"],"azp":"other""#, Refused::Audience),
        (aud, r#""aud":["other"],"azp":"console""#, Refused::Audience),
        (aud, r#""aud":"console","azp":"other""#, Refused::Audience),
        (aud, r#""aud":["console",7]"#, Refused::Claims),
        (aud, r#""aud":null"#, Refused::Claims),
        (exp, &exp_at(NOW_S - 60), Refused::Expired),
        (exp, &exp_at(0), Refused::Expired),
        (exp, &exp_at(i64::MIN), Refused::Expired),
        (exp, r#""exp":"1900000000""#, Refused::Claims),
        (exp, r#""exp":1900000000.5"#, Refused::Claims),
        (exp, r#""exp":null"#, Refused::Claims),
        (exp, r#""exp":99999999999999999999"#, Refused::Claims),
        (exp, r#""x":1"#, Refused::Claims),
        (iat, &format!(r#""iat":{}"#, NOW_S + 61), Refused::Early),
        (iat, r#""iat":true"#, Refused::Claims),
        (iat, r#""x":1"#, Refused::Claims),
        (iat, &format!(r#"{iat},"nbf":{}"#, NOW_S + 61), Refused::Early),
        (nonce, r#""nonce":"n-0S6_WzA2Mk""#, Refused::Nonce),
        (nonce, r#""nonce":"""#, Refused::Nonce),
        (nonce, r#""nonce":null"#, Refused::Nonce),
        (nonce, r#""x":1"#, Refused::Nonce),
        (nonce, r#""nonce":"n-0S6_WzA2Mj","nonce":"other""#, Refused::Claims),
        (sub, r#""sub":"""#, Refused::Claims),
        (sub, r#""sub":7"#, Refused::Claims),
        (sub, r#""sub":"\u00e4""#, Refused::Claims),
        (sub, &format!(r#""sub":"{}""#, "s".repeat(256)), Refused::Claims),
        (sub, r#""sub":"248289761001","sub":"1""#, Refused::Claims),
        (sub, r#""sub":"248289761001","s\u0075b":"1""#, Refused::Claims),
        (r#""groups":["admins","ops"]"#, r#""groups":[["admins"]]"#, Refused::Claims),
        (r#""groups":["admins","ops"]"#, r#""groups":{"admins":true}"#, Refused::Claims),
        (r#""email_verified":true"#, r#""email_verified":1"#, Refused::Claims),
        (&claims(), "", Refused::Claims),
        (&claims(), "null", Refused::Claims),
        (&claims(), "{}", Refused::Claims),
        (&claims(), &"[".repeat(2000), Refused::Claims),
    ] {
        assert_eq!(refusal(&with(&provider, from, to), &keys), Some(refused), "{from} -> {to}");
    }
}

#[test]
fn what_may_differ_does_no_harm() {
    let provider = Provider::new();
    let keys = provider.keys();
    let exp = format!(r#""exp":{}"#, NOW_S + 300);
    let iat = format!(r#""iat":{NOW_S}"#);
    let aud = r#""aud":"console""#;
    for (from, to) in [
        (aud, r#""aud":["console"]"#.to_owned()),
        (aud, r#""aud":["other","console"],"azp":"console""#.to_owned()),
        (aud, r#""aud":"console","azp":"console""#.to_owned()),
        (&exp, format!(r#""exp":{}"#, NOW_S - 59)),
        (&exp, format!(r#""exp":{}"#, i64::MAX)),
        (&iat, format!(r#""iat":{}"#, NOW_S + 60)),
        (&iat, format!(r#"{iat},"nbf":{}"#, NOW_S + 60)),
        (r#""email_verified":true"#, r#""email_verified":"true""#.to_owned()),
    ] {
        assert_eq!(verdict(&with(&provider, from, &to), &keys), Ok(jane()), "{to}");
    }
}

#[test]
fn an_email_is_verified_only_where_the_provider_says_so() {
    let provider = Provider::new();
    let keys = provider.keys();
    for said in
        [r#","email_verified":false"#, r#","email_verified":"false""#, r#","email_verified":null"#, ""]
    {
        let token = with(&provider, r#","email_verified":true"#, said);
        assert_eq!(verdict(&token, &keys), Ok(Identity { is_email_verified: false, ..jane() }), "{said}");
    }
    let token = with(&provider, r#""email":"Jane@example.com""#, r#""email":null"#);
    assert_eq!(verdict(&token, &keys), Ok(Identity { email: None, ..jane() }));
}

#[test]
fn groups_are_read_from_the_claim_the_caller_names() {
    let provider = Provider::new();
    let keys = provider.keys();
    let urn = with(&provider, r#""extra""#, r#""https://example.com/roles":"owner","extra""#);
    for (claim, expected_groups) in [
        (Some("groups"), vec!["admins", "ops"]),
        (Some("https://example.com/roles"), vec!["owner"]),
        (Some("absent"), vec![]),
        (None, vec![]),
    ] {
        let expected = Expected { groups_claim: claim, ..expected() };
        let identity = verify_id_token(&urn, &keys, &expected, NOW_S).unwrap();
        assert_eq!(identity.groups, expected_groups, "{claim:?}");
    }
    let none = with(&provider, r#""groups":["admins","ops"]"#, r#""groups":null"#);
    assert_eq!(verdict(&none, &keys), Ok(Identity { groups: vec![], ..jane() }));
    let object = Expected { groups_claim: Some("extra"), ..expected() };
    assert_eq!(verify_id_token(&urn, &keys, &object, NOW_S).err(), Some(Refused::Claims));
}

#[test]
fn a_header_chooses_neither_the_algorithm_nor_the_key() {
    let provider = Provider::new();
    let keys = provider.keys();
    let shared = |m: &[u8]| {
        let (n, _) = provider.rsa();
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &n), m).as_ref().to_vec()
    };
    let es256 = |m: &[u8]| provider.es256(m);
    let rs256 = |m: &[u8]| provider.rs256(m);
    let ps256 = |m: &[u8]| provider.ps256(m);
    let nothing = |_: &[u8]| Vec::new();
    type Sign<'a> = &'a dyn Fn(&[u8]) -> Vec<u8>;
    let cases: [(&str, Sign<'_>, Refused); 24] = [
        (r#"{"alg":"none","kid":"ec-1"}"#, &nothing, Refused::Algorithm),
        (r#"{"alg":"None"}"#, &nothing, Refused::Algorithm),
        (r#"{"alg":""}"#, &nothing, Refused::Algorithm),
        (r#"{"alg":"HS256","kid":"rsa-1"}"#, &shared, Refused::Algorithm),
        (r#"{"alg":"RS384","kid":"rsa-1"}"#, &rs256, Refused::Algorithm),
        (r#"{"alg":"ES256K","kid":"ec-1"}"#, &es256, Refused::Algorithm),
        (r#"{"alg":"es256","kid":"ec-1"}"#, &es256, Refused::Algorithm),
        (r#"{"alg":"RS256","kid":"ec-1"}"#, &rs256, Refused::Algorithm),
        (r#"{"alg":"ES256","kid":"rsa-1"}"#, &es256, Refused::Algorithm),
        // The key is published for RS256 only.
        (r#"{"alg":"PS256","kid":"rsa-1"}"#, &ps256, Refused::Algorithm),
        (r#"{"alg":"RS256","kid":"rsa-1"}"#, &ps256, Refused::Signature),
        (r#"{"alg":"RS256","kid":"rsa-1"}"#, &shared, Refused::Signature),
        (r#"{"alg":"RS256","kid":"rsa-1"}"#, &nothing, Refused::Signature),
        (r#"{"alg":"ES256","kid":"ec-1"}"#, &rs256, Refused::Signature),
        (r#"{"alg":"ES256","kid":"ec-1"}"#, &nothing, Refused::Signature),
        (r#"{"alg":"ES256","kid":"ec-2"}"#, &es256, Refused::UnknownKey),
        (r#"{"alg":"ES256","kid":""}"#, &es256, Refused::UnknownKey),
        (r#"{"alg":"ES256","kid":7}"#, &es256, Refused::Form),
        (r#"{"alg":"ES256","kid":"ec-1","crit":["exp"]}"#, &es256, Refused::Form),
        (r#"{"alg":"ES256","kid":"ec-1","typ":"at+jwt"}"#, &es256, Refused::Form),
        (r#"{"alg":"ES256","kid":"ec-1","alg":"none"}"#, &es256, Refused::Form),
        (r#"{"kid":"ec-1"}"#, &es256, Refused::Form),
        ("", &es256, Refused::Form),
        ("null", &es256, Refused::Form),
    ];
    for (header, sign, refused) in cases {
        assert_eq!(refusal(&token(header, &claims(), sign), &keys), Some(refused), "{header}");
    }
}

#[test]
fn a_key_in_the_header_is_not_looked_at() {
    let (provider, attacker) = (Provider::new(), Provider::new());
    let jwk = attacker.p256_jwk("");
    let header = format!(r#"{{"alg":"ES256","kid":"ec-1","jwk":{jwk},"jku":"http://127.0.0.1:9/keys"}}"#);
    let forged = token(&header, &claims(), |m| attacker.es256(m));
    assert_eq!(refusal(&forged, &provider.keys()), Some(Refused::Signature));
    let genuine = token(&header, &claims(), |m| provider.es256(m));
    assert_eq!(verdict(&genuine, &provider.keys()), Ok(jane()));
}

#[test]
fn a_token_without_a_key_name_needs_a_single_fitting_key() {
    let (provider, older) = (Provider::new(), Provider::new());
    let token = token(r#"{"alg":"ES256"}"#, &claims(), |m| provider.es256(m));
    for (keys, expected) in [
        (vec![provider.p256_jwk(r#","kid":"any""#), provider.rsa_jwk("")], Ok(jane())),
        (vec![provider.p256_jwk(""), older.p256_jwk("")], Err(Refused::UnknownKey)),
        (vec![older.p256_jwk("")], Err(Refused::Signature)),
        (vec![provider.rsa_jwk("")], Err(Refused::Algorithm)),
        (vec![], Err(Refused::UnknownKey)),
    ] {
        assert_eq!(verdict(&token, &key_set(&keys)), expected, "{keys:?}");
    }
}

#[test]
fn of_keys_with_one_name_each_fitting_one_is_tried() {
    let (provider, older) = (Provider::new(), Provider::new());
    let kid = r#","kid":"ec-1""#;
    let keys = key_set(&[older.p256_jwk(kid), provider.rsa_jwk(kid), provider.p256_jwk(kid)]);
    assert_eq!(verdict(&token(ES256, &claims(), |m| provider.es256(m)), &keys), Ok(jane()));
    let stranger = Provider::new();
    let forged = token(ES256, &claims(), |m| stranger.es256(m));
    assert_eq!(refusal(&forged, &keys), Some(Refused::Signature));
}

#[test]
fn every_changed_bit_of_a_token_is_refused() {
    let provider = Provider::new();
    let keys = provider.keys();
    let valid = token(ES256, &claims(), |m| provider.es256(m));
    for at in 0..valid.len() {
        let mut bytes = valid.clone().into_bytes();
        bytes[at] ^= 4;
        let changed = String::from_utf8(bytes).unwrap();
        assert!(verdict(&changed, &keys).is_err(), "{changed}");
    }
}

#[test]
fn what_has_not_the_form_of_a_token_is_refused() {
    let provider = Provider::new();
    let keys = provider.keys();
    let valid = token(ES256, &claims(), |m| provider.es256(m));
    for text in ["", ".", "..", "...", "a.b", "a.b.c.d.e", "\u{1f680}.\u{1f680}.\u{1f680}"] {
        assert_eq!(refusal(text, &keys), Some(Refused::Form), "{text}");
    }
    for text in [format!("{valid}="), format!(" {valid}"), format!("{valid}\n"), valid.replace('.', "..")] {
        assert_eq!(refusal(&text, &keys), Some(Refused::Form), "{text}");
    }
    let long = |bytes: usize| {
        let spaces = " ".repeat((bytes - valid.len()) * 3 / 4);
        token(ES256, &(claims() + &spaces), |m| provider.es256(m))
    };
    assert_eq!(verdict(&long(MAX_ID_TOKEN_BYTES), &keys), Ok(jane()));
    assert_eq!(refusal(&long(MAX_ID_TOKEN_BYTES + 8), &keys), Some(Refused::Long));
}

#[test]
fn a_key_set_takes_what_it_knows_and_passes_over_the_rest() {
    let provider = Provider::new();
    let (n, e) = provider.rsa();
    let padded = format!(
        r#"{{"kty":"RSA","n":"{}","e":"{}"}}"#,
        encoded([&[0], n.as_slice()].concat()),
        encoded([&[0], e.as_slice()].concat())
    );
    let by_rsa = token(r#"{"alg":"RS256"}"#, &claims(), |m| provider.rs256(m));
    let off_curve = format!(r#"{{"kty":"EC","crv":"P-256","x":"{0}","y":"{0}"}}"#, encoded([1; 32]));
    let by_p256 = token(r#"{"alg":"ES256"}"#, &claims(), |m| provider.es256(m));
    let cut = |bytes: &[u8]| format!(r#"{{"kty":"RSA","n":"{}","e":"AQAB"}}"#, encoded(bytes));
    for (token, key, expected) in [
        (&by_rsa, provider.rsa_jwk(r#","x5c":["MII"],"key_ops":["verify"]"#), Ok(jane())),
        (&by_rsa, padded, Ok(jane())),
        (&by_rsa, provider.rsa_jwk(r#","use":"enc""#), Err(Refused::UnknownKey)),
        (&by_rsa, provider.rsa_jwk(r#","alg":"RSA-OAEP""#), Err(Refused::UnknownKey)),
        (&by_rsa, provider.rsa_jwk(r#","alg":"PS256""#), Err(Refused::Algorithm)),
        (&by_rsa, provider.rsa_jwk("").replace("RSA", "rsa"), Err(Refused::UnknownKey)),
        (&by_rsa, r#"{"kty":"RSA","e":"AQAB"}"#.to_owned(), Err(Refused::UnknownKey)),
        (&by_rsa, r#"{"kty":"RSA","n":"*","e":"AQAB"}"#.to_owned(), Err(Refused::UnknownKey)),
        (&by_rsa, r#"{"kty":"RSA","n":"","e":""}"#.to_owned(), Err(Refused::Signature)),
        (&by_rsa, cut(&n[..128]), Err(Refused::Signature)),
        (&by_rsa, r#"{"kty":"oct","k":"AAAA"}"#.to_owned(), Err(Refused::UnknownKey)),
        (&by_rsa, "7".to_owned(), Err(Refused::UnknownKey)),
        (&by_p256, provider.p256_jwk(""), Ok(jane())),
        (&by_p256, provider.p256_jwk("").replace("P-256", "P-384"), Err(Refused::UnknownKey)),
        (&by_p256, provider.p256_jwk("").replace(r#""x":""#, r#""x":"AA"#), Err(Refused::UnknownKey)),
        (&by_p256, off_curve, Err(Refused::Signature)),
    ] {
        assert_eq!(verdict(token, &key_set(std::slice::from_ref(&key))), expected, "{key}");
    }
    for document in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":null}"#, "<html>"] {
        assert_eq!(KeySet::parse(document.as_bytes()).err(), Some(NoKeySet), "{document}");
    }
    let many = vec![r#"{"kty":"oct"}"#.to_owned(); 1000];
    assert!(key_set(&[many, vec![provider.rsa_jwk("")]].concat()).named(None).next().is_none());
}

#[test]
fn a_sign_in_without_a_nonce_believes_no_token() {
    let provider = Provider::new();
    let token = with(&provider, NONCE, "");
    let expected = Expected { nonce: "", ..expected() };
    assert_eq!(verify_id_token(&token, &provider.keys(), &expected, NOW_S), Err(Refused::Nonce));
}

/// RFC 7636, appendix B.
#[test]
fn the_published_challenge_is_ours() {
    let published = challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    assert_eq!(published, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
}

#[test]
fn what_is_random_is_long_enough_and_like_no_other() {
    let (one, other) = (Pkce::new().unwrap(), Pkce::new().unwrap());
    assert_eq!(challenge(one.verifier.expose()), one.challenge);
    assert_ne!(one.verifier.expose(), other.verifier.expose());
    let texts = [fresh().unwrap(), fresh().unwrap(), one.verifier.expose().to_owned()];
    assert!(texts.iter().all(|text| text.len() == 43));
    assert!(texts.iter().all(|text| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))));
    assert_ne!(texts[0], texts[1]);
}
