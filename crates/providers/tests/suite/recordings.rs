//! Recorded traffic of the vendors, where it lies: nothing a vendor really sent may be
//! taken for a fault, read wrongly or counted wrongly.

use std::{
    fs,
    path::{Path, PathBuf},
};

use nexus_core::{
    fault::Class,
    usage::{Quantity, Usage},
};
use nexus_providers::dialect::{Dialect, Head};
use serde_json::{Value, json};

use crate::drive::{self, Seen, vendor};

/// A vendor's folder and the row it is read with.
const FOLDERS: &[(&str, &str)] = &[
    ("openai", "openai"),
    ("openai-compatible", "custom"),
    ("openrouter", "openrouter"),
    ("groq", "groq"),
    ("deepseek", "deepseek"),
    ("mistral", "mistral"),
    ("xai", "xai"),
    ("together", "together"),
    ("perplexity", "perplexity"),
    ("ollama", "ollama"),
    ("cerebras", "cerebras"),
    ("huggingface", "huggingface"),
    ("moonshotai", "moonshot"),
    ("zai", "zai"),
    ("alibaba", "qwen"),
    ("azure", "azure"),
    ("cohere", "cohere"),
    ("crusoe", "custom"),
    ("heroku", "custom"),
    ("snowflake", "custom"),
    ("anthropic", "anthropic"),
    ("bedrock", "bedrock"),
    ("bedrock-mantle", "custom"),
    ("gemini", "gemini"),
    ("vertex", "vertex"),
];

/// Whether a recording's endpoint is one that the dialects speak.
fn is_spoken(endpoint: &str) -> bool {
    let endpoint = endpoint.split('?').next().unwrap_or_default();
    endpoint.contains("chat/completions")
        || ["messages", "/chat", "converse", "converse-stream", "generateContent", "streamGenerateContent"]
            .iter()
            .any(|end| endpoint.ends_with(end))
}

/// Some files hold the streams of a whole conversation, one behind the other: no body of one answer.
fn is_one_answer(recording: &Recording) -> bool {
    String::from_utf8_lossy(&recording.body).matches("\"message_stop\"").count() <= 1
}

struct Recording {
    name: String,
    vendor: &'static dyn Dialect,
    status: u16,
    error_type: Option<String>,
    is_stream: bool,
    body: Vec<u8>,
    expected: Value,
}

fn recordings(folder: &Path, id: &'static str) -> Vec<Recording> {
    let json = |path: &Path| fs::read(path).ok().and_then(|body| serde_json::from_slice::<Value>(&body).ok());
    let read = |path: PathBuf| {
        let meta = json(&path).filter(|_| path.to_string_lossy().ends_with(".meta.json"))?;
        let request = &meta["request"];
        let endpoint = request["endpoint"].as_str().or(request["url"].as_str()).unwrap_or_default();
        let file = meta["response"]["file"].as_str().unwrap();
        let expected = json(Path::new(&path.to_string_lossy().replace(".meta.json", ".expected.json")))?;
        // One folder's embeddings bear the endpoint of its answers.
        let is_answer = is_spoken(endpoint) && !file.contains("embedding");
        is_answer.then(|| Recording {
            name: path.to_string_lossy().into_owned(),
            vendor: vendor(id),
            status: meta["response"]["status"].as_u64().unwrap() as u16,
            error_type: meta["response"]["headers"]["x-amzn-errortype"].as_str().map(str::to_owned),
            is_stream: file.ends_with(".sse") || file.ends_with(".bin"),
            body: fs::read(folder.join(file)).unwrap(),
            expected,
        })
    };
    drive::files(folder).into_iter().filter_map(read).filter(is_one_answer).collect()
}

impl Recording {
    fn check(&self) {
        if self.status != 200 {
            let error_type = self.error_type.as_deref();
            let head = Head { status: self.status, error_type, ..Head::default() };
            let fault = self.vendor.fault(head, &self.body);
            assert_ne!(fault.class, Class::BadAnswer, "{}", self.name);
            assert!(
                fault.said.is_some_and(|said| !said.message.is_empty() && !said.message.contains("**")),
                "{}",
                self.name
            );
        } else if self.is_stream {
            self.check_stream();
        } else {
            self.check_whole();
        }
    }

