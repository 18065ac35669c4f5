//! What a team may set for itself: never more than the platform lets the whole of it have.
//!
//! All quotas that cover a call hold at once, so one that a team sets can only take away. What is looked at here is
//! that it does not say more than can ever be used, and that nobody undoes what the platform set.

use nexus_core::{
    id::TeamId,
    quota::{Quota, Subject},
    role::Reach,
};
use nexus_store::{
    AnyConnection, StoreError,
    repo::{
        key,
        quota::{self, StoredQuota},
    },
};

use crate::admin::{
    change::Halt,
    problem::{Kind, Problem},
};

/// Whose use a quota bounds, and whether whoever sets it is of that team.
pub struct Set {
    pub team: Option<TeamId>,
    pub is_own: bool,
}

/// Where a new quota belongs, if whoever reaches so far may set it.
pub fn may_set(conn: &mut AnyConnection, reach: Reach, quota: &Quota) -> Result<Set, Halt> {
    let team = bounded(conn, &quota.subject)?;
    let Reach::Team(own) = reach else { return Ok(Set { team, is_own: false }) };
    match quota.subject {
        Subject::Team(_) | Subject::Key(_) if team == Some(own) => {}
        Subject::Team(_) | Subject::Key(_) => {
            return Err(Problem::at("/subject_value", "is neither your team nor one of its keys").into());
        }
        _ => {
            let why = "is not a team's to bound; choose `team` or `key`";
            return Err(Problem::at("/subject", why).into());
        }
    }
    within_ceiling(conn, own, quota)?;
    Ok(Set { team, is_own: true })
}

/// Refuses whoever would change what is not theirs to change.
pub fn may_change(reach: Reach, stored: &StoredQuota) -> Result<(), Problem> {
    if reach == Reach::Platform || stored.is_own {
        return Ok(());
    }
    Err(Problem::new(Kind::Forbidden, "the platform set this quota, and only the platform can change it"))
}

/// Refuses a limit above what the platform set for the whole team, of the same measure in the same window.
pub fn within_ceiling(conn: &mut AnyConnection, team: TeamId, quota: &Quota) -> Result<(), Halt> {
    let is_below = |ceiling: &Quota| {
        ceiling.mode.refuses()
            && ceiling.measure == quota.measure
            && ceiling.window == quota.window
            && ceiling.limit < quota.limit
    };
    match quota::set_for(conn, team)?.into_iter().find(|ceiling| is_below(&ceiling.quota)) {
        None => Ok(()),
        Some(StoredQuota { quota: ceiling, .. }) => {
            let why =
                format!("is above {}, which `{}` lets the whole team have", ceiling.limit, ceiling.name);
            Err(Problem::at("/limit", why).into())
        }
    }
}

fn bounded(conn: &mut AnyConnection, subject: &Subject) -> Result<Option<TeamId>, StoreError> {
    match subject {
        Subject::Team(team) => Ok(Some(*team)),
        Subject::Key(id) => Ok(key::show(conn, *id, None)?.and_then(|key| key.team)),
        _ => Ok(None),
    }
}
