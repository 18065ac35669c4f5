//! How a change is to be made: in earnest or only looked at, and whether its answer waits for the other nodes.

use std::time::{Duration, Instant};

use nexus_core::id::Uuid;
use nexus_store::repo::node;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    change::Change,
    difference::{self, FieldChange},
    problem::Problem,
    query,
};
use crate::worker::Worker;

/// How long an answer waits for other nodes at most.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// Between two looks at what nodes say of themselves.
const GLANCE: Duration = Duration::from_millis(25);

/// What every change takes beside its own parameters.
#[derive(Clone, Copy, Debug, Default)]
pub struct Manner {
    /// Nothing is changed.
    pub is_dry: bool,
    /// Every node that is there has it in force before the answer, or is named in it.
    pub waits: bool,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct MannerParams {
    /// Whether everything is only checked: the answer says what would change, and nothing does.
    #[param(nullable = false, default = false)]
    dry_run: Option<bool>,
    /// `applied`: the answer comes when every node that is there has the change in force, or after five seconds;
    /// `x-nexus-applied` says whether they have, `x-nexus-behind` which have not.
    #[param(nullable = false, inline)]
    wait: Option<WaitWord>,
}

#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Wait)]
pub enum WaitWord {
    Applied,
}

impl Manner {
    /// Takes it out of a query, and leaves what is the handler's.
    pub fn take(text: &str) -> Result<(Self, String), Problem> {
        let (params, rest) = query::apart::<MannerParams>(text)?;
        let MannerParams { dry_run, wait } = params;
        Ok((Self { is_dry: dry_run.unwrap_or_default(), waits: wait.is_some() }, rest))
    }
}

/// What a change would do.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Preview)]
pub struct PreviewBody {
    /// Always true: nothing was changed.
    pub dry_run: bool,
    /// The kind of thing and what would be done to it, such as `key.create`.
    pub action: String,
    pub target_kind: String,
    pub changes: Vec<FieldChange>,
}

impl PreviewBody {
    pub fn new<A>(action: &str, change: &Change<A>) -> Self {
        let (kind, before, after) = change.told();
        Self {
            dry_run: true,
            action: action.to_owned(),
            target_kind: kind.to_owned(),
            changes: difference::between(before, after),
        }
    }
}

/// Waits until all nodes that are there have the revision in force; gives those that have not.
pub async fn until_applied(worker: &Worker, revision: i64) -> Result<Vec<Uuid>, Problem> {
    let until = Instant::now() + WAIT_MAX;
    loop {
        let behind = worker.admin.store.read(move |conn| node::behind(conn, revision)).await?;
        if behind.is_empty() || Instant::now() >= until {
            return Ok(behind.iter().map(|id| id.parse().unwrap_or_default()).collect());
        }
        tokio::time::sleep(GLANCE).await;
    }
}
