//! Notes put together until they are written: what is alike is one row with a count.
//!
//! The memory is bounded by [`KINDS_MAX`]; beyond it a note is only counted.

use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
    mem,
    net::IpAddr,
    sync::Arc,
};

use nexus_core::{
    id::{CredentialId, KeyId, ProviderId, TeamId, Uuid},
    role::ActorId,
};
use nexus_engine::port::{Denied, Noted};
use nexus_store::{
    AnyConnection, Store, StoreError,
    repo::{
        anomaly::{self, Sighting},
        audit::{self, Entry, Outcome, Target},
        key, key_address,
    },
};
use serde_json::json;

/// Different notes of one sort that are kept apart.
const KINDS_MAX: usize = 4096;
/// Addresses without a good key that are kept apart between two writings: who has thousands of them is told as well by
/// their number, and a row for each would keep the database busy.
const STRANGERS_MAX: usize = 256;

/// So many refusals of one address or key between two writings are an anomaly.
const FAILURES_MIN: u64 = 30;
/// Seconds between two writings.
const PERIOD_S: u64 = super::PERIOD.as_secs();
/// How long a key must have been in use for another address of its to be worth a word, in milliseconds.
const KNOWN_AFTER_MS: i64 = 86_400_000;

/// What waits to be written.
#[derive(Default)]
pub(super) struct Gathered {
    used: HashMap<KeyId, i64>,
    came_from: HashSet<(KeyId, Option<TeamId>, IpAddr)>,
    /// Whoever showed a good key.
    denied: HashMap<Denial, u64>,
    /// Whoever showed none.
    strangers: HashMap<Denial, u64>,
    /// By the reason: strangers beyond [`STRANGERS_MAX`].
    others: HashMap<&'static str, u64>,
    attacks: HashMap<Attack, u64>,
    credentials: Vec<Turn>,
    /// Notes that found no room.
    lost: u64,
}

/// Denials of one address that are alike. Where the key verified, it is told apart too.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Denial {
    reason: &'static str,
    key: Option<KeyId>,
    team: Option<TeamId>,
    address: Option<IpAddr>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Attack {
    kind: &'static str,
    position: &'static str,
    evidence: Box<str>,
    by: Denial,
}

/// A key that verified, with its team, or else an address.
type Refused = (Option<(KeyId, Option<TeamId>)>, Option<IpAddr>);

/// A credential that went out, or came back.
struct Turn {
    provider: ProviderId,
    name: Arc<str>,
    credential: CredentialId,
    /// Why it is out; none: it is back.
    reason: Option<&'static str>,
}

impl From<Denied> for Denial {
    fn from(denied: Denied) -> Self {
        let Denied { reason, key, team, address } = denied;
        Self { reason, key, team, address }
    }
}

impl Gathered {
    pub(super) fn take(&mut self, noted: Noted) {
        match noted {
            Noted::Used { key, at_ms } => {
                if self.used.len() < KINDS_MAX || self.used.contains_key(&key) {
                    let at = self.used.entry(key).or_insert(at_ms);
                    *at = at_ms.max(*at);
                }
            }
            Noted::CameFrom { key, team, address } => {
                if self.came_from.len() < KINDS_MAX {
                    self.came_from.insert((key, team, address));
                }
            }
            Noted::Denied(denied) => self.deny(denied.into(), 1),
            Noted::Attacked { kind, position, evidence, by } => {
                let attack = Attack { kind, position, evidence, by: by.into() };
                count(&mut self.attacks, attack, 1, &mut self.lost);
            }
            Noted::CredentialOut { provider, name, credential, reason } => {
                self.turn(Turn { provider, name, credential, reason: Some(reason) });
            }
            Noted::CredentialBack { provider, name, credential } => {
                self.turn(Turn { provider, name, credential, reason: None });
            }
        }
    }

    fn turn(&mut self, turn: Turn) {
        if self.credentials.len() < KINDS_MAX {
            self.credentials.push(turn);
        } else {
            self.lose(1);
        }
    }

