//! Puts the node together: settings, secrets, database, journal, world.
//!
//! The order matters: a wrong `DB_ENCRYPTION_KEY` is found before anything is sealed with it.

use std::{path::Path, sync::Arc};

use nexus_config::{
    environment::{Absence, Environment},
    load::{self, Flags},
    plain::Plain,
    problem::Problems,
    settings::{HostCredentials, Settings},
};
use nexus_engine::{port::Clock as _, shared::Keys as Proofs};
use nexus_keystore::{
    cursor::Cursors, opaque::OpaqueDigests, root::RootSecret, shared_state::SharedState,
    signing_secret::SigningSecrets, token::Tokens, vault::Vault, webhook::WebhookSecrets,
};
use nexus_store::{
    Store, migrate,
    repo::{data_key, setting, usage::parts},
};
use nexus_transport::{Host, HostSource, Hosts};

use crate::{admin::Secrets, clock::SystemClock, rotation::ring, start::StartError};

/// The row of the settings table that tells whether `DB_ENCRYPTION_KEY` is the right one.
pub const ROOT_CHECK: &str = "db_encryption_key_check";

/// The settings in force.
pub fn settings(file: Option<&Path>, flags: &Flags) -> Result<Settings, StartError> {
    Ok(load::load(file, &Environment::from_process(), flags)?)
}

/// What the root secrets are for.
pub struct Keys {
    /// What keys are proven with.
    pub proofs: Proofs,
    pub vault: Arc<Vault>,
    pub secrets: Secrets,
    /// For what nodes share outside the database.
    pub shared: SharedState,
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
    let secret_key = root("NEXUS_SECRET_KEY", roots.secret_key)?;
    let secrets = Secrets {
        cursors: Cursors::new(&secret_key)?,
        signing: SigningSecrets::new(&secret_key)?,
        webhooks: Arc::new(WebhookSecrets::new(&secret_key)?),
    };
    let (digests, signing) = (OpaqueDigests::new(&secret_key)?, SigningSecrets::new(&secret_key)?);
    let shared = SharedState::new(&secret_key)?;
    let proofs = Proofs { digests, signing, tokens: Tokens::new(secret_key) };
    let vault = Vault::new(&root("DB_ENCRYPTION_KEY", roots.db_encryption_key)?)?;
    Ok(Keys { proofs, vault: Arc::new(vault), secrets, shared, throw_away })
}

/// A root secret from the variable of this name.
pub fn root(variable: &str) -> Result<RootSecret, StartError> {
    let text = Environment::from_process().root(variable).map_err(|problem| Problems(vec![problem]))?;
    RootSecret::from_text(text.expose())
        .map_err(|weak| StartError::NamedRoot { variable: variable.to_owned(), weak })
}

/// Opens the database and brings its schema up to date.
pub fn store(settings: &Settings) -> Result<Store, StartError> {
    let store = Store::open(settings.database_url.expose())?;
    bring_up_to_date(&store)?;
    Ok(store)
}

/// Applies the migrations a database lacks, and makes the ledger's next parts.
pub fn bring_up_to_date(store: &Store) -> Result<(), StartError> {
    for name in migrate::run(store)? {
        tracing::info!(migration = name, "a migration was applied");
    }
    parts::tend(store, SystemClock::new().unix_ms())?;
    Ok(())
}

/// Refuses a database that was sealed under another root; marks a new one as sealed under this. From then on
/// the vault has the database's data keys.
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
    for error in ring::take(vault, store.read_blocking(data_key::list)?) {
        tracing::error!(%error, "a data key does not unwrap; what is sealed under it does not open");
    }
    Ok(())
}

/// What the operator lets providers take of this host's identity at clouds.
pub fn hosts(settings: &Settings) -> Hosts {
    Hosts { aws: host(&settings.aws), azure: host(&settings.azure), google: host(&settings.google) }
}

fn host<S: HostSource>(allowed: &HostCredentials) -> Host<S> {
    let sources = allowed.sources.iter().filter_map(|word| S::read(word)).collect();
    Host::new(sources, |name| allowed.variables.get(name).map(|text| text.expose().to_owned()))
}

#[cfg(test)]
mod tests {
    use nexus_transport::{AwsSource, AzureSource, GoogleSource};

    use super::*;

    fn words<S: HostSource>() -> Vec<&'static str> {
        S::ALL.iter().map(|source| source.as_str()).collect()
    }

    #[test]
    fn every_source_of_credentials_that_can_be_set_is_known() {
        assert_eq!(words::<AwsSource>(), HostCredentials::AWS);
        assert_eq!(words::<AzureSource>(), HostCredentials::AZURE);
        assert_eq!(words::<GoogleSource>(), HostCredentials::GOOGLE);
    }
}
