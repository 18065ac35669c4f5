//! A second attempt beside a slow first one: who wins, who is cancelled, what is booked, and who has to allow it.

use std::{collections::HashMap, sync::Arc, time::Duration};

use nexus_core::{
    fault::Class,
    health::{Entry, Seat},
    id::Uuid,
    policy::{Conduct, Policy, Rule, Rules},
    quota::{Measure, Mode, Quota, Subject, WhenAlone, Window},
    usage::{Outcome, Source},
};
use nexus_engine::world::World;

use crate::{
    ASK_STREAM, ask,
    fake::{Act, Bench, Piece, bench, error, events},
    text,
};

const FIRST: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-4\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"Hi\"},\"finish_reason\":null}]}\n\n";
const LAST: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-4\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
const DONE: &str = "data: [DONE]\n\n";

/// What a route lets happen.
struct Setting {
    percent: Option<u8>,
    /// How many answers of the first target are known.
    known: u64,
    /// How many requests came before.
    arrived: usize,
    quotas: Vec<Quota>,
}

const SETTING: Setting = Setting { percent: Some(50), known: 20, arrived: 2, quotas: Vec::new() };

/// Two targets of which the first is asked first, and usually begins after 40 ms.
fn hedged(setting: Setting, acts: impl IntoIterator<Item = Act>) -> Bench {
    let bench = bench(2, acts);
    let mut known = bench.engine.shared.worlds.current().snapshot.clone();
    let conduct = Conduct { hedge_percent: setting.percent, ..Conduct::default() };
    let mut rules = Rules::default();
    rules.insert("gpt", None, Rule { policy: Policy::Priority, conduct, ..Rule::default() });
    known.catalogue = known.catalogue.ruled(rules);
    known.quotas = setting.quotas.into();
    let route = known.catalogue.resolve("gpt", None).unwrap().route;
    let health = &route.targets[0].health;
    for _ in 0..setting.known {
        let mut seat = Seat::take(health, true, Entry::Asked, 4_000_000).unwrap();
        seat.first_token(4_040_000);
        seat.answered(10, 4_100_000);
    }
    (0..setting.arrived).for_each(|_| route.hedges.arrive(50));
    let (world, _) = World::assemble(known, HashMap::new(), bench.exporter.meters());
    bench.engine.shared.worlds.replace(world);
    bench
}

fn stream() -> Act {
    events([FIRST, LAST, DONE].map(Piece::Bytes).to_vec())
}

fn silence() -> Act {
    events(vec![Piece::Silence])
}

fn asked(bench: &Bench) -> Vec<String> {
    bench.transport.sent.borrow().iter().map(|(name, _)| name.clone()).collect()
}

/// Who was booked how, in the order of attempts.
fn booked(bench: Bench) -> Vec<(String, Outcome, Source)> {
    let mut records = bench.booked();
    records.sort_by_key(|record| record.attempt_number);
    let told = |record: &nexus_core::usage::UsageRecord| {
        (record.provider_name.to_string(), record.outcome, record.source)
    };
    records.iter().map(told).collect()
}

