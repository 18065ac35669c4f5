//! Puts the node together: settings, secrets, database, journal, world.
//!
//! The order matters: a wrong `DB_ENCRYPTION_KEY` is found before anything is sealed with it.

use std::{path::Path, sync::Arc};

use nexus_config::{
    environment::{Absence, Environment},
    load::{self, Flags},
    plain::Plain,
    problem::Problems,
    settings::Settings,
};
use nexus_keystore::{root::RootSecret, token::Tokens, vault::Vault};
use nexus_store::{Store, migrate, repo::setting};

use crate::start::StartError;

/// The row of the settings table that tells whether `DB_ENCRYPTION_KEY` is the right one.
const ROOT_CHECK: &str = "db_encryption_key_check";

/// The settings in force.
pub fn settings(file: Option<&Path>, flags: &Flags) -> Result<Settings, StartError> {
    Ok(load::load(file, &Environment::from_process(), flags)?)
}

/// What the root secrets are for.
pub struct Keys {
    pub tokens: Tokens,
    pub vault: Arc<Vault>,
    /// Names of the variables in whose place a throw-away secret was made.
    pub throw_away: Vec<&'static str>,
}

/// Reads the root secrets from the environment.
pub fn keys(absence: Absence) -> Result<Keys, StartError> {
    let roots = Environment::from_process().roots(absence).map_err(Problems)?;
    let mut throw_away = Vec::new();
    let mut root = |variable: &'static str, text: Option<Plain>| match text {
        Some(text) => {
            RootSecret::from_text(text.expose()).map_err(|weak| StartError::Root { variable, weak })
        }
        None => {
            throw_away.push(variable);
            Ok(RootSecret::random()?)
        }
    };
    let tokens = Tokens::new(root("NEXUS_SECRET_KEY", roots.secret_key)?);
    let vault = Vault::new(&root("DB_ENCRYPTION_KEY", roots.db_encryption_key)?)?;
    Ok(Keys { tokens, vault: Arc::new(vault), throw_away })
}

/// Opens the database and brings its schema up to date.
pub fn store(settings: &Settings) -> Result<Store, StartError> {
    let store = Store::open(settings.database_url.expose())?;
    for name in migrate::run(&store)? {
        tracing::info!(migration = name, "a migration was applied");
    }
    Ok(store)
}

/// Refuses a database that was sealed under another root; marks a new one as sealed under this.
pub fn check_root(store: &Store, vault: &Vault) -> Result<(), StartError> {
    let stored = store.write_blocking(|conn| match setting::find(conn, ROOT_CHECK)? {
        Some(stored) => Ok(Some(stored)),
        None => {
            setting::put(conn, ROOT_CHECK, &vault.check_value())?;
            Ok(None)
        }
    })?;
    if let Some(stored) = stored {
        vault.verify_check_value(&stored)?;
    }
    Ok(())
}
