//! A batch of OpenAI's API: the object, the lines it is read from, and the lines it is answered in.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{chat::BodyError, json::quoted};

/// Lines of one batch, at most, as at OpenAI.
pub const LINES_MAX: u64 = 50_000;
/// The longest line, in bytes.
pub const LINE_MAX: usize = 8 << 20;
/// How many things that are wrong with a file are told.
const FLAWS_MAX: usize = 100;
/// How long a batch may take, in seconds: the one window there is.
const WINDOW_S: i64 = 86_400;

/// How a batch stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Validating,
    Failed,
    InProgress,
    Finalizing,
    Completed,
    Expired,
    Cancelling,
    Cancelled,
}

/// What is wrong with a batch's file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flaw {
    pub code: String,
    pub message: String,
    pub param: Option<String>,
    /// From 1; `None` where it is the whole file.
    pub line: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Flaws {
    object: String,
    data: Vec<Flaw>,
}

/// How many lines there are, and how they ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub total: u64,
    pub completed: u64,
    pub failed: u64,
}

/// What is told of a batch. Times are Unix seconds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Batch {
    pub id: String,
    object: String,
    pub endpoint: String,
    errors: Option<Flaws>,
    pub input_file_id: String,
    completion_window: String,
    pub status: Status,
    pub output_file_id: Option<String>,
    pub error_file_id: Option<String>,
    pub created_at: i64,
    pub in_progress_at: Option<i64>,
    pub expires_at: i64,
    pub finalizing_at: Option<i64>,
    completed_at: Option<i64>,
    failed_at: Option<i64>,
    expired_at: Option<i64>,
    pub cancelling_at: Option<i64>,
    cancelled_at: Option<i64>,
    pub request_counts: Counts,
    metadata: Option<Box<RawValue>>,
}

/// What a client asks for.
#[derive(Debug, Deserialize)]
pub struct Wish<'a> {
    pub input_file_id: String,
    pub endpoint: String,
    completion_window: String,
    #[serde(borrow, default)]
    metadata: Option<&'a RawValue>,
}

/// What lines may be sent to.
pub const ENDPOINTS: [&str; 3] = ["/v1/chat/completions", "/v1/embeddings", "/v1/responses"];

impl<'a> Wish<'a> {
    /// # Errors
    /// If something that is needed is not said, or there is no such endpoint or window.
    pub fn read(body: &'a [u8]) -> Result<Self, BodyError> {
        let wish: Self = serde_json::from_slice(body).map_err(|_| {
            BodyError::whole("a batch needs `input_file_id`, `endpoint` and `completion_window` as strings")
        })?;
        if !ENDPOINTS.contains(&wish.endpoint.as_str()) {
            let known = "`/v1/chat/completions`, `/v1/embeddings` or `/v1/responses`";
            return Err(BodyError::member("endpoint", format!("`endpoint` must be {known}")));
        }
        if wish.completion_window != "24h" {
            return Err(BodyError::member("completion_window", "`completion_window` must be `24h`"));
        }
        Ok(wish)
    }
}

impl Batch {
    /// A new one.
    pub fn new(id: String, wish: &Wish<'_>, created_at: i64) -> Self {
        Self {
            id,
            object: "batch".to_owned(),
            endpoint: wish.endpoint.clone(),
            errors: None,
            input_file_id: wish.input_file_id.clone(),
            completion_window: wish.completion_window.clone(),
            status: Status::Validating,
            output_file_id: None,
            error_file_id: None,
            created_at,
            in_progress_at: None,
            expires_at: created_at.saturating_add(WINDOW_S),
            finalizing_at: None,
            completed_at: None,
            failed_at: None,
            expired_at: None,
            cancelling_at: None,
            cancelled_at: None,
            request_counts: Counts::default(),
            metadata: wish.metadata.map(ToOwned::to_owned),
        }
    }

