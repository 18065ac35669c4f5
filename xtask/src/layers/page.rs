//! The layer table as a page: markdown and a Mermaid graph between two markers in `docs/architecture.md`.
//! Only crates that exist are printed, and only the edges that cannot be inferred from others.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use anyhow::{Context, Result};

use super::table::{HEAVY, Layer, ROWS, Row};
use super::{row_of, short};
use crate::workspace::{Package, Workspace};

const PAGE: &str = "docs/architecture.md";
const BEGIN: &str = "<!-- layers:begin -->";
const END: &str = "<!-- layers:end -->";

type Edges<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

/// A finding when the page is not what the table says.
pub(super) fn stale(workspace: &Workspace) -> Result<Option<String>> {
    let Ok(text) = workspace.shell.read_file(PAGE) else {
        return Ok(Some(format!("`{PAGE}` is missing: write it, then run `cargo xtask layers --write`")));
    };
    let current = replace(&text, &render(&workspace.crates)?);
    Ok((current != text).then(|| format!("`{PAGE}` is not current: run `cargo xtask layers --write`")))
}

pub(super) fn write(workspace: &Workspace) -> Result<()> {
    let text =
        workspace.shell.read_file(PAGE).with_context(|| format!("`{PAGE}` is missing: write it first"))?;
    let current = replace(&text, &render(&workspace.crates)?);
    if current != text {
        workspace.shell.write_file(PAGE, current)?;
    }
    Ok(())
}

/// Puts `section` between the markers, or at the end under a heading where there are none yet.
fn replace(text: &str, section: &str) -> String {
    let block = format!("{BEGIN}\n{section}{END}");
    match text.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1))) {
        Some((before, after)) => format!("{before}{block}{after}"),
        None => format!("{}\n\n## Layers\n\n{block}\n", text.trim_end()),
    }
}

fn render(crates: &[Package]) -> Result<String> {
    let present: Vec<&Row> =
        ROWS.iter().filter(|row| crates.iter().any(|package| short(&package.name) == row.name)).collect();
    let mut out = String::new();
    writeln!(out, "| layer | crate | what it is | may use | owns | IO |\n|---|---|---|---|---|---|")?;
    for row in &present {
        let used: Vec<&str> =
            row.may_use.iter().copied().filter(|name| present.iter().any(|row| row.name == *name)).collect();
        let owned: Vec<String> =
            HEAVY.iter().filter(|h| h.owner == row.name).map(|h| format!("`{}`", h.package)).collect();
        let (layer, used, owned) = (layer_word(row.layer), dash(&used.join(", ")), dash(&owned.join(", ")));
        writeln!(out, "| {layer} | `{}` | {} | {used} | {owned} | {} |", row.name, row.about, row.io)?;
    }
    writeln!(out, "\nAn arrow points to what a crate uses; what follows from other arrows is left out.\n")?;
    writeln!(out, "```mermaid\nflowchart TD")?;
    for (from, targets) in reduced(&edges(crates)) {
        for to in targets {
            writeln!(out, "    {from} --> {to}")?;
        }
    }
    writeln!(out, "```")?;
    Ok(out)
}

fn layer_word(layer: Layer) -> String {
    match layer {
        Layer::Level(level) => level.to_string(),
        Layer::Dev => "dev".to_owned(),
        Layer::Tool => "tool".to_owned(),
    }
}

fn dash(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { text.to_owned() }
}

/// The real edges between our crates, dev-dependencies left out.
fn edges(crates: &[Package]) -> Edges<'_> {
    let mut edges = Edges::new();
    for package in crates {
        let targets = edges.entry(short(&package.name)).or_default();
        for dependency in package.dependencies.iter().filter(|dependency| dependency.kind.is_none()) {
            let target = short(&dependency.name);
            if target != dependency.name && row_of(target).is_some() {
                targets.insert(target);
            }
        }
    }
    edges
}

/// Leaves out an edge where a longer way leads to the same crate.
fn reduced<'a>(edges: &Edges<'a>) -> Edges<'a> {
    let is_indirect =
        |targets: &BTreeSet<&str>, to: &str| targets.iter().any(|via| *via != to && reaches(edges, via, to));
    edges
        .iter()
        .map(|(from, targets)| {
            (*from, targets.iter().copied().filter(|to| !is_indirect(targets, to)).collect())
        })
        .collect()
}

fn reaches(edges: &Edges, from: &str, to: &str) -> bool {
    edges.get(from).is_some_and(|targets| targets.iter().any(|next| *next == to || reaches(edges, next, to)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_section_is_replaced_in_place_or_added_at_the_end() {
        let cases = [
            ("# A\n", format!("# A\n\n## Layers\n\n{BEGIN}\nnew\n{END}\n")),
            (&*format!("a\n{BEGIN}\nold\n{END}\nb\n"), format!("a\n{BEGIN}\nnew\n{END}\nb\n")),
        ];
        for (text, expected) in cases {
            let once = replace(text, "new\n");
            assert_eq!(once, expected);
            assert_eq!(replace(&once, "new\n"), once, "writing twice changes nothing");
        }
    }

    #[test]
    fn an_edge_that_follows_from_others_is_left_out() {
        let edges: Edges = [("a", vec!["b", "c"]), ("b", vec!["c"]), ("c", vec![])]
            .into_iter()
            .map(|(from, to)| (from, to.into_iter().collect()))
            .collect();
        let reduced = reduced(&edges);
        assert_eq!(reduced["a"], BTreeSet::from(["b"]));
        assert_eq!(reduced["b"], BTreeSet::from(["c"]));
    }
}
