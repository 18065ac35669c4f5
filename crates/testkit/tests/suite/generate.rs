//! What the mock answers on Gemini's surface, whole and streamed, well and badly.
//!
//! Both forms of one answer must say the same and count the same, and look like recorded ones.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};

use crate::client::{Answer, exchange};
use crate::messages::paths;
use crate::speaks::mock;

fn post(model: &str, verb: &str, body: &Value) -> String {
    let body = body.to_string();
    format!(
        "POST /v1beta/models/{model}:{verb} HTTP/1.1\r\nhost: mock\r\nx-goog-api-key: AIza-of-a-test\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

const WHOLE: &str = "generateContent";
const STREAMED: &str = "streamGenerateContent?alt=sse";

fn ask(more: Value) -> Value {
    let mut body = json!({"contents": [{"role": "user", "parts": [{"text": "hello"}]}]});
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

fn answers(answer: &Answer) -> Vec<Value> {
    if answer.body.starts_with('{') { vec![answer.json()] } else { answer.events() }
}

/// Text or arguments, finish reason, and the last counts of input and output.
fn said(answer: &Answer) -> (String, Value, Value, Value) {
    let events = answers(answer);
    let part = |event: &Value| {
        let part = &event["candidates"][0]["content"]["parts"][0];
        part["text"].as_str().map_or_else(|| part["functionCall"]["args"].to_string(), str::to_owned)
    };
    let last = events.last().unwrap();
    (
        events.iter().map(part).collect(),
        last["candidates"][0]["finishReason"].clone(),
        last["usageMetadata"]["promptTokenCount"].clone(),
        last["usageMetadata"]["candidatesTokenCount"].clone(),
    )
}

fn both(addr: SocketAddr, more: Value) -> [Answer; 2] {
    [WHOLE, STREAMED].map(|verb| exchange(addr, &post("mock-gemini", verb, &ask(more.clone()))))
}

#[test]
fn both_forms_agree_on_what_is_said_and_counted() {
    let mock = mock();
    let tools = json!([{"functionDeclarations": [{"name": "clock", "parametersJsonSchema": {"type": "object", "required": ["zone"], "properties": {"zone": {"type": "string"}}}}]}]);
    let mode = |mode: &str| json!({"functionCallingConfig": {"mode": mode}});
    let schema =
        json!({"type": "object", "required": ["n"], "properties": {"n": {"type": "integer", "minimum": 4}}});
    let config = |name: &str, value: Value| json!({"generationConfig": {name: value}});
    let form =
        json!({"generationConfig": {"responseMimeType": "application/json", "responseJsonSchema": schema}});
    let cases = [
        (json!({}), "You said: hello", "STOP", 7, 4),
        (json!({"systemInstruction": {"parts": [{"text": "be brief"}]}}), "You said: hello", "STOP", 12, 4),
        (config("maxOutputTokens", json!(2)), "You said", "MAX_TOKENS", 7, 2),
        (config("stopSequences", json!(["hel"])), "You said: ", "STOP", 7, 4),
        (json!({"tools": tools}), r#"{"zone":"text"}"#, "STOP", 7, 9),
        (json!({"tools": tools, "toolConfig": mode("NONE")}), "You said: hello", "STOP", 7, 4),
        (form, r#"{"n":4}"#, "STOP", 7, 7),
    ];
    for (more, text, finish, input, output) in cases {
        for answer in both(mock.addr(), more.clone()) {
            assert_eq!((answer.status, answer.whole), (200, true), "{more}");
            assert_eq!(
                said(&answer),
                (text.to_owned(), json!(finish), json!(input), json!(output)),
                "{more}"
            );
        }
    }
}

#[test]
fn the_model_s_script_stands_in_the_path_and_the_last_event_says_the_end() {
    let mock = mock();
    let finishes = |words: &str| {
        let answer = exchange(mock.addr(), &post(&format!("m{words}"), STREAMED, &ask(json!({}))));
        assert!(answer.body.ends_with("\r\n\r\n") && !answer.body.contains("[DONE]"), "{}", answer.body);
        let finishes = answer.events().into_iter().map(|event| match event.get("error") {
            Some(error) => error["status"].clone(),
            None => event["candidates"][0]["finishReason"].clone(),
        });
        finishes.collect::<Vec<_>>()
    };
    assert_eq!(finishes("%2Bevents=2"), [json!(null), json!(null), json!("STOP")]);
    assert_eq!(finishes("+events=2+done=absent"), [json!(null), json!(null)]);
    assert_eq!(finishes("+fault=error_event:1"), [json!(null), json!("INTERNAL")]);
    assert_eq!(finishes("+fault=cut_after_events:1"), [json!(null)]);
}

#[test]
fn several_candidates_are_answered_whole() {
    let mock = mock();
    let several = ask(json!({"generationConfig": {"candidateCount": 2}}));
    let answer = exchange(mock.addr(), &post("m", WHOLE, &several)).json();
    let indices: Vec<_> = answer["candidates"].as_array().unwrap().iter().map(|one| &one["index"]).collect();
    assert_eq!(indices, [0, 1]);
    assert_eq!(exchange(mock.addr(), &post("m", STREAMED, &several)).status, 400);
}

#[test]
fn failures_have_the_surface_s_own_shape() {
    let mock = mock();
    let cases = [
        ("m+fault=status:503", 503, "UNAVAILABLE", "503"),
        ("m+fault=status:429,retry_after:7", 429, "RESOURCE_EXHAUSTED", "429"),
        ("m+fault=200_error", 200, "INTERNAL", "inside a 200"),
        ("m+fault=error_event:1", 500, "INTERNAL", "error"),
        ("m+echo_key_401", 401, "UNAUTHENTICATED", "AIza-of-a-test"),
        ("m+nonsense", 400, "INVALID_ARGUMENT", "`nonsense`: unknown word"),
    ];
    for (model, status, word, message) in cases {
        let answer = exchange(mock.addr(), &post(model, WHOLE, &ask(json!({}))));
        let error = &answer.json()["error"];
        assert_eq!((answer.status, &error["code"], &error["status"]), (status, &json!(status), &json!(word)));
        assert!(error["message"].as_str().unwrap().contains(message), "{error}");
    }
}

#[test]
fn what_the_vendor_would_refuse_is_refused() {
    let mock = mock();
    let turns = |turns: Value| json!({ "contents": turns });
    let call = json!({"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]});
    let user = json!({"role": "user", "parts": [{"text": "x"}]});
    let result =
        |name: &str| json!({"role": "user", "parts": [{"functionResponse": {"name": name, "response": {}}}]});
    let config = |name: &str, value: Value| json!({"generationConfig": {name: value}});
    for (more, message) in [
        (turns(json!([])), "contents is not specified"),
        (turns(json!([{"role": "system", "parts": [{"text": "x"}]}])), "valid role"),
        (turns(json!([{"role": "model", "parts": [{"text": "x"}]}])), "valid role"),
        (turns(json!([{"role": "user", "parts": []}])), "contents[0].parts"),
        (turns(json!([{"role": "user", "parts": [{"text": "x", "inlineData": {}}]}])), "contents[0].parts"),
        (turns(json!([user, call, user])), "number of function response parts"),
        (turns(json!([user, call, result("g")])), "number of function response parts"),
        (turns(json!([user, result("f")])), "number of function response parts"),
        (json!({"max_tokens": 1}), "Unknown name \"max_tokens\""),
        (config("maxTokens", json!(1)), "Unknown name \"generation_config.maxTokens\""),
        (config("candidateCount", json!(9)), "candidate_count"),
        (config("responseJsonSchema", json!({})), "response_mime_type"),
        (config("stopSequences", json!(["1", "2", "3", "4", "5", "6"])), "at most 5"),
        (json!({"toolConfig": {}}), "function_declarations"),
    ] {
        let answer = exchange(mock.addr(), &post("m", WHOLE, &ask(more.clone())));
        assert_eq!(answer.status, 400, "{more}");
        assert!(answer.json()["error"]["message"].as_str().unwrap().contains(message), "{}", answer.body);
    }
    let answer = exchange(mock.addr(), &post("m", WHOLE, &ask(turns(json!([user, call, result("f")])))));
    assert_eq!(answer.status, 200);
    let no_events = exchange(mock.addr(), &post("m", "streamGenerateContent", &ask(json!({}))));
    assert_eq!(no_events.status, 400);
}

#[test]
fn nothing_is_said_that_a_recorded_answer_does_not_say() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/fixtures/gemini"));
    let Ok(files) = std::fs::read_dir(folder) else {
        println!("recorded answers of Gemini: absent");
        return;
    };
    let mut recorded = BTreeSet::new();
    let mut count = 0;
    for path in files.map(|entry| entry.unwrap().path()) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let is_one =
            name.starts_with("generateContent") && !name.contains("meta") && !name.contains("expected");
        if let Some(answer) = is_one.then(|| std::fs::read(&path).unwrap()) {
            paths(&serde_json::from_slice(&answer).unwrap(), "", &mut recorded);
            count += 1;
        }
    }
    assert!(count > 10);
    let mock = mock();
    let tools = json!({"tools": [{"functionDeclarations": [{"name": "clock"}]}]});
    let mut ours = BTreeSet::new();
    for answer in [json!({}), tools].into_iter().flat_map(|more| both(mock.addr(), more)) {
        answers(&answer).iter().for_each(|answer| paths(answer, "", &mut ours));
    }
    assert_eq!(ours.difference(&recorded).collect::<Vec<_>>(), Vec::<&String>::new());
    println!("recorded answers of Gemini: {count} compared");
}
