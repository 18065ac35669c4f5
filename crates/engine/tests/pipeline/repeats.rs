//! One answer for several requests: promised to an idempotency key, kept by a rule, or shared while under way.

use std::{collections::HashMap, future::Future, sync::Arc};

use futures_util::{StreamExt as _, future::join_all};
use nexus_core::{
    policy::{Conduct, Rule, Rules},
    quota::{Measure, Mode, Quota, Subject, WhenAlone, Window},
    snapshot::Snapshot,
    usage::{Outcome, Repeat},
};
use nexus_engine::{
    arrival::{Arrival, BodyCut, Head, Headers},
    denial::Denial,
    pipeline,
    reply::{Reply, ReplyBody, Sharing},
    world::World,
};
use nexus_keystore::token::Level;
use tokio::task::LocalSet;

use crate::{
    ASK, ASK_STREAM, WHOLE,
    fake::{Act, Bench, FakeBody, Piece, bearer, bearer_of, bench, error, events, json, snapshot},
    text,
};

const COLD: &str = r#"{"model":"gpt","temperature":0,"messages":[{"role":"user","content":"hello there"}]}"#;
const COLD_STREAM: &str =
    r#"{"model":"gpt","temperature":0,"stream":true,"messages":[{"role":"user","content":"hello there"}]}"#;
const FIRST: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-4\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"Hi\"},\"finish_reason\":null}]}\n\n";
const LAST: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-4\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
const DONE: &str = "data: [DONE]\n\n";
const DENIED: &str = r#"{"error":{"message":"no"}}"#;

const CACHED: Sharing = Sharing::Others(Repeat::Cached);
const COALESCED: Sharing = Sharing::Others(Repeat::Coalesced);
const REPLAYED: Sharing = Sharing::Others(Repeat::Replayed);

fn stream() -> Act {
    events([FIRST, LAST, DONE].map(Piece::Bytes).to_vec())
}

fn gated(before: &[&'static str], after: &[&'static str]) -> Act {
    let before = before.iter().map(|text| Piece::Bytes(text));
    events(before.chain([Piece::Gate]).chain(after.iter().map(|text| Piece::Bytes(text))).collect())
}

/// Runs on a set of tasks, as a worker does.
async fn on_tasks<F: Future>(future: F) -> F::Output {
    LocalSet::new().run_until(future).await
}

/// How a request is asked beside its body.
#[derive(Clone, Copy, Default)]
struct How<'a> {
    idempotency_key: Option<&'a str>,
    cache_control: Option<&'a str>,
    others: &'a [(&'a str, &'a str)],
    /// Whose key it is.
    caller: u128,
}

fn keyed(key: &str) -> How<'_> {
    How { idempotency_key: Some(key), ..How::default() }
}

async fn ask(bench: &Bench, body: &'static str, how: How<'_>) -> Result<Reply<FakeBody>, Denial> {
    let key = match how.caller {
        0 => bearer(Level::App),
        caller => bearer_of(Level::App, caller, caller),
    };
    let How { idempotency_key, cache_control, .. } = how;
    let timeout_ms = Some(60_000);
    let headers = Headers {
        authorization: Some(&key),
        idempotency_key,
        cache_control,
        timeout_ms,
        ..Headers::default()
    };
    let head = Head { headers, others: how.others.to_vec(), ..Head::default() };
    let body = futures_util::stream::iter([Ok::<_, BodyCut>(bytes::Bytes::from_static(body.as_bytes()))]);
    pipeline::serve(&bench.engine, nexus_core::call::Operation::ChatCompletions, Arrival { head, body }).await
}

fn cached(acts: impl IntoIterator<Item = Act>, ttl_s: u32) -> Bench {
    let bench = bench(1, acts);
    let conduct = Conduct { cache_ttl_s: Some(ttl_s), ..Conduct::default() };
    let mut rules = Rules::default();
    rules.insert("gpt", None, Rule { conduct, ..Rule::default() });
    let catalogue = snapshot(1, None).catalogue.ruled(rules);
    let known = Snapshot { catalogue, ..Snapshot::default() };
    let (world, _) = World::assemble(known, HashMap::new(), bench.exporter.meters());
    bench.engine.shared.worlds.replace(world);
    bench
}

fn sent(bench: &Bench) -> usize {
    bench.transport.sent.borrow().len()
}

fn outcomes(bench: &Bench) -> Vec<Outcome> {
    bench.ledger.0.lock().unwrap().iter().map(|record| record.outcome).collect()
}

