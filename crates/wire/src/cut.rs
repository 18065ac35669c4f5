//! How a stream of chunks is ended before the provider has ended it: every choice finishes with `length`, and a member
//! of ours says why. A client that knows nothing of it reads a whole answer.

use serde::Deserialize;
use serde_json::{json, value::RawValue};

/// What all chunks of a stream say of themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// As they stand in the chunk.
    id: String,
    created: String,
}

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow)]
    id: &'a RawValue,
    #[serde(borrow)]
    created: &'a RawValue,
}

impl Head {
    /// Of the first chunk among events as they are written to a client.
    pub fn find(events: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(events).ok()?;
        text.lines().filter_map(|line| line.strip_prefix("data: ")).find_map(|data| {
            let chunk: Chunk<'_> = serde_json::from_str(data).ok()?;
            Some(Self { id: chunk.id.get().to_owned(), created: chunk.created.get().to_owned() })
        })
    }

    /// Of an answer that is told in other words than a chunk's.
    pub fn made(asked_at_s: u64) -> Self {
        Self { id: "\"\"".to_owned(), created: asked_at_s.to_string() }
    }

    /// The chunk with which so many choices finish; `quota` is what has no more room for them.
    pub fn finish(&self, model: &str, choices: u64, quota: &str) -> Vec<u8> {
        let finishes: Vec<_> = (0..choices)
            .map(|index| format!(r#"{{"index":{index},"delta":{{}},"finish_reason":"length"}}"#))
            .collect();
        let cut = json!({ "cut": "insufficient_quota", "quota": quota });
        format!("{},\"choices\":[{}],\"nexus\":{cut}}}", self.open(model), finishes.join(",")).into_bytes()
    }

    /// The chunk that tells the usage, for a client that asked for it.
    pub fn usage(&self, model: &str, prompt_tokens: u64, completion_tokens: u64) -> Vec<u8> {
        let (open, total) = (self.open(model), prompt_tokens.saturating_add(completion_tokens));
        format!(
            r#"{open},"choices":[],"usage":{{"prompt_tokens":{prompt_tokens},"completion_tokens":{completion_tokens},"total_tokens":{total}}}}}"#
        )
        .into_bytes()
    }

    fn open(&self, model: &str) -> String {
        let Self { id, created } = self;
        let model = crate::json::quoted(model);
        format!("{{\"id\":{id},\"object\":\"chat.completion.chunk\",\"created\":{created},\"model\":{model}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    const EVENTS: &[u8] = b": ping\n\ndata: {\"id\":\"c\\\"1\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"m\",\"choices\":[]}\n\ndata: [DONE]\n\n";

    #[test]
    fn the_last_chunk_belongs_to_the_stream_and_finishes_every_choice() {
        let head = Head::find(EVENTS).unwrap();
        let chunk: Value = serde_json::from_slice(&head.finish("a \"b\"", 2, "the day")).unwrap();
        assert_eq!(
            (&chunk["id"], &chunk["created"], &chunk["model"]),
            (&json!("c\"1"), &json!(7), &json!("a \"b\""))
        );
        let reasons: Vec<_> =
            chunk["choices"].as_array().unwrap().iter().map(|one| &one["finish_reason"]).collect();
        assert_eq!(reasons, ["length", "length"]);
        assert_eq!(chunk["nexus"], json!({ "cut": "insufficient_quota", "quota": "the day" }));
        let usage: Value = serde_json::from_slice(&head.usage("m", 3, 4)).unwrap();
        assert_eq!((&usage["choices"], &usage["usage"]["total_tokens"]), (&json!([]), &json!(7)));
    }

    #[test]
    fn events_without_a_chunk_have_no_head() {
        for events in [&b""[..], b": ping\n\n", b"data: [DONE]\n\n", b"data: {\"id\":1}\n\n", b"\xff"] {
            assert_eq!(Head::find(events), None);
        }
    }
}