    pub fn written(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// When it may take no longer, Unix milliseconds.
    pub fn ends_ms(&self) -> i64 {
        self.expires_at.saturating_mul(1000)
    }

    /// It is over, and stands so since then.
    pub fn end(&mut self, status: Status, now_s: i64) {
        self.status = status;
        let at = match status {
            Status::Completed => &mut self.completed_at,
            Status::Expired => &mut self.expired_at,
            Status::Cancelled => &mut self.cancelled_at,
            _ => &mut self.failed_at,
        };
        *at = Some(now_s);
    }

    /// It comes to nothing, because of this.
    pub fn fail(&mut self, flaws: Vec<Flaw>, now_s: i64) {
        self.errors = Some(Flaws { object: "list".to_owned(), data: flaws });
        self.end(Status::Failed, now_s);
    }
}

/// A batch with what is not told of it: for whom it is run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Kept {
    pub batch: Batch,
    /// The id of the key that asked for it.
    pub key: String,
    /// The id of its team.
    pub team: Option<String>,
    /// Whether the key must be known to be bounded.
    pub is_bound: bool,
}

impl Kept {
    pub fn read(text: &[u8]) -> Option<Self> {
        serde_json::from_slice(text).ok()
    }

    pub fn written(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// A line that is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub custom_id: String,
    /// The model it asks.
    pub model: String,
    pub body: String,
}

#[derive(Deserialize)]
struct Said<'a> {
    custom_id: Option<String>,
    method: Option<String>,
    url: Option<String>,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Asked {
    model: Option<String>,
    stream: Option<bool>,
}

impl Line {
    /// A line of a batch for this endpoint.
    ///
    /// # Errors
    /// What is wrong with it: a code, a message and a member.
    pub fn read(text: &[u8], endpoint: &str) -> Result<Self, (&'static str, String, Option<&'static str>)> {
        let said: Said<'_> = serde_json::from_slice(text)
            .map_err(|_| ("invalid_json_line", "the line is no JSON object of a request".to_owned(), None))?;
        let missing = |member: &'static str, what: &str| {
            ("invalid_request", format!("`{member}` must be {what}"), Some(member))
        };
        let custom_id = said.custom_id.filter(|id| !id.is_empty() && id.len() <= 512);
        let custom_id = custom_id.ok_or_else(|| missing("custom_id", "a string of 1 to 512 bytes"))?;
        if said.method.as_deref() != Some("POST") {
            return Err(missing("method", "`POST`"));
        }
        if said.url.as_deref() != Some(endpoint) {
            return Err((
                "mismatched_endpoint",
                format!("`url` must be the batch's `{endpoint}`"),
                Some("url"),
            ));
        }
        let body = said.body.ok_or_else(|| missing("body", "the request's object"))?.get();
        let asked: Asked = serde_json::from_str(body).map_err(|_| missing("body", "the request's object"))?;
        if asked.stream == Some(true) {
            return Err(missing("body.stream", "false: a batch is answered whole"));
        }
        let model = asked.model.filter(|model| !model.is_empty());
        let model = model.ok_or_else(|| missing("body.model", "the name of a model"))?;
        Ok(Self { custom_id, model, body: body.to_owned() })
    }
}

/// Looks through the lines of a file.
#[derive(Debug, Default)]
pub struct Inspection {
    seen: HashSet<String>,
    pub lines: u64,
    pub flaws: Vec<Flaw>,
}

impl Inspection {
    /// The next line; `may_ask` says whether the caller may ask a model.
    pub fn look(&mut self, text: &[u8], endpoint: &str, may_ask: impl FnOnce(&str) -> bool) {
        self.lines += 1;
        match Line::read(text, endpoint) {
            Ok(line) if !may_ask(&line.model) => {
                let message = format!(
                    "the model `{}` does not exist or this key has no access to it",
                    line.model.chars().take(100).collect::<String>()
                );
                self.flaw("model_not_found", message, Some("body.model"));
            }
            Ok(line) => {
                if !self.seen.insert(line.custom_id) {
                    let message = "`custom_id` stands in another line, too; each must have its own";
                    self.flaw("duplicate_custom_id", message.to_owned(), Some("custom_id"));
                }
            }
            Err((code, message, param)) => self.flaw(code, message, param),
        }
    }

