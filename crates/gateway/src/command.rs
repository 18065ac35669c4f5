//! The commands, one file each.

mod config;
mod key;
mod migrate;
mod provider;

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
        Command::Config { command } => config::run(command)?,
        Command::Migrate { command, place } => migrate::run(command, &place)?,
        Command::Provider { command } => provider::run(command),
    }
    Ok(())
}
