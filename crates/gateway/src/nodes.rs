//! This node's place among the others: it says that it is there, and has the leases of jobs that one node does.
//!
//! A node that cannot reach the database has no lease, and lets the work be.

use std::{
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicI64, Ordering},
        mpsc::{RecvTimeoutError, SyncSender, sync_channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use nexus_config::settings;
use nexus_core::{
    id::Uuid,
    lease::{MARGIN_MS, NodeId},
};
use nexus_engine::{identity, port::Clock};
use nexus_store::{
    Store, StoreError,
    repo::{
        job,
        node::{self, GONE_MS, Node},
    },
};

use crate::{dice::WorkerDice, reload::Standing};

/// Between two words of a node. A lease is over, and a node is gone, when it has missed three.
const PERIOD: Duration = Duration::from_secs(3);
/// Retention, rollups, anchors, jobs that price again: what grows in the database is tended by one node.
pub const UPKEEP: &str = "upkeep";
/// Batches that the gateway runs itself.
pub const BATCHES: &str = "batches";
/// Every job there is.
const JOBS: [&str; 2] = [UPKEEP, BATCHES];

/// What a node is, and which jobs are its own.
pub struct Presence {
    id: Uuid,
    name: String,
    zone: Option<String>,
    started_at_ms: i64,
    clock: Arc<dyn Clock>,
    revision: AtomicI64,
    /// The newer one that could not be put in force; 0: there is none.
    refused: AtomicI64,
    in_flight: AtomicI64,
    has_leased: AtomicBool,
    duty: Mutex<Option<Duty>>,
    /// To whoever speaks.
    speaker: OnceLock<SyncSender<Word>>,
}

/// What whoever speaks is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    /// Another revision is in force.
    Revision,
    End,
}

/// Jobs and the tokens of their leases, until then by this node's own clock.
#[derive(Clone, Debug)]
struct Duty {
    tokens: Vec<(&'static str, i64)>,
    until_us: u64,
}

impl Presence {
    pub fn new(settings: &settings::Node, clock: Arc<dyn Clock>) -> Self {
        let id = identity::mint(&*clock, &WorkerDice::new());
        let name = settings.name.clone().unwrap_or_else(host_name);
        let started_at_ms = clock.unix_ms();
        Self {
            id,
            name,
            zone: settings.zone.clone(),
            started_at_ms,
            clock,
            revision: AtomicI64::new(0),
            refused: AtomicI64::new(0),
            in_flight: AtomicI64::new(0),
            has_leased: AtomicBool::new(false),
            duty: Mutex::default(),
            speaker: OnceLock::new(),
        }
    }

    /// What it is called, from its start to its end.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// The same among those who share limits.
    pub fn node_id(&self) -> NodeId {
        NodeId(self.id.as_u64_pair().1)
    }

    /// Which revision is in force and which is refused, which is said at once where it is another, and how many
    /// requests are under way.
    pub fn observe(&self, standing: Standing, in_flight: i64) {
        self.in_flight.store(in_flight, Ordering::Relaxed);
        let (revision, refused) = (standing.revision, standing.refused.unwrap_or_default());
        let is_other = self.revision.swap(revision, Ordering::Relaxed) != revision;
        if (self.refused.swap(refused, Ordering::Relaxed) != refused || is_other)
            && let Some(speaker) = self.speaker.get()
        {
            // one word that waits is as good as two
            let _waits_already = speaker.try_send(Word::Revision);
        }
    }

    /// The token of a job's lease, while this node has it.
    pub fn token(&self, job: &str) -> Option<i64> {
        let duty = self.duty.lock().unwrap_or_else(PoisonError::into_inner);
        let duty = duty.as_ref().filter(|duty| self.clock.monotonic_us() < duty.until_us)?;
        duty.tokens.iter().find(|(own, _)| *own == job).map(|(_, token)| *token)
    }

    /// It is about to lease parts of limits, and says so first, where the database is there.
    pub fn leases(&self, store: &Store) {
        if !self.has_leased.swap(true, Ordering::Relaxed)
            && let Err(error) = self.speak(store)
        {
            tracing::warn!(%error, "other nodes do not know yet that this one leases parts of limits");
        }
    }

