//! What tokens promise to those who hold them: they verify everywhere until they expire.

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use nexus_keystore::{
    bearer,
    token::{
        CannotMint, Grant, Level, MAX_LIFETIME_S, MAX_TOKEN_BYTES, Rights, SESSION_LIFETIME_S, Verified,
    },
};
use proptest::prelude::*;
use uuid::Uuid;

use crate::forge::{self, HOUR, KEY, NOW_S, PARENT, ROOT, TEAM, grant, session};

#[test]
fn a_token_says_what_it_was_minted_for_on_every_node() {
    for grant in [
        grant(),
        Grant { level: Level::Admin, team: None, ..grant() },
        Grant { level: Level::Admin, ..grant() },
        Grant { team: None, lifetime_s: 1, ..grant() },
        Grant { lifetime_s: MAX_LIFETIME_S, ..grant() },
        session(),
        Grant { team: None, rights: None, lifetime_s: *SESSION_LIFETIME_S.start(), ..session() },
        Grant { rights: Some(Rights::default()), lifetime_s: *SESSION_LIFETIME_S.end(), ..session() },
        Grant { rights: Some(Rights { providers: Some(vec![]), ..Rights::default() }), ..session() },
        Grant { is_bound: true, ..grant() },
        Grant { is_bound: true, ..session() },
    ] {
        let token = forge::tokens(ROOT).mint(&grant, NOW_S).unwrap_or_else(|error| panic!("{error}"));
        let Grant { key, level, team, parent, rights, is_bound, lifetime_s } = grant;
        let expires_at_s = NOW_S + lifetime_s;
        let issued_at_s = NOW_S;
        let expected = Verified { key, level, team, parent, rights, is_bound, issued_at_s, expires_at_s };
        let node = forge::tokens(ROOT);
        for presented in [token.expose().to_owned(), format!("sk-{}", token.expose())] {
            for _ in 0..2 {
                assert_eq!(node.verify(bearer::token(&presented), NOW_S).as_ref(), Ok(&expected));
            }
        }
    }
}

#[test]
fn a_minted_token_is_the_one_forged_by_hand() {
    for (grant, claims) in [(grant(), forge::claims()), (session(), forge::session_claims())] {
        let minted = forge::tokens(ROOT).mint(&grant, NOW_S).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(minted.expose(), forge::signed(&forge::header(), &claims));
    }
}

#[test]
fn the_jwt_library_reads_a_minted_token_too() {
    let minted = forge::tokens(ROOT).mint(&grant(), NOW_S).unwrap_or_else(|error| panic!("{error}"));
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_audience(&["nexus"]);
    validation.validate_exp = false;
    let key = DecodingKey::from_secret(&forge::hour_key(ROOT, HOUR));
    let read = jsonwebtoken::decode::<serde_json::Value>(minted.expose(), &key, &validation).unwrap();
    assert_eq!(read.claims["jti"], KEY.to_string());
    assert_eq!(read.claims["team"], TEAM.to_string());
    let wrong = DecodingKey::from_secret(&forge::hour_key(ROOT, HOUR + 1));
    assert!(jsonwebtoken::decode::<serde_json::Value>(minted.expose(), &wrong, &validation).is_err());
}

#[test]
fn a_token_lives_from_its_minting_to_its_end_and_not_a_second_longer() {
    let year_s = 31_557_600;
    for (lifetime_s, minted_s, verified_s, is_valid) in [
        (60, NOW_S, NOW_S + 59, true),
        (60, NOW_S, NOW_S + 60, false),
        (60, NOW_S, NOW_S + 90, false),
        (60, NOW_S, u64::MAX, false),
        (7200, NOW_S, NOW_S + 7199, true),
        (MAX_LIFETIME_S, NOW_S, NOW_S + 9 * year_s, true),
        (MAX_LIFETIME_S, NOW_S, NOW_S + 10 * year_s + 2 * 86_400, false),
        // A node whose clock is ahead may issue, but not from the day after tomorrow.
        (60, NOW_S + 3600, NOW_S, true),
        (60, NOW_S + 3601, NOW_S, false),
        (60, NOW_S + 9000, NOW_S, false),
        (60, NOW_S + 9000, 0, false),
    ] {
        let tokens = forge::tokens(ROOT);
        let token = tokens.mint(&Grant { lifetime_s, ..grant() }, minted_s).unwrap_or_else(|e| panic!("{e}"));
        let verified = tokens.verify(token.expose(), verified_s);
        assert_eq!(
            verified.is_ok(),
            is_valid,
            "{lifetime_s} s from {minted_s} at {verified_s}: {verified:?}"
        );
    }
}

