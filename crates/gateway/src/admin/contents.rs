//! What requests and their answers said, of teams that want it kept: to be read by few, and to be erased.
//!
//! Whoever reads it stands in the audit trail before it is shown.

use std::sync::Arc;

use nexus_core::id::{RequestId, TeamId, Uuid};
use nexus_store::repo::{
    Removed,
    content::{self, Found, Purpose},
    team,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    answer::{Gone, Recorded, Told},
    call::{Call, found},
    change::{self, Change},
    problem::{Kind, Problem},
    trail::Who,
};
use crate::contents::{Said, opened};

/// What a request and its answer said.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Content)]
pub struct ContentBody {
    request_id: Uuid,
    team_id: Uuid,
    /// When the request was made, Unix seconds.
    at: i64,
    /// Unix seconds.
    expires_at: i64,
    /// The client's body.
    prompt: String,
    /// The body of the answer as the client was given it; of a stream, its events.
    answer: String,
    /// Whether either was longer.
    is_cut: bool,
}

/// Whether what a request said is kept, for those who may see the request and not what it said.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = KeptContent)]
pub struct KeptBody {
    /// Unix seconds.
    expires_at: i64,
    /// Of the prompt and the answer.
    bytes: u64,
    is_cut: bool,
}

impl From<Found> for KeptBody {
    fn from(found: Found) -> Self {
        let Found { content, expires_at_ms, .. } = found;
        Self { expires_at: expires_at_ms.div_euclid(1000), bytes: content.bytes, is_cut: content.is_cut }
    }
}

pub async fn show(call: Call) -> Result<Told<ContentBody>, Problem> {
    let (id, own, now_ms) = (call.id::<RequestId>("id")?, call.caller.reach.team(), call.now_ms());
    let vault = Arc::clone(&call.admin().vault);
    let who = Who::from(&call.caller);
    // no change: an `Idempotency-Key` would keep what is shown
    let body = change::alone(call.worker(), who, "content.read", now_ms, move |conn| {
        let kept = found(content::find(conn, id, own, now_ms)?)?;
        let (at_ms, expires_at_ms, is_cut) = (kept.content.at_ms, kept.expires_at_ms, kept.content.is_cut);
        let TeamId(team_id) = kept.key.team;
        let Said { prompt, answer } = opened(&vault, kept).ok_or(Kind::NotFound)?;
        let body = ContentBody {
            request_id: id.0,
            team_id,
            at: at_ms.div_euclid(1000),
            expires_at: expires_at_ms.div_euclid(1000),
            prompt,
            answer,
            is_cut,
        };
        Ok(Change::of("content", id, Some(TeamId(team_id)), body))
    });
    Ok(Told(body.await?))
}

pub async fn delete(call: Call) -> Result<Recorded<Gone>, Problem> {
    let (id, own, now_ms) = (call.id::<RequestId>("id")?, call.caller.reach.team(), call.now_ms());
    call.change("content.delete", move |conn| {
        let team = found(content::find(conn, id, own, now_ms)?)?.key.team;
        content::delete(conn, id)?;
        Ok(Change::of("content", id, Some(team), Gone))
    })
    .await
}

/// What the team's requests say from now on is kept as before.
pub async fn erase(call: Call) -> Result<Recorded<Gone>, Problem> {
    let (id, own, now_ms) = (call.id::<TeamId>("id")?, call.caller.reach.team(), call.now_ms());
    call.change("content.erase", move |conn| {
        found(team::show(conn, id, own)?)?;
        let destroyed =
            [Purpose::Content, Purpose::Shelf].map(|purpose| content::destroy_key(conn, id, purpose, now_ms));
        if destroyed.into_iter().collect::<Result<Vec<_>, _>>()?.iter().all(|one| *one == Removed::Unknown) {
            return Err(Problem::new(Kind::NotFound, "nothing of this team is kept").into());
        }
        Ok(Change::of("content", id, Some(id), Gone))
    })
    .await
}
