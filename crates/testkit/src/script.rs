//! What a mock provider shall do with a request, written in the model's name, which survives any gateway.
//!
//! `BASE+WORD+WORD...`, for example `mock-gpt+events=40+delay_ms=first:50,between:20`. An unknown word is an error: a misspelt fault must not pass as a healthy provider.
//!
//! | word | effect |
//! |---|---|
//! | `events=N` | the text is exactly N tokens, hence N content events when streamed |
//! | `bytes=N` | the text is exactly N bytes; with `events`, spread evenly over them |
//! | `burst=N` | N events to a write (default 1) |
//! | `delay_ms=first:A,between:B` | waits A ms before the head, B ms between the writes |
//! | `usage=absent\|negative\|huge\|cumulative` | no usage; -1; near 2^63; in every chunk, growing |
//! | `comment=every:N` | `: OPENROUTER PROCESSING` before every Nth event |
//! | `left=requests:N,tokens:N,reset_ms:MS` | says in OpenAI's headers that so much is left of its limits, and when there is all again |
//! | `done=absent` | the stream ends well, without `[DONE]` (or the event that says so) |
//! | `crlf`, `bom` | frames end in CRLF; the stream begins with a byte order mark |
//! | `json_for_stream` | a whole JSON answer although a stream was asked for |
//! | `echo_key_401` | 401 whose message holds the whole key |
//! | `fault=status:S` | that status, in OpenAI's error shape; also `retry_after:SECONDS`, `retry_after_ms:MS`, `code:NAME` |
//! | `fault=html` | an HTML page with status 502; also `status:S` |
//! | `fault=200_error` | status 200 whose body is an error object |
//! | `fault=empty` | the connection closes without a byte |
//! | `fault=hang_before_head` | silence until the client leaves |
//! | `fault=hang_after:N` | N events, then silence until the client leaves |
//! | `fault=cut_after_events:N` | N events, then the connection closes; also `with:rst` |
//! | `fault=error_event:N` | N events, then an error event and a clean end without `[DONE]` |
//!
//! Events are `data:` events, the one with the role included. A whole answer is cut or hangs half-way through its body; `error_event` makes it a 500.

use std::num::NonZeroU32;

const MAX_EVENTS: u32 = 100_000;
const MAX_BYTES: u32 = 32 * 1024 * 1024;
const WORDS: &str =
    "events bytes burst delay_ms usage comment left done crlf bom json_for_stream echo_key_401 fault";

/// One request's script; the default answers at once and well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    pub fault: Option<Fault>,
    pub usage: Usage,
    pub shape: Shape,
    pub first_ms: u64,
    pub between_ms: u64,
    pub events: Option<NonZeroU32>,
    pub bytes: Option<NonZeroU32>,
    pub burst: Option<NonZeroU32>,
    pub comment_every: Option<NonZeroU32>,
    pub left: Option<Left>,
}

/// What an answer says is left of the provider's limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    pub requests: Option<u32>,
    pub tokens: Option<u32>,
    pub reset_ms: u32,
}

/// Departures from the usual frame of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    pub done_absent: bool,
    pub json_for_stream: bool,
    pub echo_key_401: bool,
    pub crlf: bool,
    pub bom: bool,
}

/// How usage is reported; the oracle always has the true numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Usage {
    #[default]
    True,
    Absent,
    Negative,
    Huge,
    Cumulative,
}

/// The one way in which an answer fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    Status { status: u16, retry_after_s: Option<u32>, retry_after_ms: Option<u32>, code: Option<String> },
    Html { status: u16 },
    ErrorIn200,
    Empty,
    HangBeforeHead,
    HangAfter { events: usize },
    CutAfter { events: usize, how: Cut },
    ErrorEvent { after: usize },
}

/// How a connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    Fin,
    Rst,
}

impl Script {
    /// Splits a model's name into its base and its script, the latter only where the name has words.
    ///
    /// # Errors
    /// Says which word is not understood.
    pub fn of_model(name: &str) -> Result<(&str, Option<Self>), String> {
        match name.split_once('+') {
            None => Ok((name, None)),
            Some((base, words)) => Ok((base, Some(Self::parse(words)?))),
        }
    }

    /// Reads `WORD+WORD...`; the empty text is the default script.
    ///
    /// # Errors
    /// Says which word is not understood.
    pub fn parse(words: &str) -> Result<Self, String> {
        let mut script = Self::default();
        for word in words.split('+').filter(|word| !word.is_empty()) {
            script.apply(word).map_err(|why| format!("`{word}`: {why}"))?;
        }
        match (script.events, script.bytes) {
            (Some(events), Some(bytes)) if bytes < events => {
                Err("`bytes` must be at least `events`".to_owned())
            }
            _ => Ok(script),
        }
    }