#[tokio::test]
async fn the_same_under_an_idempotency_key_is_asked_and_charged_once_and_replayed_to_the_byte() {
    for (body, act) in
        [(ASK, json(WHOLE)), (ASK_STREAM, stream()), (COLD, json(WHOLE)), (COLD_STREAM, stream())]
    {
        on_tasks(async {
            let bench = bench(1, [act]);
            let first = ask(&bench, body, keyed("k1")).await.unwrap();
            assert_eq!((first.sharing, first.decision.as_ref().unwrap().attempts), (Sharing::Own, 1));
            let request = first.request;
            let first = text(first).await;
            let again = ask(&bench, body, keyed("k1")).await.unwrap();
            assert_eq!((again.sharing, again.decision.as_ref().unwrap().attempts), (REPLAYED, 0), "{body}");
            assert_ne!(again.request, request);
            assert_eq!(text(again).await, first);
            assert_eq!(sent(&bench), 1);
            assert_eq!(outcomes(&bench), [Outcome::Answered, Outcome::Repeated(Repeat::Replayed)]);
            let records = bench.ledger.0.lock().unwrap();
            assert_eq!((records[1].cost.nano_usd, records[1].usage.tokens()), (0, 0));
        })
        .await;
    }
}

#[tokio::test]
async fn another_body_under_the_same_key_is_refused_and_another_key_or_caller_is_another_request() {
    on_tasks(async {
        let bench = bench(1, [json(WHOLE), json(WHOLE), json(WHOLE)]);
        ask(&bench, ASK, keyed("k1")).await.unwrap();
        let denial = ask(&bench, COLD, keyed("k1")).await.err().unwrap();
        let said = String::from_utf8(denial.error.to_json().to_vec()).unwrap();
        assert_eq!((denial.error.status(), denial.is_final), (422, true), "{said}");
        assert!(
            said.contains("\"idempotency_key_reused\"") && said.contains("\"invalid_request_error\""),
            "{said}"
        );
        for how in [keyed("k2"), How { caller: 5, ..keyed("k1") }] {
            assert_eq!(ask(&bench, ASK, how).await.unwrap().sharing, Sharing::Own);
        }
        assert_eq!(sent(&bench), 3);
        for bad in ["", "two words", "ümlaut", &*"x".repeat(256)] {
            assert_eq!(ask(&bench, ASK, keyed(bad)).await.err().unwrap().error.status(), 400, "{bad}");
        }
    })
    .await;
}

#[tokio::test]
async fn duplicates_at_once_wait_for_the_first_whole_and_streamed() {
    for (body, act) in [(ASK, json(WHOLE)), (ASK_STREAM, stream())] {
        on_tasks(async {
            let bench = bench(1, [act]);
            let all = join_all((0..5).map(|_| async {
                let reply = ask(&bench, body, keyed("k1")).await.unwrap();
                (reply.sharing, text(reply).await)
            }))
            .await;
            assert_eq!(sent(&bench), 1);
            assert!(all.iter().all(|(_, said)| *said == all[0].1 && !said.is_empty()));
            assert_eq!(all.iter().filter(|(sharing, _)| *sharing == REPLAYED).count(), 4);
        })
        .await;
    }
}

#[tokio::test]
async fn what_failed_was_not_promised_and_may_be_asked_again() {
    on_tasks(async {
        let bench = bench(1, [error(400, DENIED), json(WHOLE)]);
        assert_eq!(ask(&bench, ASK, keyed("k1")).await.err().unwrap().error.status(), 400);
        assert_eq!(ask(&bench, ASK, keyed("k1")).await.unwrap().sharing, Sharing::Own);
        assert_eq!(sent(&bench), 2);
    })
    .await;
}

#[tokio::test]
async fn a_client_that_leaves_and_comes_back_with_its_key_hears_it_all_and_pays_once() {
    on_tasks(async {
        let bench = bench(1, [gated(&[FIRST], &[LAST, DONE])]);
        let mut reply = ask(&bench, ASK_STREAM, keyed("k1")).await.unwrap();
        let ReplyBody::Heard(listener) = &mut reply.body else { panic!("nothing is heard") };
        assert!(listener.next().await.is_some());
        drop(reply);
        tokio::task::yield_now().await;
        bench.transport.open_gate();
        let again = ask(&bench, ASK_STREAM, keyed("k1")).await.unwrap();
        assert_eq!(again.sharing, REPLAYED);
        let said = text(again).await;
        assert_eq!(said, [FIRST, LAST, DONE].concat().replace("gpt-4", "gpt"));
        assert_eq!((sent(&bench), bench.transport.cancelled.get()), (1, 0));
    })
    .await;
}

