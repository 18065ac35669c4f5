//! Anomalies: what looked wrong, until somebody has looked at it.
//!
//! The table is bounded and so is the work: what repeats is counted, and beyond [`ROWS_MAX`] an old row
//! makes room.

use diesel::{
    BoolExpressionMethods, ExpressionMethods, Insertable, OptionalExtension, QueryDsl, Queryable,
    RunQueryDsl,
    dsl::{count_star, delete, insert_into, update},
};
use nexus_core::id::{KeyId, TeamId, Uuid};
use serde_json::{Value, json};

use crate::{
    connection::AnyConnection,
    error::StoreError,
    repo::{
        Changed, Page,
        alert::{self, News},
        audit::{self, Entry, Outcome, Target},
        team,
    },
    row::{Reading, page_of, readable},
    schema::anomalies,
};

/// How many rows are kept.
pub const ROWS_MAX: i64 = 10_000;
/// How long after it was first seen the same thing is counted instead of told again.
const REPEATS_WITHIN_MS: i64 = 3_600_000;

/// Something that looks wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// The word of the rule that saw it.
    pub kind: &'static str,
    pub team: Option<TeamId>,
    pub key: Option<KeyId>,
    pub address: Option<String>,
    /// What was seen, as JSON.
    pub evidence: String,
}

/// A sighting as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anomaly {
    pub id: Uuid,
    /// When it was first seen, in Unix milliseconds.
    pub at_ms: i64,
    pub kind: String,
    pub team: Option<TeamId>,
    pub key: Option<KeyId>,
    pub address: Option<String>,
    /// JSON; of the newest sighting.
    pub evidence: String,
    /// How often it was seen within the hour.
    pub count: i64,
    pub acknowledged_at_ms: Option<i64>,
    /// What people know the one by who acknowledged it.
    pub acknowledged_by: Option<String>,
    /// Goes up when it is acknowledged, not when it is seen again: else what keeps repeating could never be
    /// acknowledged.
    pub version: i64,
    /// What its key is held to because of it.
    pub throttle: Option<Held>,
}

/// What a key is held to for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    pub requests_per_minute: u32,
    /// Unix milliseconds.
    pub until_ms: i64,
    /// What people know the one by who ended it before its time.
    pub lifted_by: Option<String>,
}

/// Which anomalies are wanted; all that is said must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub team: Option<TeamId>,
    pub kind: Option<String>,
    pub state: Option<State>,
}

/// Whether somebody has looked at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Open,
    Acknowledged,
}

/// What became of a sighting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noted {
    New,
    /// It was seen within the hour and nobody has looked at it: the row of this id counts it.
    Again(Uuid),
}

#[derive(Queryable, Insertable)]
#[diesel(table_name = anomalies, treat_none_as_default_value = false)]
struct AnomalyRow {
    id: String,
    at: i64,
    kind: String,
    team_id: Option<String>,
    key_id: Option<String>,
    address: Option<String>,
    evidence: String,
    count: i64,
    acknowledged_at: Option<i64>,
    acknowledged_by: Option<String>,
    version: i64,
    throttle_requests: Option<i64>,
    throttle_until: Option<i64>,
    throttle_lifted_by: Option<String>,
}

impl AnomalyRow {
    fn read(self) -> Result<Anomaly, StoreError> {
        let row = Reading { table: "anomalies", id: &self.id };
        let requests = row.small_or_none("throttle_requests", self.throttle_requests)?;
        let throttle = requests.zip(self.throttle_until).map(|(requests_per_minute, until_ms)| Held {
            requests_per_minute,
            until_ms,
            lifted_by: self.throttle_lifted_by,
        });
        Ok(Anomaly {
            id: row.id("id", &self.id)?,
            at_ms: self.at,
            team: self.team_id.as_deref().map(|team| row.id("team_id", team)).transpose()?,
            key: self.key_id.as_deref().map(|key| row.id("key_id", key)).transpose()?,
            kind: self.kind,
            address: self.address,
            evidence: self.evidence,
            count: self.count,
            acknowledged_at_ms: self.acknowledged_at,
            acknowledged_by: self.acknowledged_by,
            version: self.version,
            throttle,
        })
    }
}

