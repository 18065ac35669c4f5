//! The nodes of the installation, as each says of itself.

use std::sync::Arc;

use nexus_core::id::Uuid;
use nexus_store::repo::{
    job,
    node::{self, GONE_MS},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    call::Call,
    problem::Problem,
    query::{Listing, Unfiltered, Walk},
};

/// A node, from its start to its end.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Node)]
pub struct NodeBody {
    pub id: Uuid,
    pub name: String,
    /// `all`: it serves applications and administration, and does what one node does.
    pub role: String,
    pub zone: Option<String>,
    pub version: String,
    /// The revision it had in force when it was last heard of.
    pub world_revision: i64,
    /// The newer revision that it could not put in force: the one before stands there. Its log says why.
    pub refused_revision: Option<i64>,
    /// Requests under way then.
    pub requests_in_flight: i64,
    /// Whether it was heard of lately. One that ended in order is not listed; one that is gone is for a day.
    pub is_here: bool,
    /// Whether it is the one that answers.
    pub is_this: bool,
    /// What it alone does for all of them.
    pub jobs: Vec<String>,
    /// Unix seconds.
    pub started_at: i64,
    /// Unix seconds.
    pub seen_at: i64,
}

/// Those that began first in front.
pub async fn list(call: Call<Walk<Unfiltered>>) -> Result<Listing<NodeBody>, Problem> {
    let page = call.query.page();
    let ((rows, now_ms), jobs) =
        call.read(move |conn| Ok((node::page(conn, &page)?, job::list(conn)?))).await?;
    let this = Arc::clone(&call.admin().presence).id();
    let body = |row: &node::Node| NodeBody {
        id: row.id.parse().unwrap_or_default(),
        name: row.name.clone(),
        role: row.role.clone(),
        zone: row.zone.clone(),
        version: row.version.clone(),
        world_revision: row.revision,
        refused_revision: row.refused_revision,
        requests_in_flight: row.in_flight,
        is_here: row.seen_at > now_ms.saturating_sub(GONE_MS),
        is_this: row.id == this.to_string(),
        jobs: jobs.iter().filter(|(_, node)| *node == row.id).map(|(job, _)| job.clone()).collect(),
        started_at: row.started_at.div_euclid(1000),
        seen_at: row.seen_at.div_euclid(1000),
    };
    Ok(call.query.listing(&call.admin().secrets.cursors, rows, |row| (row.started_at, row.id.clone()), body))
}
