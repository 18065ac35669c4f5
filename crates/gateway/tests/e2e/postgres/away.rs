//! The database behind a relay that can be cut or stopped: known keys work on, usage waits, changes are refused, and all
//! is well again by itself.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex},
};

use nexus_store::{Store, kept::KeptWorld, world};
use nexus_testkit::Mock;
use serde_json::json;

use super::{assert_whole_trail, calls, database, totals};
use crate::{
    admin::{Api, assert_problem, platform_key},
    node::{ENCRYPTION_KEY, Site, mocked, until},
};

/// Passes bytes on until it is stopped, which keeps them, or cut: then it takes connections and ends them at once.
struct Relay {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    is_cut: bool,
    is_stopped: bool,
    sockets: Vec<TcpStream>,
}

impl Relay {
    fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let relay = Self { address, shared: Arc::clone(&shared) };
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let mut state = shared.state.lock().unwrap();
                if !state.is_cut {
                    let server = TcpStream::connect(server).unwrap();
                    state.sockets.extend([client.try_clone().unwrap(), server.try_clone().unwrap()]);
                    shared.pass(client.try_clone().unwrap(), server.try_clone().unwrap());
                    shared.pass(server, client);
                }
            }
        });
        relay
    }

    fn cut(&self) {
        let mut state = self.shared.state.lock().unwrap();
        state.is_cut = true;
        for socket in state.sockets.drain(..) {
            let _gone_already = socket.shutdown(Shutdown::Both);
        }
    }

    fn stop(&self) {
        self.shared.state.lock().unwrap().is_stopped = true;
    }

    /// As if nothing had been.
    fn join(&self) {
        let mut state = self.shared.state.lock().unwrap();
        (state.is_cut, state.is_stopped) = (false, false);
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn pass(self: &Arc<Self>, mut from: TcpStream, mut to: TcpStream) {
        let shared = Arc::clone(self);
        std::thread::spawn(move || {
            let mut bytes = [0; 16 << 10];
            while let Ok(count @ 1..) = from.read(&mut bytes) {
                let state = shared.state.lock().unwrap();
                drop(shared.changed.wait_while(state, |state| state.is_stopped).unwrap());
                if to.write_all(&bytes[..count]).is_err() {
                    break;
                }
            }
            let _gone_already = to.shutdown(Shutdown::Both);
        });
    }
}

#[test]
fn without_its_database_a_gateway_serves_keeps_usage_and_refuses_changes_until_it_is_back() {
    let Some((relay, mock, site, url)) = behind_a_relay() else { return };
    let (admin, (_, key)) = (platform_key(&site), site.key("app"));
    let node = site.start();
    let api = Api::new(&node, &admin);
    assert_eq!(calls(&node, &key, "gpt"), 200);
    let wish = |name: &str| api.post("/teams", &json!({ "name": name }));
    assert_eq!(wish("before").status, 201);

    relay.cut();
    for _ in 0..5 {
        assert_eq!(calls(&node, &key, "gpt"), 200, "a known key works");
    }
    assert_problem(&wish("meanwhile"), 503, "unavailable");
    assert!(totals(&url).attempts < 6, "usage waits");

    relay.join();
    until("changes are taken again", || (wish("after").status == 201).then_some(()));
    until("the usage arrived", || (totals(&url).attempts == 6).then_some(()));

    relay.stop();
    for _ in 0..5 {
        assert_eq!(calls(&node, &key, "gpt"), 200, "nobody waits for the database");
    }
    assert_eq!(totals(&url).attempts, 6, "usage waits");
    assert_problem(&wish("never answered"), 503, "unavailable");
    let probe = node.request("GET", "/readyz", &[], "");
    assert!(
        probe.status == 200 && probe.text().starts_with("ready\ndegraded: database_away"),
        "{}",
        probe.text()
    );
    relay.join();
    until("the usage arrived", || (totals(&url).attempts == 11).then_some(()));
    assert_eq!(mock.counts().requests, 11);
    node.stop();
    assert_eq!(totals(&url).attempts, 11, "nothing twice");
}

/// A gateway whose database is behind a relay, and the database's own URL.
fn behind_a_relay() -> Option<(Relay, Mock, Site, String)> {
    let url = database()?;
    let (before, after) = url.split_once('@').unwrap();
    let (server, name) = after.split_once('/').unwrap();
    let relay = Relay::to(server.parse().unwrap());
    let (mock, mut site) = mocked(&[]);
    site.variables.push(("DATABASE_URL", format!("{before}@{}/{name}", relay.address)));
    Some((relay, mock, site, url))
}

