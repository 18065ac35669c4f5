//! `nexus serve`: the node's life from start to the last flushed record.
//!
//! On SIGTERM readiness goes off, listeners close, streams finish within the drain's time, the journal is
//! flushed. A second signal hurries: what is still under way is cut and booked as it stands.

use std::{
    collections::hash_map::RandomState,
    convert::Infallible,
    pin::pin,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use actix_web::{App, HttpServer, dev::Server, rt::System, web};
use nexus_config::{
    environment::Absence,
    load::Flags,
    settings::{Aws, ForwardedHeader, LogFormat, Settings},
};
use nexus_core::{allowance::Allowances, brute::Failures, retry_budget::RetryBudget};
use nexus_engine::{
    estimate::Estimator,
    port::{Clock as _, Deadlines, Ledger},
    shared::{Engine, Limits, Shared},
    stage::authenticate::Known,
    world::Worlds,
};
use nexus_keystore::request_signature::{NONCES, Nonces};
use nexus_store::{Journal, Shipper, journal::JournalOptions};
use nexus_telemetry::{
    exporter::Exporter,
    log::{self, Format, LogGuard, Stages},
    meters::Backlog,
};
use nexus_transport::{AwsHost, AwsSource, HttpTransport, Tls};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::{
        mpsc::{Sender, channel},
        watch,
    },
};

use crate::{
    admin::{Admin, credentials::Sealer, oidc::Oidc, session::SignIn},
    apply::Workshop,
    boot, checks, cli,
    clock::SystemClock,
    dice::WorkerDice,
    forwarded::{Forwarding, Named},
    ledger::JournalLedger,
    reload::{Loader, Reloading},
    rotation::{Rotating, Rotation, ring::Ring},
    route,
    start::StartError,
    structure::Clean,
    trail::{self, TrailWriter},
    upkeep::Upkeep,
    worker::{Drain, Worker},
};

/// The largest whole answer taken from a provider.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// A stream's output leaves for the socket when there is so much of it, or when nothing more has come.
const WRITE_BYTES: usize = 16 << 10;
/// How long a client may take to send its body.
const REQUEST_BODY_MS: u64 = 120_000;
/// Attempts for one request, over all its targets.
const ATTEMPTS_MAX: u32 = 4;
/// How long workers may take to drop what was cut.
const SETTLE: Duration = Duration::from_secs(5);
/// How long the last records may take into the database at the end; the journal keeps what is left.
const FLUSH: Duration = Duration::from_secs(10);

/// Runs until a signal says to stop.
pub fn run(options: &cli::Serve) -> Result<(), StartError> {
    let flags = Flags {
        bind: options.bind.map(|bind| bind.to_string()),
        port: options.port,
        workers: options.workers.map(usize::from),
        timeout_s: options.timeout,
    };
    let mut settings = boot::settings(options.config.as_deref(), &flags)?;
    let log = logging(&settings, options)?;
    let node = Node::start(&mut settings, options, &log)?;
    let ended = System::new().block_on(node.serve(&settings));
    node.end();
    ended
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
    shared: Arc<Shared>,
    admin: Arc<Admin>,
    exporter: Arc<Exporter>,
    shipper: Arc<Shipper>,
    reloading: Reloading,
    rotating: Rotating,
    trail: TrailWriter,
    drain: Arc<Drain>,
}

