//! Walking the chain on request, with a bound on its time and one walk at a time.
//!
//! Memory is bounded by the walk itself. What takes longer is the command line's: `nexus audit verify`.

use std::{ops::ControlFlow, sync::Arc};

use nexus_store::repo::audit::{self, Verdict};
use serde::Serialize;
use utoipa::ToSchema;

use crate::admin::{
    answer::Told,
    call::{Call, found},
    problem::{Kind, Problem},
};

/// The longest walk. Clients and proxies wait for an answer at least so long.
const WALK_US_MAX: u64 = 20_000_000;

/// What came of a walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = AuditWalk)]
pub enum WalkWord {
    /// Every row is as it was written.
    Whole,
    /// A row is not as it was written, or missing.
    Broken,
    /// Time was up; the rows that were walked are whole.
    Unfinished,
}

/// What walking the chain from its first row found.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditVerdict)]
pub struct VerdictBody {
    pub outcome: WalkWord,
    /// Rows that are whole; of a broken chain those before the first that is not, the purged ones too.
    pub rows: u64,
    /// The first row that is not as it was written; null: none was found.
    pub seq: Option<i64>,
    /// What is wrong with it.
    pub what: Option<String>,
}

impl From<Verdict> for VerdictBody {
    fn from(verdict: Verdict) -> Self {
        let clean = |outcome, rows| Self { outcome, rows, seq: None, what: None };
        match verdict {
            Verdict::Whole { rows, .. } => clean(WalkWord::Whole, rows),
            Verdict::Unfinished { rows } => clean(WalkWord::Unfinished, rows),
            Verdict::Broken { seq, what } => Self {
                outcome: WalkWord::Broken,
                rows: u64::try_from(seq.saturating_sub(1)).unwrap_or_default(),
                seq: Some(seq),
                what: Some(what.to_string()),
            },
        }
    }
}

/// The chain goes through everybody's rows, so it is the platform's to walk.
pub async fn verify(call: Call) -> Result<Told<VerdictBody>, Problem> {
    found(call.caller.reach.team().is_none().then_some(()))?;
    let busy = "somebody is walking the trail on this node; ask again in a few seconds";
    let walking = Arc::clone(&call.admin().walking);
    let walking = walking.try_lock_owned().map_err(|_| Problem::new(Kind::Conflict, busy))?;
    let clock = Arc::clone(&call.worker().engine.shared.clock);
    let end_us = clock.monotonic_us().saturating_add(WALK_US_MAX);
    let verdict = call.read(move |conn| {
        // it goes on where whoever asked has left, and so does the lock
        let _walking = walking;
        audit::verify_telling(conn, &[], &mut |_| match clock.monotonic_us() < end_us {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        })
    });
    Ok(Told(verdict.await?.into()))
}
