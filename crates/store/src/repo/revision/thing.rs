//! What a row is a thing of: what goes with it when it is put back or taken away as much as when somebody does so.

use diesel::{QueryDsl, RunQueryDsl, dsl::delete as delete_from};
use nexus_core::id::Uuid;
use serde_json::Value;

use super::undo::Undone;
use crate::{
    connection::AnyConnection,
    error::StoreError,
    repo::{
        content, credential, key, price, provider, quota, route, rule, team, user, user_session, webhook,
    },
    schema::{prices, settings},
};

/// Takes a thing away that a revision made; what belongs to it by now is in the way.
pub(super) fn delete(conn: &mut AnyConnection, table: &str, id: &str) -> Result<(), StoreError> {
    let uuid: Uuid = id.parse().unwrap_or_default();
    match table {
        "teams" => team::delete(conn, uuid.into()).map(drop),
        "users" => user::delete(conn, uuid.into(), None).map(drop),
        "service_providers" => provider::delete(conn, uuid.into()).map(drop),
        "provider_credentials" => credential::delete(conn, uuid.into()).map(drop),
        "model_routes" => route::delete(conn, uuid.into()).map(drop),
        "routing_rules" => rule::delete(conn, uuid.into()).map(drop),
        "quotas" => quota::delete(conn, uuid).map(drop),
        "webhooks" => webhook::delete(conn, uuid).map(drop),
        "prices" => Ok(delete_from(prices::table.find(id)).execute(conn).map(drop)?),
        "settings" => Ok(delete_from(settings::table.find(id)).execute(conn).map(drop)?),
        _ => Err(StoreError::Conflict(format!("`{id}` of `{table}` cannot be taken away"))),
    }
}

/// Does what goes with a row that was put back, and holds it to what every row is held to.
/// [`StoreError::Conflict`] where it cannot be read: then it must not stand.
pub(super) fn look_after(conn: &mut AnyConnection, row: &Undone, now_ms: i64) -> Result<(), StoreError> {
    let uuid: Uuid = row.id.parse().unwrap_or_default();
    match row.table {
        // whoever is signed in has to prove anew what he is now
        "users" => {
            user_session::revoke_all(conn, uuid.into(), None, now_ms)?;
        }
        // what is not to be kept any more is erased
        "teams"
            if row.after.as_ref().and_then(|row| row.get("content_ttl_seconds")) == Some(&Value::Null) =>
        {
            content::destroy_key(conn, uuid.into(), content::Purpose::Content, now_ms)?;
        }
        _ => {}
    }
    read(conn, row.table, uuid).map_err(|error| match error {
        StoreError::Corrupt { table, id, column, problem } => StoreError::Conflict(format!(
            "`{id}` of `{table}` would be unreadable: `{column}` {problem}; change the thing itself"
        )),
        error => error,
    })
}

fn read(conn: &mut AnyConnection, table: &str, id: Uuid) -> Result<(), StoreError> {
    match table {
        "teams" => team::show(conn, id.into(), None).map(drop),
        "keys" => key::show(conn, id.into(), None).map(drop),
        "users" => user::show(conn, id.into(), None).map(drop),
        "service_providers" => provider::show(conn, id.into()).map(drop),
        "provider_credentials" => credential::show(conn, id.into()).map(drop),
        "model_routes" => route::show(conn, id.into()).map(drop),
        "routing_rules" => rule::show(conn, id.into()).map(drop),
        "prices" => price::show(conn, id).map(drop),
        "quotas" => quota::show(conn, id, None).map(drop),
        "webhooks" => webhook::show(conn, id).map(drop),
        _ => Ok(()),
    }
}
