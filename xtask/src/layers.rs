//! Holds the layers: the table in `table.rs` against the manifests, and the same table as a page.
//! The page is generated; `check` fails when it is not what the table says.

mod page;
mod table;

use anyhow::Result;

use crate::report::{Verdict, step};
use crate::workspace::{Package, Workspace};
use table::{HEAVY, Layer, NEVER, ROWS, RUNTIMES, Row};

/// `cargo xtask layers`: the edges and the page.
pub(crate) fn run(workspace: &Workspace) -> Result<bool> {
    Ok(step("layers", || verdict(workspace)))
}

/// Every edge that the table forbids, and a page that is not current.
pub(crate) fn verdict(workspace: &Workspace) -> Result<Verdict> {
    let mut findings = check(&workspace.crates);
    findings.extend(page::stale(workspace)?);
    Ok(Verdict::of(findings))
}

/// `cargo xtask layers --write`: refreshes the page, then checks.
pub(crate) fn write(workspace: &Workspace) -> Result<bool> {
    page::write(workspace)?;
    run(workspace)
}

/// The table's name of a package: `nexus-core` is `core`.
fn short(package: &str) -> &str {
    package.strip_prefix("nexus-").unwrap_or(package)
}

fn row_of(name: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.name == name)
}

fn check(crates: &[Package]) -> Vec<String> {
    let ours: Vec<&str> = crates.iter().map(|package| short(&package.name)).collect();
    crates.iter().flat_map(|package| check_crate(package, &ours)).collect()
}

fn check_crate(package: &Package, ours: &[&str]) -> Vec<String> {
    let name = short(&package.name);
    let Some(row) = row_of(name) else {
        return vec![format!(
            "crate `{name}` is not in the layer table: give it a row in xtask/src/layers/table.rs"
        )];
    };
    let mut findings = Vec::new();
    for dependency in &package.dependencies {
        let target = short(&dependency.name);
        let is_dev = dependency.kind.as_deref() == Some("dev");
        if dependency.name != target && ours.contains(&target) {
            findings.extend(check_edge(row, target, is_dev));
        } else if !is_dev {
            findings.extend(check_outside(row, &dependency.name));
        }
    }
    findings
}

/// An edge between two of our crates. A dev-dependency may also reach the testkit and any lower layer.
fn check_edge(row: &Row, target: &str, is_dev: bool) -> Option<String> {
    if row.may_use.contains(&target) {
        return None;
    }
    let lower = row_of(target).is_some_and(|other| other.layer < row.layer && other.layer < Layer::Dev);
    if is_dev && row.layer != Layer::Tool && (lower || target == "testkit" || target == row.name) {
        return None;
    }
    let allowed = if row.may_use.is_empty() { "no crate of ours".to_owned() } else { row.may_use.join(", ") };
    Some(format!("`{}` may not depend on `{target}`: its row allows {allowed}", row.name))
}

/// An edge to a package of the registry: owners, runtimes and what a crate must not learn.
fn check_outside(row: &Row, package: &str) -> Vec<String> {
    let name = row.name;
    let mut findings = Vec::new();
    if let Some(heavy) = HEAVY.iter().find(|heavy| heavy.package == package) {
        let excepted = heavy.exceptions.iter().any(|(except, _)| *except == name);
        if heavy.owner != name && !excepted {
            findings.push(format!("`{name}` may not depend on `{package}`: `{}` owns it", heavy.owner));
        }
    }
    if !row.is_async && RUNTIMES.contains(&package) {
        findings.push(format!("`{name}` never waits, so it may not depend on `{package}`"));
    }
    if let Some((_, _, why)) = NEVER.iter().find(|(who, what, _)| *who == name && *what == package) {
        findings.push(format!("`{name}` may not depend on `{package}`: {why}"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, dependencies: &[(&str, Option<&str>)]) -> Package {
        let dependencies: Vec<_> =
            dependencies.iter().map(|(name, kind)| serde_json::json!({"name": name, "kind": kind})).collect();
        serde_json::from_value(serde_json::json!({
            "name": name, "version": "0.1.0", "id": name, "source": null, "dependencies": dependencies,
        }))
        .unwrap()
    }

    #[test]
    fn each_edge_is_judged_by_the_table() {
        let cases: &[(&str, &str, Option<&str>, bool)] = &[
            ("nexus-engine", "nexus-core", None, true),
            ("nexus-engine", "nexus-tokens", None, true),
            ("nexus-core", "nexus-wire", None, false),
            ("nexus-engine", "nexus-store", None, false),
            ("nexus-store", "nexus-testkit", Some("dev"), true),
            ("nexus-store", "nexus-testkit", None, false),
            ("nexus-engine", "nexus-store", Some("dev"), true),
            ("nexus-engine", "nexus-transport", Some("dev"), false),
            ("nexus-core", "nexus-wire", Some("dev"), false),
            ("xtask", "nexus-core", Some("dev"), false),
            ("nexus-store", "diesel", None, true),
            ("nexus-engine", "diesel", None, false),
            ("nexus-engine", "diesel", Some("dev"), true),
            ("nexus-testkit", "awc", None, true),
            ("nexus-gateway", "awc", None, false),
            ("nexus-wire", "tokio", None, false),
            ("nexus-wire", "tokio", Some("build"), false),
            ("nexus-engine", "tokio", None, true),
            ("nexus-core", "serde_json", None, false),
            ("nexus-wire", "serde_json", None, true),
        ];
        for (from, to, kind, allowed) in cases {
            let crates = [package(from, &[(to, *kind)]), package(to, &[])];
            let edges = check_crate(&crates[0], &[short(from), short(to)]);
            assert_eq!(edges.is_empty(), *allowed, "{from} -> {to} ({kind:?}): {edges:?}");
        }
    }

    #[test]
    fn a_crate_without_a_row_is_refused() {
        let findings = check(&[package("nexus-surprise", &[])]);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].contains("`surprise` is not in the layer table"));
    }

    #[test]
    fn the_table_agrees_with_itself() {
        for row in ROWS {
            for used in row.may_use {
                let other = row_of(used).unwrap_or_else(|| panic!("{} uses the unknown {used}", row.name));
                assert!(other.layer < row.layer, "{} may not look up to {used}", row.name);
            }
        }
        for heavy in HEAVY {
            assert!(row_of(heavy.owner).is_some(), "{} has no owner", heavy.package);
        }
        for (who, what, why) in NEVER {
            assert!(row_of(who).is_some() && !what.is_empty() && !why.is_empty());
        }
    }
}
