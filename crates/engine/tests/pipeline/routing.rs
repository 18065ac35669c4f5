//! Where requests go: what they need, whence they come, and what is asked instead.

use std::{collections::HashMap, sync::Arc};

use nexus_core::{
    catalogue::{Catalogue, Route, Target},
    need::{Ability, Fit},
    policy::{Cause, Policy, Rule, Rules},
    snapshot::Snapshot,
};
use nexus_engine::{
    arrival::{Arrival, BodyCut, Head, Headers},
    denial::Denial,
    pipeline,
    reply::Reply,
    world::World,
};
use nexus_keystore::token::Level;

use crate::{
    ASK, WHOLE,
    fake::{Act, Bench, FakeBody, bearer, bench, error, json, snapshot},
    text,
};

/// A bench with the targets `one` to `three`, each behind an alias of its own, under these rules.
fn ruled(rules: Vec<(&str, Rule)>, acts: Vec<Act>) -> Bench {
    ruled_as(["gpt", "long", "spare"], rules, acts)
}

/// The same behind aliases of these names.
pub fn ruled_as(aliases: [&str; 3], rules: Vec<(&str, Rule)>, acts: Vec<Act>) -> Bench {
    let bench = bench(3, acts);
    let targets = targets();
    let routes = targets.into_iter().zip(aliases);
    let routes = routes.map(|(target, alias)| Route::new(alias.into(), 1, vec![Arc::new(target)]));
    let mut all = Rules::default();
    for (alias, rule) in rules {
        all.insert(alias, None, rule);
    }
    put(&bench, Catalogue::new(routes).ruled(all));
    bench
}

fn targets() -> Vec<Target> {
    let known = snapshot(3, None).catalogue.resolve("gpt", None).unwrap().route;
    known.targets.iter().map(|target| Target::clone(target)).collect()
}

fn put(bench: &Bench, catalogue: Catalogue) {
    let known = Snapshot { catalogue, ..Snapshot::default() };
    let (world, _) = World::assemble(known, HashMap::new(), bench.exporter.meters());
    bench.engine.shared.worlds.replace(world);
}

async fn ask(
    bench: &Bench,
    body: &'static str,
    others: Vec<(&str, &str)>,
) -> Result<Reply<FakeBody>, Denial> {
    let key = bearer(Level::App);
    let headers = Headers { authorization: Some(&key), ..Headers::default() };
    let head = Head { headers, others, ..Head::default() };
    let body = futures_util::stream::iter([Ok::<_, BodyCut>(bytes::Bytes::from_static(body.as_bytes()))]);
    pipeline::serve(&bench.engine, nexus_core::call::Operation::ChatCompletions, Arrival { head, body }).await
}

fn asked(bench: &Bench) -> Vec<String> {
    bench.transport.sent.borrow().iter().map(|(name, _)| name.clone()).collect()
}

fn falls(cause: Cause, aliases: &[&str]) -> Rule {
    let aliases = aliases.iter().map(|alias| (*alias).into()).collect();
    Rule { policy: Policy::Priority, fallbacks: [(cause, aliases)].into(), ..Rule::default() }
}