#[test]
fn a_lifetime_out_of_bounds_is_not_minted() {
    let sessions = [0, 29, 86_401, MAX_LIFETIME_S, u64::MAX].map(|life_s| (session(), life_s));
    let keys = [0, MAX_LIFETIME_S + 1, u64::MAX].map(|life_s| (grant(), life_s));
    for (grant, lifetime_s) in keys.into_iter().chain(sessions) {
        let minted = forge::tokens(ROOT).mint(&Grant { lifetime_s, ..grant }, NOW_S);
        assert_eq!(minted.err(), Some(CannotMint::Lifetime), "{lifetime_s}");
    }
}

#[test]
fn a_session_has_a_parent_and_only_a_session_has_rights() {
    for wrong in [
        Grant { parent: None, ..session() },
        Grant { parent: None, rights: None, ..session() },
        Grant { parent: Some(PARENT), ..grant() },
        Grant { rights: Some(Rights::default()), ..grant() },
        Grant { level: Level::Admin, ..session() },
        Grant { level: Level::App, ..session() },
    ] {
        let minted = forge::tokens(ROOT).mint(&wrong, NOW_S);
        assert_eq!(minted.err(), Some(CannotMint::Descent), "{wrong:?}");
    }
}

#[test]
fn rights_that_make_a_token_too_long_to_be_looked_at_are_not_minted() {
    let mint = |count: usize| {
        let rights = Rights { models: Some(vec!["a-model".into(); count]), ..Rights::default() };
        forge::tokens(ROOT).mint(&Grant { rights: Some(rights), ..session() }, NOW_S)
    };
    let most = (1..1000).take_while(|count| mint(*count).is_ok()).count();
    let longest = mint(most).unwrap_or_else(|error| panic!("{error}"));
    assert!((MAX_TOKEN_BYTES - 20..=MAX_TOKEN_BYTES).contains(&longest.expose().len()));
    assert!(forge::tokens(ROOT).verify(longest.expose(), NOW_S).is_ok());
    assert_eq!(mint(most + 1).err(), Some(CannotMint::Long));
}

#[test]
fn levels_have_words_and_no_other_word_is_one() {
    for level in [Level::Admin, Level::App, Level::Session] {
        assert_eq!(Level::from_word(level.as_str()), Some(level));
    }
    for word in ["", "Admin", "Session", "root"] {
        assert_eq!(Level::from_word(word), None, "{word}");
    }
}

proptest! {
    #[test]
    fn no_change_of_a_byte_survives(
        key in any::<u128>(),
        granted in prop::sample::select(vec![
            Grant { level: Level::Admin, ..grant() },
            grant(),
            session(),
        ]),
        team in any::<Option<u128>>(),
        at in any::<prop::sample::Index>(),
        byte in prop_oneof![Just(b'.'), Just(b'='), Just(b'A'), Just(b'_'), 0u8..128],
        change in 0..3,
    ) {
        let grant = Grant { key: Uuid::from_u128(key), team: team.map(Uuid::from_u128), ..granted };
        let tokens = forge::tokens(ROOT);
        let minted = tokens.mint(&grant, NOW_S).unwrap_or_else(|error| panic!("{error}"));
        prop_assert!(tokens.verify(minted.expose(), NOW_S).is_ok());
        let mut bytes = minted.expose().as_bytes().to_vec();
        let at = at.index(bytes.len());
        match change {
            0 => bytes[at] = byte,
            1 => bytes.insert(at, byte),
            _ => drop(bytes.remove(at)),
        }
        let changed = String::from_utf8(bytes).unwrap();
        prop_assert_eq!(tokens.verify(&changed, NOW_S).is_ok(), changed == minted.expose());
    }
}
