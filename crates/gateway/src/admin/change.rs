//! The one way to change something: idempotency, the change, its audit row and its answer stand together or
//! not at all.
//!
//! An `Idempotency-Key` belongs to the caller who sent it, for a day. The answer kept for it is sealed,
//! because it may hold a key that is shown once.

use std::{
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use actix_web::http::header::HeaderName;
use nexus_core::id::{TeamId, Uuid};
use nexus_keystore::{
    secret::Secret,
    vault::{Place, Vault},
};
use nexus_store::{
    AnyConnection, StoreError,
    repo::{
        audit::{self, Entry, Target},
        idempotency::{self, Beginning},
        provider::SealedText,
        revision,
    },
    world,
};
use serde::Serialize;

use super::{
    answer::{Answer, Recorded, Reply},
    call::Call,
    manner::{PreviewBody, until_applied},
    problem::{Kind, Problem},
    trail::{self, Who},
};
use crate::worker::Worker;

pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Characters in the longest idempotency key.
pub const IDEMPOTENCY_KEY_MAX: usize = 255;

/// How long an answer is kept for its idempotency key, in milliseconds.
const KEPT_MS: i64 = 86_400_000;

/// How long an answer waits for its change to be in force; usually a fraction of a second.
const IN_FORCE_WITHIN: Duration = Duration::from_secs(5);

/// Why a change does not happen.
#[derive(Debug)]
pub enum Halt {
    Problem(Problem),
    Store(StoreError),
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Self {
        Halt::Store(error)
    }
}

impl From<Problem> for Halt {
    fn from(problem: Problem) -> Self {
        Halt::Problem(problem)
    }
}

impl From<Kind> for Halt {
    fn from(kind: Kind) -> Self {
        Halt::Problem(kind.into())
    }
}

/// A change that was made, as the trail tells it and as the client is told. `before` and `after` are what
/// an answer shows of the thing, so they hold no secret.
pub struct Change<A> {
    target: Target,
    team: Option<TeamId>,
    before: Option<String>,
    after: Option<String>,
    /// The revision it takes back.
    undoes: Option<i64>,
    answer: A,
}

impl<A> Change<A> {
    /// A change of a thing that belongs to `team`, or to the platform.
    pub fn of(kind: &'static str, id: impl ToString, team: Option<TeamId>, answer: A) -> Self {
        let target = Target { kind, id: Some(id.to_string()) };
        Self { target, team, before: None, after: None, undoes: None, answer }
    }

    /// What it was before.
    pub fn from(self, before: &impl Serialize) -> Self {
        Self { before: serde_json::to_string(before).ok(), ..self }
    }

    /// What it is now.
    pub fn to(self, after: &impl Serialize) -> Self {
        Self { after: serde_json::to_string(after).ok(), ..self }
    }

    /// It takes this revision back.
    pub fn undoing(self, revision: i64) -> Self {
        Self { undoes: Some(revision), ..self }
    }

    /// The kind of thing, what it was before and what it is now.
    pub fn told(&self) -> (&'static str, Option<&str>, Option<&str>) {
        (self.target.kind, self.before.as_deref(), self.after.as_deref())
    }
}

impl<Q, B> Call<Q, B> {
    /// Makes a change, or only says what it would do. `action` is the trail's word for it, such as `team.create`.
    pub async fn change<A: Answer>(
        &self,
        action: &'static str,
        work: impl FnOnce(&mut AnyConnection) -> Result<Change<A>, Halt> + Send + 'static,
    ) -> Result<Recorded<A>, Problem> {
        let who = Who::from(&self.caller);
        let (once, now_ms, manner) = (self.once()?, self.now_ms(), self.manner);
        if manner.is_dry {
            return Ok(Recorded::new(Reply::json(200, &self.preview(who, action, work).await?)?));
        }
        let written = write(self.worker(), who, action, move |conn| {
            if let Some(once) = &once
                && let Some(reply) = once.begin(conn, now_ms)?
            {
                return Ok(reply);
            }
            revision::open(conn)?;
            let change = work(conn)?;
            let (answer, revision) = record(conn, who, action, now_ms, change)?;
            let reply = Reply { revision, ..answer.into_reply()? };
            if let Some(once) = &once {
                once.finish(conn, &reply)?;
            }
            Ok(reply)
        });
        let mut reply = written.await?;
        if manner.waits {
            reply.behind = Some(until_applied(self.worker(), reply.revision.unwrap_or_default()).await?);
        }
        Ok(Recorded::new(reply))
    }

    /// Makes a change as it would be made, says what it did, and undoes it.
    async fn preview<A: Answer>(
        &self,
        who: Who,
        action: &'static str,
        work: impl FnOnce(&mut AnyConnection) -> Result<Change<A>, Halt> + Send + 'static,
    ) -> Result<PreviewBody, Problem> {
        let (seen, now_ms) = (Arc::new(Mutex::new(None)), self.now_ms());
        let told = Arc::clone(&seen);
        let undone = write(self.worker(), who, action, move |conn| -> Result<(), Halt> {
            revision::open(conn)?;
            let change = work(conn)?;
            let preview = PreviewBody::new(action, &change);
            record(conn, who, action, now_ms, change)?;
            *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(preview);
            // as an error, so that nothing of it stands
            Err(Halt::Store(StoreError::Lost))
        });
        let undone = undone.await;
        let preview = seen.lock().unwrap_or_else(PoisonError::into_inner).take();
        preview.ok_or_else(|| undone.err().unwrap_or_else(|| Kind::Internal.into()))
    }

    /// The request's idempotency key and what it belongs to.
    fn once(&self) -> Result<Option<Once>, Problem> {
        let Some(key) = self.request.headers().get(IDEMPOTENCY_KEY) else { return Ok(None) };
        let key = key.to_str().unwrap_or_default();
        let is_visible = key.bytes().all(|byte| byte.is_ascii_graphic());
        if key.is_empty() || key.len() > IDEMPOTENCY_KEY_MAX || !is_visible {
            let detail = format!("`idempotency-key` is not 1 to {IDEMPOTENCY_KEY_MAX} visible characters");
            return Err(Problem::new(Kind::BadRequest, detail));
        }
        let digests = &self.worker().engine.shared.keys.digests;
        let (actor, method) = (self.caller.actor.id, self.request.method());
        let body = String::from_utf8_lossy(&self.bytes);
        let id = digests.digest(&format!("idempotency\n{actor:?}\n{key}"));
        let request = digests.digest(&format!("request\n{method} {}\n{body}", self.request.uri()));
        Ok(Some(Once { id, request, vault: Arc::clone(&self.admin().vault) }))
    }
}

/// A request that is to be made once.
struct Once {
    id: [u8; 32],
    /// What is asked.
    request: [u8; 32],
    vault: Arc<Vault>,
}

/// Makes a change that did not come through the administration's own table.
pub async fn alone<A: Send + 'static>(
    worker: &Worker,
    who: Who,
    action: &'static str,
    now_ms: i64,
    work: impl FnOnce(&mut AnyConnection) -> Result<Change<A>, Halt> + Send + 'static,
) -> Result<A, Problem> {
    write(worker, who, action, move |conn| {
        let change = work(conn)?;
        Ok(record(conn, who, action, now_ms, change)?.0)
    })
    .await
}