#[tokio::test]
async fn what_fails_for_a_cause_is_asked_of_the_alias_that_is_there_for_it() {
    let long = r#"{"error":{"message":"too long","code":"context_length_exceeded"}}"#;
    let denied = r#"{"error":{"message":"invalid key"}}"#;
    for (act, cause, expected) in [
        (error(400, long), Cause::ContextWindow, Some("two")),
        (error(400, long), Cause::Failure, None),
        (error(401, denied), Cause::Failure, Some("two")),
        (error(400, r#"{"error":{"message":"bad temperature"}}"#), Cause::Failure, None),
    ] {
        let bench = ruled(vec![("gpt", falls(cause, &["long"]))], vec![act, json(WHOLE)]);
        let answer = ask(&bench, ASK, Vec::new()).await;
        assert_eq!(asked(&bench).get(1).map(String::as_str), expected, "{cause:?}");
        if let Ok(reply) = answer {
            assert_eq!(reply.decision.as_ref().unwrap().attempts, 2);
            let (body, booked) = (text(reply).await, bench.booked());
            assert!(body.contains(r#""model":"gpt""#), "{body}");
            assert!(booked.iter().all(|record| &*record.alias == "gpt") && booked.len() == 2);
        }
    }
}

#[tokio::test]
async fn fallbacks_of_fallbacks_are_asked_each_once_and_the_last_fault_is_told() {
    let rules = vec![
        ("gpt", falls(Cause::Failure, &["long", "gpt"])),
        ("long", falls(Cause::Failure, &["gpt", "spare"])),
    ];
    let denied = || error(401, r#"{"error":{"message":"no"}}"#);
    let bench = ruled(rules, vec![denied(), denied(), denied()]);
    let denial = ask(&bench, ASK, Vec::new()).await.err().unwrap();
    assert_eq!(
        (asked(&bench), denial.error.status()),
        (vec!["one".into(), "two".into(), "three".into()], 502)
    );
}

#[tokio::test]
async fn a_target_that_cannot_do_what_a_request_needs_is_never_offered_it() {
    const SEEING: &str = r#"{"model":"gpt","messages":[{"role":"user","content":[{"type":"image_url"}]}]}"#;
    let can = |abilities: &[Ability]| Fit {
        abilities: Some(abilities.iter().copied().collect()),
        ..Fit::default()
    };
    let fits = [can(&[]), can(&[Ability::Vision]), Fit { tags: vec!["night".into()], ..Fit::default() }];
    let bench = bench(3, [json(WHOLE), json(WHOLE), json(WHOLE), json(WHOLE)]);
    let targets = targets().into_iter().zip(fits).zip([0, 1, 2]);
    // of a model nobody has heard of nothing is known but what is said here
    let unheard = |target| Target { real_model: "unheard-of".into(), ..target };
    let targets = targets.map(|((target, fit), tier)| Arc::new(Target { fit, tier, ..unheard(target) }));
    put(&bench, Catalogue::new([Route::new("gpt".into(), 1, targets.collect())]));
    ask(&bench, ASK, Vec::new()).await.unwrap();
    ask(&bench, SEEING, Vec::new()).await.unwrap();
    assert_eq!(asked(&bench), ["one", "two"]);
    let only_night = vec![Arc::new(Target {
        fit: Fit { tags: vec!["night".into()], ..Fit::default() },
        ..self::targets().remove(2)
    })];
    put(&bench, Catalogue::new([Route::new("gpt".into(), 1, only_night)]));
    let denial = ask(&bench, ASK, Vec::new()).await.err().unwrap();
    assert_eq!((denial.error.status(), denial.is_final), (400, true));
    assert!(String::from_utf8_lossy(&denial.error.to_json()).contains("other tags"));
    ask(&bench, ASK, vec![("x-nexus-tags", "day, night")]).await.unwrap();
    assert_eq!(asked(&bench), ["one", "two", "three"]);
}

#[tokio::test]
async fn a_conversation_stays_with_the_target_that_began_it() {
    const GOES_ON: &str = r#"{"model":"gpt","messages":[{"role":"user","content":"hello there"},{"role":"assistant","content":"Hi!"},{"role":"user","content":"more"}]}"#;
    let bench = bench(3, (0..6).map(|_| json(WHOLE)));
    let mut rules = Rules::default();
    rules.insert("gpt", None, Rule { has_affinity: true, ..Rule::default() });
    put(&bench, snapshot(3, None).catalogue.ruled(rules));
    for _ in 0..3 {
        ask(&bench, ASK, Vec::new()).await.unwrap();
        ask(&bench, GOES_ON, Vec::new()).await.unwrap();
    }
    let asked = asked(&bench);
    assert!(asked.len() == 6 && asked.iter().all(|name| *name == asked[0]), "{asked:?}");
}
