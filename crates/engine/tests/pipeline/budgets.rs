//! Quotas and prices on the way: what is held, what is refused, what it costs, and that nothing stays held.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
};

use futures_util::StreamExt as _;
use nexus_core::{
    catalogue::{Catalogue, Route, Target},
    id::Uuid,
    policy::{Cause, Policy, Rule, Rules},
    price::{Dated, Kind, Price, PriceBook, Rate, Rates, Scope},
    quota::{Level, Measure, Mode, Quota, Subject, WhenAlone, Window},
    scope::Pattern,
    usage::{Outcome, Pricing, Quantity, Source},
};
use nexus_engine::{arrival::Headers, hold::Counter, reply::ReplyBody, world::World};
use nexus_keystore::token::Level as KeyLevel;

use crate::{
    ASK, WHOLE, ask,
    fake::{Act, Bench, Piece, bearer, bench, error, events, json},
    send, text,
};

/// What [`ASK`] is counted to: its prompt here, and what is put in for its output.
const NEED_TOKENS: u64 = 4_096;
/// The first event of a stream.
const FIRST: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-4\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"Hi\"},\"finish_reason\":null}]}\n\n";

fn quota(measure: Measure, limit: u64) -> Quota {
    Quota {
        id: Uuid::from_u128(1),
        name: "monthly".into(),
        subject: Subject::Platform,
        measure,
        window: Window::Total,
        limit,
        mode: Mode::Hard,
        when_alone: WhenAlone::Node,
    }
}

/// A bench whose world has these quotas; the model costs 10 nano-USD a token sent and 20 a token generated.
fn with(quotas: Vec<Quota>, is_priced: bool, acts: impl IntoIterator<Item = Act>) -> Bench {
    with_snapshot(bench(1, acts), quotas, is_priced)
}

fn with_snapshot(bench: Bench, quotas: Vec<Quota>, is_priced: bool) -> Bench {
    let mut snapshot = bench.engine.shared.worlds.current().snapshot.clone();
    let mut book = PriceBook::default();
    let rates = [Rate::plain(Quantity::Input, 10_000_000), Rate::plain(Quantity::Output, 20_000_000)];
    let known = Price::Known(Arc::new(Rates::new("mine", rates, 0)));
    let price = if is_priced { known } else { Price::Unknown };
    let dated =
        Dated { kind: Kind::Absolute, valid_from_ms: 0, known_from_ms: 0, price, multiplier_ppm: None };
    book.insert("gpt-4", Scope::default(), dated);
    snapshot.prices = Arc::new(book);
    snapshot.quotas = quotas.into();
    let shared = &bench.engine.shared;
    let (world, _) = World::assemble(snapshot, HashMap::new(), &shared.meters);
    shared.worlds.replace(world);
    bench
}

fn level(bench: &Bench, quota: &Quota) -> Level {
    bench.engine.shared.quotas.level(quota, i64::MAX)
}

#[tokio::test]
async fn what_is_held_for_a_call_is_settled_with_what_it_cost() {
    let budget = quota(Measure::CostNanoUsd, 1_000_000);
    let bench = with(vec![budget.clone()], true, [json(WHOLE)]);
    text(ask(&bench, ASK).await.unwrap()).await;
    assert_eq!(level(&bench, &budget), Level { used: 9 * 10 + 2 * 20, reserved: 0 });
    let sent = bench.transport.sent.borrow()[0].1.clone();
    assert!(sent.starts_with("{\"max_completion_tokens\":4096,"), "{sent}");
    let cost = bench.booked()[0].cost.clone();
    assert_eq!((cost.nano_usd, cost.pricing, cost.rule.as_deref()), (130, Pricing::Known, Some("mine")));
}

#[tokio::test]
async fn a_budget_that_has_no_room_for_the_most_a_call_can_cost_refuses_it() {
    for (measure, limit) in [(Measure::CostNanoUsd, NEED_TOKENS * 20), (Measure::Tokens, NEED_TOKENS)] {
        let bench = with(vec![quota(measure, limit)], true, [json(WHOLE)]);
        let denial = ask(&bench, ASK).await.err().unwrap();
        assert_eq!(denial.error.status(), 429);
        let said = String::from_utf8(denial.error.to_json().to_vec()).unwrap();
        assert!(said.contains("\"insufficient_quota\""), "{said}");
        assert!(denial.is_final && denial.retry_after_ms.is_none());
        assert!(bench.transport.sent.borrow().is_empty());
    }
}

