//! Routing rules: what is set for an alias beside its models. One that would lead in a circle is refused.

mod object;

use nexus_core::id::{RuleId, TeamId};
use nexus_store::{
    AnyConnection, StoreError,
    repo::{
        Changed, Removed,
        rule::{self, StoredRule},
        team,
    },
};

use self::object::NewRule;
pub use self::object::{Fallbacks, RuleBody, RulePut, checked_conduct};
use super::{
    answer::{Created, Gone, Recorded, Shown},
    body::Json,
    call::{Call, found},
    change::{Change, Halt},
    check::Check,
    problem::{Kind, Problem},
    providers::check_model,
    query::{Listing, Unfiltered, Walk},
    route::PREFIX,
};

pub async fn list(call: Call<Walk<Unfiltered>>) -> Result<Listing<RuleBody>, Problem> {
    let (own, page) = (call.caller.reach.team(), call.query.page());
    let rows = call.read(move |conn| rule::page(conn, own, &page)).await?;
    let key = |row: &StoredRule| (row.created_at_ms, row.id.to_string());
    Ok(call.query.listing(&call.admin().secrets.cursors, rows, key, |row| row.into()))
}

pub async fn show(call: Call) -> Result<Shown<RuleBody>, Problem> {
    let (id, own) = (call.id("id")?, call.caller.reach.team());
    let stored = found(call.read(move |conn| rule::show(conn, id)).await?)?;
    // a team sees its own and everybody's
    let is_seen = own.is_none() || stored.team.is_none() || stored.team == own;
    Ok(shown(&found(Some(stored).filter(|_| is_seen))?))
}

fn shown(stored: &StoredRule) -> Shown<RuleBody> {
    Shown { body: stored.into(), version: stored.version }
}

pub async fn create(call: Call<(), Json<NewRule>>) -> Result<Recorded<Created<RuleBody>>, Problem> {
    let Json(wish) = &call.body;
    let mut check = Check::default();
    check_model(&mut check, "/alias", &wish.alias);
    let rule = wish.said().checked(&mut check);
    check.finish()?;
    let now_ms = call.now_ms();
    let stored = StoredRule {
        id: call.fresh_id(),
        alias: wish.alias.clone(),
        team: wish.team_id.map(TeamId),
        rule,
        created_at_ms: now_ms,
        updated_at_ms: now_ms,
        version: 1,
    };
    call.change("routing_rule.create", move |conn| {
        check_team(conn, stored.team)?;
        rule::create(conn, &stored).map_err(conflict)?;
        refuse_cycle(conn)?;
        let body = RuleBody::from(&stored);
        let location = format!("{PREFIX}/routing-rules/{}", stored.id);
        let answer = Created { body: body.clone(), version: stored.version, location };
        Ok(Change::of("routing_rule", stored.id, stored.team, answer).to(&body))
    })
    .await
}

fn check_team(conn: &mut AnyConnection, id: Option<TeamId>) -> Result<(), Halt> {
    match id {
        Some(id) if team::show(conn, id, None)?.is_none() => {
            Err(Problem::at("/team_id", "there is no such team").into())
        }
        _ => Ok(()),
    }
}

/// The members in the words of requests, not in those of rows.
pub fn conflict(error: StoreError) -> Halt {
    match error {
        StoreError::Conflict(_) => {
            Problem::new(Kind::Conflict, "there is a rule for this `alias` and team already").into()
        }
        error => error.into(),
    }
}

/// Refuses what was just written where an alias now leads back to itself.
pub fn refuse_cycle(conn: &mut AnyConnection) -> Result<(), Halt> {
    let Some(way) = rule::rules(conn)?.cycle() else { return Ok(()) };
    let way: Vec<_> = way.iter().map(|alias| format!("`{alias}`")).collect();
    let why = format!("the alias would lead back to itself: {}", way.join(" -> "));
    Err(Problem::new(Kind::Conflict, why).into())
}

pub async fn put(call: Call<(), Json<RulePut>>) -> Result<Recorded<Shown<RuleBody>>, Problem> {
    let (id, version): (RuleId, _) = (call.id("id")?, call.expected_version()?);
    let Json(wish) = &call.body;
    let mut check = Check::default();
    let rule = wish.checked(&mut check);
    check.finish()?;
    let now_ms = call.now_ms();
    call.change("routing_rule.update", move |conn| {
        let before = found(rule::show(conn, id)?)?;
        match rule::update(conn, id, &rule, version, now_ms)? {
            Changed::Unknown => Err(Kind::NotFound.into()),
            Changed::Stale => Err(Kind::Stale.into()),
            Changed::Now(after) => {
                refuse_cycle(conn)?;
                let change = Change::of("routing_rule", id, after.team, shown(&after));
                Ok(change.from(&RuleBody::from(&before)).to(&RuleBody::from(&after)))
            }
        }
    })
    .await
}

pub async fn delete(call: Call) -> Result<Recorded<Gone>, Problem> {
    let id: RuleId = call.id("id")?;
    call.change("routing_rule.delete", move |conn| {
        let before = found(rule::show(conn, id)?)?;
        if rule::delete(conn, id)? == Removed::Unknown {
            return Err(Kind::NotFound.into());
        }
        // without it an alias may lead elsewhere, as everybody's rule says
        refuse_cycle(conn)?;
        Ok(Change::of("routing_rule", id, before.team, Gone).from(&RuleBody::from(&before)))
    })
    .await
}
