//! Migrations have an `up.sql` and a `down.sql`, and once a database has any, it has the same ones as its twin.
//! Whether up, down, up leads back to the same schema is a test's business. PostgreSQL compares text by the database's
//! language unless it is told to go by the bytes, as SQLite does.

use std::collections::{BTreeMap, BTreeSet};

use super::files::SourceFile;

pub(super) fn check(files: &[SourceFile]) -> Vec<String> {
    let mut databases: BTreeMap<&str, BTreeMap<&str, BTreeSet<&str>>> = BTreeMap::new();
    for file in files {
        if let [database, migration, script] = *parts(&file.path) {
            databases.entry(database).or_default().entry(migration).or_default().insert(script);
        }
    }
    let mut findings: Vec<String> = files.iter().flat_map(check_texts).collect();
    findings.extend(files.iter().flat_map(check_neighbours));
    for (database, migrations) in &databases {
        for (migration, scripts) in migrations {
            let missing = ["up.sql", "down.sql"].into_iter().filter(|script| !scripts.contains(script));
            findings
                .extend(missing.map(|script| format!("migrations/{database}/{migration}: no `{script}`")));
            for (twin, others) in databases.iter().filter(|(twin, _)| *twin != database) {
                if !others.contains_key(migration) {
                    findings.push(format!("migrations/{database}/{migration}: no twin in migrations/{twin}"));
                }
            }
        }
    }
    findings
}

/// Columns of text on PostgreSQL that are not compared by their bytes.
fn check_texts(file: &SourceFile) -> Vec<String> {
    const BYTES: &str = "TEXT COLLATE \"C\"";
    if !matches!(*parts(&file.path), ["postgres", _, _]) {
        return Vec::new();
    }
    let is_bare =
        |line: &str| line.replace(BYTES, "").split(|c: char| !c.is_alphanumeric()).any(|word| word == "TEXT");
    let lines = (1..).zip(file.text.lines()).filter(|(_, line)| !line.trim_start().starts_with("--"));
    let bare = lines.filter(|(_, line)| is_bare(line));
    bare.map(|(number, _)| format!("{}:{number}: write `{BYTES}`", file.path)).collect()
}

/// What the version before still needs while it serves beside this one, and is taken from it.
fn check_neighbours(file: &SourceFile) -> Vec<String> {
    /// Those before were made when nobody had the product.
    const FIRST: &str = "00000000000030";
    const TAKES: [&str; 3] = ["DROP TABLE", "DROP COLUMN", "RENAME"];
    /// Says that the version before needs it no more.
    const KNOWN: &str = "-- contract: ";
    let is_up = matches!(*parts(&file.path), [_, migration, "up.sql"] if migration >= FIRST);
    if !is_up || file.text.contains(KNOWN) {
        return Vec::new();
    }
    let lines = (1..).zip(file.text.lines()).filter(|(_, line)| !line.trim_start().starts_with("--"));
    let takes = lines.filter(|(_, line)| TAKES.iter().any(|words| line.to_uppercase().contains(words)));
    let finding = |(number, _): (usize, &str)| {
        format!("{}:{number}: the version before needs it; say `{KNOWN}since which it does not`", file.path)
    };
    takes.map(finding).collect()
}

/// `[database, migration, script]` of a migration's path, else nothing.
fn parts(path: &str) -> Box<[&str]> {
    path.strip_prefix("migrations/").map(|rest| rest.split('/').collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_migration_is_complete_and_has_its_twin() {
        let cases: &[(&[&str], &str)] = &[
            (&["sqlite/1_keys/up.sql", "sqlite/1_keys/down.sql"], ""),
            (&["sqlite/1_keys/up.sql"], "migrations/sqlite/1_keys: no `down.sql`"),
            (
                &["sqlite/1_a/up.sql", "sqlite/1_a/down.sql", "postgres/2_b/up.sql", "postgres/2_b/down.sql"],
                "migrations/postgres/2_b: no twin in migrations/sqlite\nmigrations/sqlite/1_a: no twin in migrations/postgres",
            ),
        ];
        for (paths, expected) in cases {
            let files: Vec<_> =
                paths.iter().map(|path| SourceFile::new(&format!("migrations/{path}"), "")).collect();
            assert_eq!(check(&files).join("\n"), *expected);
        }
    }

    #[test]
    fn what_a_neighbour_of_the_version_before_needs_is_not_taken_away() {
        for (path, text, is_right) in [
            ("sqlite/00000000000031_a/up.sql", "ALTER TABLE a DROP COLUMN b;", false),
            ("sqlite/00000000000031_a/up.sql", "-- contract: since 0.3\nALTER TABLE a DROP COLUMN b;", true),
            ("sqlite/00000000000031_a/up.sql", "-- no DROP TABLE\nALTER TABLE a ADD COLUMN b TEXT;", true),
            ("sqlite/00000000000031_a/down.sql", "DROP TABLE a;", true),
            ("sqlite/00000000000005_a/up.sql", "DROP TABLE a;", true),
        ] {
            let file = SourceFile::new(&format!("migrations/{path}"), text);
            assert_eq!(check_neighbours(&file).is_empty(), is_right, "{path}: {text}");
        }
    }

    #[test]
    fn text_is_compared_by_its_bytes() {
        for (path, line, is_right) in [
            ("postgres/1_a/up.sql", "id TEXT COLLATE \"C\" NOT NULL,", true),
            ("postgres/1_a/up.sql", "id TEXT NOT NULL,", false),
            ("postgres/1_a/up.sql", "a TEXT COLLATE \"C\", b TEXT", false),
            ("postgres/1_a/up.sql", "-- JSON is TEXT; CONTEXT is none", true),
            ("sqlite/1_a/up.sql", "id TEXT NOT NULL,", true),
        ] {
            let file = SourceFile::new(&format!("migrations/{path}"), line);
            assert_eq!(check_texts(&file).is_empty(), is_right, "{line}");
        }
    }
}
