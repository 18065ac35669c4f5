//! Fakes of the engine's ports: a provider that plays what it is told, a ledger that remembers, a clock
//! and dice that stand still.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, HashMap, VecDeque, hash_map::RandomState},
    pin::Pin,
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use futures_core::Stream;
use nexus_core::{
    allowance::Allowances,
    brute::Failures,
    capabilities::Capabilities,
    catalogue::{Catalogue, Provider, Route, Target},
    endpoint::Endpoint,
    fault::Fault,
    flow::{self, Bounds},
    health::learned::Learned,
    id::{ProviderId, RouteId, TeamId, Uuid},
    need::Fit,
    resource::{Home, Owned},
    retry_budget::RetryBudget,
    site::Options,
    snapshot::Snapshot,
    usage::UsageRecord,
};
use nexus_engine::{
    estimate::Estimator,
    port::{
        Clock, Content, Contents, Deadlines, Dice, Inbound, Ledger, Noted, Outbound, Trail, Transport,
        Unbooked,
    },
    relay::orphan::{Reading, orphanage},
    resource::owners::{Owners, OwnersAway, Told},
    shared::{Engine, Keys, Limits, Shared},
    shelf::{Owner, Part, Shelf, Thing, port::Pieces},
    stage::authenticate::Known,
    world::{World, Worlds},
};
use nexus_keystore::{
    opaque::OpaqueDigests,
    request_signature::Nonces,
    root::RootSecret,
    signing_secret::SigningSecrets,
    token::{Grant, Level, Tokens},
};
use nexus_telemetry::exporter::Exporter;

pub const NOW_S: u64 = 1_790_000_000;
pub const TEAM: Uuid = Uuid::from_u128(7);
/// Bad keys taken at once from one address.
pub const FAILURES_MAX: u32 = 20;
const ROOT: &str = "qz3Vn0b1mFf0pGm2yJkq8Q7c5Hs1rXw4tLd9uAe6BiY=";

/// Nobody has made anything.
pub struct NoOwners;

impl Owners for NoOwners {
    fn find<'a>(&'a self, _: &'a [(&'a str, &'a str)]) -> Told<'a, Vec<Owned>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn keep(&self, _: Vec<Owned>) -> Told<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    fn keep_soon(&self, _: Owned) {}

    fn forget<'a>(&'a self, _: &'a str, _: &'a str, _: Home) -> Told<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn homes<'a>(&'a self, _: &'a str, _: Option<TeamId>) -> Told<'a, Vec<(Home, u64)>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}

