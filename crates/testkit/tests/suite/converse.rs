//! What the mock answers on Bedrock's surface, whole and streamed, well and badly, and to whom.
//!
//! Both forms of one answer must say the same and count the same, and look like recorded ones.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use nexus_keystore::secret::Secret;
use nexus_keystore::sigv4::{AccessKey, Request, Scope, Segments, sign};
use nexus_testkit::{ACCESS_KEY_ID, SECRET_ACCESS_KEY};
use serde_json::{Value, json};

use crate::client::{Answer, exchange};
use crate::messages::paths;
use crate::speaks::mock;

const WHOLE: &str = "converse";
const STREAMED: &str = "converse-stream";

fn post(model: &str, operation: &str, body: &Value) -> String {
    let body = body.to_string();
    format!(
        "POST /model/{model}/{operation} HTTP/1.1\r\nhost: mock\r\nauthorization: Bearer key-of-a-test\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn ask(more: Value) -> Value {
    let mut body = json!({"messages": [{"role": "user", "content": [{"text": "hello"}]}]});
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

/// The frames of a stream: kind, name, payload. Checksums must be right.
fn frames(mut bytes: &[u8]) -> Vec<(String, String, Value)> {
    let number = |bytes: &[u8]| u32::from_be_bytes(bytes[..4].try_into().unwrap());
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let (frame, rest) = bytes.split_at(number(bytes) as usize);
        bytes = rest;
        assert_eq!(crc32fast::hash(&frame[..8]), number(&frame[8..]));
        let end = frame.len() - 4;
        assert_eq!(crc32fast::hash(&frame[..end]), number(&frame[end..]));
        let (mut headers, payload) = frame[12..end].split_at(number(&frame[4..]) as usize);
        let mut named = Vec::new();
        while let [len, more @ ..] = headers {
            let (name, more) = more.split_at(usize::from(*len));
            assert_eq!(more[0], 7, "a string");
            let len = u16::from_be_bytes([more[1], more[2]]);
            let (value, more) = more[3..].split_at(usize::from(len));
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            named.push((text(name), text(value)));
            headers = more;
        }
        let of = |name: &str| named.iter().find(|(known, _)| known == name).unwrap().1.clone();
        let kind = of(":message-type");
        frames.push((kind.clone(), of(&format!(":{kind}-type")), serde_json::from_slice(payload).unwrap()));
    }
    frames
}

/// Text or arguments, stop reason, and the counts of input and output.
fn said(answer: &Answer) -> (String, Value, Value, Value) {
    if answer.bytes.is_empty() {
        let body = answer.json();
        let block = &body["output"]["message"]["content"][0];
        let text =
            block["text"].as_str().map_or_else(|| block["toolUse"]["input"].to_string(), str::to_owned);
        let usage = &body["usage"];
        return (
            text,
            body["stopReason"].clone(),
            usage["inputTokens"].clone(),
            usage["outputTokens"].clone(),
        );
    }
    assert_eq!(answer.header("content-type"), Some("application/vnd.amazon.eventstream"));
    let frames = frames(&answer.bytes);
    let event =
        |name: &str| frames.iter().find(|(_, known, _)| known == name).map(|(.., event)| event.clone());
    let piece = |(.., event): &(String, String, Value)| {
        let delta = &event["delta"];
        delta["text"].as_str().or(delta["toolUse"]["input"].as_str()).unwrap_or_default().to_owned()
    };
    let (stop, metadata) = (event("messageStop").unwrap(), event("metadata").unwrap());
    let usage = &metadata["usage"];
    let text = frames.iter().map(piece).collect();
    (text, stop["stopReason"].clone(), usage["inputTokens"].clone(), usage["outputTokens"].clone())
}

fn both(addr: SocketAddr, more: Value) -> [Answer; 2] {
    [WHOLE, STREAMED].map(|operation| exchange(addr, &post("mock-nova", operation, &ask(more.clone()))))
}

fn clock() -> Value {
    let schema = json!({"type": "object", "required": ["zone"], "properties": {"zone": {"type": "string"}}});
    json!({"tools": [{"toolSpec": {"name": "clock", "inputSchema": {"json": schema}}}]})
}

#[test]
fn both_forms_agree_on_what_is_said_and_counted() {
    let mock = mock();
    let schema = r#"{"type":"object","required":["n"],"properties":{"n":{"type":"integer","minimum":4}}}"#;
    let form =
        json!({"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"schema": schema}}}});
    for (more, text, stop, input, output) in [
        (json!({}), "You said: hello", "end_turn", 7, 4),
        (json!({"system": [{"text": "be brief"}]}), "You said: hello", "end_turn", 12, 4),
        (json!({"inferenceConfig": {"maxTokens": 2}}), "You said", "max_tokens", 7, 2),
        (json!({"inferenceConfig": {"stopSequences": ["hel"]}}), "You said: ", "end_turn", 7, 4),
        (json!({"toolConfig": clock()}), r#"{"zone":"text"}"#, "tool_use", 7, 9),
        (json!({"outputConfig": form}), r#"{"n":4}"#, "end_turn", 7, 7),
    ] {
        for answer in both(mock.addr(), more.clone()) {
            assert_eq!((answer.status, answer.whole), (200, true), "{more}: {}", answer.body);
            let expected = (text.to_owned(), json!(stop), json!(input), json!(output));
            assert_eq!(said(&answer), expected, "{more}");
        }
    }
}

#[test]
fn the_model_s_script_stands_in_the_path_and_faults_come_as_frames() {
    let mock = mock();
    let names = |words: &str| -> Vec<String> {
        let answer = exchange(mock.addr(), &post(&format!("m%2B{words}"), STREAMED, &ask(json!({}))));
        frames(&answer.bytes).into_iter().map(|(kind, name, _)| format!("{kind} {name}")).collect()
    };
    let ends = |names: Vec<String>| names.last().unwrap().clone();
    assert_eq!(ends(names("events=2")), "event metadata");
    assert_eq!(ends(names("events=2%2Bdone=absent")), "event contentBlockStop");
    assert_eq!(names("fault=error_event:1"), ["event messageStart", "exception internalServerException"]);
    assert_eq!(names("fault=cut_after_events:2"), ["event messageStart", "event contentBlockDelta"]);
}

#[test]
fn texts_are_embedded_in_the_words_of_each_family() {
    let mock = mock();
    let invoke = |body: Value| exchange(mock.addr(), &post("m", "invoke", &body));
    let titan = invoke(json!({"inputText": "a b", "dimensions": 3})).json();
    assert_eq!((titan["embedding"].as_array().unwrap().len(), &titan["inputTextTokenCount"]), (3, &json!(2)));
    let cohere =
        invoke(json!({"texts": ["x", "a b"], "input_type": "search_document", "output_dimension": 3}));
    assert_eq!(cohere.json()["embeddings"]["float"][1], titan["embedding"]);
    for body in [
        json!({}),
        json!({"inputText": ""}),
        json!({"texts": ["x"]}),
        json!({"texts": [], "input_type": "search_query"}),
        json!({"inputText": "x", "dimensions": 0}),
    ] {
        let answer = invoke(body);
        assert_eq!((answer.status, answer.header("x-amzn-errortype")), (400, Some("ValidationException")));
    }
}

#[test]
fn failures_have_the_surface_s_own_shape() {
    let mock = mock();
    for (model, status, exception, message) in [
        ("m+fault=status:503", 503, "ServiceUnavailableException", "503"),
        ("m+fault=status:429,retry_after:7", 429, "ThrottlingException", "429"),
        ("m+echo_key_401", 401, "AccessDeniedException", "key-of-a-test"),
        ("m+nonsense", 400, "ValidationException", "`nonsense`: unknown word"),
    ] {
        let answer = exchange(mock.addr(), &post(model, WHOLE, &ask(json!({}))));
        assert_eq!((answer.status, answer.header("x-amzn-errortype")), (status, Some(exception)));
        assert!(answer.json()["message"].as_str().unwrap().contains(message), "{}", answer.body);
    }
}

#[test]
fn what_the_vendor_would_refuse_is_refused() {
    let mock = mock();
    let turns = |turns: Value| json!({ "messages": turns });
    let user = json!({"role": "user", "content": [{"text": "x"}]});
    let call = json!({"role": "assistant", "content": [{"toolUse": {"toolUseId": "1", "name": "clock", "input": {}}}]});
    let result = |id: &str| json!({"role": "user", "content": [{"toolResult": {"toolUseId": id, "content": [{"text": "x"}]}}]});
    let block = |block: Value| turns(json!([{"role": "user", "content": [block]}]));
    for (more, message) in [
        (turns(json!([])), "at least 1 item"),
        (turns(json!([{"role": "assistant", "content": [{"text": "x"}]}])), "must alternate"),
        (turns(json!([user, user])), "must alternate"),
        (turns(json!([{"role": "user", "content": []}])), "is empty"),
        (block(json!({"text": " "})), "is blank"),
        (block(json!({"video": {}})), "is empty"),
        (block(json!({"document": {}})), "A text block must be included"),
        (turns(json!([user, call, result("1")])), "toolConfig field must be defined"),
        (json!({"messages": [user, call, result("2")], "toolConfig": clock()}), "Expected toolResult blocks"),
        (json!({"messages": [user, call, user], "toolConfig": clock()}), "Expected toolResult blocks"),
        (json!({"toolConfig": {"tools": []}}), "at least 1 item"),
        (
            json!({"toolConfig": {"tools": [{"toolSpec": {"name": "x", "inputSchema": {"json": {}}}}]}}),
            "type object",
        ),
        (json!({"inferenceConfig": {"temperature": 1.5}}), "temperature"),
        (json!({"inferenceConfig": {"maxTokens": 0}}), "maxTokens"),
        (json!({"inferenceConfig": {"topK": 1}}), "extraneous key"),
        (json!({"model": "x"}), "extraneous key"),
    ] {
        let answer = exchange(mock.addr(), &post("m", WHOLE, &ask(more.clone())));
        assert_eq!(answer.status, 400, "{more}");
        assert!(answer.json()["message"].as_str().unwrap().contains(message), "{}", answer.body);
    }
    let whole = json!({"messages": [user, call, result("1")], "toolConfig": clock()});
    assert_eq!(exchange(mock.addr(), &post("m", WHOLE, &ask(whole))).status, 200);
}

#[expect(clippy::disallowed_methods, reason = "the mock tells the time by the clock of the world outside")]
fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// A request signed with this key at this time.
fn signed(secret: &str, id: &str, at_s: u64) -> String {
    let body = ask(json!({})).to_string();
    let key = AccessKey {
        id: id.to_owned(),
        secret: Secret::new(secret.to_owned()),
        session_token: Some(Secret::new("token".to_owned())),
    };
    let request = Request {
        method: "POST",
        path: "/model/m%3A0/converse",
        segments: Segments::Normalised,
        query: "",
        headers: &[("host", "mock")],
        body: body.as_bytes(),
    };
    let proof = sign(&key, Scope { region: "eu-west-1", service: "bedrock", at_s }, request);
    format!(
        "POST /model/m%3A0/converse HTTP/1.1\r\nhost: mock\r\nx-amz-date: {}\r\nauthorization: {}\r\n\
         x-amz-security-token: token\r\ncontent-length: {}\r\n\r\n{body}",
        proof.date,
        proof.authorization,
        body.len()
    )
}

#[test]
fn only_a_request_that_is_as_it_was_signed_is_answered() {
    const WRONG: &str = "InvalidSignatureException";
    let mock = mock();
    let (secret, id, now_s) = (SECRET_ACCESS_KEY, ACCESS_KEY_ID, now_s());
    assert_eq!(exchange(mock.addr(), &signed(secret, id, now_s)).status, 200);
    for (secret, id, at_s, (from, to), exception) in [
        ("other", id, now_s, ("", ""), WRONG),
        (secret, "AKIAOTHER", now_s, ("", ""), "UnrecognizedClientException"),
        (secret, id, now_s - 3_600, ("", ""), WRONG),
        (secret, id, now_s, ("hello", "hallo"), WRONG),
        (secret, id, now_s, ("/m%3A0/", "/n%3A0/"), WRONG),
        (secret, id, now_s, ("host: mock", "host: m"), WRONG),
        (secret, id, now_s, (": token", ": t"), WRONG),
        (secret, id, now_s, ("x-amz-date: ", "x-date: "), "IncompleteSignatureException"),
        (secret, id, now_s, ("authorization: ", "x: "), "MissingAuthenticationTokenException"),
    ] {
        let answer = exchange(mock.addr(), &signed(secret, id, at_s).replacen(from, to, 1));
        let seen = answer.header("x-amzn-errortype").unwrap_or_default();
        assert_eq!((answer.status, seen.split(':').next()), (403, Some(exception)), "{from}");
    }
}

#[test]
fn nothing_is_said_that_a_recorded_answer_does_not_say() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/fixtures/bedrock"));
    let Ok(files) = std::fs::read_dir(folder) else {
        println!("recorded answers of Bedrock: absent");
        return;
    };
    let mut recorded = BTreeSet::new();
    let mut count = 0;
    for path in files.map(|entry| entry.unwrap().path()) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let is_one = name.starts_with("converse") && !name.contains("meta") && !name.contains("expected");
        let Some(answer) = is_one.then(|| std::fs::read(&path).unwrap()) else { continue };
        if name.ends_with(".bin") {
            for (_, name, event) in frames(&answer) {
                paths(&event, &name, &mut recorded);
            }
        } else {
            paths(&serde_json::from_slice(&answer).unwrap(), "", &mut recorded);
        }
        count += 1;
    }
    assert!(count > 10);
    let mock = mock();
    let mut ours = BTreeSet::new();
    for answer in
        [json!({}), json!({"toolConfig": clock()})].into_iter().flat_map(|more| both(mock.addr(), more))
    {
        if answer.bytes.is_empty() {
            // the arguments of a call are the tool's own
            let mut answer = answer.json();
            if let Some(call) = answer.pointer_mut("/output/message/content/0/toolUse") {
                call["input"] = json!({});
            }
            paths(&answer, "", &mut ours);
        }
        frames(&answer.bytes).iter().for_each(|(_, name, event)| paths(event, name, &mut ours));
    }
    assert_eq!(ours.difference(&recorded).collect::<Vec<_>>(), Vec::<&String>::new());
    println!("recorded answers of Bedrock: {count} compared");
}
