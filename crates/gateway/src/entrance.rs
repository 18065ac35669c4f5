//! What a request passes before anything of it is looked at, and what becomes of one that meets a bug.
//!
//! A request that names a host of somebody else's goes no further. One whose handling panics is answered like any
//! other failure inside, in its own dialect; the worker goes on.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
};

use actix_web::{
    Error, HttpResponse,
    dev::{Service, ServiceRequest, ServiceResponse},
    error::InternalError,
    http::{
        ConnectionType, Method, StatusCode,
        header::{self, HeaderValue},
    },
    web,
};
use nexus_core::{host::Hosts, id::RequestId, origin::Origins};
use nexus_engine::identity;
use nexus_providers::tongue::{self, Tongue};
use nexus_wire::error::{ErrorCode, PublicError};

use crate::{
    admin::{
        problem::{Kind, Problem},
        route::PREFIX,
    },
    bug,
    connections::TurnedAway,
    cors, respond,
    worker::{Drain, Worker},
};

/// Why a request does not come to its handler, or not out of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The request is for a host that is not this one.
    Misdirected,
    Bug,
}

/// In whose words trouble is told.
#[derive(Clone, Copy)]
pub enum Dialect {
    /// OpenAI's, or those of another tongue.
    Applications(Option<&'static dyn Tongue>),
    Administration,
}

impl fmt::Debug for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Dialect::Applications(_) => "Applications",
            Dialect::Administration => "Administration",
        })
    }
}

impl Dialect {
    fn of(path: &str) -> Self {
        if path.starts_with(PREFIX) {
            return Dialect::Administration;
        }
        Dialect::Applications(tongue::of_path(path))
    }
}

type Tell = Box<dyn Fn(Dialect, Trouble) -> HttpResponse>;

/// What an entrance says by itself.
pub struct Voice {
    tell: Tell,
    drain: Arc<Drain>,
}

/// The entrance of one listener, as one worker sees it.
#[derive(Clone)]
pub struct Entrance {
    hosts: Hosts,
    origins: Origins,
    voice: Rc<Voice>,
}

impl Entrance {
    pub fn new(hosts: Hosts, origins: Origins, worker: web::Data<Worker>) -> Self {
        let drain = Arc::clone(&worker.drain);
        Self::speaking(
            hosts,
            origins,
            Box::new(move |dialect, trouble| tell(&worker, dialect, trouble)),
            drain,
        )
    }

    fn speaking(hosts: Hosts, origins: Origins, tell: Tell, drain: Arc<Drain>) -> Self {
        Self { hosts, origins, voice: Rc::new(Voice { tell, drain }) }
    }

    /// For a listener that has no words of its own.
    pub fn mute(hosts: Hosts) -> Self {
        let status = |trouble| match trouble {
            Trouble::Misdirected => StatusCode::MISDIRECTED_REQUEST,
            Trouble::Bug => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let tell = move |_, trouble| HttpResponse::new(status(trouble));
        Self::speaking(hosts, Origins::default(), Box::new(tell), Arc::default())
    }

    /// Lets a request through to `inner`.
    ///
    /// One that asks for a head only is answered as if it asked for all; the body stays here.
    pub fn pass<S>(&self, mut request: ServiceRequest, inner: &S) -> Passage<S::Future>
    where
        S: Service<ServiceRequest, Response = ServiceResponse, Error = Error>,
    {
        let dialect = Dialect::of(request.path());
        if request.conn_data::<TurnedAway>().is_some() {
            // nobody hears it any more
            return Passage::Turned(Some(request.into_response(HttpResponse::ServiceUnavailable().finish())));
        }
        if self.is_for_another(&request) {
            let response = (self.voice.tell)(dialect, Trouble::Misdirected);
            return Passage::Turned(Some(request.into_response(response)));
        }
        let origin = cors::admitted(&self.origins, request.path(), request.headers());
        if *request.method() == Method::HEAD {
            request.head_mut().method = Method::GET;
        }
        match bug::caught(|| inner.call(request)) {
            Some(answer) => Passage::Open { answer, dialect, origin, voice: Rc::clone(&self.voice) },
            None => Passage::Lost(Some((self.voice.tell)(dialect, Trouble::Bug))),
        }
    }

    /// A request that names no host, as HTTP/1.0 may, is for nobody else.
    fn is_for_another(&self, request: &ServiceRequest) -> bool {
        if self.hosts == Hosts::Any {
            return false;
        }
        let named = request.headers().get_all(header::HOST).map(|host| host.to_str().unwrap_or_default());
        let mut all = named.chain(request.uri().authority().map(|authority| authority.as_str()));
        all.any(|host| !self.hosts.admits(host))
    }
}

/// A request on its way through.
pub enum Passage<F> {
    Open {
        answer: F,
        dialect: Dialect,
        /// Of a page that may read the answer.
        origin: Option<HeaderValue>,
        voice: Rc<Voice>,
    },
    Turned(Option<ServiceResponse>),
    Lost(Option<HttpResponse>),
}

impl<F> Future for Passage<F>
where
    F: Future<Output = Result<ServiceResponse, Error>> + Unpin,
{
    type Output = Result<ServiceResponse, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let lost = |response| Poll::Ready(Err(InternalError::from_response("a bug", response).into()));
        match self.get_mut() {
            Passage::Open { answer, dialect, origin, voice } => {
                match bug::caught(|| Pin::new(answer).poll(cx)) {
                    Some(Poll::Ready(Ok(mut response))) => {
                        if let Some(origin) = origin.take() {
                            cors::tell(response.headers_mut(), origin);
                        }
                        if voice.drain.has_begun() {
                            // whoever is told so sends no other request that would cross with the end
                            response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
                        }
                        Poll::Ready(Ok(response))
                    }
                    Some(poll) => poll,
                    None => lost((voice.tell)(*dialect, Trouble::Bug)),
                }
            }
            Passage::Turned(response) => {
                response.take().map_or(Poll::Pending, |response| Poll::Ready(Ok(response)))
            }
            Passage::Lost(response) => response.take().map_or(Poll::Pending, lost),
        }
    }
}

fn tell(worker: &Worker, dialect: Dialect, trouble: Trouble) -> HttpResponse {
    let id = RequestId(identity::mint(&*worker.engine.shared.clock, &*worker.engine.dice));
    let (code, kind) = match trouble {
        Trouble::Misdirected => (ErrorCode::Misdirected, Kind::Misdirected),
        Trouble::Bug => (ErrorCode::Internal, Kind::Internal),
    };
    match dialect {
        Dialect::Applications(tongue) => respond::error_in(tongue, id, &PublicError::new(code), worker),
        Dialect::Administration => Problem::from(kind).respond(id),
    }
}

#[cfg(test)]
mod tests;