#[tokio::test]
async fn a_promise_ends_after_a_day_and_an_answer_too_large_to_keep_is_said_to_be_gone() {
    on_tasks(async {
        let bench = bench(1, [json(WHOLE), json(WHOLE)]);
        ask(&bench, ASK, keyed("k1")).await.unwrap();
        bench.clock.advance(24 * 3600 * 1_000_000 - 1);
        assert_eq!(ask(&bench, ASK, keyed("k1")).await.unwrap().sharing, REPLAYED);
        bench.clock.advance(1);
        assert_eq!(ask(&bench, ASK, keyed("k1")).await.unwrap().sharing, Sharing::Own);
    })
    .await;
    on_tasks(async {
        let large = WHOLE.replace("Hi!", &"x".repeat(5 << 20));
        let bench = bench_large(large);
        text(ask(&bench, ASK, keyed("k1")).await.unwrap()).await;
        let denial = ask(&bench, ASK, keyed("k1")).await.err().unwrap();
        let said = String::from_utf8(denial.error.to_json().to_vec()).unwrap();
        assert_eq!((denial.error.status(), denial.is_final), (409, true), "{said}");
        assert!(said.contains("\"idempotency_answer_not_kept\""), "{said}");
        assert_eq!(sent(&bench), 1);
    })
    .await;
}

fn bench_large(body: String) -> Bench {
    let pieces = body.into_bytes().leak().chunks(64 << 10);
    let pieces = pieces.map(|piece| Piece::Bytes(std::str::from_utf8(piece).unwrap())).collect();
    let act = Act::Answer { status: 200, media: "application/json", retry_after_ms: None, body: pieces };
    crate::fake::bench_of(1, None, [act], 16 << 20)
}

#[tokio::test]
async fn a_rule_keeps_answers_and_a_request_says_whether_it_takes_them() {
    on_tasks(async {
        let bench = cached((0..8).map(|_| json(WHOLE)), 60);
        let directive = |directive| How { cache_control: Some(directive), ..How::default() };
        let opted: &[_] = &[("x-nexus-cache", "on")];
        let tagged: &[_] = &[("x-nexus-tags", "night")];
        for (what, body, how, sharing, calls) in [
            ("the first", COLD, How::default(), Sharing::Missed, 1),
            ("the same", COLD, How::default(), CACHED, 1),
            ("of another team", COLD, How { caller: 5, ..How::default() }, Sharing::Missed, 2),
            ("with other tags", COLD, How { others: tagged, ..How::default() }, Sharing::Missed, 3),
            ("no store", COLD, directive("no-store"), Sharing::Own, 4),
            ("no cache", COLD, directive("no-cache"), Sharing::Missed, 5),
            ("young enough", COLD, directive("max-age=1"), CACHED, 5),
            ("one that may differ", ASK, How::default(), Sharing::Own, 6),
            ("one that opts in", ASK, How { others: opted, ..How::default() }, Sharing::Missed, 7),
            ("again", ASK, How { others: opted, ..How::default() }, CACHED, 7),
            ("by an idempotency key too", COLD, keyed("k1"), CACHED, 7),
            ("which is kept to", COLD, keyed("k1"), REPLAYED, 7),
        ] {
            let reply = ask(&bench, body, how).await.unwrap();
            assert_eq!(reply.sharing, sharing, "{what}");
            assert_eq!(text(reply).await, WHOLE.replace("gpt-4-0613", "gpt"), "{what}");
            assert_eq!(sent(&bench), calls, "{what}");
        }
        bench.clock.advance(60 * 1_000_000);
        assert_eq!(ask(&bench, COLD, How::default()).await.unwrap().sharing, Sharing::Missed);
        let page = bench.exporter.render();
        assert!(page.contains("nexus_repeated_answers_total{kind=\"cached\"} 4"), "{page}");
        assert!(page.contains("nexus_cache_misses_total 6"), "{page}");
    })
    .await;
}

#[tokio::test]
async fn a_kept_stream_is_replayed_as_a_stream_and_never_as_a_whole() {
    on_tasks(async {
        let bench = cached([stream(), json(WHOLE)], 60);
        let first = text(ask(&bench, COLD_STREAM, How::default()).await.unwrap()).await;
        let again = ask(&bench, COLD_STREAM, How::default()).await.unwrap();
        assert!(matches!(again.body, ReplyBody::Kept(_)) && again.sharing == CACHED);
        assert_eq!(text(again).await, first);
        assert_eq!(ask(&bench, COLD, How::default()).await.unwrap().sharing, Sharing::Missed);
    })
    .await;
}

#[tokio::test]
async fn only_a_complete_answer_is_kept() {
    on_tasks(async {
        let bench = cached([error(400, DENIED), events(vec![Piece::Bytes(FIRST)]), stream()], 60);
        assert!(ask(&bench, COLD, How::default()).await.is_err());
        let broken = text(ask(&bench, COLD_STREAM, How::default()).await.unwrap()).await;
        assert!(broken.contains("\"error\""), "{broken}");
        let whole = ask(&bench, COLD_STREAM, How::default()).await.unwrap();
        assert_eq!(whole.sharing, Sharing::Missed);
        assert!(text(whole).await.ends_with(DONE));
    })
    .await;
}

