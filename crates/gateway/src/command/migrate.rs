//! `nexus migrate`: the database's schema, by hand. `nexus serve` brings it up to date by itself.

use nexus_config::load::Flags;
use nexus_store::{Store, copying, migrate};
use serde_json::json;

use crate::{
    boot,
    cli::{Migrate, Output, Place},
    start::StartError,
    terminal::{progress, say, usual_output},
};

pub fn run(command: Migrate, place: &Place) -> Result<(), StartError> {
    let settings = boot::settings(place.config.as_deref(), &Flags::default())?;
    let store = Store::open(settings.database_url.expose())?;
    match command {
        Migrate::Run => {
            let applied = migrate::run(&store)?;
            for name in &applied {
                say(&format!("applied {name}"));
            }
            if applied.is_empty() {
                say("nothing to apply");
            }
        }
        Migrate::Status => {
            for migration in migrate::status(&store)? {
                let state = if migration.is_applied { "applied" } else { "missing" };
                say(&format!("{state}  {}", migration.name));
            }
        }
        Migrate::Revert => match migrate::revert(&store)? {
            Some(name) => say(&format!("reverted {name}")),
            None => say("nothing to revert"),
        },
        Migrate::Data { from, to, output } => {
            let to = to.map(|url| Store::open(&url)).transpose()?.unwrap_or(store);
            copy(&from, &to, output.unwrap_or_else(usual_output))?;
        }
    }
    Ok(())
}

fn copy(from: &str, to: &Store, output: Output) -> Result<(), StartError> {
    let from = Store::open_present(from)?;
    let mut tell = |table: &str, rows: u64| progress(&format!("{rows} rows of `{table}`"));
    let copied = copying::copy(&from, to, &mut tell)?;
    progress("");
    let rows = copied.iter().fold(0_u64, |sum, copied| sum.saturating_add(copied.rows));
    match output {
        Output::Json => {
            let table = |copied: &copying::Copied| json!({ "name": copied.table, "rows": copied.rows });
            let tables: Vec<_> = copied.iter().map(table).collect();
            say(&json!({ "rows": rows, "tables": tables }).to_string());
        }
        Output::Text => {
            copied.iter().for_each(|copied| say(&format!("{:>12}  {}", copied.rows, copied.table)));
            say(&format!("{rows} rows were copied and are the same on both sides"));
        }
    }
    Ok(())
}
