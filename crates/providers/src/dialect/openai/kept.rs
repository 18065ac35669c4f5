//! Answers about what a provider keeps: they go through as they are. What they say of usage was booked when it was
//! used, but for those that were generated now.

use bytes::{Bytes, BytesMut};
use nexus_core::{fault::Fault, usage::Usage};
use nexus_wire::{
    conversation::members::Members,
    passed::{Answer, Spent},
    splice::{self, Edit},
    sse::decode::FrameDecoder,
    usage::TokenUsage,
};

use super::{Quirks, counted};
use crate::{
    dialect::{Consumed, Decoded, Progress, StreamDecoder, bad_answer, gemini::Tally},
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

/// A whole answer at a provider's own path, whatever it is.
pub fn decode_relayed(body: &Bytes) -> Decoded {
    let text = std::str::from_utf8(body).unwrap_or_default();
    Decoded { body: body.clone(), consumed: said(text).unwrap_or_default(), text: String::new() }
}

/// What a text says of usage, in a form that is known: OpenAI's in both of its APIs, and where it stands inside what was
/// made, Anthropic's among them; Google's.
fn said(text: &str) -> Option<Consumed> {
    let whole = Members::read(text)?;
    if let Some(usage) = whole.raw("usageMetadata") {
        let mut tally = Tally::default();
        tally.note(usage);
        return Some(tally.consumed());
    }
    let inside = |name: &str| whole.object(name).ok().flatten()?.raw("usage");
    let raw = whole.raw("usage").or_else(|| inside("response")).or_else(|| inside("message"))?.get();
    let of_chats = TokenUsage::read(raw).map(|tokens| counted(Some(tokens), raw, Quirks::NONE));
    of_chats.or_else(|| {
        let counted = own::counted(raw)?;
        let total = Spent::read(raw).total.filter(|total| *total <= Usage::PLAUSIBLE_MAX);
        // where nothing is made there is a total alone
        Some(match (counted.usage, total) {
            (None, Some(total)) => {
                Consumed { usage: Some(Usage::text(total, 0)), raw: Some(raw.into()), ..Consumed::default() }
            }
            _ => counted.consumed(Some(raw.into())),
        })
    })
}

/// Counts that come in several events: of each the largest.
fn grown(before: Option<Usage>, said: Consumed) -> Consumed {
    let largest = |usage: Usage| {
        let before = before.unwrap_or_default();
        usage
            .counts()
            .fold(before, |all, (quantity, count)| all.with(quantity, count.max(before.of(quantity))))
    };
    Consumed { usage: said.usage.map(largest).or(before), ..said }
}

fn nothing() -> Consumed {
    Consumed { usage: Some(Usage::default()), ..Consumed::default() }
}

/// How such an answer goes through that is not read whole. Nothing in it says that it is over but its end.
pub struct KeptPassing {
    /// `None` where it is bytes of whatever they are.
    frames: Option<FrameDecoder>,
    /// Whether what it says of usage is heard.
    hears: bool,
    consumed: Consumed,
}

impl KeptPassing {
    /// Server-sent events.
    pub fn events() -> Self {
        Self { frames: Some(FrameDecoder::default()), hears: false, consumed: nothing() }
    }

    /// Bytes of whatever they are, up to the body's end.
    pub fn bytes() -> Self {
        Self { frames: None, hears: false, consumed: nothing() }
    }

    /// Events at a provider's own path, which may say what they used.
    pub fn heard_events() -> Self {
        Self { hears: true, consumed: Consumed::default(), ..Self::events() }
    }

    /// Bytes from there, of which nobody knows what they used.
    pub fn heard_bytes() -> Self {
        Self { consumed: Consumed::default(), ..Self::bytes() }
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
            if self.hears
                && let Some(consumed) = std::str::from_utf8(frame.data).ok().and_then(said)
            {
                self.consumed = grown(self.consumed.usage, consumed);
            }
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
        self.consumed.clone()
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
    fn what_was_used_at_a_path_of_its_own_is_read_where_it_has_a_known_form() {
        for (body, expected) in [
            (r#"{"usage":{"prompt_tokens":3,"completion_tokens":2}}"#, Some(Usage::text(3, 2))),
            (r#"{"usage":{"input_tokens":3,"output_tokens":2}}"#, Some(Usage::text(3, 2))),
            (r#"{"response":{"usage":{"input_tokens":3,"output_tokens":2}}}"#, Some(Usage::text(3, 2))),
            (r#"{"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":2}}"#, Some(Usage::text(3, 2))),
            (r#"{"usage":{"total_tokens":5}}"#, Some(Usage::text(5, 0))),
            (r#"{"results":[]}"#, None),
            ("no json", None),
        ] {
            let decoded = decode_relayed(&Bytes::from_static(body.as_bytes()));
            assert_eq!((decoded.body, decoded.consumed.usage), (Bytes::from(body), expected), "{body}");
            let (mut decoder, mut out) = (KeptPassing::heard_events(), BytesMut::new());
            decoder.feed(format!("data: {body}\n\ndata: {{}}\n\n").as_bytes(), &mut out).unwrap();
            assert_eq!(decoder.consumed().usage, expected, "{body}");
        }
        assert_eq!(KeptPassing::heard_bytes().consumed().usage, None);
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