    fn deny(&mut self, denied: Denial, times: u64) {
        if denied.key.is_some() {
            count(&mut self.denied, denied, times, &mut self.lost);
        } else if self.strangers.len() < STRANGERS_MAX || self.strangers.contains_key(&denied) {
            count(&mut self.strangers, denied, times, &mut self.lost);
        } else {
            count(&mut self.others, denied.reason, times, &mut self.lost);
        }
    }

    fn lose(&mut self, notes: u64) {
        self.lost = self.lost.saturating_add(notes);
    }

    /// Takes back what could not be written.
    pub(super) fn absorb(&mut self, earlier: Self) {
        for (key, at_ms) in earlier.used {
            self.take(Noted::Used { key, at_ms });
        }
        for (key, team, address) in earlier.came_from {
            self.take(Noted::CameFrom { key, team, address });
        }
        for (denied, times) in earlier.denied.into_iter().chain(earlier.strangers) {
            self.deny(denied, times);
        }
        for (reason, times) in earlier.others {
            count(&mut self.others, reason, times, &mut self.lost);
        }
        for (attack, times) in earlier.attacks {
            count(&mut self.attacks, attack, times, &mut self.lost);
        }
        let later = mem::replace(&mut self.credentials, earlier.credentials);
        later.into_iter().for_each(|turn| self.turn(turn));
        self.lose(earlier.lost);
    }

    /// Whether there is so much that it had better be written at once.
    pub(super) fn is_urgent(&self) -> bool {
        self.used.len() >= KINDS_MAX || self.came_from.len() >= KINDS_MAX
    }

    fn is_empty(&self) -> bool {
        self.used.is_empty()
            && self.came_from.is_empty()
            && self.denied.is_empty()
            && self.strangers.is_empty()
            && self.attacks.is_empty()
            && self.credentials.is_empty()
            && self.lost == 0
    }

    /// Writes all of it in one transaction.
    pub(super) fn write(
        &self,
        store: &Store,
        now_ms: i64,
        fresh_id: &dyn Fn() -> Uuid,
    ) -> Result<(), StoreError> {
        if self.is_empty() {
            return Ok(());
        }
        store.write_blocking(|conn| self.rows(conn, now_ms, fresh_id))
    }

    /// The addresses, and the keys that verified, that were refused too often.
    fn failures(&self) -> Vec<(Sighting, u64)> {
        let mut counts: HashMap<Refused, u64> = HashMap::new();
        for (denied, times) in self.denied.iter().chain(&self.strangers) {
            let of = match denied.key {
                Some(key) => (Some((key, denied.team)), None),
                None => (None, denied.address),
            };
            let count = counts.entry(of).or_default();
            *count = count.saturating_add(*times);
        }
        let too_many = counts.into_iter().filter(|(_, times)| *times >= FAILURES_MIN);
        let sighting = |(key, address): Refused| Sighting {
            kind: "auth_failures",
            team: key.and_then(|(_, team)| team),
            key: key.map(|(key, _)| key),
            address: address.map(|address| address.to_string()),
            evidence: String::new(),
        };
        too_many.map(|(of, times)| (sighting(of), times)).collect()
    }

    fn rows(
        &self,
        conn: &mut AnyConnection,
        now_ms: i64,
        fresh_id: &dyn Fn() -> Uuid,
    ) -> Result<(), StoreError> {
        let used: Vec<_> = self.used.iter().map(|(key, at_ms)| (*key, *at_ms)).collect();
        key::note_last_used(conn, &used)?;
        for (key, team, address) in &self.came_from {
            if key_address::note_first_use(conn, *key, &address.to_string(), now_ms)? {
                let entry = Entry {
                    actor: Some(ActorId::Key(*key)),
                    team: *team,
                    address: Some(address.to_string()),
                    outcome: Outcome::Ok,
                    ..entry("key.new_address")
                };
                audit::append(conn, &entry, now_ms)?;
                write_new_address(conn, fresh_id(), (*key, *team, *address), now_ms)?;
            }
        }
        for (sighting, times) in self.failures() {
            let evidence = json!({ "refused": times, "window_seconds": PERIOD_S }).to_string();
            anomaly::record(conn, fresh_id(), &Sighting { evidence, ..sighting }, now_ms)?;
        }
        for (denied, times) in self.denied.iter().chain(&self.strangers) {
            let detail = format!("{}, {times} times", denied.reason);
            audit::append(conn, &denial(denied, "access.denied", detail), now_ms)?;
        }
        for (reason, times) in &self.others {
            let detail = format!("{reason}, {times} times, from more addresses");
            audit::append(conn, &Entry { detail: Some(detail), ..entry("access.denied") }, now_ms)?;
        }
        for (attack, times) in &self.attacks {
            write_attack(conn, fresh_id(), attack, *times, now_ms)?;
        }
        for turn in &self.credentials {
            write_turn(conn, fresh_id(), turn, now_ms)?;
        }
        if self.lost > 0 {
            let detail = format!("{} notes found no room", self.lost);
            audit::append(conn, &Entry { detail: Some(detail), ..entry("trail.overflow") }, now_ms)?;
        }
        Ok(())
    }
}

