//! Alerts: what somebody is to know, until somebody says that they have looked at it.

use nexus_core::id::{TeamId, Uuid};
use nexus_store::repo::{
    Changed,
    alert::{self, Alert, Filter},
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::{
    anomalies::StateWord,
    answer::{Recorded, Shown},
    call::{Call, found},
    change::Change,
    problem::{Kind, Problem},
    query::{Listing, Walk},
    trail,
};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct AlertFilter {
    #[param(nullable = false)]
    team_id: Option<Uuid>,
    /// A word such as `quota.threshold`.
    #[param(nullable = false, max_length = 100)]
    kind: Option<String>,
    #[param(nullable = false, inline)]
    state: Option<StateWord>,
}

/// Something somebody is to know.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Alert)]
pub struct AlertBody {
    pub id: Uuid,
    /// Unix seconds.
    pub at: i64,
    /// `quota.threshold`, `quota.forecast`, `anomaly`, `provider.down` or `provider.up`.
    pub kind: String,
    pub team_id: Option<Uuid>,
    /// In a sentence.
    pub summary: String,
    /// What was seen.
    #[schema(value_type = Object)]
    pub evidence: Option<Box<RawValue>>,
    /// Unix seconds.
    pub acknowledged_at: Option<i64>,
    pub acknowledged_by: Option<String>,
    /// The `ETag` without its quotes.
    pub version: i64,
}

impl AlertBody {
    pub fn new(alert: &Alert) -> Self {
        Self {
            id: alert.id,
            at: alert.at_ms.div_euclid(1000),
            kind: alert.kind.clone(),
            team_id: alert.team.map(|TeamId(id)| id),
            summary: alert.summary.clone(),
            evidence: RawValue::from_string(alert.evidence.clone()).ok(),
            acknowledged_at: alert.acknowledged_at_ms.map(|at_ms| at_ms.div_euclid(1000)),
            acknowledged_by: alert.acknowledged_by.clone(),
            version: alert.version,
        }
    }
}

/// Newest first.
pub async fn list(call: Call<Walk<AlertFilter>>) -> Result<Listing<AlertBody>, Problem> {
    let AlertFilter { team_id, kind, state } = &call.query.filter;
    let (own, wanted) = (call.caller.reach.team(), team_id.map(TeamId));
    let rows = if wanted.is_some() && !call.caller.reach.covers(wanted) {
        Vec::new()
    } else {
        let filter = Filter { team: own.or(wanted), kind: kind.clone(), state: state.map(Into::into) };
        let page = call.query.page();
        call.read(move |conn| alert::list(conn, &filter, &page)).await?
    };
    let key = |row: &Alert| (row.at_ms, row.id.to_string());
    Ok(call.query.listing(&call.admin().secrets.cursors, rows, key, AlertBody::new))
}

pub async fn show(call: Call) -> Result<Shown<AlertBody>, Problem> {
    let (id, own) = (call.id("id")?, call.caller.reach.team());
    Ok(shown(&found(call.read(move |conn| alert::find(conn, id, own)).await?)?))
}

fn shown(alert: &Alert) -> Shown<AlertBody> {
    Shown { body: AlertBody::new(alert), version: alert.version }
}

/// What somebody has looked at is looked at once: the next one is told who it was.
pub async fn acknowledge(call: Call) -> Result<Recorded<Shown<AlertBody>>, Problem> {
    let (id, own): (Uuid, _) = (call.id("id")?, call.caller.reach.team());
    let (actor, now_ms) = (call.caller.actor.id, call.now_ms());
    call.change("alert.acknowledge", move |conn| {
        let before = found(alert::find(conn, id, own)?)?;
        if let Some(by) = &before.acknowledged_by {
            return Err(Problem::new(Kind::Conflict, format!("`{by}` has acknowledged it already")).into());
        }
        let by = trail::known_by(conn, actor)?;
        match alert::acknowledge(conn, &before, &by, now_ms)? {
            Changed::Unknown => Err(Kind::NotFound.into()),
            Changed::Stale => Err(Kind::Stale.into()),
            Changed::Now(after) => {
                let change = Change::of("alert", id, after.team, shown(&after));
                Ok(change.from(&AlertBody::new(&before)).to(&AlertBody::new(&after)))
            }
        }
    })
    .await
}
