//! `nexus serve`: the node's life from start to the last flushed record.
//!
//! On SIGTERM readiness goes off and each answer says that it is its connection's last; when all have gone, or their time
//! is over, listeners close, streams finish within the drain's time, the journal is flushed. A second signal hurries: what is still under way is cut and booked as it stands.

use std::{
    collections::hash_map::RandomState,
    convert::Infallible,
    pin::{Pin, pin},
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use actix_web::{
    dev::{Server, ServerHandle},
    rt::{System, task::JoinHandle},
};
use nexus_config::{
    environment::Absence,
    load::Flags,
    settings::{AlsoServed, LogFormat, Settings, UnownedResources},
};
use nexus_core::{allowance::Allowances, brute::Failures, retry_budget::RetryBudget};
use nexus_engine::{
    estimate::Estimator,
    port::{Clock as _, Deadlines, Ledger},
    shared::{Limits, Shared},
    world::Worlds,
};
use nexus_store::{Journal, Shipper, Store, journal::JournalOptions};
use nexus_telemetry::{
    exporter::Exporter,
    log::{self, Format, LogGuard, Stages},
    meters::{Backlog, Meters},
};
use nexus_transport::{Access, Tls};
use nexus_wire::surface::Annex;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::{mpsc::channel, watch},
};

use crate::{
    admin::{Admin, oidc::Oidc, session::SignIn},
    alerts::{Alerting, Findings},
    batches::Batching,
    boot, checks, cli,
    clock::SystemClock,
    cluster::Company,
    contents::{self, ContentWriter},
    handed::Handed,
    ledger::JournalLedger,
    listen::{self, Parts},
    modes::Modes,
    nodes::Presence,
    owners::{OwnersWriter, StoredOwners},
    proofs,
    reload::{self, Loader, Reloading, Waker, Woken},
    rotation::{Rotating, Rotation, ring::Ring},
    route::Part,
    settle::{self, Begin, Keeping, Settling},
    shelf::StoredShelf,
    start::StartError,
    trail::{self, TrailWriter},
    upkeep::Upkeep,
};

/// The largest whole answer taken from a provider.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// How long a client may take to send its body.
const REQUEST_BODY_MS: u64 = 120_000;
const DAY_MS: i64 = 86_400_000;
/// Attempts for one request, over all its targets.
const ATTEMPTS_MAX: u32 = 4;
/// How long workers may take to drop what was cut.
const SETTLE: Duration = Duration::from_secs(5);
/// Between two looks whether everybody has gone.
const LOOK: Duration = Duration::from_millis(20);
/// How long everything may take after the last answer.
const END: Duration = Duration::from_secs(20);
/// How long the last records may take into the database at the end; the journal keeps what is left.
const FLUSH: Duration = Duration::from_secs(10);

/// Runs until a signal says to stop.
pub fn run(options: &cli::Serve) -> Result<(), StartError> {
    let mut settings = boot::settings(options.config.as_deref(), &flags(options))?;
    let log = logging(&settings, options)?;
    let node = Node::start(&mut settings, options, &log)?;
    let ended = System::new().block_on(node.serve(&settings));
    // a database that stands still is not waited for: what it does not have is in the journal
    let (over, is_over) = std::sync::mpsc::channel();
    let ending = std::thread::Builder::new().name("nexus-end".into()).spawn(move || {
        node.end();
        over.send(())
    });
    ending.map_err(StartError::Thread)?;
    if is_over.recv_timeout(END).is_err() {
        tracing::warn!("the database does not answer; what it does not have waits in the journal");
    }
    ended
}

fn flags(options: &cli::Serve) -> Flags {
    Flags {
        bind: options.bind.map(|bind| bind.to_string()),
        port: options.port,
        workers: options.workers.map(usize::from),
        timeout_s: options.timeout,
    }
}

