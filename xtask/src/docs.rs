//! `cargo xtask docs`: every page that is made from the code, written anew.

use anyhow::Result;
use xshell::cmd;

use crate::layers;
use crate::workspace::Workspace;

/// A page, and the command of the product that prints it.
const PAGES: [(&str, [&str; 2]); 3] = [
    ("docs/configuration.md", ["config", "reference"]),
    ("docs/openai-coverage.md", ["config", "coverage"]),
    ("docs/providers.md", ["provider", "reference"]),
];

pub(crate) fn write(workspace: &Workspace) -> Result<bool> {
    let shell = &workspace.shell;
    for (page, words) in PAGES {
        let text = cmd!(shell, "cargo run --quiet --package nexus-gateway -- {words...}").quiet().read()?;
        shell.write_file(page, text + "\n")?;
        println!("{page}");
    }
    layers::write(workspace)
}
