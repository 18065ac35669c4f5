//! The tree that the house rules look at: every file by its path from the root, with its text where it has one.
//! Build output, installed packages and the data of a running instance are not part of the tree.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

const LEFT_OUT: &[&str] = &[".git", "target", "nexus-data", "node_modules", "dist", "__pycache__"];
const TEXTS: &[&str] = &[
    "rs", "toml", "sql", "md", "yaml", "yml", "py", "mjs", "js", "ts", "tsx", "css", "html", "sh", "service",
];
const TEXT_NAMES: &[&str] = &["Dockerfile", "run"];

/// One file as the rules see it.
#[derive(Debug)]
pub(super) struct SourceFile {
    /// From the root, with `/`.
    pub(super) path: String,
    /// Empty where the file is no source: a recording, a picture.
    pub(super) text: String,
}

impl SourceFile {
    #[cfg(test)]
    pub(super) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    pub(super) fn is(&self, extension: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|found| found == extension)
    }

    pub(super) fn stem(&self) -> &str {
        Path::new(&self.path).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default()
    }

    /// The folder it lies in, `""` at the root.
    pub(super) fn folder(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    pub(super) fn lines(&self) -> usize {
        self.text.lines().count()
    }
}

/// Every file below `root`, in the order of their paths.
pub(super) fn read(root: &Path) -> Result<Vec<SourceFile>> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("cannot read `{}`", folder.display()))? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.file_type()?.is_dir() {
                if !LEFT_OUT.contains(&name.as_str()) {
                    folders.push(entry.path());
                }
            } else {
                let path = entry.path().strip_prefix(root)?.to_string_lossy().into_owned();
                let text = if is_text(&name) { fs::read_to_string(entry.path()) } else { Ok(String::new()) };
                let text = text.with_context(|| format!("`{path}` is no text"))?;
                files.push(SourceFile { path, text });
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn is_text(name: &str) -> bool {
    let extension = Path::new(name).extension().and_then(|found| found.to_str()).unwrap_or_default();
    TEXTS.contains(&extension) || TEXT_NAMES.contains(&name)
}
