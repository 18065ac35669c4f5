//! Operations whose words go through as they are at a vendor that speaks OpenAI's: the model's name is put in its
//! place, and what was used is read where it is said.

use bytes::{Bytes, BytesMut};
use nexus_core::{
    call::{Call, Operation},
    fault::{Class, Fault},
    usage::{Quantity, Usage},
};
use nexus_wire::{
    passed::{Answer, PassedRequest, Spent},
    splice::{self, Edit},
    sse::{
        decode::{Frame, FrameDecoder},
        encode,
    },
    usage::TokenUsage,
};

use super::{COUNTED_TEXT_MAX, Quirks, counted};
use crate::{
    dialect::{Consumed, Decoded, Progress, StreamDecoder, bad_answer},
    part::fault,
};

/// The body, or as much of a form as has come, with the provider's name of the model; `request` must have been read
/// from it.
pub fn encode_passed(body: &Bytes, request: &PassedRequest, real_model: &str) -> Bytes {
    let Some(named) = &request.model else { return body.clone() };
    let name = if request.is_form { real_model.to_owned() } else { splice::model_text(real_model) };
    splice::splice(body, &[Edit { place: named.place.clone(), text: &name }])
}

/// A whole answer of JSON, under the name that was asked for.
///
/// # Errors
/// If it is no JSON, or an error.
pub fn decode_passed(call: &Call, request: &PassedRequest, body: &Bytes) -> Result<Decoded, Fault> {
    let text = std::str::from_utf8(body).map_err(|_| bad_answer("the provider's answer is not UTF-8"))?;
    let answer = Answer::read(text).map_err(|_| bad_answer("the provider's answer is not JSON"))?;
    if answer.is_error {
        return Err(fault::in_band(body));
    }
    let consumed = consumed(call.operation, request, &answer);
    let body = match answer.model.filter(|_| request.model.is_some()) {
        Some(place) => splice::splice(body, &[Edit { place, text: &splice::model_text(&call.alias) }]),
        None => body.clone(),
    };
    Ok(Decoded { body, consumed, text: answer.text })
}

/// What an answer says was used, or what follows from the request; nothing where tokens are to be counted.
fn consumed(operation: Operation, request: &PassedRequest, answer: &Answer<'_>) -> Consumed {
    match (operation, answer.usage) {
        (Operation::Completions, Some(raw)) => counted(TokenUsage::read(raw), raw, Quirks::NONE),
        (Operation::Completions, None) => Consumed::default(),
        (_, Some(raw)) => {
            Consumed { usage: Some(of_spent(Spent::read(raw))), raw: Some(raw.into()), ..Consumed::default() }
        }
        (_, None) => {
            let audio_ms = answer.audio_ms.unwrap_or_default();
            let usage = by_piece(operation, request, answer.count).with(Quantity::AudioMs, audio_ms);
            Consumed { usage: Some(usage), ..Consumed::default() }
        }
    }
}

/// Disjoint quantities of what pictures and sound report; a part is never more than its whole.
fn of_spent(spent: Spent) -> Usage {
    let (input, output) = (spent.input.unwrap_or_default(), spent.output.unwrap_or_default());
    let image_in = spent.image_in.min(input);
    let audio_in = spent.audio_in.min(input.saturating_sub(image_in));
    let image_out = spent.image_out.min(output);
    let text_in = input.saturating_sub(image_in).saturating_sub(audio_in);
    let all = [text_in, image_in, audio_in, output, spent.audio_ms.unwrap_or_default()];
    if all.iter().any(|count| *count > Usage::PLAUSIBLE_MAX) {
        return Usage::default();
    }
    Usage::text(text_in, output.saturating_sub(image_out))
        .with(Quantity::ImageIn, image_in)
        .with(Quantity::AudioIn, audio_in)
        .with(Quantity::ImageOut, image_out)
        .with(Quantity::AudioMs, spent.audio_ms.unwrap_or_default())
}

/// What is billed by the piece where no tokens are said: pictures, and characters read aloud.
pub fn by_piece(operation: Operation, request: &PassedRequest, pictures: Option<usize>) -> Usage {
    match operation {
        Operation::ImageGenerations | Operation::ImageEdits | Operation::ImageVariations => {
            let pictures = pictures.map_or(request.n.unwrap_or(1), |count| count as u64);
            Usage::default().with(Quantity::Images, pictures)
        }
        Operation::Speech => Usage::default().with(Quantity::Characters, request.characters),
        _ => Usage::default(),
    }
}

/// How an answer goes through that is not read whole.
pub struct Passing {
    /// `None` where it is bytes of whatever they are.
    frames: Option<FrameDecoder>,
    relay: Relay,
}

