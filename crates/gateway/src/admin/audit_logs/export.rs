//! The trail as a file: pages of rows are read as the client takes them, so a slow client holds neither a
//! transaction nor memory.
//!
//! Rows are written oldest first and the trail only grows at its end, so pages fit together. Where the
//! database goes away the connection is cut: a file that came to its end is whole.

use std::io;

use actix_web::web::Bytes;
use nexus_store::{
    Store,
    repo::audit::{self, Filter, Order, Recorded, SeqPage},
};
use serde::Deserialize;
use tokio::sync::mpsc::{Sender, channel};
use utoipa::{IntoParams, ToSchema};

use super::AuditFilter;
use crate::admin::{
    answer::{Kinds, Text},
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
    /// One JSON object a line, every column as it was hashed.
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
    let (sender, pieces) = channel(2);
    let store = call.worker.admin.store.clone();
    actix_web::rt::spawn(async move {
        if let Err(error) = write(&store, filter, format, &sender).await {
            tracing::warn!(%error, "an export of the audit trail was cut");
            let _gone = sender.send(Err(io::Error::other("the export was cut"))).await;
        }
    });
    Ok(Text::streamed(media_type, pieces).named(name.to_owned()))
}

type Pieces = Sender<io::Result<Bytes>>;

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
    // a piece without bytes would end the body
    if !head.is_empty() && to.send(Ok(head.into())).await.is_err() {
        return Ok(());
    }
    let Some(filter) = filter else { return Ok(()) };
    let mut after = None;
    loop {
        let (page, filter) = (SeqPage { after, order: Order::OldestFirst, limit: PAGE_ROWS }, filter.clone());
        let rows = store.read(move |conn| audit::list(conn, &filter, page)).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = Some(last.seq);
        if to.send(Ok(piece(&rows, format)?)).await.is_err() {
            return Ok(());
        }
    }
}

fn piece(rows: &[Recorded], format: Format) -> io::Result<Bytes> {
    let mut text = Vec::new();
    match format {
        Format::Jsonl => audit::write_jsonl(rows, &mut text)?,
        Format::Csv => audit::write_csv(rows, &mut text)?,
    }
    Ok(text.into())
}
