//! Whole answers: relayed under the alias, failed over where that helps, booked once an attempt.

use futures_util::FutureExt as _;
use nexus_core::{
    fault::{Class, Fault},
    usage::{Outcome, Quantity, Source, Usage},
};

use crate::{
    ASK, WHOLE, ask,
    fake::{TEAM, bench, bench_limited, error, json},
    text,
};

#[tokio::test]
async fn a_whole_answer_bears_the_alias_and_is_booked_with_the_providers_counts() {
    let bench = bench(1, [json(WHOLE)]);
    let body = text(ask(&bench, ASK).await.unwrap()).await;
    assert_eq!(body, WHOLE.replace("gpt-4-0613", "gpt"));
    assert_eq!(bench.transport.sent.borrow()[0].1, ASK.replace("\"gpt\"", "\"gpt-4\""));
    let booked = bench.booked();
    assert_eq!(booked.len(), 1);
    let record = &booked[0];
    assert_eq!(record.usage, Usage::text(9, 2));
    assert_eq!((record.outcome, record.source, record.status), (Outcome::Answered, Source::Provider, 200));
    assert_eq!((&*record.alias, &*record.real_model, &*record.provider_name), ("gpt", "gpt-4", "one"));
    assert_eq!(record.team.unwrap().0, TEAM);
    assert_eq!(record.provider_request_id.as_deref(), Some("upstream-1"));
    assert_eq!(record.first_token_us, None, "a whole answer has no first token");
    assert!(record.raw_usage.as_deref().unwrap().contains("total_tokens"));
}

