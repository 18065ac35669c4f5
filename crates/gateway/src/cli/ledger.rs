//! `nexus ledger`, as it is typed.

use clap::Subcommand;

use super::Output;

#[derive(Debug, Subcommand)]
pub enum Ledger {
    /// Add every attempt up anew, compare that with all sums, and tell what each account comes to.
    Verify {
        #[arg(long)]
        output: Option<Output>,
    },
    /// Move rows that are older into the archive, beside a running server too; no total changes.
    Archive {
        /// How many days old at least.
        #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(35..=36_500))]
        older_than_days: u32,
        #[arg(long)]
        output: Option<Output>,
    },
}
