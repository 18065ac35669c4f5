//! Limits of keys, teams and targets: what is refused, what waits, what is given back, and what the client is told.

use std::{collections::HashMap, sync::Arc};

use futures_util::{FutureExt as _, StreamExt as _};
use nexus_core::{
    catalogue::{Catalogue, Route, Target},
    fault::{Class, Fault},
    flow::{Bounds, Left, Limits},
    health::learned::{Learned, Told},
    id::{KeyId, TeamId, Uuid},
    snapshot::{KeyPolicy, Snapshot, TeamPolicy},
};
use nexus_engine::{denial::Denial, reply::ReplyBody, world::World};

use crate::{
    ASK, ASK_STREAM, WHOLE, ask,
    fake::{Act, Bench, Piece, TEAM, bench, error, events, json, snapshot},
};

const KEY: KeyId = KeyId(Uuid::from_u128(99));
const CHUNK: &str = "data: {\"id\":\"1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":null}]}\n\n";
/// What [`ASK`] is taken for, and what [`WHOLE`] says it used.
const ESTIMATE: u32 = ASK.len() as u32 / 4 + 512;
const USED: u32 = 11;

const OPEN: Bounds = Bounds { requests: None, tokens: None, concurrent: None };
const ONE_REQUEST: Bounds = Bounds { requests: Some(1), ..OPEN };
const ONE_AT_ONCE: Bounds = Bounds { concurrent: Some(1), ..OPEN };
const TOKENS: Bounds = Bounds { tokens: Some(ESTIMATE), ..OPEN };

/// A bench whose key, team and first targets are bounded like this.
fn bounded(key: Bounds, team: Bounds, targets: &[Bounds], acts: Vec<Act>) -> Bench {
    let bench = bench(targets.len(), acts);
    let known = snapshot(targets.len(), None).catalogue.resolve("gpt", None).unwrap().route;
    let bounded =
        known.targets.iter().zip(targets).map(|(target, bounds)| {
            Arc::new(Target { limits: Limits::new(*bounds), ..Target::clone(target) })
        });
    let catalogue = Catalogue::new([Route::new("gpt".into(), 1, bounded.collect())]);
    let key = KeyPolicy { limits: Limits::new(key), ..KeyPolicy::default() };
    let team = TeamPolicy { limits: Limits::new(team), ..TeamPolicy::default() };
    let world = Snapshot {
        catalogue,
        keys: [(KEY, Arc::new(key))].into(),
        teams: [(TeamId(TEAM), team)].into(),
        ..Snapshot::default()
    };
    let (world, _) = World::assemble(world, HashMap::new(), bench.exporter.meters());
    bench.engine.shared.worlds.replace(world);
    bench
}

/// What is left at a target.
fn left(bench: &Bench, target: usize) -> Left {
    let world = bench.engine.shared.worlds.current();
    let route = world.snapshot.catalogue.resolve("gpt", None).unwrap().route;
    route.targets[target].limits.left(5_000_000)
}

fn served_by(bench: &Bench) -> Vec<String> {
    bench.transport.sent.borrow().iter().map(|(name, _)| name.clone()).collect()
}

fn said(denial: &Denial) -> (u16, String, String) {
    let body = String::from_utf8(denial.error.to_json().to_vec()).unwrap();
    let text = |member: &str| {
        let (_, rest) = body.split_once(&format!("\"{member}\":\"")).unwrap();
        rest.split_once('"').unwrap().0.to_owned()
    };
    assert_eq!(text("code"), "rate_limit_exceeded", "{body}");
    (denial.error.status(), text("type"), text("message"))
}

