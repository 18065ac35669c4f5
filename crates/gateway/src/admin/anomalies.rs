//! Anomalies: what looked wrong, until somebody says that they have looked at it.

use nexus_core::id::{KeyId, TeamId};
use nexus_store::repo::{
    Changed,
    anomaly::{self, Anomaly, Filter, State},
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{
    answer::{Recorded, Shown},
    call::{Call, found},
    change::Change,
    problem::{Kind, Problem},
    query::{Listing, Walk},
    trail,
};

/// Whether somebody has looked at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = AnomalyState)]
pub enum StateWord {
    Open,
    Acknowledged,
}

impl From<StateWord> for State {
    fn from(word: StateWord) -> Self {
        match word {
            StateWord::Open => State::Open,
            StateWord::Acknowledged => State::Acknowledged,
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct AnomalyFilter {
    #[param(nullable = false)]
    team_id: Option<Uuid>,
    /// The word of the rule that saw it.
    #[param(nullable = false, max_length = 100)]
    kind: Option<String>,
    #[param(nullable = false, inline)]
    state: Option<StateWord>,
}

/// Something that looked wrong.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Anomaly)]
pub struct AnomalyBody {
    pub id: Uuid,
    /// Unix seconds; when it was first seen.
    pub at: i64,
    /// The word of the rule that saw it.
    pub kind: String,
    pub team_id: Option<Uuid>,
    pub key_id: Option<Uuid>,
    pub address: Option<String>,
    /// What was seen, the last time.
    #[schema(value_type = Object)]
    pub evidence: Option<Box<RawValue>>,
    /// How often it was seen within the hour.
    pub count: i64,
    /// Unix seconds.
    pub acknowledged_at: Option<i64>,
    pub acknowledged_by: Option<String>,
    /// What the key is held to because of it; null: nothing.
    pub throttle: Option<HeldBody>,
    /// The `ETag` without its quotes.
    pub version: i64,
}

/// What a key is held to for a while.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = KeyThrottle)]
pub struct HeldBody {
    pub requests_per_minute: u32,
    /// Unix seconds.
    pub until: i64,
    /// Who ended it before its time.
    pub lifted_by: Option<String>,
}

impl AnomalyBody {
    fn new(anomaly: &Anomaly) -> Self {
        Self {
            id: anomaly.id,
            at: anomaly.at_ms.div_euclid(1000),
            kind: anomaly.kind.clone(),
            team_id: anomaly.team.map(|TeamId(id)| id),
            key_id: anomaly.key.map(|KeyId(id)| id),
            address: anomaly.address.clone(),
            evidence: RawValue::from_string(anomaly.evidence.clone()).ok(),
            count: anomaly.count,
            acknowledged_at: anomaly.acknowledged_at_ms.map(|at_ms| at_ms.div_euclid(1000)),
            acknowledged_by: anomaly.acknowledged_by.clone(),
            throttle: anomaly.throttle.as_ref().map(|held| HeldBody {
                requests_per_minute: held.requests_per_minute,
                until: held.until_ms.div_euclid(1000),
                lifted_by: held.lifted_by.clone(),
            }),
            version: anomaly.version,
        }
    }
}

/// Newest first.
pub async fn list(call: Call<Walk<AnomalyFilter>>) -> Result<Listing<AnomalyBody>, Problem> {
    let AnomalyFilter { team_id, kind, state } = &call.query.filter;
    let (own, wanted) = (call.caller.reach.team(), team_id.map(TeamId));
    let state = state.map(State::from);
    let rows = if wanted.is_some() && !call.caller.reach.covers(wanted) {
        Vec::new()
    } else {
        let filter = Filter { team: own.or(wanted), kind: kind.clone(), state };
        let page = call.query.page();
        call.read(move |conn| anomaly::list(conn, &filter, &page)).await?
    };
    let key = |row: &Anomaly| (row.at_ms, row.id.to_string());
    Ok(call.query.listing(&call.admin().secrets.cursors, rows, key, AnomalyBody::new))
}

pub async fn show(call: Call) -> Result<Shown<AnomalyBody>, Problem> {
    let (id, own) = (call.id("id")?, call.caller.reach.team());
    Ok(shown(&found(call.read(move |conn| anomaly::find(conn, id, own)).await?)?))
}

fn shown(anomaly: &Anomaly) -> Shown<AnomalyBody> {
    Shown { body: AnomalyBody::new(anomaly), version: anomaly.version }
}

/// What somebody has looked at is looked at once: the next one is told who it was.
pub async fn acknowledge(call: Call) -> Result<Recorded<Shown<AnomalyBody>>, Problem> {
    let (id, own): (Uuid, _) = (call.id("id")?, call.caller.reach.team());
    let (actor, now_ms) = (call.caller.actor.id, call.now_ms());
    call.change("anomaly.acknowledge", move |conn| {
        let before = found(anomaly::find(conn, id, own)?)?;
        if let Some(by) = &before.acknowledged_by {
            return Err(Problem::new(Kind::Conflict, format!("`{by}` has acknowledged it already")).into());
        }
        let by = trail::known_by(conn, actor)?;
        match anomaly::acknowledge(conn, id, own, &by, before.version, now_ms)? {
            Changed::Unknown => Err(Kind::NotFound.into()),
            Changed::Stale => Err(Kind::Stale.into()),
            Changed::Now(after) => {
                let change = Change::of("anomaly", id, after.team, shown(&after));
                Ok(change.from(&AnomalyBody::new(&before)).to(&AnomalyBody::new(&after)))
            }
        }
    })
    .await
}

/// Ends before its time what the key is held to.
pub async fn lift(call: Call) -> Result<Recorded<Shown<AnomalyBody>>, Problem> {
    let (id, own): (Uuid, _) = (call.id("id")?, call.caller.reach.team());
    let (actor, now_ms) = (call.caller.actor.id, call.now_ms());
    call.change("anomaly.lift_throttle", move |conn| {
        let before = found(anomaly::find(conn, id, own)?)?;
        let by = trail::known_by(conn, actor)?;
        match anomaly::lift(conn, id, own, &by, now_ms)? {
            Changed::Unknown => Err(Kind::NotFound.into()),
            Changed::Stale => {
                Err(Problem::new(Kind::Conflict, "no key is held to anything because of it now").into())
            }
            Changed::Now(after) => {
                let change = Change::of("anomaly", id, after.team, shown(&after));
                Ok(change.from(&AnomalyBody::new(&before)).to(&AnomalyBody::new(&after)))
            }
        }
    })
    .await
}
