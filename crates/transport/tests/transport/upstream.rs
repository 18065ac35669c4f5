//! A provider that does to each connection what a script says, and a way to ask it.

use std::{
    cell::RefCell, collections::VecDeque, future::poll_fn, net::SocketAddr, pin::pin, rc::Rc, sync::Arc,
};

use bytes::Bytes;
use futures_util::StreamExt;
use nexus_core::{
    catalogue::Provider,
    endpoint::Endpoint,
    fault::Fault,
    id::{CredentialId, ProviderId, Uuid},
    site::Site,
};
use nexus_engine::{
    port::{Clock, Deadlines, Inbound, JSON, Outbound, Transport},
    world::Credential,
};
use nexus_keystore::secret::Secret;
use nexus_providers::dialect::AuthScheme;
use nexus_transport::{AnswerBody, HttpTransport, Tls};
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    sync::Notify,
};

/// What is done to a connection. When the script is over, the connection is closed.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Reads one request, head and body.
    Request,
    /// Reads this many bytes of a request.
    Part(usize),
    Send(Vec<u8>),
    /// Sends byte by byte, each its own segment.
    Drip(Vec<u8>),
    /// Waits until the client is gone.
    Gone,
    /// Waits until told to go on.
    Told,
    /// Closes with a reset instead of a FIN.
    Reset,
    /// Sends the same bytes until the client is gone.
    Flood(Vec<u8>),
}

pub(crate) fn send(bytes: impl AsRef<[u8]>) -> Step {
    Step::Send(bytes.as_ref().to_vec())
}

/// A whole answer that keeps the connection.
pub(crate) fn answer(body: &str) -> Step {
    send(format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    ))
}

/// What the provider saw.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) connections: usize,
    /// Scripts that were played to their end.
    pub(crate) ended: usize,
    pub(crate) requests: Vec<String>,
}

/// A scripted provider. Connections beyond the scripts are accepted and closed.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    pub(crate) seen: Rc<RefCell<Seen>>,
    told: Rc<Notify>,
    changed: Rc<Notify>,
}

impl Upstream {
    pub(crate) async fn play(scripts: Vec<Vec<Step>>) -> Self {
        Self::play_over(scripts, |tcp| async move { Some(tcp) }).await
    }

    /// The same, over what `wrap` makes of each connection.
    pub(crate) async fn play_over<W, F, Io>(scripts: Vec<Vec<Step>>, wrap: W) -> Self
    where
        W: Fn(tokio::net::TcpStream) -> F + 'static,
        F: Future<Output = Option<Io>>,
        Io: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let upstream = Self {
            address: listener.local_addr().unwrap(),
            seen: Rc::default(),
            told: Rc::default(),
            changed: Rc::default(),
        };
        let (seen, told, changed) = (upstream.seen.clone(), upstream.told.clone(), upstream.changed.clone());
        let wrap = Rc::new(wrap);
        actix_rt::spawn(async move {
            let mut scripts = VecDeque::from(scripts);
            while let Ok((tcp, _)) = listener.accept().await {
                seen.borrow_mut().connections += 1;
                let script = scripts.pop_front().unwrap_or_default();
                if script.iter().any(|step| matches!(step, Step::Reset)) {
                    SockRef::from(&tcp).set_linger(Some(std::time::Duration::ZERO)).unwrap();
                }
                let (seen, told, changed, wrap) = (seen.clone(), told.clone(), changed.clone(), wrap.clone());
                actix_rt::spawn(async move {
                    if let Some(mut io) = wrap(tcp).await {
                        for step in script {
                            play(&mut io, step, &seen, &told).await;
                        }
                        let _ = io.shutdown().await;
                    }
                    seen.borrow_mut().ended += 1;
                    changed.notify_waiters();
                });
            }
        });
        upstream
    }

    /// Lets one connection that waits to be told go on.
    pub(crate) fn tell(&self) {
        self.told.notify_one();
    }

    /// Waits until this many scripts are over; the test runner's own limit is the only clock.
    pub(crate) async fn ended(&self, count: usize) {
        let mut changed = pin!(self.changed.notified());
        loop {
            changed.as_mut().enable();
            if self.seen.borrow().ended >= count {
                return;
            }
            changed.as_mut().await;
            changed.set(self.changed.notified());
        }
    }

    pub(crate) fn provider(&self) -> Provider {
        provider(&format!("http://{}/v1", self.address))
    }

    pub(crate) fn connections(&self) -> usize {
        self.seen.borrow().connections
    }
}

