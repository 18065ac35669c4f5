//! Who may do what, as the world has it: the teams and keys about which there is something to say.
//!
//! Whatever cannot be read of a team or a key refuses it: no bound is ever lost to a damaged row.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use diesel::{BoolExpressionMethods, ExpressionMethods, QueryDsl, Queryable, RunQueryDsl};
use nexus_core::{
    anomaly::throttle::Throttle,
    flow::{Bounds, Limits},
    id::{KeyId, TeamId},
    limit::RateLimit,
    principal::Level,
    role::Role,
    snapshot::{KeyPolicy, OpaqueKey, ShieldMode, Signing, Snapshot, TeamPolicy},
};

use super::kept;
use crate::{
    connection::AnyConnection,
    error::StoreError,
    repo::{anomaly, key},
    row::{Reading, readable},
    schema::{keys, teams},
};

/// Longer than any session key lives.
const SESSIONS_END_MS: i64 = 2 * 86_400_000;

/// The word of the open scope in rows.
const OPEN: &str = "{}";

/// Requests a minute, tokens a minute, requests at once.
type BoundsRow = (Option<i64>, Option<i64>, Option<i64>);

type TeamRow = (String, bool, String, String, BoundsRow, Option<i64>, bool);

fn read_bounds(row: Reading<'_>, (requests, tokens, concurrent): BoundsRow) -> Result<Bounds, StoreError> {
    row.bounds(requests, tokens, concurrent)
}

/// The teams' policies, and the teams whose keys are all refused.
pub(super) fn teams(
    conn: &mut AnyConnection,
    previous: Option<&Snapshot>,
) -> Result<(HashMap<TeamId, TeamPolicy>, HashSet<TeamId>), StoreError> {
    let bounds = (teams::rate_limit, teams::token_limit, teams::max_concurrent);
    let columns = (
        teams::id,
        teams::is_active,
        teams::scope,
        teams::shield,
        bounds,
        teams::content_ttl_seconds,
        teams::raw_relay,
    );
    let rows: Vec<TeamRow> = teams::table.select(columns).load(conn)?;
    let (mut policies, mut disabled) = (HashMap::new(), HashSet::new());
    let read = |(id, is_active, scope, shield, bounds, content_ttl, raw_relay): TeamRow| {
        let row = Reading { table: "teams", id: &id };
        let team: TeamId = row.id("id", &id)?;
        let policy = row.scope("scope", &scope).and_then(|scope| {
            let shield = row.word("shield", &shield, ShieldMode::from_word)?;
            let earlier = previous.and_then(|world| world.teams.get(&team)).map(|policy| &policy.limits);
            let limits = kept(read_bounds(row, bounds)?, earlier);
            Ok(TeamPolicy { scope, shield, limits, keeps_content: content_ttl.is_some(), raw_relay })
        });
        Ok((team, is_active, policy))
    };
    for (team, is_active, policy) in readable(rows, read) {
        let policy = understood(policy);
        if !is_active || policy.is_none() {
            disabled.insert(team);
        }
        policies
            .extend(policy.filter(|policy| *policy != TeamPolicy::default()).map(|policy| (team, policy)));
    }
    Ok((policies, disabled))
}

/// Revoked keys that have not expired: the expired ones are refused without us. A key in short form is
/// unknown once it is revoked and is kept only as long as session keys made from it can live.
pub(super) fn revoked_keys(conn: &mut AnyConnection, now_ms: i64) -> Result<HashSet<KeyId>, StoreError> {
    use keys::dsl as row;
    let recently = now_ms.saturating_sub(SESSIONS_END_MS);
    let ids: Vec<String> = row::keys
        .filter(row::revoked_at.is_not_null())
        .filter(row::expires_at.is_null().or(row::expires_at.gt(now_ms)))
        .filter(row::form.ne(key::OPAQUE).or(row::revoked_at.gt(recently)))
        .select(row::id)
        .load(conn)?;
    Ok(readable(ids, |id| Reading { table: "keys", id: &id }.id("id", &id)).into_iter().collect())
}

#[derive(Queryable)]
struct PolicyRow {
    id: String,
    scope: String,
    role: Option<String>,
    signing: String,
    signing_generation: i64,
    is_disabled: bool,
    retires_at: Option<i64>,
    bounds: BoundsRow,
}

impl PolicyRow {
    fn read(&self, row: Reading<'_>, earlier: Option<&Limits>) -> Result<KeyPolicy, StoreError> {
        let role = self.role.as_deref().map(|role| row.word("role", role, Role::from_word)).transpose()?;
        Ok(KeyPolicy {
            scope: row.scope("scope", &self.scope)?,
            role,
            signing: row.word("signing", &self.signing, Signing::from_word)?,
            signing_generation: row.small("signing_generation", self.signing_generation)?,
            is_disabled: self.is_disabled,
            retires_at_ms: self.retires_at,
            limits: kept(read_bounds(row, self.bounds)?, earlier),
        })
    }
}

