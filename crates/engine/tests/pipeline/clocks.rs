//! A wall clock that is set while requests come: keys end when they say, quotas give nothing back, signatures stay
//! used up.

use std::{collections::HashMap, sync::Arc};

use nexus_core::{
    id::{KeyId, Uuid},
    quota::{Measure, Mode, Quota, Subject, WhenAlone, Window, Zone},
    snapshot::{KeyPolicy, Signing, Snapshot},
};
use nexus_engine::{arrival::Headers, world::World};
use nexus_keystore::{
    request_signature::{Proof, Request, sign},
    token::Level,
};

use crate::{
    ASK, WHOLE, ask,
    fake::{Bench, NOW_S, bearer, bench, json, signing},
    send,
};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
const KEY: Uuid = Uuid::from_u128(99);

/// A bench that serves many requests, in a world that was changed.
fn world(change: impl FnOnce(&mut Snapshot)) -> Bench {
    let bench = bench(1, std::iter::repeat_with(|| json(WHOLE)).take(64));
    alter(&bench, change);
    bench
}

fn alter(bench: &Bench, change: impl FnOnce(&mut Snapshot)) {
    let shared = &bench.engine.shared;
    let mut snapshot = shared.worlds.current().snapshot.clone();
    change(&mut snapshot);
    let (world, _) = World::assemble(snapshot, HashMap::new(), &shared.meters);
    shared.worlds.replace(world);
}

/// Two requests in a window.
fn few(window: &Window) -> Quota {
    Quota {
        id: Uuid::from_u128(1),
        name: "few".into(),
        subject: Subject::Platform,
        measure: Measure::Requests,
        window: window.clone(),
        limit: 2,
        mode: Mode::Hard,
        when_alone: WhenAlone::Node,
    }
}

async fn status(bench: &Bench) -> u16 {
    ask(bench, ASK).await.err().map_or(200, |denial| denial.error.status())
}

#[tokio::test]
async fn a_key_is_good_until_its_own_end_however_the_clock_is_set() {
    // the key was made now and lives for an hour; another node's clock may be an hour ahead when it makes one
    for steps in [
        &[(0, 200), (-HOUR_MS, 200), (HOUR_MS - 1_000, 200), (HOUR_MS, 401), (0, 200)][..],
        &[(-HOUR_MS, 200), (3 * DAY_MS, 401), (-HOUR_MS, 200), (0, 200)],
        // what was proven stays proven on this node, as long as it has not ended
        &[(0, 200), (-3 * DAY_MS, 200), (0, 200)],
        &[(1_000, 200), (0, 200), (1_000, 200), (0, 200), (1_000, 200)],
    ] {
        let bench = world(|_| {});
        for (at_ms, expected) in steps {
            bench.clock.set_ms_from_now(*at_ms);
            assert_eq!(status(&bench).await, *expected, "{at_ms} of {steps:?}");
        }
    }
}

#[tokio::test]
async fn a_clock_that_goes_back_gives_no_quota_back() {
    let day = Window::Day { zone: Zone::fixed(0) };
    for window in [Window::Minute, day, Window::Total, Window::Rolling { ms: HOUR_MS }] {
        let bench = world(|snapshot| snapshot.quotas = vec![few(&window)].into());
        assert_eq!((status(&bench).await, status(&bench).await, status(&bench).await), (200, 200, 429));
        for back_ms in [1_000, 30_000, HOUR_MS, 2 * HOUR_MS, 3 * DAY_MS] {
            bench.clock.set_ms_from_now(-back_ms);
            assert_eq!(status(&bench).await, 429, "{back_ms} back");
            bench.clock.set_ms_from_now(0);
            assert_eq!(status(&bench).await, 429, "{back_ms} back and to where it was");
        }
    }
}

#[tokio::test]
async fn a_clock_that_steps_ahead_and_back_empties_no_window() {
    let day = Window::Day { zone: Zone::fixed(0) };
    for window in [Window::Minute, day, Window::Rolling { ms: HOUR_MS }] {
        let bench = world(|_| {});
        assert_eq!(status(&bench).await, 200, "the key is proven");
        bench.clock.set_ms_from_now(-DAY_MS);
        alter(&bench, |snapshot| snapshot.quotas = vec![few(&window)].into());
        assert_eq!((status(&bench).await, status(&bench).await, status(&bench).await), (200, 200, 429));
        bench.clock.set_ms_from_now(0);
        assert_eq!(status(&bench).await, 200, "{window:?}: a window of its own");
        bench.clock.set_ms_from_now(-DAY_MS);
        assert_eq!(status(&bench).await, 429, "{window:?}: what was used counts again");
        bench.clock.set_ms_from_now(0);
        assert_eq!((status(&bench).await, status(&bench).await), (200, 429), "{window:?}");
    }
}

#[tokio::test]
async fn a_signature_that_was_used_stays_used_however_the_clock_is_set() {
    let bench = world(|snapshot| {
        let policy = KeyPolicy { signing: Signing::Required, ..KeyPolicy::default() };
        snapshot.keys.insert(KeyId(KEY), Arc::new(policy));
    });
    let key = bearer(Level::App);
    let ask = async |nonce: &str, created_s: i64| {
        let request = Request { method: "", path: "", ..Request::default() };
        let proof = Proof { created_s, nonce: nonce.to_owned() };
        let stamp =
            sign(&request, ASK.as_bytes(), &signing().secret(KEY, 0), &KEY.to_string(), &proof).unwrap();
        let headers = Headers {
            authorization: Some(&key),
            content_digest: Some(&stamp.content_digest),
            signature_input: Some(&stamp.signature_input),
            signature: Some(&stamp.signature),
            ..Headers::default()
        };
        send(&bench, headers, ASK).await.err().map_or(200, |denial| denial.error.status())
    };
    let now_s = i64::try_from(NOW_S).unwrap();
    assert_eq!(ask("nonce-one", now_s).await, 200);
    for at_ms in [0, 200_000, -200_000, -HOUR_MS, 299_000, 1_000, -1_000, 0] {
        bench.clock.set_ms_from_now(at_ms);
        assert_eq!(ask("nonce-one", now_s).await, 401, "{at_ms}");
    }
    assert_eq!(ask("nonce-two", now_s).await, 200);
    // far ahead and back: what was forgotten meanwhile is refused, not taken again
    for at_ms in [50 * 60_000, 0] {
        bench.clock.set_ms_from_now(at_ms);
        assert_eq!(ask("nonce-two", now_s).await, 401, "{at_ms}");
    }
}
