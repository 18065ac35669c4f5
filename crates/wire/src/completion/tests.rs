//! What is read from completions and chunks as vendors really write them.

use super::*;

fn read(text: &str) -> (Completion<'_>, String) {
    let mut generated = Generated::new(64);
    let said = Completion::read(text, &mut generated).unwrap_or_else(|error| panic!("{text}: {error:?}"));
    for member in
        [&said.id, &said.object, &said.created, &said.model, &said.usage, &said.error].into_iter().flatten()
    {
        assert_eq!(&text[member.place.clone()], member.raw);
    }
    for finish in &said.finishes {
        assert_eq!(text[finish.place.clone()], format!("\"{}\"", finish.word));
    }
    (said, generated.text)
}

/// The text with its repairs made.
fn repaired(text: &str) -> String {
    let (said, _) = read(text);
    let mut repairs = said.repairs;
    repairs.sort_by_key(|repair| repair.place.start);
    let edits: Vec<_> = repairs
        .iter()
        .map(|repair| crate::splice::Edit { place: repair.place.clone(), text: &repair.text })
        .collect();
    let repaired = String::from_utf8(crate::splice::splice(text.as_bytes(), &edits).to_vec()).unwrap();
    serde_json::from_str::<serde_json::Value>(&repaired)
        .unwrap_or_else(|error| panic!("{repaired}: {error}"));
    repaired
}

