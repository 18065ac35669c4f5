//! Revisions: each change of configuration under a number, with what it changed row by row.
//!
//! A revision stands in the transaction of its change and belongs to a row of the trail, which says who made it and
//! what it was; here is only what it takes to undo it. Its number is one the world's revision has come to when the
//! change stands, so a node that has that one in force has the change.

pub(crate) mod rows;
mod thing;
mod undo;

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use diesel::{
    ExpressionMethods, Insertable, OptionalExtension, QueryDsl, Queryable, RunQueryDsl, Selectable,
    dsl::{delete, insert_into, max, update},
};

pub use self::rows::Image;
use self::rows::Kept;
pub use self::undo::{CannotUndo, Undone, reasons_to_stay, undo};
use super::audit::{self, Filter, Recorded, SeqPage};
use crate::{
    connection::AnyConnection,
    error::StoreError,
    schema::{revision_rows, revisions, world_revision},
    world,
};

/// A change of configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    pub number: i64,
    /// The revision it takes back.
    pub undoes: Option<i64>,
    /// The newest revision that takes it back.
    pub undone_by: Option<i64>,
    /// Who made it, and what it was.
    pub told: Recorded,
}

/// A row of configuration that a revision changed; without what is secret of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowChange {
    pub(crate) kept: &'static Kept,
    /// Its place among the tables: what it refers to comes before it.
    rank: usize,
    pub id: String,
    pub before: Option<Image>,
    pub after: Option<Image>,
    /// What it held of a secret is not kept.
    pub loses_secret: bool,
}

#[derive(Insertable, Queryable, Selectable)]
#[diesel(table_name = revisions)]
struct RevisionRow {
    number: i64,
    seq: i64,
    undoes: Option<i64>,
}

/// Begins a revision: from here to [`close`] or [`discard`], in the same transaction, what is changed of
/// configuration is kept.
pub fn open(conn: &mut AnyConnection) -> Result<(), StoreError> {
    let next = world::revision(conn)?.saturating_add(1);
    update(world_revision::table).set(world_revision::being_made.eq(Some(next))).execute(conn)?;
    Ok(())
}

/// Ends a revision that row `seq` of the trail tells of; its number, where one was begun and anything was changed.
pub fn close(conn: &mut AnyConnection, seq: i64, undoes: Option<i64>) -> Result<Option<i64>, StoreError> {
    let (revision, Some(number)) = end(conn)? else { return Ok(None) };
    let changes = changes(conn, number)?;
    if changes.is_empty() {
        forget_rows(conn, number)?;
        return Ok(None);
    }
    if revision < number {
        update(world_revision::table).set(world_revision::revision.eq(number)).execute(conn)?;
    }
    insert_into(revisions::table).values(RevisionRow { number, seq, undoes }).execute(conn)?;
    Ok(Some(number))
}

/// Ends a revision that nothing tells of: nothing was to be changed.
pub fn discard(conn: &mut AnyConnection) -> Result<(), StoreError> {
    match end(conn)? {
        (_, Some(number)) => forget_rows(conn, number),
        _ => Ok(()),
    }
}

fn forget_rows(conn: &mut AnyConnection, number: i64) -> Result<(), StoreError> {
    delete(revision_rows::table.filter(revision_rows::number.eq(number))).execute(conn)?;
    Ok(())
}

/// The number of the revision that is being made.
pub fn being_made(conn: &mut AnyConnection) -> Result<Option<i64>, StoreError> {
    Ok(world_revision::table.select(world_revision::being_made).first(conn)?)
}

fn end(conn: &mut AnyConnection) -> Result<(i64, Option<i64>), StoreError> {
    let columns = (world_revision::revision, world_revision::being_made);
    let open: (i64, Option<i64>) = world_revision::table.select(columns).first(conn)?;
    if open.1.is_some() {
        update(world_revision::table).set(world_revision::being_made.eq(None::<i64>)).execute(conn)?;
    }
    Ok(open)
}

