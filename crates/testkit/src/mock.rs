//! The mock provider: OpenAI's chat completions, Azure's, Anthropic's messages, Gemini's contents, Bedrock's conversations, Cohere's and Ollama's chats, whole and streamed, scripted by the model's name (see `script`).
//!
//! It serves from a thread of its own. What it remembers is bounded by `Options::remember`; the benchmark remembers nothing.

mod answer;
mod ask;
mod azure;
mod cohere;
mod connection;
mod converse;
mod embeddings;
mod generate;
mod kept;
mod messages;
mod ollama;
mod oracle;
mod passed;
mod render;
mod reply;
mod schema;
mod surface;
mod token;
mod tokens;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;

use self::ask::Ask;
use self::connection::Connection;
pub use self::converse::signature::{ACCESS_KEY_ID, SECRET_ACCESS_KEY};
use self::embeddings::EmbedAsk;
use self::kept::Keeper;
use self::oracle::Oracle;
pub use self::oracle::Served;
use self::reply::Reply;
use self::surface::Surface;
pub use self::token::SERVICE_ACCOUNT;
use crate::host::Host;
use crate::http::{Keep, Request};
use crate::script::Script;

const MAX_REMEMBERED_BYTES: usize = 64 * 1024 * 1024;
const CACHED_REPLIES: usize = 8;
const MAX_CACHED_BODY_BYTES: usize = 4 * 1024 * 1024;
const MODELS: [&str; 3] = ["mock-gpt", "mock-gpt-mini", "mock-reasoner"];

/// How a mock is started.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen; port 0 takes any free one.
    pub listen: SocketAddr,
    /// The script (`WORD+WORD...`) of models whose name has no words.
    pub script: String,
    /// Requests and oracle lines to keep in memory, at most; 0 keeps none.
    pub remember: usize,
    /// A file to which the oracle's lines are appended as JSON.
    pub oracle_file: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            script: String::new(),
            remember: 10_000,
            oracle_file: None,
        }
    }
}

/// What has happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections accepted, and those open now.
    pub connections: u64,
    pub open_connections: u64,
    /// Requests read whole.
    pub requests: u64,
    /// Completions served to their end.
    pub finished: u64,
    /// Replies of any kind, hung ones too, whose client left before their end.
    pub cancelled: u64,
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Received {
    pub method: String,
    pub path: String,
    /// In their order, names as sent.
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

impl Received {
    /// The first header of this name, in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// A running mock provider; dropping it closes its port and all connections.
#[derive(Debug)]
pub struct Mock {
    host: Host,
    shared: Arc<Shared>,
}

impl Mock {
    /// Listens and serves on its own thread; no runtime is needed.
    ///
    /// # Errors
    /// The script is not understood, the address is taken, or the oracle's file cannot be opened.
    pub fn start(options: Options) -> io::Result<Self> {
        let shared = Arc::new(Shared::new(&options)?);
        let served = Arc::clone(&shared);
        let host = Host::start(options.listen, move |listener| serve(listener, served))?;
        Ok(Self { host, shared })
    }

    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.host.addr()
    }

    /// The base an SDK takes, `http://ADDR/v1`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/v1", self.addr())
    }

    /// Changes the script of models whose name has no words, from the next request on.
    ///
    /// # Errors
    /// Says which word is not understood; the old script then stays.
    pub fn set_script(&self, words: &str) -> Result<(), String> {
        let script = Script::parse(words)?;
        let mut replies = lock(&self.shared.replies);
        replies.script = script;
        replies.cached.clear();
        Ok(())
    }

    /// Changes the script of such models for whoever shows this key, from the next request on.
    ///
    /// # Errors
    /// Says which word is not understood; the old script then stays.
    pub fn set_key_script(&self, key: &str, words: &str) -> Result<(), String> {
        let script = Script::parse(words)?;
        let mut replies = lock(&self.shared.replies);
        replies.by_key.insert(key.to_owned(), script);
        replies.cached.clear();
        Ok(())
    }

    /// The last oracle lines, oldest first.
    #[must_use]
    pub fn oracle(&self) -> Vec<Served> {
        self.shared.oracle.kept()
    }

    /// The last requests, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<Received> {
        lock(&self.shared.received).requests.iter().cloned().collect()
    }

    #[must_use]
    pub fn counts(&self) -> Counts {
        *self.shared.counts.borrow()
    }

    /// Waits until the counts are as `wanted`; runs on any runtime.
    pub async fn until(&self, wanted: impl FnMut(&Counts) -> bool) -> Counts {
        let mut watching = self.shared.counts.subscribe();
        let reached = watching.wait_for(wanted).await.map(|counts| *counts);
        reached.unwrap_or_else(|_| self.counts())
    }

    /// Closes the port and all connections.
    pub fn stop(self) {
        drop(self);
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // out of descriptors: those in use must first come back
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        // without it a stream only comes later, never wrong
        let _ = stream.set_nodelay(true);
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            shared.count(|counts| {
                counts.connections += 1;
                counts.open_connections += 1;
            });
            Connection::new(stream, Arc::clone(&shared)).serve().await;
            shared.count(|counts| counts.open_connections -= 1);
        });
    }
}

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Shared {
    oracle: Oracle,
    remember: usize,
    received: Mutex<Remembered>,
    kept: Mutex<Keeper>,
    replies: Mutex<Replies>,
    counts: watch::Sender<Counts>,
    id_prefix: String,
}