struct Relay {
    operation: Operation,
    request: PassedRequest,
    /// The alias as JSON.
    alias: String,
    consumed: Option<Consumed>,
    text: String,
    is_done: bool,
}

impl Passing {
    /// Server-sent events.
    pub fn events(call: &Call, request: &PassedRequest) -> Self {
        Self { frames: Some(FrameDecoder::default()), relay: Relay::new(call, request) }
    }

    /// Bytes of whatever they are, up to the body's end.
    pub fn bytes(call: &Call, request: &PassedRequest) -> Self {
        Self { frames: None, relay: Relay::new(call, request) }
    }
}

impl Relay {
    fn new(call: &Call, request: &PassedRequest) -> Self {
        Self {
            operation: call.operation,
            request: request.clone(),
            alias: splice::model_text(&call.alias),
            consumed: None,
            text: String::new(),
            is_done: false,
        }
    }

    fn take(&mut self, frame: &Frame<'_>, out: &mut BytesMut) -> Result<Progress, Fault> {
        if frame.data == b"[DONE]" {
            out.extend_from_slice(encode::DONE);
            self.is_done = true;
            return Ok(Progress::Done);
        }
        let text = std::str::from_utf8(frame.data);
        let text = text.map_err(|_| bad_answer("the provider's event is not UTF-8"))?;
        let event = Answer::read(text).map_err(|_| bad_answer("the provider's event is not JSON"))?;
        if event.is_error {
            return Err(fault::in_band(frame.data));
        }
        let model = event.model.clone().filter(|_| self.request.model.is_some());
        match (model, &frame.data_place) {
            (Some(place), Some(data)) => {
                let place = data.start + place.start..data.start + place.end;
                splice::splice_into(frame.lines, &[Edit { place, text: &self.alias }], out);
            }
            _ => out.extend_from_slice(frame.lines),
        }
        out.extend_from_slice(b"\n\n");
        if event.usage.is_some() {
            self.consumed = Some(consumed(self.operation, &self.request, &event));
        }
        if self.text.len() < COUNTED_TEXT_MAX {
            self.text.push_str(&event.text);
        }
        // the last event of a picture or of sound; more pictures may follow
        let ends = |kind: &str| kind.ends_with(".completed") || kind.ends_with(".done");
        self.is_done = event.kind.is_some_and(ends);
        Ok(Progress::Flowing)
    }
}

impl StreamDecoder for Passing {
    fn feed(&mut self, piece: &[u8], out: &mut BytesMut) -> Result<Progress, Fault> {
        let Some(frames) = &mut self.frames else {
            out.extend_from_slice(piece);
            return Ok(Progress::Flowing);
        };
        frames.push(piece);
        let mut progress = Progress::Waiting;
        while progress != Progress::Done {
            let frame = frames.next_frame().map_err(|error| {
                bad_answer(&format!("the provider sent an event of more than {} bytes", error.limit_bytes))
            })?;
            let Some(frame) = frame else { break };
            progress = self.relay.take(&frame, out)?;
        }
        Ok(progress)
    }

    fn end(&mut self, out: &mut BytesMut) -> Result<(), Fault> {
        let Some(frames) = &mut self.frames else { return Ok(()) };
        if !self.relay.is_done
            && let Some(frame) = frames.last_frame()
        {
            self.relay.take(&frame, out)?;
        }
        if self.relay.is_done {
            return Ok(());
        }
        Err(Fault::new(Class::Truncated, "the provider's stream ended before the answer was complete"))
    }

    fn consumed(&mut self) -> Consumed {
        match (&self.relay.consumed, self.relay.operation) {
            (Some(consumed), _) => consumed.clone(),
            (None, Operation::Completions) => Consumed::default(),
            (None, operation) => {
                let usage = by_piece(operation, &self.relay.request, None);
                Consumed { usage: Some(usage), ..Consumed::default() }
            }
        }
    }

    fn text(&self) -> &str {
        &self.relay.text
    }
}

#[cfg(test)]
mod tests {
    use nexus_core::id::{RequestId, Uuid};

    use super::*;

    fn call(operation: Operation) -> Call {
        Call {
            operation,
            alias: "alias".to_owned(),
            is_stream: false,
            wants_usage: false,
            request: RequestId(Uuid::nil()),
            asked_at_s: 7,
        }
    }

