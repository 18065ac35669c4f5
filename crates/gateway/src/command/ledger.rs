//! `nexus ledger`: adds the ledger up anew and compares it with its sums, beside a running server or on a copy of its
//! database and its archive; and moves old rows into that archive.

use std::path::Path;

use nexus_config::load::Flags;
use nexus_engine::port::Clock as _;
use nexus_store::{Store, repo::usage};
use serde_json::json;

use crate::{
    boot,
    cli::{Ledger, Output, Place},
    clock::SystemClock,
    retention::archive_ledger,
    start::StartError,
    terminal::{progress, say, usual_output},
};

pub fn run(command: Ledger, place: &Place) -> Result<(), StartError> {
    let settings = boot::settings(place.config.as_deref(), &Flags::default())?;
    let store = Store::open(settings.database_url.expose())?;
    let archive = settings.archive_dir();
    match command {
        Ledger::Verify { output } => verify(&store, &archive, output.unwrap_or_else(usual_output)),
        Ledger::Archive { older_than_days, output } => {
            let now_ms = SystemClock::new().unix_ms();
            let archived = archive_ledger(&store, &archive, older_than_days, now_ms, usize::MAX)?;
            match output.unwrap_or_else(usual_output) {
                Output::Json => say(&json!({ "archived": archived }).to_string()),
                Output::Text => say(&format!("{archived} attempts moved into `{}`", archive.display())),
            }
            Ok(())
        }
    }
}

fn verify(store: &Store, archive: &Path, output: Output) -> Result<(), StartError> {
    let mut tell = |attempts: u64| progress(&format!("{attempts} attempts are added up"));
    let verdict = store.read_blocking(|conn| usage::verify(conn, archive, &mut tell))?;
    progress("");
    match output {
        Output::Json => say(&as_json(&verdict).to_string()),
        Output::Text => {
            for usage::Difference { of, at_ms, context, measure, stored, rows } in &verdict.differences {
                let at_s = at_ms.div_euclid(1000);
                say(&format!("{of} {at_s} {context} {measure}: the sum says {stored}, the rows {rows}"));
            }
            for file in &verdict.damaged {
                say(&format!("`{file}` of the archive is missing, or is not what it was"));
            }
            for (account, nano_usd) in &verdict.balances {
                say(&format!("{account}  {nano_usd:>20}"));
            }
            if verdict.is_whole() {
                say(&format!("every sum is right: {} attempts, {} days", verdict.attempts, verdict.days));
            }
        }
    }
    if !verdict.damaged.is_empty() {
        return Err(StartError::ArchiveDamaged(verdict.damaged.len()));
    }
    if verdict.is_whole() { Ok(()) } else { Err(StartError::Unbalanced(verdict.differences_count)) }
}

fn as_json(verdict: &usage::Verdict) -> serde_json::Value {
    let difference = |one: &usage::Difference| {
        json!({
            "of": one.of, "at": one.at_ms.div_euclid(1000), "context": one.context, "measure": one.measure,
            "stored": one.stored, "rows": one.rows,
        })
    };
    let balance = |(account, nano_usd): &(String, i64)| json!({ "account": account, "nano_usd": nano_usd });
    json!({
        "is_whole": verdict.is_whole(),
        "attempts": verdict.attempts,
        "days": verdict.days,
        "archives": verdict.archives,
        "damaged_archives": verdict.damaged,
        "differences_count": verdict.differences_count,
        "differences": verdict.differences.iter().map(difference).collect::<Vec<_>>(),
        "balances": verdict.balances.iter().map(balance).collect::<Vec<_>>(),
    })
}