async fn play<Io: AsyncRead + AsyncWrite + Unpin>(
    io: &mut Io,
    step: Step,
    seen: &RefCell<Seen>,
    told: &Notify,
) {
    let mut rest = [0; 4096];
    match step {
        Step::Request => {
            if let Some(request) = read_request(io).await {
                seen.borrow_mut().requests.push(request);
            }
        }
        Step::Part(len) => {
            let _ = io.read_exact(&mut vec![0; len]).await;
        }
        Step::Send(bytes) => {
            let _ = io.write_all(&bytes).await;
            let _ = io.flush().await;
        }
        Step::Drip(bytes) => {
            for byte in bytes {
                if io.write_all(&[byte]).await.is_err() || io.flush().await.is_err() {
                    return;
                }
                tokio::task::yield_now().await;
            }
        }
        Step::Gone => while io.read(&mut rest).await.is_ok_and(|len| len > 0) {},
        Step::Told => told.notified().await,
        Step::Reset => {}
        Step::Flood(bytes) => while io.write_all(&bytes).await.is_ok() {},
    }
}

async fn read_request(io: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut all = Vec::new();
    loop {
        let mut piece = vec![0; 64 * 1024];
        let len = io.read(&mut piece).await.ok().filter(|len| *len > 0)?;
        all.extend_from_slice(&piece[..len]);
        let text = String::from_utf8_lossy(&all);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let wanted = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
            if body.len() >= wanted.parse::<usize>().unwrap() {
                return Some(text.into_owned());
            }
        }
    }
}

pub(crate) fn provider(endpoint: &str) -> Provider {
    Provider {
        id: ProviderId(Uuid::from_u128(1)),
        name: "scripted".into(),
        kind: "openai".into(),
        endpoint: Endpoint::parse(endpoint).unwrap(),
        options: Default::default(),
        allow_private_network: true,
        weight: 1,
        limits: Default::default(),
    }
}

/// Deadlines that pass only in a test that is about them.
pub(crate) const PATIENT: Deadlines =
    Deadlines { connect_ms: 60_000, first_byte_ms: 60_000, between_chunks_ms: 60_000, whole_ms: 120_000 };

/// A clock that stands still.
struct Stopped;

impl Clock for Stopped {
    fn unix_ms(&self) -> i64 {
        1_800_000_000_000
    }

    fn monotonic_us(&self) -> u64 {
        0
    }
}

pub(crate) fn transport() -> HttpTransport {
    HttpTransport::new(&Tls::new(None).unwrap(), Arc::new(Stopped))
}

pub(crate) fn trusting(pem: &str) -> HttpTransport {
    HttpTransport::new(&Tls::new(Some(pem.as_bytes())).unwrap(), Arc::new(Stopped))
}

/// Sends one request.
pub(crate) async fn head_of(
    transport: &HttpTransport,
    provider: &Provider,
    body: Bytes,
    deadlines: Deadlines,
) -> Result<Inbound<AnswerBody>, Fault> {
    let credential = Credential {
        id: CredentialId(Uuid::from_u128(1)),
        generation: 1,
        secret: Arc::new(Secret::new("sk-secret".to_owned())),
    };
    let outbound = Outbound {
        provider,
        site: Site::PLAIN,
        path: "/chat/completions",
        headers: &[("accept", "application/json".to_owned())],
        auth: AuthScheme::Bearer,
        credential: Some(&credential),
        method: "POST",
        content_type: JSON,
        body,
        rest: None,
        deadlines,
    };
    transport.send(outbound).await
}

/// Sends one request and reads its answer, in words: `200 body`, `200 part, then truncated`, or `reset`.
pub(crate) async fn ask_with(
    transport: &HttpTransport,
    provider: &Provider,
    body: Bytes,
    deadlines: Deadlines,
) -> String {
    let mut answer = match head_of(transport, provider, body, deadlines).await {
        Err(fault) => {
            assert!(!fault.message.contains("secret"), "{}", fault.message);
            return fault.class.as_str().to_owned();
        }
        Ok(answer) => answer,
    };
    let mut text = format!("{} ", answer.status);
    while let Some(piece) = poll_fn(|cx| answer.body.poll_next_unpin(cx)).await {
        match piece {
            Ok(bytes) => text.push_str(&String::from_utf8_lossy(&bytes)),
            Err(fault) => {
                text.push_str(&format!(", then {}", fault.class.as_str()));
                assert!(answer.body.next().await.is_none(), "a fault is last");
            }
        }
    }
    text
}

pub(crate) async fn ask(transport: &HttpTransport, provider: &Provider) -> String {
    ask_with(transport, provider, Bytes::from_static(b"{}"), PATIENT).await
}