#[tokio::test]
async fn a_soft_quota_and_one_of_somebody_else_refuse_nothing() {
    let soft = Quota { mode: Mode::Soft, ..quota(Measure::Requests, 0) };
    let foreign = Quota {
        id: Uuid::from_u128(2),
        subject: Subject::Team(Uuid::from_u128(99).into()),
        ..quota(Measure::Requests, 0)
    };
    let bench = with(vec![soft.clone(), foreign], true, [json(WHOLE)]);
    text(ask(&bench, ASK).await.unwrap()).await;
    assert_eq!(level(&bench, &soft).used, 1);
}

#[tokio::test]
async fn an_unknown_price_is_refused_under_a_budget_and_booked_as_unknown_without_one() {
    let bench_under = with(vec![quota(Measure::CostNanoUsd, u64::MAX)], false, [json(WHOLE)]);
    let denial = ask(&bench_under, ASK).await.err().unwrap();
    let said = String::from_utf8(denial.error.to_json().to_vec()).unwrap();
    assert!(said.contains("has no price"), "{said}");
    let bench = with(vec![], false, [json(WHOLE)]);
    text(ask(&bench, ASK).await.unwrap()).await;
    assert_eq!(bench.booked()[0].cost.pricing, Pricing::Unknown);
}

#[tokio::test]
async fn what_could_not_be_booked_is_not_sent_where_that_is_wanted() {
    let bench = bench(1, [json(WHOLE)]);
    bench.ledger.1.store(true, Ordering::Relaxed);
    let denial = ask(&bench, ASK).await.err().unwrap();
    assert_eq!(denial.error.status(), 503);
    assert!(!denial.is_final, "it may work in a moment");
    assert!(bench.transport.sent.borrow().is_empty());
    bench.ledger.1.store(false, Ordering::Relaxed);
    text(ask(&bench, ASK).await.unwrap()).await;
}

#[tokio::test]
async fn an_answer_that_could_not_be_booked_is_not_given_and_costs_nothing_where_that_is_wanted() {
    let (is_full, is_refusing) = (true, true);
    let chunk = [FIRST, "data: [DONE]\n\n"].map(Piece::Bytes).to_vec();
    for (is_full, is_refusing, given) in
        [(false, is_refusing, true), (is_full, false, true), (is_full, is_refusing, false)]
    {
        let budget = quota(Measure::CostNanoUsd, 1_000_000);
        let bench = with(vec![budget.clone()], true, [json(WHOLE), events(chunk.clone())]);
        bench.ledger.2.is_full.store(is_full, Ordering::Relaxed);
        bench.ledger.2.is_refusing.store(is_refusing, Ordering::Relaxed);
        let whole = ask(&bench, ASK).await;
        assert_eq!(whole.as_ref().err().map(|denial| denial.error.status()), (!given).then_some(503));
        let cost = if given { 9 * 10 + 2 * 20 } else { 0 };
        assert_eq!(level(&bench, &budget), Level { used: cost, reserved: 0 });
        let streamed = text(ask(&bench, crate::ASK_STREAM).await.unwrap()).await;
        assert_eq!(streamed.contains("[DONE]"), given, "{streamed}");
        assert_eq!(streamed.contains("could not be booked"), !given, "{streamed}");
    }
}

#[tokio::test]
async fn where_nobody_said_a_price_a_ceiling_is_booked_and_held_under_a_budget() {
    let budget = quota(Measure::CostNanoUsd, 1_000_000);
    let bench = with(vec![budget.clone()], false, [json(WHOLE)]);
    let mut snapshot = bench.engine.shared.worlds.current().snapshot.clone();
    let mut book = PriceBook::default();
    let rates = [Rate::plain(Quantity::Input, 10_000_000), Rate::plain(Quantity::Output, 20_000_000)];
    let dated = |kind, price, multiplier_ppm| Dated {
        kind,
        valid_from_ms: 0,
        known_from_ms: 0,
        price,
        multiplier_ppm,
    };
    book.insert("gpt-4", Scope::default(), dated(Kind::Absolute, Price::Unknown, None));
    let ceiling = Price::Known(Arc::new(Rates::new("most", rates, 0)));
    book.insert("*", Scope::default(), dated(Kind::Ceiling, ceiling, None));
    book.insert("gpt-4", Scope::default(), dated(Kind::Relative, Price::Unknown, Some(500_000)));
    snapshot.prices = Arc::new(book);
    let (world, _) = World::assemble(snapshot, HashMap::new(), bench.exporter.meters());
    bench.engine.shared.worlds.replace(world);
    text(ask(&bench, ASK).await.unwrap()).await;
    let cost = bench.booked()[0].cost.clone();
    assert_eq!((cost.nano_usd, cost.pricing, cost.rule.as_deref()), (130, Pricing::Ceiling, Some("most")));
}

