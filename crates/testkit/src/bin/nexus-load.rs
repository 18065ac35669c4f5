//! The load generator as a program; prints its report as one JSON object.
//!
//! One thread: it shares a core with the mock provider, the gateway has the other.

use std::io::Write as _;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use nexus_testkit::load::{self, Length, Load};

/// Loads a gateway with chat completions and reports latency and throughput.
#[derive(Debug, Parser)]
struct Flags {
    /// The base URL, as an SDK takes it: `http://127.0.0.1:8080/v1`
    #[arg(long)]
    url: String,
    /// Connections kept open, each with one request at a time
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// How long new requests are begun
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// The bearer key
    #[arg(long, default_value = "none")]
    key: String,
    /// The model to ask for
    #[arg(long)]
    model: String,
    /// Asks for streams
    #[arg(long)]
    stream: bool,
    /// Bytes of the prompt
    #[arg(long, default_value_t = 200)]
    body_bytes: usize,
    /// Requests a second over all connections; as many as can be where absent
    #[arg(long)]
    rate: Option<u32>,
    /// Requests of a connection, each then from another address of 127.0.0.0/8, with its number for `{n}` in the key
    #[arg(long)]
    each: Option<usize>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let flags = Flags::parse();
    let rest = flags.url.strip_prefix("http://").context("`--url` must begin with `http://`")?;
    let (authority, base) =
        rest.split_once('/').context("`--url` must have a path, as in `http://HOST:PORT/v1`")?;
    let load = Load {
        authority: authority.to_owned(),
        path: format!("/{}/chat/completions", base.trim_end_matches('/')),
        key: flags.key,
        model: flags.model,
        stream: flags.stream,
        body_bytes: flags.body_bytes,
        connections: flags.connections,
        length: Length::Time(
            Duration::try_from_secs_f64(flags.seconds).context("`--seconds` must be positive")?,
        ),
        rate: flags.rate,
        each: flags.each,
    };
    let report = load::run(load).await;
    writeln!(std::io::stdout(), "{}", serde_json::to_string(&report)?)?;
    Ok(())
}