    fn check_stream(&self) {
        let [plain, with_usage] = drive::check_cuts(&self.name, self.vendor, &self.body);
        let error = self.is_broken();
        assert_eq!(
            (plain.end.is_err(), with_usage.end.is_err()),
            (error, error),
            "{} {:?}",
            self.name,
            plain.end
        );
        let seen = drive::read_chunks(&self.name, &plain.shown);
        assert_eq!(seen.usage, None, "{}", self.name);
        self.check_seen(&seen, error);
        if !error {
            self.check_usage(plain.consumed.usage);
            let shown = drive::read_chunks(&self.name, &with_usage.shown).usage;
            assert_eq!(shown.is_some(), plain.consumed.usage.is_some(), "{}", self.name);
        }
    }

    /// Whether the vendor's own form is another than OpenAI's.
    fn is_native(&self) -> bool {
        ["anthropic", "bedrock", "gemini", "vertex"].contains(&self.vendor.id())
    }

    fn is_broken(&self) -> bool {
        match self.expected["error"].as_str() {
            // One vendor ends with `[DONE]` and no finish reason: its word that this was all is believed.
            Some("premature_end") => self.is_native(),
            // A dialect whose streams say their end takes one without it for cut off.
            None => self.name.contains("eof-after-message-delta"),
            Some(_) => true,
        }
    }

    /// Whether the recording's expectation of this is one reading of several.
    fn is_soft(&self, what: &str) -> bool {
        self.expected["soft"].as_array().is_some_and(|soft| soft.iter().any(|word| word == what))
    }

    fn check_whole(&self) {
        let decoded =
            drive::decode(self.vendor, &self.body).unwrap_or_else(|fault| panic!("{}: {fault:?}", self.name));
        let mut shown: Value = serde_json::from_slice(&decoded.body).unwrap();
        assert_eq!(shown["model"], drive::ALIAS, "{}", self.name);
        let choice = &mut shown["choices"][0];
        choice["delta"] = choice["message"].take();
        let chunk =
            json!({"id": "c", "object": "o", "created": 1, "model": drive::ALIAS, "choices": [choice]});
        self.check_seen(&drive::read_chunks(&self.name, &format!("data: {chunk}\n\n")), false);
        self.check_usage(decoded.consumed.usage);
    }

    fn check_seen(&self, seen: &Seen, is_broken: bool) {
        let expected = &self.expected;
        assert!(self.is_soft("text") || expected["text"] == *seen.text, "{}: {}", self.name, seen.text);
        if self.is_native() {
            assert_eq!(expected["reasoning"].as_str(), Some(&*seen.reasoning), "{}", self.name);
        }
        let calls: Vec<Value> = seen
            .calls
            .iter()
            .map(|(name, arguments)| {
                let args = if arguments.is_empty() {
                    json!({})
                } else {
                    serde_json::from_str(arguments).unwrap_or(json!(arguments))
                };
                json!({"name": name, "args": args})
            })
            .collect();
        if !is_broken {
            let finish = expected["finish"].as_str().map(|word| match word {
                "" if !seen.calls.is_empty() => "tool_calls",
                "" | "eos" => "stop",
                known => known,
            });
            // One end that the vendor itself calls another is left open.
            let finish = finish.or(self.name.contains("finish-OTHER").then_some("stop"));
            assert_eq!(finish, seen.finish.as_deref(), "{}", self.name);
            // Arguments that are no JSON, because the answer was too long, are expected as `null`.
            let calls: Vec<Value> = calls
                .into_iter()
                .zip(
                    expected["tool_calls"]
                        .as_array()
                        .into_iter()
                        .flatten()
                        .chain(std::iter::repeat(&Value::Null)),
                )
                .map(|(mut call, expected)| {
                    if call["args"].is_string() && expected["args"].is_null() {
                        call["args"] = Value::Null;
                    }
                    call
                })
                .collect();
            assert!(
                self.is_soft("tool_calls") || expected["tool_calls"] == Value::from(calls.clone()),
                "{}: {calls:?}",
                self.name
            );
        }
    }

