//! The workshop: every task of the development loop, started as `cargo xtask TASK`.
//! It depends on no workspace crate, so it builds in seconds and works when the product does not compile.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a command-line tool: it prints, starts processes, reads the environment and waits for them"
)]

mod bans;
mod bench;
mod check;
mod conformance;
mod console;
mod costs;
mod dev;
mod docs;
mod fleet;
mod flood;
mod fuzz;
mod host;
mod http;
mod instance;
mod layers;
mod new_provider;
mod node;
mod outage;
mod postgres;
mod prices;
mod redis;
mod relay;
mod report;
mod restarts;
mod rows;
mod service;
mod test;
mod tidy;
mod workspace;

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The workshop of NexusAI.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Command {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Format, lints, layers, bans and the house rules; says how long each took
    Check,
    /// Check who may depend on whom
    Layers {
        /// Write the table into docs/architecture.md
        #[arg(long)]
        write: bool,
    },
    /// Write every generated page
    Docs,
    /// Run all tests, or only those named: a crate (`core`, `wire`, ..), `rust`, `sdk`, `rest`, `readme`, `console`
    Test(test::Options),
    /// Build, start gateway and mock provider, make keys, and print how to use them
    Dev(dev::Options),
    /// Build the web console, which the gateway embeds
    Console,
    /// Run the mock provider alone; arguments go to `nexus-mock`
    Mock {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Make the catalogue of well-known models from a price list of LiteLLM
    Prices {
        /// `model_prices_and_context_window.json`, or its copy inside the package
        file: std::path::PathBuf,
        /// The list's version, for the note of where it is from
        #[arg(long)]
        version: String,
    },
    /// Give a new vendor its place in the tree, and say what is left to do there
    NewProvider(new_provider::Options),
    /// Feed mutated recordings to the decoders
    Fuzz(fuzz::Options),
    /// Measure the gateway against a plain pass-through on one pinned core
    Bench(bench::Options),
    /// Recompute in Python what mixed requests cost, to the nano-dollar
    Costs(costs::Options),
    /// Make a ledger of millions of attempts and measure the totals over it
    Rows(rows::Options),
    /// Kill a gateway under load and start it again, so often; nothing may be lost or doubled
    Crash {
        #[arg(long, default_value_t = 100)]
        rounds: u32,
    },
    /// Take Redis and PostgreSQL away from three nodes under load, in every way; nothing may fail or be lost
    Outage(outage::Options),
    /// Hand one address over from process to process under load, so often; no request may fail
    Restarts(restarts::Options),
    /// Compute what one to a thousand nodes ask of Redis and PostgreSQL, and draw the curves for docs/scale.md
    Simulate,
    /// Run the tests of OpenAI's SDK against its specification, directly and through a gateway
    Conformance(conformance::Options),
    /// Measure what a flood of bad keys does to those who show good ones
    Flood(flood::Options),
}

/// Starts over without what `cargo run` says of this package. A cargo started from here would hand it to build
/// scripts, and some dependencies would be built anew each time `cargo xtask` and `cargo build` take turns.
fn without_package_variables() -> std::io::Result<()> {
    let is_of_package = |name: &OsString| {
        let name = name.to_string_lossy();
        name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
    };
    let names: Vec<OsString> = std::env::vars_os().map(|(name, _)| name).filter(is_of_package).collect();
    if names.is_empty() {
        return Ok(());
    }
    let mut again = std::process::Command::new(std::env::current_exe()?);
    again.args(std::env::args_os().skip(1));
    names.iter().for_each(|name| {
        again.env_remove(name);
    });
    Err(again.exec())
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether the task passed.
fn run() -> anyhow::Result<bool> {
    without_package_variables()?;
    let command = Command::parse();
    let workspace = workspace::Workspace::read()?;
    match command.task {
        Task::Check => check::run(&workspace),
        Task::Layers { write: false } => layers::run(&workspace),
        Task::Layers { write: true } => layers::write(&workspace),
        Task::Docs => docs::write(&workspace),
        Task::Test(options) => test::run(&workspace, &options),
        Task::Dev(options) => dev::run(&workspace, &options),
        Task::Console => console::run(&workspace),
        Task::Mock { args } => dev::mock(&workspace, &args),
        Task::Prices { file, version } => prices::write(&workspace, &file, &version),
        Task::NewProvider(options) => new_provider::run(&workspace, &options),
        Task::Fuzz(options) => fuzz::run(&workspace, &options),
        Task::Bench(options) => bench::run(&workspace, &options),
        Task::Costs(options) => costs::run(&workspace, &options),
        Task::Rows(options) => rows::run(&workspace, &options),
        Task::Crash { rounds } => test::crash(&workspace, rounds),
        Task::Outage(options) => outage::run(&workspace, &options),
        Task::Restarts(options) => restarts::run(&workspace, &options),
        Task::Simulate => simulate(&workspace),
        Task::Conformance(options) => conformance::run(&workspace, &options),
        Task::Flood(options) => flood::run(&workspace, &options),
    }
}

/// The simulation, with its picture in the docs.
fn simulate(workspace: &workspace::Workspace) -> anyhow::Result<bool> {
    let picture = workspace.root.join("docs/images/scale.svg");
    let words = ["run", "--quiet", "--package", "nexus-core", "--example", "simulate", "--"];
    let status =
        std::process::Command::new("cargo").args(words).arg(picture).current_dir(&workspace.root).status()?;
    Ok(status.success())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        super::Command::command().debug_assert();
    }
}