    fn request(text: &str) -> PassedRequest {
        PassedRequest::read(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_request_differs_in_the_models_name_only() {
        let body = Bytes::from_static(br#"{"prompt": "a",  "model":"alias","x":[1.50]}"#);
        let said = PassedRequest::read(&body).unwrap();
        assert_eq!(encode_passed(&body, &said, "real"), r#"{"prompt": "a",  "model":"real","x":[1.50]}"#);
        let bare = Bytes::from_static(br#"{"input":"a"}"#);
        assert_eq!(encode_passed(&bare, &PassedRequest::read(&bare).unwrap(), "real"), bare);
    }

    #[test]
    fn an_answer_bears_the_alias_and_is_booked_by_what_it_says_or_by_the_piece() {
        let tokens = Usage::text(10, 0).with(Quantity::ImageIn, 40).with(Quantity::ImageOut, 100);
        for (operation, asked, answer, usage) in [
            (
                Operation::ImageGenerations,
                r#"{"model":"alias","n":2}"#,
                r#"{"data":[{},{}],"model":"real"}"#,
                Some(Usage::default().with(Quantity::Images, 2)),
            ),
            (
                Operation::ImageEdits,
                r#"{"model":"alias"}"#,
                r#"{"data":[{}],"usage":{"input_tokens":50,"output_tokens":100,"input_tokens_details":{"image_tokens":40,"text_tokens":10},"output_tokens_details":{"image_tokens":100}}}"#,
                Some(tokens),
            ),
            (
                Operation::Transcriptions,
                r#"{"model":"alias"}"#,
                r#"{"text":"a","usage":{"type":"duration","seconds":3}}"#,
                Some(Usage::default().with(Quantity::AudioMs, 3000)),
            ),
            (
                Operation::Completions,
                r#"{"model":"alias"}"#,
                r#"{"model":"real","choices":[{"text":"b"}],"usage":{"prompt_tokens":2,"completion_tokens":1}}"#,
                Some(Usage::text(2, 1)),
            ),
            (Operation::Completions, r#"{"model":"alias"}"#, r#"{"choices":[{"text":"b"}]}"#, None),
            (Operation::Moderations, r#"{"input":"a"}"#, r#"{"model":"real"}"#, Some(Usage::default())),
        ] {
            let said = request(asked);
            let decoded = decode_passed(&call(operation), &said, &Bytes::from_static(answer.as_bytes()));
            let decoded = decoded.unwrap();
            assert_eq!(decoded.consumed.usage, usage, "{answer}");
            let named = if said.model.is_some() { "alias" } else { "real" };
            assert_eq!(decoded.body, answer.replace("\"real\"", &format!("\"{named}\"")));
        }
        let none = Bytes::from_static(br#"{"error":{"message":"no"}}"#);
        assert!(decode_passed(&call(Operation::Moderations), &request("{}"), &none).is_err());
    }

    #[test]
    fn events_go_through_under_the_alias_and_a_stream_that_breaks_off_is_a_fault() {
        let stream = concat!(
            "event: image_generation.partial_image\ndata: {\"type\":\"image_generation.partial_image\"}\n\n",
            "data: {\"type\":\"image_generation.completed\",\"model\":\"real\",\"usage\":{\"output_tokens\":9}}\n\n",
        );
        for cut in 0..stream.len() {
            let mut passing =
                Passing::events(&call(Operation::ImageGenerations), &request(r#"{"model":"alias"}"#));
            let mut out = BytesMut::new();
            passing.feed(&stream.as_bytes()[..cut], &mut out).unwrap();
            passing.feed(&stream.as_bytes()[cut..], &mut out).unwrap();
            passing.end(&mut out).unwrap();
            assert_eq!(out, stream.replace("real", "alias").as_bytes());
            assert_eq!(passing.consumed().usage, Some(Usage::text(0, 9)));
        }
        let mut passing = Passing::events(&call(Operation::Completions), &request(r#"{"model":"alias"}"#));
        let mut out = BytesMut::new();
        passing.feed(b"data: {\"choices\":[{\"text\":\"a\"}]}\n\n", &mut out).unwrap();
        assert_eq!(passing.end(&mut out).unwrap_err().class, Class::Truncated);
        assert_eq!(passing.feed(b"data: [DONE]\n\n", &mut out).unwrap(), Progress::Done);
        assert_eq!(passing.consumed().usage, None);
        assert_eq!(passing.text(), "a");
    }

    #[test]
    fn bytes_go_through_and_speech_is_booked_by_its_characters() {
        let mut passing = Passing::bytes(&call(Operation::Speech), &request(r#"{"input":"abc"}"#));
        let mut out = BytesMut::new();
        passing.feed(b"ID3\0", &mut out).unwrap();
        passing.end(&mut out).unwrap();
        assert_eq!(out, &b"ID3\0"[..]);
        assert_eq!(passing.consumed().usage, Some(Usage::default().with(Quantity::Characters, 3)));
    }
}
