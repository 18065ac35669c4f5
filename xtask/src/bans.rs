//! Holds `deny.toml`: with cargo-deny where it is installed, else its bans and sources from `cargo metadata`.
//! Either way a banned package fails the build; the list is read from `deny.toml`, so there is only one.

use anyhow::{Context, Result, ensure};
use xshell::cmd;

use crate::report::Verdict;
use crate::workspace::{Package, Workspace};

const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

pub(crate) fn verdict(workspace: &Workspace) -> Result<Verdict> {
    let shell = &workspace.shell;
    let rules = shell.read_file("deny.toml").context("`deny.toml` is missing")?;
    let banned = banned(&rules);
    ensure!(!banned.is_empty(), "`deny.toml` names no banned package");
    let mut findings = check(&workspace.graph, &banned);
    if cmd!(shell, "cargo deny --version").quiet().ignore_stdout().ignore_stderr().run().is_ok() {
        let judged = cmd!(shell, "cargo deny --all-features check licenses bans sources").quiet().run();
        findings.extend(judged.err().map(|_| "`cargo deny` found something: see above".to_owned()));
    }
    Ok(Verdict::of(findings))
}

/// The packages of `[bans] deny`, one a line: `{ crate = "name", reason = ".." }`.
fn banned(deny_toml: &str) -> Vec<&str> {
    deny_toml.lines().filter_map(|line| line.trim().strip_prefix("{ crate = \"")?.split('"').next()).collect()
}

fn check(graph: &[Package], banned: &[&str]) -> Vec<String> {
    let mut findings = Vec::new();
    for package in graph {
        let name = &package.name;
        if banned.contains(&name.as_str()) {
            let users: Vec<&str> =
                graph.iter().filter(|other| uses(other, name)).map(|other| other.name.as_str()).collect();
            let version = &package.version;
            findings
                .push(format!("`{name}` {version} is banned by deny.toml, brought by {}", users.join(", ")));
        }
        if let Some(source) = package.source.as_deref().filter(|source| *source != REGISTRY) {
            findings.push(format!(
                "`{name}` comes from `{source}`: only crates.io and our own paths are allowed"
            ));
        }
    }
    findings
}

fn uses(package: &Package, name: &str) -> bool {
    package.dependencies.iter().any(|dependency| dependency.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, source: Option<&str>, uses: &str) -> Package {
        let dependencies = serde_json::json!([{"name": uses, "kind": null}]);
        serde_json::from_value(serde_json::json!({
            "name": name, "version": "1.0.0", "id": name, "source": source, "dependencies": dependencies,
        }))
        .unwrap()
    }

    #[test]
    fn bans_are_read_one_a_line() {
        let text =
            "[bans]\ndeny = [\n    { crate = \"rsa\", reason = \"slow\" },\n    # { crate = \"no\" }\n]\n";
        assert_eq!(banned(text), ["rsa"]);
    }

    #[test]
    fn a_banned_package_and_a_foreign_source_are_found() {
        let cases = [
            (package("ring", Some(REGISTRY), "libc"), ""),
            (package("nexus-core", None, "ring"), ""),
            (
                package("rsa", Some(REGISTRY), "libc"),
                "`rsa` 1.0.0 is banned by deny.toml, brought by openssh",
            ),
            (package("ring", Some("git+https://example.com/ring"), "libc"), "only crates.io"),
        ];
        for (suspect, expected) in cases {
            let findings = check(&[suspect, package("openssh", Some(REGISTRY), "rsa")], &["rsa"]);
            assert_eq!(findings.is_empty(), expected.is_empty(), "{findings:?}");
            assert!(findings.join("\n").contains(expected), "{findings:?}");
        }
    }
}
