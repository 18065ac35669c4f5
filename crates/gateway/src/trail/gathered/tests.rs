//! Notes put together, bounded, and with every try counted.

use std::net::Ipv4Addr;

use nexus_store::{
    migrate,
    repo::audit::{Filter, Order, SeqPage},
};

use super::*;

const NOW_MS: i64 = 1_790_000_000_000;

fn stranger(number: u32) -> Noted {
    let address = Some(Ipv4Addr::from_bits(number).into());
    Noted::Denied(Denied { reason: "unknown", key: None, team: None, address })
}

fn owner(number: u128) -> Noted {
    let key = Some(KeyId(Uuid::from_u128(number)));
    Noted::Denied(Denied { reason: "revoked", key, team: None, address: None })
}

/// What the trail says was denied, by address.
fn denied(gathered: &Gathered) -> Vec<(Option<String>, String)> {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&format!("sqlite://{}/nexus.db", folder.path().display())).unwrap();
    migrate::run(&store).unwrap();
    gathered.write(&store, NOW_MS, &|| Uuid::from_u128(7)).unwrap();
    let page = SeqPage { after: None, order: Order::OldestFirst, limit: 10_000 };
    let rows = store.read_blocking(|conn| audit::list(conn, &Filter::default(), page)).unwrap();
    let rows = rows.into_iter().filter(|row| row.action == "access.denied");
    rows.map(|row| (row.address, row.detail.unwrap())).collect()
}

#[test]
fn thousands_of_addresses_are_a_few_rows_that_tell_how_many_tries_there_were() {
    let mut gathered = Gathered::default();
    for number in 0..5_000 {
        gathered.take(stranger(number));
        gathered.take(stranger(number));
    }
    gathered.take(owner(1));
    let rows = denied(&gathered);
    assert_eq!(rows.len(), STRANGERS_MAX + 2);
    assert!(rows.contains(&(Some("0.0.0.9".to_owned()), "unknown, 2 times".to_owned())));
    let rest = 2 * (5_000 - STRANGERS_MAX);
    assert!(rows.contains(&(None, format!("unknown, {rest} times, from more addresses"))));
    assert!(rows.contains(&(None, "revoked, 1 times".to_owned())));
}

#[test]
fn what_could_not_be_written_counts_with_what_came_meanwhile() {
    let (mut earlier, mut gathered) = (Gathered::default(), Gathered::default());
    for number in 0..300 {
        earlier.take(stranger(number));
    }
    earlier.take(owner(1));
    gathered.take(stranger(0));
    gathered.take(owner(1));
    gathered.absorb(earlier);
    let rows = denied(&gathered);
    assert!(rows.contains(&(Some("0.0.0.0".to_owned()), "unknown, 2 times".to_owned())));
    assert!(rows.contains(&(None, "revoked, 2 times".to_owned())));
    let times = |(_, detail): &(_, String)| -> u64 {
        detail.split_once(", ").unwrap().1.split_once(' ').unwrap().0.parse().unwrap()
    };
    assert_eq!(rows.iter().map(times).sum::<u64>(), 301 + 2, "{rows:?}");
}
