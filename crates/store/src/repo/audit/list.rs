//! Reading the trail: filtered, a page at a time.
//!
//! A page is bounded by numbers of rows, never by times: a clock that went back does not hide rows.

use diesel::{
    BoolExpressionMethods, ExpressionMethods, OptionalExtension, QueryDsl, RunQueryDsl, dsl::exists,
};
use nexus_core::id::TeamId;

use super::{Outcome, Recorded};
use crate::{
    connection::AnyConnection,
    error::StoreError,
    schema::{audit_days, audit_log, revisions},
};

/// Which rows are wanted; all that is said must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub team: Option<TeamId>,
    /// The actor's id.
    pub actor: Option<String>,
    /// How the action begins: `key.` for everything done to keys.
    pub action_prefix: Option<String>,
    pub target_kind: Option<String>,
    pub target_id: Option<String>,
    /// Unix milliseconds, the first that counts.
    pub from_ms: Option<i64>,
    /// Unix milliseconds, the first that counts no more.
    pub to_ms: Option<i64>,
    pub outcome: Option<Outcome>,
    /// Whether only rows are wanted that tell of a revision.
    pub is_revision: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    NewestFirst,
    OldestFirst,
}

/// A part of the trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeqPage {
    /// The last row of the page before; `None` for the first page.
    pub after: Option<i64>,
    pub order: Order,
    pub limit: u32,
}

/// The rows of a page. Rows of a purged day may be among them until they are deleted.
pub fn list(conn: &mut AnyConnection, filter: &Filter, page: SeqPage) -> Result<Vec<Recorded>, StoreError> {
    use audit_log::dsl as row;
    let Some((first, last)) = bounds(conn, filter)? else { return Ok(Vec::new()) };
    let mut query = row::audit_log.into_boxed();
    query = query.filter(row::seq.ge(first).and(row::seq.le(last))).limit(page.limit.into());
    query = match page.order {
        Order::NewestFirst => query.order(row::seq.desc()),
        Order::OldestFirst => query.order(row::seq.asc()),
    };
    if let Some(after) = page.after {
        query = match page.order {
            Order::NewestFirst => query.filter(row::seq.lt(after)),
            Order::OldestFirst => query.filter(row::seq.gt(after)),
        };
    }
    if let Some(team) = filter.team {
        query = query.filter(row::team_id.eq(team.to_string()));
    }
    if let Some(actor) = &filter.actor {
        query = query.filter(row::actor_id.eq(actor));
    }
    if let Some(prefix) = &filter.action_prefix {
        // no character sorts behind this one
        query = query.filter(row::action.ge(prefix).and(row::action.lt(format!("{prefix}\u{10ffff}"))));
    }
    if let Some(kind) = &filter.target_kind {
        query = query.filter(row::target_kind.eq(kind));
    }
    if let Some(id) = &filter.target_id {
        query = query.filter(row::target_id.eq(id));
    }
    if let Some(from_ms) = filter.from_ms {
        query = query.filter(row::at.ge(from_ms));
    }
    if let Some(to_ms) = filter.to_ms {
        query = query.filter(row::at.lt(to_ms));
    }
    if let Some(outcome) = filter.outcome {
        query = query.filter(row::outcome.eq(outcome.as_str()));
    }
    if filter.is_revision {
        query = query.filter(row::seq.eq_any(revisions::table.select(revisions::seq)));
    }
    Ok(query.load(conn)?)
}

/// The first and the last row that can lie within the filter's times, so that a window long ago is not
/// looked for in all that came since; `None` where no day has such a row.
///
/// Asks each day by the index, one look a day.
fn bounds(conn: &mut AnyConnection, filter: &Filter) -> Result<Option<(i64, i64)>, StoreError> {
    let rows = || audit_log::table.filter(audit_log::day.eq(audit_days::day));
    let first: Option<i64> = match filter.from_ms {
        None => Some(i64::MIN),
        Some(from_ms) => audit_days::table
            .filter(exists(rows().filter(audit_log::at.ge(from_ms))))
            .order(audit_days::day.asc())
            .select(audit_days::first_seq)
            .first(conn)
            .optional()?,
    };
    let last: Option<Option<i64>> = match filter.to_ms {
        None => Some(None),
        Some(to_ms) => audit_days::table
            .filter(exists(rows().filter(audit_log::at.lt(to_ms))))
            .order(audit_days::day.desc())
            .select(audit_days::last_seq)
            .first(conn)
            .optional()?,
    };
    Ok(first.zip(last.map(|last| last.unwrap_or(i64::MAX))))
}
