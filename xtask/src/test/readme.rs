//! The commands of pages, run as they stand: every fenced block whose info string ends in `run`.
//!
//! ` ```sh run ` is run by bash, ` ```python run ` by Python with the OpenAI SDK, both with `NEXUS_KEY` set to an
//! application key and `NEXUS_ADMIN_KEY` to an admin key of the platform. The addresses that `dev` prints are
//! replaced by those of the instance under test.
//! A comment `<!-- prints: TEXT -->` above a block demands that its output holds TEXT.

use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::{Result, ensure};
use clap::CommandFactory;

use super::scenario::Scenario;
use super::sdk;
use super::tally::Tally;
use crate::host::{self, Need};
use crate::instance::{Binaries, OPENAI};
use crate::workspace::Workspace;

/// The pages whose commands are run.
const PAGES: [&str; 2] = ["README.md", "docs/administration.md"];
const JQ: Need = Need { name: "jq", probe: "jq --version", packages: &["jq"] };
const PROMISE: &str = "<!-- prints:";
/// The addresses a reader of the README has, from `dev`.
const GATEWAY: [&str; 2] = ["127.0.0.1:8080", "localhost:8080"];
const METRICS: [&str; 2] = ["127.0.0.1:9321", "localhost:9321"];

/// One fenced block.
#[derive(Debug, PartialEq, Eq)]
struct Block {
    language: String,
    is_run: bool,
    /// What its output must hold.
    prints: Vec<String>,
    code: String,
    /// The line of its fence, from 1.
    line: usize,
}

pub(super) fn run(workspace: &Workspace, binaries: &Binaries) -> Result<Tally> {
    host::ensure(&workspace.shell, &[host::CURL, JQ])?;
    let scenario = Scenario::start(workspace, binaries, &OPENAI)?;
    let mut tally = Tally::default();
    for page in PAGES {
        run_page(workspace, &scenario, page, &mut tally)?;
    }
    Ok(tally)
}

fn run_page(workspace: &Workspace, scenario: &Scenario, page: &str, tally: &mut Tally) -> Result<()> {
    let blocks = blocks(&workspace.shell.read_file(page)?);
    for block in &blocks {
        for unknown in unknown_tasks(&block.code) {
            println!("{page}:{}: `cargo xtask {unknown}` is no task", block.line);
            tally.failed += 1;
        }
    }
    let runnable: Vec<&Block> = blocks.iter().filter(|block| block.is_run).collect();
    ensure!(!runnable.is_empty(), "{page} has no block marked `run`, for example ```sh run");
    for block in runnable {
        match run_block(workspace, scenario, block) {
            Ok(()) => tally.passed += 1,
            Err(error) => {
                println!("{page}:{}: {error:#}", block.line);
                tally.failed += 1;
            }
        }
    }
    Ok(())
}

fn run_block(workspace: &Workspace, scenario: &Scenario, block: &Block) -> Result<()> {
    let mut command = match block.language.as_str() {
        "python" => Command::new(sdk::python_with_sdk(workspace)?),
        language => {
            ensure!(["sh", "bash"].contains(&language), "no runner for `{language}`: use sh, bash or python");
            let mut bash = Command::new("bash");
            bash.args(["-euo", "pipefail"]);
            bash
        }
    };
    let mut child = command
        .current_dir(&workspace.root)
        .envs(scenario.env())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(
            block.code_for(&scenario.instance.address(), &scenario.instance.metrics_address()).as_bytes(),
        )?;
    }
    let output = child.wait_with_output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    print!("{text}");
    ensure!(output.status.success(), "the block ended with {}", output.status);
    for promised in &block.prints {
        ensure!(text.contains(promised), "the block did not print `{promised}`");
    }
    Ok(())
}

impl Block {
    /// The code with a reader's addresses replaced by those of an instance.
    fn code_for(&self, address: &str, metrics_address: &str) -> String {
        let code = GATEWAY.iter().fold(self.code.clone(), |code, ours| code.replace(ours, address));
        METRICS.iter().fold(code, |code, ours| code.replace(ours, metrics_address))
    }
}

fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    let mut prints = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let fence = line.trim_start().strip_prefix("```");
        match (open.as_mut(), fence) {
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(block), None) => block.code += &format!("{line}\n"),
            (None, Some(info)) => {
                let words: Vec<&str> = info.split_whitespace().collect();
                open = Some(Block {
                    language: words.first().copied().unwrap_or_default().to_owned(),
                    is_run: words.contains(&"run"),
                    prints: std::mem::take(&mut prints),
                    code: String::new(),
                    line: number,
                });
            }
            (None, None) => prints.extend(promise(line)),
        }
    }
    blocks
}

fn promise(line: &str) -> Option<String> {
    let text = line.trim().strip_prefix(PROMISE)?.strip_suffix("-->")?;
    Some(text.trim().to_owned())
}

/// Words after `cargo xtask` that name no task.
fn unknown_tasks(code: &str) -> Vec<String> {
    let known = crate::Command::command();
    let named = code.lines().filter_map(|line| line.split("cargo xtask ").nth(1)?.split_whitespace().next());
    named.filter(|name| known.find_subcommand(name).is_none()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# A\n```sh\ncargo xtask dev\n```\n<!-- prints: nexus-gpt4 -->\n```sh run\ncurl x\ncurl y\n```\n\
                        ```python run\nprint(1)\n```\n";

    #[test]
    fn marked_blocks_are_found_with_what_they_promise() {
        let found: Vec<_> = blocks(PAGE)
            .into_iter()
            .map(|block| (block.language, block.is_run, block.prints.join(","), block.code, block.line))
            .collect();
        let expected = [
            ("sh", false, "", "cargo xtask dev\n", 2),
            ("sh", true, "nexus-gpt4", "curl x\ncurl y\n", 6),
            ("python", true, "", "print(1)\n", 10),
        ];
        let expected = expected.map(|(language, run, prints, code, line)| {
            (language.to_owned(), run, prints.to_owned(), code.to_owned(), line)
        });
        assert_eq!(found, expected);
    }

    #[test]
    fn the_printed_addresses_become_those_of_the_instance() {
        let code = "curl http://127.0.0.1:8080/v1 http://localhost:8080/v1 localhost:9321/metrics";
        let block = &blocks(&format!("```sh run\n{code}\n```\n"))[0];
        let ready = block.code_for("127.0.0.1:1", "127.0.0.1:2");
        assert_eq!(ready.trim(), "curl http://127.0.0.1:1/v1 http://127.0.0.1:1/v1 127.0.0.1:2/metrics");
    }

    #[test]
    fn a_task_that_does_not_exist_is_noticed() {
        let cases = [("cargo xtask dev --port 1", 0), ("cargo xtask fly", 1), ("cargo build", 0)];
        for (code, unknown) in cases {
            assert_eq!(unknown_tasks(code).len(), unknown, "{code}");
        }
    }
}