/// A key that is known comes from where it never did.
fn write_new_address(
    conn: &mut AnyConnection,
    id: Uuid,
    (key, team, address): (KeyId, Option<TeamId>, IpAddr),
    now_ms: i64,
) -> Result<(), StoreError> {
    let first_ms = key_address::first_seen_ms(conn, key)?;
    if first_ms.is_none_or(|first_ms| now_ms.saturating_sub(first_ms) < KNOWN_AFTER_MS) {
        return Ok(());
    }
    let sighting = Sighting {
        kind: "new_address",
        team,
        key: Some(key),
        address: Some(address.to_string()),
        evidence: json!({ "address": address }).to_string(),
    };
    anomaly::record(conn, id, &sighting, now_ms).map(drop)
}

fn write_attack(
    conn: &mut AnyConnection,
    id: Uuid,
    attack: &Attack,
    times: u64,
    now_ms: i64,
) -> Result<(), StoreError> {
    let Attack { kind, position, evidence, by } = attack;
    let detail = format!("{kind} in the {position}: `{evidence}`, {times} times");
    audit::append(conn, &denial(by, "shield.attack", detail), now_ms)?;
    let sighting = Sighting {
        kind,
        team: by.team,
        key: by.key,
        address: by.address.map(|address| address.to_string()),
        evidence: json!({ "position": position, "evidence": evidence, "times": times }).to_string(),
    };
    anomaly::record(conn, id, &sighting, now_ms).map(drop)
}

fn write_turn(conn: &mut AnyConnection, id: Uuid, turn: &Turn, now_ms: i64) -> Result<(), StoreError> {
    let Turn { provider, name, credential, reason } = turn;
    let (action, outcome) = match reason {
        Some(_) => ("credential.out", Outcome::Failed),
        None => ("credential.back", Outcome::Ok),
    };
    let said = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
    let row = Entry {
        target: Some(Target { kind: "credential", id: Some(credential.to_string()) }),
        outcome,
        detail: Some(format!("of provider {name}{said}")),
        ..entry(action)
    };
    audit::append(conn, &row, now_ms)?;
    let Some(reason) = reason else { return Ok(()) };
    let evidence = json!({ "provider_id": provider.0, "credential_id": credential.0, "reason": reason });
    let sighting = Sighting {
        kind: "credential_refused",
        team: None,
        key: None,
        address: None,
        evidence: evidence.to_string(),
    };
    anomaly::record(conn, id, &sighting, now_ms).map(drop)
}

fn count<K: Eq + Hash>(counts: &mut HashMap<K, u64>, kind: K, times: u64, lost: &mut u64) {
    if counts.len() >= KINDS_MAX && !counts.contains_key(&kind) {
        *lost = lost.saturating_add(times);
        return;
    }
    let sum = counts.entry(kind).or_default();
    *sum = sum.saturating_add(times);
}

fn entry(action: &'static str) -> Entry {
    Entry {
        actor: None,
        actor_name: String::new(),
        team: None,
        action,
        target: None,
        before: None,
        after: None,
        address: None,
        request_id: None,
        outcome: Outcome::Denied,
        detail: None,
    }
}

fn denial(denied: &Denial, action: &'static str, detail: String) -> Entry {
    Entry {
        actor: denied.key.map(ActorId::Key),
        team: denied.team,
        address: denied.address.map(|address| address.to_string()),
        detail: Some(detail),
        ..entry(action)
    }
}

#[cfg(test)]
mod tests;
