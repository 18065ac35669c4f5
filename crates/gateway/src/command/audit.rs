//! `nexus audit`: verifies and exports the trail, beside a running server or on a copy of its database.
//!
//! The database is opened as it is: nothing here brings its schema up to date or writes to it.

use std::{
    fs::{self, OpenOptions},
    io::{self, BufWriter, Write},
    ops::ControlFlow,
    path::Path,
};

use nexus_config::load::Flags;
use nexus_store::{
    Store,
    repo::audit::{self, Anchor, ExportError, Filter, Verdict},
};
use serde::Deserialize;
use serde_json::json;

use crate::{
    boot,
    cli::{Audit, Output, Place, TrailFormat},
    start::StartError,
    terminal::{progress, say, usual_output},
};

/// Rows between two words about the progress.
const WORD_ROWS: u64 = 10_000;

pub fn run(command: Audit, place: &Place) -> Result<(), StartError> {
    let settings = boot::settings(place.config.as_deref(), &Flags::default())?;
    let store = Store::open(settings.database_url.expose())?;
    match command {
        Audit::Verify { anchors, output } => {
            let anchors = anchors.as_deref().map(read_anchors).transpose()?.unwrap_or_default();
            verify(&store, &anchors, output.unwrap_or_else(usual_output))
        }
        Audit::Anchors { output } => show_anchors(&store, output.unwrap_or_else(usual_output)),
        Audit::Export { format, out } => export(&store, format, out.as_deref()),
    }
}

fn verify(store: &Store, anchors: &[Anchor], output: Output) -> Result<(), StartError> {
    let mut next = WORD_ROWS;
    let mut tell = |rows: u64| {
        if rows >= next {
            progress(&format!("{rows} rows are whole"));
            next = rows.saturating_add(WORD_ROWS);
        }
        ControlFlow::Continue(())
    };
    let verdict = store.read_blocking(|conn| audit::verify_telling(conn, anchors, &mut tell))?;
    progress("");
    match (verdict, output) {
        (Verdict::Whole { rows, days }, Output::Json) => {
            say(&json!({ "is_whole": true, "rows": rows, "days": days }).to_string());
        }
        (Verdict::Whole { rows, days }, Output::Text) => {
            say(&format!("the trail is whole: {rows} rows, {days} days, {} anchors", anchors.len()));
        }
        (Verdict::Broken { seq, what }, output) => {
            if output == Output::Json {
                say(&json!({ "is_whole": false, "seq": seq, "what": what.to_string() }).to_string());
            }
            return Err(StartError::Broken { seq, what });
        }
        // whoever asks here waits for the end
        (Verdict::Unfinished { .. }, _) => {}
    }
    Ok(())
}

/// An anchor as it is printed and read.
#[derive(Deserialize)]
struct AnchorLine {
    day: String,
    last_seq: i64,
    last_hash: String,
}

/// The anchors in a file, one JSON object a line. Lines of the log of `nexus serve` are such, too.
fn read_anchors(path: &Path) -> Result<Vec<Anchor>, StartError> {
    let text = fs::read_to_string(path)
        .map_err(|source| StartError::Unreadable { path: path.to_owned(), source })?;
    let anchor = |(at, line): (usize, &str)| match serde_json::from_str(line) {
        Ok(AnchorLine { day, last_seq, last_hash }) => Ok(Anchor { day, last_seq, last_hash }),
        Err(_) => Err(StartError::Anchor { path: path.to_owned(), line: at + 1 }),
    };
    text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).map(anchor).collect()
}

fn show_anchors(store: &Store, output: Output) -> Result<(), StartError> {
    for Anchor { day, last_seq, last_hash } in store.read_blocking(audit::anchors)? {
        match output {
            Output::Json => {
                say(&json!({ "day": day, "last_seq": last_seq, "last_hash": last_hash }).to_string());
            }
            Output::Text => say(&format!("{day}  {last_seq:>10}  {last_hash}")),
        }
    }
    Ok(())
}

fn export(store: &Store, format: TrailFormat, out: Option<&Path>) -> Result<(), StartError> {
    match out {
        None => match write(store, format, io::stdout().lock()) {
            // a reader that has seen enough is no error
            Err(ExportError::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => {}
            written => drop(written?),
        },
        Some(path) => {
            let file = OpenOptions::new().write(true).create_new(true).open(path);
            let file = file.map_err(|source| StartError::Unmakeable { path: path.to_owned(), source })?;
            let rows = write(store, format, &file)?;
            file.sync_all().map_err(ExportError::Write)?;
            progress("");
            say(&format!("{rows} rows were written to {}", path.display()));
        }
    }
    Ok(())
}

fn write(store: &Store, format: TrailFormat, out: impl Write) -> Result<u64, ExportError> {
    let mut out = Watched { out: BufWriter::new(out), lines: 0, next: WORD_ROWS };
    let rows = store.read_blocking(|conn| {
        Ok(match format {
            TrailFormat::Jsonl => audit::export_jsonl(conn, &Filter::default(), &mut out),
            TrailFormat::Csv => audit::export_csv(conn, &Filter::default(), &mut out),
        })
    })??;
    out.flush()?;
    Ok(rows)
}

/// Counts the lines that go through it.
struct Watched<W: Write> {
    out: BufWriter<W>,
    lines: u64,
    next: u64,
}

impl<W: Write> Write for Watched<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        if bytes.get(..written).unwrap_or_default().ends_with(b"\n") {
            self.lines = self.lines.saturating_add(1);
        }
        if self.lines >= self.next {
            progress(&format!("{} rows are written", self.lines));
            self.next = self.lines.saturating_add(WORD_ROWS);
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
