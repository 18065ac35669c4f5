//! The audit trail, to be read and taken away; nothing here changes it.
//!
//! A team's auditors see their team's rows. The chain goes through everybody's rows, so its anchors are the
//! platform's.

mod export;
mod verify;

use nexus_core::{id::TeamId, role::Reach};
use nexus_store::repo::audit::{self, Anchor, Filter, Order, Outcome, Recorded, SeqPage};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

pub use self::{export::export, verify::verify};
use super::{
    answer::Told,
    call::{Call, found},
    problem::Problem,
    query::{Listing, Walk},
};

/// How something ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = AuditOutcome)]
pub enum OutcomeWord {
    Ok,
    Denied,
    Failed,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct AuditFilter {
    /// What the team and its things were done to and by.
    #[param(nullable = false)]
    team_id: Option<Uuid>,
    /// Who did it.
    #[param(nullable = false)]
    actor_id: Option<Uuid>,
    /// How the action begins: `key.` for everything done to keys.
    #[param(nullable = false, max_length = 100)]
    action: Option<String>,
    #[param(nullable = false, max_length = 100)]
    target_kind: Option<String>,
    #[param(nullable = false, max_length = 200)]
    target_id: Option<String>,
    /// The first second that counts, Unix time.
    #[param(nullable = false, minimum = 0, maximum = 253_402_300_799_i64)]
    from: Option<i64>,
    /// The first second that counts no more, Unix time.
    #[param(nullable = false, minimum = 0, maximum = 253_402_300_799_i64)]
    to: Option<i64>,
    #[param(nullable = false, inline)]
    outcome: Option<OutcomeWord>,
}

impl AuditFilter {
    /// The rows that are wanted and that the caller may see; none where no row can be both.
    pub(super) fn within(&self, reach: Reach) -> Option<Filter> {
        let wanted = self.team_id.map(TeamId);
        if wanted.is_some_and(|wanted| !reach.covers(Some(wanted))) {
            return None;
        }
        let millis = |at_s: i64| at_s.saturating_mul(1000);
        Some(Filter {
            team: reach.team().or(wanted),
            actor: self.actor_id.map(|id| id.to_string()),
            action_prefix: self.action.clone(),
            target_kind: self.target_kind.clone(),
            target_id: self.target_id.clone(),
            from_ms: self.from.map(millis),
            to_ms: self.to.map(millis),
            outcome: self.outcome.map(|outcome| match outcome {
                OutcomeWord::Ok => Outcome::Ok,
                OutcomeWord::Denied => Outcome::Denied,
                OutcomeWord::Failed => Outcome::Failed,
            }),
            is_revision: false,
        })
    }
}

/// A row of the trail.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditRow)]
pub struct AuditBody {
    /// Counts from 1 without a gap.
    pub seq: i64,
    /// Unix seconds.
    pub at: i64,
    /// `key`, `user`, `cli`, `system` or `unknown`.
    pub actor_kind: String,
    pub actor_id: Option<String>,
    pub actor_name: String,
    pub team_id: Option<String>,
    /// The kind of thing and what was done to it, such as `key.create`.
    pub action: String,
    pub target_kind: Option<String>,
    pub target_id: Option<String>,
    /// The thing as it was.
    #[schema(value_type = Option<Object>)]
    pub before: Option<Box<RawValue>>,
    /// The thing as it is since.
    #[schema(value_type = Option<Object>)]
    pub after: Option<Box<RawValue>>,
    pub address: Option<String>,
    pub request_id: Option<String>,
    /// `ok`, `denied` or `failed`.
    pub outcome: String,
    pub detail: Option<String>,
    /// Hex SHA-256 over the row and the hash of the one before.
    pub hash: String,
}

impl AuditBody {
    fn new(row: &Recorded) -> Self {
        let json = |text: &Option<String>| text.clone().and_then(|text| RawValue::from_string(text).ok());
        Self {
            seq: row.seq,
            at: row.at.div_euclid(1000),
            actor_kind: row.actor_kind.clone(),
            actor_id: row.actor_id.clone(),
            actor_name: row.actor_name.clone(),
            team_id: row.team_id.clone(),
            action: row.action.clone(),
            target_kind: row.target_kind.clone(),
            target_id: row.target_id.clone(),
            before: json(&row.before),
            after: json(&row.after),
            address: row.address.clone(),
            request_id: row.request_id.clone(),
            outcome: row.outcome.clone(),
            detail: row.detail.clone(),
            hash: row.hash.clone(),
        }
    }
}

/// Newest first.
pub async fn list(call: Call<Walk<AuditFilter>>) -> Result<Listing<AuditBody>, Problem> {
    let rows = match call.query.filter.within(call.caller.reach) {
        None => Vec::new(),
        Some(filter) => {
            let page = call.query.page();
            let after = page.after.map(|(seq, _)| seq);
            let page = SeqPage { after, order: Order::NewestFirst, limit: page.limit };
            call.read(move |conn| audit::list(conn, &filter, page)).await?
        }
    };
    let key = |row: &Recorded| (row.seq, String::new());
    Ok(call.query.listing(&call.admin().secrets.cursors, rows, key, AuditBody::new))
}

/// How far the trail had come on a day; to be kept where the database's owner cannot write.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditAnchor)]
pub struct AnchorBody {
    /// `yyyy-mm-dd`, UTC.
    pub day: String,
    pub last_seq: i64,
    /// Hex.
    pub last_hash: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditAnchors)]
pub struct AnchorList {
    /// One a day, oldest first; the last is of the day that is not over.
    pub data: Vec<AnchorBody>,
}

pub async fn anchors(call: Call) -> Result<Told<AnchorList>, Problem> {
    found(call.caller.reach.team().is_none().then_some(()))?;
    let anchors = call.read(audit::anchors).await?;
    let body = |Anchor { day, last_seq, last_hash }| AnchorBody { day, last_seq, last_hash };
    Ok(Told(AnchorList { data: anchors.into_iter().map(body).collect() }))
}
