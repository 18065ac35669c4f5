//! The listeners: one for applications, one for the administration where it has an address of its own, one for
//! metrics. What may be held open by clients is bounded here, before anything is read.

use std::{convert::Infallible, net::SocketAddr, rc::Rc, sync::Arc, time::Duration};

use actix_web::{App, HttpServer, dev::Server, web};
use nexus_config::settings::{self, ForwardedHeader, Settings};
use nexus_engine::{
    relay::orphan::orphanage,
    shared::{Engine, Shared},
    stage::authenticate::Known,
};
use nexus_telemetry::exporter::Exporter;
use nexus_transport::{HttpTransport, Tls};
use tokio::sync::mpsc::Sender;

use crate::{
    admin::Admin,
    batches::Batching,
    boot,
    connections::{Bounds, Connections},
    dice::WorkerDice,
    entrance::Entrance,
    forwarded::{Forwarding, Named},
    handed::Handed,
    modes::Modes,
    route::{self, Part},
    start::StartError,
    structure::Clean,
    tarpit::Tarpit,
    worker::{Drain, Worker},
};

/// A stream's output leaves for the socket when there is so much of it, or when nothing more has come.
const WRITE_BYTES: usize = 16 << 10;
/// How long a client may take over the head of a request.
const HEAD: Duration = Duration::from_secs(5);
/// How long a connection stays open on which nothing is asked.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long a client may take to leave.
const LEAVE: Duration = Duration::from_secs(2);
/// Threads that serve the administration where it has a listener of its own.
const ADMIN_WORKERS: usize = 2;
/// Connections that scrape metrics at once.
const SCRAPERS: usize = 64;

/// What all workers share.
#[derive(Clone)]
pub struct Parts {
    pub shared: Arc<Shared>,
    pub admin: Arc<Admin>,
    pub modes: Arc<Modes>,
    pub drain: Arc<Drain>,
    /// Sockets that listen already.
    pub handed: Arc<Handed>,
    pub batching: Arc<Batching>,
}

/// The listener at `address` for a part of the URLs. `alive` is dropped with the last of its workers.
pub fn serve(
    parts: &Parts,
    (part, address): (Part, SocketAddr),
    settings: &Settings,
    alive: &Sender<Infallible>,
) -> Result<Server, StartError> {
    let Parts { shared, admin, modes, drain, batching, .. } = parts.clone();
    let connections =
        Connections::new(bounds(&settings.server), Arc::clone(&shared.meters), Arc::clone(&drain));
    let (alive, forwarding) = (alive.clone(), forwarding(&settings.server));
    let (tls, identities) = (Tls::new(None)?, boot::hosts(settings));
    let (hosts, origins) = (settings.server.hosts(address), settings.server.cors_origins.clone());
    let workers = workers(part, &settings.server);
    let connections_each = settings.server.connections.div_ceil(workers.max(1));
    let server = HttpServer::new(move || {
        let (orphans, reading) = orphanage();
        let still = alive.clone();
        actix_web::rt::spawn(async move {
            reading.run().await;
            drop(still);
        });
        let worker = web::Data::new(Worker {
            admin: Arc::clone(&admin),
            engine: Rc::new(Engine {
                shared: Arc::clone(&shared),
                transport: HttpTransport::new(&tls, Arc::clone(&shared.clock)).with_hosts(identities.clone()),
                dice: Box::new(WorkerDice::new()),
                known: Known::default(),
                orphans: Rc::new(orphans),
                alive: Some(alive.clone()),
            }),
            clean: Clean::default(),
            forwarding: forwarding.clone(),
            tarpit: Tarpit::new(connections_each / 2),
            modes: Arc::clone(&modes),
            drain: Arc::clone(&drain),
        });
        batching.begin(part, &worker.engine, &drain);
        let entrance = Entrance::new(hosts.clone(), origins.clone(), worker.clone());
        App::new()
            .app_data(worker)
            .wrap_fn(move |request, inner| entrance.pass(request, inner))
            .configure(|config| route::routes(part, config))
    });
    let socket = parts.handed.socket(address);
    let socket = socket.map_err(|source| StartError::Listen { address: address.to_string(), source })?;
    let server = server
        .on_connect(move |socket, marks| connections.opened(socket, marks))
        .workers(workers)
        .tcp_nodelay(true)
        .h1_allow_half_closed(false)
        .h1_write_buffer_size(WRITE_BYTES)
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(HEAD)
        .client_disconnect_timeout(LEAVE)
        .max_connections(connections_each)
        .shutdown_timeout(settings.server.drain_seconds)
        .disable_signals()
        .listen(socket)
        .map_err(|source| StartError::Listen { address: address.to_string(), source })?;
    for address in server.addrs() {
        tracing::info!(%address, "serving {}", part.what());
    }
    Ok(server.run())
}

/// How many threads serve a part.
fn workers(part: Part, server: &settings::Server) -> usize {
    match part {
        Part::Administration => server.workers.min(ADMIN_WORKERS),
        Part::Whole | Part::Applications => server.workers,
    }
}

/// The listener for metrics.
pub fn monitoring(exporter: Arc<Exporter>, settings: &Settings) -> Result<Server, StartError> {
    let (exporter, address) = (web::Data::new(exporter), settings.monitoring);
    let hosts = settings.server.hosts(address);
    let server = HttpServer::new(move || {
        let entrance = Entrance::mute(hosts.clone());
        App::new()
            .app_data(exporter.clone())
            .wrap_fn(move |request, inner| entrance.pass(request, inner))
            .configure(route::monitoring)
    });
    let server = server
        .workers(1)
        .tcp_nodelay(true)
        .h1_allow_half_closed(false)
        .max_connections(SCRAPERS)
        .shutdown_timeout(1)
        .disable_signals()
        .bind(address)
        .map_err(|source| StartError::Listen { address: address.to_string(), source })?;
    for address in server.addrs() {
        tracing::info!(%address, "serving metrics");
    }
    Ok(server.run())
}

fn bounds(server: &settings::Server) -> Bounds {
    Bounds {
        per_address: server.connections_per_address,
        unread: Duration::from_secs(server.unread_seconds),
        proxies: server.trusted_proxies.clone(),
    }
}

fn forwarding(server: &settings::Server) -> Forwarding {
    let named = match server.forwarded_header {
        ForwardedHeader::XForwardedFor => Named::InList,
        ForwardedHeader::Forwarded => Named::InPairs,
    };
    Forwarding { trusted: server.trusted_proxies.clone(), named }
}
