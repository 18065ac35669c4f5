//! The binary `nexus`: reads the command line, runs the command, says what went wrong.
//!
//! Errors end here, in one line each with its causes; nothing above `main` prints or exits.

mod admin;
mod alerts;
mod api;
mod apply;
mod batches;
mod boot;
mod bug;
mod checks;
mod cli;
mod clock;
mod cluster;
mod command;
mod connections;
mod console;
mod contents;
mod cors;
mod deed;
mod dice;
mod entrance;
mod forwarded;
mod handed;
mod inbound;
mod ledger;
mod listen;
mod modes;
mod nodes;
mod owners;
mod proofs;
mod reload;
mod reprice;
mod respond;
mod retention;
mod rotation;
mod route;
mod serve;
mod settle;
mod shelf;
mod start;
mod structure;
mod tarpit;
mod terminal;
mod trail;
mod upkeep;
mod worker;

use std::process::ExitCode;

use clap::Parser as _;

/// One allocator for the whole process: small, frequent, short-lived allocations are what a gateway makes.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    bug::watch();
    match command::run(cli::Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            terminal::complain(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}