impl Node {
    fn start(settings: &mut Settings, options: &cli::Serve, log: &LogGuard) -> Result<Self, StartError> {
        let absence = if options.debug { Absence::Allowed } else { Absence::Refused };
        let keys = boot::keys(absence)?;
        warn_of(&keys.throw_away);
        let store = boot::store(settings)?;
        boot::check_root(&store, &keys.vault)?;
        let clock = Arc::new(SystemClock::new());
        let ring = Arc::new(Ring::new(Arc::clone(&keys.vault)));
        let mut rotation = Rotation::new(store.clone(), Arc::clone(&ring), clock.clone());
        // from here on nothing is sealed under the root itself
        rotation.turn()?;
        let sealer = Sealer { vault: &keys.vault, digests: &keys.proofs.digests };
        let workshop = Workshop { store: &store, sealer, clock: &*clock, dice: &WorkerDice::new() };
        workshop.start(std::mem::take(&mut settings.providers))?;

        let exporter = Arc::new(Exporter::start().map_err(StartError::Thread)?);
        exporter.watch(log.dropped());
        let journal = Arc::new(Journal::open(&settings.journal_dir(), JournalOptions::default())?);
        let shipper =
            Arc::new(Shipper::start(store.clone(), Arc::clone(&journal)).map_err(StartError::Thread)?);
        let meters = Arc::clone(exporter.meters());
        let ledger: Arc<dyn Ledger> = Arc::new(JournalLedger { journal, meters: Arc::clone(&meters) });
        let (notes, trail) = trail::start(store.clone(), clock.clone()).map_err(StartError::Thread)?;
        let shared = Arc::new(Shared {
            worlds: Worlds::default(),
            keys: keys.proofs,
            allowances: Allowances::default(),
            quotas: Arc::default(),
            retries: RetryBudget::default(),
            repeats: Arc::default(),
            failures: failures(settings),
            nonces: Nonces::new(NONCES, clock.unix_ms().div_euclid(1000)),
            trail: Arc::new(notes),
            estimator: Estimator::start(Arc::clone(&ledger)).map_err(StartError::Thread)?,
            ledger,
            clock,
            meters,
            limits: limits(settings),
        });
        let (in_force, revisions) = watch::channel(0);
        let admin = Admin {
            store: store.clone(),
            in_force: revisions,
            vault: Arc::clone(&keys.vault),
            secrets: keys.secrets,
            sign_in: sign_in(settings)?,
            shipper: Arc::clone(&shipper),
        };
        let upkeep = Upkeep::new(store.clone(), Arc::clone(&shared.clock), Arc::clone(&shared.meters));
        let mut loader = Loader::new(store, ring, Arc::clone(&shared), Arc::clone(&shipper));
        loader.recall_sessions()?;
        let revision = loader.load()?;
        let (watched, routing) = (Arc::clone(&shipper), Arc::clone(&shared));
        let reloading = Reloading::start(loader, revision, move |revision| {
            let _before = in_force.send_replace(revision);
            show(&routing, &watched);
        })
        .map_err(StartError::Thread)?;
        let rotating = Rotating::start(rotation, upkeep).map_err(StartError::Thread)?;
        let (admin, drain) = (Arc::new(admin), Arc::default());
        Ok(Self { shared, admin, exporter, shipper, reloading, rotating, trail, drain })
    }

    /// Serves until a signal comes and everything under way has ended.
    async fn serve(&self, settings: &Settings) -> Result<(), StartError> {
        let (alive, mut ended) = channel::<Infallible>(1);
        let api = self.api(settings, alive)?;
        let monitoring = self.monitoring(settings)?;
        let mut signals = Signals::new().map_err(StartError::Signals)?;
        let handle = api.handle();
        let mut api = pin!(api);
        let monitoring = actix_web::rt::spawn(monitoring);
        actix_web::rt::spawn(checks::run(Arc::clone(&self.shared), Arc::clone(&self.drain)));
        tokio::select! {
            served = &mut api => return served.map_err(StartError::Server),
            () = signals.next() => {}
        }
        self.drain.begin();
        tracing::info!("draining: no new connections; what is under way may finish; signal again to hurry");
        let _sent = handle.stop(true);
        tokio::select! {
            _drained = &mut api => {}
            () = signals.next() => {
                tracing::warn!("hurrying: what is under way is cut and booked as it stands");
                System::current().stop();
            }
        }
        monitoring.abort();
        if tokio::time::timeout(SETTLE, ended.recv()).await.is_err() {
            tracing::warn!("a worker did not end in time");
        }
        Ok(())
    }

    fn api(&self, settings: &Settings, alive: Sender<Infallible>) -> Result<Server, StartError> {
        let (shared, drain) = (Arc::clone(&self.shared), Arc::clone(&self.drain));
        let admin = Arc::clone(&self.admin);
        let forwarding = forwarding(settings);
        let tls = Tls::new(None)?;
        let aws_host = aws_host(&settings.aws);
        let server = HttpServer::new(move || {
            let worker = web::Data::new(Worker {
                admin: Arc::clone(&admin),
                engine: Rc::new(Engine {
                    shared: Arc::clone(&shared),
                    transport: HttpTransport::new(&tls, Arc::clone(&shared.clock))
                        .with_aws_host(aws_host.clone()),
                    dice: Box::new(WorkerDice::new()),
                    known: Known::default(),
                    alive: Some(alive.clone()),
                }),
                clean: Clean::default(),
                forwarding: forwarding.clone(),
                drain: Arc::clone(&drain),
            });
            App::new().app_data(worker).configure(route::routes)
        })
        .workers(settings.server.workers)
        .tcp_nodelay(true)
        .h1_allow_half_closed(false)
        .h1_write_buffer_size(WRITE_BYTES)
        .keep_alive(Duration::from_secs(75))
        .client_request_timeout(Duration::from_secs(5))
        .client_disconnect_timeout(Duration::from_secs(2))
        .max_connections(25_000)
        .backlog(4096)
        .shutdown_timeout(settings.server.drain_seconds)
        .disable_signals();
        let address = settings.server.bind;
        let server = server
            .bind(address)
            .map_err(|source| StartError::Listen { address: address.to_string(), source })?;
        for address in server.addrs() {
            tracing::info!(%address, "serving applications");
        }
        Ok(server.run())
    }

