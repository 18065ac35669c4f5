//! `cargo xtask check`: everything that can be said of the tree without running it.
//! Every step runs even when an earlier one failed, so one run shows all there is to mend.

use anyhow::Result;
use xshell::{Shell, cmd};

use crate::report::{Verdict, step};
use crate::workspace::Workspace;
use crate::{bans, layers, tidy};

pub(crate) fn run(workspace: &Workspace) -> Result<bool> {
    let passed = [
        step("tidy", || tidy::verdict(workspace)),
        step("layers", || layers::verdict(workspace)),
        step("bans", || bans::verdict(workspace)),
        step("fmt", || component(&workspace.shell, "fmt", &["--all", "--check"])),
        step("clippy", || {
            let args = ["--workspace", "--all-targets", "--", "-D", "warnings"];
            component(&workspace.shell, "clippy", &args)
        }),
    ];
    Ok(passed.iter().all(|passed| *passed))
}

/// Runs a cargo subcommand that rustup may have left out; its absence is said, never silent.
fn component(shell: &Shell, name: &str, args: &[&str]) -> Result<Verdict> {
    if cmd!(shell, "cargo {name} --version").quiet().ignore_stdout().ignore_stderr().run().is_err() {
        let package = if name == "fmt" { "rustfmt" } else { name };
        return Ok(Verdict::Skipped(format!("not installed: `rustup component add {package}`")));
    }
    let ended = cmd!(shell, "cargo {name} {args...}").quiet().run();
    Ok(Verdict::of(
        ended.err().map(|_| format!("`cargo {name}` found something: see above")).into_iter().collect(),
    ))
}
