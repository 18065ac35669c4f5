//! Streams: relayed as they come, kept alive in silence, booked however they end.

use std::{future::poll_fn, task::Poll, time::Duration};

use futures_util::{FutureExt as _, StreamExt as _};
use nexus_core::{
    fault::{Class, Fault},
    usage::{Doubt, Outcome, Quantity, Source, Usage},
};
use nexus_engine::reply::ReplyBody;

use crate::{
    ASK_STREAM, WHOLE, ask,
    fake::{Piece, bench, events, json},
    text,
};

const FIRST: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-4\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"Hi\"},\"finish_reason\":null}]}\n\n";
const LAST: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-4\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
const USAGE: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-4\",\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":1,\"total_tokens\":6}}\n\n";
const DONE: &str = "data: [DONE]\n\n";

fn aliased(frames: &[&str]) -> String {
    frames.concat().replace("gpt-4", "gpt")
}

#[tokio::test]
async fn a_stream_bears_the_alias_in_every_chunk_and_hides_the_usage_nobody_asked_for() {
    let bench = bench(1, [events([FIRST, LAST, USAGE, DONE].map(Piece::Bytes).to_vec())]);
    let body = text(ask(&bench, ASK_STREAM).await.unwrap()).await;
    assert_eq!(body, aliased(&[FIRST, LAST, DONE]));
    assert!(bench.transport.sent.borrow()[0].1.contains(r#""stream_options":{"include_usage":true}"#));
    let booked = bench.booked();
    assert_eq!(booked.len(), 1);
    assert_eq!(booked[0].usage, Usage::text(5, 1));
    assert_eq!((booked[0].outcome, booked[0].source), (Outcome::Answered, Source::Provider));
    assert!(booked[0].first_token_us.is_some());
}

#[tokio::test]
async fn the_usage_chunk_is_shown_to_a_client_that_asked_for_it() {
    let bench = bench(1, [events([FIRST, LAST, USAGE, DONE].map(Piece::Bytes).to_vec())]);
    let body = r#"{"model":"gpt","stream":true,"stream_options":{"include_usage":true},"messages":[]}"#;
    assert_eq!(text(ask(&bench, body).await.unwrap()).await, aliased(&[FIRST, LAST, USAGE, DONE]));
}

#[tokio::test]
async fn what_has_arrived_together_is_written_together() {
    let pieces = [FIRST, FIRST, FIRST, LAST, DONE].map(Piece::Bytes).to_vec();
    let bench = bench(1, [events(pieces)]);
    let ReplyBody::Stream(relay) = ask(&bench, ASK_STREAM).await.unwrap().body else { panic!("no stream") };
    let written: Vec<_> = relay.collect().await;
    assert_eq!(written.len(), 1);
}

#[tokio::test]
async fn a_provider_that_has_nothing_is_asked_once_and_what_it_then_sends_is_never_missed() {
    for asks_meanwhile in [true, false] {
        let pieces = [FIRST, LAST, USAGE, DONE].map(Piece::Bytes).to_vec();
        let pieces = [&pieces[..1], &[Piece::Gate], &pieces[1..]].concat();
        let bench = bench(1, [events(pieces)]);
        let ReplyBody::Stream(mut relay) = ask(&bench, ASK_STREAM).await.unwrap().body else {
            panic!("no stream")
        };
        assert_eq!(relay.next().await.unwrap(), aliased(&[FIRST]));
        if asks_meanwhile {
            let is_pending = poll_fn(|cx| Poll::Ready(relay.poll_next_unpin(cx).is_pending()));
            assert!(is_pending.await);
        }
        assert_eq!(bench.transport.gate.asked.get(), 1);
        bench.transport.open_gate();
        assert_eq!(relay.next().await.unwrap(), aliased(&[LAST, DONE]));
        assert!(relay.next().await.is_none());
    }
}

#[tokio::test]
async fn a_stream_that_breaks_before_its_first_event_is_served_by_another_target() {
    let reset = Piece::Fault(Fault::new(Class::Reset, "connection reset"));
    let error = "event: error\ndata: {\"error\":{\"message\":\"overloaded\"}}\n\n";
    for broken in [vec![reset], vec![Piece::Bytes(": hello\n\n")], vec![Piece::Bytes(error)], vec![]] {
        let good = events([FIRST, LAST, USAGE, DONE].map(Piece::Bytes).to_vec());
        let bench = bench(2, [events(broken.clone()), good]);
        let body = text(ask(&bench, ASK_STREAM).await.unwrap()).await;
        assert_eq!(body, aliased(&[FIRST, LAST, DONE]), "{broken:?}");
        assert_eq!(bench.booked().len(), 2);
    }
}

#[tokio::test]
async fn a_stream_that_breaks_after_it_began_ends_with_an_error_and_no_second_answer() {
    let reset = Piece::Fault(Fault::new(Class::Truncated, "the stream ended early"));
    for end in [vec![], vec![reset], vec![Piece::Bytes("data: {\"error\":{\"message\":\"overloaded\"}}\n\n")]]
    {
        let pieces = [vec![Piece::Bytes(FIRST)], end.clone()].concat();
        let bench = bench(2, [events(pieces), json(WHOLE)]);
        let body = text(ask(&bench, ASK_STREAM).await.unwrap()).await;
        let rest = body.strip_prefix(&aliased(&[FIRST])).unwrap();
        assert!(rest.starts_with("data: {\"error\":{\"message\":") && rest.ends_with("}}\n\n"), "{rest}");
        assert!(!body.contains("[DONE]"));
        assert_eq!(bench.transport.sent.borrow().len(), 1);
        let booked = bench.booked();
        assert_eq!(booked.len(), 1);
        assert!(matches!(booked[0].outcome, Outcome::Failed(_)));
        assert_eq!(booked[0].source, Source::Estimated);
        assert!(booked[0].usage.of(Quantity::Output) > 0);
    }
}

#[tokio::test]
async fn a_dropped_stream_is_still_billed_and_cancels_the_provider() {
    let bench = bench(1, [events(vec![Piece::Bytes(FIRST), Piece::Silence])]);
    let ReplyBody::Stream(mut relay) = ask(&bench, ASK_STREAM).await.unwrap().body else {
        panic!("no stream")
    };
    assert!(relay.next().await.is_some());
    drop(relay);
    assert_eq!(bench.transport.cancelled.get(), 1);
    let page = bench.exporter.render();
    assert!(page.contains(r#"status="499"} 1"#), "{page}");
    let booked = bench.booked();
    assert_eq!(booked.len(), 1);
    assert_eq!((booked[0].outcome, booked[0].source), (Outcome::Abandoned, Source::Estimated));
    assert!(
        booked[0].usage.of(Quantity::Input) > 0 && booked[0].usage.of(Quantity::Output) > 0,
        "{:?}",
        booked[0].usage
    );
}

#[tokio::test]
async fn a_request_dropped_before_its_answer_is_billed_as_abandoned() {
    let bench = bench(1, [events(vec![Piece::Silence])]);
    assert!(ask(&bench, ASK_STREAM).now_or_never().is_none());
    let booked = bench.booked();
    assert_eq!((booked.len(), booked[0].outcome), (1, Outcome::Abandoned));
}

#[tokio::test(start_paused = true)]
async fn silence_is_filled_with_comments() {
    let bench = bench(1, [events(vec![Piece::Bytes(FIRST), Piece::Silence])]);
    let ReplyBody::Stream(mut relay) = ask(&bench, ASK_STREAM).await.unwrap().body else {
        panic!("no stream")
    };
    assert_eq!(relay.next().await.unwrap(), aliased(&[FIRST]));
    for _ in 0..3 {
        let begun = tokio::time::Instant::now();
        assert_eq!(relay.next().await.unwrap(), ": ping\n\n");
        assert_eq!(begun.elapsed(), Duration::from_secs(15));
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_thinks_long_before_its_first_event_keeps_the_client_waiting_with_comments() {
    let bench = bench(1, [events(vec![Piece::Silence])]);
    let ReplyBody::Stream(mut relay) = ask(&bench, ASK_STREAM).await.unwrap().body else {
        panic!("no stream")
    };
    assert_eq!(relay.next().await.unwrap(), ": ping\n\n");
}

#[tokio::test]
async fn tokens_of_a_stream_are_counted_before_its_end_is_shown() {
    let bench = bench(1, [events([FIRST, LAST, DONE].map(Piece::Bytes).to_vec())]);
    let body = text(ask(&bench, ASK_STREAM).await.unwrap()).await;
    assert!(body.ends_with(DONE));
    assert_eq!(bench.ledger.0.lock().unwrap().len(), 1);
    assert_eq!(bench.booked()[0].source, Source::Estimated);
}

#[tokio::test]
async fn nonsense_for_usage_is_kept_as_it_came_beside_the_tokens_counted_here() {
    const NONSENSE: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-4\",\"choices\":[],\"usage\":{\"prompt_tokens\":-5}}\n\n";
    for end in [Some(DONE), None] {
        let pieces = [FIRST, NONSENSE].into_iter().chain(end).map(Piece::Bytes).collect();
        let bench = bench(1, [events(pieces)]);
        text(ask(&bench, ASK_STREAM).await.unwrap()).await;
        let booked = bench.booked();
        assert_eq!((booked.len(), booked[0].source), (1, Source::Estimated));
        assert_eq!(booked[0].raw_usage.as_deref(), Some("{\"prompt_tokens\":-5}"));
    }
}

#[tokio::test]
async fn a_usage_that_says_nothing_is_missing_and_one_said_twice_counts_once() {
    const USAGE_OF: &str = r#"data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"gpt-4","choices":[],"usage":{}}"#;
    let bench = bench(1, [events([FIRST, LAST, USAGE_OF, "\n\n", DONE].map(Piece::Bytes).to_vec())]);
    text(ask(&bench, ASK_STREAM).await.unwrap()).await;
    let booked = bench.booked();
    assert_eq!((booked[0].source, booked[0].doubt), (Source::Estimated, Some(Doubt::Missing)));
    assert!(booked[0].usage.of(Quantity::Output) > 0);
    let bench = crate::fake::bench(1, [events([FIRST, LAST, USAGE, USAGE, DONE].map(Piece::Bytes).to_vec())]);
    text(ask(&bench, ASK_STREAM).await.unwrap()).await;
    let booked = bench.booked();
    assert_eq!((booked.len(), booked[0].usage, booked[0].doubt), (1, Usage::text(5, 1), None));
}

#[tokio::test]
async fn a_json_answer_to_a_stream_request_is_relayed() {
    let bench = bench(1, [json(WHOLE)]);
    assert_eq!(text(ask(&bench, ASK_STREAM).await.unwrap()).await, WHOLE.replace("gpt-4-0613", "gpt"));
}

#[tokio::test]
async fn an_answer_is_booked_before_its_last_byte_is_handed_out() {
    let bench = bench(1, [events([FIRST, LAST, USAGE, DONE].map(Piece::Bytes).to_vec())]);
    let ReplyBody::Stream(mut relay) = ask(&bench, ASK_STREAM).await.unwrap().body else {
        panic!("no stream")
    };
    assert!(std::str::from_utf8(&relay.next().await.unwrap()).unwrap().ends_with(DONE));
    assert_eq!(bench.ledger.0.lock().unwrap().len(), 1);
}
