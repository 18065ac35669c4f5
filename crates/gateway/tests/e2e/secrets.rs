//! The canary sweep: planted secrets and prompts are in no log, metric, answer or database file.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};

use crate::node::{ENCRYPTION_KEY, PROVIDER_KEY, SECRET_KEY, ask_stream, mocked};

const PROMPT: &str = "the canary prompt 4f9c21 about nothing";

#[test]
fn no_secret_and_no_prompt_is_logged_counted_told_or_stored() {
    let scripts = [
        ("echo", "mock-gpt+echo_key_401"),
        ("html", "mock-gpt+fault=html"),
        ("down", "mock-gpt+fault=status:500"),
        ("cut", "mock-gpt+fault=cut_after_events:1"),
        ("empty", "mock-gpt+fault=empty"),
    ];
    let (_mock, site) = mocked(&scripts);
    let (_, key) = site.key("app");
    let node = site.start_with(&["--debug"]);
    let mut told = String::new();
    for alias in ["gpt", "echo", "html", "down", "cut", "empty", "nobody"] {
        for stream in [false, true] {
            let content = format!("{PROMPT} {alias}");
            let body = ask_stream(alias)
                .replace("say hello", &content)
                .replace("true", if stream { "true" } else { "false" });
            let answer = node.chat(&key, &body);
            if alias != "gpt" && alias != "cut" {
                told.push_str(answer.text());
            }
        }
    }
    node.chat(&format!("{key}x"), "{}");
    let metrics = node.metrics();
    node.stop();
    let signature = key.rsplit('.').next().unwrap();
    let mut places = vec![("the log".to_owned(), site.log().into_bytes())];
    places.push(("the metrics".to_owned(), metrics.into_bytes()));
    places.push(("the errors".to_owned(), told.into_bytes()));
    for entry in walk(&site.file("nexus-data")) {
        places.push((entry.display().to_string(), std::fs::read(&entry).unwrap()));
    }
    assert!(places.len() > 3, "the database and the journal are looked at");
    for (place, bytes) in places {
        for canary in [PROVIDER_KEY, signature, SECRET_KEY, ENCRYPTION_KEY, PROMPT] {
            assert!(!holds(&bytes, canary), "`{canary}` is in {place}");
        }
    }
}

pub fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    std::fs::read_dir(folder)
        .unwrap()
        .flat_map(|entry| {
            let path = entry.unwrap().path();
            if path.is_dir() { walk(&path) } else { vec![path] }
        })
        .collect()
}

/// Whether a text stands somewhere in there.
pub fn holds(bytes: &[u8], text: &str) -> bool {
    String::from_utf8_lossy(bytes).contains(text)
}

/// Whether one of these stands somewhere in there.
pub fn holds_any(text: &str, codings: &[String]) -> bool {
    codings.iter().any(|coding| text.contains(coding.as_str()))
}

/// A secret as it may stand in a text: plain, escaped for a URL, in hexadecimal, in base64 wherever it begins.
pub fn codings(secret: &str) -> Vec<String> {
    let bytes = secret.as_bytes();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let escaped: String = url::form_urlencoded::byte_serialize(bytes).collect();
    let mut codings = vec![secret.to_owned(), hex.to_uppercase(), hex, escaped.replace('+', "%20"), escaped];
    for before in 0..3 {
        let shifted = [&b"\0\0\0"[..before], bytes].concat();
        for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            let text = engine.encode(&shifted);
            // the first and the last letters depend on what stands beside the secret
            codings.push(text[(before * 8).div_ceil(6)..text.len() - 2].to_owned());
        }
    }
    codings
}

#[test]
fn a_secret_is_found_in_every_coding() {
    const SECRET: &str = "sk-canary with / and + 93c1f0";
    for text in [
        SECRET.to_owned(),
        "736b2d63616e6172792077697468202f20616e64202b20393363316630".to_owned(),
        "sk-canary+with+%2F+and+%2B+93c1f0".to_owned(),
        STANDARD_NO_PAD.encode(format!("{SECRET} behind")),
        STANDARD_NO_PAD.encode(format!("a{SECRET} behind")),
        STANDARD_NO_PAD.encode(format!("ab{SECRET} behind")),
        URL_SAFE_NO_PAD.encode(format!("abc{SECRET}")),
    ] {
        assert!(holds_any(&format!("<<{text}>>"), &codings(SECRET)), "{text}");
    }
    assert!(!holds_any("sk-canary with something else", &codings(SECRET)));
}
