//! What a full reading finds in a body, and what it calls wrong by which path.

use super::{
    message::{Content, Role},
    *,
};

fn body(members: &str) -> String {
    format!(r#"{{"model":"m",{members}}}"#)
}

/// Everything a dialect may ask for, as text.
fn read(body: &str) -> Result<String, BodyError> {
    let said = Conversation::read(body.as_bytes())?;
    Ok(format!(
        "{:?} {:?} {:?} {:?} {:?} {:?}",
        said.messages()?,
        said.tools()?,
        said.tool_choice()?,
        said.response_format()?,
        said.stops()?,
        said.integer("seed")?
    ))
}

#[test]
fn messages_are_read_with_their_parts_calls_and_marks() {
    let body = body(
        r#""messages":[
        {"role":"developer","content":"be \"brief\"","cache_control":{"type":"ephemeral"}},
        {"role":"user","content":[{"type":"text","text":"hi","cache_control":{"ttl":"1h"}},{"type":"image_url","image_url":{"url":"u"}},
            {"type":"image_url","image_url":"v"},{"type":"file","file":{"file_data":"d","filename":"f"}},{"type":"input_audio","input_audio":{"data":"AA","format":"wav"}},{"type":"video"}]},
        {"role":"assistant","content":null,"refusal":"no","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{"},"extra_content":{"v":{"s":"t"}}}],
            "thinking_blocks":[{"type":"thinking"}],"extra_content":{"v":1}},
        {"role":"tool","tool_call_id":"1","content":""}]"#,
    );
    let said = Conversation::read(body.as_bytes()).unwrap();
    let messages = said.messages().unwrap();
    let roles: Vec<Role> = messages.iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::System, Role::User, Role::Assistant, Role::Tool]);
    assert_eq!(messages[0].cache_control.unwrap().get(), r#"{"type":"ephemeral"}"#);
    assert!(matches!(&messages[0].parts[0].content, Content::Text(text) if text == "be \"brief\""));
    let parts = &messages[1].parts;
    assert_eq!(parts[0].cache_control.unwrap().get(), r#"{"ttl":"1h"}"#);
    assert!(matches!(&parts[1].content, Content::Image(url) if url == "u"));
    assert!(matches!(&parts[2].content, Content::Image(url) if url == "v"));
    assert!(matches!(&parts[3].content, Content::File(file) if file.name.as_deref() == Some("f")));
    assert!(
        matches!(&parts[4].content, Content::Audio(audio) if audio.data == "AA" && audio.format == "wav")
    );
    assert!(matches!(&parts[5].content, Content::Other(kind) if kind == "video"));
    assert!(matches!(&messages[2].parts[0].content, Content::Text(text) if text == "no"));
    assert_eq!((&*messages[2].calls[0].arguments, messages[2].thinking_blocks.len()), ("{", 1));
    let extra = messages[2].calls[0].extra_content.as_ref().unwrap().raw("v").unwrap();
    assert_eq!(extra.get(), r#"{"s":"t"}"#);
    assert_eq!(messages[2].extra_content.as_ref().unwrap().raw("v").unwrap().get(), "1");
    assert_eq!((&*messages[3].call_id, messages[3].parts.len()), ("1", 1));
}

#[test]
fn tools_choices_formats_and_stops_are_read() {
    let body = body(
        r#""messages":[],"tools":[{"type":"function","function":{"name":"f","parameters":{"z":1.50,"a":{}},"strict":true}}],
        "tool_choice":{"type":"function","function":{"name":"f"}},"stop":["a","b"],
        "response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"b":1,"a":2}}}"#,
    );
    let said = Conversation::read(body.as_bytes()).unwrap();
    let tools = said.tools().unwrap();
    assert_eq!(tools[0].parameters.unwrap().get(), r#"{"z":1.50,"a":{}}"#);
    assert!(tools[0].is_strict);
    assert_eq!(said.tool_choice().unwrap(), ToolChoice::Named("f".into()));
    assert_eq!(said.stops().unwrap(), ["a", "b"]);
    assert!(matches!(
        said.response_format().unwrap(),
        ResponseFormat::JsonSchema { schema, .. } if schema.get() == r#"{"b":1,"a":2}"#
    ));
    for (choice, expected) in [
        (r#""auto""#, ToolChoice::Auto),
        (r#""none""#, ToolChoice::None),
        (r#""required""#, ToolChoice::Required),
        ("null", ToolChoice::Unsaid),
    ] {
        let body = format!(r#"{{"tool_choice":{choice},"stop":"x"}}"#);
        let said = Conversation::read(body.as_bytes()).unwrap();
        assert_eq!((said.tool_choice().unwrap(), said.stops().unwrap()), (expected, vec!["x".into()]));
    }
}

#[test]
fn what_is_wrong_is_named_by_its_path() {
    let message =
        |members: &str| body(&format!(r#""messages":[{{"role":"user","content":""}},{{{members}}}]"#));
    let cases = [
        ("[]".to_owned(), None, "the request body must be a JSON object"),
        (body(r#""messages":{}"#), Some("messages"), "`messages` must be an array"),
        (body(r#""messages":[1]"#), Some("messages[0]"), "`messages[0]` must be an object"),
        (message(""), Some("messages[1].role"), "must be a string"),
        (message(r#""role":"function""#), Some("messages[1].role"), "must be `system`"),
        (message(r#""role":"user","content":5"#), Some("messages[1].content"), "a string or an array"),
        (message(r#""role":"user","content":[{}]"#), Some("messages[1].content[0].type"), "a string"),
        (
            message(r#""role":"user","content":[{"type":"image_url","image_url":{}}]"#),
            Some("messages[1].content[0].image_url.url"),
            "a string",
        ),
        (
            message(r#""role":"user","content":[{"type":"input_audio","input_audio":{"data":"A"}}]"#),
            Some("messages[1].content[0].input_audio.format"),
            "a string",
        ),
        (message(r#""role":"tool","content":"""#), Some("messages[1].tool_call_id"), "a string"),
        (
            message(r#""role":"assistant","tool_calls":[{"id":"1","type":"custom"}]"#),
            Some("messages[1].tool_calls[0].type"),
            "`function`",
        ),
        (
            message(r#""role":"assistant","tool_calls":[{"id":"1"}]"#),
            Some("messages[1].tool_calls[0].function.name"),
            "a string",
        ),
        (
            message(r#""role":"assistant","function_call":{}"#),
            Some("messages[1].function_call"),
            "tool_calls",
        ),
        (body(r#""tools":[{"type":"custom"}]"#), Some("tools[0].type"), "`function` for this model"),
        (
            body(r#""tools":[{"type":"function","function":{"name":"f","parameters":[]}}]"#),
            Some("tools[0].function.parameters"),
            "an object",
        ),
        (body(r#""tool_choice":"any""#), Some("tool_choice"), "`required`"),
        (body(r#""tool_choice":{"type":"allowed_tools"}"#), Some("tool_choice"), "`required`"),
        (body(r#""response_format":{"type":"x"}"#), Some("response_format.type"), "`json_object`"),
        (
            body(r#""response_format":{"type":"json_schema"}"#),
            Some("response_format.json_schema.schema"),
            "an object",
        ),
        (body(r#""seed":1.5"#), Some("seed"), "an integer"),
        (body(r#""stop":3"#), Some("stop"), "an array"),
        (body(r#""stop":[3]"#), Some("stop[0]"), "a string"),
    ];
    for (body, param, message) in cases {
        let error = read(&body).expect_err(&body);
        assert_eq!(error.param.as_deref(), param, "{body}");
        assert!(error.message.contains(message), "{body}: {}", error.message);
    }
}

#[test]
fn of_two_members_with_one_name_the_last_counts_and_null_is_absent() {
    let said = Conversation::read(br#"{"user":"a","u\u0073er":"b","x":1,"x":null}"#).unwrap();
    assert_eq!(said.text("user").unwrap().as_deref(), Some("b"));
    assert!(said.raw("x").is_none() && said.raw("y").is_none());
}
