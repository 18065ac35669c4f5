//! What of a chat request bears on where it may go: what it needs beside text, and how it begins.
//!
//! Read only where a route asks for it; a body that cannot be read needs nothing and begins like no other.

use std::borrow::Cow;

use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;

/// What a request needs beside text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    pub tools: bool,
    pub vision: bool,
    pub audio: bool,
    pub json_schema: bool,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    tools: Option<&'a RawValue>,
    #[serde(borrow)]
    functions: Option<&'a RawValue>,
    #[serde(borrow)]
    response_format: Option<&'a RawValue>,
    #[serde(borrow)]
    modalities: Option<&'a RawValue>,
    #[serde(borrow)]
    messages: Option<&'a RawValue>,
}

/// What the request in this body needs.
pub fn needs(body: &[u8]) -> Needs {
    let Ok(body) = serde_json::from_slice::<Body<'_>>(body) else { return Needs::default() };
    // within a JSON string a quote is escaped, so a quoted word is a name or a whole value
    let says = |value: Option<&RawValue>, words: &[&str]| {
        value.is_some_and(|value| words.iter().any(|word| value.get().contains(word)))
    };
    let has = |value: Option<&RawValue>| value.is_some_and(|value| !matches!(value.get(), "null" | "[]"));
    Needs {
        tools: has(body.tools) || has(body.functions),
        vision: says(body.messages, &["\"image_url\""]),
        audio: says(body.messages, &["\"input_audio\""]) || says(body.modalities, &["\"audio\""]),
        json_schema: says(body.response_format, &["\"json_schema\""]),
    }
}

/// What a request bears beside text, and what it wants to be answered in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Borne {
    pub image: bool,
    pub audio: bool,
    pub video: bool,
    pub file: bool,
    pub wants_audio: bool,
    pub wants_image: bool,
}

/// Without one of these nothing but text is borne or wanted.
const SIGNS: [&str; 5] = ["\"image_url\"", "\"input_audio\"", "\"video_url\"", "\"file\"", "\"modalities\""];

#[derive(Deserialize)]
struct Bearing<'a> {
    #[serde(borrow, default)]
    modalities: Option<Vec<Cow<'a, str>>>,
    #[serde(borrow, default)]
    messages: Vec<Message<'a>>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow, default)]
    r#type: Cow<'a, str>,
}

/// What the request in this body bears and wants beside text.
pub fn borne(body: &[u8]) -> Borne {
    let mut borne = Borne::default();
    if SIGNS.iter().all(|sign| memmem::find(body, sign.as_bytes()).is_none()) {
        return borne;
    }
    let Ok(bearing) = serde_json::from_slice::<Bearing<'_>>(body) else { return borne };
    for content in bearing.messages.iter().filter_map(|message| message.content) {
        // a text is no list, and what it speaks of is not there
        let parts: Vec<Part<'_>> = serde_json::from_str(content.get()).unwrap_or_default();
        for part in &parts {
            match &*part.r#type {
                "image_url" => borne.image = true,
                "input_audio" => borne.audio = true,
                "video_url" => borne.video = true,
                "file" => borne.file = true,
                _ => {}
            }
        }
    }
    for wanted in bearing.modalities.iter().flatten() {
        borne.wants_audio |= wanted == "audio";
        borne.wants_image |= wanted == "image";
    }
    borne
}

#[derive(Deserialize)]
struct Conversation<'a> {
    #[serde(borrow, default)]
    prompt_cache_key: Option<&'a RawValue>,
    #[serde(borrow, default)]
    messages: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Said {
    role: Option<String>,
}

/// The same number for requests that begin alike: by `prompt_cache_key` where there is one, else by the
/// messages up to the first of the user, which stay as they are while a conversation goes on.
pub fn opening(body: &[u8]) -> Option<u64> {
    let conversation: Conversation<'_> = serde_json::from_slice(body).ok()?;
    if let Some(key) = conversation.prompt_cache_key.filter(|key| key.get() != "null") {
        return Some(digest(FNV_BASIS, key.get()));
    }
    let mut sum = FNV_BASIS;
    for message in &conversation.messages {
        sum = digest(sum, message.get());
        let said: Said = serde_json::from_str(message.get()).ok()?;
        if said.role.as_deref() == Some("user") {
            break;
        }
    }
    (!conversation.messages.is_empty()).then_some(sum)
}

