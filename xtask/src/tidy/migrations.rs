//! Migrations have an `up.sql` and a `down.sql`, and once a database has any, it has the same ones as its twin.
//! Whether up, down, up leads back to the same schema is a test's business.

use std::collections::{BTreeMap, BTreeSet};

use super::files::SourceFile;

pub(super) fn check(files: &[SourceFile]) -> Vec<String> {
    let mut databases: BTreeMap<&str, BTreeMap<&str, BTreeSet<&str>>> = BTreeMap::new();
    for file in files {
        if let [database, migration, script] = *parts(&file.path) {
            databases.entry(database).or_default().entry(migration).or_default().insert(script);
        }
    }
    let mut findings = Vec::new();
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
}
