//! The vault from inside: places, versions, replays, and keys that come and go.

use uuid::Uuid;

use super::*;
use crate::keyring::{Wrapped, rewrap};

const KEY: &str = "sk-provider-key-\u{1f680}";
const PLACE: Place = Place {
    table: "provider_credentials",
    column: "api_key_sealed",
    row: Uuid::from_u128(1),
    team: None,
    generation: 0,
};
const OURS: &str = "a root for the tests, 32 bytes or more";
const OTHER: &str = "another root for the tests, as long";
/// Sealed by another program, as the format says: for row 1 of `service_providers`.
const SEALED_V1: &str = "v1.root-1.AAECAwQFBgcICQoLZQ0uM6o-ctlqBjcjNK-IAS6Lquqkpw_jEpviMv5mDix9NLy9";

fn root(text: &str) -> RootSecret {
    RootSecret::from_text(text).unwrap_or_else(|weak| panic!("{weak}"))
}

fn vault(text: &str) -> Vault {
    Vault::new(&root(text)).unwrap_or_else(|error| panic!("{error}"))
}

fn holding(text: &str, rows: &[&WrappedKey]) -> Vault {
    let vault = vault(text);
    assert_eq!(vault.replace_keys(rows.iter().copied().cloned().collect()), []);
    vault
}

fn data_key(at_ms: i64) -> WrappedKey {
    vault(OURS).make_data_key(at_ms).unwrap()
}

fn seal(vault: &Vault, place: Place) -> String {
    vault.seal(&Secret::new(KEY.into()), place).unwrap().into_text()
}

fn opens(vault: &Vault, sealed: &str, place: Place) -> bool {
    match vault.open(sealed, place) {
        Ok(secret) => {
            assert_eq!(secret.expose(), KEY);
            true
        }
        Err(CannotOpen) => false,
    }
}

#[test]
fn a_secret_opens_in_its_place_and_in_no_other() {
    let key = data_key(1);
    let team = Some(Uuid::from_u128(7));
    for vault in [vault(OURS), holding(OURS, &[&key])] {
        for own in [PLACE, Place { team, generation: 3, ..PLACE }] {
            let sealed = seal(&vault, own);
            assert!(opens(&vault, &sealed, own));
            for other in [
                Place { row: Uuid::from_u128(2), ..own },
                Place { column: "api_key", ..own },
                Place { table: "provider_credential", column: "sapi_key_sealed", ..own },
                Place { table: "keys", ..own },
                Place { table: "service_providers", ..own },
                Place { team: Some(Uuid::from_u128(8)), ..own },
                Place { team: if own.team.is_some() { None } else { team }, ..own },
                Place { generation: own.generation + 1, ..own },
                Place { generation: own.generation - 1, ..own },
                Place { generation: own.generation ^ (1 << 40), ..own },
            ] {
                assert!(!opens(&vault, &sealed, other), "{other:?}");
            }
        }
    }
}

#[test]
fn the_secret_before_this_one_does_not_open_when_put_back() {
    let vault = holding(OURS, &[&data_key(1)]);
    let old = [SEALED_V1.to_owned(), seal(&vault, PLACE)];
    let now = Place { generation: 1, ..PLACE };
    assert!(opens(&vault, &seal(&vault, now), now));
    for replayed in old {
        assert!(opens(&vault, &replayed, PLACE));
        assert!(!opens(&vault, &replayed, now), "{replayed}");
    }
}

#[test]
fn a_text_of_the_old_format_opens_where_its_row_has_moved_and_nowhere_else() {
    let team = Some(Uuid::from_u128(7));
    for vault in [vault(OURS), holding(OURS, &[&data_key(1)])] {
        assert!(opens(&vault, SEALED_V1, PLACE));
        assert_eq!(vault.version_of(SEALED_V1), Some("root-1"));
        for other in [
            Place { table: "service_providers", ..PLACE },
            Place { column: "api_key", ..PLACE },
            Place { row: Uuid::from_u128(2), ..PLACE },
            Place { team, ..PLACE },
            Place { generation: 1, ..PLACE },
        ] {
            assert!(!opens(&vault, SEALED_V1, other), "{other:?}");
        }
    }
    assert!(!opens(&vault(OURS), &SEALED_V1.replace("v1", "v2"), PLACE));
    assert!(!opens(&vault(OTHER), SEALED_V1, PLACE));
}

#[test]
fn no_other_text_opens() {
    let key = data_key(1);
    let vault = holding(OURS, &[&key]);
    let sealed = seal(&vault, PLACE);
    for length in 0..sealed.len() {
        assert!(!opens(&vault, &sealed[..length], PLACE), "cut to {length}");
    }
    for at in 0..sealed.len() {
        for other in [b'A', b'B', b'.', b'=', b' ', b'~'] {
            let mut bytes = sealed.clone().into_bytes();
            if bytes[at] != other {
                bytes[at] = other;
                let text = String::from_utf8(bytes).unwrap();
                assert!(!opens(&vault, &text, PLACE), "{text}");
            }
        }
    }
    let (head, encoded) = sealed.rsplit_once('.').unwrap();
    for text in [
        encoded.to_owned(),
        format!("v1.{}.{encoded}", key.name),
        format!("v1.root-1.{encoded}"),
        format!("v3.{}.{encoded}", key.name),
        format!("v2.root-1.{encoded}"),
        format!("v2..{encoded}"),
        format!("{head}.{encoded}="),
        format!("{head}.{encoded}\n"),
        format!(" {sealed}"),
        String::new(),
        KEY.to_owned(),
    ] {
        assert!(!opens(&vault, &text, PLACE), "{text}");
    }
}

