//! The table is complete, and the encoder does what it says.

use bytes::Bytes;
use nexus_core::{
    call::{Call, Operation},
    site::Site,
};
use nexus_wire::chat::{ChatRequest, KNOWN};

use super::{super::Anthropic, *};
use crate::dialect::{Ask, Dialect};

/// What a request with these further members becomes for a model of the middle generation.
fn encoded(members: &str) -> Result<String, Unsayable> {
    let members = [r#""messages":[{"role":"user","content":"hi"}]"#, members];
    let members: Vec<&str> = members.into_iter().filter(|member| !member.is_empty()).collect();
    let model = if members.concat().contains("\"model\"") { "" } else { r#""model":"m","# };
    let body = Bytes::from(format!("{{{model}{}}}", members.join(",")));
    let request = ChatRequest::read(&body).unwrap();
    let call = Call {
        operation: Operation::ChatCompletions,
        alias: request.model.clone(),
        is_stream: request.is_stream,
        wants_usage: request.wants_usage,
        asked_at_s: 0,
    };
    let ask = Ask {
        call: &call,
        body: &body,
        request: &request,
        real_model: "claude-sonnet-4-5",
        site: Site::PLAIN,
    };
    Anthropic.encode(ask).map(|encoded| String::from_utf8(encoded.body.to_vec()).unwrap())
}

const FUNCTION: &str = r#"{"type":"function","function":{"name":"f"}}"#;

/// A value of this member that means something, with what else must be said beside it.
fn example(member: &str) -> String {
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
        "thinking" => r#""thinking":{"type":"enabled","budget_tokens":2000}"#.to_owned(),
        "reasoning_effort" => r#""reasoning_effort":"low""#.to_owned(),
        _ => format!("\"{member}\":\"auto\""),
    }
}

#[test]
fn every_known_member_has_one_row_and_no_row_is_of_a_member_nobody_knows() {
    for member in KNOWN {
        assert_eq!(MEMBERS.iter().filter(|row| row.member == *member).count(), 1, "{member}");
    }
    let unknown: Vec<&str> =
        MEMBERS.iter().map(|row| row.member).filter(|member| !KNOWN.contains(member)).collect();
    assert_eq!(unknown, ["top_k", "thinking"]);
    assert!(MEMBERS.iter().all(|row| !row.note.is_empty()));
}

#[test]
fn what_a_row_says_is_what_the_encoder_does() {
    let tools = encoded(&format!(r#""tools":[{FUNCTION}]"#)).unwrap();
    let plain = encoded("").unwrap();
    for row in MEMBERS {
        let needs_tools = ["tool_choice", "parallel_tool_calls"].contains(&row.member);
        let without = if needs_tools { &tools } else { &plain };
        if ["model", "messages"].contains(&row.member) {
            continue;
        }
        let with = encoded(&example(row.member));
        match row.decision {
            Decision::Mapped => assert_ne!(with.as_ref(), Ok(without), "{}", row.member),
            Decision::Dropped => assert_eq!(with.as_ref(), Ok(without), "{}", row.member),
            Decision::Refused { unless } => {
                let refusal = with.expect_err(row.member);
                assert_eq!(refusal.param, row.member);
                assert!(refusal.message.contains(row.note), "{}", refusal.message);
                for value in unless.iter().chain(&["null"]) {
                    let harmless = encoded(&format!("\"{}\": {value}", row.member));
                    assert_eq!(harmless.as_ref(), Ok(without), "{} {value}", row.member);
                }
            }
        }
    }
    assert_eq!(encoded(r#""a_member_nobody_knows":{"x":1}"#), Ok(plain));
}