/// A page of those the trail's filter lets through.
pub fn list(conn: &mut AnyConnection, filter: &Filter, page: SeqPage) -> Result<Vec<Revision>, StoreError> {
    let told = audit::list(conn, &Filter { is_revision: true, ..filter.clone() }, page)?;
    let seqs: Vec<i64> = told.iter().map(|row| row.seq).collect();
    let rows: Vec<RevisionRow> = revisions::table.filter(revisions::seq.eq_any(seqs)).load(conn)?;
    let numbers: Vec<i64> = rows.iter().map(|row| row.number).collect();
    let undone: Vec<(Option<i64>, i64)> = revisions::table
        .filter(revisions::undoes.eq_any(numbers))
        .order(revisions::number)
        .select((revisions::undoes, revisions::number))
        .load(conn)?;
    let undone: HashMap<_, _> = undone.into_iter().collect();
    let mut rows: HashMap<_, _> = rows.into_iter().map(|row| (row.seq, row)).collect();
    let revision = |told: Recorded| {
        let RevisionRow { number, undoes, .. } = rows.remove(&told.seq)?;
        Some(Revision { number, undoes, undone_by: undone.get(&Some(number)).copied(), told })
    };
    Ok(told.into_iter().filter_map(revision).collect())
}

/// The revision of this number.
pub fn show(conn: &mut AnyConnection, number: i64) -> Result<Option<Revision>, StoreError> {
    let seq: Option<i64> = revisions::table.find(number).select(revisions::seq).first(conn).optional()?;
    let Some(seq) = seq else { return Ok(None) };
    let page = SeqPage { after: Some(seq.saturating_sub(1)), order: audit::Order::OldestFirst, limit: 1 };
    Ok(list(conn, &Filter::default(), page)?.into_iter().find(|revision| revision.told.seq == seq))
}

/// Forgets the revisions whose rows of the trail are gone, up to and with that row.
pub(super) fn forget(conn: &mut AnyConnection, seq: i64) -> Result<(), StoreError> {
    let gone = revisions::table.filter(revisions::seq.le(seq));
    let last: Option<i64> = gone.select(max(revisions::number)).first(conn)?;
    if let Some(last) = last {
        delete(revision_rows::table.filter(revision_rows::number.le(last))).execute(conn)?;
        delete(gone).execute(conn)?;
    }
    Ok(())
}

type KeptRow = (String, String, Option<String>, Option<String>, bool);

/// What a revision changed; a row that it changed more than once, as it was first and last.
pub fn changes(conn: &mut AnyConnection, number: i64) -> Result<Vec<RowChange>, StoreError> {
    use revision_rows::dsl as row;
    let kept: Vec<KeptRow> = row::revision_rows
        .filter(row::number.eq(number))
        .order(row::place)
        .select((row::table_name, row::row_id, row::before, row::after, row::loses_secret))
        .load(conn)?;
    let mut changes: Vec<RowChange> = Vec::new();
    for (table, id, before, after, loses_secret) in kept {
        let Some((rank, kept)) = Kept::of(&table) else { continue };
        let image = |json: Option<String>| json.map(|json| rows::read(&json)).transpose();
        let (before, after) = (image(before)?, image(after)?);
        match changes.iter_mut().find(|change| change.rank == rank && change.id == id) {
            Some(known) => {
                known.after = after;
                known.loses_secret |= loses_secret && known.before.is_some();
            }
            None => changes.push(RowChange { kept, rank, id, before, after, loses_secret }),
        }
    }
    changes.retain(RowChange::is_change);
    Ok(changes)
}

impl RowChange {
    pub fn table(&self) -> &'static str {
        self.kept.table
    }

    /// The columns it gave another value.
    pub fn columns(&self) -> Vec<&str> {
        let (Some(before), Some(after)) = (&self.before, &self.after) else { return Vec::new() };
        let differs = |column: &&String| rows::is_meant(column) && before.get(*column) != after.get(*column);
        after.keys().filter(differs).map(String::as_str).collect()
    }

    /// What an application makes for its users for a short time is no configuration.
    fn is_change(&self) -> bool {
        let level = self.before.as_ref().or(self.after.as_ref()).and_then(|row| row.get("level"));
        if self.kept.table == "keys" && level.is_some_and(|level| level == "session") {
            return false;
        }
        match (&self.before, &self.after) {
            (None, None) => false,
            (Some(_), Some(_)) => self.loses_secret || !self.columns().is_empty(),
            _ => true,
        }
    }
}
