//! Answers that go through as they are: what is put right in them, and what they say was used.

use std::ops::Range;

use crate::json::{self, Cursor, Kind, Malformed};

/// The text is no JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotJson;

/// The members of an answer, or of an event of one, that matter.
#[derive(Debug, Default)]
pub struct Answer<'a> {
    /// Where the value of `model` stands, where it is a text.
    pub model: Option<Range<usize>>,
    /// The object `usage` as it stands.
    pub usage: Option<&'a str>,
    /// Whether it is an error in the place of an answer.
    pub is_error: bool,
    /// The word `type` of an event.
    pub kind: Option<&'a str>,
    /// How many elements `data` has: pictures.
    pub count: Option<usize>,
    /// Milliseconds of sound, by `duration`, which is in seconds.
    pub audio_ms: Option<u64>,
    /// The texts of `choices`, one after the other.
    pub text: String,
}

impl<'a> Answer<'a> {
    /// Reads an object; what is none has nothing that matters.
    ///
    /// # Errors
    /// If it is no JSON.
    pub fn read(text: &'a str) -> Result<Self, NotJson> {
        let mut answer = Self::default();
        json::read(text, |cursor| {
            cursor.object(|cursor, name| answer.member(text, &name.unescaped(), cursor)).map(drop)
        })
        .map_err(|Malformed| NotJson)?;
        Ok(answer)
    }

    fn member(&mut self, whole: &'a str, name: &str, cursor: &mut Cursor<'a>) -> Result<(), Malformed> {
        match name {
            "data" => self.count = cursor.array(|cursor, _| cursor.value().map(drop))?,
            "choices" => drop(cursor.array(|cursor, _| self.choice(cursor))?),
            "model" | "usage" | "error" | "type" | "duration" => {
                let is_object = cursor.kind() == Kind::Object;
                let raw = cursor.value()?;
                match name {
                    "model" => self.model = raw.starts_with('"').then(|| json::place(whole, raw)),
                    "usage" => self.usage = Some(raw).filter(|_| is_object),
                    "error" => self.is_error = raw != "null",
                    "type" => self.kind = raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"')),
                    _ => self.audio_ms = millis(raw.trim_matches('"')),
                }
            }
            _ => drop(cursor.value()?),
        }
        Ok(())
    }

    fn choice(&mut self, cursor: &mut Cursor<'a>) -> Result<(), Malformed> {
        let object = cursor.object(|cursor, name| {
            if name.plain() != Some("text") {
                return cursor.value().map(drop);
            }
            if let Some(text) = cursor.string()? {
                self.text.push_str(&text.unescaped());
            }
            Ok(())
        });
        object.map(drop)
    }
}

/// Seconds with a fraction as whole milliseconds; none where they are no time.
fn millis(seconds: &str) -> Option<u64> {
    let seconds: f64 = seconds.parse().ok()?;
    let ms = (seconds * 1000.0).round();
    (ms.is_finite() && (0.0..1e12).contains(&ms)).then_some(ms as u64)
}

/// What `usage` says of pictures and sound: `input_tokens` and `output_tokens`, or a `duration`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    pub input: Option<u64>,
    pub output: Option<u64>,
    pub total: Option<u64>,
    pub image_in: u64,
    pub audio_in: u64,
    pub image_out: u64,
    pub audio_ms: Option<u64>,
}

impl Spent {
    /// Reads a `usage` object; a count that cannot be is none.
    pub fn read(raw: &str) -> Self {
        let mut spent = Self::default();
        let _ = json::read(raw, |cursor| {
            cursor.object(|cursor, name| spent.member(&name.unescaped(), cursor)).map(drop)
        });
        spent
    }

    fn member(&mut self, name: &str, cursor: &mut Cursor<'_>) -> Result<(), Malformed> {
        match name {
            "input_tokens_details" | "input_token_details" => {
                let read = cursor.object(|cursor, name| {
                    let count = cursor.value()?.parse().unwrap_or(0);
                    match &*name.unescaped() {
                        "image_tokens" => self.image_in = count,
                        "audio_tokens" => self.audio_in = count,
                        _ => {}
                    }
                    Ok(())
                });
                return read.map(drop);
            }
            "output_tokens_details" | "output_token_details" => {
                let read = cursor.object(|cursor, name| {
                    let count = cursor.value()?.parse().unwrap_or(0);
                    if &*name.unescaped() == "image_tokens" {
                        self.image_out = count;
                    }
                    Ok(())
                });
                return read.map(drop);
            }
            _ => {}
        }
        let raw = cursor.value()?;
        match name {
            "input_tokens" => self.input = raw.parse().ok(),
            "output_tokens" => self.output = raw.parse().ok(),
            "total_tokens" => self.total = raw.parse().ok(),
            "seconds" => self.audio_ms = millis(raw),
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_tells_what_matters() {
        let text = r#"{"model":"m","data":[{"url":"a"},{}],"usage":{"x":1},"choices":[{"text":"a\n"},{"text":"b"}]}"#;
        let answer = Answer::read(text).unwrap();
        assert_eq!(answer.model.map(|model| &text[model]), Some("\"m\""));
        assert_eq!((answer.count, answer.usage, answer.text.as_str()), (Some(2), Some(r#"{"x":1}"#), "a\nb"));
        let spoken = Answer::read(r#"{"task":"transcribe","duration":8.47,"type":"a.done"}"#).unwrap();
        assert_eq!((spoken.audio_ms, spoken.kind), (Some(8470), Some("a.done")));
        assert!(Answer::read(r#"{"error":{"message":"no"}}"#).unwrap().is_error);
        assert!(!Answer::read(r#"{"error":null}"#).unwrap().is_error && Answer::read("{").is_err());
    }

    #[test]
    fn usage_of_pictures_and_sound_is_read_in_both_forms() {
        let tokens = r#"{"total_tokens":150,"input_tokens":50,"output_tokens":100,"input_tokens_details":{"text_tokens":10,"image_tokens":40}}"#;
        let expected =
            Spent { input: Some(50), output: Some(100), total: Some(150), image_in: 40, ..Spent::default() };
        assert_eq!(Spent::read(tokens), expected);
        assert_eq!(Spent::read(r#"{"type":"duration","seconds":9}"#).audio_ms, Some(9000));
        assert_eq!(Spent::read(r#"{"seconds":-1,"input_tokens":"many"}"#), Spent::default());
    }
}