    /// Says that it is there, and renews its leases.
    fn speak(&self, store: &Store) -> Result<(), StoreError> {
        let asked_us = self.clock.monotonic_us();
        let (said, id) = (self.word(), self.id.to_string());
        let tokens = store.write_blocking(|conn| {
            node::say(conn, &said)?;
            node::purge(conn)?;
            let mut tokens = Vec::new();
            for job in JOBS {
                tokens.extend(job::take(conn, job, &id, GONE_MS)?.map(|token| (job, token)));
            }
            Ok(tokens)
        })?;
        let lease_us =
            u64::try_from(GONE_MS.saturating_sub(MARGIN_MS)).unwrap_or_default().saturating_mul(1000);
        let duty = Duty { tokens, until_us: asked_us.saturating_add(lease_us) };
        *self.duty.lock().unwrap_or_else(PoisonError::into_inner) = Some(duty);
        Ok(())
    }

    /// Says only which revision is in force; its leases are renewed in their own time.
    fn tell(&self, store: &Store) -> Result<(), StoreError> {
        let said = self.word();
        store.append_blocking(|conn| node::say(conn, &said))
    }

    fn leave(&self, store: &Store) -> Result<(), StoreError> {
        *self.duty.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let id = self.id.to_string();
        store.write_blocking(|conn| {
            job::give_back(conn, &id)?;
            node::leave(conn, &id)
        })
    }

    fn word(&self) -> Node {
        Node {
            id: self.id.to_string(),
            name: self.name.clone(),
            role: "all".to_owned(),
            zone: self.zone.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            revision: self.revision.load(Ordering::Relaxed),
            in_flight: self.in_flight.load(Ordering::Relaxed),
            has_leased: self.has_leased.load(Ordering::Relaxed),
            started_at: self.started_at_ms,
            seen_at: 0,
            refused_revision: Some(self.refused.load(Ordering::Relaxed)).filter(|refused| *refused != 0),
        }
    }
}

/// What the system calls this host.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "nexus".to_owned() } else { name.chars().take(100).collect() }
}

/// The thread that speaks. Dropping it says good-bye.
pub struct Speaking {
    speaker: SyncSender<Word>,
    thread: Option<JoinHandle<()>>,
}

impl Speaking {
    /// Speaks once before it returns, where the database is there.
    pub fn start(presence: Arc<Presence>, store: Store) -> std::io::Result<Self> {
        let (speaker, words) = sync_channel(1);
        let _first = presence.speaker.set(speaker.clone());
        let mut voice = Voice { presence, store, has_failed: false, speak_at: Instant::now() };
        voice.speak();
        let thread = std::thread::Builder::new().name("nexus-node".into()).spawn(move || {
            loop {
                let left = voice.speak_at.saturating_duration_since(Instant::now());
                match words.recv_timeout(left) {
                    Ok(Word::Revision) => voice.tell(),
                    Err(RecvTimeoutError::Timeout) => voice.speak(),
                    Ok(Word::End) | Err(RecvTimeoutError::Disconnected) => break,
                }
            }
            if let Err(error) = voice.presence.leave(&voice.store) {
                tracing::warn!(%error, "this node could not say that it ends; others wait until its leases do");
            }
        })?;
        Ok(Self { speaker, thread: Some(thread) })
    }
}

/// What the thread speaks with.
struct Voice {
    presence: Arc<Presence>,
    store: Store,
    has_failed: bool,
    speak_at: Instant,
}

impl Voice {
    fn speak(&mut self) {
        self.speak_at = Instant::now() + PERIOD;
        let spoken = self.presence.speak(&self.store);
        self.note(spoken);
    }

    fn tell(&mut self) {
        let told = self.presence.tell(&self.store);
        self.note(told);
    }

    fn note(&mut self, spoken: Result<(), StoreError>) {
        match spoken {
            Ok(()) => self.has_failed = false,
            // said once, not with every try
            Err(error) if !std::mem::replace(&mut self.has_failed, true) => {
                tracing::warn!(%error, "this node cannot say that it is there; what one node does is left to others");
            }
            Err(_) => {}
        }
    }
}

impl Drop for Speaking {
    fn drop(&mut self) {
        let _gone = self.speaker.send(Word::End);
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}
