//! What is written for Node, installed as its lock file says, once for each lock file.

use std::path::Path;

use anyhow::Result;
use xshell::{Shell, cmd};

use crate::host;

/// Whether Node and npm are there.
pub(crate) fn is_there(shell: &Shell) -> bool {
    host::is_met(shell, &host::NODE)
}

/// Installs what `package-lock.json` in `folder` pins, unless that was done.
pub(crate) fn install(shell: &Shell, folder: &Path) -> Result<()> {
    host::ensure(shell, &[host::NODE])?;
    let pins = shell.read_file(folder.join("package-lock.json"))?;
    let mark = folder.join("node_modules/.installed");
    if shell.read_file(&mark).is_ok_and(|installed| installed == pins) {
        return Ok(());
    }
    let _there = shell.push_dir(folder);
    cmd!(shell, "npm ci --no-audit --no-fund --ignore-scripts --loglevel=error").quiet().run()?;
    Ok(shell.write_file(mark, pins)?)
}
