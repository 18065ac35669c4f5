//! Failed sign-ins, remembered in a fixed room, so that guessing is slow.
//!
//! The room never grows: two tables of [`CELLS`] words, made once. When a set of a table is full the cell that
//! would be forgotten soonest gives way, so a flood of addresses that fail once each does not wash out one that
//! keeps failing. Only failures count; whoever makes none is never refused.

use std::{
    collections::hash_map::RandomState,
    hash::BuildHasher,
    net::IpAddr,
    sync::atomic::{AtomicU64, Ordering},
};

/// Failures of each kind that are remembered at once; a word each, half a megabyte a kind.
pub const CELLS: usize = SETS * WAYS;

/// Bytes of what was shown that a prefix keeps.
pub const PREFIX_BYTES: usize = 12;

const SETS: usize = 1 << 14;
const WAYS: usize = 4;

/// Low bits of a cell are a time in milliseconds, until the year 2109 should it be that of Unix; the 22 above
/// are a tag of the key. Two keys of one set share a tag once in four million.
const TIME_BITS: u32 = 42;
const TIME_MASK: u64 = (1 << TIME_BITS) - 1;

const MINUTE_MS: u64 = 60_000;

/// For whom a failure counts. There is no `Debug`: a prefix is part of something secret.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct FailureKey {
    kind: Kind,
    len: usize,
    bytes: [u8; PREFIX_BYTES],
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Address,
    Prefix,
}

impl FailureKey {
    /// An address: of IPv4 the whole, of IPv6 the /64 one customer has. IPv4 within IPv6 is IPv4.
    pub fn address(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::new(Kind::Address, &address.octets()),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Self::new(Kind::Address, [a, b, c, d].map(u16::to_be_bytes).as_flattened())
            }
        }
    }

    /// The first [`PREFIX_BYTES`] of what was shown: a user's name, an opaque key. Not of a text that begins
    /// alike for everybody, as tokens with a fixed header do: one guesser would lock out all.
    pub fn prefix(shown: &[u8]) -> Self {
        Self::new(Kind::Prefix, shown)
    }

    fn new(kind: Kind, shown: &[u8]) -> Self {
        let mut bytes = [0; PREFIX_BYTES];
        for (own, shown) in bytes.iter_mut().zip(shown) {
            *own = *shown;
        }
        Self { kind, len: shown.len().min(PREFIX_BYTES), bytes }
    }
}

/// Milliseconds until another try is taken; never more than a minute, or one interval where that is longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitMs(pub u64);

/// What is remembered of failures. Shared by all workers; nothing waits for a lock.
pub struct Failures<S = RandomState> {
    rate: Rate,
    chance: S,
    addresses: Table,
    prefixes: Table,
}

impl<S: BuildHasher> Failures<S> {
    /// At most `burst` failures at once and `per_minute` from then on, each at least 1. `chance` places keys in
    /// the tables: with one that nobody can guess, nobody can choose whom to collide with.
    pub fn new(per_minute: u32, burst: u32, chance: S) -> Self {
        Self { rate: Rate::new(per_minute, burst), chance, addresses: Table::new(), prefixes: Table::new() }
    }

    /// Whether a try may be made, or how long it must wait. `now_ms` is any clock that never runs backwards,
    /// in milliseconds. Changes nothing: only [`Failures::failed`] does.
    pub fn may_try(&self, key: FailureKey, now_ms: u64) -> Result<(), WaitMs> {
        let (set, tag) = self.place(key);
        let ends = set.iter().map(|cell| Cell::of(cell.load(Ordering::Relaxed)));
        let end_ms = ends.filter(|cell| cell.tag == tag).map(|cell| cell.end_ms).max();
        self.rate.check(end_ms.unwrap_or(0), now_ms)
    }

    /// Remembers a failure.
    pub fn failed(&self, key: FailureKey, now_ms: u64) {
        let (set, tag) = self.place(key);
        loop {
            let words = set.iter().map(|word| (word, word.load(Ordering::Relaxed)));
            let least = words.min_by_key(|(_, seen)| {
                let cell = Cell::of(*seen);
                (cell.tag != tag, cell.end_ms)
            });
            let Some((word, seen)) = least else { return };
            let cell = Cell::of(seen);
            let before_ms = if cell.tag == tag { cell.end_ms } else { 0 };
            let next = Cell { tag, end_ms: self.rate.after_failure(before_ms, now_ms) };
            if word.compare_exchange_weak(seen, next.word(), Ordering::Relaxed, Ordering::Relaxed).is_ok() {
                return;
            }
        }
    }

