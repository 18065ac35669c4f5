//! The trail as files: JSON lines and CSV.
//!
//! Both hold every column as the exact text or number that was hashed, so that a reader can walk the chain
//! without us; a CSV cell a spreadsheet would take for a formula gets an apostrophe in front.

use std::io::{self, Write};

use serde_json::json;

use super::{Filter, Order, Recorded, SeqPage, list};
use crate::{connection::AnyConnection, csv::cell, error::StoreError};

/// How many rows are held at once.
const BATCH_ROWS: u32 = 256;

const COLUMNS: [&str; 17] = [
    "seq",
    "day",
    "at",
    "actor_kind",
    "actor_id",
    "actor_name",
    "team_id",
    "action",
    "target_kind",
    "target_id",
    "before",
    "after",
    "address",
    "request_id",
    "outcome",
    "detail",
    "hash",
];

/// Why an export ended early; what was written until then stays written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error("the trail cannot be read")]
    Store(#[from] StoreError),
    #[error("the export cannot be written")]
    Write(#[from] io::Error),
}

/// Writes the rows of the filter, oldest first, one JSON object a line, and counts them; the last line says that it
/// is the last.
///
/// Holds its transaction until all is written: for files, not for slow clients, who are served pages of
/// [`list`] through [`write_jsonl`].
pub fn export_jsonl(
    conn: &mut AnyConnection,
    filter: &Filter,
    out: &mut impl Write,
) -> Result<u64, ExportError> {
    let written = export(conn, filter, |rows| write_jsonl(rows, out))?;
    written.write_end(out)?;
    Ok(written.rows)
}

/// [`export_jsonl`] as CSV (RFC 4180) with a head.
pub fn export_csv(
    conn: &mut AnyConnection,
    filter: &Filter,
    out: &mut impl Write,
) -> Result<u64, ExportError> {
    csv_head(out)?;
    Ok(export(conn, filter, |rows| write_csv(rows, out))?.rows)
}

fn export(
    conn: &mut AnyConnection,
    filter: &Filter,
    mut write: impl FnMut(&[Recorded]) -> io::Result<()>,
) -> Result<Written, ExportError> {
    let mut written = Written::default();
    loop {
        let page = SeqPage { after: written.last_seq(), order: Order::OldestFirst, limit: BATCH_ROWS };
        let rows = list(conn, filter, page)?;
        if rows.is_empty() {
            return Ok(written);
        }
        write(&rows)?;
        written.note(&rows);
    }
}

/// How far an export has come.
#[derive(Debug, Default)]
pub struct Written {
    rows: u64,
    last: Option<(i64, String)>,
}

impl Written {
    /// These rows were written, too.
    pub fn note(&mut self, rows: &[Recorded]) {
        self.rows = self.rows.saturating_add(u64::try_from(rows.len()).unwrap_or(u64::MAX));
        self.last = rows.last().map(|row| (row.seq, row.hash.clone())).or(self.last.take());
    }

    pub fn last_seq(&self) -> Option<i64> {
        self.last.as_ref().map(|(seq, _)| *seq)
    }

    /// Writes the last of the JSON lines, by which a reader knows that none is missing.
    pub fn write_end(&self, out: &mut impl Write) -> io::Result<()> {
        let (seq, hash) = self.last.as_ref().map(|(seq, hash)| (seq, hash)).unzip();
        let end = json!({ "end": { "rows": self.rows, "last_seq": seq, "last_hash": hash } });
        writeln!(out, "{end}")
    }
}

/// Writes one JSON object a line.
pub fn write_jsonl(rows: &[Recorded], out: &mut impl Write) -> io::Result<()> {
    for row in rows {
        serde_json::to_writer(&mut *out, row)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

/// Writes the names of the columns.
pub fn csv_head(out: &mut impl Write) -> io::Result<()> {
    write!(out, "{}\r\n", COLUMNS.join(","))
}

/// Writes one record a row, without the head. An absent value and an empty one look the same.
pub fn write_csv(rows: &[Recorded], out: &mut impl Write) -> io::Result<()> {
    for row in rows {
        write!(out, "{},", row.seq)?;
        cell(out, &row.day)?;
        write!(out, ",{}", row.at)?;
        for text in texts(row) {
            out.write_all(b",")?;
            cell(out, text)?;
        }
        out.write_all(b"\r\n")?;
    }
    Ok(())
}

/// The columns behind `at`.
fn texts(row: &Recorded) -> [&str; 14] {
    [
        &row.actor_kind,
        or_empty(&row.actor_id),
        &row.actor_name,
        or_empty(&row.team_id),
        &row.action,
        or_empty(&row.target_kind),
        or_empty(&row.target_id),
        or_empty(&row.before),
        or_empty(&row.after),
        or_empty(&row.address),
        or_empty(&row.request_id),
        &row.outcome,
        or_empty(&row.detail),
        &row.hash,
    ]
}

fn or_empty(text: &Option<String>) -> &str {
    text.as_deref().unwrap_or_default()
}
