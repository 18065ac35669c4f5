//! What the page of threats says is held by a test is held by one, and no query looks for a caller's text by pattern.

use std::collections::BTreeSet;

use super::files::SourceFile;

const PAGE: &str = "docs/threats.md";
/// Lines the page has: so many lessons and so many threats.
const LINES: [(&str, usize); 2] = [("S", 55), ("T", 45)];
/// The one query by pattern there is; the pattern is our own.
const BY_PATTERN: &str = "crates/store/src/repo/idempotency.rs";
const STORE: &str = "crates/store/src/";

pub(super) fn check(files: &[SourceFile]) -> Vec<String> {
    let mut findings: Vec<String> = files.iter().filter_map(query_by_pattern).collect();
    if let Some(page) = files.iter().find(|file| file.path == PAGE) {
        let tests: BTreeSet<&str> = files.iter().filter(|file| file.is("rs")).flat_map(tests).collect();
        findings.extend(check_page(&page.text, &tests));
    }
    findings
}

fn check_page(page: &str, tests: &BTreeSet<&str>) -> Vec<String> {
    let mut findings = Vec::new();
    for (number, line) in (1..).zip(page.lines()) {
        for name in named(line).filter(|name| !tests.contains(name)) {
            findings.push(format!("{PAGE}:{number}: there is no test `{name}`"));
        }
    }
    for (letter, count) in LINES {
        for number in 1..=count {
            let start = format!("| {letter}-{number} |");
            let rows = page.lines().filter(|line| line.starts_with(&start)).count();
            if rows != 1 {
                findings.push(format!("{PAGE}: `{letter}-{number}` has {rows} lines, not one"));
            }
        }
    }
    findings
}

/// Code words of a line that are named as tests are: a sentence in lower case.
fn named(line: &str) -> impl Iterator<Item = &str> {
    let is_sentence = |word: &&str| {
        word.matches('_').count() >= 2
            && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    line.split('`').skip(1).step_by(2).filter(is_sentence)
}

/// The functions of a file that are tests.
fn tests(file: &SourceFile) -> Vec<&str> {
    let mut names = Vec::new();
    let mut is_marked = false;
    for line in file.text.lines().map(str::trim) {
        if line.starts_with("#[") {
            is_marked |= line.ends_with("test]") || line.contains("::test(");
        } else if let Some(rest) = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ") {
            if is_marked {
                names.extend(rest.split(['(', '<']).next());
            }
            is_marked = false;
        }
    }
    names
}

fn query_by_pattern(file: &SourceFile) -> Option<String> {
    let is_query = file.path.starts_with(STORE) && file.is("rs") && file.path != BY_PATTERN;
    let line = file.text.lines().position(|line| line.contains(".like(") || line.contains(".ilike("));
    let number = line.filter(|_| is_query)?.saturating_add(1);
    Some(format!("{}:{number}: a query by pattern: a caller's text in it would read every row", file.path))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A page with every line, those of `S-1` and `T-2` as given.
    fn page(s1: &str, t2: &str) -> String {
        let lines = LINES.into_iter().flat_map(|(letter, count)| (1..=count).map(move |at| (letter, at)));
        let said = |letter, at| match (letter, at) {
            ("S", 1) => s1,
            ("T", 2) => t2,
            _ => "-",
        };
        lines.map(|(letter, at)| format!("| {letter}-{at} | a | {} |\n", said(letter, at))).collect()
    }

    fn findings(page: &str, code: &str) -> String {
        let files = [SourceFile::new(PAGE, page), SourceFile::new("crates/a/tests/a.rs", code)];
        check(&files).join("\n")
    }

    #[test]
    fn a_test_that_is_named_is_there_and_every_line_is() {
        let code = "#[test]\nfn one_is_held() {}\n#[tokio::test]\nasync fn two_is_held() {}\nfn no_test_at_all() {}\n\
                    #[tokio::test(start_paused = true)]\n#[allow(x)]\nasync fn three_is_held() {}\n";
        let good = page("`one_is_held`, `deny.toml`, `three_is_held`", "`two_is_held` and `Cargo.toml`");
        assert_eq!(findings(&good, code), "");
        for (bad, expected) in [
            (page("`one_was_held`", "-"), "docs/threats.md:1: there is no test `one_was_held`"),
            (page("`no_test_at_all`", "-"), "there is no test `no_test_at_all`"),
            (good.replace("| T-45 |", "| T-44 |"), "`T-44` has 2 lines, not one"),
            (good.replace("| S-9 |", "| S9 |"), "`S-9` has 0 lines, not one"),
        ] {
            let found = findings(&bad, code);
            assert!(found.contains(expected), "{expected} is not in {found}");
        }
    }

    #[test]
    fn a_pattern_in_a_query_is_refused() {
        for (path, text, is_found) in [
            ("crates/store/src/repo/key.rs", "//! X.\nquery.filter(name.like(text))\n", true),
            ("crates/store/src/repo/key.rs", "//! X.\nquery.filter(name.eq(text))\n", false),
            (BY_PATTERN, "//! X.\nsealed.like(ours)\n", false),
            ("crates/core/src/scope.rs", "//! X.\npattern.like(text)\n", false),
        ] {
            assert_eq!(query_by_pattern(&SourceFile::new(path, text)).is_some(), is_found, "{path}: {text}");
        }
    }
}
