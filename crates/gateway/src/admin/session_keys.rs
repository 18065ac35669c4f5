//! Session keys: made by an application with its own key, listed and revoked here.
//!
//! A session key bears its bounds in itself and is bounded by its parent's and its team's besides; it never
//! outlives its parent.

pub mod issuing;

use nexus_core::{
    id::{KeyId, TeamId},
    principal::Level,
};
use nexus_store::repo::key::{self, Key};
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::{
    answer::{Gone, Recorded, Shown},
    call::{Call, found},
    change::Change,
    keys::{self, KeyBody},
    problem::Problem,
    query::{Listing, Walk},
    words::StateWord,
};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct SessionKeyFilter {
    /// Session keys of this team only.
    #[param(nullable = false)]
    team_id: Option<Uuid>,
    /// Session keys made from this key only.
    #[param(nullable = false)]
    parent_id: Option<Uuid>,
    #[param(nullable = false, inline)]
    state: Option<StateWord>,
}

/// Oldest first.
pub async fn list(call: Call<Walk<SessionKeyFilter>>) -> Result<Listing<KeyBody>, Problem> {
    let SessionKeyFilter { team_id, parent_id, state } = call.query.filter;
    let filter = key::Filter {
        team: team_id.map(TeamId),
        level: Some(Level::Session),
        parent: parent_id.map(KeyId),
        state: state.map(Into::into),
    };
    keys::page(&call, filter).await
}

pub async fn show(call: Call) -> Result<Shown<KeyBody>, Problem> {
    let (id, own, now_ms) = (call.id("id")?, call.caller.reach.team(), call.now_ms());
    let key = call.read(move |conn| keys::read(conn, id, own, now_ms)).await?;
    let (key, body) = found(key.filter(is_session))?;
    Ok(Shown { body, version: key.version })
}

fn is_session((key, _): &(Key, KeyBody)) -> bool {
    key.level == Level::Session
}

/// Refuses the key from now on; it stays known for a while.
pub async fn revoke(call: Call) -> Result<Recorded<Gone>, Problem> {
    let (id, own, now_ms): (KeyId, _, _) = (call.id("id")?, call.caller.reach.team(), call.now_ms());
    call.change("session_key.revoke", move |conn| {
        let (key, before) = found(keys::read(conn, id, own, now_ms)?.filter(is_session))?;
        key::revoke(conn, id, own, now_ms)?;
        let (_, after) = found(keys::read(conn, id, own, now_ms)?)?;
        Ok(Change::of("session_key", id, key.team, Gone).from(&before).to(&after))
    })
    .await
}
