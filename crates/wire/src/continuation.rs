//! Going on with a streamed chat answer that broke off: what was said of it, how another provider is asked to go on,
//! and how what that one says becomes the rest of the same stream.
//!
//! Only plain text is gone on with: an answer of one choice that called no tool, refused nothing and did not end.

use std::{borrow::Cow, collections::BTreeMap, ops::Range};

use bytes::{Bytes, BytesMut};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use crate::{
    place,
    splice::{Edit, splice},
    sse::{decode::FrameDecoder, encode},
};

/// More than this is not gone on with, in bytes.
const SAID_MAX_BYTES: usize = 256 * 1024;

/// Members of a request that stand for an answer which is not plain text, unless they are absent or these.
const NOT_PLAIN: [(&str, &[&str]); 6] = [
    ("tools", &["null", "[]"]),
    ("functions", &["null", "[]"]),
    ("modalities", &["null", r#"["text"]"#]),
    ("audio", &["null"]),
    ("n", &["null", "1"]),
    ("response_format", &["null", r#"{"type":"text"}"#]),
];

/// Whether an answer to this body can be gone on with, should it break off.
pub fn is_plain(body: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(body) else { return false };
    let stripped = |value: &str| value.chars().filter(|letter| !letter.is_whitespace()).collect::<String>();
    place::members(text).iter().all(|member| {
        let plain = NOT_PLAIN.iter().find(|(name, _)| *name == member.name);
        plain.is_none_or(|(_, values)| values.contains(&stripped(member.value).as_str()))
    })
}

/// The same body with what was said as the assistant's last message, and so many tokens less to say. `None` where
/// there is nothing left to say, or no place to put it.
pub fn go_on(body: &[u8], said: &str, said_tokens: u64) -> Option<Bytes> {
    let text = std::str::from_utf8(body).ok()?;
    let mut edits: Vec<(Range<usize>, String)> = Vec::new();
    for member in place::members(text) {
        let place = member.value_place(text);
        match &*member.name {
            "messages" if !said.is_empty() => {
                let comma = if place::elements(member.value).is_empty() { "" } else { "," };
                let message = json!({ "role": "assistant", "content": said });
                let end = place.end.checked_sub(1)?;
                edits.push((end..end, format!("{comma}{message}")));
            }
            "max_tokens" | "max_completion_tokens" if member.value != "null" => {
                let left =
                    member.value.parse::<u64>().ok()?.checked_sub(said_tokens).filter(|left| *left > 0)?;
                edits.push((place, left.to_string()));
            }
            _ => {}
        }
    }
    edits.sort_by_key(|(place, _)| place.start);
    let edits: Vec<_> = edits.iter().map(|(place, text)| Edit { place: place.clone(), text }).collect();
    Some(splice(body, &edits))
}

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    choices: Vec<Choice<'a>>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(default)]
    index: u64,
    #[serde(borrow, default)]
    delta: Option<BTreeMap<Cow<'a, str>, &'a RawValue>>,
    #[serde(borrow)]
    finish_reason: Option<&'a RawValue>,
}

/// An answer's chunks on their way to the client, whoever says them.
#[derive(Debug)]
pub struct Voice {
    frames: FrameDecoder,
    id: Option<String>,
    said: String,
    is_plain: bool,
    has_finished: bool,
    /// Somebody else speaks now.
    is_other: bool,
    is_marked: bool,
    /// White space at the end of what was said was not told; what comes now may begin with it again.
    skips_space: bool,
}

impl Default for Voice {
    fn default() -> Self {
        Self {
            frames: FrameDecoder::default(),
            id: None,
            said: String::new(),
            is_plain: true,
            has_finished: false,
            is_other: false,
            is_marked: false,
            skips_space: false,
        }
    }
}

impl Voice {
    /// What was said, where that can be gone on with; white space at its end is left out, as some vendors want it.
    pub fn broken_off(&self) -> Option<&str> {
        let may = self.is_plain && !self.has_finished && self.said.len() <= SAID_MAX_BYTES;
        may.then(|| self.said.trim_end())
    }

    /// From here on somebody else speaks.
    pub fn pass_on(&mut self) {
        self.skips_space = self.said.trim_end().len() < self.said.len();
        (self.is_other, self.is_marked, self.frames) = (true, false, FrameDecoder::default());
    }

    /// Hears the frames that stand in `out` from `at` on; those of somebody else become the rest of the same stream.
    pub fn hear(&mut self, out: &mut BytesMut, at: usize) {
        if !self.is_other {
            self.frames.push(out.get(at..).unwrap_or_default());
            while let Ok(Some(frame)) = self.frames.next_frame() {
                let data = frame.data.to_vec();
                self.note(&data);
            }
            return;
        }
        let theirs = out.split_off(at.min(out.len()));
        self.frames.push(&theirs);
        while let Ok(Some(frame)) = self.frames.next_frame() {
            let data = frame.data.to_vec();
            self.retell(&data, out);
        }
    }

    /// Keeps what a chunk says.
    fn note(&mut self, data: &[u8]) {
        let Ok(chunk) = serde_json::from_slice::<Chunk<'_>>(data) else { return };
        if self.id.is_none() {
            self.id = chunk.id.map(Cow::into_owned);
        }
        for choice in chunk.choices {
            self.is_plain &= choice.index == 0;
            self.has_finished |= choice.finish_reason.is_some_and(|reason| reason.get() != "null");
            for (name, value) in choice.delta.unwrap_or_default() {
                match &*name {
                    _ if value.get() == "null" => {}
                    "role" => {}
                    "content" => match serde_json::from_str::<String>(value.get()) {
                        Ok(text) => self.said.push_str(&text),
                        Err(_) => self.is_plain = false,
                    },
                    _ => self.is_plain = false,
                }
            }
        }
    }

    /// A chunk of somebody else: under the first one's id, without a second beginning, and the first is marked.
    fn retell(&mut self, data: &[u8], out: &mut BytesMut) {
        let Ok(mut chunk) = serde_json::from_slice::<Value>(data) else {
            encode::data(data, out);
            return;
        };
        if let Some(members) = chunk.as_object_mut() {
            if let Some(id) = &self.id {
                members.insert("id".to_owned(), json!(id));
            }
            if !self.is_marked {
                members.insert("x_nexus".to_owned(), json!({ "continued": true }));
            }
        }
        let mut says_something = true;
        if let Some(choice) = chunk.pointer_mut("/choices/0") {
            let is_end = choice.get("finish_reason").is_some_and(|reason| !reason.is_null());
            if let Some(delta) = choice.get_mut("delta").and_then(Value::as_object_mut) {
                delta.remove("role");
                if self.skips_space
                    && let Some(content) = delta.get_mut("content")
                    && let Some(text) = content.as_str()
                {
                    let rest = text.trim_start().to_owned();
                    self.skips_space = rest.is_empty();
                    *content = json!(rest);
                }
                says_something = is_end || delta.values().any(|value| !value.is_null() && value != "");
            }
        }
        let told = chunk.to_string();
        self.note(told.as_bytes());
        if says_something {
            self.is_marked = true;
            encode::data(told.as_bytes(), out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(id: &str, delta: &str, finish: &str) -> String {
        format!(
            "data: {{\"id\":\"{id}\",\"model\":\"m\",\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]}}\n\n"
        )
    }

    fn heard(voice: &mut Voice, frames: &[String]) -> String {
        let mut out = BytesMut::from(&b": before\n\n"[..]);
        for frame in frames {
            let at = out.len();
            out.extend_from_slice(frame.as_bytes());
            voice.hear(&mut out, at);
        }
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn what_was_said_is_known_unless_it_is_more_than_text_or_has_ended() {
        let plain = chunk("a", r#"{"role":"assistant","content":"Hi, "}"#, "null");
        for (then, expected) in [
            (chunk("a", r#"{"content":"you "}"#, "null"), Some("Hi, you")),
            (chunk("a", r#"{"content":null,"refusal":null}"#, "null"), Some("Hi,")),
            (chunk("a", r#"{"tool_calls":[{"index":0}]}"#, "null"), None),
            (chunk("a", r#"{"refusal":"no"}"#, "null"), None),
            (chunk("a", r#"{"reasoning_content":"hm"}"#, "null"), None),
            (chunk("a", "{}", r#""stop""#), None),
            (chunk("a", "{}", "null").replace("\"index\":0", "\"index\":1"), None),
        ] {
            let mut voice = Voice::default();
            assert_eq!(voice.broken_off(), Some(""));
            let told = heard(&mut voice, &[plain.clone(), then.clone()]);
            assert_eq!(told, format!(": before\n\n{plain}{then}"), "it is handed on as it is");
            assert_eq!(voice.broken_off(), expected, "{then}");
        }
    }

    #[test]
    fn what_somebody_else_says_is_the_rest_of_the_same_stream_and_its_first_chunk_says_so() {
        let mut voice = Voice::default();
        heard(&mut voice, &[chunk("a", r#"{"role":"assistant","content":"Hi "}"#, "null")]);
        voice.pass_on();
        let told = heard(
            &mut voice,
            &[
                chunk("b", r#"{"role":"assistant","content":""}"#, "null"),
                chunk("b", r#"{"role":"assistant","content":" you"}"#, "null"),
                chunk("b", r#"{"content":" there"}"#, "null"),
                chunk("b", "{}", r#""stop""#),
                "data: [DONE]\n\n".to_owned(),
            ],
        );
        let events: Vec<_> = told.split("\n\n").filter_map(|frame| frame.strip_prefix("data: ")).collect();
        let chunks: Vec<Value> =
            events.iter().take(3).map(|event| serde_json::from_str(event).unwrap()).collect();
        let of = |chunk: &Value| {
            (chunk["id"].clone(), chunk["choices"][0]["delta"].clone(), chunk["x_nexus"]["continued"].clone())
        };
        assert_eq!(of(&chunks[0]), (json!("a"), json!({ "content": "you" }), json!(true)));
        assert_eq!(of(&chunks[1]), (json!("a"), json!({ "content": " there" }), Value::Null));
        assert_eq!(
            (of(&chunks[2]).1, &chunks[2]["choices"][0]["finish_reason"]),
            (json!({}), &json!("stop"))
        );
        assert_eq!((events.len(), events.last()), (4, Some(&"[DONE]")));
        assert_eq!(voice.broken_off(), None, "it has ended");
    }

    #[test]
    fn the_next_one_is_told_what_was_said_and_how_much_may_still_be_said() {
        for (body, said, tokens, expected) in [
            (
                r#"{"messages":[{"role":"user"}],"model":"m"}"#,
                "a \"b\"",
                3,
                Some(
                    r#"{"messages":[{"role":"user"},{"content":"a \"b\"","role":"assistant"}],"model":"m"}"#,
                ),
            ),
            (r#"{"messages":[{}]}"#, "", 0, Some(r#"{"messages":[{}]}"#)),
            (r#"{"messages":[]}"#, "a", 1, Some(r#"{"messages":[{"content":"a","role":"assistant"}]}"#)),
            (
                r#"{"max_tokens":10,"messages":[{}],"max_completion_tokens":null}"#,
                "a",
                4,
                Some(
                    r#"{"max_tokens":6,"messages":[{},{"content":"a","role":"assistant"}],"max_completion_tokens":null}"#,
                ),
            ),
            (r#"{"max_tokens":4,"messages":[{}]}"#, "a", 4, None),
        ] {
            let told = go_on(body.as_bytes(), said, tokens);
            assert_eq!(told.as_deref().map(|told| std::str::from_utf8(told).unwrap()), expected, "{body}");
        }
    }

    #[test]
    fn only_what_asks_for_plain_text_is_plain() {
        for (members, expected) in [
            ("", true),
            (r#","tools":[],"n":1,"response_format":{ "type": "text" },"modalities":["text"]"#, true),
            (r#","tools":[{"type":"function"}]"#, false),
            (r#","functions":[{}]"#, false),
            (r#","n":2"#, false),
            (r#","response_format":{"type":"json_object"}"#, false),
            (r#","modalities":["text","audio"]"#, false),
        ] {
            assert_eq!(is_plain(format!(r#"{{"messages":[]{members}}}"#).as_bytes()), expected, "{members}");
        }
    }
}