fn logging(settings: &Settings, options: &cli::Serve) -> Result<LogGuard, StartError> {
    let format = match settings.logging.format {
        LogFormat::Auto => Format::Auto,
        LogFormat::Json => Format::Json,
        LogFormat::Text => Format::Text,
    };
    let stages = if options.debug { Stages::Shown } else { Stages::Hidden };
    Ok(log::init(log::Options { level: &settings.logging.level, format, stages })?)
}

/// A node that is put together.
struct Node {
    parts: Parts,
    exporter: Arc<Exporter>,
    shipper: Arc<Shipper>,
    reloading: Reloading,
    keeping: Option<Keeping>,
    rotating: Rotating,
    company: Company,
    /// What writes behind the requests.
    writers: (TrailWriter, ContentWriter, OwnersWriter),
    findings: Findings,
}

impl Node {
    fn start(settings: &mut Settings, options: &cli::Serve, log: &LogGuard) -> Result<Self, StartError> {
        let keys = keys(options)?;
        let (clock, ring) = (Arc::new(SystemClock::new()), Arc::new(Ring::new(Arc::clone(&keys.vault))));
        let findings = Findings::default();
        let with = (Arc::clone(&clock), Arc::clone(&ring), findings.clone());
        let (store, begin) = settled(settings, options, &keys, with)?;
        let rotation = Rotation::new(store.clone(), Arc::clone(&ring), clock.clone());

        let exporter = exporter(log)?;
        let meters = Arc::clone(exporter.meters());
        let (shipper, ledger) = booking(&store, &findings, settings, &meters)?;
        let (said, contents) = contents::start(&store, &keys.vault, clock.clone(), &meters)?;
        let (notes, trail) = trail::start(store.clone(), clock.clone()).map_err(StartError::Thread)?;
        let (owners, noted) = StoredOwners::start(store.clone()).map_err(StartError::Thread)?;
        let shelf = StoredShelf::new(store.clone(), Arc::clone(&keys.vault), clock.clone());
        let shared = Arc::new(Shared {
            worlds: Worlds::default(),
            keys: keys.proofs,
            allowances: Allowances::default(),
            quotas: Arc::default(),
            sharing: Arc::default(),
            retries: RetryBudget::default(),
            repeats: Arc::default(),
            failures: failures(settings),
            nonces: proofs::nonces(&settings.data_dir, clock.unix_ms().div_euclid(1000))?,
            trail: Arc::new(notes),
            contents: Arc::new(said),
            owners: Arc::new(owners),
            shelf: Arc::new(shelf.clone()),
            estimator: Estimator::start(Arc::clone(&ledger)).map_err(StartError::Thread)?,
            ledger,
            clock,
            meters,
            limits: limits(settings),
            annexes: settings.also_serve.iter().map(|annex| annex_of(*annex)).collect(),
        });
        let company = Company::join(&shared, keys.shared, &store, settings)?;
        let ((in_force, revisions), (waker, woken)) = (watch::channel(0), reload::waker());
        let admin = Admin {
            store: store.clone(),
            in_force: revisions,
            waker: waker.clone(),
            vault: Arc::clone(&keys.vault),
            secrets: keys.secrets,
            sign_in: sign_in(settings)?,
            presence: Arc::clone(&company.presence),
            shipper: Arc::clone(&shipper),
            walking: Arc::default(),
        };
        let upkeep = upkeep(&store, &shared, settings);
        let loader = Loader::new(store.clone(), ring, Arc::clone(&shared), Arc::clone(&shipper));
        let pace = (settings.node.look_ms, (waker, woken));
        let reloading = reloading(loader, (begin, in_force), pace, (&shared, &shipper, &company.presence))?;
        let keeping = Keeping::start(store.clone(), settings, Arc::clone(&shared.clock))?;
        let rotating =
            Rotating::start(rotation, upkeep, Arc::clone(&company.presence)).map_err(StartError::Thread)?;
        let batching = Arc::new(Batching::new(shelf, Arc::clone(&company.presence)));
        let modes = Arc::new(Modes::new(Arc::clone(&shared), store));
        let (drain, handed) = (Arc::default(), Arc::new(Handed::over()?));
        let parts = Parts { shared, admin: Arc::new(admin), modes, drain, handed, batching };
        let writers = (trail, contents, noted);
        Ok(Self { parts, exporter, shipper, reloading, keeping, rotating, company, writers, findings })
    }

