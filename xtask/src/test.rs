//! `cargo xtask test`: the Rust tests of every crate, then the suites that drive a real gateway from outside.
//! Each runner ends with one line, `NAME: N passed, N failed`; a runner that could not run counts as a failure.

mod clients;
mod console;
mod readme;
mod rest;
mod rust;
mod scenario;
pub(crate) mod sdk;
mod tally;

use anyhow::{Result, bail};
use clap::Args;

use crate::instance::{Binaries, DIALECTS, Profile};
use crate::report::Paint;
use crate::workspace::Workspace;
use crate::{conformance, costs, outage, restarts};
use tally::Tally;

/// Requests whose cost is recomputed among the tests; `cargo xtask costs` takes more.
const COSTS_REQUESTS: u32 = 2_000;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// A crate (`core`, `wire`, ..), `rust` for all crates, `sdk`, `clients`, `rest`, `readme`, `costs`, `nodes`, `conformance`, `console`; none is everything
    only: Vec<String>,
    /// The SDKs behind a provider of this kind only
    #[arg(long, value_name = "KIND")]
    dialect: Option<String>,
}

/// What one name on the command line stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Rust,
    /// A package by its full name.
    Crate(String),
    Sdk,
    Clients,
    Rest,
    Readme,
    Costs,
    Nodes,
    Conformance,
    Console,
}

const ALL: [Part; 9] = [
    Part::Rust,
    Part::Sdk,
    Part::Clients,
    Part::Rest,
    Part::Readme,
    Part::Costs,
    Part::Nodes,
    Part::Conformance,
    Part::Console,
];

pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<bool> {
    let names: Vec<&str> = workspace.crates.iter().map(|package| package.name.as_str()).collect();
    let parts = parts(&options.only, &names)?;
    let mut results: Vec<(String, Tally)> = Vec::new();
    if parts.contains(&Part::Console) {
        // what is embedded must not change under the tests
        console::prepare(workspace)?;
    }
    let crates: Vec<&str> = parts.iter().filter_map(Part::crate_name).collect();
    if parts.contains(&Part::Rust) || !crates.is_empty() {
        results.extend(rust::run(workspace, &crates)?);
    }
    if parts.iter().any(Part::is_outside) {
        results.extend(outside(workspace, &parts, options.dialect.as_deref()));
    }
    let paint = Paint::for_stdout();
    println!();
    for (name, tally) in &results {
        let line = format!("{name}: {} passed, {} failed", tally.passed, tally.failed);
        println!("{}", if tally.is_good() { paint.green(line) } else { paint.red(line) });
    }
    Ok(!results.is_empty() && results.iter().all(|(_, tally)| tally.is_good()))
}

/// The suites that need the gateway's programs; what cannot be set up is a failed runner, not a silent one.
fn outside(workspace: &Workspace, parts: &[Part], only: Option<&str>) -> Vec<(String, Tally)> {
    let binaries = match Binaries::build(workspace, Profile::Debug) {
        Ok(binaries) => binaries,
        Err(error) => return vec![("build".to_owned(), Tally::broken(&error))],
    };
    let mut results = Vec::new();
    if parts.contains(&Part::Sdk) {
        for dialect in DIALECTS.iter().filter(|dialect| only.is_none_or(|kind| dialect.kind == kind)) {
            for (name, suite) in sdk::SUITES {
                let tally = suite(workspace, &binaries, dialect);
                let tally = tally.unwrap_or_else(|error| Tally::broken(&error));
                results.push((format!("{name} {}", dialect.kind), tally));
            }
        }
    }
    if parts.contains(&Part::Clients) {
        results.extend(clients::run(workspace, &binaries));
    }
    if parts.contains(&Part::Rest) {
        let tally = rest::run(workspace, &binaries).unwrap_or_else(|error| Tally::broken(&error));
        results.push(("rest".to_owned(), tally));
    }
    if parts.contains(&Part::Readme) {
        let tally = readme::run(workspace, &binaries).unwrap_or_else(|error| Tally::broken(&error));
        results.push(("readme".to_owned(), tally));
    }
    if parts.contains(&Part::Console) {
        for (name, suite) in console::SUITES {
            let tally = suite(workspace, &binaries).unwrap_or_else(|error| Tally::broken(&error));
            results.push(((*name).to_owned(), tally));
        }
    }
    if parts.contains(&Part::Costs) {
        let options = costs::Options { requests: COSTS_REQUESTS, seed: 7 };
        results.push(("costs".to_owned(), verdict(costs::check(workspace, &binaries, &options))));
    }
    if parts.contains(&Part::Nodes) {
        let outages = outage::check(workspace, &binaries, &outage::Options::short());
        results.push(("outages".to_owned(), verdict(outages)));
        let restarts = restarts::check(workspace, &binaries, &restarts::Options::short());
        results.push(("restarts".to_owned(), verdict(restarts)));
    }
    if parts.contains(&Part::Conformance) {
        match conformance::slice(workspace, &binaries) {
            Ok(None) => println!("conformance: OpenAI's specification is not beside the checkout"),
            Ok(Some(good)) => results.push(("conformance".to_owned(), verdict(Ok(good)))),
            Err(error) => results.push(("conformance".to_owned(), Tally::broken(&error))),
        }
    }
    results
}