    fn apply(&mut self, word: &str) -> Result<(), String> {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        match name {
            "events" => self.events = Some(count(value, MAX_EVENTS)?),
            "bytes" => self.bytes = Some(count(value, MAX_BYTES)?),
            "burst" => self.burst = Some(count(value, MAX_EVENTS)?),
            "comment" => {
                self.comment_every =
                    Some(count(value.strip_prefix("every:").unwrap_or_default(), MAX_EVENTS)?);
            }
            "delay_ms" => self.delay(value)?,
            "left" => self.left = Some(left(value)?),
            "usage" => self.usage = usage(value)?,
            "done" if value == "absent" => self.shape.done_absent = true,
            "done" => return Err("the only value is `absent`".to_owned()),
            "crlf" | "bom" | "json_for_stream" | "echo_key_401" if !value.is_empty() => {
                return Err("takes no value".to_owned());
            }
            "crlf" => self.shape.crlf = true,
            "bom" => self.shape.bom = true,
            "json_for_stream" => self.shape.json_for_stream = true,
            "echo_key_401" => self.shape.echo_key_401 = true,
            "fault" => self.fault = Some(fault(value)?),
            _ => return Err(format!("unknown word; the words are {WORDS}")),
        }
        Ok(())
    }

    fn delay(&mut self, value: &str) -> Result<(), String> {
        for part in value.split(',') {
            match part.split_once(':') {
                Some(("first", ms)) => self.first_ms = number(ms)?,
                Some(("between", ms)) => self.between_ms = number(ms)?,
                _ => return Err("write `first:MS`, `between:MS` or both".to_owned()),
            }
        }
        Ok(())
    }
}

fn left(value: &str) -> Result<Left, String> {
    let mut left = Left::default();
    for part in value.split(',') {
        match part.split_once(':') {
            Some(("requests", count)) => left.requests = Some(number(count)?),
            Some(("tokens", count)) => left.tokens = Some(number(count)?),
            Some(("reset_ms", ms)) => left.reset_ms = number(ms)?,
            _ => {
                return Err(
                    "write `requests:N`, `tokens:N` or `reset_ms:MS`, with commas in between".to_owned()
                );
            }
        }
    }
    Ok(left)
}

fn usage(value: &str) -> Result<Usage, String> {
    match value {
        "absent" => Ok(Usage::Absent),
        "negative" => Ok(Usage::Negative),
        "huge" => Ok(Usage::Huge),
        "cumulative" => Ok(Usage::Cumulative),
        _ => Err("write `absent`, `negative`, `huge` or `cumulative`".to_owned()),
    }
}

fn fault(value: &str) -> Result<Fault, String> {
    let mut parts = value.split(',').map(|part| part.split_once(':').unwrap_or((part, "")));
    let (kind, argument) = parts.next().unwrap_or_default();
    let mut fault = match kind {
        "status" => {
            Fault::Status { status: status(argument)?, retry_after_s: None, retry_after_ms: None, code: None }
        }
        "hang_after" => Fault::HangAfter { events: number(argument)? },
        "cut_after_events" => Fault::CutAfter { events: number(argument)?, how: Cut::Fin },
        "error_event" => Fault::ErrorEvent { after: number(argument)? },
        "html" | "200_error" | "empty" | "hang_before_head" if !argument.is_empty() => {
            return Err(format!("`{kind}` takes no number"));
        }
        "html" => Fault::Html { status: 502 },
        "200_error" => Fault::ErrorIn200,
        "empty" => Fault::Empty,
        "hang_before_head" => Fault::HangBeforeHead,
        _ => return Err(format!("unknown fault `{kind}`")),
    };
    for (name, argument) in parts {
        match (&mut fault, name) {
            (Fault::Status { retry_after_s, .. }, "retry_after") => *retry_after_s = Some(number(argument)?),
            (Fault::Status { retry_after_ms, .. }, "retry_after_ms") => {
                *retry_after_ms = Some(number(argument)?);
            }
            (Fault::Status { code, .. }, "code") if !argument.is_empty() => *code = Some(argument.to_owned()),
            (Fault::Html { status: page }, "status") => *page = status(argument)?,
            (Fault::CutAfter { how, .. }, "with") if argument == "rst" => *how = Cut::Rst,
            _ => return Err(format!("`{name}:{argument}` does not go with `{kind}`")),
        }
    }
    Ok(fault)
}

fn number<N: std::str::FromStr>(text: &str) -> Result<N, String> {
    text.parse().map_err(|_| format!("`{text}` is no number that fits"))
}

fn count(text: &str, max: u32) -> Result<NonZeroU32, String> {
    number::<NonZeroU32>(text)
        .ok()
        .filter(|count| count.get() <= max)
        .ok_or_else(|| format!("`{text}` is no number from 1 to {max}"))
}