    /// Serves until a signal comes and everything under way has ended.
    async fn serve(&self, settings: &Settings) -> Result<(), StartError> {
        // before anything answers: who is told to stop as soon as it is ready stops in order
        let mut signals = Signals::new().map_err(StartError::Signals)?;
        let (alive, mut ended) = channel::<Infallible>(1);
        let (part, beside) = match settings.server.admin_bind {
            Some(address) => {
                let own = listen::serve(&self.parts, (Part::Administration, address), settings, &alive)?;
                (Part::Applications, Some(own))
            }
            None => (Part::Whole, None),
        };
        let api = listen::serve(&self.parts, (part, settings.server.bind), settings, &alive)?;
        drop(alive);
        if let Some(address) = self.parts.handed.left().first() {
            return Err(StartError::NotWanted(*address));
        }
        let monitoring = listen::monitoring(Arc::clone(&self.exporter), settings)?;
        let handles: Vec<ServerHandle> =
            [Some(&api), beside.as_ref()].into_iter().flatten().map(Server::handle).collect();
        let (mut api, beside) = (pin!(api), beside.map(actix_web::rt::spawn));
        let monitoring = actix_web::rt::spawn(monitoring);
        let (shared, drain) = (Arc::clone(&self.parts.shared), Arc::clone(&self.parts.drain));
        let access =
            Access::new(&Tls::new(None)?, Arc::clone(&shared.clock)).with_hosts(boot::hosts(settings));
        actix_web::rt::spawn(checks::run(shared, drain, Rc::new(access)));
        let alerting = actix_web::rt::spawn(self.alerting()?.run());
        let modes = Arc::clone(&self.parts.modes);
        let watching = actix_web::rt::spawn(async move { modes.watch().await });
        tokio::select! {
            served = &mut api => return served.map_err(StartError::Server),
            () = signals.next() => {}
        }
        self.parts.drain.begin();
        tracing::info!(
            "draining: each answer says that it is the last; what is under way may finish; signal again to hurry"
        );
        let mut is_hurried = tokio::select! {
            served = &mut api => return served.map_err(StartError::Server),
            () = self.leave(settings, &handles) => false,
            () = signals.next() => true,
        };
        let _sent: Vec<_> = handles.iter().map(|handle| handle.stop(true)).collect();
        if !is_hurried {
            is_hurried = tokio::select! {
                () = drained(api, beside) => false,
                () = signals.next() => true,
            };
        }
        if is_hurried {
            tracing::warn!("hurrying: what is under way is cut and booked as it stands");
            System::current().stop();
        }
        monitoring.abort();
        alerting.abort();
        watching.abort();
        if tokio::time::timeout(SETTLE, ended.recv()).await.is_err() {
            tracing::warn!("a worker did not end in time");
        }
        Ok(())
    }

