//! Which bodies are read, what is read from them, and which are refused in whose name.

use super::*;

/// A body with these members beside a model and messages.
fn with(members: &str) -> String {
    format!(r#"{{"model":"m","messages":[]{}{members}}}"#, if members.is_empty() { "" } else { "," })
}

#[test]
fn the_members_that_matter_are_read() {
    let base = ChatRequest { model: "m".into(), ..ChatRequest::default() };
    let cases = [
        (with(""), base.clone()),
        (with(r#""stream":null,"n":null,"max_tokens":null,"stream_options":null"#), base.clone()),
        (with(r#""stream":true,"n":2"#), ChatRequest { is_stream: true, n: Some(2), ..base.clone() }),
        (with(r#""temperature":0"#), ChatRequest { is_deterministic: true, ..base.clone() }),
        (
            with(r#""temperature":0e0,"n":1"#),
            ChatRequest { is_deterministic: true, n: Some(1), ..base.clone() },
        ),
        (with(r#""temperature":0.1"#), base.clone()),
        (with(r#""temperature":null"#), base.clone()),
        (with(r#""temperature":0,"web_search_options":{}"#), base.clone()),
        (with(r#""stream":false,"max_tokens":7"#), ChatRequest { max_tokens: Some(7), ..base.clone() }),
        (
            with(r#""max_tokens":7,"max_completion_tokens":9"#),
            ChatRequest { max_tokens: Some(9), ..base.clone() },
        ),
        (
            with(r#""stream_options":{"include_usage":true}"#),
            ChatRequest { wants_usage: true, ..base.clone() },
        ),
        (with(r#""stream_options":{"include_usage":null,"x":[{}]}"#), base.clone()),
        (with(r#""stream_options":{}"#), base.clone()),
        (with(r#""anything":{"model":"x","model":"y"},"anything":[1e400]"#), base.clone()),
        (
            "\t{\"\\u006dodel\" : \"a\\u0301 \\\"b\\\"\",\n\"messages\":[{}]} \r\n".into(),
            ChatRequest { model: "a\u{301} \"b\"".into(), ..base.clone() },
        ),
        (
            format!(r#"{{"messages":[],"model":"{}"}}"#, "é".repeat(256)),
            ChatRequest { model: "é".repeat(256), ..base.clone() },
        ),
        (with(&format!(r#""metadata":{}1{}"#, "[".repeat(127), "]".repeat(127))), base.clone()),
        (with(&format!(r#""tools":[{}],"stop":"{}\"""#, vec!["{}"; 500].join(","), "[{".repeat(500))), base),
    ];
    for (body, expected) in cases {
        let mut read = ChatRequest::read(body.as_bytes()).unwrap_or_else(|error| panic!("{body}: {error:?}"));
        read.places = Places::default();
        assert_eq!(read, expected, "{body}");
    }
}

#[test]
fn places_are_where_the_members_stand() {
    let body = r#" { "model" : "a\"b" , "messages":[], "stream_options" : {"x":1}, "max_completion_tokens":1,"max_tokens":2 } "#;
    let places = ChatRequest::read(body.as_bytes()).unwrap().places;
    let options = places.stream_options.unwrap();
    assert_eq!(&body[places.model], r#""a\"b""#);
    assert_eq!(&body[options.whole], r#""stream_options" : {"x":1}"#);
    assert_eq!(&body[options.value], r#"{"x":1}"#);
    assert_eq!(&body[places.max_completion_tokens_name.unwrap()], r#""max_completion_tokens""#);
    assert!(places.has_max_tokens);
    assert_eq!(&body[places.closing_brace..], "} ");
}

#[test]
fn a_body_that_cannot_be_served_is_refused_naming_the_member() {
    let cases: Vec<(String, Option<&str>, &str)> = vec![
        (String::new(), None, "could not be parsed as JSON"),
        ("{".into(), None, "could not be parsed as JSON"),
        ("\u{feff}{}".into(), None, "could not be parsed as JSON"),
        (with("") + "x", None, "could not be parsed as JSON"),
        (with("") + "{}", None, "could not be parsed as JSON"),
        (with(r#""x":"\q""#), None, "could not be parsed as JSON"),
        (with("\"x\":\"a\u{1}\""), None, "could not be parsed as JSON"),
        (with(r#""x":NaN"#), None, "could not be parsed as JSON"),
        (with(r#""x":01"#), None, "could not be parsed as JSON"),
        ("[]".into(), None, "must be a JSON object"),
        ("\"model\"".into(), None, "must be a JSON object"),
        ("null".into(), None, "must be a JSON object"),
        (with(&format!(r#""metadata":{}1{}"#, "[".repeat(128), "]".repeat(128))), None, "deeper than 128"),
        ("[".repeat(100_000), None, "deeper than 128"),
        (r#"{"a":"#.repeat(100_000), None, "deeper than 128"),
        (r#"{"messages":[]}"#.into(), Some("model"), "you must provide a `model` parameter"),
        (r#"{"messages":[],"model":null}"#.into(), Some("model"), "you must provide a `model` parameter"),
        (r#"{"messages":[],"Model":"m"}"#.into(), Some("model"), "you must provide a `model` parameter"),
        (r#"{"messages":[],"model":""}"#.into(), Some("model"), "empty"),
        (r#"{"messages":[],"model":7}"#.into(), Some("model"), "must be a string"),
        (r#"{"messages":[],"model":["m"]}"#.into(), Some("model"), "must be a string"),
        (r#"{"messages":[],"model":"\ud800"}"#.into(), Some("model"), "must be a string"),
        (r#"{"messages":[],"model":"a\u0000b"}"#.into(), Some("model"), "control characters"),
        (r#"{"messages":[],"model":"a\nb"}"#.into(), Some("model"), "control characters"),
        (format!(r#"{{"messages":[],"model":"{}"}}"#, "a".repeat(257)), Some("model"), "at most 256"),
        (r#"{"model":"m"}"#.into(), Some("messages"), "you must provide a `messages` parameter"),
        (r#"{"model":"m","messages":{}}"#.into(), Some("messages"), "must be an array"),
        (r#"{"model":"m","messages":"SECRET"}"#.into(), Some("messages"), "must be an array"),
        (with(r#""stream":"true""#), Some("stream"), "`true` or `false`"),
        (with(r#""stream":1"#), Some("stream"), "`true` or `false`"),
        (with(r#""max_tokens":-1"#), Some("max_tokens"), "integer"),
        (with(r#""max_tokens":1.5"#), Some("max_tokens"), "integer"),
        (with(r#""max_completion_tokens":"9""#), Some("max_completion_tokens"), "integer"),
        (with(r#""max_tokens":18446744073709551616"#), Some("max_tokens"), "integer"),
        (with(r#""n":[]"#), Some("n"), "integer"),
        (with(r#""stream_options":true"#), Some("stream_options"), "object"),
        (
            with(r#""stream_options":{"include_usage":1}"#),
            Some("stream_options.include_usage"),
            "`true` or `false`",
        ),
        (
            with(r#""stream_options":{"include_usage":true,"include_usag\u0065":false}"#),
            Some("stream_options.include_usage"),
            "more than once",
        ),
        (with(r#""\u006dodel":"x""#), Some("model"), "more than once"),
        (with(r#""messages":[]"#), Some("messages"), "more than once"),
    ];
    for (body, param, words) in cases {
        let error = ChatRequest::read(body.as_bytes()).expect_err(&body);
        assert_eq!(error.param.as_deref(), param, "{body}: {}", error.message);
        assert!(error.message.contains(words), "{body}: {}", error.message);
        assert!(error.message.len() < 200 && !error.message.contains("SECRET"));
    }
    let error = ChatRequest::read(b"{\"model\":\"\xff\"}").expect_err("not UTF-8");
    assert_eq!(error.message, "the request body is not UTF-8 from byte 10 on");
}

#[test]
fn every_known_member_may_stand_in_a_body_once() {
    assert!(KNOWN.len() <= 64);
    for name in KNOWN {
        let body = with(&format!(r#""x":1,"{name}":null,"{name}":null"#));
        let error = ChatRequest::read(body.as_bytes()).expect_err(name);
        assert_eq!(error.param.as_deref(), Some(*name));
        assert!(error.message.contains("more than once"), "{}", error.message);
    }
}

#[test]
fn depth_is_counted_outside_strings_only() {
    for (body, is_deeper) in [
        ("[[[]]]", false),
        ("[[[[]]]]", true),
        (r#"["[[[[[[", "\"[[[[", "\\", [[]]]"#, false),
        (r#"["\\\"[[", [[[]]]]"#, true),
        ("[][][][][][]", false),
        ("\"[[[[[[", false),
    ] {
        assert_eq!(is_deeper_than(body.as_bytes(), 3), is_deeper, "{body}");
    }
}