#[derive(Debug, Default)]
struct Remembered {
    requests: VecDeque<Received>,
    body_bytes: usize,
}

#[derive(Debug)]
struct Replies {
    script: Script,
    /// The same for who shows one of these keys.
    by_key: HashMap<String, Script>,
    cached: VecDeque<Cached>,
}

/// The same path and body get the same reply.
#[derive(Debug)]
struct Cached {
    path: String,
    body: Bytes,
    reply: Arc<Reply>,
}

impl Shared {
    fn new(options: &Options) -> io::Result<Self> {
        let script =
            Script::parse(&options.script).map_err(|why| io::Error::new(io::ErrorKind::InvalidInput, why))?;
        Ok(Self {
            oracle: Oracle::open(options.oracle_file.as_deref(), options.remember)?,
            remember: options.remember,
            received: Mutex::default(),
            kept: Mutex::default(),
            replies: Mutex::new(Replies { script, by_key: HashMap::new(), cached: VecDeque::new() }),
            counts: watch::Sender::default(),
            id_prefix: format!("{:013x}", unix_ms()),
        })
    }

    fn keep_headers(&self) -> Keep {
        if self.remember > 0 { Keep::Headers } else { Keep::Nothing }
    }

    fn count(&self, change: impl FnOnce(&mut Counts)) {
        self.counts.send_modify(change);
    }

    /// As long as `render::ID`, different for every reply of every mock of this process.
    fn next_id(&self) -> String {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        format!("{}{number:016}", self.id_prefix)
    }

    fn reply_to(&self, request: &Request) -> Arc<Reply> {
        self.remember(request);
        self.count(|counts| counts.requests += 1);
        let path = request.head.path.split('?').next().unwrap_or_default();
        match (request.head.method.as_str(), path) {
            (_, path) if kept::is_asked(path) => Arc::new(lock(&self.kept).answer(request)),
            ("POST", path) if token::is_asked(path) => {
                let (status, body) = token::answer(&request.body, unix_ms() / 1000);
                Arc::new(Reply::plain(status, &body))
            }
            (_, path) if token::is_wanted(path) && request.head.key.as_deref() != Some(token::TOKEN) => {
                Arc::new(Reply::key_refused(
                    Surface::Generate,
                    request.head.key.as_deref().unwrap_or_default(),
                ))
            }
            ("POST", path) if azure::is_asked(path) => self.answer(Surface::Azure, request),
            ("POST", path) if path.ends_with("/chat/completions") => self.answer(Surface::Chat, request),
            ("POST", path) if path.ends_with("/api/chat") => self.answer(Surface::Ollama, request),
            ("POST", path) if path.ends_with("/v2/chat") => self.answer(Surface::Cohere, request),
            ("POST", path) if path.ends_with("/messages") => self.answer(Surface::Messages, request),
            ("POST", path) if converse::is_asked(path) => self.converse(path, request),
            ("POST", path) if generate::is_asked(path) => self.answer(Surface::Generate, request),
            ("POST", path) if path.ends_with("/embeddings") => self.embed(Surface::Chat, request),
            ("POST", path) if path.ends_with(":batchEmbedContents") => self.embed(Surface::Generate, request),
            ("POST", path) if path.ends_with(":predict") => self.embed(Surface::Generate, request),
            ("POST", path) if path.ends_with("/v2/embed") => self.embed(Surface::Cohere, request),
            ("POST", path) if path.ends_with("/api/embed") => self.embed(Surface::Ollama, request),
            ("POST", path) if passed::is_asked(path) => {
                Arc::new(passed::answer(path, &request.body, &lock(&self.replies).script))
            }
            ("GET", path) if path.ends_with("/models") => Arc::new(Reply::json(&models())),
            ("GET", path) if MODELS.iter().any(|model| path.ends_with(&format!("/models/{model}"))) => {
                Arc::new(Reply::json(&model(path.rsplit('/').next().unwrap_or_default()).to_string()))
            }
            (method, path) => Arc::new(Reply::not_found(method, path)),
        }
    }

