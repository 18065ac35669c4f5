//! `nexus team`, as it is typed.

use clap::{Args, Subcommand};

use super::Output;

#[derive(Debug, Subcommand)]
pub enum Team {
    /// List the teams.
    List {
        #[arg(long)]
        output: Option<Output>,
    },
    /// Make a team.
    Create(TeamCreate),
    /// Keep what a team's requests and their answers say, for so long, or no more.
    Content(TeamContent),
}

#[derive(Debug, Args)]
pub struct TeamCreate {
    #[arg(long)]
    pub name: String,
    #[arg(long)]
    pub output: Option<Output>,
}

#[derive(Debug, Args)]
pub struct TeamContent {
    /// The team's name.
    pub name: String,
    /// For how long; a minute at least and a year at most.
    #[arg(long, value_name = "SECONDS", required_unless_present = "off")]
    pub ttl_seconds: Option<u32>,
    /// Keep nothing from now on, and erase what is kept.
    #[arg(long, conflicts_with = "ttl_seconds")]
    pub off: bool,
    #[arg(long)]
    pub output: Option<Output>,
}