/// What is there by its kind and id, with whom it belongs to.
type Things = BTreeMap<(&'static str, String), (Owner, Thing)>;

/// Things in memory.
#[derive(Default)]
pub struct MemoryShelf {
    things: Mutex<Things>,
    /// Whether nothing can be put there or taken from there.
    pub is_away: AtomicBool,
}

impl MemoryShelf {
    fn with<T>(
        &self,
        what: impl FnOnce(&mut BTreeMap<(&'static str, String), (Owner, Thing)>) -> T,
    ) -> Result<T, OwnersAway> {
        if self.is_away.load(Ordering::Relaxed) {
            return Err(OwnersAway);
        }
        Ok(what(&mut self.things.lock().unwrap()))
    }
}

impl Shelf for MemoryShelf {
    fn put(&self, owner: Owner, thing: Thing) -> Told<'_, ()> {
        let put = self.with(|things| things.insert((thing.kind, thing.id.clone()), (owner, thing)));
        Box::pin(async { put.map(drop) })
    }

    fn find<'a>(&'a self, kind: &'static str, id: &'a str) -> Told<'a, Option<Thing>> {
        let found = self.with(|things| things.get(&(kind, id.to_owned())).map(|(_, thing)| thing.clone()));
        Box::pin(async { found })
    }

    fn change(&self, thing: Thing) -> Told<'_, bool> {
        let changed = self.with(|things| match things.get_mut(&(thing.kind, thing.id.clone())) {
            Some((_, there)) => {
                *there = thing;
                true
            }
            None => false,
        });
        Box::pin(async move { changed })
    }

    fn settle(&self, thing: Thing) -> Told<'_, bool> {
        let settled = self.with(|things| match things.get_mut(&(thing.kind, thing.id.clone())) {
            Some((_, there)) if there.is_open => {
                *there = thing;
                true
            }
            _ => false,
        });
        Box::pin(async move { settled })
    }

    fn delete<'a>(&'a self, kind: &'static str, id: &'a str) -> Told<'a, bool> {
        let gone = self.with(|things| things.remove(&(kind, id.to_owned())).is_some());
        Box::pin(async move { gone })
    }

    fn list(&self, _: &'static str, _: Option<TeamId>, _: Part) -> Told<'_, Vec<Thing>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn add<'a>(&'a self, _: &'static str, _: &'a str, _: Pieces) -> Told<'a, usize> {
        Box::pin(async { Ok(0) })
    }

    fn pieces<'a>(&'a self, _: &'static str, _: &'a str, _: i64, _: usize) -> Told<'a, Pieces> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn numbers<'a>(&'a self, _: &'static str, _: &'a str) -> Told<'a, Vec<i64>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn clear<'a>(&'a self, _: &'static str, _: &'a str) -> Told<'a, ()> {
        Box::pin(async { Ok(()) })
    }
}

/// A piece of an answer's body, or how it breaks.
#[derive(Clone, Debug)]
pub enum Piece {
    Bytes(&'static str),
    Fault(Fault),
    /// Nothing comes any more.
    Silence,
    /// What follows comes when [`FakeTransport::open_gate`] is called.
    Gate,
}

/// What a provider does with one request.
#[derive(Clone, Debug)]
pub enum Act {
    Answer {
        status: u16,
        media: &'static str,
        retry_after_ms: Option<u64>,
        body: Vec<Piece>,
    },
    Fail(Fault),
    /// A whole answer, with what is left of the provider's limits.
    Saying(Learned, &'static str),
}

pub fn json(body: &'static str) -> Act {
    Act::Answer {
        status: 200,
        media: "application/json",
        retry_after_ms: None,
        body: vec![Piece::Bytes(body)],
    }
}

pub fn error(status: u16, body: &'static str) -> Act {
    Act::Answer {
        status,
        media: "application/json",
        retry_after_ms: Some(1500),
        body: vec![Piece::Bytes(body)],
    }
}

pub fn events(body: Vec<Piece>) -> Act {
    Act::Answer { status: 200, media: "text/event-stream", retry_after_ms: None, body }
}

/// Plays acts in order and remembers what it was sent.
#[derive(Clone, Default)]
pub struct FakeTransport {
    pub acts: Rc<RefCell<VecDeque<Act>>>,
    /// Provider name and body of each request.
    pub sent: Rc<RefCell<Vec<(String, String)>>>,
    /// The secret that each of them was shown; nothing where the provider has none.
    pub shown: Rc<RefCell<Vec<String>>>,
    /// How many bodies were dropped before their end.
    pub cancelled: Rc<Cell<usize>>,
    pub gate: Rc<Gate>,
}

impl FakeTransport {
    pub fn open_gate(&self) {
        self.gate.is_open.set(true);
        self.gate.waiting.take().expect("nobody waits at the gate").wake();
    }
}

#[derive(Default)]
pub struct Gate {
    pub is_open: Cell<bool>,
    waiting: Cell<Option<Waker>>,
    /// How often somebody asked in vain.
    pub asked: Cell<usize>,
}

impl Gate {
    fn is_passed(&self, cx: &Context<'_>) -> bool {
        if !self.is_open.get() {
            self.asked.set(self.asked.get() + 1);
            self.waiting.set(Some(cx.waker().clone()));
        }
        self.is_open.get()
    }
}

pub struct FakeBody {
    pieces: VecDeque<Piece>,
    is_over: bool,
    cancelled: Rc<Cell<usize>>,
    gate: Rc<Gate>,
}

impl Stream for FakeBody {
    type Item = Result<Bytes, Fault>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if matches!(self.pieces.front(), Some(Piece::Gate)) && self.gate.is_passed(cx) {
            self.pieces.pop_front();
        }
        match self.pieces.front() {
            Some(Piece::Silence | Piece::Gate) => Poll::Pending,
            Some(_) => match self.pieces.pop_front().unwrap() {
                Piece::Bytes(text) => Poll::Ready(Some(Ok(Bytes::from_static(text.as_bytes())))),
                Piece::Fault(fault) => Poll::Ready(Some(Err(fault))),
                Piece::Silence | Piece::Gate => unreachable!(),
            },
            None => {
                self.is_over = true;
                Poll::Ready(None)
            }
        }
    }
}

impl Drop for FakeBody {
    fn drop(&mut self) {
        if !self.is_over && !self.pieces.is_empty() {
            self.cancelled.set(self.cancelled.get() + 1);
        }
    }
}

impl Transport for FakeTransport {
    type Body = FakeBody;

