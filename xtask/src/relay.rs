//! Stands between nodes and a server, and can do to the bytes what a network does: pass them, lose them, or bring the
//! answers late.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;

use crate::instance::LOOPBACK;

/// What becomes of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Way {
    #[default]
    Open,
    /// They vanish, and whoever connects is not answered. Connections of before are broken when it is open again.
    Cut,
    /// Answers wait for so long.
    Slow(Duration),
}

/// A listener on the loopback. Its threads end with the process.
pub(crate) struct Relay {
    pub port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    way: Way,
    /// Those over which something may have been lost.
    sockets: Vec<TcpStream>,
}

impl Relay {
    /// To a server on the loopback.
    pub(crate) fn to(server: u16) -> Result<Self> {
        let listener = TcpListener::bind((LOOPBACK, 0))?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared::default());
        let relay = Self { port, shared: Arc::clone(&shared) };
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                drop(shared.wait_while_cut());
                // a server that is not there refuses, and so do we
                if let Ok(server) = TcpStream::connect((LOOPBACK, server)) {
                    let _gone_already = shared.join(client, server);
                }
            }
        });
        Ok(relay)
    }

    pub(crate) fn be(&self, way: Way) {
        let mut state = self.shared.lock();
        if state.way == Way::Cut && way != Way::Cut {
            for socket in state.sockets.drain(..) {
                let _gone_already = socket.shutdown(Shutdown::Both);
            }
        }
        state.way = way;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_while_cut(&self) -> MutexGuard<'_, State> {
        let waited = self.changed.wait_while(self.lock(), |state| state.way == Way::Cut);
        waited.unwrap_or_else(PoisonError::into_inner)
    }

    fn join(self: &Arc<Self>, client: TcpStream, server: TcpStream) -> std::io::Result<()> {
        let mut state = self.lock();
        state.sockets.retain(|socket| socket.peer_addr().is_ok());
        state.sockets.extend([client.try_clone()?, server.try_clone()?]);
        drop(state);
        for socket in [&client, &server] {
            socket.set_nodelay(true)?;
        }
        self.pass(client.try_clone()?, server.try_clone()?, false);
        self.pass(server, client, true);
        Ok(())
    }

    fn pass(self: &Arc<Self>, mut from: TcpStream, mut to: TcpStream, is_answer: bool) {
        let shared = Arc::clone(self);
        std::thread::spawn(move || {
            let mut bytes = [0; 16 << 10];
            while let Ok(count @ 1..) = from.read(&mut bytes) {
                let way = shared.lock().way;
                match way {
                    Way::Cut => continue,
                    Way::Slow(late) if is_answer => std::thread::sleep(late),
                    Way::Slow(_) | Way::Open => {}
                }
                if to.write_all(bytes.get(..count).unwrap_or_default()).is_err() {
                    break;
                }
            }
            // what ends while it is cut is not heard of either
            drop(shared.wait_while_cut());
            let _gone_already = to.shutdown(Shutdown::Both);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(client: &mut TcpStream, word: &[u8]) -> Option<Vec<u8>> {
        client.write_all(word).ok()?;
        let mut answer = vec![0; word.len()];
        client.read_exact(&mut answer).ok()?;
        Some(answer)
    }

    #[test]
    fn what_is_cut_is_lost_and_its_connections_break_when_it_is_open_again() {
        let server = TcpListener::bind((LOOPBACK, 0)).unwrap();
        let relay = Relay::to(server.local_addr().unwrap().port()).unwrap();
        std::thread::spawn(move || {
            for mut client in server.incoming().map_while(Result::ok) {
                std::thread::spawn(move || std::io::copy(&mut client.try_clone().unwrap(), &mut client));
            }
        });
        let connect = || TcpStream::connect((LOOPBACK, relay.port)).unwrap();
        let mut client = connect();
        assert_eq!(said(&mut client, b"one").as_deref(), Some(&b"one"[..]));
        relay.be(Way::Cut);
        client.write_all(b"two").unwrap();
        let mut later = connect();
        later.write_all(b"three").unwrap();
        relay.be(Way::Open);
        assert_eq!(client.read(&mut [0; 8]).unwrap_or_default(), 0, "it is broken");
        let mut three = [0; 5];
        later.read_exact(&mut three).unwrap();
        assert_eq!(&three, b"three", "who came meanwhile is served");
        relay.be(Way::Slow(Duration::from_millis(1)));
        assert_eq!(said(&mut connect(), b"four").as_deref(), Some(&b"four"[..]));
    }
}
