//! Tokens of a chat request: messages, functions, and the shape its answer must have.
//!
//! A body is read as leniently as can be: what has an unknown shape counts as the text in it. Pictures,
//! sound and files never count as text, however they are written.

use std::slice;

use serde_json::Value;

use crate::{
    meter::{IMAGE, Meter, count_text},
    tools,
};

// OpenAI's cookbook, "How to count tokens with tiktoken", for gpt-4o.
const MESSAGE: u64 = 3;
const NAME: u64 = 1;
/// Every answer is primed with `<|start|>assistant<|message|>`.
const PRIMING: u64 = 3;

/// OpenAI's vision guide: a picture in low detail, for gpt-4o.
const SMALL_IMAGE: u64 = 85;

/// Tokens of the body of a chat completion request. A body that is no JSON object is counted as text.
pub fn count_chat_request(body: &str) -> u64 {
    let Ok(Value::Object(request)) = serde_json::from_str(body) else {
        return count_text(body);
    };
    let mut meter = Meter::default();
    for (name, value) in &request {
        match (name.as_str(), value) {
            ("messages", Value::Array(messages)) => {
                messages.iter().for_each(|message| count_message(message, &mut meter));
            }
            ("tools" | "functions", Value::Array(functions)) => tools::count(functions, &mut meter),
            ("messages" | "tools" | "functions" | "prompt" | "input", _) => meter.value(value),
            ("response_format", _) => {
                tools::count(value.get("json_schema").map(slice::from_ref).unwrap_or_default(), &mut meter);
            }
            _ => {}
        }
    }
    meter.add(PRIMING);
    meter.total()
}

fn count_message(message: &Value, meter: &mut Meter) {
    meter.add(MESSAGE);
    let Value::Object(message) = message else { return meter.value(message) };
    for (name, value) in message {
        match (name.as_str(), value) {
            ("content", Value::Array(parts)) => parts.iter().for_each(|part| count_part(part, meter)),
            ("name", _) => {
                meter.add(NAME);
                meter.value(value);
            }
            ("tool_calls", Value::Array(calls)) => calls.iter().for_each(|call| count_call(call, meter)),
            ("tool_call_id", _) => {}
            _ => meter.value(value),
        }
    }
}

/// A part of a message's content.
fn count_part(part: &Value, meter: &mut Meter) {
    match part.get("type").and_then(Value::as_str) {
        Some("text" | "refusal") => texts(part, &["text", "refusal"], meter),
        Some("image_url" | "input_image") => {
            let detail = part.pointer("/image_url/detail").or_else(|| part.get("detail"));
            meter.add(if detail.is_some_and(|detail| detail == "low") { SMALL_IMAGE } else { IMAGE });
        }
        Some("input_audio" | "file" | "input_file") => meter.add(IMAGE),
        _ => meter.value(part),
    }
}

fn count_call(call: &Value, meter: &mut Meter) {
    meter.add(MESSAGE);
    match call.get("function") {
        Some(function) => texts(function, &["name", "arguments"], meter),
        None => meter.value(call),
    }
}

