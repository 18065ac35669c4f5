//! Settings that are kept in the database and hold for every node: one small table of those that are read.

use nexus_store::{
    AnyConnection, StoreError,
    repo::{audit::RETENTION_DAYS_MIN, setting},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    answer::{Recorded, Told},
    body::Json,
    call::{Call, found},
    change::Change,
    check::Check,
    problem::Problem,
    query::{Listing, Unfiltered, Walk},
};
use crate::retention::REQUEST_LOG_DAYS;

/// A setting there is. Something reads it, else it does not stand in the table.
pub struct Known {
    pub name: &'static str,
    about: &'static str,
    least: i64,
    most: i64,
    usual: i64,
}

const KNOWN: [Known; 4] = [
    Known {
        name: "audit_retention_days",
        about: "for how many days of operation the audit trail is kept",
        least: RETENTION_DAYS_MIN as i64,
        most: 36_500,
        usual: RETENTION_DAYS_MIN as i64,
    },
    Known {
        name: "ledger_archive_after_days",
        about: "after how many days the ledger's rows move into the archive, 35 at least; 0: never",
        least: 0,
        most: 36_500,
        usual: 0,
    },
    Known {
        name: "request_log_days",
        about: "for how many days it is kept how an attempt's target was chosen, what came before it and how large it was",
        least: 1,
        most: 36_500,
        usual: REQUEST_LOG_DAYS as i64,
    },
    SESSION_KEYS,
];

pub const SESSION_KEYS: Known = Known {
    name: "session_keys_per_key",
    about: "how many session keys an application key may have at once; each counts for an hour at least",
    least: 0,
    most: 1_000_000,
    usual: 10_000,
};

/// How many session keys a key may have at once.
pub fn session_keys_per_key(conn: &mut AnyConnection) -> Result<u64, StoreError> {
    Ok(u64::try_from(read(conn, &SESSION_KEYS)?.value).unwrap_or_default())
}

/// A setting.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Setting)]
pub struct SettingBody {
    pub name: String,
    /// What it is for.
    pub about: String,
    pub value: i64,
    /// Whether nobody has set it.
    pub is_default: bool,
    pub least: i64,
    pub most: i64,
}

/// What a setting is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    value: i64,
}

/// A value that is out of bounds by now counts as not set.
fn read(conn: &mut AnyConnection, known: &Known) -> Result<SettingBody, StoreError> {
    let chosen = setting::find_chosen(conn, known.name)?.and_then(|text| text.parse().ok());
    let chosen = chosen.filter(|value| (known.least..=known.most).contains(value));
    Ok(SettingBody {
        name: known.name.to_owned(),
        about: known.about.to_owned(),
        value: chosen.unwrap_or(known.usual),
        is_default: chosen.is_none(),
        least: known.least,
        most: known.most,
    })
}

fn known<Q, B>(call: &Call<Q, B>) -> Result<&'static Known, Problem> {
    let name: String = call.id("name")?;
    found(KNOWN.iter().find(|known| known.name == name))
}

/// In the order of their names.
pub async fn list(call: Call<Walk<Unfiltered>>) -> Result<Listing<SettingBody>, Problem> {
    let page = call.query.page();
    let after = page.after.map(|(_, name)| name).unwrap_or_default();
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let wanted: Vec<_> = KNOWN.iter().filter(|known| *known.name > *after).take(limit).collect();
    let rows = call
        .read(move |conn| wanted.into_iter().map(|known| read(conn, known)).collect::<Result<Vec<_>, _>>());
    let (rows, cursors) = (rows.await?, &call.admin().secrets.cursors);
    Ok(call.query.listing(
        cursors,
        rows,
        |row| (0, row.name.clone()),
        |row| SettingBody { name: row.name.clone(), about: row.about.clone(), ..*row },
    ))
}

pub async fn show(call: Call) -> Result<Told<SettingBody>, Problem> {
    let known = known(&call)?;
    Ok(Told(call.read(move |conn| read(conn, known)).await?))
}

pub async fn put(call: Call<(), Json<Choice>>) -> Result<Recorded<Told<SettingBody>>, Problem> {
    let known = known(&call)?;
    let Json(Choice { value }) = call.body;
    let mut check = Check::default();
    check.within("/value", value, known.least, known.most);
    check.finish()?;
    call.change("setting.update", move |conn| {
        let before = read(conn, known)?;
        setting::choose(conn, known.name, &value.to_string())?;
        let after = read(conn, known)?;
        let change = Change::of("setting", known.name, None, Told(read(conn, known)?));
        Ok(change.from(&before).to(&after))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_in_the_order_of_their_names_and_usually_within_bounds() {
        assert!(KNOWN.iter().is_sorted_by_key(|known| known.name));
        assert!(KNOWN.iter().all(|known| (known.least..=known.most).contains(&known.usual)));
    }
}
