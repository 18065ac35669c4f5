//! A filled SQLite database on its way into a PostgreSQL one.

use nexus_core::{anomaly::Watched, id::TeamId};

use super::*;
use crate::{
    repo::{
        audit::{Entry, Outcome},
        baseline, key, provider, route, setting, team,
        usage::Contexts,
    },
    sample, scratch, world,
};

const NOW_MS: i64 = 1_795_478_400_000;

/// Rows of most kinds, two days of the trail among them.
fn fill(store: &Store) {
    let entry = |name: &str| Entry {
        actor: None,
        actor_name: name.to_owned(),
        team: None,
        action: "key.create",
        target: None,
        before: None,
        after: Some("{\"a\":\"\\u0000 \\\"é\\\" 'x'\"}".to_owned()),
        address: None,
        request_id: None,
        outcome: Outcome::Ok,
        detail: None,
    };
    store
        .write_blocking(|conn| {
            let (red, azure) = (sample::team(1, "réd \"one\""), sample::provider(1, "azure"));
            team::create(conn, &red)?;
            key::create(conn, &key::Key { team: Some(red.id), ..sample::key(1) })?;
            provider::apply(conn, &azure, 5)?;
            route::apply(conn, &sample::route(1, "gpt", azure.id), 5)?;
            setting::put(conn, "a", "b\\c\n")?;
            let records: Vec<_> = (0..2_500).map(sample::record).collect();
            usage::insert(conn, &records, &mut Contexts::default())?;
            audit::append(conn, &entry("ann"), NOW_MS)?;
            audit::append(conn, &entry("bob"), NOW_MS + 86_400_000)?;
            audit::begin_day(conn, NOW_MS + 2 * 86_400_000)
        })
        .unwrap();
    let watched = Watched::Team(TeamId(sample::uuid(1)));
    let kept = baseline::Kept { watched, seen_at_ms: 5, state: vec![0, 255, 7] };
    store.write_blocking(|conn| baseline::keep(conn, &[kept])).unwrap();
}

/// The databases, where there is a PostgreSQL.
fn both(folder: &std::path::Path) -> Option<(Store, Store)> {
    scratch::postgres()?;
    let source = Store::open(&format!("sqlite://{}/source.db", folder.display())).unwrap();
    migrate::run(&source).unwrap();
    Some((source, Store::open(&scratch::url(folder)).unwrap()))
}

#[test]
fn everything_is_copied_in_batches_compared_and_in_use_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let Some((source, target)) = both(folder.path()) else { return };
    fill(&source);
    let mut told = Vec::new();
    let copied = copy(&source, &target, &mut |table, rows| told.push((table.to_owned(), rows))).unwrap();
    let rows = |table: &str| copied.iter().find(|copied| copied.table == table).unwrap().rows;
    assert_eq!(
        ["teams", "keys", "usage_attempts", "audit_log", "audit_days", "usage_baselines", "users"].map(rows),
        [1, 1, 2_500, 2, 3, 1, 0]
    );
    let attempts: Vec<_> =
        told.iter().filter(|(table, _)| table == "usage_attempts").map(|(_, rows)| *rows).collect();
    assert_eq!(attempts, [1_000, 2_000, 2_500]);
    let load = |store: &Store| {
        let world = store.read_blocking(|conn| world::load(conn, None, 10)).unwrap();
        format!("{:?} {:?}", world.snapshot.keys, world.snapshot.teams)
    };
    assert_eq!(load(&source), load(&target));
    let text = |store: &Store| store.read_blocking(|conn| setting::find(conn, "a")).unwrap();
    assert_eq!(text(&source), text(&target));
    let baselines = |store: &Store| store.read_blocking(baseline::list).unwrap();
    assert_eq!(baselines(&source), baselines(&target));
    let before = target.read_blocking(world::revision).unwrap();
    target.write_blocking(|conn| team::create(conn, &sample::team(2, "blue"))).unwrap();
    assert!(target.read_blocking(world::revision).unwrap() > before, "the triggers are back");
    assert!(scratch::execute(folder.path(), "DELETE FROM audit_log").is_err());
}

#[test]
fn a_target_with_rows_an_old_source_or_the_wrong_way_round_is_refused_and_nothing_copied() {
    let folder = tempfile::tempdir().unwrap();
    let Some((source, target)) = both(folder.path()) else { return };
    fill(&source);
    let refused = |from: &Store, to: &Store| copy(from, to, &mut |_, _| ()).unwrap_err().to_string();
    migrate::run(&target).unwrap();
    target.write_blocking(|conn| setting::put(conn, "x", "y")).unwrap();
    assert!(refused(&source, &target).contains("`settings` has rows"));
    assert!(target.read_blocking(team::list).unwrap().is_empty());
    assert!(refused(&target, &source).contains("from a `sqlite://`"));
    migrate::revert(&source).unwrap();
    assert!(refused(&source, &target).contains("`nexus migrate run`"));
}
