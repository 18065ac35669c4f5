//! Recorded exchanges, run where they lie: our count against the one OpenAI billed.
//!
//! The bound is what an estimate is worth: exact for plain text, within a quarter with functions and schemas.

use std::{fs, path::Path};

use nexus_tokens::count_chat_request;
use serde_json::Value;

/// The billed prompt tokens of an answer, whole or streamed.
fn billed(answer: &Path) -> Option<u64> {
    let text =
        ["json", "sse"].iter().find_map(|form| fs::read_to_string(answer.with_extension(form)).ok())?;
    let (_, rest) = text.split_once("\"prompt_tokens\":")?;
    rest.trim_start().split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[test]
fn a_count_is_within_a_quarter_of_what_openai_billed() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/fixtures/openai");
    let Ok(entries) = fs::read_dir(folder) else {
        return println!("recorded requests: absent");
    };
    let mut ran = 0;
    for path in entries.map(|entry| entry.unwrap().path()) {
        let name = path.to_str().unwrap();
        let is_chat = name.contains("chat_completions") && !["image", "pdf"].iter().any(|m| name.contains(m));
        let Some(stem) = name.strip_suffix(".meta.json").filter(|_| is_chat) else { continue };
        let Some(billed) = billed(Path::new(&format!("{stem}.json"))) else { continue };
        let meta: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let counted = count_chat_request(&meta["request"]["body"].to_string());
        assert!(counted.abs_diff(billed) * 4 <= billed, "{counted} for {billed}: {name}");
        ran += 1;
    }
    println!("recorded requests: {ran} ran");
    assert!(ran > 0);
}
