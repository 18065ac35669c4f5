//! What the gateway refuses by itself: before any provider is asked, and before a stranger's body is read.

use nexus_core::call::Operation;
use nexus_engine::{
    arrival::{Arrival, BodyCut, Head, Headers},
    pipeline,
};
use nexus_keystore::token::Level;

use crate::{
    ASK, ask,
    fake::{bearer, bench},
    send,
};

#[tokio::test]
async fn a_bad_key_is_refused_before_the_body_is_read() {
    let good = bearer(Level::App);
    let cut = &good[..good.len() - 1];
    for authorization in [None, Some(""), Some("Bearer"), Some("Bearer "), Some("Basic abc"), Some(cut)] {
        let bench = bench(1, []);
        let body =
            futures_util::stream::poll_fn(|_| -> std::task::Poll<Option<Result<bytes::Bytes, BodyCut>>> {
                panic!("the body was read")
            });
        let headers = Headers { authorization, ..Headers::default() };
        let denial = pipeline::serve(
            &bench.engine,
            Operation::ChatCompletions,
            Arrival { head: Head { headers, ..Head::default() }, body },
        )
        .await
        .err()
        .unwrap();
        assert_eq!(denial.error.status(), 401, "{authorization:?}");
        assert_eq!(
            denial.error.to_json(),
            nexus_wire::error::PublicError::new(nexus_wire::error::ErrorCode::InvalidApiKey).to_json()
        );
    }
}

#[tokio::test]
async fn every_way_a_tool_sends_a_key_is_taken() {
    let bearer = bearer(Level::App);
    let token = bearer.strip_prefix("Bearer ").unwrap();
    let prefixed = format!("sk-{token}");
    let lower = format!("bearer {prefixed}");
    for headers in [
        Headers { authorization: Some(&bearer), ..Headers::default() },
        Headers { authorization: Some(&lower), ..Headers::default() },
        Headers { api_key: Some(token), ..Headers::default() },
        Headers { api_key: Some(&prefixed), ..Headers::default() },
        Headers { x_api_key: Some(token), ..Headers::default() },
        Headers { x_api_key: Some(&prefixed), ..Headers::default() },
    ] {
        let bench = bench(1, [crate::fake::json(crate::WHOLE)]);
        assert!(send(&bench, headers, ASK).await.is_ok(), "{headers:?}");
    }
}

#[tokio::test]
async fn an_admin_key_calls_no_models() {
    let bench = bench(1, []);
    let key = bearer(Level::Admin);
    let headers = Headers { authorization: Some(&key), ..Headers::default() };
    let denial = send(&bench, headers, ASK).await.err().unwrap();
    assert_eq!((denial.error.status(), denial.is_final), (403, true));
}

#[tokio::test]
async fn what_cannot_be_served_is_refused_by_name_and_reaches_no_provider() {
    for (body, status, param) in [
        (r#"{"messages":[]}"#, 400, Some("model")),
        (r#"{"model":"gpt","model":"dear","messages":[]}"#, 400, Some("model")),
        (r#"{"model":"gpt","stream":"yes","messages":[]}"#, 400, Some("stream")),
        (r#"{"model":"gpt"}"#, 400, Some("messages")),
        (r#"{"model":"gp"#, 400, None),
        ("[]", 400, None),
        ("", 400, None),
        (r#"{"model":"nobody","messages":[]}"#, 404, Some("model")),
    ] {
        let bench = bench(1, []);
        let denial = ask(&bench, body).await.err().unwrap();
        assert_eq!((denial.error.status(), denial.error.param.as_deref()), (status, param), "{body}");
        assert!(bench.booked().is_empty());
    }
}

#[tokio::test]
async fn a_body_too_large_or_of_a_foreign_kind_is_refused() {
    let key = bearer(Level::App);
    let with = |change: fn(&mut Headers<'_>)| {
        let mut headers = Headers { authorization: Some(&key), ..Headers::default() };
        change(&mut headers);
        headers
    };
    for (headers, status) in [
        (with(|headers| headers.content_length = Some(4097)), 413),
        (with(|headers| headers.content_type = Some("application/xml")), 415),
        (with(|headers| headers.content_type = Some("text/plain")), 415),
        (with(|headers| headers.content_encoding = Some("gzip")), 400),
    ] {
        let bench = bench(1, []);
        let denial = send(&bench, headers, ASK).await.err().unwrap();
        assert_eq!(denial.error.status(), status, "{headers:?}");
    }
    let bench = bench(1, []);
    let body: &'static str = Box::leak(format!("{{\"model\":\"{}\"}}", "x".repeat(4096)).into_boxed_str());
    let headers = Headers { authorization: Some(&key), ..Headers::default() };
    assert_eq!(send(&bench, headers, body).await.err().unwrap().error.status(), 413);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_ends_is_given_up() {
    let bench = bench(1, []);
    let key = bearer(Level::App);
    let headers = Headers { authorization: Some(&key), ..Headers::default() };
    let body = futures_util::stream::pending::<Result<bytes::Bytes, BodyCut>>();
    let denial = pipeline::serve(
        &bench.engine,
        Operation::ChatCompletions,
        Arrival { head: Head { headers, ..Head::default() }, body },
    )
    .await
    .err()
    .unwrap();
    assert_eq!(denial.error.status(), 400);
}