fn status(text: &str) -> Result<u16, String> {
    number(text)
        .ok()
        .filter(|status| (200..=599).contains(status))
        .ok_or_else(|| format!("`{text}` is no status from 200 to 599"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn n(value: u32) -> Option<NonZeroU32> {
        NonZeroU32::new(value)
    }

    fn shape(set: impl FnOnce(&mut Shape)) -> Script {
        let mut script = Script::default();
        set(&mut script.shape);
        script
    }

    fn failing(fault: Fault) -> Script {
        Script { fault: Some(fault), ..Script::default() }
    }

    #[test]
    fn every_word_is_read() {
        let status = |status, retry_after_s, retry_after_ms, code: Option<&str>| {
            failing(Fault::Status { status, retry_after_s, retry_after_ms, code: code.map(str::to_owned) })
        };
        let cases = [
            ("", Script::default()),
            ("events=40+bytes=2000", Script { events: n(40), bytes: n(2000), ..Script::default() }),
            ("burst=8", Script { burst: n(8), ..Script::default() }),
            ("delay_ms=first:50,between:20", Script { first_ms: 50, between_ms: 20, ..Script::default() }),
            ("delay_ms=between:20", Script { between_ms: 20, ..Script::default() }),
            ("usage=absent", Script { usage: Usage::Absent, ..Script::default() }),
            ("usage=negative", Script { usage: Usage::Negative, ..Script::default() }),
            ("usage=huge", Script { usage: Usage::Huge, ..Script::default() }),
            ("usage=cumulative", Script { usage: Usage::Cumulative, ..Script::default() }),
            ("comment=every:2", Script { comment_every: n(2), ..Script::default() }),
            (
                "left=requests:0,reset_ms:9",
                Script {
                    left: Some(Left { requests: Some(0), tokens: None, reset_ms: 9 }),
                    ..Script::default()
                },
            ),
            ("done=absent", shape(|shape| shape.done_absent = true)),
            ("crlf", shape(|shape| shape.crlf = true)),
            ("bom", shape(|shape| shape.bom = true)),
            ("json_for_stream", shape(|shape| shape.json_for_stream = true)),
            ("echo_key_401", shape(|shape| shape.echo_key_401 = true)),
            ("fault=status:429,retry_after:7", status(429, Some(7), None, None)),
            ("fault=status:429,retry_after_ms:70,code:x", status(429, None, Some(70), Some("x"))),
            ("fault=html", failing(Fault::Html { status: 502 })),
            ("fault=html,status:200", failing(Fault::Html { status: 200 })),
            ("fault=200_error", failing(Fault::ErrorIn200)),
            ("fault=empty", failing(Fault::Empty)),
            ("fault=hang_before_head", failing(Fault::HangBeforeHead)),
            ("fault=hang_after:3", failing(Fault::HangAfter { events: 3 })),
            ("fault=cut_after_events:3", failing(Fault::CutAfter { events: 3, how: Cut::Fin })),
            ("fault=cut_after_events:0,with:rst", failing(Fault::CutAfter { events: 0, how: Cut::Rst })),
            ("fault=error_event:2", failing(Fault::ErrorEvent { after: 2 })),
        ];
        for (words, expected) in cases {
            assert_eq!(Script::parse(words), Ok(expected), "{words}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused_with_the_word_in_the_message() {
        let cases = [
            ("evnts=3", "`evnts=3`: unknown word; the words are events"),
            ("events=0", "`events=0`: `0` is no number from 1 to 100000"),
            ("events=100001", "`100001` is no number"),
            ("events=3+bytes=2", "`bytes` must be at least `events`"),
            ("comment=2", "`comment=2`: "),
            ("delay_ms=50", "write `first:MS`"),
            ("left=3", "write `requests:N`"),
            ("usage=wrong", "write `absent`"),
            ("done=present", "the only value is `absent`"),
            ("bom=yes", "takes no value"),
            ("fault=melt", "unknown fault `melt`"),
            ("fault=status:99", "`99` is no status"),
            ("fault=empty:3", "`empty` takes no number"),
            ("fault=empty,retry_after:3", "`retry_after:3` does not go with `empty`"),
            ("fault=cut_after_events:3,with:love", "`with:love` does not go with `cut_after_events`"),
        ];
        for (words, expected) in cases {
            let refusal = Script::parse(words).expect_err(words);
            assert!(refusal.contains(expected), "{words}: {refusal}");
        }
    }

    #[test]
    fn a_model_name_is_a_base_and_perhaps_words() {
        assert_eq!(Script::of_model("gpt"), Ok(("gpt", None)));
        assert_eq!(Script::of_model("gpt+bom"), Ok(("gpt", Some(shape(|shape| shape.bom = true)))));
        assert!(Script::of_model("gpt+nonsense").is_err());
    }
}
