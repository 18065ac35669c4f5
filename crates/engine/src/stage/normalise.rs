//! Stage 8, normalise: the provider's answer in OpenAI's words, under the name that was asked for.
//!
//! Nothing is promised to the client until this stage returns: a whole answer has been read to its
//! end, and of a stream the first event has been seen. Until then another target may still be tried.

use std::{borrow::Cow, time::Duration};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use futures_util::{StreamExt as _, future::Either, future::select};
use nexus_core::fault::{Class, Fault};
use nexus_providers::dialect::{Decoded, Progress, StreamDecoder};

use crate::{
    port::Inbound,
    shared::Limits,
    stage::adapt::{Adapted, Came},
};

/// An answer that has begun.
pub enum Begun<B> {
    /// A whole answer to one of several requests that make up one.
    Part(Decoded),
    Whole(Decoded),
    Stream(Opened<B>),
}

/// What is told of bytes that go through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Media {
    pub content_type: String,
    /// `content-disposition`
    pub disposition: Option<String>,
}

/// What a stream is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    Events,
    Bytes(Media),
}

/// A stream whose first event has been seen, or which has been silent for a heartbeat's time.
pub struct Opened<B> {
    pub body: B,
    pub decoder: Box<dyn StreamDecoder>,
    /// What the client is to see of what has been read.
    pub ready: BytesMut,
    pub progress: Progress,
    pub shape: Shape,
}

/// Reads the answer up to the point where it may be promised to the client.
pub async fn begin<B>(
    inbound: Inbound<B>,
    adapted: &mut Adapted<'_>,
    limits: &Limits,
) -> Result<Begun<B>, Fault>
where
    B: Stream<Item = Result<Bytes, Fault>> + Unpin,
{
    let media = inbound.content_type.as_deref().map(essence);
    if let Some(passing) = adapted.passing(media.as_deref()) {
        let patience = Duration::from_millis(limits.heartbeat_ms);
        let content_type = inbound.content_type.unwrap_or_default();
        let opened = open(inbound.body, passing.decoder, patience).await?;
        let media = Media { content_type, disposition: inbound.disposition };
        let shape = if passing.is_events { Shape::Events } else { Shape::Bytes(media) };
        return Ok(Begun::Stream(Opened { shape, ..opened }));
    }
    let streamed = adapted.stream_media();
    if streamed.is_some_and(|streamed| media.as_deref().is_none_or(|media| media == streamed)) {
        let patience = Duration::from_millis(limits.heartbeat_ms);
        return open(inbound.body, adapted.stream(), patience).await.map(Begun::Stream);
    }
    match media.as_deref() {
        // Some vendors answer a stream request with plain JSON: that is an answer, not a fault.
        Some("application/json" | "text/plain") | None => {
            let body = whole(inbound.body, limits.answer_body_bytes).await?;
            adapted.whole(&body).map(|came| match came {
                Came::Part(decoded) => Begun::Part(decoded),
                Came::Whole(decoded) => Begun::Whole(decoded),
            })
        }
        Some(other) => {
            let other: String = other.chars().take(80).collect();
            Err(Fault::new(Class::BadAnswer, format!("the provider answered with the media type `{other}`")))
        }
    }
}

fn essence(content_type: &str) -> Cow<'_, str> {
    if content_type == "application/json" {
        return content_type.into();
    }
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().into()
}

/// The whole body, in one piece; a single piece is not copied.
async fn whole<B>(mut body: B, limit: usize) -> Result<Bytes, Fault>
where
    B: Stream<Item = Result<Bytes, Fault>> + Unpin,
{
    let Some(first) = body.next().await.transpose()? else { return Ok(Bytes::new()) };
    let Some(second) = body.next().await.transpose()? else { return Ok(first) };
    let mut joined = BytesMut::with_capacity(first.len().saturating_add(second.len()));
    joined.extend_from_slice(&first);
    joined.extend_from_slice(&second);
    while let Some(piece) = body.next().await.transpose()? {
        if joined.len().saturating_add(piece.len()) > limit {
            return Err(Fault::new(Class::BadAnswer, format!("the answer is larger than {limit} bytes")));
        }
        joined.extend_from_slice(&piece);
    }
    Ok(joined.freeze())
}

/// Reads until the first event that commits to this answer, but no longer than `patience` in all: a
/// provider that has said 200 and now thinks must not keep the client without a sign of life.
async fn open<B>(mut body: B, mut decoder: Box<dyn StreamDecoder>, patience: Duration) -> Result<Opened<B>, Fault>
where
    B: Stream<Item = Result<Bytes, Fault>> + Unpin,
{
    let mut ready = BytesMut::new();
    let mut patience = std::pin::pin!(tokio::time::sleep(patience));
    loop {
        let piece = match select(body.next(), patience.as_mut()).await {
            Either::Left((piece, _)) => piece,
            Either::Right(_) => {
                let (progress, shape) = (Progress::Waiting, Shape::Events);
                return Ok(Opened { body, decoder, ready, progress, shape });
            }
        };
        let progress = match piece.transpose()? {
            Some(piece) => decoder.feed(&piece, &mut ready)?,
            None => {
                decoder.end(&mut ready)?;
                Progress::Done
            }
        };
        if progress != Progress::Waiting {
            return Ok(Opened { body, decoder, ready, progress, shape: Shape::Events });
        }
    }
}
