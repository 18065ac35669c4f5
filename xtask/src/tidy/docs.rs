//! The rules of pages: the README is short, its Chinese twin says the same, and relative links lead to files.
//! Text inside fenced blocks is code: no heading and no link is looked for there.

use std::collections::BTreeSet;

use super::files::SourceFile;

const README: &str = "README.md";
const TWIN: &str = "README.zh-CN.md";
const MOST_README_LINES: usize = 120;

pub(super) fn check(files: &[SourceFile]) -> Vec<String> {
    let mut findings = Vec::new();
    let named = |name: &str| files.iter().find(|file| file.path == name);
    match (named(README), named(TWIN)) {
        (Some(readme), Some(twin)) => findings.extend(check_twins(&readme.text, &twin.text)),
        (readme, _) => {
            let missing = if readme.is_none() { README } else { TWIN };
            findings.push(format!("`{missing}` is missing"));
        }
    }
    findings.extend(check_links(files));
    findings
}

fn check_twins(readme: &str, twin: &str) -> Vec<String> {
    let mut findings = Vec::new();
    for (name, text) in [(README, readme), (TWIN, twin)] {
        let lines = text.lines().count();
        if lines > MOST_README_LINES {
            findings.push(format!("{name}: {lines} lines, at most {MOST_README_LINES}"));
        }
    }
    let (ours, theirs) = (Page::read(readme), Page::read(twin));
    if ours.headings != theirs.headings {
        let (ours, theirs) = (ours.headings, theirs.headings);
        findings.push(format!("{TWIN}: {theirs} headings where {README} has {ours}"));
    }
    if ours.code != theirs.code {
        findings.push(format!("{TWIN}: its code blocks are not those of {README} (comments may differ)"));
    }
    findings
}

/// What two translations of a page must share.
#[derive(Debug, Default)]
struct Page {
    headings: usize,
    /// The lines of all fenced blocks with their fences, comments left out.
    code: Vec<String>,
    prose: Vec<String>,
}

impl Page {
    fn read(text: &str) -> Self {
        let mut page = Self::default();
        let mut is_code = false;
        for line in text.lines() {
            if line.trim_start().starts_with("```") {
                is_code = !is_code;
                page.code.push(line.trim().to_owned());
            } else if is_code {
                page.code.extend(without_comment(line));
            } else {
                page.headings += usize::from(line.starts_with('#'));
                page.prose.push(line.to_owned());
            }
        }
        page
    }
}

/// The line up to a comment; nothing when only a comment stood there.
fn without_comment(line: &str) -> Option<String> {
    let code = match line.find("# ") {
        Some(at) => line.get(..at)?,
        None => line,
    };
    (!code.trim().is_empty()).then(|| code.trim_end().to_owned())
}

/// Relative links of every page, checked against the files and their folders.
fn check_links(files: &[SourceFile]) -> Vec<String> {
    let mut targets: BTreeSet<String> = files.iter().map(|file| file.path.clone()).collect();
    for file in files {
        let mut folder = file.folder();
        while !folder.is_empty() {
            targets.insert(folder.to_owned());
            folder = folder.rsplit_once('/').map_or("", |(above, _)| above);
        }
    }
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.is("md")) {
        for link in Page::read(&file.text).prose.iter().flat_map(|line| links(line)) {
            if !targets.contains(&resolved(file.folder(), link)) {
                findings.push(format!("{}: the link to `{link}` leads nowhere", file.path));
            }
        }
    }
    findings
}

/// The relative targets of `[text](target)` in a line, fragments cut off.
fn links(line: &str) -> Vec<&str> {
    let targets = line.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next());
    targets
        .filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
        .filter_map(|target| target.split('#').next())
        .filter(|target| !target.is_empty())
        .collect()
}

/// `link` seen from `folder`, with `.` and `..` worked out.
fn resolved(folder: &str, link: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chinese_readme_is_held_to_the_english_one() {
        let english = "# A\n```sh run\ncurl x   # go\n# all\n```\n## B\n";
        let cases = [
            ("# 甲\n```sh run\ncurl x   # 去\n```\n## 乙\n", ""),
            ("# 甲\n```sh run\ncurl x\n```\n", "1 headings where README.md has 2"),
            ("# 甲\n```sh run\ncurl y\n```\n## 乙\n", "code blocks are not those"),
            ("# 甲\n```sh\ncurl x\n```\n## 乙\n", "code blocks are not those"),
        ];
        for (chinese, expected) in cases {
            let findings = check_twins(english, chinese).join("\n");
            assert_eq!(findings.is_empty(), expected.is_empty(), "{findings}");
            assert!(findings.contains(expected), "{findings}");
        }
        assert!(check_twins(&"x\n".repeat(121), "x\n")[0].contains("121 lines"));
    }

    #[test]
    fn a_link_must_lead_to_a_file_or_a_folder() {
        let cases = [
            ("docs/a.md", "[b](b.md)", true),
            ("docs/a.md", "[b](./b.md#part) and [top](../README.md)", true),
            ("docs/a.md", "[adr](adr/) [web](https://example.com) [here](#x)", true),
            ("README.md", "[docs](docs/a.md)", true),
            ("docs/a.md", "[gone](c.md)", false),
            ("docs/a.md", "```\n[gone](c.md)\n```", true),
        ];
        for (path, text, good) in cases {
            let mut files = vec![SourceFile::new(path, text), SourceFile::new("docs/b.md", "")];
            files.push(SourceFile::new("docs/adr/0001.md", ""));
            let others = ["README.md", "docs/a.md"].into_iter().filter(|other| *other != path);
            files.extend(others.map(|other| SourceFile::new(other, "")));
            assert_eq!(check_links(&files).is_empty(), good, "{text}: {:?}", check_links(&files));
        }
    }
}