    fn flaw(&mut self, code: &str, message: String, param: Option<&str>) {
        if self.flaws.len() < FLAWS_MAX {
            let (code, param) = (code.to_owned(), param.map(str::to_owned));
            self.flaws.push(Flaw { code, message, param, line: Some(self.lines) });
        }
    }

    /// Whether nothing more need be looked at.
    pub fn is_enough(&self) -> bool {
        self.lines > LINES_MAX || self.flaws.len() >= FLAWS_MAX
    }

    /// What is wrong, once everything was looked at.
    pub fn finish(mut self) -> (u64, Vec<Flaw>) {
        let whole =
            |code: &str, message: String| Flaw { code: code.to_owned(), message, param: None, line: None };
        if self.lines == 0 {
            self.flaws.push(whole("empty_file", "the file has no lines".to_owned()));
        }
        if self.lines > LINES_MAX {
            let message = format!("the file has more than {LINES_MAX} lines; make several of it");
            self.flaws.push(whole("too_many_tasks", message));
        }
        (self.lines, self.flaws)
    }
}

/// Cuts a file into its lines as it comes; blank ones are none.
#[derive(Debug, Default)]
pub struct Lines {
    held: Vec<u8>,
}

impl Lines {
    /// Takes a piece and gives each line that is complete; `None` where one is too long.
    pub fn take(&mut self, piece: &[u8], mut give: impl FnMut(&[u8])) -> Option<()> {
        let mut rest = piece;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let (line, after) = rest.split_at(end);
            rest = after.get(1..).unwrap_or_default();
            if self.held.is_empty() {
                Self::line(line, &mut give);
            } else {
                self.held.extend_from_slice(line);
                let held = std::mem::take(&mut self.held);
                Self::line(&held, &mut give);
            }
        }
        self.held.extend_from_slice(rest);
        (self.held.len() <= LINE_MAX).then_some(())
    }

    /// The last line, where no line break ends it.
    pub fn finish(self, mut give: impl FnMut(&[u8])) {
        Self::line(&self.held, &mut give);
    }

    fn line(line: &[u8], give: &mut impl FnMut(&[u8])) {
        let line = line.trim_ascii();
        if !line.is_empty() {
            give(line);
        }
    }
}

/// How a line was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// With this status and this body.
    Told { status: u16, request: String, body: String },
    /// It was not asked: the code of why, and the words.
    Unasked { code: &'static str, message: &'static str },
}

impl Answer {
    /// Whether it belongs to the file of errors.
    pub fn is_error(&self) -> bool {
        !matches!(self, Self::Told { status: 200, .. })
    }

