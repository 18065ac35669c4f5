//! A request of somebody who has proven nothing yet: what the ways to sign in are made of.
//!
//! It has no caller, so nothing that asks for one can be reached from here.

use std::net::IpAddr;

use actix_web::{HttpRequest, http::header, web};
use nexus_core::id::{RequestId, Uuid};
use nexus_engine::identity;

use super::Admin;
use crate::worker::Worker;

/// A request with its query and its body.
pub struct Visit<Q = (), B = ()> {
    pub query: Q,
    pub body: B,
    pub address: Option<IpAddr>,
    pub id: RequestId,
    pub(super) request: HttpRequest,
    pub(super) worker: web::Data<Worker>,
}

impl<Q, B> Visit<Q, B> {
    pub fn admin(&self) -> &Admin {
        &self.worker.admin
    }

    /// Unix milliseconds.
    pub fn now_ms(&self) -> i64 {
        self.worker.engine.shared.clock.unix_ms()
    }

    /// An id for something that is made.
    pub fn fresh_id<T: From<Uuid>>(&self) -> T {
        identity::mint(&*self.worker.engine.shared.clock, &*self.worker.engine.dice).into()
    }

    pub fn worker(&self) -> &Worker {
        &self.worker
    }

    /// What the browser says it is, cut to what is worth keeping.
    pub fn user_agent(&self) -> Option<String> {
        let text = self.request.headers().get(header::USER_AGENT)?.to_str().ok()?;
        Some(text.chars().take(USER_AGENT_CHARS).collect())
    }
}

const USER_AGENT_CHARS: usize = 200;
