//! Splicing changes what it was told to and not a byte beside it.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn retargeted(body: &str, stream_options: StreamOptions, old_max_tokens: bool) -> String {
    let request = ChatRequest::read(body.as_bytes()).unwrap();
    let changes = Retarget { model: "real \"m\"", stream_options, old_max_tokens };
    String::from_utf8(retarget(body.as_bytes(), &request, changes).to_vec()).unwrap()
}

#[test]
fn only_what_must_differ_differs() {
    use StreamOptions::{AskUsage, Keep, Remove};
    let cases = [
        (r#"{"model":"m","messages":[]}"#, Keep, r#"{"model":"real \"m\"","messages":[]}"#),
        (
            "{ \"messages\" : [ 1.0e5 ] ,\n \"model\" : \"m\" } ",
            AskUsage,
            "{ \"messages\" : [ 1.0e5 ] ,\n \"model\" : \"real \\\"m\\\"\" ,\"stream_options\":{\"include_usage\":true}} ",
        ),
        (
            r#"{"stream_options":{"a":[1]},"model":"m","messages":[]}"#,
            AskUsage,
            r#"{"stream_options":{"include_usage":true,"a":[1]},"model":"real \"m\"","messages":[]}"#,
        ),
        (
            r#"{"model":"m","messages":[],"stream_options":{ "include_usage" : false, "a":1 }}"#,
            AskUsage,
            r#"{"model":"real \"m\"","messages":[],"stream_options":{ "include_usage" : true, "a":1 }}"#,
        ),
        (
            r#"{"model":"m","messages":[],"stream_options":null}"#,
            AskUsage,
            r#"{"model":"real \"m\"","messages":[],"stream_options":{"include_usage":true}}"#,
        ),
        (
            r#"{"model":"m","stream_options":{ },"messages":[]}"#,
            AskUsage,
            r#"{"model":"real \"m\"","stream_options":{"include_usage":true},"messages":[]}"#,
        ),
        (
            r#"{"model":"m" , "stream_options":{} , "messages":[]}"#,
            Remove,
            r#"{"model":"real \"m\""  , "messages":[]}"#,
        ),
        (
            r#"{"stream_options":{} , "model":"m","messages":[]}"#,
            Remove,
            r#"{ "model":"real \"m\"","messages":[]}"#,
        ),
        (
            r#"{"model":"m","messages":[],"stream_options":{}}"#,
            Remove,
            r#"{"model":"real \"m\"","messages":[]}"#,
        ),
        (r#"{"model":"m","messages":[]}"#, Remove, r#"{"model":"real \"m\"","messages":[]}"#),
    ];
    for (body, stream_options, expected) in cases {
        assert_eq!(retargeted(body, stream_options, false), expected, "{body} {stream_options:?}");
    }
}

#[test]
fn the_old_name_of_max_tokens_is_used_where_the_provider_knows_no_other() {
    for (body, expected) in [
        (
            r#"{"model":"m","messages":[],"max_completion_tokens":5}"#,
            r#"{"model":"real \"m\"","messages":[],"max_tokens":5}"#,
        ),
        (
            r#"{"max_completion_tokens":5,"max_tokens":4,"model":"m","messages":[]}"#,
            r#"{"max_completion_tokens":5,"max_tokens":4,"model":"real \"m\"","messages":[]}"#,
        ),
    ] {
        assert_eq!(retargeted(body, StreamOptions::Keep, true), expected);
    }
}

#[test]
fn edits_out_of_order_or_out_of_bounds_are_left_out() {
    let edit = |place, text| Edit { place, text };
    for (edits, expected) in [
        (vec![], "abcdef"),
        (vec![edit(0..0, "x"), edit(2..4, ""), edit(6..6, "y")], "xabefy"),
        (vec![edit(2..4, "x"), edit(3..5, "y")], "abxef"),
        (vec![edit(4..5, "x"), edit(0..1, "y")], "abcdxf"),
        (vec![edit(5..7, "x")], "abcdef"),
    ] {
        assert_eq!(splice(b"abcdef", &edits), expected, "{edits:?}");
    }
}

/// Any JSON value, small.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map("x.{0,6}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// A body's members in some order, with some white space between.
fn body() -> impl Strategy<Value = String> {
    let options = prop_oneof![
        Just(None),
        Just(Some(Value::Null)),
        prop::collection::hash_map("x.{0,3}", value(), 0..3)
            .prop_map(|map| Some(Value::Object(map.into_iter().collect()))),
        any::<bool>().prop_map(|flag| Some(json!({"x": [1], "include_usage": flag}))),
    ];
    let unknown = prop::collection::hash_map("x.{0,6}", value(), 0..5);
    (".{1,20}", options, unknown, any::<[bool; 2]>(), "[ \n\t]{0,2}")
        .prop_filter("a model without control characters", |(model, ..)| !model.chars().any(char::is_control))
        .prop_flat_map(|(model, options, unknown, max, space)| {
            let mut members: Vec<(String, Value)> = unknown.into_iter().collect();
            members.push(("model".into(), model.into()));
            members.push(("messages".into(), json!([{"role": "user", "content": "{\"model\":\"x\"}"}])));
            members.extend(options.map(|options| ("stream_options".into(), options)));
            members.extend(max[0].then(|| ("max_tokens".into(), 1.into())));
            members.extend(max[1].then(|| ("max_completion_tokens".into(), 2.into())));
            (Just(members).prop_shuffle(), Just(space))
        })
        .prop_map(|(members, space)| {
            let members: Vec<String> = members
                .iter()
                .map(|(name, value)| format!("{space}{}{space}:{space}{value}", Value::from(name.as_str())))
                .collect();
            format!("{space}{{{}{space}}}{space}", members.join(","))
        })
}

fn edited(body: &str, stream_options: StreamOptions, old_max_tokens: bool) -> Value {
    let mut value: Value = serde_json::from_str(body).unwrap();
    let object = value.as_object_mut().unwrap();
    object.insert("model".into(), "real \"m\"".into());
    if old_max_tokens && !object.contains_key("max_tokens") {
        let count = object.remove("max_completion_tokens");
        object.extend(count.map(|count| ("max_tokens".into(), count)));
    }
    match stream_options {
        StreamOptions::Keep => {}
        StreamOptions::Remove => drop(object.remove("stream_options")),
        StreamOptions::AskUsage => match object.get_mut("stream_options").and_then(Value::as_object_mut) {
            Some(options) => drop(options.insert("include_usage".into(), true.into())),
            None => drop(object.insert("stream_options".into(), json!({"include_usage": true}))),
        },
    }
    value
}

proptest! {
    #[test]
    fn splicing_the_text_is_editing_the_value(body in body(), old_max_tokens: bool, which in 0..3_usize) {
        let stream_options = [StreamOptions::Keep, StreamOptions::AskUsage, StreamOptions::Remove][which];
        let spliced = retargeted(&body, stream_options, old_max_tokens);
        let value: Value = serde_json::from_str(&spliced).unwrap();
        prop_assert_eq!(value, edited(&body, stream_options, old_max_tokens));
        let places = ChatRequest::read(body.as_bytes()).unwrap().places;
        let untouched = body[..places.model.start.min(places.stream_options.map_or(usize::MAX, |member| member.whole.start))].trim_end();
        let untouched = untouched.strip_suffix(',').unwrap_or(untouched);
        if !old_max_tokens {
            prop_assert!(spliced.starts_with(untouched));
        }
    }
}
