//! Undoing a revision: its rows are put back as they were, where they are still as it left them.
//!
//! What has changed since in other columns stays. What cannot be had back - a secret, a key that was revoked - is never
//! half undone.

use serde_json::Value;

use super::{
    RowChange, changes,
    rows::{Image, is_meant},
    thing,
};
use crate::{connection::AnyConnection, error::StoreError};

/// Why a revision is not undone; each a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CannotUndo {
    /// It can never be.
    Stays(Vec<String>),
    /// What it changed has changed since.
    Moved(Vec<String>),
}

/// A row that was put back: as it was until then, and as it is now. Of one that was only changed, the columns that
/// were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undone {
    pub table: &'static str,
    pub id: String,
    pub before: Option<Image>,
    pub after: Option<Image>,
}

/// Undoes a revision. Nothing is changed where it cannot be undone; a row that stands in the way of another is
/// [`StoreError::Conflict`].
pub fn undo(
    conn: &mut AnyConnection,
    number: i64,
    now_ms: i64,
) -> Result<Result<Vec<Undone>, CannotUndo>, StoreError> {
    let mut changes = changes(conn, number)?;
    let stays = reasons_to_stay(&changes, now_ms);
    if !stays.is_empty() {
        return Ok(Err(CannotUndo::Stays(stays)));
    }
    let mut moved = Vec::new();
    for change in &changes {
        moved.extend(change.moved(conn)?);
    }
    if !moved.is_empty() {
        return Ok(Err(CannotUndo::Moved(moved)));
    }
    // what refers to a row goes before it, and comes after it
    changes.sort_by_key(|change| match (&change.before, &change.after) {
        (None, _) => -i64::try_from(change.rank).unwrap_or_default() - 1,
        _ => i64::try_from(change.rank).unwrap_or_default(),
    });
    let mut undone = Vec::new();
    for change in changes {
        undone.push(change.put_back(conn, now_ms)?);
    }
    for row in undone.iter().filter(|row| row.after.is_some()) {
        thing::look_after(conn, row, now_ms)?;
    }
    Ok(Ok(undone))
}

/// Why these changes can never be undone; empty where they can, as far as what they changed is still as it was left.
pub fn reasons_to_stay(changes: &[RowChange], now_ms: i64) -> Vec<String> {
    if changes.is_empty() {
        return vec!["nothing is kept of what it changed".to_owned()];
    }
    changes.iter().filter_map(|change| change.reason_to_stay(now_ms)).collect()
}

impl RowChange {
    fn reason_to_stay(&self, now_ms: i64) -> Option<String> {
        let (table, columns) = (self.table(), self.columns());
        let touches = |names: &[&str]| columns.iter().any(|column| names.contains(column));
        let why = match table {
            "keys" if self.before.is_none() => {
                "a key that was made cannot be unmade, for it needs no row to be valid; revoke it"
            }
            "keys" if self.after.is_none() => "a key that is forgotten cannot be had back; make another",
            "keys" if touches(&["revoked_at", "retires_at", "replaced_by"]) => {
                "a key that was revoked or replaced stays so; make another"
            }
            "prices" if self.before.is_none() && self.has_begun(now_ms) => {
                "a price that has been in force is in the ledger; set another from now on"
            }
            _ if self.loses_secret || touches(&["generation", "signing_generation"]) => {
                "the secret of before is not kept; give it a new one"
            }
            _ => return None,
        };
        Some(format!("`{}` of `{table}`: {why}", self.id))
    }

    fn has_begun(&self, now_ms: i64) -> bool {
        let from = self.after.as_ref().and_then(|row| row.get("valid_from")).and_then(Value::as_i64);
        from.is_none_or(|from_ms| from_ms <= now_ms)
    }

    /// Why the row is not as it was left.
    fn moved(&self, conn: &mut AnyConnection) -> Result<Option<String>, StoreError> {
        let (table, id) = (self.table(), &self.id);
        let present = self.kept.image(conn, id)?;
        Ok(match (&self.after, present) {
            (None, None) => None,
            (None, Some(_)) => Some(format!("`{id}` of `{table}` is there again")),
            (Some(_), None) => Some(format!("`{id}` of `{table}` is gone")),
            (Some(after), Some(present)) => {
                let of_it = |column: &&String| match &self.before {
                    Some(before) => before.get(*column) != after.get(*column),
                    None => true,
                };
                let columns = after.keys().filter(|column| is_meant(column)).filter(of_it);
                let other = columns.filter(|column| present.get(*column) != after.get(*column));
                let other: Vec<_> = other.map(|column| format!("`{column}`")).collect();
                let said = format!("{} of `{id}` of `{table}` changed since", other.join(", "));
                (!other.is_empty()).then_some(said)
            }
        })
    }

    fn put_back(self, conn: &mut AnyConnection, now_ms: i64) -> Result<Undone, StoreError> {
        let (table, kept) = (self.table(), self.kept);
        let columns: Vec<String> = self.columns().into_iter().map(str::to_owned).collect();
        let Self { id, before, after, .. } = self;
        match (before, after) {
            (None, after) => {
                thing::delete(conn, table, &id)?;
                Ok(Undone { table, id, before: after, after: None })
            }
            (Some(mut row), None) => {
                freshen(&mut row, None, now_ms);
                kept.insert(conn, &row)?;
                Ok(Undone { table, id, before: None, after: Some(row) })
            }
            (Some(before), Some(after)) => {
                let of = |image: &Image| -> Image {
                    let values =
                        columns.iter().filter_map(|name| Some((name.clone(), image.get(name)?.clone())));
                    values.collect()
                };
                let (was, is) = (of(&after), of(&before));
                let mut values = is.clone();
                freshen(&mut values, kept.image(conn, &id)?.as_ref(), now_ms);
                kept.update(conn, &id, &values)?;
                Ok(Undone { table, id, before: Some(was), after: Some(is) })
            }
        }
    }
}

/// It is another version of the row, of now. `present` is the row as it is, where `values` are not the whole of it.
fn freshen(values: &mut Image, present: Option<&Image>, now_ms: i64) {
    let row = present.unwrap_or(values);
    let version = row.get("version").and_then(Value::as_i64);
    let is_dated = row.contains_key("updated_at");
    if let Some(version) = version {
        values.insert("version".to_owned(), version.saturating_add(1).into());
    }
    if is_dated {
        values.insert("updated_at".to_owned(), now_ms.into());
    }
}
