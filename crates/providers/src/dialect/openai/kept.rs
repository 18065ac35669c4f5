//! Answers about what a provider keeps: they go through as they are. What they say of usage was booked when it was
//! used, but for those that were generated now.

use bytes::{Bytes, BytesMut};
use nexus_core::{fault::Fault, usage::Usage};
use nexus_wire::{
    passed::Answer,
    splice::{self, Edit},
    sse::decode::FrameDecoder,
};

use crate::{
    dialect::{Consumed, Decoded, Progress, StreamDecoder, bad_answer},
    part::usage::Counted,
    tongue::responses::own,
};

/// How an answer about what is kept is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// What the answer's `model` becomes, where the request named one.
    pub alias: Option<String>,
    /// Whether it was generated now, and says what that used.
    pub generates: bool,
}

/// A whole answer of JSON.
///
/// # Errors
/// If it is no JSON.
pub fn decode_kept(reading: &Reading, body: &Bytes) -> Result<Decoded, Fault> {
    let text = std::str::from_utf8(body).map_err(|_| bad_answer("the provider's answer is not UTF-8"))?;
    // what was deleted may be answered with nothing
    if text.trim().is_empty() {
        return Ok(Decoded { body: body.clone(), consumed: nothing(), text: String::new() });
    }
    let answer = Answer::read(text).map_err(|_| bad_answer("the provider's answer is not JSON"))?;
    let consumed = match answer.usage.filter(|_| reading.generates) {
        Some(raw) => own::counted(raw).unwrap_or(Counted::NONSENSE).consumed(Some(Box::from(raw))),
        None => nothing(),
    };
    let body = match (answer.model, &reading.alias) {
        (Some(place), Some(alias)) => {
            splice::splice(body, &[Edit { place, text: &splice::model_text(alias) }])
        }
        _ => body.clone(),
    };
    Ok(Decoded { body, consumed, text: String::new() })
}

fn nothing() -> Consumed {
    Consumed { usage: Some(Usage::default()), ..Consumed::default() }
}

/// How such an answer goes through that is not read whole. Nothing in it says that it is over but its end.
pub struct KeptPassing {
    /// `None` where it is bytes of whatever they are.
    frames: Option<FrameDecoder>,
}

impl KeptPassing {
    /// Server-sent events.
    pub fn events() -> Self {
        Self { frames: Some(FrameDecoder::default()) }
    }

    /// Bytes of whatever they are, up to the body's end.
    pub fn bytes() -> Self {
        Self { frames: None }
    }
}

impl StreamDecoder for KeptPassing {
    fn feed(&mut self, piece: &[u8], out: &mut BytesMut) -> Result<Progress, Fault> {
        let Some(frames) = &mut self.frames else {
            out.extend_from_slice(piece);
            return Ok(Progress::Flowing);
        };
        frames.push(piece);
        let mut progress = Progress::Waiting;
        loop {
            let frame = frames.next_frame().map_err(|error| {
                bad_answer(&format!("the provider sent an event of more than {} bytes", error.limit_bytes))
            })?;
            let Some(frame) = frame else { return Ok(progress) };
            out.extend_from_slice(frame.lines);
            out.extend_from_slice(b"\n\n");
            if frame.data == b"[DONE]" {
                return Ok(Progress::Done);
            }
            progress = Progress::Flowing;
        }
    }

    fn end(&mut self, out: &mut BytesMut) -> Result<(), Fault> {
        if let Some(frame) = self.frames.as_mut().and_then(FrameDecoder::last_frame) {
            out.extend_from_slice(frame.lines);
            out.extend_from_slice(b"\n\n");
        }
        Ok(())
    }

    fn consumed(&mut self) -> Consumed {
        nothing()
    }

    fn text(&self) -> &str {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(reading: &Reading, body: &'static str) -> Decoded {
        decode_kept(reading, &Bytes::from_static(body.as_bytes())).unwrap()
    }

    #[test]
    fn an_answer_goes_through_and_is_booked_only_where_it_was_generated() {
        let body = r#"{"id":"r","model":"real","error":{"code":"x"},"usage":{"input_tokens":3,"output_tokens":2,"total_tokens":5}}"#;
        let plain = Reading { alias: None, generates: false };
        let decoded = read(&plain, body);
        assert_eq!((decoded.body, decoded.consumed.usage), (Bytes::from(body), Some(Usage::default())));
        let made = read(&Reading { alias: Some("gpt".into()), generates: true }, body);
        assert_eq!(made.body, body.replace("real", "gpt"));
        assert_eq!(made.consumed.usage, Some(Usage::text(3, 2)));
        assert_eq!(read(&plain, "").consumed.usage, Some(Usage::default()));
        assert!(decode_kept(&plain, &Bytes::from_static(b"<html>")).is_err());
    }

    #[test]
    fn events_go_through_whole_however_they_are_cut() {
        let sent = "event: thread.run.created\ndata: {\"id\":\"r\"}\n\nevent: done\ndata: [DONE]\n\n";
        for size in [1, 7, sent.len()] {
            let (mut decoder, mut out) = (KeptPassing::events(), BytesMut::new());
            for piece in sent.as_bytes().chunks(size) {
                decoder.feed(piece, &mut out).unwrap();
            }
            decoder.end(&mut out).unwrap();
            assert_eq!(std::str::from_utf8(&out).unwrap(), sent, "{size}");
        }
    }
}
