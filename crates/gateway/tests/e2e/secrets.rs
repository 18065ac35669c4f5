//! The canary sweep: planted secrets and prompts are in no log, metric, answer or database file.

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
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}