    async fn send(&self, request: Outbound<'_>) -> Result<Inbound<FakeBody>, Fault> {
        let body = String::from_utf8(request.body.to_vec()).unwrap();
        self.sent.borrow_mut().push((request.provider.name.to_string(), body));
        let shown = request.credential.map(|credential| credential.secret.expose().to_owned());
        self.shown.borrow_mut().push(shown.unwrap_or_default());
        match self.acts.borrow_mut().pop_front().expect("the test scripted no further act") {
            Act::Fail(fault) => Err(fault),
            Act::Saying(learned, body) => {
                let Act::Answer { status, media, retry_after_ms, body } = json(body) else { unreachable!() };
                let answered = self.answered(status, media, retry_after_ms, body);
                Ok(Inbound { learned: Some(Box::new(learned)), ..answered })
            }
            Act::Answer { status, media, retry_after_ms, body } => {
                Ok(self.answered(status, media, retry_after_ms, body))
            }
        }
    }
}

impl FakeTransport {
    fn answered(
        &self,
        status: u16,
        media: &str,
        retry_after_ms: Option<u64>,
        body: Vec<Piece>,
    ) -> Inbound<FakeBody> {
        Inbound {
            status,
            content_type: Some(media.to_owned()),
            retry_after_ms,
            error_type: None,
            disposition: None,
            learned: None,
            provider_request_id: Some("upstream-1".to_owned()),
            body: FakeBody {
                pieces: body.into(),
                is_over: false,
                cancelled: Rc::clone(&self.cancelled),
                gate: Rc::clone(&self.gate),
            },
        }
    }
}

/// Remembers what was booked.
#[derive(Default)]
pub struct FakeLedger(pub Mutex<Vec<UsageRecord>>, pub AtomicBool, pub Disk);

/// What becomes of records.
#[derive(Default)]
pub struct Disk {
    pub is_full: AtomicBool,
    pub is_refusing: AtomicBool,
}

impl Ledger for FakeLedger {
    fn book(&self, record: &UsageRecord) -> Result<(), Unbooked> {
        if self.2.is_full.load(Ordering::Relaxed) {
            return Err(Unbooked);
        }
        self.0.lock().unwrap().push(record.clone());
        Ok(())
    }

    /// Unless it is told that it could book nothing.
    fn takes_calls(&self) -> bool {
        !self.1.load(Ordering::Relaxed)
    }

