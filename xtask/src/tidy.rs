//! The house rules that a tool can hold, over the text of the tree; `tidy/docs.rs` has those for pages.
//! Rules are pure functions of the files' texts, so that each is tested on a few invented lines.

mod docs;
mod files;
mod migrations;
mod threats;

use anyhow::Result;

use crate::report::{Paint, Verdict};
use crate::workspace::Workspace;
use files::SourceFile;

const MOST_LINES: usize = 700;
const MANY_LINES: usize = 400;
const VAGUE_NAMES: &[&str] = &[
    "mod", "util", "utils", "helper", "helpers", "common", "misc", "manager", "base", "data", "info", "stuff",
];
/// Words that promise work instead of doing it; split so that this file keeps its own rule.
const PROMISES: &[&str] =
    &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX"), concat!("for ", "now")];
const DEBUG_MACRO: &str = concat!("dbg", "!(");
/// Where a person's or a machine's own files lie, but never a program's that we install.
const MACHINE_PATHS: &[&str] =
    &[concat!("/", "home/"), concat!("/", "root/"), concat!("/", "work/"), concat!("/", "Users/")];

/// Every breach of the rules; long files are only mentioned.
pub(crate) fn verdict(workspace: &Workspace) -> Result<Verdict> {
    let files = files::read(&workspace.root)?;
    let paint = Paint::for_stdout();
    for file in files.iter().filter(|file| file.is("rs") && (MANY_LINES..MOST_LINES).contains(&file.lines()))
    {
        println!("   {} {}: {} lines, think about a split", paint.yellow("warning"), file.path, file.lines());
    }
    Ok(Verdict::of(check(&files)))
}

fn check(files: &[SourceFile]) -> Vec<String> {
    let mut findings: Vec<String> = files.iter().flat_map(check_file).collect();
    findings.extend(migrations::check(files));
    findings.extend(docs::check(files));
    findings.extend(threats::check(files));
    findings
}

fn check_file(file: &SourceFile) -> Vec<String> {
    let mut findings = Vec::new();
    if file.is("rs") {
        findings.extend(check_rust(file));
    }
    for (number, line) in (1..).zip(file.text.lines()) {
        findings.extend(check_line(file, line).map(|finding| format!("{}:{number}: {finding}", file.path)));
    }
    findings
}

fn check_rust(file: &SourceFile) -> Vec<String> {
    let path = &file.path;
    let mut findings = Vec::new();
    if !file.text.starts_with("//!") {
        findings
            .push(format!("{path}: begins without `//!`: say what the file is and which invariant it keeps"));
    }
    if file.lines() > MOST_LINES {
        findings.push(format!("{path}: {} lines, at most {MOST_LINES}: split it", file.lines()));
    }
    let stem = file.stem();
    let is_test_root = stem == "mod" && path.contains("/tests/");
    if (VAGUE_NAMES.contains(&stem) && !is_test_root) || stem.ends_with("_v2") {
        findings.push(format!("{path}: `{stem}` names nothing: name the file after what it holds"));
    }
    findings
}

fn check_line(file: &SourceFile, line: &str) -> Option<String> {
    if !file.is("md") {
        if let Some(promise) = PROMISES.iter().find(|promise| has_word(line, promise)) {
            return Some(format!("`{promise}`: do it, or leave it out"));
        }
        if file.is("rs") && line.contains(DEBUG_MACRO) {
            return Some("a debugging macro was left behind".to_owned());
        }
    }
    let found = MACHINE_PATHS.iter().find(|path| has_path(line, path))?;
    Some(format!("`{found}` is one machine's path: write it relative to the workspace"))
}

/// `word` with nothing alphanumeric on either side.
fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(start, _)| {
        let before = line.get(..start).and_then(|text| text.chars().next_back());
        let after = line.get(start + word.len()..).and_then(|text| text.chars().next());
        !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric)
    })
}

/// `path` where a path begins, not in the middle of a longer one or of an address.
fn has_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(start, _)| {
        let before = line.get(..start).and_then(|text| text.chars().next_back());
        before.is_none_or(|c| c.is_whitespace() || "\"'`(<=,[".contains(c))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> String {
        check_file(&SourceFile::new(path, text)).join("\n")
    }

    #[test]
    fn each_rule_finds_its_breach_and_nothing_else() {
        let long = format!("//! Long.\n{}", "//\n".repeat(MOST_LINES));
        let [todo, fixme, marks, later] = [PROMISES[0], PROMISES[1], PROMISES[2], PROMISES[3]];
        let cases: &[(&str, String, &str)] = &[
            ("crates/a/src/a.rs", "//! Good.\n".into(), ""),
            ("crates/a/src/a.rs", "fn a() {}\n".into(), "begins without `//!`"),
            ("crates/a/src/a.rs", long, "701 lines, at most 700"),
            ("crates/a/src/mod.rs", "//! X.\n".into(), "`mod` names nothing"),
            ("crates/a/tests/it/mod.rs", "//! X.\n".into(), ""),
            ("crates/a/src/helpers.rs", "//! X.\n".into(), "`helpers` names nothing"),
            ("crates/a/src/key_v2.rs", "//! X.\n".into(), "`key_v2` names nothing"),
            ("crates/a/src/database.rs", "//! X.\n".into(), ""),
            ("crates/a/src/a.rs", format!("//! X.\n// {todo}: later\n"), "a.rs:2: "),
            ("crates/a/src/a.rs", format!("//! X.\n// {fixme}\n"), "a.rs:2: "),
            ("deploy/compose.yaml", format!("# {marks}\n"), "compose.yaml:1: "),
            ("deploy/compose.yaml", "# a key like XXXX\n".into(), ""),
            ("crates/a/src/a.rs", format!("//! Good {later}.\n"), "a.rs:1: "),
            ("crates/a/src/a.rs", "//! The cure for nowhere.\n".into(), ""),
            ("docs/words.md", format!("We never say {later}.\n"), ""),
            ("crates/a/src/a.rs", format!("//! X.\n{DEBUG_MACRO}x);\n"), "debugging macro"),
            ("docs/a.md", format!("see {}me/x\n", MACHINE_PATHS[0]), "one machine's path"),
            ("crates/a/src/a.rs", format!("//! X.\n// \"{}main\"\n", MACHINE_PATHS[2]), "one machine's path"),
            ("docs/a.md", format!("https://example.com{}x\n", MACHINE_PATHS[0]), ""),
        ];
        for (path, text, expected) in cases {
            let findings = found(path, text);
            assert_eq!(findings.is_empty(), expected.is_empty(), "{path}: {findings}");
            assert!(findings.contains(expected), "{path}: `{expected}` not in `{findings}`");
        }
    }
}