#[test]
fn every_flipped_bit_keeps_it_shut() {
    let key = data_key(1);
    for vault in [vault(OURS), holding(OURS, &[&key])] {
        let text = seal(&vault, PLACE);
        let (head, encoded) = text.rsplit_once('.').unwrap();
        let sealed = URL_SAFE_NO_PAD.decode(encoded).unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let flipped = format!("{head}.{}", URL_SAFE_NO_PAD.encode(flipped));
            assert!(!opens(&vault, &flipped, PLACE), "bit {bit}");
        }
    }
}

#[test]
fn the_version_that_sealed_is_told_where_the_vault_has_it() {
    let (old, new) = (data_key(1), data_key(2));
    let (under_root, under_old) = (seal(&vault(OURS), PLACE), seal(&holding(OURS, &[&old]), PLACE));
    assert_eq!(vault(OURS).current_version(), "root-1");
    assert!(under_root.starts_with("v2.root-1."), "{under_root}");
    let vault = holding(OURS, &[&old, &new]);
    assert_eq!(vault.current_version(), new.name);
    for (sealed, version) in [
        (under_root.as_str(), Some("root-1")),
        (&under_old, Some(old.name.as_str())),
        (&seal(&vault, PLACE), Some(new.name.as_str())),
        ("v2.d3-00000000.AAAA", None),
        ("v2.root-1", None),
        ("", None),
    ] {
        assert_eq!(vault.version_of(sealed), version, "{sealed}");
    }
}

#[test]
fn secrets_outlive_two_hundred_changes_of_the_key_and_not_the_destruction_of_theirs() {
    let node = vault(OURS);
    let places: Vec<_> = (0..3).map(|row| Place { row: Uuid::from_u128(row), ..PLACE }).collect();
    let mut texts: Vec<_> = places.iter().map(|place| seal(&node, *place)).collect();
    let mut rows: Vec<WrappedKey> = Vec::new();
    let mut left_behind = Vec::new();
    for hour in 0..200 {
        rows.iter_mut().for_each(|row| row.is_retired = true);
        rows.push(node.make_data_key(hour * 3_600_000).unwrap());
        assert_eq!(node.replace_keys(rows.clone()), []);
        left_behind.push(texts[0].clone());
        for (text, place) in texts.iter_mut().zip(&places) {
            assert!(opens(&node, text, *place), "hour {hour}");
            *text = seal(&node, *place);
            assert_eq!(node.version_of(text), Some(rows.last().unwrap().name.as_str()));
        }
    }
    assert!(left_behind.iter().all(|text| opens(&node, text, places[0])));
    let last = rows.pop().unwrap();
    assert_eq!(node.replace_keys(vec![last]), []);
    for (text, place) in texts.iter().zip(&places) {
        assert!(opens(&node, text, *place));
    }
    // The first was sealed under the root, which no rotation destroys.
    assert!(opens(&node, &left_behind[0], places[0]));
    assert!(left_behind.iter().skip(1).all(|text| !opens(&node, text, places[0])));
}

#[test]
fn a_data_key_seals_only_once_its_row_is_shown() {
    let node = vault(OURS);
    let key = node.make_data_key(1).unwrap();
    assert_eq!(node.current_version(), "root-1");
    assert_eq!(node.replace_keys(vec![key.clone()]), []);
    assert_eq!(node.current_version(), key.name);
    let sealed = seal(&node, PLACE);
    let renamed = WrappedKey { name: "d1-00000000".into(), ..key.clone() };
    let altered = WrappedKey { wrapped: Wrapped::from_text("w1.AAAA".into()), ..key.clone() };
    for row in [renamed, altered] {
        let name = row.name.clone();
        assert_eq!(node.replace_keys(vec![row]), [CannotUnwrap { name }]);
        assert!(!opens(&node, &sealed, PLACE));
    }
    assert_eq!(node.replace_keys(vec![key]), []);
    assert!(opens(&node, &sealed, PLACE));
}

#[test]
fn secrets_follow_their_data_keys_to_another_root() {
    let key = data_key(1);
    let sealed = seal(&holding(OURS, &[&key]), PLACE);
    let wrapped = rewrap(&root(OURS), &root(OTHER), &key.name, &key.wrapped).unwrap();
    let moved = WrappedKey { wrapped, ..key.clone() };
    assert!(opens(&holding(OTHER, &[&moved]), &sealed, PLACE));
    for (text, row) in [(OURS, &moved), (OTHER, &key)] {
        let vault = vault(text);
        assert_eq!(vault.replace_keys(vec![row.clone()]).len(), 1);
        assert!(!opens(&vault, &sealed, PLACE));
    }
    assert!(!opens(&holding(OTHER, &[&moved]), &seal(&vault(OURS), PLACE), PLACE));
}

#[test]
fn sealed_bytes_that_are_no_text_do_not_open() {
    let sealed = vault(OURS).root_1.seal(&PLACE.associated(ROOT_1), &[0xff, 0xfe]).unwrap();
    let text = format!("v2.root-1.{}", URL_SAFE_NO_PAD.encode(sealed));
    assert_eq!(vault(OURS).open(&text, PLACE).err(), Some(CannotOpen));
}

#[test]
fn another_root_is_told_by_the_check_value() {
    let stored = vault(OURS).check_value();
    assert_eq!(stored, vault(OURS).check_value());
    assert_eq!(vault(OURS).verify_check_value(&stored), Ok(()));
    let other = vault(OTHER);
    for stored in [other.check_value().as_str(), "", "v1.", "v1", &stored[3..], &stored[..20]] {
        assert_eq!(vault(OURS).verify_check_value(stored), Err(WrongRoot), "{stored}");
    }
}