    fn gives_unbooked(&self) -> bool {
        !self.2.is_refusing.load(Ordering::Relaxed)
    }
}

/// Remembers what was noted.
#[derive(Default)]
pub struct FakeTrail(pub Mutex<Vec<Noted>>);

impl Trail for FakeTrail {
    fn note(&self, noted: Noted) {
        self.0.lock().unwrap().push(noted);
    }
}

/// Remembers what was said.
#[derive(Default)]
pub struct FakeContents(pub Mutex<Vec<Content>>);

impl Contents for FakeContents {
    fn keep(&self, content: Content) {
        self.0.lock().unwrap().push(content);
    }
}

/// Stands still until it is moved.
#[derive(Default)]
pub struct StillClock {
    moved_us: AtomicU64,
    /// By how much the wall clock was set.
    set_ms: AtomicI64,
}

impl StillClock {
    pub fn advance(&self, us: u64) {
        self.moved_us.fetch_add(us, Ordering::Relaxed);
    }

    /// Sets the wall clock; what is monotonic about it goes on.
    pub fn set_ms_from_now(&self, ms: i64) {
        self.set_ms.store(ms, Ordering::Relaxed);
    }
}

impl Clock for StillClock {
    fn unix_ms(&self) -> i64 {
        i64::try_from(NOW_S).unwrap() * 1000 + self.set_ms.load(Ordering::Relaxed)
    }

    fn monotonic_us(&self) -> u64 {
        5_000_000 + self.moved_us.load(Ordering::Relaxed)
    }
}

/// Always the first face; ids count up.
#[derive(Default)]
struct StillDice(Cell<u128>);

impl Dice for StillDice {
    fn roll(&self, _: u64) -> u64 {
        0
    }

