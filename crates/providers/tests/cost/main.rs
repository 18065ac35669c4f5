//! What decoding a stream costs: so much for each event whatever the number of events, and no memory that grows.
//!
//! Allocations stand for work: a decoder that read again what it had read, or kept what it had said, would allocate
//! more for each event the longer the stream is.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may be blunt")]

#[path = "../suite/frames.rs"]
#[allow(dead_code, reason = "shared with the suite")]
mod event_frames;

use std::{fs, path::Path};

use allocation_counter::{AllocationInfo, measure};
use bytes::BytesMut;
use nexus_core::{
    call::{Call, Operation},
    id::{RequestId, Uuid},
};
use nexus_providers::{
    dialect::{COUNTED_TEXT_MAX, Dialect},
    registry,
};

const SHORT: usize = 1_000;
const LONG: usize = 10_000;

/// The frames of a recorded stream: binary ones say their length, others end with a blank line, or with a line where
/// each is one JSON text.
fn frames<'a>(dialect: &dyn Dialect, body: &'a [u8]) -> Vec<&'a [u8]> {
    let mut rest = body;
    let mut frames = Vec::new();
    while !rest.is_empty() {
        let ends_at =
            |end: &[u8]| rest.windows(end.len()).position(|part| part == end).map(|at| at + end.len());
        let len = match dialect.stream_media() {
            "application/vnd.amazon.eventstream" => {
                rest.first_chunk::<4>().map(|len| u32::from_be_bytes(*len) as usize)
            }
            "application/x-ndjson" => ends_at(b"\n"),
            _ => ends_at(b"\n\n"),
        };
        let (frame, behind) = rest.split_at(len.unwrap_or(rest.len()).clamp(1, rest.len()));
        frames.push(frame);
        rest = behind;
    }
    frames
}

/// Feeds a stream whose frame `repeated` comes `times` times; what is shown is taken away as it comes.
fn feed(dialect: &dyn Dialect, frames: &[&[u8]], repeated: usize, times: usize) -> Option<usize> {
    let call = Call {
        operation: Operation::ChatCompletions,
        alias: "alias".to_owned(),
        is_stream: true,
        wants_usage: false,
        request: RequestId(Uuid::nil()),
        asked_at_s: 7,
    };
    let mut decoder = dialect.stream(&call);
    let mut out = BytesMut::with_capacity(64 * 1024);
    let mut shown = 0;
    for (at, frame) in frames.iter().enumerate() {
        for _ in 0..if at == repeated { times } else { 1 } {
            decoder.feed(frame, &mut out).ok()?;
            shown += out.len();
            out.clear();
        }
    }
    decoder.end(&mut out).ok()?;
    Some(shown + out.len())
}

/// A recorded stream of the dialect, and the frame of it that says a piece of text and may come any number of times.
fn sample(dialect: &dyn Dialect) -> Option<(Vec<u8>, usize)> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/stream"));
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        if name.split('.').next() != Some(dialect.id()) {
            continue;
        }
        let body = fs::read(&file).unwrap();
        let is_framed = file.extension().is_some_and(|extension| extension == "events");
        let body = if is_framed { event_frames::stream(std::str::from_utf8(&body).unwrap()) } else { body };
        let parts = frames(dialect, &body);
        let Some(once) = feed(dialect, &parts, usize::MAX, 1) else { continue };
        let grows = |at: &usize| feed(dialect, &parts, *at, 50).is_some_and(|often| often > once + 49 * 40);
        if let Some(at) = (0..parts.len()).find(grows) {
            return Some((body, at));
        }
    }
    None
}

fn cost(dialect: &dyn Dialect, parts: &[&[u8]], at: usize, times: usize) -> AllocationInfo {
    measure(|| {
        feed(dialect, parts, at, times).unwrap();
    })
}

#[test]
fn a_stream_costs_the_same_for_each_event_and_no_memory_that_grows() {
    let vendors = registry::vendors();
    let is_first = |id: &str| vendors.iter().position(|vendor| vendor.id == id).is_none_or(|at| at == 0);
    for kind in registry::kinds().filter(|kind| is_first(kind.id)) {
        let dialect = registry::dialect(kind.id).unwrap();
        let (body, at) = sample(dialect).unwrap_or_else(|| panic!("{} has no stream to repeat", kind.id));
        let parts = frames(dialect, &body);
        let (short, long) = (cost(dialect, &parts, at, SHORT), cost(dialect, &parts, at, LONG));
        let per_event = |count: u64, events: usize| count as f64 / events as f64;
        let (early, late) = (per_event(short.count_total, SHORT), per_event(long.count_total, LONG));
        assert!(late <= early * 1.05 + 0.1, "{}: {early} allocations an event, then {late}", kind.id);
        let (early, late) = (per_event(short.bytes_total, SHORT), per_event(long.bytes_total, LONG));
        // the text kept for counting doubles its room now and then
        assert!(late <= early * 1.2 + 64.0, "{}: {early} bytes an event, then {late}", kind.id);
        let kept = 3 * COUNTED_TEXT_MAX as u64;
        assert!(
            long.bytes_max <= short.bytes_max + kept,
            "{}: {} bytes at once, then {}",
            kind.id,
            short.bytes_max,
            long.bytes_max
        );
        let fed = parts[at].len() as u64 * LONG as u64;
        assert!(fed > kept || long.bytes_max < fed, "{}: the stream is too short to tell", kind.id);
    }
}
