//! What is fuzzed: framing, and of each dialect its streams, its whole answers and its faults.

use std::{
    fs,
    path::{Path, PathBuf},
};

use bytes::{Bytes, BytesMut};
use nexus_core::{
    call::{Call, Operation},
    fault::Fault,
    id::{RequestId, Uuid},
};
use nexus_providers::{
    dialect::{Consumed, Dialect, Head},
    registry,
};
use nexus_wire::sse::decode::FrameDecoder;
use serde::de::IgnoredAny;

/// Larger frames than a decoder of this limit takes are faults.
const FRAME_MAX: usize = 16 * 1024;
/// What a stream may show at most for each byte it was fed, roughly: an answer does not grow without end.
const GROWTH_MAX: usize = 64;
const GROWTH_FREE: usize = 64 * 1024;

type Judge = Box<dyn Fn(&[u8], &[usize])>;

pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) seeds: Vec<Vec<u8>>,
    /// Panics where something does not hold.
    pub(crate) judge: Judge,
}

/// One for the framing, and three for each dialect: of the vendors that speak OpenAI one stands for all.
pub(crate) fn targets() -> Vec<Target> {
    let mut targets =
        vec![Target { name: "sse".to_owned(), seeds: seeds("stream", None), judge: Box::new(frames) }];
    let vendors = registry::vendors();
    let is_first = |id: &str| vendors.iter().position(|vendor| vendor.id == id).is_none_or(|at| at == 0);
    for kind in registry::kinds().filter(|kind| is_first(kind.id)) {
        let dialect = registry::dialect(kind.id).unwrap();
        let id = kind.id;
        let judge: Judge = Box::new(move |body, cuts| streams(dialect, body, cuts));
        targets.push(Target { name: format!("{id}.stream"), seeds: seeds("stream", Some(id)), judge });
        let judge: Judge = Box::new(move |body, _| whole(dialect, body));
        targets.push(Target { name: format!("{id}.whole"), seeds: seeds("whole", Some(id)), judge });
        let judge: Judge = Box::new(move |body, cuts| fault(dialect, body, cuts));
        targets.push(Target { name: format!("{id}.fault"), seeds: seeds("whole", Some(id)), judge });
    }
    targets
}

/// The cases of a dialect, and the shared recordings where they lie; those of all where it has none.
fn seeds(folder: &str, id: Option<&str>) -> Vec<Vec<u8>> {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases")).join(folder);
    let mut files: Vec<_> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let is_own = |name: &str| id.is_none_or(|id| name.split('.').next() == Some(id));
    let (own, others): (Vec<_>, Vec<_>) =
        files.into_iter().partition(|file| is_own(&file.file_name().unwrap().to_string_lossy()));
    let chosen = if own.is_empty() { others } else { own };
    let read = |file: &PathBuf| {
        let seed = fs::read(file).unwrap();
        let is_framed = file.extension().is_some_and(|extension| extension == "events");
        if is_framed { crate::frames::stream(std::str::from_utf8(&seed).unwrap()) } else { seed }
    };
    chosen.iter().map(read).filter(|seed| seed.len() < FRAME_MAX * 2).collect()
}

fn pieces<'a>(body: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut begin = 0;
    let mut pieces = Vec::new();
    for cut in cuts.iter().copied().chain([body.len()]) {
        pieces.push(&body[begin..cut.max(begin)]);
        begin = cut.max(begin);
    }
    pieces
}

/// Frames are the same however the bytes are cut.
fn frames(body: &[u8], cuts: &[usize]) {
    let read = |pieces: &[&[u8]]| {
        let mut decoder = FrameDecoder::new(FRAME_MAX);
        let mut seen = Vec::new();
        for piece in pieces {
            decoder.push(piece);
            loop {
                match decoder.next_frame() {
                    Ok(Some(frame)) => seen.push(format!("{frame:?}")),
                    Ok(None) => break,
                    // how much of a frame has come when it is found too large depends on the pieces
                    Err(_) => return None,
                }
            }
        }
        seen.extend(decoder.last_frame().map(|frame| format!("{frame:?}")));
        Some(seen)
    };
    if let (Some(at_once), Some(cut)) = (read(&[body]), read(&pieces(body, cuts))) {
        assert_eq!(at_once, cut);
    }
}

fn call(is_stream: bool) -> Call {
    Call {
        operation: Operation::ChatCompletions,
        alias: "alias \"quoted\"".to_owned(),
        is_stream,
        wants_usage: true,
        request: RequestId(Uuid::nil()),
        asked_at_s: 1_764_000_000,
    }
}

type Streamed = (Result<(), Fault>, String, Consumed, String);

fn feed(dialect: &dyn Dialect, pieces: &[&[u8]]) -> Streamed {
    let mut decoder = dialect.stream(&call(true));
    let mut out = BytesMut::new();
    let mut end = Ok(());
    for piece in pieces {
        if let Err(fault) = decoder.feed(piece, &mut out) {
            end = Err(fault);
            break;
        }
    }
    if end.is_ok() {
        end = decoder.end(&mut out);
    }
    let shown = String::from_utf8(out.to_vec()).expect("clients are shown text");
    (end, shown, decoder.consumed(), decoder.text().to_owned())
}

/// A stream is the same however it is cut, ends with `[DONE]` exactly if it is whole, and shows frames only.
fn streams(dialect: &dyn Dialect, body: &[u8], cuts: &[usize]) {
    let (end, shown, consumed, text) = feed(dialect, &[body]);
    assert_eq!(end.is_ok(), shown == "data: [DONE]\n\n" || shown.ends_with("\ndata: [DONE]\n\n"));
    assert!(shown.is_empty() || shown.ends_with("\n\n"));
    assert!(shown.len() <= body.len() * GROWTH_MAX + GROWTH_FREE, "{} of {}", shown.len(), body.len());
    let cut = feed(dialect, &pieces(body, cuts));
    assert_eq!((end, shown, consumed, text), cut);
}

/// A whole answer is one JSON object, or a fault. Numbers of any size and half surrogates pass: they are JSON.
fn whole(dialect: &dyn Dialect, body: &[u8]) {
    if let Ok(decoded) = dialect.decode(&call(false), &Bytes::copy_from_slice(body)) {
        serde_json::from_slice::<IgnoredAny>(&decoded.body).expect("an answer is JSON");
        assert!(decoded.body.trim_ascii_start().starts_with(b"{"));
    }
}

fn fault(dialect: &dyn Dialect, body: &[u8], cuts: &[usize]) {
    let status = 300 + (body.len() % 300) as u16;
    let end = cuts.first().copied().unwrap_or(body.len());
    let head = Head { status, ..Head::default() };
    let fault = dialect.fault(head, &body[..end]);
    assert!(!fault.message.is_empty() && fault.message.len() <= 8 * 1024);
}
