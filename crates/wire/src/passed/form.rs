//! A form (`multipart/form-data`, RFC 7578) read as it comes: its small fields, and where the first file begins.
//!
//! Nothing of a file is kept. A field the gateway acts on may stand in a form once, wherever that is: who passes the
//! rest of a form on has it watched to its end.

use std::ops::Range;

use super::{Named, PassedRequest};
use crate::{
    chat::{BodyError, MODEL_CHARS_MAX},
    references::{self, REFERENCES_MAX, Reference},
};

/// The longest head of a part, in bytes.
const HEAD_MAX: usize = 16 * 1024;
/// The longest text field whose value matters, in bytes.
const VALUE_MAX: usize = 4 * 1024;
/// The longest boundary, as RFC 2046 has it.
const BOUNDARY_MAX: usize = 70;

/// How far a form has been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scan {
    /// What decides is still to come.
    More,
    /// What must be known is, and a file begins or the form has ended; the form may go on its way.
    Ready,
}

/// A form that is being read.
#[derive(Clone, Debug)]
pub struct Form {
    /// With the line break before it.
    delimiter: Vec<u8>,
    state: State,
    /// What the fields say; places are distances from the form's begin.
    said: PassedRequest,
    seen: Vec<&'static str>,
    /// Whether it goes nowhere before its model is known.
    needs_model: bool,
    /// Whether what is read now is on its way already.
    is_watched: bool,
    /// What a watched form's last piece left unread.
    carry: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Start,
    /// Behind a delimiter.
    Delimited(usize),
    /// In the head of a part.
    Head(usize),
    /// In the body of a part, which began at `from`; the delimiter is looked for from `next` on.
    Body {
        field: Option<Field>,
        is_file: bool,
        from: usize,
        next: usize,
    },
    End,
}

