//! `cargo xtask fuzz`: mutated recordings into every decoder, for as long as is asked.
//! Without a coverage map, so that the stable compiler does; the seeds are the cases that cover the decoders.

use std::process::Command;

use anyhow::Result;
use clap::Args;

use crate::workspace::Workspace;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// One target, such as `sse` or `anthropic.stream`; all, one after the other, where none is named
    target: Option<String>,
    /// How long each target is fuzzed, of processor time: on a busy machine a run takes longer, and does as much
    #[arg(long, value_name = "N", default_value_t = 60)]
    seconds: u64,
}

pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<bool> {
    let mut command = Command::new("cargo");
    command.args(["test", "--workspace", "--test", "fuzz", "--", "--nocapture"]);
    command.current_dir(&workspace.root).env("NEXUS_FUZZ_SECONDS", options.seconds.to_string());
    if let Some(target) = &options.target {
        command.env("NEXUS_FUZZ_TARGET", target);
    }
    Ok(command.status()?.success())
}
