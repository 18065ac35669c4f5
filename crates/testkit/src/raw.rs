//! A server that plays exact bytes, for faults no honest server commits.
//!
//! Every request takes the next exchange, on whichever connection it comes; the last one repeats.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::host::Host;
use crate::http::{Keep, Progress, parse_head, take_request};

/// The bytes that answer one request.
#[derive(Clone, Debug)]
pub struct Exchange {
    pub bytes: Bytes,
    pub after: After,
}

/// What becomes of the connection when the bytes are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// Closes in order.
    Fin,
    /// Resets.
    Rst,
    /// Stays open and silent until the client leaves.
    Hold,
    /// Waits for the next request.
    Keep,
    /// Sends as soon as the request's head is there, reads nothing of the body, and closes.
    Early,
}

impl After {
    /// The names the fault corpus uses.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "fin" => Some(Self::Fin),
            "rst" => Some(Self::Rst),
            "hold" => Some(Self::Hold),
            "keep" => Some(Self::Keep),
            "early" => Some(Self::Early),
            _ => None,
        }
    }
}

/// A running raw server; dropping it closes everything.
#[derive(Debug)]
pub struct RawServer {
    host: Host,
    played: Arc<Played>,
}

#[derive(Debug)]
struct Played {
    exchanges: Vec<Exchange>,
    requests: AtomicUsize,
    connections: AtomicU64,
}

impl RawServer {
    /// Listens on a free port of the loopback and serves on its own thread.
    ///
    /// # Errors
    /// There is nothing to play, or no port.
    pub fn start(exchanges: Vec<Exchange>) -> io::Result<Self> {
        if exchanges.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a raw server needs an exchange to play",
            ));
        }
        let played =
            Arc::new(Played { exchanges, requests: AtomicUsize::new(0), connections: AtomicU64::new(0) });
        let shared = Arc::clone(&played);
        let host = Host::start((Ipv4Addr::LOCALHOST, 0).into(), move |listener| serve(listener, shared))?;
        Ok(Self { host, played })
    }

    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.host.addr()
    }

    /// Requests that were answered, or begun to be.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.played.requests.load(Ordering::SeqCst)
    }

    /// Connections accepted.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.played.connections.load(Ordering::SeqCst)
    }
}

async fn serve(listener: TcpListener, played: Arc<Played>) {
    while let Ok((stream, _)) = listener.accept().await {
        played.connections.fetch_add(1, Ordering::SeqCst);
        // a client that breaks off is one of the cases
        tokio::spawn(play(stream, Arc::clone(&played)));
    }
}

async fn play(mut stream: TcpStream, played: Arc<Played>) -> io::Result<()> {
    let mut input = BytesMut::new();
    loop {
        let exchange = next_exchange(&mut stream, &mut input, &played).await?;
        stream.write_all(&exchange.bytes).await?;
        match exchange.after {
            After::Keep => {}
            After::Fin => return stream.shutdown().await,
            After::Rst => return stream.set_zero_linger(),
            After::Early => return Ok(()),
            After::Hold => while stream.read_buf(&mut input).await? > 0 {},
        }
    }
}

/// Waits for what the next exchange wants to have read: a whole request, or for `Early` its head.
async fn next_exchange(
    stream: &mut TcpStream,
    input: &mut BytesMut,
    played: &Played,
) -> io::Result<Exchange> {
    let refuse = |why| io::Error::new(io::ErrorKind::InvalidData, why);
    loop {
        let turn = played.requests.load(Ordering::SeqCst);
        let exchange = played.exchanges.get(turn).or(played.exchanges.last());
        let early = exchange.is_some_and(|exchange| exchange.after == After::Early);
        let ready = match early {
            true => parse_head(input, Keep::Nothing).map_err(refuse)?.is_some(),
            false => matches!(take_request(input, Keep::Nothing).map_err(refuse)?, Progress::Whole(_)),
        };
        if let Some(exchange) = exchange.filter(|_| ready) {
            played.requests.fetch_add(1, Ordering::SeqCst);
            return Ok(exchange.clone());
        }
        if stream.read_buf(input).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}