/// A field whose value matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    /// One of [`FIELDS`].
    Named(&'static str),
    /// It refers to a thing of this kind.
    Refers(&'static str),
}

/// The fields that are acted on.
const FIELDS: [&str; 4] = ["model", "stream", "n", "user"];

impl Form {
    /// The form a content type announces; `None` where it is none or names no boundary.
    pub fn of(content_type: &str) -> Option<Self> {
        let (essence, parameters) = content_type.split_once(';')?;
        if !essence.trim().eq_ignore_ascii_case("multipart/form-data") {
            return None;
        }
        let boundary = parameters.split(';').find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"'))
        })?;
        let is_good = (1..=BOUNDARY_MAX).contains(&boundary.len())
            && boundary.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
        is_good.then(|| Self {
            delimiter: format!("\r\n--{boundary}").into_bytes(),
            state: State::Start,
            said: PassedRequest { is_form: true, ..PassedRequest::default() },
            seen: Vec::new(),
            needs_model: true,
            is_watched: false,
            carry: Vec::new(),
        })
    }

    pub(super) fn delimiter(&self) -> &[u8] {
        &self.delimiter
    }

    /// The same, which may go on its way without a model.
    #[must_use]
    pub fn without_model(self) -> Self {
        Self { needs_model: false, ..self }
    }

    /// What the fields that were read say.
    pub fn said(&self) -> &PassedRequest {
        &self.said
    }

    /// Reads on in a form of which `body` is all that came so far, from its begin.
    ///
    /// # Errors
    /// If it is no form, or a field cannot be what it says.
    pub fn scan(&mut self, body: &[u8]) -> Result<Scan, BodyError> {
        while self.step(body)? {
            let is_file = matches!(self.state, State::Body { is_file: true, .. });
            if is_file && (self.said.model.is_some() || !self.needs_model) {
                return Ok(Scan::Ready);
            }
        }
        Ok(if self.state == State::End { Scan::Ready } else { Scan::More })
    }

    /// Reads a form of which `body` is all there is to its end.
    ///
    /// # Errors
    /// As [`Form::scan`], and if it has no end.
    pub fn finish(&mut self, body: &[u8]) -> Result<(), BodyError> {
        while self.step(body)? {}
        if self.has_ended() { Ok(()) } else { Err(broken("has no end")) }
    }

    /// Begins to watch the form behind the `read` bytes it was scanned in.
    ///
    /// # Errors
    /// As [`Form::piece`].
    pub fn watch(&mut self, read: &[u8]) -> Result<(), BodyError> {
        self.is_watched = true;
        while self.step(read)? {}
        let gone = self.gone(read.len());
        self.carry = read.get(gone..).unwrap_or_default().to_vec();
        Ok(())
    }

    /// Reads the next piece of a form that is watched.
    ///
    /// # Errors
    /// If a field stands there again, or it is no form any more.
    pub fn piece(&mut self, piece: &[u8]) -> Result<(), BodyError> {
        if self.state == State::End {
            return Ok(());
        }
        let mut carry = std::mem::take(&mut self.carry);
        carry.extend_from_slice(piece);
        while self.step(&carry)? {}
        let gone = self.gone(carry.len());
        carry.drain(..gone);
        self.carry = carry;
        Ok(())
    }

    /// Whether the whole form was read.
    pub fn has_ended(&self) -> bool {
        self.state == State::End
    }

    /// How much of what was read is not needed any more; a value that matters stays until it is whole.
    fn gone(&mut self, len: usize) -> usize {
        let read = match &mut self.state {
            State::Start => return 0,
            State::Delimited(at) => std::mem::take(at),
            // a head is looked for from the line break before it on
            State::Head(at) => std::mem::replace(at, 2).saturating_sub(2),
            State::Body { field: Some(_), is_file: false, .. } => return 0,
            State::Body { from, next, .. } => {
                let read = *next;
                (*from, *next) = (0, 0);
                read
            }
            State::End => len,
        };
        read.min(len)
    }

    /// One step on; false where more must come first, or nothing can.
    fn step(&mut self, body: &[u8]) -> Result<bool, BodyError> {
        let next = match self.state.clone() {
            State::Start => {
                let opening = self.delimiter.get(2..).unwrap_or_default();
                match body.get(..opening.len()) {
                    None => return Ok(false),
                    Some(begin) if begin == opening => State::Delimited(opening.len()),
                    Some(_) => return Err(broken("does not begin with the boundary its content type names")),
                }
            }
            State::Delimited(at) => match body.get(at..at + 2) {
                None => return Ok(false),
                Some(b"--") => State::End,
                Some(b"\r\n") => State::Head(at + 2),
                Some(_) => return Err(broken("has a boundary that is followed by something else")),
            },
            State::Head(at) => {
                // the line break of the delimiter may be that of an empty head
                let rest = body.get(at - 2..).unwrap_or_default();
                match find(rest, b"\r\n\r\n") {
                    None if rest.len() > HEAD_MAX => return Err(broken("has a part with too long a head")),
                    None => return Ok(false),
                    Some(end) => {
                        let from = at + 2 + end;
                        let head = rest.get(2..end.max(2)).unwrap_or_default();
                        self.part(&String::from_utf8_lossy(head), from)?
                    }
                }
            }
            State::Body { field, is_file, from, next } => {
                let found = find(body.get(next..).unwrap_or_default(), &self.delimiter);
                match found {
                    None => {
                        let last = body.len().saturating_sub(self.delimiter.len() - 1).max(next);
                        if field.is_some() && last > from + VALUE_MAX {
                            return Err(broken("has a field of more text than it can mean"));
                        }
                        self.state = State::Body { field, is_file, from, next: last };
                        return Ok(false);
                    }
                    Some(at) => {
                        let end = next + at;
                        let value = body.get(from..end).unwrap_or_default();
                        match field {
                            Some(Field::Named(field)) => self.field(field, value, from..end)?,
                            Some(Field::Refers(kind)) => self.refer(kind, value)?,
                            None => {}
                        }
                        State::Delimited(end + self.delimiter.len())
                    }
                }
            }
            State::End => return Ok(false),
        };
        self.state = next;
        Ok(true)
    }

    /// The body of a part, by its head.
    fn part(&mut self, head: &str, from: usize) -> Result<State, BodyError> {
        let disposition = head.split("\r\n").find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.trim().eq_ignore_ascii_case("content-disposition").then_some(value)
        });
        let disposition = disposition.ok_or_else(|| broken("has a part without `content-disposition`"))?;
        let name = parameter(disposition, "name").ok_or_else(|| broken("has a part without a name"))?;
        let plain = name.strip_suffix("[]").unwrap_or(name);
        let known = FIELDS.into_iter().find(|field| *field == plain);
        let refers = references::kind_of(name).filter(|_| known.is_none());
        if let Some(kind) = refers.filter(|_| self.is_watched) {
            let kind = kind.replace('_', " ");
            let message = format!("the field `{plain}` names a {kind} and must stand before the file");
            return Err(BodyError::member(plain, message));
        }
        if let Some(field) = known {
            if self.seen.contains(&field) {
                return Err(BodyError::member(
                    field,
                    format!("the field `{field}` stands in the form more than once"),
                ));
            }
            self.seen.push(field);
        }
        let field = known.map(Field::Named).or(refers.map(Field::Refers));
        let is_file = parameter(disposition, "filename").is_some() && field.is_none();
        Ok(State::Body { field, is_file, from, next: from })
    }

    fn refer(&mut self, kind: &'static str, value: &[u8]) -> Result<(), BodyError> {
        let id = std::str::from_utf8(value).map_err(|_| broken("has an id that is no text"))?.to_owned();
        if self.said.references.len() >= REFERENCES_MAX {
            return Err(broken("refers to too many things"));
        }
        self.said.references.push(Reference { kind, id });
        Ok(())
    }

    fn field(&mut self, field: &'static str, value: &[u8], place: Range<usize>) -> Result<(), BodyError> {
        let wrong = |what: &str| BodyError::member(field, format!("`{field}` must be {what}"));
        let text = std::str::from_utf8(value).map_err(|_| wrong("text in UTF-8"))?;
        match field {
            "model" => {
                let is_good = !text.is_empty()
                    && text.chars().count() <= MODEL_CHARS_MAX
                    && !text.chars().any(char::is_control);
                if !is_good {
                    return Err(wrong("the name of a model"));
                }
                self.said.model = Some(Named { name: text.to_owned(), place });
            }
            "stream" => {
                self.said.is_stream = match text {
                    "true" | "True" | "1" => true,
                    "false" | "False" | "0" | "" => false,
                    _ => return Err(wrong("`true` or `false`")),
                }
            }
            "n" => self.said.n = Some(text.parse().map_err(|_| wrong("an integer of at least 0"))?),
            _ => self.said.user = Some(text.to_owned()),
        }
        Ok(())
    }
}

