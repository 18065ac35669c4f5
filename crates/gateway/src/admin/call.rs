//! A request that was let in, as a handler sees it, and what it may ask of the node.
//!
//! A handler has no other way to the database than [`Call::read`] and [`Call::change`].

use std::str::FromStr;

use actix_web::{HttpRequest, http::header, web};
use nexus_core::id::Uuid;
use nexus_engine::identity;
use nexus_store::{AnyConnection, StoreError};

use super::{
    Admin,
    gate::Caller,
    manner::Manner,
    problem::{Kind, Problem},
};
use crate::worker::Worker;

/// A request with its query and its body.
pub struct Call<Q = (), B = ()> {
    pub caller: Caller,
    pub query: Q,
    pub body: B,
    pub(super) manner: Manner,
    pub(super) request: HttpRequest,
    pub(super) worker: web::Data<Worker>,
    /// The body as it came: what makes two requests the same.
    pub(super) bytes: web::Bytes,
}

impl<Q, B> Call<Q, B> {
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

    /// The node as this worker sees it.
    pub fn worker(&self) -> &Worker {
        &self.worker
    }

    /// An id in the path. What is no id names nothing.
    pub fn id<T: FromStr>(&self, name: &str) -> Result<T, Problem> {
        self.request.match_info().query(name).parse().map_err(|_| Kind::NotFound.into())
    }

    /// The version a change is for, from `If-Match`.
    pub fn expected_version(&self) -> Result<i64, Problem> {
        let missing = || Problem::new(Kind::NotConditional, "send the `ETag` you read as `If-Match`");
        let stated = self.request.headers().get(header::IF_MATCH).ok_or_else(missing)?;
        expected(stated.to_str().unwrap_or_default()).ok_or_else(|| Kind::Stale.into())
    }

    /// Runs queries that see one state of the database.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut AnyConnection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Problem> {
        Ok(self.worker.admin.store.read(work).await?)
    }
}

/// Any tag that is no version of ours matches nothing.
fn expected(if_match: &str) -> Option<i64> {
    if_match.trim().strip_prefix('"')?.strip_suffix('"')?.parse().ok()
}

/// What was found, or the one problem for everything that is not there or not the caller's.
pub fn found<T>(row: Option<T>) -> Result<T, Problem> {
    row.ok_or_else(|| Kind::NotFound.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_quoted_version_matches() {
        for (if_match, version) in [
            ("\"3\"", Some(3)),
            (" \"3\" ", Some(3)),
            ("3", None),
            ("W/\"3\"", None),
            ("\"3\", \"4\"", None),
            ("*", None),
            ("", None),
        ] {
            assert_eq!(expected(if_match), version, "{if_match}");
        }
    }
}
