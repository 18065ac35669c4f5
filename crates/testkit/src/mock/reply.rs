//! A reply: the exact bytes of an answer, write by write, and how the connection goes on after it.
//!
//! Everything is computed before the first byte is sent, so the same request costs only a copy the next time. Only the ids differ, at remembered places.

use super::answer::Answer;
use super::ask::{Ask, Complaint, StreamAsk};
use super::azure;
use super::cohere;
use super::converse;
use super::generate;
use super::messages;
use super::ollama;
use super::render::{self, Event, ID};
use super::surface::Surface;
use crate::script::{Cut, Fault, Script};

/// What is sent for one request.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    pub(crate) writes: Vec<Write>,
    pub(crate) ending: Ending,
    pub(crate) first_ms: u64,
    pub(crate) between_ms: u64,
    /// None where no completion is answered.
    pub(crate) completion: Option<Completion>,
}

/// Bytes that leave together.
#[derive(Debug)]
pub(crate) struct Write {
    pub(crate) bytes: Vec<u8>,
    /// Where ids stand in `bytes`.
    pub(crate) ids: Vec<usize>,
    /// Completion tokens produced when these bytes are sent.
    pub(crate) tokens: u64,
}

/// What becomes of the connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Ending {
    #[default]
    Keep,
    Fin,
    Rst,
    /// Silence until the client leaves.
    Hang,
}

/// What the oracle is to know.
#[derive(Debug)]
pub(crate) struct Completion {
    pub(crate) surface: Surface,
    pub(crate) model: String,
    pub(crate) stream: bool,
    pub(crate) prompt_tokens: u64,
    pub(crate) finished: bool,
}

impl Reply {
    /// The reply to a request without a script for its key.
    pub(crate) fn to(ask: &Ask, created_s: u64) -> Self {
        let mut reply = match Self::of_script(ask.surface, &ask.script) {
            Some(reply) => reply,
            None if ask.stream.is_none() && matches!(ask.script.fault, Some(Fault::ErrorEvent { .. })) => {
                Self::server_error(ask.surface)
            }
            None => Self::completion(ask, created_s),
        };
        reply.first_ms = ask.script.first_ms;
        reply.between_ms = ask.script.between_ms;
        reply
    }

    /// The reply in the place of an answer, where the script wants one.
    pub(crate) fn of_script(surface: Surface, script: &Script) -> Option<Self> {
        match &script.fault {
            Some(Fault::Status { .. } | Fault::Html { .. } | Fault::ErrorIn200) => {
                Some(Self::failure(surface, script))
            }
            Some(Fault::Empty) => Some(Self { ending: Ending::Fin, ..Self::default() }),
            Some(Fault::HangBeforeHead) => Some(Self { ending: Ending::Hang, ..Self::default() }),
            _ => None,
        }
    }

    fn completion(ask: &Ask, created_s: u64) -> Self {
        let answer = Answer::to(ask);
        let completion = Completion {
            surface: ask.surface,
            model: ask.model.clone(),
            stream: ask.stream.is_some(),
            prompt_tokens: answer.prompt_tokens,
            finished: ask.script.fault.is_none(),
        };
        let writes = match ask.stream.filter(|_| !ask.script.shape.json_for_stream) {
            Some(asked) => streamed(ask, asked, &answer, created_s),
            None => vec![whole(ask, &answer, created_s)],
        };
        let ending = match ask.script.fault {
            Some(Fault::HangAfter { .. }) => Ending::Hang,
            Some(Fault::CutAfter { how: Cut::Fin, .. }) => Ending::Fin,
            Some(Fault::CutAfter { how: Cut::Rst, .. }) => Ending::Rst,
            _ => Ending::Keep,
        };
        Self { writes, ending, completion: Some(completion), ..Self::default() }
    }

    fn failure(surface: Surface, script: &Script) -> Self {
        match &script.fault {
            Some(Fault::Status { status, retry_after_s, retry_after_ms, code }) => {
                let mut headers = String::new();
                if let Some(seconds) = retry_after_s {
                    headers.push_str(&format!("retry-after: {seconds}\r\n"));
                }
                if let Some(ms) = retry_after_ms {
                    headers.push_str(&format!("retry-after-ms: {ms}\r\n"));
                }
                let (kind, usual) = vocabulary(*status);
                let code = code.as_deref().or(usual);
                Self::error(
                    surface,
                    *status,
                    &headers,
                    kind,
                    code,
                    &format!("The mock answers {status}, as its script says."),
                    None,
                )
            }
            Some(Fault::Html { status }) => {
                let page = format!(
                    "<html><head><title>{status}</title></head><body><h1>{status}</h1></body></html>\r\n"
                );
                Self::body(surface, *status, "text/html; charset=utf-8", "", &page)
            }
            _ => Self::error(
                surface,
                200,
                "",
                "server_error",
                Some("internal_error"),
                "The mock failed inside a 200.",
                None,
            ),
        }
    }

