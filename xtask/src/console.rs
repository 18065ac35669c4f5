//! `cargo xtask console`: the web console from its sources, into the folder the gateway embeds it from.
//! A build of the same sources is not made twice, so that the gateway is not built anew for nothing.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use xshell::cmd;

use crate::host;
use crate::node;
use crate::report::Paint;
use crate::workspace::Workspace;

/// Where the sources lie.
pub(crate) const WEB: &str = "crates/console/web";

/// What lies there and is no source.
const LEFT_OUT: &[&str] = &["node_modules", "dist"];

/// What somebody without Node is told.
const WITHOUT_NODE: &str = "... without Node the console is not built: install Node 20 or newer with npm \
    (`sudo apt-get install -y nodejs npm`), then `cargo xtask console`";

/// `cargo xtask console`.
pub(crate) fn run(workspace: &Workspace) -> Result<bool> {
    build(workspace)?;
    println!("{}", Paint::for_stdout().green("the console is built; `cargo build` embeds it"));
    Ok(true)
}

/// Builds it where Node is there, and says what to do where it is not: everything but the console works without.
pub(crate) fn build_if_possible(workspace: &Workspace) -> Result<()> {
    if node::is_there(&workspace.shell) {
        return build(workspace);
    }
    println!("{}", Paint::for_stdout().yellow(WITHOUT_NODE));
    Ok(())
}

/// Builds it, unless it was built from these very sources.
pub(crate) fn build(workspace: &Workspace) -> Result<()> {
    let shell = &workspace.shell;
    let folder = workspace.root.join(WEB);
    let mark = workspace.target.join("console.built");
    let digest = digest(&folder)?;
    let is_built = folder.join("dist/index.html").exists();
    if is_built && shell.read_file(&mark).is_ok_and(|built| built == digest) {
        return Ok(());
    }
    println!("... building the console");
    node::install(shell, &folder)?;
    let _there = shell.push_dir(&folder);
    cmd!(shell, "npm run --silent build -- --logLevel warn").quiet().run()?;
    Ok(shell.write_file(mark, digest)?)
}

/// The folder of what drives the console in Chromium, with what it needs installed.
pub(crate) fn suite(workspace: &Workspace) -> Result<PathBuf> {
    let shell = &workspace.shell;
    host::ensure(shell, &[host::CHROMIUM])?;
    let folder = workspace.target.join("console-suite");
    shell.create_dir(&folder)?;
    for file in shell.read_dir("tests/console")?.into_iter().filter(|path| path.is_file()) {
        shell.copy_file(&file, &folder)?;
    }
    node::install(shell, &folder)?;
    Ok(folder)
}

/// Tells versions of the sources apart.
fn digest(folder: &Path) -> Result<String> {
    let mut hasher = DefaultHasher::new();
    for file in files(folder)? {
        file.strip_prefix(folder)?.hash(&mut hasher);
        fs::read(&file).with_context(|| format!("cannot read `{}`", file.display()))?.hash(&mut hasher);
    }
    Ok(format!("{:016x}", hasher.finish()))
}

fn files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if !entry.file_type()?.is_dir() {
                files.push(entry.path());
            } else if !LEFT_OUT.iter().any(|name| entry.file_name() == *name) {
                folders.push(entry.path());
            }
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_source_is_another_digest_and_what_was_built_is_none() {
        let shell = xshell::Shell::new().unwrap();
        let folder = shell.create_temp_dir().unwrap();
        let write = |path: &str, text: &str| shell.write_file(folder.path().join(path), text).unwrap();
        write("src/app.tsx", "one");
        let first = digest(folder.path()).unwrap();
        write("dist/index.html", "built");
        write("node_modules/preact/index.js", "installed");
        assert_eq!(digest(folder.path()).unwrap(), first);
        write("src/app.tsx", "two");
        let second = digest(folder.path()).unwrap();
        assert_ne!(second, first);
        write("src/other.tsx", "");
        assert_ne!(digest(folder.path()).unwrap(), second);
    }
}