    fn check_usage(&self, usage: Option<Usage>) {
        let said = &self.expected["usage"];
        assert_eq!(usage.is_some(), !said.is_null(), "{}", self.name);
        let Some(usage) = usage.filter(|_| !self.is_soft("usage")) else { return };
        let count = |name: &str| said[name].as_u64().unwrap();
        assert_eq!(usage.prompt_tokens(), count("prompt"), "{}", self.name);
        // One vendor reports more cached tokens than the prompt had; more than it had is not booked.
        assert_eq!(usage.of(Quantity::CacheRead), count("cached").min(count("prompt")), "{}", self.name);
        let completion = count("completion");
        let all = usage.completion_tokens();
        let visible = all - usage.of(Quantity::Reasoning);
        assert!(visible == completion || all == completion, "{}: {usage:?}", self.name);
    }
}

#[test]
fn recorded_traffic_of_every_vendor_is_read_as_it_was_meant() {
    let shared = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/fixtures"));
    if !shared.exists() {
        println!("fixtures: absent, no recordings run");
        return;
    }
    let mut count = 0;
    for (folder, id) in FOLDERS {
        for recording in recordings(&shared.join(folder), id) {
            recording.check();
            count += 1;
        }
    }
    assert!(count > 100);
    println!("fixtures: {count} recordings of {} vendors", FOLDERS.len());
}

/// Recordings that nobody has read for us: what is in them must be an answer, complete and counted.
#[test]
fn every_recorded_answer_of_cohere_is_complete_and_counted() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/fixtures/cohere"));
    if !folder.exists() {
        println!("cohere: absent, no recordings run");
        return;
    }
    let is_meta = |path: &PathBuf| path.to_string_lossy().ends_with(".meta.json");
    let mut count = 0;
    for path in drive::files(folder).into_iter().filter(is_meta) {
        let name = path.to_string_lossy();
        let meta: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let endpoint = meta["request"]["url"].as_str().or(meta["request"]["endpoint"].as_str()).unwrap();
        let is_chat = endpoint.ends_with("/v2/chat") || endpoint == "chat" && !name.contains("embedding");
        if !is_chat || meta["response"]["status"] != 200 {
            continue;
        }
        let file = meta["response"]["file"].as_str().unwrap();
        let body = fs::read(folder.join(file)).unwrap();
        let (consumed, seen) = if file.ends_with(".sse") {
            let [plain, _] = drive::check_cuts(&name, vendor("cohere"), &body);
            assert_eq!(plain.end, Ok(()), "{name}");
            (plain.consumed.clone(), drive::read_chunks(&name, &plain.shown))
        } else {
            let decoded = drive::decode(vendor("cohere"), &body).unwrap();
            let mut shown: Value = serde_json::from_slice(&decoded.body).unwrap();
            shown["choices"][0]["delta"] = shown["choices"][0]["message"].take();
            shown.as_object_mut().unwrap().remove("usage");
            (decoded.consumed, drive::read_chunks(&name, &format!("data: {shown}\n\n")))
        };
        assert!(consumed.usage.is_some_and(|usage| usage.tokens() > 0), "{name}");
        assert!(!seen.text.is_empty() || !seen.calls.is_empty(), "{name}");
        for (_, arguments) in &seen.calls {
            assert!(serde_json::from_str::<Value>(arguments).unwrap().is_object(), "{name}: {arguments}");
        }
        assert_eq!(seen.finish.as_deref() == Some("tool_calls"), !seen.calls.is_empty(), "{name}");
        count += 1;
    }
    assert!(count > 8);
    println!("cohere: {count} answers");
}
