//! A clock that is set: forwards, backwards, to and fro. No row becomes unreadable, and the keys go on turning.

use super::*;

const HOUR_MS: i64 = 3_600_000;
/// A little more than a look at the database waits for.
const MINUTE_MS: i64 = 61_000;

#[test]
fn a_clock_that_is_set_costs_no_row_and_the_keys_go_on_turning() {
    let site = Site::new();
    let mut node = site.node(OURS);
    node.rotation.turn().unwrap();
    let vault = Arc::clone(&node.vault);
    for number in 1..=20 {
        site.plant(&vault, number);
    }
    let to_and_fro = [1_000, -1_000].into_iter().cycle().take(20);
    let steps =
        [-2 * HOUR_MS, 3 * DAY_MS, -3 * DAY_MS, HOUR_MS, -HOUR_MS, 30 * DAY_MS, -60 * DAY_MS, 30 * DAY_MS];
    for step_ms in steps.into_iter().chain(to_and_fro) {
        site.hands.advance(step_ms);
        for _ in 0..4 {
            node.rotation.turn().unwrap();
            site.all_open(&vault);
            site.hands.advance(MINUTE_MS);
        }
        // what is sealed at such a moment opens too, here and in a process that starts then
        let row = site.credentials().remove(0);
        let change =
            Change { secret: Some(sealed(&vault, row.id, row.secret.generation + 1)), ..Change::default() };
        site.store
            .write_blocking(|conn| credential::update(conn, row.id, &change, row.version, START_MS))
            .unwrap();
        site.all_open(&vault);
        site.all_open(&site.node(OURS).vault);
    }
    // time goes on from wherever it is now
    let before = site.versions();
    for _ in 0..70 {
        site.hands.advance(MINUTE_MS);
        node.rotation.turn().unwrap();
        site.all_open(&vault);
    }
    assert!(before.is_disjoint(&site.versions()), "{before:?}");
    for _ in 0..4 {
        site.hands.advance(RETIREMENT_MS);
        node.rotation.turn().unwrap();
    }
    site.all_open(&vault);
    assert!(site.keys().len() <= 4, "{}", site.keys().len());
}
