//! Bodies of XML by their type and by their first bytes, in every encoding a parser would take.

use nexus_shield::{HEAD_BYTES_MAX, Kind, Position, inspect_body_head, is_xml};

const DOCUMENT: &str =
    r#"<?xml version="1.0"?><!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/hostname">]><r>&x;</r>"#;

#[test]
fn a_type_is_one_of_xml_in_any_case_with_any_parameters() {
    let cases: &[(&str, bool)] = &[
        ("application/xml", true),
        ("text/xml", true),
        ("TEXT/XML; charset=utf-16", true),
        ("application/XML;charset=utf-7", true),
        (" application/xml ", true),
        ("image/svg+xml", true),
        ("application/soap+xml; action=\"x\"", true),
        ("application/xhtml+xml", true),
        ("application/xml-dtd", true),
        ("text/xml-external-parsed-entity", true),
        ("application/json, application/xml", true),
        ("text/x-xml", true),
        ("", false),
        ("xml", false),
        ("application/json", false),
        ("application/json; charset=utf-8", false),
        ("text/plain", false),
        ("text/html", false),
        ("application/xmlrpc", false),
        ("multipart/form-data; boundary=a/b+xml", false),
        ("multipart/form-data; boundary=\"text/xml\"", false),
        ("application/vnd.xml.json", false),
    ];
    for (content_type, expected) in cases {
        assert_eq!(is_xml(content_type), *expected, "{content_type}");
    }
}

fn wide<const N: usize>(text: &str, bytes: impl Fn(u32) -> [u8; N]) -> Vec<u8> {
    text.chars().flat_map(|char| bytes(u32::from(char))).collect()
}

/// The text in each encoding, once with a byte order mark and once without.
fn encodings(text: &str) -> Vec<(&'static str, Vec<u8>)> {
    let low = |char: u32| u16::try_from(char).unwrap();
    let plain = [
        ("utf-8", text.as_bytes().to_vec(), "\u{feff}".as_bytes().to_vec()),
        ("utf-16le", wide(text, |char| low(char).to_le_bytes()), vec![0xff, 0xfe]),
        ("utf-16be", wide(text, |char| low(char).to_be_bytes()), vec![0xfe, 0xff]),
        ("utf-32le", wide(text, u32::to_le_bytes), vec![0xff, 0xfe, 0, 0]),
        ("utf-32be", wide(text, u32::to_be_bytes), vec![0, 0, 0xfe, 0xff]),
    ];
    plain
        .into_iter()
        .flat_map(|(name, bytes, mark)| [(name, bytes.clone()), (name, [mark, bytes].concat())])
        .collect()
}

#[test]
fn every_attack_is_found_in_every_encoding() {
    let texts = [
        DOCUMENT,
        "<!DOCTYPE r SYSTEM \"http://198.51.100.7/x.dtd\"><r/>",
        "  \r\n\t<!doctype r><r/>",
        "<!-- first --><!DocType r [<!entity % p SYSTEM \"p\"> %p;]><r/>",
        "<?xml version='1.0' encoding='ISO-8859-1'?>\n\n<!DOCTYPE\nr>",
        "<! DOCTYPE r>",
        "<!ENTITY lol \"lol\"><!ENTITY lol2 \"&lol;&lol;\">",
        "<r xmlns:xi=\"http://www.w3.org/2001/XInclude\"><xi:include href=\"file:///etc/hostname\"/></r>",
        "<größe/><!DOCTYPE r>",
    ];
    for text in texts {
        for (encoding, bytes) in encodings(text) {
            for content_type in
                ["", "text/plain", "application/json", "application/octet-stream", "application/xml"]
            {
                let finding = inspect_body_head(content_type, &bytes);
                let found = finding.map(|finding| (finding.kind, finding.position));
                assert_eq!(
                    found,
                    Some((Kind::Xxe, Position::Body)),
                    "{text} in {encoding} as {content_type}"
                );
            }
        }
    }
}

#[test]
fn encodings_without_plain_letters_are_read_too() {
    let bodies: &[(&str, &[u8])] = &[
        ("utf-7, shifted signs", b"+ADwAIQ-DOCTYPE r+AD4-"),
        ("utf-7, shifted whole", b"+ADwAIQBEAE8AQwBUAFkAUABF r>"),
        ("utf-7, a bracket only", b"<?xml version='1.0' encoding='UTF-7'?>+ADw-!ENTITY x 'y'+AD4-"),
        ("ebcdic", &[0x4c, 0x6f, 0xa7, 0x94, 0x93, 0x40]),
    ];
    for (name, body) in bodies {
        assert!(inspect_body_head("text/plain", body).is_some(), "{name}");
    }
}

#[test]
fn content_is_left_alone() {
    let prompt = r#"{"messages":[{"role":"user","content":"<!DOCTYPE r [<!ENTITY x SYSTEM \"file:///etc/hostname\">]>"}]}"#;
    let cases: &[(&str, &str)] = &[
        ("application/json", prompt),
        ("text/plain", prompt),
        ("", prompt),
        ("application/json", "\u{feff} \n [\"<!DOCTYPE r>\"]"),
        ("application/json", "\"<!ENTITY x>\""),
        ("multipart/form-data; boundary=x", "--x\r\nContent-Type: text/xml\r\n\r\n<!DOCTYPE r>\r\n--x--"),
        ("Multipart/Mixed; boundary=x", "<!DOCTYPE r>"),
        ("text/plain", ""),
        ("text/plain", "no markup, 1 < 2 and 3 > 2 + 1"),
        ("text/plain", "a <!-- comment --> about a doctype and an entity"),
        ("application/x-www-form-urlencoded", "grant_type=client_credentials&scope=a+b"),
        ("audio/mpeg", "ID3\u{4}\u{0}\u{0}"),
        ("text/xml", "<r>just a document, refused by its type</r>"),
    ];
    for (content_type, body) in cases {
        for (encoding, bytes) in encodings(body).into_iter().take(if body.is_ascii() { 10 } else { 2 }) {
            assert_eq!(
                inspect_body_head(content_type, &bytes),
                None,
                "{body} in {encoding} as {content_type}"
            );
        }
    }
}

#[test]
fn only_the_head_is_looked_at() {
    let at = |len: usize| format!("{}<!DOCTYPE r>", "<!-- -->".repeat(len / 8));
    assert!(inspect_body_head("", at(HEAD_BYTES_MAX - 64).as_bytes()).is_some());
    assert!(inspect_body_head("", at(HEAD_BYTES_MAX).as_bytes()).is_none());
}
