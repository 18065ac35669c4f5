//! The command line.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

/// NexusAI, an LLM gateway.
#[derive(Debug, Parser)]
#[command(name = "nexus", version, about, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the gateway.
    Serve(Serve),
    /// Make, list and revoke keys.
    Key {
        #[command(subcommand)]
        command: Key,
        #[command(flatten)]
        place: Place,
    },
    /// Check a configuration file, or show what is in force.
    Config {
        #[command(subcommand)]
        command: Config,
    },
    /// Bring the database's schema up to date, show it, or take a step back.
    Migrate {
        #[command(subcommand)]
        command: Migrate,
        #[command(flatten)]
        place: Place,
    },
    /// What the gateway knows about providers.
    Provider {
        #[command(subcommand)]
        command: Provider,
    },
}

/// Where the settings lie that say which database to work on.
#[derive(Clone, Debug, Args)]
pub struct Place {
    /// The configuration file.
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Serve {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The address and port to listen on.
    #[arg(long, value_name = "ADDR:PORT", conflicts_with = "port")]
    pub bind: Option<SocketAddr>,
    /// The port to listen on.
    #[arg(long)]
    pub port: Option<u16>,
    /// How many threads serve.
    #[arg(long, value_name = "N")]
    pub workers: Option<u16>,
    /// How long an exchange with a provider may take.
    #[arg(long, value_name = "SECONDS")]
    pub timeout: Option<u64>,
    /// Log the pipeline's stages, and start without secrets (throw-away ones are made).
    #[arg(long)]
    pub debug: bool,
}

/// What is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Level {
    /// Manages the gateway.
    Admin,
    /// Calls models.
    App,
}

#[derive(Debug, Subcommand)]
pub enum Key {
    /// Make a key and print it, once.
    Create(KeyCreate),
    /// List the keys.
    List {
        #[arg(long)]
        output: Option<Output>,
    },
    /// Refuse a key from now on.
    Revoke {
        /// The key's id.
        id: String,
    },
}

#[derive(Debug, Args)]
pub struct KeyCreate {
    #[arg(long)]
    pub level: Level,
    /// The team it belongs to; made where it is missing. Application keys without one belong to `default`.
    #[arg(long, value_name = "NAME")]
    pub team: Option<String>,
    /// What the key is for.
    #[arg(long, default_value = "")]
    pub name: String,
    /// How many days the key is good for; without it, ten years.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u64).range(1..=3653))]
    pub expires_in_days: Option<u64>,
    /// JSON where the output is no terminal, unless said otherwise.
    #[arg(long)]
    pub output: Option<Output>,
}

#[derive(Debug, Subcommand)]
pub enum Config {
    /// Tell everything that is wrong with a file.
    Check { file: PathBuf },
    /// Show the settings in force, secrets left out.
    Print {
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Print the reference of every setting, as Markdown.
    Reference,
}

#[derive(Clone, Copy, Debug, Subcommand)]
pub enum Migrate {
    /// Apply what is missing.
    Run,
    /// Show what is applied.
    Status,
    /// Take the newest step back; what it made is lost.
    Revert,
}

#[derive(Clone, Copy, Debug, Subcommand)]
pub enum Provider {
    /// List the kinds of provider that can be configured.
    Kinds {
        #[arg(long)]
        output: Option<Output>,
    },
}