fn texts(object: &Value, names: &[&str], meter: &mut Meter) {
    names.iter().filter_map(|name| object.get(name)).for_each(|value| meter.value(value));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What one user message of this content costs beyond an empty one.
    fn content(content: Value) -> u64 {
        let count = |content| {
            count_chat_request(&json!({"messages": [{"role": "user", "content": content}]}).to_string())
        };
        count(content) - count(Value::Null)
    }

    fn part(part: Value) -> u64 {
        content(json!([part]))
    }

    #[test]
    fn a_message_costs_its_text_its_role_and_three_more() {
        for (messages, tokens) in [
            (json!([]), 3),
            (json!([{}]), 6),
            (json!([{"role": "user"}]), 7),
            (json!([{"role": "user", "content": "hello world"}]), 9),
            (json!([{"role": "user", "content": "hello world", "name": "world"}]), 11),
            (json!([{"role": "user", "content": null}, {"role": "assistant", "content": ""}]), 11),
            (json!([{"role": "tool", "tool_call_id": "call_0123456789", "content": "hello world"}]), 9),
            (json!("hello world"), 5),
            (json!(["hello world"]), 8),
            (json!([[["hello world"]]]), 8),
            (json!(7), 4),
        ] {
            let body = json!({"model": "m", "temperature": 0.5, "messages": messages}).to_string();
            assert_eq!(count_chat_request(&body), tokens, "{messages}");
        }
    }

    #[test]
    fn text_counts_wherever_it_stands() {
        assert_eq!(content(json!("hello world")), 2);
        assert_eq!(part(json!({"type": "text", "text": "hello world"})), 2);
        assert_eq!(part(json!({"type": "refusal", "refusal": "hello world"})), 2);
        assert_eq!(part(json!("hello world")), 2);
        assert!(part(json!({"type": "new", "words": ["hello world"]})) > 2);
        let call =
            json!({"id": "c", "type": "function", "function": {"name": "hello", "arguments": "world"}});
        let message = json!({"messages": [{"role": "user", "tool_calls": [call]}]}).to_string();
        assert_eq!(count_chat_request(&message), 3 + 4 + 3 + 2);
    }

    #[test]
    fn media_never_count_as_text() {
        let base64 = "iVBORw0KGgoAAAANSUhEUgAAAAUA".repeat(20_000);
        let url = format!("data:image/png;base64,{base64}");
        let file = json!({"file_data": url, "filename": "a.pdf"});
        for (media, tokens) in [
            (json!({"type": "image_url", "image_url": {"url": url}}), IMAGE),
            (json!({"type": "image_url", "image_url": {"url": url, "detail": "high"}}), IMAGE),
            (json!({"type": "image_url", "image_url": {"url": url, "detail": "low"}}), SMALL_IMAGE),
            (json!({"type": "image_url", "image_url": url}), IMAGE),
            (json!({"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}), IMAGE),
            (json!({"type": "input_audio", "input_audio": {"data": base64, "format": "wav"}}), IMAGE),
            (json!({"type": "file", "file": file}), IMAGE),
        ] {
            assert_eq!(part(media), tokens);
        }
        assert_eq!(content(json!(url)), IMAGE);
        assert!(part(json!({"type": "new", "picture": {"url": url}})) < IMAGE + 10);
    }

    #[test]
    fn a_function_costs_less_than_its_json_and_more_than_its_words() {
        let parameters = json!({"type": "object", "required": ["city"], "properties": {
            "city": {"type": "string", "description": "The city."},
            "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
            "days": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}}}},
        }});
        let function =
            json!({"name": "weather", "description": "Tells the weather.", "parameters": parameters});
        let tool = json!({"type": "function", "function": function});
        for body in [json!({"tools": [tool]}), json!({"functions": [function]})] {
            let tokens = count_chat_request(&body.to_string());
            assert!((30..count_text(&function.to_string())).contains(&tokens), "{tokens}: {body}");
        }
        assert_eq!(count_chat_request(r#"{"tools":[]}"#), 3);
    }

    #[test]
    fn a_schema_for_the_answer_counts_as_a_function_does() {
        let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
        let format = json!({"type": "json_schema", "json_schema": {"name": "weather", "schema": schema}});
        let tool = json!({"function": {"name": "weather", "parameters": schema}});
        assert_eq!(
            count_chat_request(&json!({"response_format": format}).to_string()),
            count_chat_request(&json!({"tools": [tool]}).to_string()),
        );
        assert_eq!(count_chat_request(r#"{"response_format":{"type":"json_object"}}"#), 3);
    }

    #[test]
    fn no_shape_is_too_strange_to_be_counted() {
        let deep = "[".repeat(100_000);
        for (body, tokens) in [
            ("", 0),
            ("hello world", 2),
            ("null", 1),
            (deep.as_str(), count_text(&deep)),
            ("{}", 3),
            (r#"{"messages":null,"tools":null,"functions":{},"response_format":[]}"#, 3),
            (r#"{"messages":{"a":"hello world"}}"#, 6),
            (r#"{"tools":[null,1,"x",{"function":null},{"function":{"name":7,"parameters":[]}}]}"#, 54),
            (
                r#"{"tools":[{"function":{"name":"f","parameters":{"properties":{"a":1},"items":2,"enum":{}}}}]}"#,
                32,
            ),
        ] {
            assert_eq!(count_chat_request(body), tokens, "{:.80}", body);
        }
    }
}
