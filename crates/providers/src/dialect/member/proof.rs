//! Holds a dialect's table to what its encoder does, and to every member there is.

use bytes::Bytes;
use nexus_core::{
    call::{Call, Operation},
    capabilities::Capabilities,
    id::{RequestId, Uuid},
    site::Site,
};
use nexus_wire::chat::{ChatRequest, KNOWN};

use super::*;
use crate::dialect::{Ask, Dialect};

/// A dialect with the model and the place that its table is proved with.
pub(in crate::dialect) struct Proof<'a> {
    pub(in crate::dialect) dialect: &'a dyn Dialect,
    pub(in crate::dialect) rows: &'a [Row],
    /// The members that are extensions beyond OpenAI's API, in the table's order.
    pub(in crate::dialect) extensions: &'a [&'a str],
    pub(in crate::dialect) real_model: &'a str,
    pub(in crate::dialect) site: Site<'a>,
    /// A value of this member that means something, with what else must be said beside it; `None` for
    /// [`example`].
    pub(in crate::dialect) example: fn(&str) -> Option<String>,
}

const FUNCTION: &str = r#"{"type":"function","function":{"name":"f"}}"#;

/// What means something to most dialects.
pub(crate) fn example(member: &str) -> String {
    let tools = format!(r#""tools":[{FUNCTION}]"#);
    match member {
        "tools" => tools,
        "tool_choice" => format!(r#"{tools},"tool_choice":"required""#),
        "parallel_tool_calls" => format!(r#"{tools},"parallel_tool_calls":false"#),
        "stream" => r#""stream":true"#.to_owned(),
        "stream_options" => r#""stream_options":{"include_usage":true}"#.to_owned(),
        "max_tokens" | "max_completion_tokens" | "seed" | "n" | "top_logprobs" | "top_k" => {
            format!("\"{member}\":7")
        }
        "temperature" | "top_p" | "frequency_penalty" | "presence_penalty" => format!("\"{member}\":0.5"),
        "response_format" => r#""response_format":{"type":"json_object"}"#.to_owned(),
        "store" | "logprobs" => format!("\"{member}\":true"),
        "modalities" => r#""modalities":["text","audio"]"#.to_owned(),
        "functions" => format!("\"functions\":[{FUNCTION}]"),
        "metadata"
        | "logit_bias"
        | "prediction"
        | "audio"
        | "web_search_options"
        | "moderation"
        | "prompt_cache_options" => format!("\"{member}\":{{\"a\":1}}"),
        "reasoning_effort" => r#""reasoning_effort":"low""#.to_owned(),
        _ => format!("\"{member}\":\"auto\""),
    }
}

impl Proof<'_> {
    pub(in crate::dialect) fn check(&self) {
        self.every_known_member_has_one_row();
        self.the_encoder_does_what_the_rows_say();
    }

    fn every_known_member_has_one_row(&self) {
        for member in KNOWN {
            assert_eq!(self.rows.iter().filter(|row| row.member == *member).count(), 1, "{member}");
        }
        let unknown = self.rows.iter().map(|row| row.member).filter(|member| !KNOWN.contains(member));
        assert_eq!(unknown.collect::<Vec<_>>(), self.extensions);
        assert!(self.rows.iter().all(|row| !row.note.is_empty()));
    }

    fn the_encoder_does_what_the_rows_say(&self) {
        let tools = self.encoded(&example("tools")).unwrap();
        let plain = self.encoded("").unwrap();
        for row in self.rows {
            if ["model", "messages"].contains(&row.member) {
                continue;
            }
            let needs_tools = ["tool_choice", "parallel_tool_calls"].contains(&row.member);
            let without = if needs_tools { &tools } else { &plain };
            let with = self.encoded(&(self.example)(row.member).unwrap_or_else(|| example(row.member)));
            match row.decision {
                Decision::Passed | Decision::Mapped => {
                    assert_ne!(with.as_ref(), Ok(without), "{}", row.member)
                }
                Decision::Dropped => assert_eq!(with.as_ref(), Ok(without), "{}", row.member),
                Decision::Refused { unless } => {
                    let refusal = with.expect_err(row.member);
                    assert_eq!(refusal.param, row.member);
                    assert!(refusal.message.contains(row.note), "{}", refusal.message);
                    for value in unless.iter().chain(&["null"]) {
                        let harmless = self.encoded(&format!("\"{}\": {value}", row.member));
                        assert_eq!(harmless.as_ref(), Ok(&plain), "{} {value}", row.member);
                    }
                }
            }
        }
        assert_eq!(self.encoded(r#""a_member_nobody_knows":{"x":1}"#), Ok(plain));
    }

    /// What a request with these further members becomes: its path and its body.
    fn encoded(&self, members: &str) -> Result<String, Unsayable> {
        let comma = if members.is_empty() { "" } else { "," };
        let messages = r#""messages":[{"role":"user","content":"hi"}]"#;
        let body = Bytes::from(format!(r#"{{"model":"m",{messages}{comma}{members}}}"#));
        let request = ChatRequest::read(&body).unwrap();
        let call = Call {
            operation: Operation::ChatCompletions,
            alias: request.model.clone(),
            is_stream: request.is_stream,
            wants_usage: request.wants_usage,
            request: RequestId(Uuid::nil()),
            asked_at_s: 0,
        };
        let (real_model, site) = (self.real_model, self.site);
        let ask = Ask {
            call: &call,
            body: &body,
            request: &request,
            real_model,
            capabilities: Capabilities::UNSAID,
            site,
        };
        self.dialect
            .encode(ask)
            .map(|encoded| format!("{} {}", encoded.path, String::from_utf8_lossy(&encoded.body)))
    }
}
