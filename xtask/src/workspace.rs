//! The workspace as cargo sees it: where it lies, its crates, and every package in its graph.
//! Read from `cargo metadata` once a run; nothing here guesses paths.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::Deserialize;
use xshell::{Shell, cmd};

/// The answer of `cargo metadata`, as far as the workshop needs it.
#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_members: Vec<String>,
    workspace_root: PathBuf,
    target_directory: PathBuf,
    resolve: Resolve,
}

#[derive(Debug, Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
struct Node {
    id: String,
}

/// One package of the graph.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Package {
    pub name: String,
    pub version: String,
    /// Where it comes from; `None` for a path.
    pub source: Option<String>,
    pub dependencies: Vec<Dependency>,
    id: String,
}

/// One edge as written in a manifest.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Dependency {
    pub name: String,
    /// `None` for a normal dependency, else `dev` or `build`.
    pub kind: Option<String>,
}

/// The workspace and a shell standing in its root.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub root: PathBuf,
    pub target: PathBuf,
    pub crates: Vec<Package>,
    /// Every package that is really built, ours included.
    pub graph: Vec<Package>,
    pub shell: Shell,
}

impl Workspace {
    /// Asks cargo; fails where the manifest does not parse or a new dependency cannot be fetched.
    pub(crate) fn read() -> Result<Self> {
        let shell = Shell::new()?;
        let version = cmd!(shell, "rustc -vV").quiet().read()?;
        let host = version.lines().find_map(|line| line.strip_prefix("host: "));
        let host = host.context("`rustc -vV` names no host")?;
        // For this platform alone: a fresh machine need not fetch what only others build.
        let text =
            cmd!(shell, "cargo metadata --format-version 1 --filter-platform {host}").quiet().read()?;
        let metadata: Metadata =
            serde_json::from_str(&text).context("`cargo metadata` said something else")?;
        let built: Vec<String> = metadata.resolve.nodes.into_iter().map(|node| node.id).collect();
        let is_ours = |package: &&Package| metadata.workspace_members.contains(&package.id);
        let crates = metadata.packages.iter().filter(is_ours).cloned().collect();
        let graph = metadata.packages.iter().filter(|package| built.contains(&package.id)).cloned().collect();
        shell.change_dir(&metadata.workspace_root);
        Ok(Self { root: metadata.workspace_root, target: metadata.target_directory, crates, graph, shell })
    }
}