    /// The line that tells it, with its line break. `id` is this line's own.
    pub fn written(&self, id: &str, custom_id: &str) -> String {
        let (response, error) = match self {
            Self::Told { status, request, body } => {
                let request = quoted(request);
                let response = format!(r#"{{"status_code":{status},"request_id":{request},"body":{body}}}"#);
                (response, "null".to_owned())
            }
            Self::Unasked { code, message } => {
                let error = format!(r#"{{"code":{},"message":{}}}"#, quoted(code), quoted(message));
                ("null".to_owned(), error)
            }
        };
        let (id, custom_id) = (quoted(id), quoted(custom_id));
        let line = format!(r#"{{"id":{id},"custom_id":{custom_id},"response":{response},"error":{error}}}"#);
        // between members only: within a string they are escaped
        let mut line: String = line.chars().map(|c| if matches!(c, '\n' | '\r') { ' ' } else { c }).collect();
        line.push('\n');
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAT: &str = "/v1/chat/completions";

    fn line(id: &str, model: &str) -> String {
        format!(r#"{{"custom_id":"{id}","method":"POST","url":"{CHAT}","body":{{"model":"{model}"}}}}"#)
    }

    #[test]
    fn lines_come_out_wherever_a_file_is_cut() {
        let file = b"one\n\n two \r\nthree";
        for size in 1..=file.len() {
            let (mut lines, mut found) = (Lines::default(), Vec::new());
            let mut give = |line: &[u8]| found.push(String::from_utf8(line.to_vec()).unwrap());
            for piece in file.chunks(size) {
                lines.take(piece, &mut give).unwrap();
            }
            lines.finish(&mut give);
            assert_eq!(found, ["one", "two", "three"], "{size}");
        }
        assert_eq!(Lines::default().take(&vec![b'x'; LINE_MAX + 1], |_| {}), None);
    }

    #[test]
    fn everything_that_is_wrong_is_told_with_its_line() {
        let mut inspection = Inspection::default();
        let lines = [
            line("a", "m"),
            line("a", "m"),
            line("b", "other"),
            line("c", "m").replace("POST", "GET"),
            line("d", "m").replace(CHAT, "/v1/embeddings"),
            line("e", "m").replace(r#"{"model":"m"}"#, r#"{"model":"m","stream":true}"#),
            "{".to_owned(),
        ];
        for text in &lines {
            inspection.look(text.as_bytes(), CHAT, |model| model == "m");
        }
        let (count, flaws) = inspection.finish();
        let told: Vec<_> = flaws.iter().map(|flaw| (flaw.code.as_str(), flaw.line.unwrap())).collect();
        let expected = [
            ("duplicate_custom_id", 2),
            ("model_not_found", 3),
            ("invalid_request", 4),
            ("mismatched_endpoint", 5),
            ("invalid_request", 6),
            ("invalid_json_line", 7),
        ];
        assert_eq!((count, told), (7, expected.to_vec()));
        let (_, none) = Inspection::default().finish();
        assert_eq!(none[0].code, "empty_file");
    }

    #[test]
    fn a_wish_is_for_an_endpoint_and_the_window_there_is() {
        let wish = |endpoint: &str, window: &str| {
            let body = format!(
                r#"{{"input_file_id":"f","endpoint":"{endpoint}","completion_window":"{window}","metadata":{{"a":"b"}}}}"#
            );
            Wish::read(body.as_bytes())
                .map(|wish| Batch::new("batch_1".into(), &wish, 7))
                .map_err(|e| e.param)
        };
        let batch = wish(CHAT, "24h").unwrap();
        let told = String::from_utf8(batch.written()).unwrap();
        assert!(
            told.contains(r#""metadata":{"a":"b"}"#) && told.contains(r#""status":"validating""#),
            "{told}"
        );
        let kept = Kept { batch, key: "k".to_owned(), team: None, is_bound: true };
        assert_eq!(Kept::read(&kept.written()).unwrap().written(), kept.written());
        assert_eq!(wish("/v1/x", "24h").unwrap_err().as_deref(), Some("endpoint"));
        assert_eq!(wish(CHAT, "1h").unwrap_err().as_deref(), Some("completion_window"));
        assert_eq!(Wish::read(b"{}").unwrap_err().param, None);
    }

    #[test]
    fn an_answer_is_one_line_whatever_was_said() {
        let told = Answer::Told { status: 200, request: "r".into(), body: "{\n\"a\":\"\\n\"}".into() };
        let expected = "{\"id\":\"i\",\"custom_id\":\"c\",\"response\":{\"status_code\":200,\"request_id\":\"r\",\"body\":{ \"a\":\"\\n\"}},\"error\":null}\n";
        assert_eq!(told.written("i", "c"), expected);
        let unasked = Answer::Unasked { code: "batch_expired", message: "late" };
        assert!(unasked.is_error() && !told.is_error());
        assert!(
            unasked
                .written("i", "c")
                .ends_with("\"error\":{\"code\":\"batch_expired\",\"message\":\"late\"}}\n")
        );
    }
}