    fn server_error(surface: Surface) -> Self {
        Self::error(
            surface,
            500,
            "",
            "server_error",
            None,
            "The server had an error while processing your request.",
            None,
        )
    }

    /// A 401 that repeats the whole key, as some vendors do.
    pub(crate) fn key_refused(surface: Surface, key: &str) -> Self {
        let message =
            format!("Incorrect API key provided: {key}. You can find your API key in your account.");
        Self::error(surface, 401, "", "invalid_request_error", Some("invalid_api_key"), &message, None)
    }

    pub(crate) fn complaint(surface: Surface, complaint: &Complaint) -> Self {
        Self::error(surface, 400, "", "invalid_request_error", None, &complaint.message, complaint.param)
    }

    pub(crate) fn not_found(method: &str, path: &str) -> Self {
        let message = format!("Invalid URL ({method} {path})");
        Self::error(Surface::Chat, 404, "", "invalid_request_error", None, &message, None)
    }

    /// The words a request is refused with before it can be understood; the connection closes.
    pub(crate) fn bad_request(why: &str) -> Self {
        let reply = Self::error(
            Surface::Chat,
            400,
            "connection: close\r\n",
            "invalid_request_error",
            None,
            why,
            None,
        );
        Self { ending: Ending::Fin, ..reply }
    }

    pub(crate) fn json(body: &str) -> Self {
        Self::plain(200, body)
    }

    /// Bytes of whatever they are, in chunks that leave one by one.
    pub(crate) fn of_media(content_type: &str, parts: &[&str]) -> Self {
        let head = head(Surface::Chat, 200, content_type, "transfer-encoding: chunked\r\n");
        let chunks = parts.iter().map(|part| format!("{:x}\r\n{part}\r\n", part.len()));
        let all = std::iter::once(head).chain(chunks).chain(["0\r\n\r\n".to_owned()]);
        Self { writes: all.map(|text| Write::of(text.into_bytes(), 0)).collect(), ..Self::default() }
    }

    /// JSON under a status.
    pub(crate) fn plain(status: u16, body: &str) -> Self {
        Self::body(Surface::Chat, status, "application/json", "", body)
    }

    fn error(
        surface: Surface,
        status: u16,
        headers: &str,
        kind: &str,
        code: Option<&str>,
        message: &str,
        param: Option<&str>,
    ) -> Self {
        let error = surface.error(status, kind, code, message, param);
        let headers = format!("{headers}{}", surface.error_header(status));
        Self::body(surface, status, "application/json", &headers, &error)
    }

    /// A refusal of AWS's by name.
    pub(crate) fn exception(status: u16, name: &str, words: &str) -> Self {
        let error = Surface::Converse.error(status, "", None, words, None);
        let header =
            format!("x-amzn-errortype: {name}:http://internal.amazon.com/coral/com.amazon.bedrock/\r\n");
        Self::body(Surface::Converse, status, "application/json", &header, &error)
    }

    fn body(surface: Surface, status: u16, content_type: &str, headers: &str, body: &str) -> Self {
        let more = format!("{}{headers}content-length: {}\r\n", surface.limits(None), body.len());
        let head = head(surface, status, content_type, &more);
        Self { writes: vec![Write::of((head + body).into_bytes(), 0)], ..Self::default() }
    }
}

impl Write {
    fn of(bytes: Vec<u8>, tokens: u64) -> Self {
        let ids = memchr::memmem::find_iter(&bytes, ID).collect();
        Self { bytes, ids, tokens }
    }
}

/// The type and code of OpenAI's own errors of this status.
fn vocabulary(status: u16) -> (&'static str, Option<&'static str>) {
    match status {
        401 => ("invalid_request_error", Some("invalid_api_key")),
        404 => ("invalid_request_error", Some("model_not_found")),
        429 => ("requests", Some("rate_limit_exceeded")),
        529 => ("overloaded_error", None),
        500.. => ("server_error", None),
        _ => ("invalid_request_error", None),
    }
}

fn head(surface: Surface, status: u16, content_type: &str, more: &str) -> String {
    format!(
        "HTTP/1.1 {status} {}\r\ncontent-type: {content_type}\r\n{}{more}\r\n",
        phrase(status),
        surface.headers(),
    )
}

fn phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        404 => "Not Found",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        _ => "Scripted",
    }
}

fn whole(ask: &Ask, answer: &Answer, created_s: u64) -> Write {
    let body = match ask.surface {
        Surface::Chat => render::whole(ask, answer, created_s),
        Surface::Messages => messages::render::whole(ask, answer),
        Surface::Generate => generate::render::whole(ask, answer),
        Surface::Converse => converse::render::whole(ask, answer),
        Surface::Azure => azure::filtered(&render::whole(ask, answer, created_s)),
        Surface::Cohere => cohere::render::whole(ask, answer),
        Surface::Ollama => ollama::render::whole(ask, answer),
    };
    let more = format!("{}content-length: {}\r\n", ask.surface.limits(ask.script.left), body.len());
    let head = head(ask.surface, 200, "application/json", &more);
    let kept = match ask.script.fault {
        Some(Fault::CutAfter { .. } | Fault::HangAfter { .. }) => body.len() / 2,
        _ => body.len(),
    };
    let mut bytes = head.into_bytes();
    bytes.extend(body.as_bytes().iter().take(kept));
    Write::of(bytes, answer.completion_tokens)
}

