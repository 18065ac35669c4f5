//! An answer with exactly the members of OpenAI's recorded chat completions of 2025 and 2026.
//!
//! `ID` stands wherever an answer's own id belongs; it is replaced in place, so every id has its length.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::answer::{Answer, Choice};
use super::ask::{Ask, StreamAsk};
use crate::script::Usage;

/// Replaced by the id of the one answer that is sent.
pub(crate) const ID: &str = "@ID-OF-THIS-ANSWER-COMES-HERE";
const FINGERPRINT: &str = "fp_mock5c0ffee";
pub(crate) const NEAR_MAX: i64 = i64::MAX - 7;

/// A whole answer's body.
pub(crate) fn whole(ask: &Ask, answer: &Answer, created_s: u64) -> String {
    let choices: Vec<_> =
        answer.choices.iter().enumerate().map(|(index, choice)| whole_choice(index, choice)).collect();
    let mut body = format!(
        r#"{{"id":"chatcmpl-{ID}","object":"chat.completion","created":{created_s},"model":{},"choices":{}"#,
        answered_model(ask),
        Value::from(choices),
    );
    if ask.script.usage != Usage::Absent {
        let _ = write!(
            body,
            r#","usage":{}"#,
            usage(ask.script.usage, answer.prompt_tokens, answer.completion_tokens)
        );
    }
    let _ = write!(body, r#","service_tier":"default","system_fingerprint":"{FINGERPRINT}"}}"#);
    body
}

/// A vendor answers with a dated name, not with the one it was asked for.
fn answered_model(ask: &Ask) -> Value {
    format!("{}-2026-01-01", ask.base).into()
}

fn whole_choice(index: usize, choice: &Choice) -> Value {
    let message = match &choice.call {
        None => json!({"role": "assistant", "content": choice.text(), "refusal": null, "annotations": []}),
        Some(name) => json!({
            "role": "assistant", "content": null, "refusal": null, "annotations": [],
            "tool_calls": [{
                "id": format!("call_{ID}{index}"), "type": "function",
                "function": {"name": name, "arguments": choice.text()},
            }],
        }),
    };
    json!({"index": index, "message": message, "logprobs": null, "finish_reason": choice.finish})
}

fn usage(style: Usage, prompt: u64, completion: u64) -> String {
    let (prompt, completion, total) = match style {
        Usage::Negative => ("-1".to_owned(), "-1".to_owned(), "-2".to_owned()),
        Usage::Huge => (NEAR_MAX.to_string(), NEAR_MAX.to_string(), (2 * i128::from(NEAR_MAX)).to_string()),
        Usage::True | Usage::Absent | Usage::Cumulative => {
            (prompt.to_string(), completion.to_string(), (prompt + completion).to_string())
        }
    };
    format!(
        concat!(
            r#"{{"prompt_tokens":{},"completion_tokens":{},"total_tokens":{},"#,
            r#""prompt_tokens_details":{{"cached_tokens":0,"audio_tokens":0}},"#,
            r#""completion_tokens_details":{{"reasoning_tokens":0,"audio_tokens":0,"#,
            r#""accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}}}"#
        ),
        prompt, completion, total
    )
}

/// One `data:` event of a stream, without its frame.
#[derive(Debug)]
pub(crate) struct Event {
    /// The `event` field; OpenAI's have none.
    pub(crate) name: Option<String>,
    pub(crate) json: String,
    /// Completion tokens sent when this event has been.
    pub(crate) tokens: u64,
}

/// All events of a stream but `[DONE]`.
pub(crate) fn events(ask: &Ask, asked: StreamAsk, answer: &Answer, created_s: u64) -> Vec<Event> {
    let head = format!(
        concat!(
            r#"{{"id":"chatcmpl-{}","object":"chat.completion.chunk","created":{},"model":{},"#,
            r#""service_tier":"default","system_fingerprint":"{}","#
        ),
        ID,
        created_s,
        answered_model(ask),
        FINGERPRINT,
    );
    let mut stream = Stream {
        head,
        asked,
        style: ask.script.usage,
        prompt: answer.prompt_tokens,
        tokens: 0,
        events: Vec::new(),
    };
    for (index, choice) in answer.choices.iter().enumerate() {
        stream.open(index, choice);
    }
    let longest = answer.choices.iter().map(|choice| choice.pieces.len()).max().unwrap_or(0);
    for at in 0..longest {
        for (index, choice) in answer.choices.iter().enumerate() {
            if let Some(piece) = choice.pieces.get(at) {
                stream.piece(index, choice, piece);
            }
        }
    }
    for (index, choice) in answer.choices.iter().enumerate() {
        stream.delta(index, "{}", &format!(r#""{}""#, choice.finish));
    }
    stream.close();
    stream.events
}

struct Stream {
    head: String,
    asked: StreamAsk,
    style: Usage,
    prompt: u64,
    tokens: u64,
    events: Vec<Event>,
}

impl Stream {
    fn open(&mut self, index: usize, choice: &Choice) {
        let Some(name) = &choice.call else {
            return self.delta(index, r#"{"role":"assistant","content":"","refusal":null}"#, "null");
        };
        self.delta(index, r#"{"role":"assistant","content":null}"#, "null");
        let call = json!({"tool_calls": [{
            "index": 0, "id": format!("call_{ID}{index}"), "type": "function",
            "function": {"name": name, "arguments": ""},
        }]});
        self.delta(index, &call.to_string(), "null");
    }

    fn piece(&mut self, index: usize, choice: &Choice, piece: &str) {
        self.tokens += 1;
        let text = Value::from(piece);
        let delta = match choice.call {
            None => format!(r#"{{"content":{text}}}"#),
            Some(_) => format!(r#"{{"tool_calls":[{{"index":0,"function":{{"arguments":{text}}}}}]}}"#),
        };
        self.delta(index, &delta, "null");
    }

    fn delta(&mut self, index: usize, delta: &str, finish: &str) {
        let choices =
            format!(r#"[{{"index":{index},"delta":{delta},"logprobs":null,"finish_reason":{finish}}}]"#);
        let usage = match self.style {
            Usage::Cumulative => Some(usage(self.style, self.prompt, self.tokens)),
            _ => self.asked.usage.then(|| "null".to_owned()),
        };
        self.push(&choices, usage.as_deref());
    }

    /// The usage event, for a client that asked for it.
    fn close(&mut self) {
        if self.asked.usage && !matches!(self.style, Usage::Absent | Usage::Cumulative) {
            let usage = usage(self.style, self.prompt, self.tokens);
            self.push("[]", Some(&usage));
        }
    }

    fn push(&mut self, choices: &str, usage: Option<&str>) {
        let mut json = format!(r#"{}"choices":{choices}"#, self.head);
        if let Some(usage) = usage {
            let _ = write!(json, r#","usage":{usage}"#);
        }
        if self.asked.obfuscation {
            let _ = write!(json, r#","obfuscation":"{}""#, padding(choices.len()));
        }
        json.push('}');
        self.events.push(Event { name: None, json, tokens: self.tokens });
    }
}

/// Filler that hides the length of a piece, as the vendor sends it.
fn padding(len: usize) -> &'static str {
    const LETTERS: &str = "q7Xb2LmT9vRk4YzH";
    LETTERS.get(len % LETTERS.len()..).unwrap_or(LETTERS)
}