#[test]
fn a_chunk_in_openai_s_form_is_read_and_needs_no_repair() {
    let text = r#"{"id":"c","object":"chat.completion.chunk","created":1,"model":"gpt","new":{"model":1},"choices":[
        {"index":0,"delta":{"role":"assistant","content":"h\u00e9"},"logprobs":null,"finish_reason":null},
        {"index":3,"delta":{"tool_calls":[{"index":0,"id":"t","type":"function","function":{"name":"f","arguments":"{"}}]},"finish_reason":"stop"}],
        "usage":null,"error":null,"x_groq":{"id":"r","usage":{"a":1}}} "#;
    let (said, generated) = read(text);
    assert!(said.is_object && said.repairs.is_empty() && said.usage.is_none() && said.error.is_none());
    assert_eq!(said.model.map(|model| model.raw), Some("\"gpt\""));
    assert_eq!((said.choices, said.seen), (Choices::Array { count: 2 }, 0b1001));
    assert_eq!(
        said.finishes
            .iter()
            .map(|finish| (finish.choice, finish.word, finish.calls_tools))
            .collect::<Vec<_>>(),
        [(3, "stop", true)]
    );
    assert_eq!(said.groq_usage, Some(r#"{"a":1}"#));
    assert_eq!(&text[said.closing_brace..], "} ");
    assert_eq!(generated, "héf{");
}

#[test]
fn every_kind_of_generated_text_is_counted_once() {
    for (delta, expected) in [
        (r#"{"content":"a"}"#, "a"),
        (r#"{"content":null,"refusal":"no"}"#, "no"),
        (r#"{"reasoning_content":"r","content":"a"}"#, "ra"),
        (r#"{"reasoning":"r","reasoning_content":"r"}"#, "r"),
        (r#"{"reasoning":null,"reasoning_content":"r"}"#, "r"),
        (
            r#"{"content":[{"type":"text","text":"a"},{"type":"thinking","thinking":[{"text":"b"}]},"c",7]}"#,
            "bac",
        ),
        (r#"{"function_call":{"name":"f","arguments":"{}"}}"#, "f{}"),
        (r#"{"tool_calls":[{"id":"t","type":"custom","custom":{"name":"f","input":"x"}}]}"#, "fx"),
        (r#"{"content":7,"tool_calls":7,"refusal":{}}"#, ""),
        (r#"{"content":"\ud800"}"#, ""),
        ("null", ""),
        ("[]", ""),
        ("\"x\"", ""),
    ] {
        for name in ["delta", "message"] {
            let text = format!(r#"{{"choices":[{{"index":0,"{name}":{delta}}}]}}"#);
            assert_eq!(read(&text).1, expected, "{text}");
        }
    }
}

#[test]
fn kept_text_is_bounded_and_cut_between_characters() {
    let mut generated = Generated::new(5);
    for piece in ["ab", "éé", "x", "y"] {
        generated.push(piece);
    }
    assert_eq!(generated.text, "abéx");
}

#[test]
fn what_openai_s_form_lacks_is_repaired() {
    for (text, expected) in [
        (r#"{"choices":null}"#, r#"{"choices":[]}"#),
        (r#"{"choices" : null , "id":"c"}"#, r#"{"choices" : [] , "id":"c"}"#),
        (
            r#"{"choices":[{"delta":{}},{"delta":{}},{}]}"#,
            r#"{"choices":[{"index":0,"delta":{}},{"index":1,"delta":{}},{}]}"#,
        ),
        (
            r#"{"choices":[{"index":0,"delta":{"content":[{"type":"text","text":"a\n"},{"type":"text","text":"b"}]}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"content":"a\nb"}}]}"#,
        ),
        (
            r#"{"choices":[{"delta":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"h"},{"type":"text","text":"m"}]},{"type":"thinking","thinking":"!"}]}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"content":"","reasoning_content":"hm!"}}]}"#,
        ),
        (
            r#"{"choices":[{"index":0,"delta":{"content":"","reasoning":"h\u0301m"}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"content":"","reasoning_content":"h\u0301m","reasoning":"h\u0301m"}}]}"#,
        ),
        (
            r#"{"choices":[{"index":0,"delta":{"reasoning_content":null,"reasoning":"r"}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"reasoning_content":"r","reasoning":"r"}}]}"#,
        ),
        (
            r#"{"choices":[{"index":0,"delta":{"reasoning":"","reasoning_details":[]}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"reasoning":"","reasoning_details":[]}}]}"#,
        ),
        (
            r#"{"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"function":{"name":"f"}},{"index":4,"id":"","type":null,"function":{"name":"g"}}]}}]}"#,
            r#"{"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"id":"call_c_0","type":"function","function":{"name":"f"}},{"index":4,"id":"call_c_4","type":"function","function":{"name":"g"}}]}}]}"#,
        ),
        (
            r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"}"}}]}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"}"}}]}}]}"#,
        ),
    ] {
        assert_eq!(repaired(text), expected);
    }
}

#[test]
fn an_error_may_stand_beside_the_choices() {
    for (text, is_error) in [
        (r#"{"choices":null,"base_resp":{"status_code":1008,"status_msg":"insufficient balance"}}"#, true),
        (r#"{"choices":[],"base_resp":{"status_msg":"","status_code":0}}"#, false),
        (r#"{"choices":[],"base_resp":null}"#, false),
        (r#"{"choices":[],"error":null}"#, false),
        (r#"{"choices":[],"error":{}}"#, true),
    ] {
        assert_eq!(read(text).0.error.is_some(), is_error, "{text}");
    }
}

#[test]
fn a_choice_without_a_message_is_found() {
    let text = r#"{"choices":[{ "index":0,"finish_reason":null},{"index":1,"delta":{}},{"index":2,"message":null},{"index":3},{}]}"#;
    let (said, _) = read(text);
    let rest: Vec<&str> = said.bare.iter().map(|at| &text[*at..at + 10]).collect();
    assert_eq!(rest, ["\"index\":0,", "\"index\":3}"]);
    assert!(repaired(text).contains(r#"{"index":2,"message":{"content":null}}"#));
}

#[test]
fn strange_values_are_read_over_and_broken_json_is_an_error() {
    for (text, is_object, choices) in [
        ("{}", true, Choices::Absent),
        (r#"{"choices":"x","x_groq":1}"#, true, Choices::NoArray),
        (r#"{"choices":{}}"#, true, Choices::NoArray),
        (r#"{"choices":[1,null,[],-1,0.5,true,"x"]}"#, true, Choices::Array { count: 7 }),
        (r#"{"choices":[{"index":-1,"finish_reason":7}]}"#, true, Choices::Array { count: 1 }),
        ("[]", false, Choices::Absent),
        ("7", false, Choices::Absent),
        ("null", false, Choices::Absent),
    ] {
        let (said, _) = read(text);
        assert_eq!((said.is_object, said.choices), (is_object, choices), "{text}");
    }
    let (said, _) =
        read(r#"{"id":null,"object":null,"created":null,"model":null,"usage":null,"error":null}"#);
    assert!(said.id.is_some() && said.object.is_some() && said.created.is_some() && said.model.is_some());
    assert!(said.usage.is_none() && said.error.is_none());
    let deep = format!(r#"{{"x":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    for text in ["", "{", "<html>", r#"{"choices":[}"#, "{} {}", &deep] {
        assert!(Completion::read(text, &mut Generated::default()).is_err(), "{text}");
    }
}
