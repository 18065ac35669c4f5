//! The pipeline over fakes: what the client gets, what the provider is sent, and what is booked.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    reason = "a test may be blunt"
)]

mod access;
mod budgets;
mod clocks;
mod continuing;
mod fake;
mod flow;
mod hedging;
mod keeping;
mod leaving;
mod outcomes;
mod refusals;
mod repeats;
mod routing;
mod sealed;
mod shelf;
mod streams;

use bytes::Bytes;
use fake::{Bench, FakeBody, bearer};
use futures_util::StreamExt as _;
use nexus_core::call::Operation;
use nexus_engine::{
    arrival::{Arrival, BodyCut, Head, Headers},
    denial::Denial,
    pipeline,
    reply::{Reply, ReplyBody},
};
use nexus_keystore::token::Level;

pub const ASK: &str = r#"{"model":"gpt","messages":[{"role":"user","content":"hello there"}]}"#;
pub const ASK_STREAM: &str =
    r#"{"model":"gpt","stream":true,"messages":[{"role":"user","content":"hello there"}]}"#;
pub const WHOLE: &str = r#"{"id":"c1","object":"chat.completion","created":1,"model":"gpt-4-0613","choices":[{"index":0,"message":{"role":"assistant","content":"Hi!"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}}"#;

/// Sends a body with an application's key.
pub async fn ask(bench: &Bench, body: &'static str) -> Result<Reply<FakeBody>, Denial> {
    let key = bearer(Level::App);
    let headers =
        Headers { authorization: Some(&key), content_type: Some("application/json"), ..Headers::default() };
    send(bench, headers, body).await
}

pub async fn send(
    bench: &Bench,
    headers: Headers<'_>,
    body: &'static str,
) -> Result<Reply<FakeBody>, Denial> {
    send_to(bench, Operation::ChatCompletions, headers, body).await
}

pub async fn send_to(
    bench: &Bench,
    operation: Operation,
    headers: Headers<'_>,
    body: &'static str,
) -> Result<Reply<FakeBody>, Denial> {
    let pieces = [Ok::<_, BodyCut>(Bytes::from_static(body.as_bytes()))];
    let head = Head { headers, ..Head::default() };
    pipeline::serve(&bench.engine, operation, Arrival { head, body: futures_util::stream::iter(pieces) })
        .await
}

/// The whole body of an answer, streamed or not.
pub async fn text(reply: Reply<FakeBody>) -> String {
    let bytes = match reply.body {
        ReplyBody::Whole(bytes) => bytes.to_vec(),
        ReplyBody::Stream(relay) | ReplyBody::Bytes(_, relay) => {
            relay.map(|piece| piece.to_vec()).concat().await
        }
        ReplyBody::Heard(listener) => listener.map(|piece| piece.to_vec()).concat().await,
        ReplyBody::Kept(bytes) => bytes.to_vec(),
        ReplyBody::Pieces(_, pieces) => pieces.map(|piece| piece.unwrap().to_vec()).concat().await,
    };
    String::from_utf8(bytes).unwrap()
}
