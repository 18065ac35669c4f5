//! The mock provider as a program; it serves until SIGTERM or SIGINT.
//!
//! The port file is written whole and only once the port is open: who sees it may connect.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Parser;
use nexus_testkit::{Mock, Options};
use tokio::signal::unix::{SignalKind, signal};

/// A mock provider that speaks OpenAI chat completions.
#[derive(Debug, Parser)]
struct Flags {
    /// Where to listen; port 0 takes any free one
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Appends a JSON line about each answer to this file
    #[arg(long)]
    oracle: Option<PathBuf>,
    /// Writes the port, in decimal, to this file
    #[arg(long)]
    port_file: Option<PathBuf>,
    /// The script of models whose name has no words, for example `events=40+delay_ms=between:20`
    #[arg(long, default_value = "")]
    script: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let flags = Flags::parse();
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let options =
        Options { listen: flags.listen, script: flags.script, remember: 0, oracle_file: flags.oracle };
    let mock = Mock::start(options).context("the mock provider does not start")?;
    if let Some(file) = flags.port_file {
        let partial = file.with_extension("partial");
        std::fs::write(&partial, mock.addr().port().to_string())?;
        std::fs::rename(&partial, &file)?;
    }
    writeln!(std::io::stdout(), "mock provider on {}", mock.url())?;
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    mock.stop();
    Ok(())
}
