//! The trail as a file: pages of rows are read as the client takes them, so a slow client holds neither a
//! transaction nor memory.
//!
//! Rows are written oldest first and the trail only grows at its end, so pages fit together. Where the
//! database goes away the connection is cut, and the last line of JSON lines says that it is the last.

use std::io;

use nexus_store::{
    Store,
    repo::audit::{self, Filter, Order, Recorded, SeqPage},
};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::AuditFilter;
use crate::admin::{
    answer::{Kinds, Pieces, Text},
    call::Call,
    problem::Problem,
    query::Both,
};

/// Rows read at once.
const PAGE_ROWS: u32 = 500;

/// What the file is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// One JSON object a line, every column as it was hashed; the last line is `end`, which tells how many there were.
    Jsonl,
    /// RFC 4180, with a head; a cell a spreadsheet would take for a formula has an apostrophe in front.
    Csv,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct Form {
    #[param(inline)]
    format: Format,
}

pub struct TrailFile;

impl Kinds for TrailFile {
    const MEDIA_TYPES: &'static [&'static str] = &["application/jsonl", "text/csv; charset=utf-8"];
}

pub async fn export(call: Call<Both<Form, AuditFilter>>) -> Result<Text<TrailFile>, Problem> {
    let Both(Form { format }, filter) = &call.query;
    let (format, filter) = (*format, filter.within(call.caller.reach));
    let (name, media_type) = match format {
        Format::Jsonl => ("audit-logs.jsonl", "application/jsonl"),
        Format::Csv => ("audit-logs.csv", "text/csv; charset=utf-8"),
    };
    let store = call.worker.admin.store.clone();
    let text = Text::written(media_type, async move |pieces| write(&store, filter, format, &pieces).await);
    Ok(text.named(name.to_owned()))
}

/// Sends page after page until the trail, or the client, is at an end.
async fn write(
    store: &Store,
    filter: Option<Filter>,
    format: Format,
    to: &Pieces,
) -> Result<(), audit::ExportError> {
    let mut head = Vec::new();
    if format == Format::Csv {
        audit::csv_head(&mut head)?;
    }
    to.send(head).await?;
    let mut written = audit::Written::default();
    if let Some(filter) = filter {
        loop {
            let page = SeqPage { after: written.last_seq(), order: Order::OldestFirst, limit: PAGE_ROWS };
            let filter = filter.clone();
            let rows = store.read(move |conn| audit::list(conn, &filter, page)).await?;
            if rows.is_empty() {
                break;
            }
            written.note(&rows);
            to.send(piece(&rows, format)?).await?;
        }
    }
    let mut end = Vec::new();
    if format == Format::Jsonl {
        written.write_end(&mut end)?;
    }
    Ok(to.send(end).await?)
}

fn piece(rows: &[Recorded], format: Format) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    match format {
        Format::Jsonl => audit::write_jsonl(rows, &mut text)?,
        Format::Csv => audit::write_csv(rows, &mut text)?,
    }
    Ok(text)
}