/// The policies of keys that are neither revoked nor expired and differ from what every key may, or whose
/// tokens want them known.
///
/// A session key's token says itself what its row said when it was made; only one that was changed since
/// is here.
pub(super) fn policies(
    conn: &mut AnyConnection,
    previous: Option<&Snapshot>,
    now_ms: i64,
) -> Result<HashMap<KeyId, Arc<KeyPolicy>>, StoreError> {
    use keys::dsl as row;
    let has_bounds = row::scope.ne(OPEN).or(row::role.is_not_null());
    let is_signed = row::signing.ne(Signing::Off.as_str());
    let may_end = row::is_disabled.eq(true).or(row::retires_at.is_not_null());
    let is_limited = row::rate_limit
        .is_not_null()
        .or(row::token_limit.is_not_null())
        .or(row::max_concurrent.is_not_null());
    let rows: Vec<PolicyRow> = row::keys
        .filter(row::revoked_at.is_null())
        .filter(row::expires_at.is_null().or(row::expires_at.gt(now_ms)))
        .filter(row::level.ne(Level::Session.as_str()).or(row::version.gt(1)))
        .filter(has_bounds.or(is_signed).or(may_end).or(is_limited).or(row::is_bound.eq(true)))
        .select((
            row::id,
            row::scope,
            row::role,
            row::signing,
            row::signing_generation,
            row::is_disabled,
            row::retires_at,
            (row::rate_limit, row::token_limit, row::max_concurrent),
        ))
        .load(conn)?;
    let read = |stored: PolicyRow| {
        let row = Reading { table: "keys", id: &stored.id };
        let id = row.id("id", &stored.id)?;
        let earlier = previous.and_then(|world| world.keys.get(&id)).map(|policy| &policy.limits);
        Ok((id, stored.read(row, earlier)))
    };
    let refused = || KeyPolicy { is_disabled: true, ..KeyPolicy::default() };
    let policies = readable(rows, read).into_iter();
    Ok(policies.map(|(key, policy)| (key, Arc::new(understood(policy).unwrap_or_else(refused)))).collect())
}

/// The keys that are held to fewer requests for a while; of several limits of one key the tightest.
pub(super) fn throttles(
    conn: &mut AnyConnection,
    previous: Option<&Snapshot>,
    now_ms: i64,
) -> Result<HashMap<KeyId, Throttle>, StoreError> {
    let mut throttles: HashMap<KeyId, Throttle> = HashMap::new();
    for (key, held) in anomaly::throttled(conn, now_ms)? {
        let per_minute = held.requests_per_minute;
        if throttles.get(&key).is_some_and(|tighter| tighter.requests.per_minute() <= per_minute) {
            continue;
        }
        let earlier = previous.and_then(|world| world.throttles.get(&key)).map(|held| &held.requests);
        let earlier = earlier.filter(|earlier| earlier.per_minute() == per_minute).cloned();
        let requests = earlier.unwrap_or_else(|| Arc::new(RateLimit::new(per_minute)));
        throttles.insert(key, Throttle { requests, until_ms: held.until_ms });
    }
    Ok(throttles)
}

#[derive(Queryable)]
struct OpaqueRow {
    id: String,
    digest: Option<String>,
    level: String,
    team_id: Option<String>,
    expires_at: Option<i64>,
}

impl OpaqueRow {
    fn read(self) -> Result<([u8; 32], OpaqueKey), StoreError> {
        let row = Reading { table: "keys", id: &self.id };
        let digest = self.digest.as_deref().and_then(key::digest);
        let digest = digest.ok_or_else(|| row.problem("digest", "is no digest"))?;
        let key = OpaqueKey {
            key: row.id("id", &self.id)?,
            level: row.word("level", &self.level, Level::from_word)?,
            team: row.id_or_none("team_id", self.team_id.as_deref())?,
            expires_at_ms: self.expires_at,
        };
        Ok((digest, key))
    }
}

/// Keys in short form that are neither revoked nor expired; any other is unknown.
pub(super) fn opaque_keys(
    conn: &mut AnyConnection,
    now_ms: i64,
) -> Result<HashMap<[u8; 32], OpaqueKey>, StoreError> {
    use keys::dsl as row;
    let rows = row::keys
        .filter(row::form.eq(key::OPAQUE))
        .filter(row::revoked_at.is_null())
        .filter(row::expires_at.is_null().or(row::expires_at.gt(now_ms)))
        .select((row::id, row::digest, row::level, row::team_id, row::expires_at));
    Ok(readable(rows.load(conn)?, OpaqueRow::read).into_iter().collect())
}

/// The policy, where it could be read; why not is logged.
fn understood<T>(policy: Result<T, StoreError>) -> Option<T> {
    policy.inspect_err(|error| tracing::error!(%error, "what it belongs to is refused")).ok()
}

#[cfg(test)]
mod tests;