fn broken(what: &str) -> BodyError {
    BodyError::whole(format!("the form {what}; send `multipart/form-data` as RFC 7578 has it"))
}

/// A parameter of a `content-disposition`, which may be quoted.
pub(super) fn parameter<'a>(disposition: &'a str, wanted: &str) -> Option<&'a str> {
    let mut rest = disposition;
    while let Some((_, after)) = rest.split_once(';') {
        let (name, value) = after.split_once('=')?;
        let is_it = name.trim().trim_end_matches('*').eq_ignore_ascii_case(wanted);
        let value = value.trim_start();
        let (value, behind) = match value.strip_prefix('"') {
            Some(quoted) => {
                let end = quote_end(quoted)?;
                (quoted.get(..end)?, quoted.get(end + 1..)?)
            }
            None => {
                let end = value.find(';').unwrap_or(value.len());
                (value.get(..end)?.trim_end(), value.get(end..)?)
            }
        };
        if is_it {
            return Some(value);
        }
        rest = behind;
    }
    None
}

/// Where a quoted text ends, past what is escaped in it.
fn quote_end(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    text.bytes().position(|byte| {
        let is_end = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_end
    })
}

pub(super) fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    let first = *wanted.first()?;
    let mut at = 0;
    while let Some(found) = memchr::memchr(first, bytes.get(at..)?) {
        at += found;
        if bytes.get(at..)?.starts_with(wanted) {
            return Some(at);
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &str = "multipart/form-data; boundary=\"x y\"";

    fn part(disposition: &str, value: &str) -> String {
        format!("--x y\r\nContent-Disposition: form-data; {disposition}\r\n\r\n{value}\r\n")
    }

    fn form(parts: &[(&str, &str)]) -> String {
        let parts: String = parts.iter().map(|(disposition, value)| part(disposition, value)).collect();
        format!("{parts}--x y--\r\n")
    }

    const FILE: (&str, &str) = (r#"name="file"; filename="a \"b\"; name=x.wav""#, "RIFF\r\n--x\r\n\r\n\0");
    const MODEL: (&str, &str) = (r#"name="model""#, "whisper");
    const STREAM: (&str, &str) = ("name=stream", "true");

    #[test]
    fn fields_are_read_whatever_their_order_and_wherever_pieces_are_cut() {
        for parts in [[MODEL, STREAM, FILE], [FILE, STREAM, MODEL], [STREAM, FILE, MODEL]] {
            let body = form(&parts);
            for cut in 0..body.len() {
                let mut scanned = Form::of(TYPE).unwrap();
                let mut scan = scanned.scan(&body.as_bytes()[..cut]).unwrap();
                if scan == Scan::More {
                    scan = scanned.scan(body.as_bytes()).unwrap();
                }
                assert_eq!(scan, Scan::Ready);
                let said = scanned.said();
                let named = said.model.clone().unwrap();
                assert_eq!((named.name.as_str(), &body[named.place]), ("whisper", "whisper"));
                assert!(said.is_stream && said.is_form);
            }
        }
    }

    #[test]
    fn a_form_may_go_on_its_way_when_its_first_file_begins() {
        let body = form(&[MODEL, FILE]);
        let file = body.find("RIFF").unwrap();
        let mut scanned = Form::of(TYPE).unwrap();
        assert_eq!(scanned.scan(&body.as_bytes()[..file - 1]).unwrap(), Scan::More);
        assert_eq!(scanned.scan(&body.as_bytes()[..file]).unwrap(), Scan::Ready);
    }

    #[test]
    fn what_is_passed_on_is_watched_to_its_end_and_nothing_of_it_is_kept() {
        for size in 1..40 {
            for (last, is_good) in [((r#"name="language""#, "en"), true), (MODEL, false)] {
                let body = form(&[MODEL, FILE, last]);
                let begin = body.find("RIFF").unwrap() + 3;
                let mut watched = Form::of(TYPE).unwrap();
                assert_eq!(watched.scan(&body.as_bytes()[..begin]).unwrap(), Scan::Ready);
                watched.watch(&body.as_bytes()[..begin]).unwrap();
                let mut pieces = body.as_bytes()[begin..].chunks(size);
                let came = pieces.try_for_each(|piece| {
                    let came = watched.piece(piece);
                    assert!(watched.carry.len() < 100);
                    came
                });
                assert_eq!((came.is_ok(), watched.has_ended()), (is_good, is_good), "{size}");
            }
        }
    }

    #[test]
    fn what_is_no_form_is_refused() {
        for content_type in [
            "multipart/form-data",
            "multipart/mixed; boundary=a",
            "multipart/form-data; boundary=",
            "application/json; boundary=a",
        ] {
            assert!(Form::of(content_type).is_none(), "{content_type}");
        }
        for body in [
            "{\"model\":\"whisper\"}  ",
            "--x yz\r\n",
            "--x y\r\nContent-Type: a/b\r\n\r\n",
            "--x y\r\nContent-Disposition: form-data\r\n\r\n",
            "--x y\r\n\r\n",
            &form(&[MODEL, MODEL, FILE]),
            &form(&[("name=model", ""), FILE]),
            &form(&[("name=stream", "perhaps"), FILE]),
        ] {
            assert!(Form::of(TYPE).unwrap().scan(body.as_bytes()).is_err(), "{body}");
        }
    }
}
