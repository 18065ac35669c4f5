//! Credentials shown by each scheme, with a clock that is moved and an authority that is a socket.

use std::{
    cell::Cell,
    io::{Read, Write as _},
    net::{SocketAddr, TcpListener},
    sync::{
        Mutex,
        atomic::{AtomicI64, Ordering},
    },
    thread,
};

use futures_util::FutureExt as _;
use nexus_core::id::{CredentialId, Uuid};

use super::*;

/// A clock that stands until it is moved.
#[derive(Default)]
pub(crate) struct Moved(AtomicI64);

impl Moved {
    pub(crate) fn to_ms(&self, unix_ms: i64) {
        self.0.store(unix_ms, Ordering::Relaxed);
    }
}

impl Clock for Moved {
    fn unix_ms(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }

    fn monotonic_us(&self) -> u64 {
        0
    }
}

/// A server that answers each request with the next of `answers`, and keeps what it was asked.
pub(crate) struct Authority {
    pub(crate) addr: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Authority {
    pub(crate) fn start(answers: Vec<(u16, &'static str)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let kept = Arc::clone(&asked);
        thread::spawn(move || {
            for (status, body) in answers {
                let (mut stream, _) = listener.accept().unwrap();
                kept.lock().unwrap().push(read(&mut stream));
                let head = format!(
                    "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    body.len()
                );
                stream.write_all((head + body).as_bytes()).unwrap();
            }
        });
        Self { addr, asked }
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// A request with its body, whose length is said.
fn read(stream: &mut impl Read) -> String {
    let mut read = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&read).to_ascii_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return String::from_utf8(read).unwrap();
            }
        }
        let len = stream.read(&mut piece).unwrap();
        assert!(len > 0);
        read.extend_from_slice(&piece[..len]);
    }
}

pub(crate) fn credential(generation: i64, secret: &str) -> Credential {
    let secret = Arc::new(Secret::new(secret.to_owned()));
    Credential { id: CredentialId(Uuid::from_u128(1)), generation, secret }
}

fn access(clock: &Arc<Moved>) -> Access {
    Access::new(&Tls::new(None).unwrap(), Arc::<Moved>::clone(clock))
}

fn showing<'a>(
    scheme: AuthScheme,
    credential: Option<&'a Credential>,
    endpoint: &'a Endpoint,
) -> Showing<'a> {
    Showing {
        scheme,
        credential,
        site: Site::PLAIN,
        endpoint,
        reach: Reach::Public,
        method: "POST",
        path: "/chat",
        headers: &[],
        body: b"",
    }
}

/// What is shown under a scheme that asks nobody.
pub(crate) fn shown<R>(scheme: AuthScheme, secret: &str, take: impl FnOnce(&Shown<'_>) -> R) -> R {
    let (credential, endpoint) = (credential(1, secret), Endpoint::parse("https://one.example/v1").unwrap());
    let access = access(&Arc::default());
    let shown = access.show(&showing(scheme, Some(&credential), &endpoint)).now_or_never();
    take(&shown.unwrap().unwrap())
}

fn lines(shown: &Shown<'_>) -> Vec<String> {
    shown.headers().iter().map(|(name, value)| format!("{name}: {}", value.expose())).collect()
}

#[test]
fn a_credential_is_shown_as_its_scheme_wants_it() {
    for (scheme, expected) in [
        (AuthScheme::Bearer, &["authorization: Bearer sk-1"][..]),
        (AuthScheme::Header("x-api-key"), &["x-api-key: sk-1"]),
        (AuthScheme::Open, &[]),
        (AuthScheme::Aws { service: "bedrock" }, &["authorization: Bearer sk-1"]),
        (AuthScheme::Entra { header: "api-key", scope: "s" }, &["api-key: sk-1"]),
    ] {
        assert_eq!(shown(scheme, "sk-1", lines), expected, "{scheme:?}");
    }
    let endpoint = Endpoint::parse("https://one.example/v1").unwrap();
    for scheme in [AuthScheme::Bearer, AuthScheme::Google { scope: "s" }, AuthScheme::Aws { service: "s" }] {
        let access = access(&Arc::default());
        let nothing = access.show(&showing(scheme, None, &endpoint)).now_or_never().unwrap();
        assert!(lines(&nothing.unwrap()).is_empty(), "without a credential nothing is shown");
    }
}

#[actix_rt::test]
async fn a_token_that_was_good_is_given_up_once_and_one_that_never_was_is_not() {
    let access = access(&Arc::default());
    let credential = credential(1, "sk-1");
    let fetches = Cell::new(0);
    let token = || {
        access.bearer_token(Key::new(&credential, "s"), || {
            fetches.set(fetches.get() + 1);
            let value = Secret::new(format!("token-{}", fetches.get()));
            std::future::ready(Ok(Granted { value, lifetime_ms: 3_600_000 }))
        })
    };
    let first = token().await.unwrap();
    assert_eq!(lines(&first), ["authorization: Bearer token-1"]);
    assert!(!first.is_outlived(500), "any answer but 401 means that it let us in");
    let beside = token().await.unwrap();
    assert!(first.is_outlived(401));
    assert!(beside.is_outlived(401), "who was sent beside it may ask again too");
    let second = token().await.unwrap();
    assert_eq!(lines(&second), ["authorization: Bearer token-2"]);
    assert!(!second.is_outlived(401), "it is the credential that is refused");
    assert_eq!(lines(&token().await.unwrap()), ["authorization: Bearer token-2"]);
    assert_eq!(fetches.get(), 2);

    let key = shown(AuthScheme::Bearer, "sk-1", |shown| shown.is_outlived(401));
    assert!(!key, "a key is not exchanged for another");
}
