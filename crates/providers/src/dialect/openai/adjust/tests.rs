//! What a vendor's row says is what becomes of a body.

use nexus_core::{
    call::{Call, Operation},
    capabilities::Capabilities,
    id::{RequestId, Uuid},
    site::Site,
};
use nexus_wire::chat::ChatRequest;

use super::*;
use crate::{
    compat::{VENDORS, Vendor, rows},
    dialect::{
        Ask, Dialect,
        member::{Decision, proof::example},
    },
};

/// What a request with these further members becomes.
fn encoded(vendor: &Vendor, members: &str) -> Result<String, Unsayable> {
    let comma = if members.is_empty() { "" } else { "," };
    let messages = r#""messages":[{"role":"user","content":"hi"}]"#;
    let body = Bytes::from(format!(r#"{{"model":"m",{messages}{comma}{members}}}"#));
    let request = ChatRequest::read(&body).unwrap();
    let call = Call {
        operation: Operation::ChatCompletions,
        alias: request.model.clone(),
        is_stream: request.is_stream,
        wants_usage: request.wants_usage,
        request: RequestId(Uuid::nil()),
        asked_at_s: 0,
    };
    let ask = Ask {
        call: &call,
        body: &body,
        request: &request,
        real_model: "m",
        capabilities: Capabilities::UNSAID,
        site: Site::PLAIN,
    };
    vendor.encode(ask).map(|encoded| String::from_utf8(encoded.body.to_vec()).unwrap())
}

#[test]
fn what_a_row_says_is_what_becomes_of_the_member() {
    for vendor in VENDORS {
        let plain = encoded(vendor, "").unwrap();
        for row in rows(vendor.quirks) {
            if ["model", "messages", "stream", "stream_options"].contains(&row.member) {
                continue;
            }
            let said = example(row.member);
            let with = encoded(vendor, &said);
            let case = format!("{} {}", vendor.id, row.member);
            match row.decision {
                Decision::Passed => assert!(with.unwrap().ends_with(&format!(",{said}}}")), "{case}"),
                Decision::Mapped => assert!(!with.unwrap().contains(&said), "{case}"),
                Decision::Dropped => assert_eq!(with, Ok(plain.clone()), "{case}"),
                Decision::Refused { unless } => {
                    let refusal = with.expect_err(&case);
                    assert_eq!(refusal.param, row.member);
                    assert!(refusal.message.contains(row.note), "{}", refusal.message);
                    for value in unless.iter().chain(&["null"]) {
                        let harmless = encoded(vendor, &format!("\"{}\": {value}", row.member));
                        assert_eq!(harmless, Ok(plain.clone()), "{case} {value}");
                    }
                }
            }
        }
        let unknown = r#""a_member_nobody_knows":{"x":1.50}"#;
        assert!(encoded(vendor, unknown).unwrap().contains(unknown), "{}", vendor.id);
    }
}

#[test]
fn ids_of_nine_letters_stay_and_all_others_become_such_always_the_same() {
    let of = |id: &str| {
        let text = format!("{{\"id\":\"{id}\"}}");
        nine_letters(&text, &place::members(&text)[0]).map(|becomes| becomes.text)
    };
    assert_eq!(of("aB3dE6gH9"), None);
    for id in ["", "call_1", "call_2", "aB3dE6gH_", "toolu_01A09q90qw90lq917835lq9", "é"] {
        let short = of(id).unwrap();
        assert_eq!(short.len(), 11);
        assert!(short[1..10].bytes().all(|byte| byte.is_ascii_alphanumeric()), "{short}");
        assert_eq!(of(id), Some(short));
    }
    assert_ne!(of("call_1"), of("call_2"));
}

#[test]
fn a_body_without_anything_to_change_is_left_alone() {
    let body = br#"{"model":"m","messages":[{"role":"user","content":"hi"}],"seed":1}"#;
    for id in ["openai", "deepseek", "groq", "custom"] {
        let vendor = VENDORS.iter().find(|vendor| vendor.id == id).unwrap();
        assert_eq!(adjusted(body, vendor.quirks).unwrap(), None, "{id}");
    }
}