#[tokio::test]
async fn the_same_at_once_is_asked_once_where_it_must_come_to_the_same() {
    for (body, acts, sharings) in [
        (COLD, 1, [Sharing::Own, COALESCED, COALESCED]),
        (ASK, 3, [Sharing::Own, Sharing::Own, Sharing::Own]),
    ] {
        on_tasks(async {
            let bench = bench(1, (0..acts).map(|_| json(WHOLE)));
            let replies = join_all((0..3).map(|_| ask(&bench, body, How::default()))).await;
            let found: Vec<_> = replies.iter().map(|reply| reply.as_ref().unwrap().sharing).collect();
            assert_eq!((found, sent(&bench)), (sharings.to_vec(), acts), "{body}");
        })
        .await;
    }
    on_tasks(async {
        let bench = bench(1, [json(WHOLE), json(WHOLE)]);
        let other = How { caller: 5, ..How::default() };
        let (own, others) = tokio::join!(ask(&bench, COLD, How::default()), ask(&bench, COLD, other));
        assert_eq!((own.unwrap().sharing, others.unwrap().sharing), (Sharing::Own, Sharing::Own));
        assert_eq!(sent(&bench), 2, "another team's answer is never given");
    })
    .await;
}

#[tokio::test]
async fn a_client_that_leaves_takes_the_answer_from_nobody_and_the_last_one_ends_it() {
    on_tasks(async {
        let bench = bench(1, [gated(&[FIRST], &[LAST, DONE])]);
        let first = ask(&bench, COLD_STREAM, How::default()).await.unwrap();
        let second = ask(&bench, COLD_STREAM, How::default()).await.unwrap();
        assert_eq!((first.sharing, second.sharing), (Sharing::Own, COALESCED));
        drop(first);
        tokio::task::yield_now().await;
        bench.transport.open_gate();
        assert!(text(second).await.ends_with(DONE));
        assert_eq!(outcomes(&bench).len(), 2);
    })
    .await;
    on_tasks(async {
        let bench = bench(1, [gated(&[FIRST], &[LAST, DONE]), stream()]);
        drop(ask(&bench, COLD_STREAM, How::default()).await.unwrap());
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        assert_eq!(bench.transport.cancelled.get(), 1, "nobody listens any more");
        assert_eq!(ask(&bench, COLD_STREAM, How::default()).await.unwrap().sharing, Sharing::Own);
    })
    .await;
}

#[tokio::test]
async fn where_the_first_fails_one_other_tries_and_what_is_the_requests_fault_is_told_to_all() {
    on_tasks(async {
        let bench = bench(1, [error(401, DENIED), json(WHOLE)]);
        let replies = join_all((0..3).map(|_| ask(&bench, COLD, How::default()))).await;
        assert!(replies[0].is_err() && replies[1].is_ok() && replies[2].is_ok());
        assert_eq!(sent(&bench), 2);
    })
    .await;
    for (acts, calls) in [(vec![error(400, DENIED)], 1), (vec![error(401, DENIED), error(401, DENIED)], 2)] {
        on_tasks(async {
            let bench = bench(1, acts);
            let replies = join_all((0..4).map(|_| ask(&bench, COLD, How::default()))).await;
            assert!(replies.iter().all(Result::is_err));
            assert_eq!(sent(&bench), calls);
        })
        .await;
    }
}

#[tokio::test]
async fn who_has_no_budget_left_does_not_speak_for_the_others() {
    on_tasks(async {
        let bench = bench(1, [json(WHOLE)]);
        let mut known = bench.engine.shared.worlds.current().snapshot.clone();
        let quota = Quota {
            id: nexus_core::id::Uuid::from_u128(1),
            name: "none".into(),
            subject: Subject::Key(nexus_core::id::KeyId(nexus_core::id::Uuid::from_u128(99))),
            measure: Measure::Requests,
            window: Window::Total,
            limit: 0,
            mode: Mode::Hard,
            when_alone: WhenAlone::Node,
        };
        known.quotas = Arc::new([quota]);
        let (world, _) = World::assemble(known, HashMap::new(), bench.exporter.meters());
        bench.engine.shared.worlds.replace(world);
        let (poor, rich) = tokio::join!(ask(&bench, COLD, How::default()), async {
            let key = crate::fake::bearer_of(Level::App, 98, crate::fake::TEAM.as_u128());
            let timeout_ms = Some(60_000);
            let headers = Headers { authorization: Some(&key), timeout_ms, ..Headers::default() };
            crate::send(&bench, headers, COLD).await
        });
        assert_eq!(poor.err().unwrap().error.status(), 429);
        assert_eq!(rich.ok().unwrap().sharing, Sharing::Own);
    })
    .await;
}