fn streamed(ask: &Ask, asked: StreamAsk, answer: &Answer, created_s: u64) -> Vec<Write> {
    let events = match ask.surface {
        Surface::Chat => render::events(ask, asked, answer, created_s),
        Surface::Messages => messages::render::events(ask, answer),
        Surface::Generate => generate::render::events(ask, answer),
        Surface::Converse => converse::render::events(ask, answer),
        Surface::Azure => azure::prefaced(render::events(ask, asked, answer, created_s)),
        Surface::Cohere => cohere::render::events(ask, answer),
        Surface::Ollama => ollama::render::events(ask, answer),
    };
    let frames = frames(ask.surface, &ask.script, events);
    let burst = ask.script.burst.map_or(1, |burst| burst.get() as usize);
    let ends_well = !matches!(ask.script.fault, Some(Fault::CutAfter { .. } | Fault::HangAfter { .. }));
    let more = format!("{}transfer-encoding: chunked\r\n", ask.surface.limits(ask.script.left));
    let mut next = head(ask.surface, 200, ask.surface.stream_media(), &more).into_bytes();
    if frames.is_empty() {
        return vec![Write::of(next, 0)];
    }
    let count = frames.len().div_ceil(burst);
    let mut writes = Vec::with_capacity(count);
    for (index, group) in frames.chunks(burst).enumerate() {
        let len: usize = group.iter().map(|(frame, _)| frame.len()).sum();
        next.extend(format!("{len:x}\r\n").as_bytes());
        next.extend(group.iter().flat_map(|(frame, _)| frame));
        next.extend(b"\r\n");
        if index + 1 == count && ends_well {
            next.extend(b"0\r\n\r\n");
        }
        let tokens = group.last().map_or(0, |(_, tokens)| *tokens);
        writes.push(Write::of(std::mem::take(&mut next), tokens));
    }
    writes
}

/// The frames of a stream up to its fault, each with the tokens sent when it has been.
fn frames(surface: Surface, script: &Script, events: Vec<Event>) -> Vec<(Vec<u8>, u64)> {
    // Google's frames always end so.
    let eol = if script.shape.crlf || surface == Surface::Generate { "\r\n" } else { "\n" };
    let kept = match script.fault {
        Some(Fault::CutAfter { events, .. } | Fault::HangAfter { events }) => events,
        Some(Fault::ErrorEvent { after }) => after,
        // The last two say the end and what was consumed.
        None if surface == Surface::Converse && script.shape.done_absent => events.len().saturating_sub(2),
        // The last event of these is what `[DONE]` is to the others.
        None if !surface.says_done() && script.shape.done_absent => events.len().saturating_sub(1),
        _ => usize::MAX,
    };
    let mut frames = Vec::with_capacity(events.len() + 1);
    let mut tokens = 0;
    for (index, event) in events.into_iter().take(kept).enumerate() {
        tokens = event.tokens;
        if surface == Surface::Converse {
            let name = event.name.as_deref().unwrap_or_default();
            frames.push((converse::frame::event(name, &event.json), tokens));
            continue;
        }
        let mut frame = String::new();
        if script.shape.bom && index == 0 {
            frame.push('\u{feff}');
        }
        if surface.is_by_line() {
            frames.push((format!("{}{eol}", event.json).into_bytes(), tokens));
            continue;
        }
        if script.comment_every.is_some_and(|every| (index + 1) % every.get() as usize == 0) {
            frame.push_str(&format!(": OPENROUTER PROCESSING{eol}{eol}"));
        }
        if let Some(name) = &event.name {
            frame.push_str(&format!("event: {name}{eol}"));
        }
        frame.push_str(&format!("data: {}{eol}{eol}", event.json));
        frames.push((frame.into_bytes(), tokens));
    }
    match script.fault {
        Some(Fault::ErrorEvent { .. }) if surface == Surface::Converse => {
            let error = surface.error(500, "server_error", None, "The mock failed in its stream.", None);
            frames.push((converse::frame::exception("internalServerException", &error), tokens));
        }
        Some(Fault::ErrorEvent { .. }) => {
            let error = surface.error(500, "server_error", None, "The mock failed in its stream.", None);
            let frame = match surface {
                Surface::Messages => format!("event: error{eol}data: {error}{eol}{eol}"),
                surface if surface.is_by_line() => format!("{error}{eol}"),
                _ => format!("data: {error}{eol}{eol}"),
            };
            frames.push((frame.into_bytes(), tokens));
        }
        None if surface.says_done() && !script.shape.done_absent => {
            frames.push((format!("data: [DONE]{eol}{eol}").into_bytes(), tokens))
        }
        _ => {}
    }
    frames
}