/// A transaction that a problem undoes as an error does. One that was denied is written into the trail.
async fn write<T: Send + 'static>(
    worker: &Worker,
    who: Who,
    action: &'static str,
    work: impl FnOnce(&mut AnyConnection) -> Result<T, Halt> + Send + 'static,
) -> Result<T, Problem> {
    let halted = Arc::new(OnceLock::new());
    let told = Arc::clone(&halted);
    let written = worker.admin.store.write(move |conn| {
        let value = work(conn).map_err(|halt| match halt {
            Halt::Store(error) => error,
            // the store undoes everything for an error of its own; which problem it was is told beside it
            Halt::Problem(problem) => {
                let _first = told.set(problem);
                StoreError::Lost
            }
        })?;
        Ok((value, world::revision(conn)?))
    });
    let error = match written.await {
        Ok((value, revision)) => {
            until_in_force(worker, revision).await;
            return Ok(value);
        }
        Err(error) => error,
    };
    let Some(problem) = halted.get().cloned() else { return Err(error.into()) };
    if problem.kind == Kind::Forbidden {
        trail::denied(worker, who, action, problem.said()).await;
    }
    Err(problem)
}

/// Waits until the world on this node knows of the change: who is told that a key was made, revoked or bound
/// finds it so.
async fn until_in_force(worker: &Worker, revision: i64) {
    let mut in_force = worker.admin.in_force.clone();
    if *in_force.borrow() < revision {
        worker.admin.waker.look();
    }
    let known = in_force.wait_for(|known| *known >= revision);
    if tokio::time::timeout(IN_FORCE_WITHIN, known).await.is_err() {
        tracing::warn!(revision, "a change stands in the database and is not in force yet");
    }
}

/// Writes the change into the trail, ends its revision where one was begun, and gives back its answer and the
/// revision's number.
fn record<A>(
    conn: &mut AnyConnection,
    who: Who,
    action: &'static str,
    now_ms: i64,
    change: Change<A>,
) -> Result<(A, Option<i64>), StoreError> {
    let Change { target, team, before, after, undoes, answer } = change;
    let entry = who.entry(conn, action)?;
    let team = team.or(entry.team);
    let seq = audit::append(conn, &Entry { target: Some(target), team, before, after, ..entry }, now_ms)?;
    Ok((answer, revision::close(conn, seq, undoes)?))
}

impl Once {
    /// The answer that was given before, if one was.
    fn begin(&self, conn: &mut AnyConnection, now_ms: i64) -> Result<Option<Reply>, Halt> {
        let expires_ms = now_ms.saturating_add(KEPT_MS);
        match idempotency::begin(conn, &hex(&self.id), &hex(&self.request), now_ms, expires_ms)? {
            Beginning::Begun => Ok(None),
            Beginning::UnderWay => Err(Kind::UnderWay.into()),
            Beginning::Finished { is_same_request: false, .. } => Err(Kind::KeyReused.into()),
            Beginning::Finished { response, .. } => {
                let opened = self.vault.open(&response.0, self.place()).ok();
                let reply = opened.and_then(|kept| serde_json::from_str(kept.expose()).ok());
                let gone = "the answer to this `idempotency-key` cannot be read any more; look what was made";
                reply.map(Some).ok_or_else(|| Problem::new(Kind::Conflict, gone).into())
            }
        }
    }

    fn finish(&self, conn: &mut AnyConnection, reply: &Reply) -> Result<(), Halt> {
        let kept = serde_json::to_string(reply).map_err(|_| Kind::Internal)?;
        let sealed = self.vault.seal(&Secret::new(kept), self.place()).map_err(|_| Kind::Internal)?;
        Ok(idempotency::finish(conn, &hex(&self.id), reply.status, &SealedText(sealed.into_text()))?)
    }

    /// Half of the id names the row: the other half is no less unlikely to meet another's.
    fn place(&self) -> Place {
        let row = self.id.first_chunk().map_or(Uuid::nil(), |half| Uuid::from_bytes(*half));
        Place { table: "idempotency_keys", column: "response_sealed", row, team: None, generation: 0 }
    }
}

fn hex(bytes: &[u8; 32]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