/// Notes a sighting: in a row of its own under `id`, or in the one that tells of the same kind, team, key
/// and address already.
pub fn record(
    conn: &mut AnyConnection,
    id: Uuid,
    sighting: &Sighting,
    now_ms: i64,
) -> Result<Noted, StoreError> {
    if let Some(present) = repeated(conn, sighting, now_ms)? {
        let again = (anomalies::count.eq(anomalies::count + 1), anomalies::evidence.eq(&sighting.evidence));
        update(anomalies::table.find(&present)).set(again).execute(conn)?;
        throttle(conn, &present, sighting, now_ms)?;
        let id = Reading { table: "anomalies", id: &present }.id("id", &present)?;
        return Ok(Noted::Again(id));
    }
    let row = AnomalyRow {
        id: id.to_string(),
        at: now_ms,
        kind: sighting.kind.to_owned(),
        team_id: sighting.team.map(|team| team.to_string()),
        key_id: sighting.key.map(|key| key.to_string()),
        address: sighting.address.clone(),
        evidence: sighting.evidence.clone(),
        count: 1,
        acknowledged_at: None,
        acknowledged_by: None,
        version: 1,
        throttle_requests: None,
        throttle_until: None,
        throttle_lifted_by: None,
    };
    make_room(conn)?;
    insert_into(anomalies::table).values(row).execute(conn)?;
    throttle(conn, &id.to_string(), sighting, now_ms)?;
    tell(conn, id, sighting, now_ms)?;
    Ok(Noted::New)
}

/// Holds the key to what its team wishes where it was seen to do such a thing, unless it is held because of it
/// already or somebody ended that.
fn throttle(conn: &mut AnyConnection, id: &str, sighting: &Sighting, now_ms: i64) -> Result<(), StoreError> {
    let Some((team, key)) = sighting.team.zip(sighting.key) else { return Ok(()) };
    let Some(wish) = team::throttle_of(conn, team)? else { return Ok(()) };
    let Some(until_ms) = wish.holds_until_ms(sighting.kind, now_ms) else { return Ok(()) };
    let seen = (anomalies::throttle_until, anomalies::throttle_lifted_by);
    let (held_until_ms, lifted_by): (Option<i64>, Option<String>) =
        anomalies::table.find(id).select(seen).first(conn)?;
    if lifted_by.is_some() || held_until_ms.is_some_and(|until_ms| now_ms < until_ms) {
        return Ok(());
    }
    let requests = wish.requests_per_minute;
    let held = (anomalies::throttle_requests.eq(i64::from(requests)), anomalies::throttle_until.eq(until_ms));
    update(anomalies::table.find(id)).set(held).execute(conn)?;
    let (kind, minutes) = (sighting.kind, wish.minutes);
    let entry = Entry {
        actor: None,
        actor_name: String::new(),
        team: Some(team),
        action: "key.throttle",
        target: Some(Target { kind: "key", id: Some(key.to_string()) }),
        before: None,
        after: None,
        address: None,
        request_id: None,
        outcome: Outcome::Ok,
        detail: Some(format!("{kind}: {requests} requests a minute for {minutes} minutes, anomaly {id}")),
    };
    audit::append(conn, &entry, now_ms).map(drop)
}

/// The keys that are held to fewer requests now: which, to how many a minute, until when.
pub(crate) fn throttled(conn: &mut AnyConnection, now_ms: i64) -> Result<Vec<(KeyId, Held)>, StoreError> {
    let rows: Vec<AnomalyRow> = anomalies::table.filter(anomalies::throttle_until.gt(now_ms)).load(conn)?;
    let anomalies = readable(rows, AnomalyRow::read).into_iter();
    Ok(anomalies.filter_map(|anomaly| anomaly.key.zip(anomaly.throttle)).collect())
}

/// Ends before its time what a key is held to. With a team only where it is that team's.
///
/// [`Changed::Stale`] where there is nothing to end.
pub fn lift(
    conn: &mut AnyConnection,
    id: Uuid,
    team: Option<TeamId>,
    by: &str,
    now_ms: i64,
) -> Result<Changed<Anomaly>, StoreError> {
    let Some(present) = find(conn, id, team)? else { return Ok(Changed::Unknown) };
    let Some(held) = present.throttle.clone().filter(|held| now_ms < held.until_ms) else {
        return Ok(Changed::Stale);
    };
    let throttle = Held { until_ms: now_ms, lifted_by: Some(by.to_owned()), ..held };
    let now = Anomaly { throttle: Some(throttle), version: present.version.saturating_add(1), ..present };
    let change = (
        anomalies::throttle_until.eq(now_ms),
        anomalies::throttle_lifted_by.eq(by),
        anomalies::version.eq(now.version),
    );
    update(anomalies::table.find(id.to_string())).set(change).execute(conn)?;
    Ok(Changed::Now(now))
}

/// Whoever is told of alerts is told of what is new.
fn tell(conn: &mut AnyConnection, id: Uuid, sighting: &Sighting, now_ms: i64) -> Result<(), StoreError> {
    let evidence: Value = serde_json::from_str(&sighting.evidence).unwrap_or_default();
    let evidence = json!({
        "kind": sighting.kind,
        "key_id": sighting.key.map(|key| key.to_string()),
        "address": sighting.address,
        "evidence": evidence,
    });
    let news = News {
        id,
        kind: "anomaly".to_owned(),
        team: sighting.team,
        summary: format!("something looks wrong: {}", sighting.kind.replace('_', " ")),
        evidence: evidence.to_string(),
        fingerprint: format!("anomaly/{id}"),
    };
    alert::raise(conn, &news, now_ms).map(drop)
}

