//! What is usual of keys and teams, kept so that a restart need not learn it anew.

use diesel::{ExpressionMethods, Insertable, QueryDsl, Queryable, RunQueryDsl, dsl::delete};
use nexus_core::{
    anomaly::{WATCHED_MAX, Watched},
    id::Uuid,
};

use crate::{
    connection::AnyConnection,
    error::StoreError,
    row::{Reading, readable},
    schema::usage_baselines,
    upsert,
};

/// What is usual of one, in the bytes of whoever watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    pub watched: Watched,
    /// When it was seen last, in Unix milliseconds.
    pub seen_at_ms: i64,
    pub state: Vec<u8>,
}

#[derive(Queryable, Insertable)]
#[diesel(table_name = usage_baselines, treat_none_as_default_value = false)]
pub(crate) struct BaselineRow {
    watched: String,
    team_id: Option<String>,
    seen_at: i64,
    state: Vec<u8>,
}

const KEY: &str = "key:";
const TEAM: &str = "team:";

impl BaselineRow {
    fn read(self) -> Result<Kept, StoreError> {
        let row = Reading { table: "usage_baselines", id: &self.watched };
        let team = row.id_or_none("team_id", self.team_id.as_deref())?;
        let watched = match (self.watched.strip_prefix(KEY), self.watched.strip_prefix(TEAM)) {
            (Some(key), _) => Watched::Key(row.id("watched", key)?, team),
            (None, Some(team)) => Watched::Team(row.id("watched", team)?),
            (None, None) => return Err(row.problem("watched", "is neither a key nor a team")),
        };
        Ok(Kept { watched, seen_at_ms: self.seen_at, state: self.state })
    }
}

impl From<&Kept> for BaselineRow {
    fn from(kept: &Kept) -> Self {
        let name = |word: &str, id: Uuid| format!("{word}{id}");
        let (watched, team_id) = match kept.watched {
            Watched::Key(key, team) => (name(KEY, key.0), team.map(|team| team.to_string())),
            Watched::Team(team) => (name(TEAM, team.0), None),
        };
        Self { watched, team_id, seen_at: kept.seen_at_ms, state: kept.state.clone() }
    }
}

/// Keeps what is usual of some, in the place of what was kept of them before.
pub fn keep(conn: &mut AnyConnection, kept: &[Kept]) -> Result<(), StoreError> {
    Ok(kept.iter().try_for_each(|one| upsert::keep_baseline(conn, &BaselineRow::from(one)))?)
}

/// What is kept, of those who were seen last first, as many as are watched; damaged rows are logged and left out.
pub fn list(conn: &mut AnyConnection) -> Result<Vec<Kept>, StoreError> {
    let most = i64::try_from(WATCHED_MAX).unwrap_or(i64::MAX);
    let rows = usage_baselines::table.order(usage_baselines::seen_at.desc()).limit(most).load(conn)?;
    Ok(readable(rows, BaselineRow::read))
}

/// Forgets who was not seen since this moment.
pub fn forget(conn: &mut AnyConnection, before_ms: i64) -> Result<(), StoreError> {
    delete(usage_baselines::table.filter(usage_baselines::seen_at.lt(before_ms))).execute(conn)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use nexus_core::id::{KeyId, TeamId};

    use super::*;
    use crate::{exec::Store, sample};

    #[test]
    fn what_is_kept_of_somebody_last_is_found_until_it_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        let (key, team) = (KeyId(sample::uuid(1)), TeamId(sample::uuid(2)));
        let kept = |watched, seen_at_ms| Kept { watched, seen_at_ms, state: vec![0, 255, seen_at_ms as u8] };
        let first = kept(Watched::Key(key, Some(team)), 5);
        let [again, other] = [kept(first.watched, 9), kept(Watched::Team(team), 7)];
        let all = [first, again.clone(), other.clone()];
        store.write_blocking(|conn| keep(conn, &all)).unwrap();
        assert_eq!(store.read_blocking(list).unwrap(), [again.clone(), other]);
        store.write_blocking(|conn| forget(conn, 8)).unwrap();
        assert_eq!(store.read_blocking(list).unwrap(), [again]);
    }
}
