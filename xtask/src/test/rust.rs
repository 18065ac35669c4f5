//! The Rust tests, with cargo-nextest where it is installed and `cargo test` where not.
//! Nextest runs no documentation tests, so they are a runner of their own beside it.

use std::process::Command;

use anyhow::Result;
use xshell::cmd;

use super::tally::{Reader, Tally};
use crate::report::Paint;
use crate::workspace::Workspace;

/// Tests of the named packages, of all where none is named.
pub(super) fn run(workspace: &Workspace, packages: &[&str]) -> Result<Vec<(String, Tally)>> {
    let shell = &workspace.shell;
    let has_nextest =
        cmd!(shell, "cargo nextest --version").quiet().ignore_stdout().ignore_stderr().run().is_ok();
    if !has_nextest {
        return Ok(vec![runner(
            workspace,
            "rust",
            &["test", "--no-fail-fast"],
            packages,
            Tally::cargo_test,
        )?]);
    }
    let nextest = ["nextest", "run", "--no-fail-fast", "--no-tests=warn"];
    let mut results = vec![runner(workspace, "rust", &nextest, packages, Tally::nextest)?];
    if packages.is_empty() {
        let doc =
            runner(workspace, "doc", &["test", "--doc", "--no-fail-fast"], packages, Tally::cargo_test)?;
        // No documentation test anywhere is not a broken runner.
        results.extend((doc.1 != Tally::default()).then_some(doc));
    }
    Ok(results)
}

fn runner(
    workspace: &Workspace,
    name: &str,
    words: &[&str],
    packages: &[&str],
    read: Reader,
) -> Result<(String, Tally)> {
    let mut command = Command::new("cargo");
    command.args(words).current_dir(&workspace.root);
    if packages.is_empty() {
        command.arg("--workspace");
    }
    packages.iter().for_each(|package| {
        command.args(["--package", package]);
    });
    if Paint::for_stdout().is_coloured() {
        command.args(["--color", "always"]);
    }
    Ok((name.to_owned(), Tally::of(&mut command, read)?))
}