/// Waits until what the node has on its disk is what the database says.
fn is_kept(site: &Site, url: &str) {
    let database = Store::open(url).unwrap();
    let revision = |store: &Store| store.read_blocking(world::revision).unwrap();
    until("the world is kept on disk", || {
        let (kept, _) = KeptWorld::find(&site.file("nexus-data/world.db")).ok().flatten()?;
        (revision(&kept) == revision(&database)).then_some(())
    });
}

#[test]
fn a_gateway_starts_and_serves_what_it_knew_while_its_database_is_away() {
    let Some((relay, mock, site, url)) = behind_a_relay() else { return };
    let (admin, (_, key)) = (platform_key(&site), site.key("app"));
    let node = site.start();
    let team = Api::new(&node, &admin).make("/teams", &json!({ "name": "red" }));
    let opaque = json!({ "level": "app", "team_id": team["id"], "form": "opaque" });
    let opaque = Api::new(&node, &admin).make("/keys", &opaque)["key"].as_str().unwrap().to_owned();
    let budget = json!({
        "name": "five", "subject": "team", "subject_value": team["id"], "measure": "requests",
        "window": "total", "limit": 5,
    });
    Api::new(&node, &admin).make("/quotas", &budget);
    until("the key is known", || (calls(&node, &opaque, "gpt") == 200).then_some(()));
    is_kept(&site, &url);
    node.stop();
    let before = mock.counts().requests;
    for is_stopped in [false, true] {
        if is_stopped {
            relay.stop()
        } else {
            relay.cut()
        }
        for _ in 0..2 {
            let node = site.start();
            assert_eq!(calls(&node, &key, "gpt"), 200, "a known key works");
            assert_eq!(calls(&node, &opaque, "gpt"), 429, "nobody can be asked for a part of a quota");
            let probe = node.request("GET", "/readyz", &[], "");
            let said = "ready\ndegraded: database_away, kept_world";
            assert!(probe.status == 200 && probe.text().starts_with(said), "{}", probe.text());
            until("it is counted", || {
                node.metrics().contains("nexus_degraded{mode=\"kept_world\"} 1").then_some(())
            });
            let api = Api::new(&node, &admin);
            assert_problem(&api.post("/teams", &json!({ "name": "meanwhile" })), 503, "unavailable");
            assert_eq!(api.get("/health").json()["degraded"][1], "kept_world");
            node.signal("KILL");
        }
        let node = site.start();
        relay.join();
        let api = Api::new(&node, &admin);
        let name = format!("after {is_stopped}");
        until("changes are taken", || {
            (api.post("/teams", &json!({ "name": name })).status == 201).then_some(())
        });
        let attempts = mock.counts().requests;
        until("the usage arrived", || (totals(&url).attempts == attempts).then_some(()));
        until("the node has all", || {
            (node.request("GET", "/readyz", &[], "").text() == "ready\n").then_some(())
        });
        is_kept(&site, &url);
        node.stop();
    }
    // what was used of the budget before and between counts on
    let node = site.start();
    let of_budget = (0..8).filter(|_| calls(&node, &opaque, "gpt") == 200).count() as u64;
    assert_eq!(mock.counts().requests, before + 4 + of_budget);
    assert!(of_budget <= 4, "{of_budget}");
    node.stop();
    assert_eq!(totals(&url).attempts, mock.counts().requests, "nothing lost, nothing twice");
    assert_whole_trail(&site);
}

#[test]
fn without_its_database_a_gateway_that_never_knew_one_or_has_another_secret_does_not_start() {
    let Some((relay, _mock, site, url)) = behind_a_relay() else { return };
    let fails = |secret: &str, said: &str| {
        let port = site.api.port().to_string();
        let mut command = site.command(&["serve", "--config", "nexus.yaml", "--port", &port]);
        let output = command.env("DB_ENCRYPTION_KEY", secret).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains(said), "{text}");
    };
    relay.cut();
    fails(ENCRYPTION_KEY, "the database is not available");
    relay.join();
    let node = site.start();
    is_kept(&site, &url);
    node.stop();
    relay.cut();
    fails("another-secret-that-is-long-enough-for-anything", "DB_ENCRYPTION_KEY");
}
