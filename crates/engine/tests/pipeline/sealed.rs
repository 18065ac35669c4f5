//! What a vendor sealed goes back to the credential it was sealed under, on any node, and to no other.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use nexus_core::{
    call::Operation,
    catalogue::{Catalogue, Route, Target},
    id::{CredentialId, ProviderId, Uuid},
};
use nexus_engine::{
    arrival::{Arrival, BodyCut, Head, Headers},
    credentials::{Credential, Credentials, Member},
    denial::Denial,
    pipeline,
    reply::Reply,
    world::World,
};
use nexus_keystore::{secret::Secret, token::Level};

use crate::{
    fake::{Act, Bench, FakeBody, Piece, bearer, bench, error, events, json, snapshot},
    text,
};

const ANSWER: &str = r#"{"object":"response","model":"gpt-4","output":[{"type":"reasoning","id":"rs_1","encrypted_content":"gAAA+/="}],"usage":{"input_tokens":1,"output_tokens":1,"total_tokens":2}}"#;
const STREAM: &str = "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"model\":\"gpt-4\"}}\n\nevent: response.output_item.done\ndata: {\"type\":\"response.output_item.done\",\"item\":{\"type\":\"reasoning\",\"encrypted_content\":\"gAAA+/=\"}}\n\nevent: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"model\":\"gpt-4\",\"usage\":{\"input_tokens\":1,\"output_tokens\":1,\"total_tokens\":2}}}\n\n";
const NOT_OPENED: &str = r#"{"error":{"message":"could not be verified","type":"invalid_request_error","code":"invalid_encrypted_content"}}"#;

/// A node with providers of these names, which have so many credentials each.
fn node(providers: &[(&str, u128)], acts: Vec<Act>) -> Bench {
    let bench = bench(1, acts);
    let known = snapshot(4, None).catalogue.resolve("gpt", None).unwrap().route;
    let is_there = |target: &&Arc<Target>| providers.iter().any(|(name, _)| *target.provider.name == **name);
    let targets: Vec<_> = known.targets.iter().filter(is_there).cloned().collect();
    let pools: HashMap<ProviderId, Credentials> = targets
        .iter()
        .map(|target| {
            let (_, count) = providers.iter().find(|(name, _)| *target.provider.name == **name).unwrap();
            let member = |at: u128| {
                let id = CredentialId(Uuid::from_u128((target.provider.id.0.as_u128() << 8) + at + 1));
                let secret = Arc::new(Secret::new(format!("sk-{}-{at}", target.provider.name)));
                Member::new(Credential { id, generation: 1, secret }, 1, None)
            };
            (target.provider.id, Credentials::new((0..*count).map(member).collect()))
        })
        .collect();
    let mut snapshot = snapshot(0, None);
    snapshot.catalogue = Catalogue::new([Route::new("gpt".into(), 1, targets)]);
    let (world, _) = World::assemble(snapshot, pools, bench.exporter.meters());
    bench.engine.shared.worlds.replace(world);
    bench
}

