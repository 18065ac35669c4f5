//! The database behind a relay that can be cut or stopped: known keys work on, usage waits, changes are refused, and all
//! is well again by itself.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex},
};

use serde_json::json;

use super::{calls, database, totals};
use crate::{
    admin::{Api, assert_problem, platform_key},
    node::{mocked, until},
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
    let Some(url) = database() else { return };
    let (before, after) = url.split_once('@').unwrap();
    let (server, name) = after.split_once('/').unwrap();
    let relay = Relay::to(server.parse().unwrap());
    let (mock, mut site) = mocked(&[]);
    site.variables.push(("DATABASE_URL", format!("{before}@{}/{name}", relay.address)));
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
    relay.join();
    until("the usage arrived", || (totals(&url).attempts == 11).then_some(()));
    assert_eq!(mock.counts().requests, 11);
    node.stop();
    assert_eq!(totals(&url).attempts, 11, "nothing twice");
}