#[tokio::test]
async fn what_an_application_says_of_a_call_is_booked() {
    const LABELLED: &str =
        r#"{"model":"gpt","user":"ada","metadata":{"cost":"7"},"messages":[{"role":"user","content":"hi"}]}"#;
    let bench = bench(1, [json(WHOLE)]);
    text(ask(&bench, LABELLED).await.unwrap()).await;
    let labels = bench.booked()[0].labels.clone();
    assert_eq!((labels.user.as_deref(), &labels.tags[..]), (Some("ada"), &["cost:7".into()][..]));
}

#[tokio::test]
async fn nothing_stays_held_however_a_call_ends() {
    let concurrent = quota(Measure::Concurrent, 1);
    let bench_failed = with(vec![concurrent.clone()], true, [error(500, "{}")]);
    ask(&bench_failed, ASK).await.err().unwrap();
    assert_eq!(level(&bench_failed, &concurrent).reserved, 0, "a failed call");

    let bench = with(vec![concurrent.clone()], true, [events(vec![Piece::Bytes(FIRST), Piece::Silence])]);
    let ReplyBody::Stream(mut relay) = ask(&bench, crate::ASK_STREAM).await.unwrap().body else { panic!() };
    relay.next().await.unwrap();
    assert_eq!(level(&bench, &concurrent).reserved, 1, "an open stream holds its place");
    assert_eq!(ask(&bench, ASK).await.err().unwrap().error.status(), 429);
    drop(relay);
    let quotas = Arc::clone(&bench.engine.shared.quotas);
    bench.booked();
    assert_eq!(quotas.level(&concurrent, 0).reserved, 0, "a client that went away");
}

/// `gpt` at the first target and `dear` at the second, which costs ten times as much and is asked where the first
/// fails.
fn with_a_dear_fallback(quotas: Vec<Quota>, acts: impl IntoIterator<Item = Act>) -> Bench {
    let bench = bench(2, acts);
    let mut snapshot = bench.engine.shared.worlds.current().snapshot.clone();
    let known = snapshot.catalogue.resolve("gpt", None).unwrap().route;
    let targets = known.targets.iter().zip([("gpt", "gpt-4"), ("dear", "gpt-5")]);
    let routes = targets.map(|(target, (alias, model))| {
        let target = Target { real_model: model.into(), ..Target::clone(target) };
        Route::new(alias.into(), 1, vec![Arc::new(target)])
    });
    let mut rules = Rules::default();
    let fallbacks = [(Cause::Failure, vec!["dear".into()])].into();
    rules.insert("gpt", None, Rule { fallbacks, ..Rule::default() });
    snapshot.catalogue = Catalogue::new(routes).ruled(rules);
    let mut book = PriceBook::default();
    for (model, times) in [("gpt-4", 1), ("gpt-5", 10)] {
        let rates = [
            Rate::plain(Quantity::Input, times * 10_000_000),
            Rate::plain(Quantity::Output, times * 20_000_000),
        ];
        let price = Price::Known(Arc::new(Rates::new("mine", rates, 0)));
        let dated =
            Dated { kind: Kind::Absolute, valid_from_ms: 0, known_from_ms: 0, price, multiplier_ppm: None };
        book.insert(model, Scope::default(), dated);
    }
    snapshot.prices = Arc::new(book);
    snapshot.quotas = quotas.into();
    let (world, _) = World::assemble(snapshot, HashMap::new(), &bench.engine.shared.meters);
    bench.engine.shared.worlds.replace(world);
    bench
}