#[tokio::test(start_paused = true)]
async fn a_first_that_is_slower_than_usual_is_outrun_cancelled_and_booked() {
    let bench = hedged(SETTING, [silence(), stream()]);
    let begun = tokio::time::Instant::now();
    let reply = ask(&bench, ASK_STREAM).await.unwrap();
    assert!(begun.elapsed().as_millis().abs_diff(40) <= 3, "{:?}", begun.elapsed());
    assert_eq!(
        (&*reply.decision.as_ref().unwrap().target.provider.name, reply.decision.as_ref().unwrap().attempts),
        ("two", 2)
    );
    assert_eq!(bench.transport.cancelled.get(), 1);
    assert!(text(reply).await.ends_with(DONE));
    assert_eq!(
        booked(bench),
        [
            ("one".to_owned(), Outcome::Outrun, Source::Estimated),
            ("two".to_owned(), Outcome::Answered, Source::Estimated)
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_first_that_answers_after_all_wins_and_the_second_is_cancelled() {
    let gated = events(vec![Piece::Gate, Piece::Bytes(FIRST), Piece::Bytes(LAST), Piece::Bytes(DONE)]);
    let bench = hedged(SETTING, [gated, silence()]);
    let (reply, ()) = tokio::join!(ask(&bench, ASK_STREAM), async {
        while bench.transport.sent.borrow().len() < 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        bench.transport.open_gate();
    });
    let reply = reply.unwrap();
    assert_eq!(
        (&*reply.decision.as_ref().unwrap().target.provider.name, reply.decision.as_ref().unwrap().attempts),
        ("one", 2)
    );
    text(reply).await;
    let outcomes: Vec<_> = booked(bench).into_iter().map(|(_, outcome, _)| outcome).collect();
    assert_eq!(outcomes, [Outcome::Answered, Outcome::Outrun]);
}

#[tokio::test(start_paused = true)]
async fn where_the_second_fails_the_first_is_waited_for() {
    let gated = events(vec![Piece::Gate, Piece::Bytes(FIRST), Piece::Bytes(LAST), Piece::Bytes(DONE)]);
    let bench = hedged(SETTING, [gated, error(500, "{}")]);
    let (reply, ()) = tokio::join!(ask(&bench, ASK_STREAM), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        bench.transport.open_gate();
    });
    assert_eq!(&*reply.unwrap().decision.unwrap().target.provider.name, "one");
    assert_eq!(asked(&bench), ["one", "two"]);
    assert!(matches!(booked(bench)[1].1, Outcome::Failed(Class::Internal)));
}

#[tokio::test(start_paused = true)]
async fn what_is_the_requests_own_fault_ends_both_and_the_other_is_booked_as_outrun() {
    let bench = hedged(SETTING, [silence(), error(400, r#"{"error":{"message":"bad"}}"#)]);
    assert_eq!(ask(&bench, ASK_STREAM).await.err().unwrap().error.status(), 400);
    assert_eq!(bench.transport.cancelled.get(), 1);
    let outcomes: Vec<_> = booked(bench).into_iter().map(|(_, outcome, _)| outcome).collect();
    assert_eq!(outcomes, [Outcome::Outrun, Outcome::Failed(Class::BadRequest)]);
}

#[tokio::test(start_paused = true)]
async fn a_second_attempt_there_was_no_room_for_costs_neither_share_nor_retry() {
    let bench = hedged(SETTING, [silence(), stream()]);
    let route =
        || bench.engine.shared.worlds.current().snapshot.catalogue.resolve("gpt", None).unwrap().route;
    let other = Arc::clone(&route().targets[1].health);
    let mut seat = Seat::take(&other, true, Entry::Asked, 4_000_000).unwrap();
    seat.failed(&nexus_core::fault::Fault::new(Class::Credential, "no"), 4_500_000);
    let left = bench.engine.shared.retries.left();
    ask(&bench, ASK_STREAM).await.unwrap();
    assert_eq!(asked(&bench), ["one"]);
    assert!(route().hedges.take(), "its share is still there");
    assert_eq!(bench.engine.shared.retries.left(), left);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_asked_twice_unless_the_rule_the_budgets_and_what_is_known_allow_it() {
    let concurrent = Quota {
        id: Uuid::from_u128(1),
        name: "one at a time".into(),
        subject: Subject::Platform,
        measure: Measure::Concurrent,
        window: Window::Total,
        limit: 1,
        mode: Mode::Hard,
        when_alone: WhenAlone::Node,
    };
    for (what, setting) in [
        ("no rule", Setting { percent: None, ..SETTING }),
        ("little is known", Setting { known: 19, ..SETTING }),
        ("the share is used up", Setting { arrived: 0, ..SETTING }),
        ("no quota for two", Setting { quotas: vec![concurrent.clone()], ..SETTING }),
    ] {
        let bench = hedged(setting, [silence(), stream()]);
        let reply = ask(&bench, ASK_STREAM).await.unwrap();
        assert_eq!((asked(&bench).len(), reply.decision.as_ref().unwrap().attempts), (1, 1), "{what}");
    }
    let spent = hedged(SETTING, [silence(), stream()]);
    while spent.engine.shared.retries.take() {}
    ask(&spent, ASK_STREAM).await.unwrap();
    assert_eq!(asked(&spent).len(), 1, "the budget of retries is used up");

    let quotas = vec![Quota { limit: 2, ..concurrent }];
    let bench = hedged(Setting { quotas: quotas.clone(), ..SETTING }, [silence(), stream()]);
    text(ask(&bench, ASK_STREAM).await.unwrap()).await;
    assert_eq!(asked(&bench).len(), 2);
    let levels = Arc::clone(&bench.engine.shared.quotas);
    bench.booked();
    assert_eq!(levels.level(&quotas[0], 0).reserved, 0, "what was held for both is free again");
}
