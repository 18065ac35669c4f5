//! What a request and its answer say reaches those who keep it, for teams that want that, however the answer ends.

use std::collections::HashMap;

use nexus_core::{
    fault::{Class, Fault},
    id::TeamId,
    snapshot::TeamPolicy,
};
use nexus_engine::{keeping::SAID_MAX, port::Content, world::World};

use crate::{
    ASK, ASK_STREAM, WHOLE, ask,
    fake::{Act, Bench, Piece, TEAM, bench, events, json, snapshot},
    text,
};

const CHUNK: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":null}]}\n\n";

fn keeping(acts: impl IntoIterator<Item = Act>, keeps_content: bool) -> Bench {
    let bench = bench(1, acts);
    let mut world = snapshot(1, None);
    world.teams.insert(TeamId(TEAM), TeamPolicy { keeps_content, ..TeamPolicy::default() });
    let (world, _) = World::assemble(world, HashMap::new(), bench.exporter.meters());
    bench.engine.shared.worlds.replace(world);
    bench
}

fn kept(bench: &Bench) -> Option<Content> {
    bench.contents.0.lock().unwrap().pop()
}

#[tokio::test]
async fn a_whole_answer_and_a_refusal_are_kept_with_what_was_asked() {
    let bench = keeping([json(WHOLE), Act::Fail(Fault::new(Class::BadRequest, "no"))], true);
    let reply = ask(&bench, ASK).await.unwrap();
    let (request, answer) = (reply.request, text(reply).await);
    let content = kept(&bench).unwrap();
    assert_eq!((content.request, content.team, content.is_cut), (request, TeamId(TEAM), false));
    assert_eq!((&*content.prompt, &*content.answer), (ASK.as_bytes(), answer.as_bytes()));
    let denial = ask(&bench, ASK).await.err().unwrap();
    assert_eq!(kept(&bench).unwrap().answer, denial.error.to_json());
}

#[tokio::test]
async fn whoever_keeps_a_stream_is_given_along_with_it() {
    let bench = keeping([events(vec![Piece::Bytes(CHUNK), Piece::Silence])], true);
    let reply = ask(&bench, ASK_STREAM).await.unwrap();
    assert!(kept(&bench).is_none(), "the answer is not over");
    let mut keeping = reply.keeping.unwrap();
    keeping.hear(b"data: 1\n\n");
    keeping.hear(&vec![b'x'; SAID_MAX]);
    drop(keeping);
    let content = kept(&bench).unwrap();
    assert!(content.answer.starts_with(b"data: 1\n\nxx"));
    assert_eq!((content.answer.len(), content.is_cut), (SAID_MAX, true));
}

#[tokio::test]
async fn nothing_is_kept_of_a_team_that_does_not_want_it() {
    let stream = events(vec![Piece::Bytes(CHUNK), Piece::Silence]);
    let bench = keeping([json(WHOLE), stream], false);
    assert!(ask(&bench, ASK).await.unwrap().keeping.is_none());
    assert!(ask(&bench, ASK_STREAM).await.unwrap().keeping.is_none());
    assert!(kept(&bench).is_none());
}