#[tokio::test]
async fn who_is_at_its_own_limit_is_told_which_and_when_to_come_again() {
    for (key, team, kind, whose, retry_ms) in [
        (ONE_REQUEST, OPEN, "requests", "key", 60_000),
        (OPEN, ONE_REQUEST, "requests", "team", 60_000),
        // the first used less than it was taken for
        (TOKENS, OPEN, "tokens", "key", u64::from(USED * 60_000).div_ceil(u64::from(ESTIMATE))),
    ] {
        let bench = bounded(key, team, &[OPEN], vec![json(WHOLE), json(WHOLE)]);
        let reply = ask(&bench, ASK).await.unwrap();
        let told = reply.left.unwrap();
        let denial = ask(&bench, ASK).await.err().unwrap();
        let (status, told_kind, message) = said(&denial);
        assert_eq!((status, told_kind.as_str()), (429, kind), "{message}");
        assert!(
            message.starts_with(&format!("the {whose}'s")) || message.contains(&format!("the {whose}'s"))
        );
        assert_eq!((denial.retry_after_ms, denial.is_final), (Some(retry_ms), false), "{message}");
        if kind == "requests" {
            assert_eq!(told.requests.unwrap().remaining, 0);
            assert!(told.tokens.is_none());
        } else {
            assert_eq!(told.tokens.unwrap().remaining, ESTIMATE - USED, "what was booked is what is gone");
            assert_eq!(denial.left.unwrap().tokens.unwrap().remaining, ESTIMATE - USED);
        }
        assert_eq!(bench.transport.sent.borrow().len(), 1, "what is refused is not sent");
    }
}

#[tokio::test]
async fn a_key_that_has_as_many_under_way_as_it_may_is_told_so_until_one_is_done() {
    let acts = vec![events(vec![Piece::Bytes(CHUNK), Piece::Silence]), json(WHOLE)];
    let bench = bounded(ONE_AT_ONCE, OPEN, &[OPEN], acts);
    let stream = ask(&bench, ASK_STREAM).await.unwrap();
    assert_eq!(stream.left.unwrap().places, Some((1, 0)));
    let denial = ask(&bench, ASK).await.err().unwrap();
    let (status, kind, message) = said(&denial);
    assert_eq!((status, kind.as_str(), denial.retry_after_ms), (429, "requests", Some(1_000)), "{message}");
    drop(stream);
    assert_eq!(ask(&bench, ASK).await.unwrap().left.unwrap().places, Some((1, 1)));
}

#[tokio::test]
async fn a_place_is_given_back_on_every_way_out() {
    let fault = || Fault::new(Class::Reset, "gone");
    for (act, body, is_answered) in [
        (json(WHOLE), ASK, true),
        (error(500, "{}"), ASK, false),
        (error(429, "{}"), ASK, false),
        (Act::Fail(fault()), ASK, false),
        (events(vec![Piece::Bytes(CHUNK), Piece::Bytes("data: [DONE]\n\n")]), ASK_STREAM, true),
        (events(vec![Piece::Bytes(CHUNK), Piece::Fault(fault())]), ASK_STREAM, true),
        (events(vec![Piece::Bytes("data: nonsense\n\n")]), ASK_STREAM, false),
    ] {
        let all = Bounds { tokens: Some(100_000), ..ONE_AT_ONCE };
        let bench = bounded(all, all, &[all], vec![act.clone(), act.clone(), act.clone()]);
        match ask(&bench, body).await {
            Ok(reply) => {
                assert!(is_answered, "{act:?}");
                if let ReplyBody::Stream(relay) = reply.body {
                    assert_eq!(left(&bench, 0).places, Some((1, 0)));
                    relay.for_each(|_| async {}).await;
                }
            }
            Err(_) => assert!(!is_answered, "{act:?}"),
        }
        assert_eq!(left(&bench, 0).places, Some((1, 1)), "{act:?}");
        assert!(
            bench.engine.shared.worlds.current().snapshot.teams[&TeamId(TEAM)].limits.left(0).places
                == Some((1, 1))
        );
    }
}

#[tokio::test]
async fn a_client_that_goes_away_gives_its_place_back_wherever_it_was() {
    // while it waits for the head, in the middle of a stream, and in the line
    let silent = || events(vec![Piece::Silence]);
    let bench = bounded(OPEN, OPEN, &[ONE_AT_ONCE], vec![silent(), silent(), json(WHOLE)]);
    assert!(ask(&bench, ASK_STREAM).now_or_never().is_none());
    assert_eq!(left(&bench, 0).places, Some((1, 1)), "it was dropped while it waited");
    let mut first = Box::pin(ask(&bench, ASK_STREAM));
    assert!((&mut first).now_or_never().is_none());
    assert_eq!(left(&bench, 0).places, Some((1, 0)));
    let mut second = Box::pin(ask(&bench, ASK));
    assert!((&mut second).now_or_never().is_none());
    let line = || {
        let world = bench.engine.shared.worlds.current();
        let route = world.snapshot.catalogue.resolve("gpt", None).unwrap().route;
        route.targets[0].line().unwrap().waiting()
    };
    assert_eq!(line(), 1);
    drop(second);
    assert_eq!(line(), 0);
    drop(first);
    assert_eq!(left(&bench, 0).places, Some((1, 1)));
    assert!(ask(&bench, ASK).await.is_ok());
}

