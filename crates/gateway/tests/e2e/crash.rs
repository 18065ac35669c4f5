//! `kill -9` under load: every answer a client saw finish is booked once, and nothing twice.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use nexus_store::{Store, repo::usage};
use nexus_testkit::{Mock, Options};

use crate::{
    client::Client,
    node::{Node, Site, ask, ask_stream, provider, until},
};

/// Rounds among the other tests; `cargo xtask crash` takes more.
const ROUNDS: usize = 4;
const CLIENTS: usize = 8;
/// More answers than there are in a round.
const SERVED_MAX: usize = 10_000;

/// Calls until the gateway dies; the ids of the answers that were seen to finish.
fn load(
    node: &Node<'_>,
    bearer: &str,
    finished: &Mutex<HashSet<String>>,
    enough: &AtomicBool,
    number: usize,
) {
    let Ok(mut client) = Client::connect(node.site.api) else { return };
    let body = if number.is_multiple_of(2) { ask("gpt") } else { ask_stream("gpt") };
    let headers = [("authorization", bearer), ("content-type", "application/json")];
    loop {
        if client.send("POST", "/v1/chat/completions", &headers, body.as_bytes()).is_err() {
            return;
        }
        let Ok(answer) = client.answer() else { return };
        let Some(id) = completion_id(&answer).filter(|_| answer.is_complete) else { return };
        let mut finished = finished.lock().unwrap();
        finished.insert(id);
        if finished.len() > 60 {
            enough.store(true, Ordering::Release);
        }
    }
}

fn completion_id(answer: &crate::client::Answer) -> Option<String> {
    let json: serde_json::Value = match answer.header("content-type") {
        Some("application/json") => serde_json::from_slice(&answer.body).ok()?,
        _ if answer.text().ends_with("data: [DONE]\n\n") => {
            serde_json::from_str(answer.events().first()?).ok()?
        }
        _ => return None,
    };
    Some(json["id"].as_str()?.to_owned())
}

#[expect(clippy::disallowed_methods, reason = "the workshop says how long the test is to go on")]
fn rounds() -> usize {
    std::env::var("NEXUS_CRASH_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS)
}

#[test]
fn what_a_client_saw_finish_is_booked_once_however_the_gateway_dies() {
    survives(|site| format!("sqlite://{}/nexus-data/nexus.db", site.path().display()));
}

/// Kills the gateway under load, round after round; `prepare` says where its database is.
pub fn survives(prepare: impl FnOnce(&mut Site) -> String) {
    let rounds = rounds();
    let mock = Mock::start(Options { remember: rounds * SERVED_MAX, ..Options::default() }).unwrap();
    let mut site = Site::new(&provider("mock", &mock.url(), &[("gpt", "mock-gpt")]));
    let url = prepare(&mut site);
    let (_, key) = site.key("app");
    let bearer = format!("Bearer {key}");
    let all = Mutex::new(HashSet::new());
    for _ in 0..rounds {
        let node = site.start();
        let (finished, enough) = (Mutex::new(HashSet::new()), AtomicBool::new(false));
        std::thread::scope(|scope| {
            for number in 0..CLIENTS {
                let (node, bearer, finished, enough) = (&node, &bearer, &finished, &enough);
                scope.spawn(move || load(node, bearer, finished, enough, number));
            }
            until("there is load enough", || enough.load(Ordering::Acquire).then_some(()));
            node.signal("KILL");
        });
        all.lock().unwrap().extend(finished.into_inner().unwrap());
    }
    site.start().stop();

    let store = Store::open(&url).unwrap();
    let mut booked: HashMap<String, usize> = HashMap::new();
    for id in store.read_blocking(usage::provider_request_ids).unwrap() {
        *booked.entry(id.replace("req_", "chatcmpl-")).or_default() += 1;
    }
    let all = all.into_inner().unwrap();
    let lost: Vec<_> = all.iter().filter(|id| !booked.contains_key(*id)).collect();
    let doubled: Vec<_> = booked.iter().filter(|(_, times)| **times > 1).collect();
    assert!(all.len() > rounds * 60, "{}", all.len());
    assert!(lost.is_empty(), "{} of {} were lost", lost.len(), all.len());
    assert!(doubled.is_empty(), "{doubled:?}");
    let served: HashSet<_> = mock.oracle().into_iter().map(|served| served.id).collect();
    assert!(all.is_subset(&served));
}
