//! Going on where a streamed answer breaks off: what the client sees, what the next one is told, what is booked.

use std::collections::HashMap;

use nexus_core::{
    fault::{Class, Fault},
    policy::{Conduct, Policy, Rule, Rules},
    usage::Outcome,
};
use nexus_engine::world::World;
use serde_json::Value;

use crate::{
    ASK_STREAM, ask,
    fake::{Act, Bench, Piece, bench, error, events, json},
    text,
};

const FIRST: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-4\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"Hi \"},\"finish_reason\":null}]}\n\n";
const CALL: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-4\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"t\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]},\"finish_reason\":null}]}\n\n";
const OTHER: &str = "data: {\"id\":\"d\",\"object\":\"chat.completion.chunk\",\"created\":2,\"model\":\"gpt-4\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\" there\"},\"finish_reason\":null}]}\n\n";
const LAST: &str = "data: {\"id\":\"d\",\"object\":\"chat.completion.chunk\",\"created\":2,\"model\":\"gpt-4\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
const DONE: &str = "data: [DONE]\n\n";

/// Three targets that are asked in their order and go on for each other, if the rule says so.
fn continuing(continues: bool, acts: Vec<Act>) -> Bench {
    let bench = bench(3, acts);
    let mut known = bench.engine.shared.worlds.current().snapshot.clone();
    let mut rules = Rules::default();
    let conduct = Conduct { continues, ..Conduct::default() };
    rules.insert("gpt", None, Rule { policy: Policy::Priority, conduct, ..Rule::default() });
    known.catalogue = known.catalogue.ruled(rules);
    let (world, _) = World::assemble(known, HashMap::new(), bench.exporter.meters());
    bench.engine.shared.worlds.replace(world);
    bench
}

fn said(pieces: &[&'static str]) -> Act {
    events(pieces.iter().map(|piece| Piece::Bytes(piece)).collect())
}

fn chunks(body: &str) -> Vec<Value> {
    let events = body.split("\n\n").filter_map(|frame| frame.strip_prefix("data: "));
    events.filter_map(|event| serde_json::from_str(event).ok()).collect()
}

fn told(chunks: &[Value]) -> String {
    chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect()
}

#[tokio::test]
async fn another_goes_on_from_what_was_said_and_the_stream_stays_one() {
    let reset = Piece::Fault(Fault::new(Class::Reset, "connection reset"));
    for broken in [
        said(&[FIRST]),
        events(vec![Piece::Bytes(FIRST), reset]),
        said(&[FIRST, "data: {\"error\":{\"message\":\"overloaded\"}}\n\n"]),
    ] {
        let bench = continuing(true, vec![broken, said(&[OTHER, LAST, DONE])]);
        let body = text(ask(&bench, ASK_STREAM).await.unwrap()).await;
        assert!(body.ends_with(DONE) && !body.contains("\"error\""), "{body}");
        let chunks = chunks(&body);
        assert_eq!(told(&chunks), "Hi there");
        assert!(chunks.iter().all(|chunk| chunk["id"] == "c" && chunk["model"] == "gpt"), "{body}");
        let roles = chunks.iter().filter(|chunk| chunk["choices"][0]["delta"]["role"].is_string());
        let marked: Vec<_> = chunks.iter().map(|chunk| chunk["x_nexus"]["continued"] == true).collect();
        assert_eq!((roles.count(), marked), (1, vec![false, true, false]));
        let sent = bench.transport.sent.borrow().clone();
        assert_eq!((sent.len(), &*sent[1].0), (2, "two"));
        assert!(sent[1].1.contains(r#"{"content":"Hi","role":"assistant"}]"#), "{}", sent[1].1);
        let booked = bench.booked();
        let first = booked.iter().find(|record| record.attempt_number == 1).unwrap();
        let second = booked.iter().find(|record| record.attempt_number == 2).unwrap();
        assert!(matches!(first.outcome, Outcome::Failed(_)) && second.outcome == Outcome::Answered);
        assert_eq!((booked.len(), first.request), (2, second.request));
    }
}

#[tokio::test]
async fn who_goes_on_may_break_off_too_and_the_last_error_is_told_where_nobody_is_left() {
    let bench = continuing(true, vec![said(&[FIRST]), said(&[OTHER]), said(&[OTHER, LAST, DONE])]);
    let body = text(ask(&bench, ASK_STREAM).await.unwrap()).await;
    assert_eq!(told(&chunks(&body)), "Hi there there");
    assert!(body.ends_with(DONE));
    let last = bench.transport.sent.borrow()[2].1.clone();
    assert!(last.contains(r#"{"content":"Hi there","role":"assistant"}]"#), "{last}");

    let bench = continuing(true, vec![said(&[FIRST]), error(401, "{}"), error(400, "{}")]);
    let body = text(ask(&bench, ASK_STREAM).await.unwrap()).await;
    assert!(body.contains("\"error\"") && !body.contains("[DONE]"), "{body}");
    assert_eq!(bench.booked().len(), 3);
}

#[tokio::test]
async fn nobody_goes_on_without_the_rule_with_more_than_text_or_beyond_the_budget() {
    const TOOLS: &str = r#"{"model":"gpt","stream":true,"tools":[{"type":"function"}],"messages":[{"role":"user","content":"hello there"}]}"#;
    for (what, continues, body, act) in [
        ("no rule", false, ASK_STREAM, said(&[FIRST])),
        ("a tool is called", true, ASK_STREAM, said(&[FIRST, CALL])),
        ("tools are offered", true, TOOLS, said(&[FIRST])),
        ("too many retries", true, ASK_STREAM, said(&[FIRST])),
        (
            "it had ended",
            true,
            ASK_STREAM,
            said(&[FIRST, LAST, "data: {\"error\":{\"message\":\"no\"}}\n\n"]),
        ),
    ] {
        let bench = continuing(continues, vec![act, json(crate::WHOLE)]);
        while what == "too many retries" && bench.engine.shared.retries.take() {}
        let told = text(ask(&bench, body).await.unwrap()).await;
        assert!(told.contains("\"error\"") && !told.contains("x_nexus"), "{what}: {told}");
        assert_eq!(bench.transport.sent.borrow().len(), 1, "{what}");
    }
}
