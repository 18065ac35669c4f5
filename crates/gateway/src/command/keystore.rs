//! `nexus keystore`: what secrets are sealed with, and moving the database to another root secret.
//!
//! Secrets come from variables, never from the command line, where every process of the machine sees them.

use std::{collections::BTreeMap, sync::Arc};

use nexus_config::load::Flags;
use nexus_keystore::vault::Vault;
use nexus_store::{
    Store,
    repo::{
        credential::{self, Credential},
        data_key::{self, DataKey},
    },
};
use serde_json::json;

use crate::{
    boot,
    cli::{Keystore, Output, Place},
    clock::SystemClock,
    reload::credential_place,
    rotation::root::{self, Moved},
    start::StartError,
    terminal::{say, usual_output},
};

pub fn run(command: Keystore, place: &Place) -> Result<(), StartError> {
    let settings = boot::settings(place.config.as_deref(), &Flags::default())?;
    let store = boot::store(&settings)?;
    match command {
        Keystore::Status { output } => status(&store, output.unwrap_or_else(usual_output)),
        Keystore::RotateRoot { from_env, to_env } => rotate_root(&store, &from_env, &to_env),
    }
}

fn rotate_root(store: &Store, from_env: &str, to_env: &str) -> Result<(), StartError> {
    let (from, to) = (boot::root(from_env)?, boot::root(to_env)?);
    match root::move_root(store, &from, &to, Arc::new(SystemClock::new()))? {
        Moved::Now { data_keys } => {
            say(&format!("the database is under the secret of `{to_env}` now; {data_keys} data keys moved"));
        }
        Moved::Before => say(&format!("the database was under the secret of `{to_env}` already")),
    }
    say("Next: set `DB_ENCRYPTION_KEY` to the new value and restart every node within a day;");
    say("until then running nodes serve on, and none of them starts again with the old value.");
    say("Keep the old value as long as you keep backups from before.");
    Ok(())
}

fn status(store: &Store, output: Output) -> Result<(), StartError> {
    let vault = Vault::new(&boot::root("DB_ENCRYPTION_KEY")?)?;
    boot::check_root(store, &vault)?;
    let (keys, credentials) = store.read_blocking(|conn| {
        // no key has this name: every credential is under another
        Ok((data_key::list(conn)?, credential::sealed_under_other_than(conn, "", u32::MAX)?))
    })?;
    let mut sealed: BTreeMap<&str, u64> = BTreeMap::new();
    let mut shut = Vec::new();
    for Credential { id, secret, .. } in &credentials {
        if let Some(version) = vault.version_of(&secret.sealed.0) {
            let count = sealed.entry(version).or_default();
            *count = count.saturating_add(1);
        }
        if vault.open(&secret.sealed.0, credential_place(*id, secret.generation)).is_err() {
            shut.push(id.to_string());
        }
    }
    let count = |version: &str| sealed.get(version).copied().unwrap_or_default();
    let current = vault.current_version();
    let state = |key: &DataKey| match key.retired_at_ms {
        _ if key.id == current => "current",
        Some(_) => "retired",
        None => "unused",
    };
    match output {
        Output::Json => {
            let key = |key: &DataKey| {
                json!({
                    "id": key.id,
                    "created_at": key.created_at_ms.div_euclid(1000),
                    "retired_at": key.retired_at_ms.map(|ms| ms.div_euclid(1000)),
                    "state": state(key),
                    "credentials": count(&key.id),
                })
            };
            say(&json!({
                "data_keys": keys.iter().map(key).collect::<Vec<_>>(),
                "credentials_under_root": count(root::ROOT_VERSION),
                "credentials_shut": shut,
            })
            .to_string());
        }
        Output::Text => {
            say("`DB_ENCRYPTION_KEY` is the one this database is sealed with");
            for key in &keys {
                say(&format!("{:<28}  {:<7}  {} credentials", key.id, state(key), count(&key.id)));
            }
            say(&format!(
                "{:<28}  {:<7}  {} credentials",
                root::ROOT_VERSION,
                "root",
                count(root::ROOT_VERSION)
            ));
            for id in &shut {
                say(&format!("credential {id} does not open; enter its key again or delete it"));
            }
        }
    }
    Ok(())
}
