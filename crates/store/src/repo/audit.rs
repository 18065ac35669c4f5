//! The audit trail: one row for each change, sign-in and denial, chained so that no row can be altered,
//! taken out or slipped in without trace.
//!
//! A row is written in the transaction of what it tells of: where it cannot be written, the change does
//! not happen either. Rows are never corrected.
//!
//! What the chain proves: whoever can write to the database but not make the hashes anew is found out
//! whatever is touched. Whoever makes them anew, or cuts rows off the end of the day that is open, is
//! found out only against anchors kept elsewhere: export [`anchors`] and hand them to [`verify`].

mod chain;
mod day;
mod export;
mod list;
mod purge;
mod verify;

#[cfg(test)]
mod tests;

use diesel::{Insertable, Queryable, RunQueryDsl, dsl::insert_into};
use nexus_core::{id::TeamId, role::ActorId};
use serde::Serialize;

use crate::{connection::AnyConnection, error::StoreError, schema::audit_log};

pub use day::name as day_name;
pub use export::{ExportError, Written, csv_head, export_csv, export_jsonl, write_csv, write_jsonl};
pub use list::{Filter, Order, SeqPage, list};
pub use purge::{RETENTION_DAYS_MIN, purge};
pub use verify::{Anchor, Breach, Verdict, anchors, verify, verify_telling};

/// Something that was done or refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// `None`: nobody was proven, as with a wrong password.
    pub actor: Option<ActorId>,
    /// What people know the actor by; of an unproven one, what was claimed.
    pub actor_name: String,
    /// The team whose trail it also is.
    pub team: Option<TeamId>,
    /// The kind of thing and what was done to it: `key.create`, `session.sign_in`, `access.denied`.
    pub action: &'static str,
    pub target: Option<Target>,
    /// The target as JSON, without anything secret.
    pub before: Option<String>,
    /// As `before`.
    pub after: Option<String>,
    /// Where the request came from.
    pub address: Option<String>,
    pub request_id: Option<String>,
    pub outcome: Outcome,
    pub detail: Option<String>,
}

/// What an action was done to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub kind: &'static str,
    /// `None`: there is none yet, or none is known.
    pub id: Option<String>,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Ok,
    /// The actor had no right to it.
    Denied,
    /// The actor had the right; it did not work.
    Failed,
}

impl Outcome {
    /// The word in rows and requests.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Ok => "ok",
            Outcome::Denied => "denied",
            Outcome::Failed => "failed",
        }
    }

    /// The inverse of [`Outcome::as_str`].
    pub fn from_word(word: &str) -> Option<Self> {
        [Outcome::Ok, Outcome::Denied, Outcome::Failed].into_iter().find(|outcome| outcome.as_str() == word)
    }
}

/// A row of the trail exactly as it stands, so that one somebody tampered with is shown and not left out.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Insertable, Serialize)]
#[diesel(table_name = audit_log, treat_none_as_default_value = false)]
pub struct Recorded {
    /// Counts from 1 without a gap.
    pub seq: i64,
    /// The day of the trail, `yyyy-mm-dd` in UTC. Never earlier than that of the row before, even where
    /// the clock went back.
    pub day: String,
    /// What the clock said, in Unix milliseconds.
    pub at: i64,
    /// `key`, `user`, `cli`, `system` or `unknown`.
    pub actor_kind: String,
    pub actor_id: Option<String>,
    pub actor_name: String,
    pub team_id: Option<String>,
    pub action: String,
    pub target_kind: Option<String>,
    pub target_id: Option<String>,
    pub before: Option<String>,
    pub after: Option<String>,
    pub address: Option<String>,
    pub request_id: Option<String>,
    pub outcome: String,
    pub detail: Option<String>,
    /// Hex SHA-256 over the hash of the row before and every other column of this one.
    pub hash: String,
}

/// Writes the next row and gives its number. The first row of a UTC day begins that day, as
/// [`begin_day`] does.
pub fn append(conn: &mut AnyConnection, entry: &Entry, now_ms: i64) -> Result<i64, StoreError> {
    let day = day::open(conn, now_ms)?;
    let (last_seq, last_hash) = day::end(conn, &day)?;
    let seq = last_seq.saturating_add(1);
    let (actor_kind, actor_id) = actor(entry.actor);
    let target = entry.target.as_ref();
    let mut row = Recorded {
        seq,
        day: day.day,
        at: now_ms,
        actor_kind: actor_kind.to_owned(),
        actor_id,
        actor_name: storable(&entry.actor_name),
        team_id: entry.team.map(|team| team.to_string()),
        action: entry.action.to_owned(),
        target_kind: target.map(|target| target.kind.to_owned()),
        target_id: target.and_then(|target| target.id.as_deref()).map(storable),
        before: entry.before.as_deref().map(storable),
        after: entry.after.as_deref().map(storable),
        address: entry.address.as_deref().map(storable),
        request_id: entry.request_id.as_deref().map(storable),
        outcome: entry.outcome.as_str().to_owned(),
        detail: entry.detail.as_deref().map(storable),
        hash: String::new(),
    };
    row.hash = chain::hash(&last_hash, &row);
    insert_into(audit_log::table).values(row).execute(conn)?;
    Ok(seq)
}

/// Notes that a UTC day has begun and seals the one before; to be called at midnight and at the start, so
/// that days without rows count for retention too.
///
/// A day that is known, or earlier than the newest known one, changes nothing: after a clock went ahead
/// and back, rows belong to the day it had gone ahead to until that day is over.
pub fn begin_day(conn: &mut AnyConnection, now_ms: i64) -> Result<(), StoreError> {
    day::open(conn, now_ms)?;
    Ok(())
}

fn actor(actor: Option<ActorId>) -> (&'static str, Option<String>) {
    match actor {
        Some(ActorId::Key(key)) => ("key", Some(key.to_string())),
        Some(ActorId::User(user)) => ("user", Some(user.to_string())),
        Some(ActorId::Console) => ("cli", None),
        Some(ActorId::System) => ("system", None),
        None => ("unknown", None),
    }
}

/// PostgreSQL takes no NUL in text: one in a claimed name must not keep its denial from being written.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}
