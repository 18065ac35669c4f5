//! Every tongue before every dialect: what one request becomes there, and what is made of that vendor's answer.

use std::{fmt::Write as _, fs, path::Path};

use bytes::Bytes;
use nexus_core::{
    call::{Call, Operation},
    capabilities::Capabilities,
    site::{Options, Site},
};
use nexus_providers::{
    dialect::{Ask, Dialect, Encoded, Unsayable, fitted},
    tongue::{self, Address, OwnAsk, Terms, Told, Words},
};
use nexus_wire::chat::ChatRequest;

use crate::{
    drive::{self, vendor},
    tongue::told,
};

/// Each way to speak, with a model that is asked there, and an answer with words or calls in it.
const DIALECTS: [(&str, &str, &str); 9] = [
    ("openai", "gpt-5", "vllm.both-names-of-reasoning"),
    ("azure", "gpt-5", "azure.filtered"),
    ("anthropic", "claude-sonnet-4-5", "anthropic.thoughts-and-calls"),
    ("bedrock", "anthropic.claude-sonnet-4-5-v1:0", "bedrock.thoughts-and-calls"),
    ("gemini", "gemini-2.5-pro", "gemini.thoughts-and-calls"),
    ("vertex", "gemini-2.5-pro", "vertex.text"),
    ("vertex", "claude-sonnet-4-5", "vertex.claude"),
    ("cohere", "command-a-03-2025", "cohere.thoughts-and-calls"),
    ("ollama-native", "qwen3", "ollama-native.calls-with-ids"),
];

/// The same request in each tongue: a system's word, a question, a call and its result, a tool and a limit.
const TONGUES: [(Operation, &str); 3] = [
    (
        Operation::Messages,
        r#"{"model":"alias","max_tokens":900,"system":"be brief","messages":[{"role":"user","content":"what time is it?"},{"role":"assistant","content":[{"type":"tool_use","id":"call_1","name":"clock","input":{"zone":"utc"}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"call_1","content":"noon"}]}],"tools":[{"name":"clock","description":"tells the time","input_schema":{"type":"object","properties":{"zone":{"type":"string"}}}}],"temperature":0.5}"#,
    ),
    (
        Operation::Responses,
        r#"{"model":"alias","max_output_tokens":900,"instructions":"be brief","input":[{"role":"user","content":"what time is it?"},{"type":"function_call","call_id":"call_1","name":"clock","arguments":"{\"zone\":\"utc\"}"},{"type":"function_call_output","call_id":"call_1","output":"noon"}],"tools":[{"type":"function","name":"clock","description":"tells the time","parameters":{"type":"object","properties":{"zone":{"type":"string"}}}}],"temperature":0.5}"#,
    ),
    (
        Operation::GenerateContent,
        r#"{"systemInstruction":{"parts":[{"text":"be brief"}]},"contents":[{"role":"user","parts":[{"text":"what time is it?"}]},{"role":"model","parts":[{"functionCall":{"id":"call_1","name":"clock","args":{"zone":"utc"}}}]},{"role":"user","parts":[{"functionResponse":{"id":"call_1","name":"clock","response":{"output":"noon"}}}]}],"tools":[{"functionDeclarations":[{"name":"clock","description":"tells the time","parameters":{"type":"OBJECT","properties":{"zone":{"type":"STRING"}}}}]}],"generationConfig":{"maxOutputTokens":900,"temperature":0.5}}"#,
    ),
];

fn address(operation: Operation) -> Address {
    match operation {
        Operation::GenerateContent => Address { model: drive::ALIAS.to_owned(), framing: None },
        _ => Address::default(),
    }
}

/// The request in the vendor's words, and whether they are the client's own.
fn encoded(
    operation: Operation,
    body: &Bytes,
    dialect: &dyn Dialect,
    real_model: &str,
) -> (Words, Result<Encoded, Unsayable>) {
    let options: Options = [("project", "p1")].into_iter().collect();
    let site = Site { region: None, options: &options, base_path: "" };
    let capabilities = Capabilities::UNSAID;
    let call = Call { operation, ..drive::call(false, false) };
    if let Some(own) = dialect.own(operation, real_model, site) {
        let ask = OwnAsk { call: &call, body, along: &[], real_model, capabilities, site };
        return (Words::Own, own.encode(ask));
    }
    let tongue = tongue::of(operation).unwrap();
    let plain = tongue.read(&address(operation), body, Terms::Plain).unwrap();
    let chat = match plain.has_more && dialect.terms() != Terms::Plain {
        true => tongue.read(&address(operation), body, dialect.terms()).unwrap().chat,
        false => plain.chat,
    };
    let request = ChatRequest::read(&chat).unwrap();
    let ask = Ask { call: &call, body: &chat, request: &request, real_model, capabilities, site };
    (Words::Chat, fitted::encode(dialect, ask))
}

/// What a client of the tongue is told of a vendor's whole answer.
fn answered(operation: Operation, sent: &Bytes, words: Words, dialect: &dyn Dialect, case: &str) -> String {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/whole"));
    let body = Bytes::from(fs::read(path.join(format!("{case}.json"))).unwrap());
    if words == Words::Own {
        return "as it is".to_owned();
    }
    let decoded = dialect.decode(&drive::call(false, false), &body).unwrap();
    let told = Told { address: address(operation), ..told(sent) };
    let whole = tongue::of(operation).unwrap().whole(&told, &decoded.body).unwrap();
    String::from_utf8(whole.to_vec()).unwrap()
}

#[test]
fn every_tongue_is_understood_by_every_dialect_and_told_its_answer() {
    for (operation, body) in TONGUES {
        let body = Bytes::from_static(body.as_bytes());
        let mut seen = String::new();
        for (id, real_model, case) in DIALECTS {
            let dialect = vendor(id);
            let (words, encoded) = encoded(operation, &body, dialect, real_model);
            let encoded = encoded.unwrap_or_else(|unsayable| panic!("{operation:?} to {id}: {unsayable:?}"));
            let sent = String::from_utf8(encoded.body.to_vec()).unwrap();
            let told = answered(operation, &body, words, dialect, case);
            write!(seen, "== {id}: {real_model}\n{}\n{sent}\n-- {case}\n{told}\n\n", encoded.path).unwrap();
        }
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/snapshots"));
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!(format!("pairs.{}", operation.as_str()), seen.trim_end()));
    }
}
