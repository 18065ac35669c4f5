//! Who has made what at which provider. What is somebody's stays theirs until it is deleted.

use diesel::{
    ExpressionMethods, Insertable, QueryDsl, Queryable, RunQueryDsl,
    dsl::{count_star, delete},
};
use nexus_core::{
    id::{CredentialId, ProviderId, TeamId},
    resource::{Home, Owned},
};

use crate::{connection::AnyConnection, error::StoreError, row::Reading, schema::owned_resources, upsert};

/// How many ids one statement looks for.
const AT_ONCE: usize = 256;

#[derive(Queryable, Insertable)]
#[diesel(table_name = owned_resources)]
pub(crate) struct OwnedRow {
    kind: String,
    resource_id: String,
    provider_id: String,
    credential_id: String,
    team_id: String,
    key_id: String,
    made_at: i64,
}

impl OwnedRow {
    fn of(owned: &Owned) -> Self {
        Self {
            kind: owned.kind.to_string(),
            resource_id: owned.id.to_string(),
            provider_id: owned.home.provider.to_string(),
            credential_id: text(owned.home.credential),
            team_id: text(owned.team),
            key_id: owned.key.to_string(),
            made_at: owned.made_at_ms,
        }
    }

    fn read(self) -> Result<Owned, StoreError> {
        let row = Reading { table: "owned_resources", id: &self.resource_id };
        Ok(Owned {
            home: Home {
                provider: row.id("provider_id", &self.provider_id)?,
                credential: credential(&row, &self.credential_id)?,
            },
            team: match self.team_id.as_str() {
                "" => None,
                team => Some(row.id("team_id", team)?),
            },
            key: row.id("key_id", &self.key_id)?,
            made_at_ms: self.made_at,
            kind: self.kind.into(),
            id: self.resource_id.clone().into(),
        })
    }
}

fn credential(row: &Reading<'_>, text: &str) -> Result<Option<CredentialId>, StoreError> {
    if text.is_empty() { Ok(None) } else { row.id("credential_id", text).map(Some) }
}

/// An id, or the empty text where there is none.
fn text(id: Option<impl ToString>) -> String {
    id.map_or_else(String::new, |id| id.to_string())
}

/// Whatever is known of these ids, of every kind and team.
pub fn find(conn: &mut AnyConnection, ids: &[String]) -> Result<Vec<Owned>, StoreError> {
    let mut found = Vec::new();
    for ids in ids.chunks(AT_ONCE) {
        let rows: Vec<OwnedRow> =
            owned_resources::table.filter(owned_resources::resource_id.eq_any(ids)).load(conn)?;
        for row in rows {
            found.push(row.read()?);
        }
    }
    Ok(found)
}

/// Makes things somebody's; what is somebody's already stays theirs.
pub fn keep(conn: &mut AnyConnection, owned: &[Owned]) -> Result<(), StoreError> {
    for owned in owned {
        upsert::insert_owned(conn, &OwnedRow::of(owned))?;
    }
    Ok(())
}

/// A thing is gone.
pub fn forget(conn: &mut AnyConnection, kind: &str, id: &str, home: Home) -> Result<(), StoreError> {
    let key = (id, kind, home.provider.to_string());
    delete(owned_resources::table.find(key)).execute(conn)?;
    Ok(())
}

/// Where a team has things of a kind, and how many; in the order of where that is.
pub fn homes(
    conn: &mut AnyConnection,
    kind: &str,
    team: Option<TeamId>,
) -> Result<Vec<(Home, u64)>, StoreError> {
    use owned_resources::dsl as c;
    let rows: Vec<(String, String, i64)> = c::owned_resources
        .filter(c::team_id.eq(text(team)))
        .filter(c::kind.eq(kind))
        .group_by((c::provider_id, c::credential_id))
        .select((c::provider_id, c::credential_id, count_star()))
        .order((c::provider_id, c::credential_id))
        .load(conn)?;
    let read = |(provider, shown, count): (String, String, i64)| {
        let row = Reading { table: "owned_resources", id: kind };
        let provider: ProviderId = row.id("provider_id", &provider)?;
        let home = Home { provider, credential: credential(&row, &shown)? };
        Ok((home, u64::try_from(count).unwrap_or_default()))
    };
    rows.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use nexus_core::id::KeyId;

    use super::*;
    use crate::{exec::Store, sample};

    fn home(provider: u32, credential: Option<u32>) -> Home {
        let credential = credential.map(|number| CredentialId(sample::uuid(number.into())));
        Home { provider: ProviderId(sample::uuid(provider.into())), credential }
    }

    fn owned(kind: &str, id: &str, team: Option<u32>, home: Home) -> Owned {
        let team = team.map(|number| TeamId(sample::uuid(number.into())));
        let key = KeyId(sample::uuid(9));
        Owned { kind: kind.into(), id: id.into(), home, team, key, made_at_ms: 7 }
    }

    #[test]
    fn what_is_somebodys_stays_theirs_until_it_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        let (one, two) = (home(1, Some(3)), home(2, None));
        let first = owned("file", "f1", Some(5), one);
        let all = [
            first.clone(),
            owned("file", "f1", Some(6), home(1, None)),
            owned("file", "f1", Some(6), two),
            owned("batch", "f1", None, one),
        ];
        store.write_blocking(|conn| keep(conn, &all)).unwrap();
        let find = |ids: &[&str]| {
            let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
            let mut found = store.read_blocking(|conn| find(conn, &ids)).unwrap();
            found.sort_by_key(|owned| (owned.kind.clone(), owned.home.provider));
            found
        };
        assert_eq!(find(&["f1", "f2"]), [all[3].clone(), first, all[2].clone()]);
        let homes_of = |kind, team: Option<u32>| {
            let team = team.map(|number| TeamId(sample::uuid(number.into())));
            store.read_blocking(|conn| homes(conn, kind, team)).unwrap()
        };
        assert_eq!(homes_of("file", Some(5)), [(one, 1)]);
        assert_eq!(homes_of("batch", None), [(one, 1)]);
        assert!(homes_of("batch", Some(5)).is_empty());
        store.write_blocking(|conn| forget(conn, "file", "f1", one)).unwrap();
        assert_eq!(find(&["f1"]), [all[3].clone(), all[2].clone()]);
    }

    #[test]
    fn more_is_looked_for_than_one_statement_takes() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        let ids: Vec<String> = (0..AT_ONCE + 1).map(|number| format!("f{number}")).collect();
        let all: Vec<Owned> = ids.iter().map(|id| owned("file", id, None, home(1, None))).collect();
        store.write_blocking(|conn| keep(conn, &all)).unwrap();
        assert_eq!(store.read_blocking(|conn| find(conn, &ids)).unwrap().len(), all.len());
    }
}