    /// Waits until clients and load balancers have gone elsewhere by themselves, as long as that may take. Who connects
    /// to a socket that was handed over is left to the next process.
    async fn leave(&self, settings: &Settings, handles: &[ServerHandle]) {
        if self.parts.handed.is_any() {
            for handle in handles {
                handle.pause().await;
            }
        }
        let until = Instant::now() + Duration::from_secs(settings.server.leave_seconds);
        while !self.parts.drain.is_empty() && Instant::now() < until {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// What tells people what they are to know.
    fn alerting(&self) -> Result<Alerting, StartError> {
        let Parts { shared, admin, .. } = &self.parts;
        let (store, secrets) = (admin.store.clone(), Arc::clone(&admin.secrets.webhooks));
        Ok(Alerting::new(store, Arc::clone(shared), secrets, self.findings.clone(), &Tls::new(None)?))
    }

    /// Everything under way has ended; what is booked goes into the database.
    fn end(self) {
        let Self { parts, shipper, reloading, keeping, rotating, company, writers, findings, .. } = self;
        drop((reloading, keeping, rotating, company));
        let store = parts.admin.store.clone();
        // The estimator books what it still has to count when it is dropped with the last share.
        drop(parts);
        // With it went the near ends of the trail and of contents: what was noted is written.
        drop(writers);
        let flushed = shipper.flush(Instant::now() + FLUSH);
        tracing::info!(?flushed, "the usage journal was flushed");
        if let Err(error) = findings.keep(&store) {
            tracing::warn!(%error, "what is usual was not kept; some of it will be learnt anew");
        }
    }
}

/// Settles with the database, or puts that off.
fn settled(
    settings: &mut Settings,
    options: &cli::Serve,
    keys: &boot::Keys,
    (clock, ring, findings): (Arc<SystemClock>, Arc<Ring>, Findings),
) -> Result<(Store, Begin), StartError> {
    let (file, flags) = (options.config.clone(), flags(options));
    let (store, vault) = (Store::open(settings.database_url.expose())?, Arc::clone(&keys.vault));
    let settling = Settling { store, vault, ring, clock, findings, file, flags };
    settle::begin(settling, settings, &keys.proofs.digests)
}

/// Puts the first world in force, and keeps it current.
fn reloading(
    mut loader: Loader,
    (begin, in_force): (Begin, watch::Sender<i64>),
    (look_ms, waking): (u64, (Waker, Woken)),
    (shared, shipper, presence): (&Arc<Shared>, &Arc<Shipper>, &Arc<Presence>),
) -> Result<Reloading, StartError> {
    let first = match begin {
        Begin::Database => {
            loader.recall_sessions()?;
            (loader.load()?, None)
        }
        Begin::Kept { world, later } => (loader.load_kept(&world)?, Some(later)),
    };
    let (shared, shipper, presence) = (Arc::clone(shared), Arc::clone(shipper), Arc::clone(presence));
    let reloading =
        Reloading::start(loader, first, Duration::from_millis(look_ms), waking, move |standing| {
            let _before = in_force.send_replace(standing.revision);
            shared.meters.revision_refused(standing.refused.is_some());
            presence.observe(standing, show(&shared, &shipper));
        });
    reloading.map_err(StartError::Thread)
}

/// Where usage is booked, and who brings it into the database, past whoever watches usage.
fn booking(
    store: &Store,
    findings: &Findings,
    settings: &Settings,
    meters: &Arc<Meters>,
) -> Result<(Arc<Shipper>, Arc<dyn Ledger>), StartError> {
    let journal = Arc::new(Journal::open(&settings.journal_dir(), JournalOptions::default())?);
    let shipper = Shipper::start_watched(store.clone(), Arc::clone(&journal), findings.watcher());
    let when_failing = settings.when_journal_fails;
    let ledger = JournalLedger { journal, when_failing, meters: Arc::clone(meters) };
    Ok((Arc::new(shipper.map_err(StartError::Thread)?), Arc::new(ledger)))
}

/// Where metrics are counted.
fn exporter(log: &LogGuard) -> Result<Arc<Exporter>, StartError> {
    let exporter = Exporter::start().map_err(StartError::Thread)?;
    exporter.watch(log.dropped());
    Ok(Arc::new(exporter))
}

/// What tends the trail and what is kept for a time.
fn upkeep(store: &Store, shared: &Shared, settings: &Settings) -> Upkeep {
    let (clock, meters) = (Arc::clone(&shared.clock), Arc::clone(&shared.meters));
    Upkeep::new(store.clone(), clock, meters, settings.archive_dir())
}

/// Waits until nothing is under way any more.
async fn drained(api: Pin<&mut Server>, beside: Option<JoinHandle<std::io::Result<()>>>) {
    let _ended = api.await;
    if let Some(beside) = beside {
        let _ended = beside.await;
    }
}

fn annex_of(served: AlsoServed) -> Annex {
    match served {
        AlsoServed::Organization => Annex::Organization,
        AlsoServed::Realtime => Annex::Realtime,
    }
}

fn limits(settings: &Settings) -> Limits {
    let timeouts = settings.timeouts;
    Limits {
        request_body_bytes: settings.server.max_body_bytes,
        upload_bytes: settings.server.max_upload_bytes,
        answer_body_bytes: ANSWER_BYTES_MAX,
        request_body_ms: REQUEST_BODY_MS,
        attempts: ATTEMPTS_MAX,
        heartbeat_ms: timeouts.heartbeat_ms,
        serves_unowned: settings.unowned_resources == UnownedResources::Serve,
        kept_ms: i64::from(settings.keep_days).saturating_mul(DAY_MS),
        deadlines: Deadlines {
            connect_ms: timeouts.connect_ms,
            first_byte_ms: timeouts.first_byte_ms,
            between_chunks_ms: timeouts.between_chunks_ms,
            whole_ms: timeouts.whole_ms,
        },
    }
}

/// The root secrets and what is derived from them, or, with `--debug`, throw-away ones.
fn keys(options: &cli::Serve) -> Result<boot::Keys, StartError> {
    let absence = if options.debug { Absence::Allowed } else { Absence::Refused };
    let keys = boot::keys(absence)?;
    warn_of(&keys.throw_away);
    Ok(keys)
}

fn warn_of(throw_away: &[&'static str]) {
    for variable in throw_away {
        tracing::warn!(
            variable,
            "is not set: a throw-away secret was made; keys and credentials die with it"
        );
    }
}

fn sign_in(settings: &mut Settings) -> Result<SignIn, StartError> {
    let oidc = match settings.oidc.take() {
        Some(oidc) => Some(Oidc::new(oidc, &Tls::new(None)?)?),
        None => None,
    };
    Ok(SignIn::new(oidc))
}

/// A burst as large as a minute's worth.
fn failures(settings: &Settings) -> Failures {
    let per_minute = settings.server.bad_keys_per_minute;
    Failures::new(per_minute, per_minute, RandomState::new())
}

/// What the metrics say about the node as it is now; how many attempts are under way.
fn show(shared: &Shared, shipper: &Shipper) -> i64 {
    let backlog = shipper.backlog();
    shared.meters.journal(Backlog {
        bytes: backlog.bytes,
        damaged_bytes: backlog.damaged_bytes,
        failures_in_a_row: backlog.failures_in_a_row,
        behind_seconds: backlog.behind.as_secs(),
        is_failing: backlog.is_failing,
    });
    shared.meters.retries_left(shared.retries.left());
    shared.meters.kept_bytes(shared.repeats.bytes());
    show_health(shared)
}

/// The breakers of all targets, what is under way there, and who waits for room.
fn show_health(shared: &Shared) -> i64 {
    let (world, now_us) = (shared.worlds.current(), shared.clock.monotonic_us());
    let mut under_way = 0_i64;
    for route in world.snapshot.catalogue.all() {
        for (meters, breaker, in_flight) in world.healths(route, now_us) {
            meters.health(breaker, in_flight);
            under_way = under_way.saturating_add(i64::from(in_flight));
        }
    }
    for (provider, waiting) in world.lines() {
        shared.meters.queue_length(provider, waiting);
    }
    under_way
}

/// SIGTERM and SIGINT, which mean the same.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! { _ = self.terminate.recv() => {}, _ = self.interrupt.recv() => {} }
    }
}
