//! Streams whose clients leave: left at once, or read on within bounds to what the provider says of their usage.

use std::sync::Arc;

use futures_util::StreamExt as _;
use nexus_core::{
    catalogue::{Catalogue, Provider, Route, Target},
    usage::{Outcome, Quantity, Source, Usage, UsageRecord},
};
use nexus_engine::{reply::ReplyBody, world::World};

use crate::{
    ASK_STREAM, ask,
    fake::{Bench, Piece, bench, events},
};

const FIRST: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-4\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"Hi\"},\"finish_reason\":null}]}\n\n";
const USAGE: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-4\",\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":40,\"total_tokens\":45}}\n\n";
const DONE: &str = "data: [DONE]\n\n";

/// A provider with these options that sends this behind the first chunk.
fn behind(options: &[(&str, &str)], pieces: &[Piece]) -> Bench {
    let bench = bench(1, [events([&[Piece::Bytes(FIRST)], pieces].concat())]);
    let worlds = &bench.engine.shared.worlds;
    let mut snapshot = worlds.current().snapshot.clone();
    let routes = snapshot.catalogue.all().map(|route| {
        let targets = route.targets.iter().map(|target| {
            let options = options.iter().copied().collect();
            let provider = Provider { options, ..(*target.provider).clone() };
            Arc::new(Target { provider: Arc::new(provider), ..(**target).clone() })
        });
        Route::new(Arc::clone(&route.alias), route.created_at_s, targets.collect())
    });
    snapshot.catalogue = Catalogue::new(routes.collect::<Vec<_>>());
    let (world, _) = World::assemble(snapshot, Default::default(), bench.exporter.meters());
    worlds.replace(world);
    bench
}

/// What is booked of a stream whose client leaves behind the first chunk, once nobody reads any more; and how many
/// exchanges were cancelled when it left.
async fn left(bench: Bench) -> (UsageRecord, usize) {
    let reading = bench.reading.take().unwrap();
    let ReplyBody::Stream(mut relay) = ask(&bench, ASK_STREAM).await.unwrap().body else { panic!() };
    assert!(relay.next().await.is_some());
    drop(relay);
    bench.transport.gate.is_open.set(true);
    let cancelled = bench.transport.cancelled.get();
    let page = bench.exporter.render();
    assert!(page.contains(r#"status="499"} 1"#), "{page}");
    let Bench { engine, ledger, .. } = bench;
    let shared = Arc::clone(&engine.shared);
    drop(engine);
    reading.run().await;
    drop(Arc::into_inner(shared).expect("somebody still holds what all share"));
    let booked = ledger.0.lock().unwrap().clone();
    assert_eq!(booked.len(), 1);
    assert_eq!((booked[0].outcome, booked[0].status), (Outcome::Abandoned, 499));
    (booked[0].clone(), cancelled)
}

#[tokio::test]
async fn a_provider_that_is_read_on_is_believed_and_one_that_is_left_is_counted() {
    let rest = [Piece::Gate, Piece::Bytes(FIRST), Piece::Bytes(USAGE), Piece::Bytes(DONE)];
    let (booked, cancelled) = left(behind(&[], &rest)).await;
    assert_eq!((booked.source, cancelled), (Source::Estimated, 1));
    let (booked, cancelled) = left(behind(&[("read_on_s", "5")], &rest)).await;
    assert_eq!((booked.source, booked.usage, cancelled), (Source::Provider, Usage::text(5, 40), 0));
}

#[tokio::test(start_paused = true)]
async fn it_is_read_on_for_so_long_and_so_much_only() {
    let begun = tokio::time::Instant::now();
    let (booked, _) = left(behind(&[("read_on_s", "10")], &[Piece::Silence])).await;
    assert_eq!((booked.source, begun.elapsed().as_secs()), (Source::Estimated, 10));
    assert!(booked.usage.of(Quantity::Output) > 0);
    let long: &'static str = Box::leak(FIRST.replace("Hi", &"word ".repeat(4000)).into_boxed_str());
    let pieces = [Piece::Gate, Piece::Bytes(long), Piece::Bytes(USAGE), Piece::Bytes(DONE)];
    for (kib, source) in [("16", Source::Estimated), ("64", Source::Provider)] {
        let bench = behind(&[("read_on_s", "10"), ("read_on_kib", kib)], &pieces);
        assert_eq!(left(bench).await.0.source, source, "{kib}");
    }
}