#[tokio::test]
async fn a_providers_failure_is_served_by_the_next_and_both_attempts_are_booked() {
    let bench = bench(2, [error(500, r#"{"error":{"message":"boom"}}"#), json(WHOLE)]);
    let request = ask(&bench, ASK).await.unwrap().request;
    let sent: Vec<_> = bench.transport.sent.borrow().iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(sent, ["one", "two"]);
    let booked = bench.booked();
    let ends: Vec<_> =
        booked.iter().map(|record| (record.attempt_number, record.outcome, record.source)).collect();
    assert_eq!(
        ends,
        [(1, Outcome::Failed(Class::Internal), Source::Nothing), (2, Outcome::Answered, Source::Provider)]
    );
    assert!(booked.iter().all(|record| record.request == request));
    assert_ne!(booked[0].attempt, booked[1].attempt);
}

#[tokio::test]
async fn a_truncated_answer_is_never_passed_off_as_whole() {
    for cut in [r#"{"id":"c1","choices":[{"#, "", "hello"] {
        let bench = bench(2, [json(cut), json(WHOLE)]);
        assert_eq!(text(ask(&bench, ASK).await.unwrap()).await, WHOLE.replace("gpt-4-0613", "gpt"), "{cut}");
    }
}

#[tokio::test]
async fn a_callers_mistake_goes_back_in_the_providers_words_and_is_tried_nowhere_else() {
    let said = r#"{"error":{"message":"temperature must be at most 2","type":"invalid_request_error","param":"temperature","code":"decimal_above_max_value"}}"#;
    let bench = bench(2, [error(400, said)]);
    let denial = ask(&bench, ASK).await.err().unwrap();
    assert_eq!(denial.error.to_json(), said);
    assert_eq!((denial.error.status(), denial.is_final), (400, true));
    assert_eq!(bench.booked().len(), 1);
}

#[tokio::test]
async fn the_last_fault_is_told_when_every_try_failed() {
    let refused = Fault::new(Class::Connect, "connection refused");
    let busy = || error(429, r#"{"error":{"message":"slow down"}}"#);
    let bench = bench(2, [crate::fake::Act::Fail(refused), busy(), busy()]);
    let denial = ask(&bench, ASK).await.err().unwrap();
    assert_eq!((denial.error.status(), denial.retry_after_ms, denial.is_final), (429, Some(1500), false));
    let sent: Vec<_> = bench.transport.sent.borrow().iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(sent, ["one", "two", "one"], "who failed for a moment is asked once more, who is busy is not");
    assert_eq!(bench.booked().len(), 3);
}

#[tokio::test]
async fn what_a_provider_says_about_our_credential_is_not_told() {
    let bench = bench(1, [error(401, r#"{"error":{"message":"Incorrect API key provided: sk-live-123"}}"#)]);
    let denial = ask(&bench, ASK).await.err().unwrap();
    assert_eq!(denial.error.status(), 502);
    assert!(!String::from_utf8_lossy(&denial.error.to_json()).contains("sk-live"));
}

#[tokio::test]
async fn a_target_at_its_limit_is_passed_over_and_books_nothing() {
    let bench = bench_limited(2, Some(1), [json(WHOLE), json(WHOLE)]);
    for _ in 0..2 {
        ask(&bench, ASK).await.unwrap();
    }
    let sent: Vec<_> = bench.transport.sent.borrow().iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(sent, ["one", "two"]);
    assert_eq!(bench.booked().len(), 2);
}

#[tokio::test]
async fn a_limit_that_nobody_else_can_serve_is_told_with_the_time_to_wait() {
    let bench = bench_limited(1, Some(1), [json(WHOLE)]);
    ask(&bench, ASK).await.unwrap();
    let denial = ask(&bench, ASK).await.err().unwrap();
    assert_eq!((denial.error.status(), denial.retry_after_ms), (429, Some(60_000)));
}

#[tokio::test]
async fn tokens_are_counted_here_where_the_provider_does_not_say() {
    let silent = r#"{"choices":[{"index":0,"message":{"content":"Hi there!"},"finish_reason":"stop"}]}"#;
    let bench = bench(1, [json(silent)]);
    ask(&bench, ASK).await.unwrap();
    let booked = bench.booked();
    assert_eq!((booked.len(), booked[0].source), (1, Source::Estimated));
    assert!(
        booked[0].usage.of(Quantity::Input) > 2 && booked[0].usage.of(Quantity::Output) >= 2,
        "{:?}",
        booked[0].usage
    );
}

#[tokio::test]
async fn a_request_is_counted_under_its_provider_alias_and_status() {
    let bench = bench(1, [json(WHOLE), error(400, r#"{"error":{"message":"no"}}"#)]);
    ask(&bench, ASK).await.unwrap();
    ask(&bench, ASK).await.err().unwrap();
    let page = bench.exporter.render();
    for line in [
        r#"nexus_requests_total{provider="one",model="gpt",status="200"} 1"#,
        r#"nexus_requests_total{provider="one",model="gpt",status="400"} 1"#,
        r#"nexus_tokens_total{provider="one",model="gpt",kind="input"} 9"#,
        r#"nexus_upstream_attempts_total{provider="one",model="gpt",outcome="bad_request"} 1"#,
        "nexus_requests_in_flight 0",
    ] {
        assert!(page.lines().any(|found| found == line), "{line} is not in\n{page}");
    }
}

#[tokio::test]
async fn a_client_that_leaves_while_its_answer_is_counted_is_booked_with_all_that_was_said() {
    const UNCOUNTED: &str = r#"{"id":"c1","object":"chat.completion","created":1,"model":"gpt-4-0613","choices":[{"index":0,"message":{"role":"assistant","content":"Hi there, and more"},"finish_reason":"stop"}]}"#;
    let bench = bench(1, [json(UNCOUNTED)]);
    // where the count is already there the answer is, too: it is booked alike
    drop(ask(&bench, ASK).now_or_never());
    let booked = bench.booked();
    assert_eq!(
        (booked.len(), booked[0].outcome, booked[0].source),
        (1, Outcome::Answered, Source::Estimated)
    );
    assert!(booked[0].usage.of(Quantity::Output) > 0);
}

#[tokio::test]
async fn whom_the_choice_of_a_target_passed_over_is_booked_with_each_attempt_and_why() {
    let bench = bench(3, [error(500, "{}"), json(WHOLE), json(WHOLE)]);
    let route = bench.engine.shared.worlds.current().snapshot.catalogue.resolve("gpt", None).unwrap().route;
    route.targets[0].health.breaker().open(4_900_000);
    text(ask(&bench, ASK).await.unwrap()).await;
    route.targets[0].health.reset(5_000_000);
    text(ask(&bench, ASK).await.unwrap()).await;
    let told: Vec<_> = bench
        .booked()
        .iter()
        .map(|record| {
            let passed = record.passed_over.first.iter();
            let passed: Vec<_> =
                passed.map(|passed| format!("{}: {}", passed.provider, passed.why)).collect();
            (record.provider_name.to_string(), passed)
        })
        .collect();
    let open = || vec!["one: breaker_open".to_owned()];
    assert_eq!(
        told,
        [("two".to_owned(), open()), ("three".to_owned(), open()), ("three".to_owned(), vec![])]
    );
}