async fn ask(bench: &Bench, items: &[&str], is_stream: bool) -> Result<Reply<FakeBody>, Denial> {
    let items: Vec<String> = items
        .iter()
        .map(|content| format!(r#"{{"type":"reasoning","summary":[],"encrypted_content":"{content}"}}"#))
        .collect();
    let body = format!(
        r#"{{"model":"gpt","stream":{is_stream},"input":[{{"role":"user","content":"hi"}}{}{}]}}"#,
        if items.is_empty() { "" } else { "," },
        items.join(",")
    );
    let key = bearer(Level::App);
    let head =
        Head { headers: Headers { authorization: Some(&key), ..Headers::default() }, ..Head::default() };
    let body = futures_util::stream::iter([Ok::<_, BodyCut>(Bytes::from(body))]);
    pipeline::serve(&bench.engine, Operation::Responses, Arrival { head, body }).await
}

/// Everything a client is given to bring back.
async fn given(reply: Reply<FakeBody>) -> Vec<String> {
    let said = text(reply).await;
    let contents = said.split(r#""encrypted_content":""#).skip(1);
    contents.map(|rest| rest.split_once('"').unwrap().0.to_owned()).collect()
}

fn asked(bench: &Bench) -> Vec<String> {
    bench.transport.shown.borrow().clone()
}

#[tokio::test]
async fn what_was_sealed_goes_back_to_who_sealed_it_whole_or_streamed_and_on_any_node() {
    for is_stream in [false, true] {
        let act = || if is_stream { events(vec![Piece::Bytes(STREAM)]) } else { json(ANSWER) };
        let both = [("one", 1), ("two", 1)];
        let here = node(&both, vec![act(), act()]);
        for expected in ["sk-one-0", "sk-two-0"] {
            let content = given(ask(&here, &[], is_stream).await.unwrap()).await.remove(0);
            assert_eq!(asked(&here).last().unwrap(), expected);
            assert!(content.ends_with(".gAAA+/="), "{content}");
            let elsewhere = node(&both, (0..4).map(|_| act()).collect());
            for _ in 0..4 {
                given(ask(&elsewhere, &[&content], is_stream).await.unwrap()).await;
            }
            assert_eq!(asked(&elsewhere), [expected; 4]);
            let bodies = elsewhere.transport.sent.borrow();
            assert!(bodies.iter().all(|(_, body)| body.contains(r#""encrypted_content":"gAAA+/=""#)));
        }
    }
}

#[tokio::test]
async fn of_several_credentials_of_a_provider_the_one_is_shown_that_sealed_it() {
    let pool = [("one", 2)];
    let here = node(&pool, vec![error(401, r#"{"error":{"message":"no"}}"#), json(ANSWER), json(ANSWER)]);
    let content = given(ask(&here, &[], false).await.unwrap()).await.remove(0);
    assert_eq!(asked(&here), ["sk-one-0", "sk-one-1"], "the first was refused");
    let elsewhere = node(&pool, vec![json(ANSWER), error(401, r#"{"error":{"message":"no"}}"#)]);
    ask(&elsewhere, &[&content], false).await.unwrap();
    ask(&elsewhere, &[&content], false).await.err().unwrap();
    assert_eq!(asked(&elsewhere), ["sk-one-1", "sk-one-1"], "no other opens it, so no other is asked");
}

#[tokio::test]
async fn where_nobody_behind_the_model_opens_it_the_item_is_named_and_nobody_asked() {
    let here = node(&[("one", 1), ("two", 1)], vec![json(ANSWER), json(ANSWER)]);
    let mut contents = Vec::new();
    for _ in 0..2 {
        contents.extend(given(ask(&here, &[], false).await.unwrap()).await);
    }
    let left = node(&[("two", 1), ("three", 1)], Vec::new());
    let both: Vec<&str> = contents.iter().map(String::as_str).collect();
    for (node, items, at) in [(&left, &both[..1], 1), (&here, &both[..], 2)] {
        let denial = ask(node, items, false).await.err().unwrap();
        let said: serde_json::Value = serde_json::from_slice(&denial.error.to_json()).unwrap();
        assert_eq!((denial.error.status(), denial.is_final), (400, true));
        assert_eq!(said["error"]["code"], "invalid_encrypted_content");
        assert_eq!(said["error"]["param"], format!("input[{at}].encrypted_content"));
    }
    assert!(asked(&left).is_empty());
}

#[tokio::test]
async fn where_there_is_nobody_else_an_answer_stays_as_it_came() {
    let alone = node(&[("one", 1)], vec![json(ANSWER)]);
    assert_eq!(given(ask(&alone, &[], false).await.unwrap()).await, ["gAAA+/="]);
}

#[tokio::test]
async fn what_bears_no_mark_is_shown_to_each_credential_until_one_opens_it() {
    let here = node(&[("one", 2)], vec![error(400, NOT_OPENED), json(ANSWER)]);
    ask(&here, &["gAAA"], false).await.unwrap();
    assert_eq!(asked(&here), ["sk-one-0", "sk-one-1"]);
}