const FNV_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01b3;

/// FNV-1a: good enough to spread, and never a secret.
fn digest(sum: u64, text: &str) -> u64 {
    text.bytes().fold(sum, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(FNV_PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_request_needs_is_seen_where_it_stands_and_not_where_it_is_spoken_of() {
        let none = Needs::default();
        for (body, expected) in [
            (r#"{"messages":[{"role":"user","content":"an \"image_url\" and \"json_schema\""}]}"#, none),
            (r#"{"tools":[],"functions":null,"messages":[]}"#, none),
            (r#"{"tools":[{"type":"function"}],"messages":[]}"#, Needs { tools: true, ..none }),
            (r#"{"functions":[{"name":"f"}]}"#, Needs { tools: true, ..none }),
            (r#"{"messages":[{"content":[{"type":"image_url"}]}]}"#, Needs { vision: true, ..none }),
            (r#"{"messages":[{"content":[{"type":"input_audio"}]}]}"#, Needs { audio: true, ..none }),
            (r#"{"modalities":["text","audio"]}"#, Needs { audio: true, ..none }),
            (r#"{"response_format":{"type":"json_schema"}}"#, Needs { json_schema: true, ..none }),
            (r#"{"response_format":{"type":"json_object"}}"#, none),
            ("nonsense", none),
        ] {
            assert_eq!(needs(body.as_bytes()), expected, "{body}");
        }
    }

    #[test]
    fn what_a_request_bears_is_its_parts_and_not_its_words() {
        let none = Borne::default();
        let parts = |parts: &str| format!(r#"{{"messages":[{{"role":"user","content":[{parts}]}}]}}"#);
        for (body, expected) in [
            (r#"{"messages":[{"role":"user","content":"file"}],"user":"image_url"}"#.to_owned(), none),
            (parts(r#"{"type":"text","text":"file"}"#), none),
            (parts(r#"{"type":"image_url","image_url":{"url":"u"}}"#), Borne { image: true, ..none }),
            (parts(r#"{"type":"input_audio"},{"type":"file"}"#), Borne { audio: true, file: true, ..none }),
            (parts(r#"{"type":"video_url"}"#), Borne { video: true, ..none }),
            (r#"{"modalities":["text","audio"]}"#.to_owned(), Borne { wants_audio: true, ..none }),
            (r#"{"modalities":["image"],"messages":null}"#.to_owned(), none),
            (r#"{"modalities":["image"]}"#.to_owned(), Borne { wants_image: true, ..none }),
            (r#"{"modalities":null,"messages":[{"content":null}]}"#.to_owned(), none),
            (r#"nonsense "file""#.to_owned(), none),
        ] {
            assert_eq!(borne(body.as_bytes()), expected, "{body}");
        }
    }

    #[test]
    fn a_conversation_keeps_its_opening_while_it_goes_on() {
        let body = |messages: &[(&str, &str)], key: Option<&str>| {
            let messages: Vec<_> = messages
                .iter()
                .map(|(role, content)| serde_json::json!({ "role": role, "content": content }))
                .collect();
            serde_json::json!({ "messages": messages, "prompt_cache_key": key }).to_string()
        };
        let of = |messages: &[(&str, &str)], key| opening(body(messages, key).as_bytes());
        let first = of(&[("system", "s"), ("user", "one")], None);
        assert!(first.is_some());
        assert_eq!(of(&[("system", "s"), ("user", "one"), ("assistant", "a"), ("user", "two")], None), first);
        assert_ne!(of(&[("system", "s"), ("user", "two")], None), first);
        assert_ne!(of(&[("system", "t"), ("user", "one")], None), first);
        assert_eq!(of(&[("user", "one")], Some("k")), of(&[("user", "two")], Some("k")));
        assert_eq!(of(&[], None), None);
        assert_eq!(opening(b"nonsense"), None);
    }
}