/// The id of the open row that tells of the same.
fn repeated(
    conn: &mut AnyConnection,
    sighting: &Sighting,
    now_ms: i64,
) -> Result<Option<String>, StoreError> {
    use anomalies::dsl as row;
    let recent = now_ms.saturating_sub(REPEATS_WITHIN_MS);
    let mut query = row::anomalies.into_boxed();
    query = query.filter(row::kind.eq(sighting.kind).and(row::at.gt(recent)));
    query = query.filter(row::acknowledged_at.is_null());
    query = match sighting.team {
        Some(team) => query.filter(row::team_id.eq(team.to_string())),
        None => query.filter(row::team_id.is_null()),
    };
    query = match sighting.key {
        Some(key) => query.filter(row::key_id.eq(key.to_string())),
        None => query.filter(row::key_id.is_null()),
    };
    query = match &sighting.address {
        Some(address) => query.filter(row::address.eq(address)),
        None => query.filter(row::address.is_null()),
    };
    Ok(query.order(row::at.desc()).select(row::id).first(conn).optional()?)
}

/// Drops a row where the table is full: the oldest that somebody has looked at, else the oldest.
fn make_room(conn: &mut AnyConnection) -> Result<(), StoreError> {
    let rows: i64 = anomalies::table.select(count_star()).first(conn)?;
    if rows < ROWS_MAX {
        return Ok(());
    }
    let oldest = anomalies::table.order((anomalies::at, anomalies::id)).select(anomalies::id);
    let acknowledged: Option<String> =
        oldest.filter(anomalies::acknowledged_at.is_not_null()).first(conn).optional()?;
    let id = match acknowledged {
        Some(id) => id,
        None => oldest.first(conn)?,
    };
    delete(anomalies::table.find(id)).execute(conn)?;
    Ok(())
}

/// The anomalies of a page, newest first; damaged rows are logged and left out.
pub fn list(conn: &mut AnyConnection, filter: &Filter, page: &Page) -> Result<Vec<Anomaly>, StoreError> {
    use anomalies::dsl as row;
    let load = |page: &Page| {
        let mut query = row::anomalies.into_boxed().order((row::at.desc(), row::id.desc()));
        query = query.limit(page.limit.into());
        if let Some((at, id)) = &page.after {
            query = query.filter(row::at.lt(*at).or(row::at.eq(*at).and(row::id.lt(id))));
        }
        if let Some(team) = filter.team {
            query = query.filter(row::team_id.eq(team.to_string()));
        }
        if let Some(kind) = &filter.kind {
            query = query.filter(row::kind.eq(kind));
        }
        query = match filter.state {
            Some(State::Open) => query.filter(row::acknowledged_at.is_null()),
            Some(State::Acknowledged) => query.filter(row::acknowledged_at.is_not_null()),
            None => query,
        };
        Ok(query.load(conn)?)
    };
    page_of(page, load, |row: &AnomalyRow| (row.at, row.id.clone()), AnomalyRow::read)
}

/// The anomaly of this id; with a team only where it is that team's.
pub fn find(conn: &mut AnyConnection, id: Uuid, team: Option<TeamId>) -> Result<Option<Anomaly>, StoreError> {
    let row: Option<AnomalyRow> = anomalies::table.find(id.to_string()).first(conn).optional()?;
    let found = row.map(AnomalyRow::read).transpose()?;
    Ok(found.filter(|found| team.is_none() || found.team == team))
}

/// Notes that somebody has looked at it. With a team only where it is that team's.
///
/// Once acknowledged it is [`Changed::Stale`] for everyone who saw it open.
pub fn acknowledge(
    conn: &mut AnyConnection,
    id: Uuid,
    team: Option<TeamId>,
    by: &str,
    expected_version: i64,
    now_ms: i64,
) -> Result<Changed<Anomaly>, StoreError> {
    let Some(present) = find(conn, id, team)? else { return Ok(Changed::Unknown) };
    if present.version != expected_version {
        return Ok(Changed::Stale);
    }
    let now = Anomaly {
        acknowledged_at_ms: Some(now_ms),
        acknowledged_by: Some(by.to_owned()),
        version: present.version.saturating_add(1),
        ..present
    };
    let change = (
        anomalies::acknowledged_at.eq(now_ms),
        anomalies::acknowledged_by.eq(by),
        anomalies::version.eq(now.version),
    );
    update(anomalies::table.find(id.to_string())).set(change).execute(conn)?;
    Ok(Changed::Now(now))
}

#[cfg(test)]
mod tests;