    fn place(&self, key: FailureKey) -> (&[AtomicU64], u64) {
        let hash = self.chance.hash_one(key);
        let table = match key.kind {
            Kind::Address => &self.addresses,
            Kind::Prefix => &self.prefixes,
        };
        (table.set(hash), hash >> TIME_BITS)
    }
}

/// The generic cell rate algorithm in milliseconds: what is kept of a key is when its failures are forgotten.
#[derive(Clone, Copy)]
struct Rate {
    interval_ms: u64,
    /// How far the end may lie ahead while a try is still taken.
    slack_ms: u64,
}

impl Rate {
    fn new(per_minute: u32, burst: u32) -> Self {
        let per_minute = u64::from(per_minute).clamp(1, MINUTE_MS);
        let interval_ms = MINUTE_MS.checked_div(per_minute).unwrap_or(MINUTE_MS);
        Self { interval_ms, slack_ms: interval_ms.saturating_mul(u64::from(burst).saturating_sub(1)) }
    }

    fn check(self, end_ms: u64, now_ms: u64) -> Result<(), WaitMs> {
        match end_ms.saturating_sub(now_ms).saturating_sub(self.slack_ms) {
            0 => Ok(()),
            wait_ms => Err(WaitMs(wait_ms)),
        }
    }

    /// Tries that were under way when the limit was reached count too, but not without end.
    fn after_failure(self, end_ms: u64, now_ms: u64) -> u64 {
        let longest_ms = self.slack_ms.saturating_add(self.interval_ms.max(MINUTE_MS));
        end_ms.max(now_ms).saturating_add(self.interval_ms).min(now_ms.saturating_add(longest_ms))
    }
}

/// What a word of a table says.
#[derive(Clone, Copy)]
struct Cell {
    tag: u64,
    /// When the failures are forgotten; of an empty cell 0.
    end_ms: u64,
}

impl Cell {
    fn of(word: u64) -> Self {
        Self { tag: word >> TIME_BITS, end_ms: word & TIME_MASK }
    }

    fn word(self) -> u64 {
        self.tag << TIME_BITS | self.end_ms.min(TIME_MASK)
    }
}

/// Sets of cells; a key has one set, by the low bits of its hash.
struct Table(Box<[[AtomicU64; WAYS]]>);

impl Table {
    fn new() -> Self {
        Self((0..SETS).map(|_| Default::default()).collect())
    }