    fn bits(&self) -> u128 {
        self.0.set(self.0.get() + 1);
        self.0.get()
    }
}

/// An engine with targets `one`, `two`, .. behind the alias `gpt`, and what it is connected to.
pub struct Bench {
    /// Who reads on where clients have left.
    pub reading: Cell<Option<Reading<FakeBody>>>,
    pub engine: Rc<Engine<FakeTransport>>,
    pub transport: FakeTransport,
    pub ledger: Arc<FakeLedger>,
    pub clock: Arc<StillClock>,
    pub trail: Arc<FakeTrail>,
    pub contents: Arc<FakeContents>,
    pub shelf: Arc<MemoryShelf>,
    pub exporter: Exporter,
}

pub fn bench(targets: usize, acts: impl IntoIterator<Item = Act>) -> Bench {
    bench_limited(targets, None, acts)
}

/// The same, with the first target limited to so many requests a minute.
pub fn bench_limited(targets: usize, per_minute: Option<u32>, acts: impl IntoIterator<Item = Act>) -> Bench {
    bench_of(targets, per_minute, acts, 1 << 20)
}

/// The same, taking whole answers of so many bytes.
pub fn bench_of(
    targets: usize,
    per_minute: Option<u32>,
    acts: impl IntoIterator<Item = Act>,
    answer_body_bytes: usize,
) -> Bench {
    let shelf = Arc::new(MemoryShelf::default());
    let exporter = Exporter::start().unwrap();
    let ledger = Arc::new(FakeLedger::default());
    let trail = Arc::new(FakeTrail::default());
    let contents = Arc::new(FakeContents::default());
    let clock = Arc::new(StillClock::default());
    let transport = FakeTransport::default();
    transport.acts.borrow_mut().extend(acts);
    let (world, unspoken) = World::assemble(snapshot(targets, per_minute), HashMap::new(), exporter.meters());
    assert!(unspoken.is_empty());
    let worlds = Worlds::default();
    worlds.replace(world);
    let booked_in: Arc<dyn Ledger> = Arc::clone(&ledger) as Arc<dyn Ledger>;
    let shared = Shared {
        worlds,
        keys: Keys {
            tokens: tokens(),
            digests: OpaqueDigests::new(&root()).ok().unwrap(),
            signing: signing(),
        },
        allowances: Allowances::default(),
        quotas: Arc::default(),
        sharing: Arc::default(),
        retries: RetryBudget::default(),
        repeats: Arc::default(),
        nonces: Nonces::new(100, 0),
        failures: Failures::new(1, FAILURES_MAX, RandomState::new()),
        trail: Arc::clone(&trail) as Arc<dyn Trail>,
        contents: Arc::clone(&contents) as Arc<dyn Contents>,
        owners: Arc::new(NoOwners),
        shelf: Arc::clone(&shelf) as Arc<dyn Shelf>,
        ledger: Arc::clone(&booked_in),
        estimator: Estimator::start(booked_in).unwrap(),
        clock: Arc::clone(&clock) as Arc<dyn Clock>,
        meters: Arc::clone(exporter.meters()),
        limits: Limits {
            request_body_bytes: 4096,
            upload_bytes: 1 << 20,
            answer_body_bytes,
            request_body_ms: 1000,
            attempts: 3,
            heartbeat_ms: 15_000,
            serves_unowned: false,
            kept_ms: 86_400_000,
            deadlines: Deadlines { connect_ms: 1, first_byte_ms: 1, between_chunks_ms: 1, whole_ms: 1 },
        },
        annexes: Box::default(),
    };
    let (orphans, reading) = orphanage();
    let engine = Rc::new(Engine {
        shared: Arc::new(shared),
        transport: transport.clone(),
        dice: Box::new(StillDice::default()),
        known: Known::default(),
        orphans: Rc::new(orphans),
        alive: None,
    });
    let reading = Cell::new(Some(reading));
    Bench { reading, engine, transport, ledger, clock, trail, contents, shelf, exporter }
}

impl Bench {
    /// Everything booked, once the counting thread has finished.
    pub fn booked(self) -> Vec<UsageRecord> {
        let Bench { engine, ledger, .. } = self;
        drop(engine);
        ledger.0.lock().unwrap().clone()
    }
}

pub fn snapshot(targets: usize, per_minute: Option<u32>) -> Snapshot {
    let names = ["one", "two", "three", "four"];
    let targets = names.iter().take(targets).enumerate().map(|(at, name)| {
        let provider = Provider {
            id: ProviderId(Uuid::from_u128(at as u128)),
            name: (*name).into(),
            kind: "openai".into(),
            endpoint: Endpoint::parse("https://provider.example/v1").unwrap(),
            options: Options::default(),
            allow_private_network: false,
            weight: 1,
            limits: flow::Limits::OPEN,
        };
        Arc::new(Target {
            route: RouteId(Uuid::from_u128(at as u128)),
            provider: Arc::new(provider),
            real_model: "gpt-4".into(),
            region: None,
            limits: flow::Limits::new(Bounds {
                requests: per_minute.filter(|_| at == 0),
                ..Bounds::default()
            }),
            tier: 0,
            weight: 1,
            fit: Fit::default(),
            cost_multiplier_ppm: None,
            capabilities: Capabilities::default(),
            health: Arc::default(),
        })
    });
    let route = Route::new("gpt".into(), 1, targets.collect());
    Snapshot { catalogue: Catalogue::new([route]), ..Snapshot::default() }
}

fn root() -> RootSecret {
    RootSecret::from_text(ROOT).ok().unwrap()
}

pub fn signing() -> SigningSecrets {
    SigningSecrets::new(&root()).ok().unwrap()
}

pub fn tokens() -> Tokens {
    Tokens::new(root())
}

/// A key's `Authorization` header.
pub fn bearer(level: Level) -> String {
    bearer_of(level, 99, TEAM.as_u128())
}

/// The same of this key and team.
pub fn bearer_of(level: Level, key: u128, team: u128) -> String {
    let (key, team) = (Uuid::from_u128(key), Some(Uuid::from_u128(team)));
    let grant = Grant { key, level, team, parent: None, rights: None, is_bound: false, lifetime_s: 3600 };
    format!("Bearer {}", tokens().mint(&grant, NOW_S).unwrap().expose())
}
