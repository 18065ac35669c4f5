//! The Rust tests, with cargo-nextest where it is installed and `cargo test` where not.
//! Nextest runs no documentation tests, so they are a runner of their own beside it; what stands on a database runs
//! once more on PostgreSQL.

use std::process::Command;

use anyhow::Result;
use xshell::cmd;

use super::tally::{Reader, Tally};
use crate::host;
use crate::postgres::Postgres;
use crate::report::Paint;
use crate::workspace::Workspace;

/// Tests of the named packages, of all where none is named.
pub(super) fn run(workspace: &Workspace, packages: &[&str]) -> Result<Vec<(String, Tally)>> {
    let shell = &workspace.shell;
    if (packages.is_empty() || packages.contains(&"nexus-gateway"))
        && let Err(error) = host::ensure(shell, &[host::REDIS])
    {
        println!("the tests of several nodes that share limits are not run: {error}");
    }
    let has_nextest =
        cmd!(shell, "cargo nextest --version").quiet().ignore_stdout().ignore_stderr().run().is_ok();
    if !has_nextest {
        println!("rust on postgres: absent, it takes cargo-nextest");
        let test = ["test", "--no-fail-fast"];
        return Ok(vec![runner(workspace, "rust", &test, packages, Tally::cargo_test)?]);
    }
    let nextest = ["nextest", "run", "--no-fail-fast", "--no-tests=warn"];
    let mut results = vec![runner(workspace, "rust", &nextest, packages, Tally::nextest)?];
    if let Some(tests) = tests_of_databases(packages) {
        let tally = on_postgres(workspace, &nextest, &tests).unwrap_or_else(|error| Tally::broken(&error));
        results.push(("rust on postgres".to_owned(), tally));
    }
    if packages.is_empty() {
        let doc =
            runner(workspace, "doc", &["test", "--doc", "--no-fail-fast"], packages, Tally::cargo_test)?;
        // No documentation test anywhere is not a broken runner.
        results.extend((doc.1 != Tally::default()).then_some(doc));
    }
    Ok(results)
}

/// Of the packages' tests those that stand on a database, as nextest selects them.
fn tests_of_databases(packages: &[&str]) -> Option<String> {
    let all = [
        ("nexus-store", "package(nexus-store) - test(/^(csv|journal|proofs)::/)"),
        ("nexus-gateway", "package(nexus-gateway) & test(/^postgres::/)"),
    ];
    let is_wanted = |package: &str| packages.is_empty() || packages.contains(&package);
    let wanted = all.iter().filter(|(package, _)| is_wanted(package));
    let tests: Vec<_> = wanted.map(|(_, tests)| format!("({tests})")).collect();
    (!tests.is_empty()).then(|| tests.join(" + "))
}

/// The whole workspace is named, so that nothing is built with other features than before.
fn on_postgres(workspace: &Workspace, nextest: &[&str], tests: &str) -> Result<Tally> {
    let postgres = Postgres::start(workspace)?;
    let mut command = Command::new("cargo");
    command.args(nextest).args(["--workspace", "-E", tests]).current_dir(&workspace.root);
    Tally::of(command.env("NEXUS_TEST_POSTGRES", &postgres.url), Tally::nextest)
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
    if host::is_met(&workspace.shell, &host::REDIS) {
        // from here on a test that cannot have one fails
        command.env("NEXUS_TEST_REDIS", "required");
    }
    if Paint::for_stdout().is_coloured() {
        command.args(["--color", "always"]);
    }
    Ok((name.to_owned(), Tally::of(&mut command, read)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_on_a_database_runs_again_on_postgres() {
        for (packages, expected) in [
            (&["nexus-core"][..], None),
            (
                &["nexus-core", "nexus-store"],
                Some("(package(nexus-store) - test(/^(csv|journal|proofs)::/))"),
            ),
            (
                &[],
                Some(
                    "(package(nexus-store) - test(/^(csv|journal|proofs)::/)) + (package(nexus-gateway) & test(/^postgres::/))",
                ),
            ),
        ] {
            assert_eq!(tests_of_databases(packages).as_deref(), expected, "{packages:?}");
        }
    }
}