#[tokio::test]
async fn who_finds_no_room_anywhere_waits_and_is_served_when_there_is_some() {
    let stream = || events(vec![Piece::Bytes(CHUNK), Piece::Silence]);
    let bench = bounded(OPEN, OPEN, &[ONE_AT_ONCE, ONE_AT_ONCE], vec![stream(), stream(), json(WHOLE)]);
    let first = ask(&bench, ASK_STREAM).await.unwrap();
    let second = ask(&bench, ASK_STREAM).await.unwrap();
    assert_eq!(served_by(&bench), ["one", "two"], "the next target is asked while one has room");
    let mut third = Box::pin(ask(&bench, ASK));
    assert!((&mut third).now_or_never().is_none());
    drop(first);
    assert!(third.await.is_ok());
    assert_eq!(served_by(&bench), ["one", "two", "one"]);
    drop(second);
}

#[tokio::test]
async fn a_target_without_tokens_is_passed_over_and_where_no_other_is_the_client_is_told() {
    let few = Bounds { tokens: Some(1), ..OPEN };
    let bench = bounded(OPEN, OPEN, &[few, OPEN], vec![json(WHOLE), json(WHOLE)]);
    for _ in 0..2 {
        ask(&bench, ASK).await.unwrap();
    }
    assert_eq!(served_by(&bench), ["one", "two"]);
    let bench = bounded(OPEN, OPEN, &[few], vec![json(WHOLE)]);
    ask(&bench, ASK).await.unwrap();
    let denial = ask(&bench, ASK).await.err().unwrap();
    let (status, kind, message) = said(&denial);
    assert_eq!((status, kind.as_str()), (429, "tokens"), "{message}");
    assert_eq!(denial.retry_after_ms, Some(u64::from(USED) * 60_000));
}

#[tokio::test]
async fn a_provider_that_says_it_has_nothing_left_is_left_alone_until_it_has() {
    let nothing = Told { limit: Some(60), remaining: Some(0), reset_us: Some(20_000_000) };
    let learned = Learned { requests: nothing, ..Learned::default() };
    let acts = vec![Act::Saying(learned, WHOLE), json(WHOLE), json(WHOLE)];
    let bench = bounded(OPEN, OPEN, &[OPEN, OPEN], acts);
    for _ in 0..3 {
        ask(&bench, ASK).await.unwrap();
    }
    assert_eq!(served_by(&bench), ["one", "two", "two"]);
    let world = bench.engine.shared.worlds.current();
    let health = &world.snapshot.catalogue.resolve("gpt", None).unwrap().route.targets[0].health;
    assert_eq!(health.learned(5_000_000), Some(learned));
    assert_eq!(health.rests_until(5_000_000), Some(25_000_000));
}

#[tokio::test(start_paused = true)]
async fn who_waited_in_vain_is_told_429_and_when_to_come_again_whosever_time_was_over() {
    let bench = bounded(OPEN, OPEN, &[ONE_AT_ONCE], vec![events(vec![Piece::Bytes(CHUNK), Piece::Silence])]);
    let _held = ask(&bench, ASK_STREAM).await.unwrap();
    let clock = Arc::clone(&bench.clock);
    let (denial, ()) = tokio::join!(ask(&bench, ASK), async move {
        tokio::task::yield_now().await;
        // beyond the request's own time, which is shorter than anybody waits
        clock.advance(2_000_000);
    });
    let denial = denial.err().unwrap();
    let (status, kind, message) = said(&denial);
    assert_eq!((status, kind.as_str(), denial.retry_after_ms), (429, "requests", Some(1_000)), "{message}");
}
