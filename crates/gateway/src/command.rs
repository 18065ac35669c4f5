//! The commands, one file each.

mod alert;
mod audit;
pub mod change;
mod config;
mod key;
mod keystore;
mod ledger;
mod migrate;
mod provider;
mod quota;
mod revision;
mod route;
mod team;
mod user;

use anyhow::Result;

use crate::{
    cli::{Cli, Command},
    serve,
};

/// Runs what the command line asks for.
pub fn run(cli: Cli) -> Result<()> {
    match cli.command {
        Command::Serve(options) => serve::run(&options)?,
        Command::Key { command, place } => key::run(command, &place)?,
        Command::User { command, place } => user::run(command, &place)?,
        Command::Config { command } => config::run(command)?,
        Command::Migrate { command, place } => migrate::run(command, &place)?,
        Command::Audit { command, place } => audit::run(command, &place)?,
        Command::Ledger { command, place } => ledger::run(command, &place)?,
        Command::Keystore { command, place } => keystore::run(command, &place)?,
        Command::Provider { command, place } => provider::run(command, &place)?,
        Command::Route { command, place } => route::run(command, &place)?,
        Command::Team { command, place } => team::run(command, &place)?,
        Command::Revision { command, place } => revision::run(&command, &place)?,
        Command::Quota { command, place } => quota::run(command, &place)?,
        Command::Alert { command, place } => alert::run(&command, &place)?,
    }
    Ok(())
}