/// What a check that is one thing comes to.
fn verdict(good: Result<bool>) -> Tally {
    match good {
        Ok(true) => Tally { passed: 1, failed: 0 },
        Ok(false) => Tally { passed: 0, failed: 1 },
        Err(error) => Tally::broken(&error),
    }
}

/// The crash test of the gateway, for so many rounds.
pub(crate) fn crash(workspace: &Workspace, rounds: u32) -> Result<bool> {
    let _here = workspace.shell.push_dir(&workspace.root);
    let tests = ["test", "--package", "nexus-gateway", "--test", "e2e", "crash::", "--", "--nocapture"];
    let run = xshell::cmd!(workspace.shell, "cargo {tests...}").env("NEXUS_CRASH_ROUNDS", rounds.to_string());
    Ok(run.run().is_ok())
}

impl Part {
    /// Whether it drives the gateway's programs from outside.
    fn is_outside(&self) -> bool {
        !matches!(self, Self::Rust | Self::Crate(_))
    }

    fn crate_name(&self) -> Option<&str> {
        if let Self::Crate(name) = self { Some(name) } else { None }
    }
}

fn parts(only: &[String], packages: &[&str]) -> Result<Vec<Part>> {
    if only.is_empty() {
        return Ok(ALL.to_vec());
    }
    let part = |name: &String| match name.as_str() {
        "rust" => Ok(Part::Rust),
        "sdk" => Ok(Part::Sdk),
        "clients" => Ok(Part::Clients),
        "rest" => Ok(Part::Rest),
        "readme" => Ok(Part::Readme),
        "costs" => Ok(Part::Costs),
        "nodes" => Ok(Part::Nodes),
        "conformance" => Ok(Part::Conformance),
        "console" => Ok(Part::Console),
        name => {
            let full = format!("nexus-{}", name.trim_start_matches("nexus-"));
            match packages.iter().find(|package| **package == full || **package == name) {
                Some(package) => Ok(Part::Crate((*package).to_owned())),
                None => {
                    bail!(
                        "`{name}` is no part of the tests: name a crate, `rust`, `sdk`, `clients`, `rest`, `readme`, `costs`, `nodes` or `console`"
                    )
                }
            }
        }
    };
    only.iter().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_selects_its_part() {
        let packages = ["nexus-core", "xtask"];
        let cases: &[(&[&str], Option<Vec<Part>>)] = &[
            (&[], Some(ALL.to_vec())),
            (&["core"], Some(vec![Part::Crate("nexus-core".into())])),
            (
                &["nexus-core", "xtask"],
                Some(vec![Part::Crate("nexus-core".into()), Part::Crate("xtask".into())]),
            ),
            (&["sdk"], Some(vec![Part::Sdk])),
            (&["clients"], Some(vec![Part::Clients])),
            (&["readme", "rust"], Some(vec![Part::Readme, Part::Rust])),
            (&["rest"], Some(vec![Part::Rest])),
            (&["nodes"], Some(vec![Part::Nodes])),
            (&["console"], Some(vec![Part::Console])),
            (&["moon"], None),
        ];
        for (names, expected) in cases {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(parts(&names, &packages).ok(), *expected, "{names:?}");
        }
    }
}
