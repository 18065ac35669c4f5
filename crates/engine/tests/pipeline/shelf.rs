//! Answers that are kept here, and what is said where they cannot be.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
};

use nexus_core::{
    call::Operation,
    catalogue::{Catalogue, Provider, Route, Target},
};
use nexus_engine::{arrival::Headers, world::World};
use nexus_keystore::token::Level;
use serde_json::Value;

use crate::{
    WHOLE,
    fake::{Act, Bench, bearer, bench, json, snapshot},
    send_to, text,
};

const RESPOND: &str = r#"{"model":"gpt","input":"hi"}"#;

/// A provider that has no responses of its own.
fn chatting(acts: impl IntoIterator<Item = Act>) -> Bench {
    let bench = bench(1, acts);
    let mut world = snapshot(1, None);
    let route =
        world.catalogue.named("gpt", None).and_then(|_| world.catalogue.resolve("gpt", None)).unwrap().route;
    let custom = |target: &Arc<Target>| {
        let provider = Provider { kind: "custom".into(), ..Provider::clone(&target.provider) };
        Arc::new(Target { provider: Arc::new(provider), ..Target::clone(target) })
    };
    let route = Route::new("gpt".into(), 1, route.targets.iter().map(custom).collect());
    world.catalogue = Catalogue::new([route]);
    let (world, _) = World::assemble(world, HashMap::new(), bench.exporter.meters());
    bench.engine.shared.worlds.replace(world);
    bench
}

#[tokio::test]
async fn an_answer_that_cannot_be_kept_is_given_and_says_so() {
    let bench = chatting([json(WHOLE), json(WHOLE)]);
    let key = bearer(Level::App);
    let headers =
        Headers { authorization: Some(&key), content_type: Some("application/json"), ..Headers::default() };
    for is_away in [false, true] {
        bench.shelf.is_away.store(is_away, Ordering::Relaxed);
        let reply = send_to(&bench, Operation::Responses, headers, RESPOND).await.unwrap();
        let said: Value = serde_json::from_str(&text(reply).await).unwrap();
        assert_eq!(said["store"], Value::Bool(!is_away));
    }
}
