//! The shared collections of attacks and of strings that break things, run where they lie.

use nexus_shield::{Position, inspect, inspect_body_head, is_xml};
use serde_json::Value;

use crate::attacks::{STRUCTURE, texts};

fn collection(name: &str) -> Option<Vec<Value>> {
    let text =
        std::fs::read_to_string(format!("{}/../../../shared/corpora/{name}", env!("CARGO_MANIFEST_DIR")))
            .ok()?;
    Some(serde_json::from_str(&text).unwrap())
}

#[test]
fn every_collected_injection_is_found_in_every_position() {
    let Some(cases) = collection("own/sqli_structural.json") else {
        return println!("collected injections: absent");
    };
    for payload in cases.iter().map(|case| case["payload"].as_str().unwrap()) {
        for position in STRUCTURE {
            for text in texts(position, payload) {
                assert!(inspect(position, &text).is_some(), "{text} in {position:?}");
            }
        }
    }
    println!("collected injections: {} ran", cases.len());
    assert!(!cases.is_empty());
}

#[test]
fn every_collected_document_is_refused_and_every_content_left_alone() {
    let Some(cases) = collection("own/xml_cases.json") else {
        return println!("collected documents: absent");
    };
    for case in &cases {
        let name = case["name"].as_str().unwrap();
        let content_type = case["content_type"].as_str().unwrap();
        let text = case["body"].as_str().unwrap();
        let body = text.strip_prefix("UTF16:").map_or_else(|| text.as_bytes().to_vec(), utf16);
        let is_content = ["application/json", "multipart/form-data"].contains(&content_type);
        let is_refused = is_xml(content_type) || inspect_body_head(content_type, &body).is_some();
        assert_eq!(is_refused, !is_content, "{name}");
        // Those that reach out are known by their first bytes too, whatever they are said to be.
        if !is_content && ["xxe", "xinclude"].iter().any(|word| name.contains(word)) {
            assert!(inspect_body_head("text/plain", &body).is_some(), "{name}");
        }
    }
    println!("collected documents: {} ran", cases.len());
    assert!(!cases.is_empty());
}

fn utf16(text: &str) -> Vec<u8> {
    "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

#[test]
fn of_the_collected_naughty_strings_only_injections_are_found() {
    let Some(cases) = collection("blns/blns.json") else {
        return println!("naughty strings: absent");
    };
    let is_injection =
        |text: &str| ["DROP TABLE", "OR 1=1", "OR '1'='1"].iter().any(|part| text.contains(part));
    let names: Vec<&str> = cases.iter().map(|case| case.as_str().unwrap()).collect();
    let found = |name: &&&str| inspect(Position::Name, name).is_some();
    let wrong: Vec<_> = names.iter().filter(|name| !is_injection(name)).filter(found).collect();
    assert!(wrong.len() * 100 <= names.len(), "{wrong:?}");
    println!("naughty strings: {} ran", names.len());
}