    fn set(&self, hash: u64) -> &[AtomicU64] {
        let at = usize::try_from(hash & (SETS as u64).saturating_sub(1)).unwrap_or(0);
        self.0.get(at).map_or(&[], |set| set.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use std::{
        hash::{BuildHasherDefault, DefaultHasher},
        net::{Ipv4Addr, Ipv6Addr},
    };

    use super::*;

    type Same = BuildHasherDefault<DefaultHasher>;

    fn failures(per_minute: u32, burst: u32) -> Failures<Same> {
        Failures::new(per_minute, burst, Same::default())
    }

    fn address(number: u32) -> FailureKey {
        FailureKey::address(Ipv4Addr::from_bits(number).into())
    }

    fn words(failures: &Failures<Same>) -> usize {
        [&failures.addresses, &failures.prefixes].iter().map(|table| table.0.as_flattened().len()).sum()
    }

    #[test]
    fn a_burst_of_failures_is_borne_and_the_next_try_waits() {
        for start in [0, 1_790_000_000_000] {
            let failures = failures(6, 3);
            let key = address(7);
            for _ in 0..3 {
                assert_eq!(failures.may_try(key, start), Ok(()));
                failures.failed(key, start);
            }
            assert_eq!(failures.may_try(key, start), Err(WaitMs(10_000)));
            assert_eq!(failures.may_try(key, start + 9_999), Err(WaitMs(1)));
            assert_eq!(failures.may_try(key, start + 10_000), Ok(()));
            failures.failed(key, start + 10_000);
            assert_eq!(failures.may_try(key, start + 10_000), Err(WaitMs(10_000)));
            // Once all is forgotten the burst is whole again.
            for _ in 0..3 {
                assert_eq!(failures.may_try(key, start + 100_000), Ok(()));
                failures.failed(key, start + 100_000);
            }
            assert!(failures.may_try(key, start + 100_000).is_err());
        }
    }

    #[test]
    fn trying_without_failing_is_never_refused() {
        let failures = failures(1, 1);
        for at_ms in 0..1000 {
            assert_eq!(failures.may_try(address(1), at_ms), Ok(()));
        }
    }

    #[test]
    fn extreme_rates_are_bounded() {
        for (per_minute, burst, wait) in
            [(0, 0, 60_000), (1, 1, 60_000), (u32::MAX, 1, 1), (60_000, 0, 1), (1, u32::MAX, 0)]
        {
            let failures = failures(per_minute, burst);
            failures.failed(address(1), 5);
            let found = failures.may_try(address(1), 5);
            assert_eq!(found, if wait == 0 { Ok(()) } else { Err(WaitMs(wait)) }, "{per_minute} {burst}");
        }
        let failures = failures(60, 5);
        for _ in 0..10_000 {
            failures.failed(address(1), 0);
        }
        assert_eq!(failures.may_try(address(1), 0), Err(WaitMs(MINUTE_MS)));
    }

    #[test]
    fn an_address_counts_by_what_one_customer_has() {
        let key = |text: &str| FailureKey::address(text.parse().unwrap());
        let cases = [
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true),
            ("2001:db8:1:2::1", "2001:db8:1:3::1", false),
            ("0.0.0.0", "::", false),
        ];
        for (one, other, is_same) in cases {
            assert_eq!(key(one) == key(other), is_same, "{one} and {other}");
        }
    }

    #[test]
    fn a_prefix_is_the_first_bytes_and_no_address() {
        let cases: [(&[u8], &[u8], bool); 5] = [
            (b"anna@example.com", b"anna@example.org", true),
            (b"anna", b"anne", false),
            (b"anna", b"anna\0", false),
            (b"", b"\0", false),
            (b"", b"", true),
        ];
        for (one, other, is_same) in cases {
            assert_eq!(FailureKey::prefix(one) == FailureKey::prefix(other), is_same, "{one:?} {other:?}");
        }
        let failures = failures(1, 1);
        failures.failed(FailureKey::prefix(&[192, 0, 2, 1]), 0);
        assert_eq!(failures.may_try(FailureKey::address([192, 0, 2, 1].into()), 0), Ok(()));
        assert!(failures.may_try(FailureKey::prefix(&[192, 0, 2, 1]), 0).is_err());
    }

    #[test]
    fn a_million_addresses_neither_grow_the_room_nor_free_the_one_that_goes_on() {
        let failures = failures(6, 5);
        let room = words(&failures);
        let (guesser, innocent) = (address(0x0a00_0001), address(0x0a00_0002));
        let mut tries = 0;
        for number in 0..1_000_000 {
            // Ten seconds at a hundred thousand addresses a second; the guesser tries every millisecond.
            let now = u64::from(number / 100);
            failures.failed(address(0xc000_0000 + number), now);
            if number % 100 == 0 && failures.may_try(guesser, now).is_ok() {
                failures.failed(guesser, now);
                tries += 1;
            }
            assert_eq!(failures.may_try(innocent, now), Ok(()));
        }
        assert_eq!(tries, 5);
        assert!(failures.may_try(guesser, 9_999).is_err());
        assert_eq!(words(&failures), room);
        assert_eq!(room, 2 * CELLS);
    }

    #[test]
    fn a_flood_in_one_instant_frees_nobody_who_is_refused() {
        let failures = failures(6, 2);
        let guessers = (0..100).map(|number| FailureKey::address(Ipv6Addr::from_bits(number << 64).into()));
        for guesser in guessers.clone() {
            failures.failed(guesser, 0);
            failures.failed(guesser, 0);
        }
        for number in 0..1_000_000 {
            failures.failed(address(number), 0);
        }
        for guesser in guessers {
            assert!(failures.may_try(guesser, 0).is_err());
        }
    }

    #[test]
    fn workers_that_fail_at_once_are_all_counted() {
        let failures = failures(60, 1000);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..100).for_each(|_| failures.failed(address(1), 0)));
            }
        });
        for _ in 800..1000 {
            assert_eq!(failures.may_try(address(1), 0), Ok(()));
            failures.failed(address(1), 0);
        }
        assert!(failures.may_try(address(1), 0).is_err());
    }
}