    fn monitoring(&self, settings: &Settings) -> Result<Server, StartError> {
        let exporter = web::Data::new(Arc::clone(&self.exporter));
        let address = settings.monitoring;
        let server =
            HttpServer::new(move || App::new().app_data(exporter.clone()).configure(route::monitoring))
                .workers(1)
                .tcp_nodelay(true)
                .h1_allow_half_closed(false)
                .shutdown_timeout(1)
                .disable_signals()
                .bind(address)
                .map_err(|source| StartError::Listen { address: address.to_string(), source })?;
        for address in server.addrs() {
            tracing::info!(%address, "serving metrics");
        }
        Ok(server.run())
    }

    /// Everything under way has ended; what is booked goes into the database.
    fn end(self) {
        let Self { shared, shipper, reloading, rotating, trail, .. } = self;
        drop((reloading, rotating));
        // The estimator books what it still has to count when it is dropped with the last share.
        drop(shared);
        // With it went the trail's near end: what was noted is written.
        drop(trail);
        let flushed = shipper.flush(Instant::now() + FLUSH);
        tracing::info!(?flushed, "the usage journal was flushed");
    }
}

fn limits(settings: &Settings) -> Limits {
    let timeouts = settings.timeouts;
    Limits {
        request_body_bytes: settings.server.max_body_bytes,
        answer_body_bytes: ANSWER_BYTES_MAX,
        request_body_ms: REQUEST_BODY_MS,
        attempts: ATTEMPTS_MAX,
        heartbeat_ms: timeouts.heartbeat_ms,
        deadlines: Deadlines {
            connect_ms: timeouts.connect_ms,
            first_byte_ms: timeouts.first_byte_ms,
            between_chunks_ms: timeouts.between_chunks_ms,
            whole_ms: timeouts.whole_ms,
        },
    }
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

/// What the operator lets providers take of this host's identity.
fn aws_host(settings: &Aws) -> AwsHost {
    let sources = settings.host_credentials.iter().filter_map(|word| AwsSource::read(word)).collect();
    AwsHost::new(sources, |name| settings.variables.get(name).map(|text| text.expose().to_owned()))
}

fn forwarding(settings: &Settings) -> Forwarding {
    let named = match settings.server.forwarded_header {
        ForwardedHeader::XForwardedFor => Named::InList,
        ForwardedHeader::Forwarded => Named::InPairs,
    };
    Forwarding { trusted: settings.server.trusted_proxies.clone(), named }
}

/// A burst as large as a minute's worth.
fn failures(settings: &Settings) -> Failures {
    let per_minute = settings.server.bad_keys_per_minute;
    Failures::new(per_minute, per_minute, RandomState::new())
}

/// What the metrics say about the node as it is now.
fn show(shared: &Shared, shipper: &Shipper) {
    let backlog = shipper.backlog();
    shared.meters.journal(Backlog {
        bytes: backlog.bytes,
        damaged_bytes: backlog.damaged_bytes,
        failures_in_a_row: backlog.failures_in_a_row,
    });
    shared.meters.retries_left(shared.retries.left());
    shared.meters.kept_bytes(shared.repeats.bytes());
    show_health(shared);
}

/// The breakers of all targets, and what is under way there.
fn show_health(shared: &Shared) {
    let (world, now_us) = (shared.worlds.current(), shared.clock.monotonic_us());
    for route in world.snapshot.catalogue.all() {
        for (meters, breaker, in_flight) in world.healths(route, now_us) {
            meters.health(breaker, in_flight);
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_of_keys_that_can_be_set_is_known() {
        assert_eq!(Aws::SOURCES, AwsSource::ALL.map(AwsSource::as_str));
    }
}
