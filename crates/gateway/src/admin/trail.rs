//! What the administration writes into the audit trail: who, from where, and what became of it.

use std::net::IpAddr;

use nexus_core::{
    id::{RequestId, TeamId},
    role::{Actor, ActorId},
};
use nexus_store::{
    AnyConnection, StoreError,
    repo::{
        audit::{self, Entry, Outcome},
        key, user,
    },
};

use super::gate::Caller;
use crate::worker::Worker;

/// Who did it, as far as it is proven.
#[derive(Clone, Copy, Debug)]
pub struct Who {
    pub id: ActorId,
    pub team: Option<TeamId>,
    pub address: Option<IpAddr>,
    pub request: RequestId,
}

impl From<&Caller> for Who {
    fn from(caller: &Caller) -> Self {
        let Actor { id, team, .. } = caller.actor;
        Self { id, team, address: caller.address, request: caller.request }
    }
}

impl Who {
    /// The beginning of an entry: everything that does not depend on what was done.
    pub fn entry(self, conn: &mut AnyConnection, action: &'static str) -> Result<Entry, StoreError> {
        Ok(Entry {
            actor: Some(self.id),
            actor_name: name(conn, self.id)?,
            team: self.team,
            action,
            target: None,
            before: None,
            after: None,
            address: self.address.map(|address| address.to_string()),
            request_id: Some(self.request.to_string()),
            outcome: Outcome::Ok,
            detail: None,
        })
    }
}

/// What people know the actor by; its id where it has no name.
pub fn known_by(conn: &mut AnyConnection, actor: ActorId) -> Result<String, StoreError> {
    let name = name(conn, actor)?;
    Ok(match actor {
        ActorId::Key(id) if name.is_empty() => id.to_string(),
        ActorId::User(id) if name.is_empty() => id.to_string(),
        _ => name,
    })
}

/// What people know the actor by; empty where the row is gone.
fn name(conn: &mut AnyConnection, actor: ActorId) -> Result<String, StoreError> {
    Ok(match actor {
        ActorId::Key(id) => key::show(conn, id, None)?.map(|key| key.name).unwrap_or_default(),
        ActorId::User(id) => user::show(conn, id, None)?.map(|user| user.email).unwrap_or_default(),
        ActorId::Console | ActorId::System => String::new(),
    })
}

/// Writes that somebody was refused. Where the database is away the refusal stands all the same.
pub async fn denied(worker: &Worker, who: Who, action: &'static str, detail: String) {
    let now_ms = worker.engine.shared.clock.unix_ms();
    let written = worker.admin.store.write(move |conn| {
        let entry = who.entry(conn, action)?;
        audit::append(conn, &Entry { outcome: Outcome::Denied, detail: Some(detail), ..entry }, now_ms)
    });
    if let Err(error) = written.await {
        tracing::error!(%error, request = %who.request, "a refusal is not in the audit trail");
    }
}
