//! `nexus revision`, as it is typed.

use clap::Subcommand;

use super::Output;

#[derive(Debug, Subcommand)]
pub enum Revision {
    /// List the changes of configuration, the newest first.
    List {
        /// How many at most.
        #[arg(long, default_value_t = 50)]
        limit: u32,
        #[arg(long)]
        output: Option<Output>,
    },
    /// Show what a change of configuration changed.
    Show {
        revision: i64,
        #[arg(long)]
        output: Option<Output>,
    },
    /// Take a change of configuration back, as a change of its own.
    Rollback {
        revision: i64,
        /// Only say what would change.
        #[arg(long)]
        dry_run: bool,
        #[arg(long)]
        output: Option<Output>,
    },
}