    /// What Bedrock is asked for, if the request is as it was signed.
    fn converse(&self, path: &str, request: &Request) -> Arc<Reply> {
        if let Err((exception, words)) = converse::signature::check(request, unix_ms() / 1000) {
            return Arc::new(Reply::exception(403, exception, &words));
        }
        if converse::target(path).is_some() {
            return self.answer(Surface::Converse, request);
        }
        Arc::new(match converse::invoke::answer(&request.body) {
            Ok(answer) => Reply::json(&answer),
            Err(complaint) => Reply::complaint(Surface::Converse, &complaint),
        })
    }

    fn answer(&self, surface: Surface, request: &Request) -> Arc<Reply> {
        let mut replies = lock(&self.replies);
        let of_key = request.head.key.as_ref().and_then(|key| replies.by_key.get(key)).cloned();
        let is_alike = of_key.is_none();
        let script = of_key.unwrap_or_else(|| replies.script.clone());
        let path = &request.head.path;
        let is_known = |known: &&Cached| known.path == *path && known.body == request.body;
        if let Some(known) = replies.cached.iter().filter(|_| is_alike).find(is_known) {
            return Arc::clone(&known.reply);
        }
        let ask = match surface {
            Surface::Chat => Ask::read(&request.body, &script),
            Surface::Azure => azure::read(path, &request.body, &script),
            Surface::Cohere => cohere::read(&request.body, &script),
            Surface::Ollama => ollama::read(&request.body, &script),
            Surface::Messages => messages::read(&request.body, &script),
            Surface::Generate => generate::read(path, &request.body, &script),
            Surface::Converse => converse::read(path, &request.body, &script),
        };
        let ask = match ask {
            Err(complaint) => return Arc::new(Reply::complaint(surface, &complaint)),
            Ok(ask) => ask,
        };
        if ask.script.shape.echo_key_401 {
            return Arc::new(Reply::key_refused(surface, request.head.key.as_deref().unwrap_or_default()));
        }
        let reply = Arc::new(Reply::to(&ask, unix_ms() / 1000));
        if is_alike && request.body.len() <= MAX_CACHED_BODY_BYTES {
            replies.cached.truncate(CACHED_REPLIES - 1);
            let (path, body) = (path.clone(), Bytes::copy_from_slice(&request.body));
            replies.cached.push_front(Cached { path, body, reply: Arc::clone(&reply) });
        }
        reply
    }

    fn embed(&self, surface: Surface, request: &Request) -> Arc<Reply> {
        let ask =
            match EmbedAsk::read(surface, &request.head.path, &request.body, &lock(&self.replies).script) {
                Err(complaint) => return Arc::new(Reply::complaint(surface, &complaint)),
                Ok(ask) => ask,
            };
        if ask.script.shape.echo_key_401 {
            let key = request.head.key.as_deref().unwrap_or_default();
            return Arc::new(Reply::key_refused(surface, key));
        }
        Arc::new(Reply::of_script(surface, &ask.script).unwrap_or_else(|| Reply::json(&ask.answer())))
    }

    fn remember(&self, request: &Request) {
        if self.remember == 0 {
            return;
        }
        let mut remembered = lock(&self.received);
        remembered.body_bytes += request.body.len();
        remembered.requests.push_back(Received {
            method: request.head.method.clone(),
            path: request.head.path.clone(),
            headers: request.head.headers.clone(),
            // a copy: the request's own bytes hold the connection's whole read buffer
            body: Bytes::copy_from_slice(&request.body),
        });
        while remembered.requests.len() > self.remember || remembered.body_bytes > MAX_REMEMBERED_BYTES {
            let Some(oldest) = remembered.requests.pop_front() else { break };
            remembered.body_bytes -= oldest.body.len();
        }
    }
}

/// A path's segment without its percents.
fn unescaped(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, after) = after.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

fn models() -> String {
    let data: Vec<_> = MODELS.iter().map(|id| model(id)).collect();
    json!({"object": "list", "data": data}).to_string()
}

fn model(id: &str) -> serde_json::Value {
    json!({"id": id, "object": "model", "created": 1_767_225_600, "owned_by": "mock"})
}

#[expect(clippy::disallowed_methods, reason = "the mock is the world outside, which has its own clock")]
fn unix_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
