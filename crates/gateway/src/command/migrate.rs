//! `nexus migrate`: the database's schema, by hand. `nexus serve` brings it up to date by itself.

use nexus_config::load::Flags;
use nexus_store::{Store, migrate};

use crate::{
    boot,
    cli::{Migrate, Place},
    start::StartError,
    terminal::say,
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
    }
    Ok(())
}