#[tokio::test]
async fn a_dearer_alias_is_asked_after_a_failure_only_where_there_is_room_for_it() {
    let denied = || error(401, r#"{"error":{"message":"no"}}"#);
    for (limit, calls) in [(NEED_TOKENS * 20 * 2, 1), (NEED_TOKENS * 20 * 11, 2)] {
        let budget = quota(Measure::CostNanoUsd, limit);
        let made = Quota { id: Uuid::from_u128(2), limit: 1, ..quota(Measure::Requests, 1) };
        let bench = with_a_dear_fallback(vec![budget.clone(), made.clone()], [denied(), json(WHOLE)]);
        let answer = ask(&bench, ASK).await;
        assert_eq!(bench.transport.sent.borrow().len(), calls, "with {limit} left");
        match answer {
            Ok(reply) => {
                assert_eq!(calls, 2);
                text(reply).await;
                assert_eq!(level(&bench, &budget), Level { used: 10 * (9 * 10 + 2 * 20), reserved: 0 });
            }
            Err(denial) => {
                assert_eq!((calls, denial.error.status()), (1, 502), "the failure stands");
                assert_eq!(level(&bench, &budget), Level { used: 0, reserved: 0 });
            }
        }
        assert_eq!(level(&bench, &made).used, 1, "the request was made once");
    }
}

fn named(number: u128, subject: Subject, limit: u64) -> Quota {
    Quota { id: Uuid::from_u128(number), subject, ..quota(Measure::Requests, limit) }
}

async fn ask_tagged(bench: &Bench, tags: &str, body: &'static str) -> u16 {
    let key = bearer(KeyLevel::App);
    let headers = Headers { authorization: Some(&key), tags: Some(tags), ..Headers::default() };
    send(bench, headers, body).await.map_or_else(|denial| denial.error.status(), |_| 200)
}

#[tokio::test]
async fn each_user_and_each_tag_has_what_the_quota_says_for_itself() {
    const ANN: &str = r#"{"model":"gpt","messages":[],"safety_identifier":"ann","user":"x"}"#;
    const BOB: &str = r#"{"model":"gpt","messages":[],"user":"bob","metadata":{"team":"red"}}"#;
    let pattern = |text: &str| Pattern::parse(text).unwrap();
    let users = named(1, Subject::User(pattern("*")), 2);
    let tags = named(2, Subject::Tag(pattern("team:*")), 2);
    let bench = with(vec![users.clone(), tags.clone()], true, vec![json(WHOLE); 6]);
    for (tags, body, status) in [
        ("", ANN, 200),
        ("team:blue", ANN, 200),
        ("", ANN, 429),
        ("", BOB, 200),
        ("team:red", BOB, 200),
        ("team:red", ASK, 429),
        ("team:blue", ASK, 200),
        ("day,team:blue", ASK, 429),
        ("day", ASK, 200),
    ] {
        assert_eq!(ask_tagged(&bench, tags, body).await, status, "{tags} {body}");
    }
    let counters = |quota| {
        let counters = bench.engine.shared.quotas.counters(quota, 0);
        let said = |counter: &Counter| (counter.name.as_deref().unwrap().to_owned(), counter.level.used);
        counters.iter().map(said).collect::<Vec<_>>()
    };
    assert_eq!(counters(&users), [("ann".to_owned(), 2), ("bob".to_owned(), 2)]);
    assert_eq!(counters(&tags), [("team:blue".to_owned(), 2), ("team:red".to_owned(), 2)]);
}

#[tokio::test]
async fn counters_of_names_are_forgotten_when_they_are_empty_and_not_before() {
    let everybody = Subject::User(Pattern::parse("*").unwrap());
    let users = Quota { measure: Measure::Concurrent, ..named(1, everybody, 1) };
    let bench = with(vec![users.clone()], true, [events(vec![Piece::Bytes(FIRST), Piece::Silence])]);
    const ANN: &str = r#"{"model":"gpt","stream":true,"messages":[],"user":"ann"}"#;
    let ReplyBody::Stream(mut relay) = ask(&bench, ANN).await.unwrap().body else { panic!() };
    relay.next().await.unwrap();
    let quotas = Arc::clone(&bench.engine.shared.quotas);
    let kept = || {
        // counters are looked over in some of the sweeps only
        for _ in 0..200 {
            quotas.sweep(std::slice::from_ref(&users), 0);
        }
        (quotas.counters(&users, 0).len(), quotas.holders(&users).len())
    };
    assert_eq!(kept(), (1, 1));
    drop(relay);
    bench.booked();
    assert_eq!(kept(), (0, 0));
}

/// Prices and quotas over aliases that are asked one instead of the other.
fn falling(cause: Cause, quotas: Vec<Quota>, acts: Vec<Act>) -> Bench {
    let rule = Rule {
        policy: Policy::Priority,
        fallbacks: [(cause, vec!["cheap".into()])].into(),
        ..Rule::default()
    };
    with_snapshot(
        crate::routing::ruled_as(["gpt", "cheap", "spare"], vec![("gpt", rule)], acts),
        quotas,
        true,
    )
}

#[tokio::test]
async fn out_of_budget_a_cheaper_alias_is_asked_and_only_its_own_quotas_hold_there() {
    let of = |number, alias: &str, limit| {
        let subject = Subject::Model(Pattern::parse(alias).unwrap());
        Quota { id: Uuid::from_u128(number), subject, ..quota(Measure::Requests, limit) }
    };
    let quotas = vec![of(1, "gpt", 1), of(2, "cheap", 1)];
    let bench = falling(Cause::Budget, quotas, vec![json(WHOLE), json(WHOLE)]);
    for status in [200, 200, 429] {
        let answer = ask(&bench, ASK).await;
        assert_eq!(answer.map_or_else(|denial| denial.error.status(), |_| 200), status);
    }
    let sent: Vec<_> = bench.transport.sent.borrow().iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(sent, ["one", "two"]);
}

#[tokio::test]
async fn a_failed_call_goes_to_another_alias_only_where_that_ones_quotas_have_room() {
    let money = quota(Measure::CostNanoUsd, 1_000_000);
    let cheap = Quota {
        id: Uuid::from_u128(2),
        subject: Subject::Model(Pattern::parse("cheap").unwrap()),
        ..quota(Measure::Requests, 1)
    };
    let failed = || error(401, r#"{"error":{"message":"no"}}"#);
    let acts = vec![failed(), json(WHOLE), failed()];
    let bench = falling(Cause::Failure, vec![money.clone(), cheap.clone()], acts);
    text(ask(&bench, ASK).await.unwrap()).await;
    assert_eq!(level(&bench, &money), Level { used: 130, reserved: 0 });
    assert_eq!(level(&bench, &cheap).used, 1);
    assert_eq!(ask(&bench, ASK).await.err().unwrap().error.status(), 502, "the fault is told, not the quota");
    assert_eq!(level(&bench, &money).reserved, 0);
    assert_eq!(bench.transport.sent.borrow().len(), 3);
}

#[tokio::test]
async fn a_stream_whose_budget_runs_out_is_ended_well_formed_and_booked_by_what_was_written() {
    /// Some thousand bytes of text.
    fn piece() -> &'static str {
        let text = "word ".repeat(400);
        let chunk = format!(
            "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-4\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}},\"finish_reason\":null}}]}}\n\n"
        );
        chunk.leak()
    }
    const ASK_USAGE: &str = r#"{"model":"gpt","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"hello there"}]}"#;
    let pieces = || [FIRST].into_iter().chain((0..6).map(|_| piece())).map(Piece::Bytes);
    let endless = || events(pieces().chain([Piece::Silence]).collect());
    // room for far less than the 4096 tokens that may come
    let budget = |mode| Quota { mode, ..quota(Measure::Tokens, 1_500) };
    let bench_hard = with(vec![budget(Mode::Hard)], true, []);
    assert_eq!(ask(&bench_hard, ASK_USAGE).await.err().unwrap().error.status(), 429);

    let bench = with(vec![budget(Mode::Cut)], true, [endless()]);
    let body = text(ask(&bench, ASK_USAGE).await.unwrap()).await;
    let frames: Vec<_> = body.split("\n\n").filter(|frame| !frame.is_empty()).collect();
    let [.., last, usage, done] = frames[..] else { panic!("{body}") };
    assert!(
        last.contains(r#""finish_reason":"length"}],"nexus":{"cut":"insufficient_quota","quota":"monthly"}"#),
        "{last}"
    );
    assert!(
        last.starts_with(r#"data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"gpt","#),
        "{last}"
    );
    assert!(usage.contains(r#""choices":[],"usage":{"prompt_tokens":"#), "{usage}");
    assert_eq!(done, "data: [DONE]");
    assert_eq!(bench.transport.cancelled.get(), 1, "the provider need not write on");
    let level = level(&bench, &budget(Mode::Cut));
    assert!(level.reserved == 0 && (500..=1_500).contains(&level.used), "{level:?}");
    let booked = bench.booked();
    assert_eq!(
        (booked.len(), booked[0].outcome, booked[0].source),
        (1, Outcome::Answered, Source::Estimated)
    );
    assert_eq!(booked[0].usage.tokens(), level.used);
}

#[tokio::test]
async fn a_stream_that_stays_within_its_budget_is_not_touched() {
    const LAST: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-4\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    let budget = Quota { mode: Mode::Cut, ..quota(Measure::Tokens, 600) };
    let bench = with(vec![budget.clone()], true, [events(vec![Piece::Bytes(FIRST), Piece::Bytes(LAST)])]);
    let body = text(ask(&bench, crate::ASK_STREAM).await.unwrap()).await;
    assert_eq!(body, [FIRST, LAST].concat().replace("gpt-4", "gpt"));
    assert_eq!(level(&bench, &budget).reserved, 0);
}
