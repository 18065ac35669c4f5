//! Whether the parser of structured fields is one to build on: the shared collection, run where it lies.
//!
//! What is parsed is written again and compared with the canonical form, as a signature base would have it.

use serde_json::Value;
use sfv::{Dictionary, FieldType, Item, List, Parser};

/// A field's canonical form; none for a malformed one. The canonical form of an empty one is empty.
fn rewritten<T: FieldType>(field: &str, serialize: impl Fn(&T) -> Option<String>) -> Option<String> {
    Parser::new(field).parse::<T>().ok().map(|parsed| serialize(&parsed).unwrap_or_default())
}

/// A field of one of the three types.
fn canonical(header_type: &str, field: &str) -> Option<String> {
    match header_type {
        "dictionary" => rewritten::<Dictionary>(field, Dictionary::serialize),
        "list" => rewritten::<List>(field, List::serialize),
        "item" => rewritten::<Item>(field, |item| Some(item.serialize())),
        other => panic!("a new type of field: {other}"),
    }
}

fn joined(lines: &Value) -> String {
    lines.as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect::<Vec<_>>().join(", ")
}

#[test]
fn the_published_structured_fields_are_read_as_they_are_meant() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpora/structured-field-tests");
    let Ok(files) = std::fs::read_dir(path) else { return println!("structured fields: absent") };
    let mut count = 0;
    for file in files.map(|file| file.unwrap().path()).filter(|file| file.extension().is_some()) {
        let cases: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        for case in cases.as_array().unwrap() {
            let name = format!("{}: {}", file.display(), case["name"]);
            let raw = joined(&case["raw"]);
            let expected = case.get("canonical").map_or_else(|| raw.clone(), joined);
            match canonical(case["header_type"].as_str().unwrap(), &raw) {
                None => assert!(case["must_fail"] == true || case["can_fail"] == true, "{name}"),
                Some(canonical) => {
                    assert!(case["must_fail"] != true, "{name}");
                    assert_eq!(canonical, expected, "{name}");
                }
            }
            count += 1;
        }
    }
    println!("structured fields: {count} ran");
    assert!(count > 0);
}

#[test]
fn what_a_signature_needs_of_them_holds_everywhere() {
    for (header_type, field, expected) in [
        ("dictionary", r#"a=("@method"   "@path" );b=1;  c="x""#, Some(r#"a=("@method" "@path");b=1;c="x""#)),
        ("dictionary", "a=1, a=2", Some("a=2")),
        ("dictionary", "a;x=1;y;x=2", Some("a;x=2;y")),
        ("dictionary", "a=:AAECAw:", Some("a=:AAECAw==:")),
        ("dictionary", r#"a="\"\\""#, Some(r#"a="\"\\""#)),
        ("dictionary", "", Some("")),
        ("dictionary", "a=1,", None),
        ("dictionary", "A=1", None),
        ("dictionary", r#"a="\x""#, None),
        ("dictionary", "a=\"\u{e9}\"", None),
        ("dictionary", "a=1\n", None),
        ("dictionary", "a=(\"b\"\"c\")", None),
        ("dictionary", "a=1000000000000000", None),
    ] {
        assert_eq!(canonical(header_type, field).as_deref(), expected, "{field}");
    }
}
