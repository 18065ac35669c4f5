//! Sockets that listen already and are handed over to the process, as systemd does it (`LISTEN_FDS`): who holds them
//! outlives this process, so nobody who connects is refused between one process and the next.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::{Mutex, PoisonError},
};

use listenfd::ListenFd;
use socket2::{Domain, Protocol, Socket, Type};

use crate::start::StartError;

/// Who may wait to be taken in.
const BACKLOG: i32 = 4096;

/// Those of this process.
#[derive(Default)]
pub struct Handed {
    is_any: bool,
    /// Those that nobody took yet.
    sockets: Mutex<Vec<(SocketAddr, TcpListener)>>,
}

impl Handed {
    /// Those of this process.
    pub fn over() -> Result<Self, StartError> {
        let mut all = ListenFd::from_env();
        let mut sockets = Vec::new();
        for place in 0..all.len() {
            if let Some(socket) = all.take_tcp_listener(place).map_err(StartError::Handed)? {
                let address = socket.local_addr().map_err(StartError::Handed)?;
                socket.set_nonblocking(true).map_err(StartError::Handed)?;
                sockets.push((address, socket));
            }
        }
        Ok(Self { is_any: !sockets.is_empty(), sockets: Mutex::new(sockets) })
    }

    /// Whether this process listens on sockets of somebody else's.
    pub fn is_any(&self) -> bool {
        self.is_any
    }

    /// What listens at an address: the socket that was handed over for it, or a new one.
    pub fn socket(&self, address: SocketAddr) -> io::Result<TcpListener> {
        if let Some(socket) = self.take(address) {
            return Ok(socket);
        }
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    }

    fn take(&self, address: SocketAddr) -> Option<TcpListener> {
        let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        let place = sockets.iter().position(|(own, _)| *own == address)?;
        tracing::info!(%address, "the socket was handed over");
        Some(sockets.swap_remove(place).1)
    }

    /// Addresses at which nothing of this process listens.
    pub fn left(&self) -> Vec<SocketAddr> {
        let sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        sockets.iter().map(|(address, _)| *address).collect()
    }
}
