//! `GET /v1/organization/usage/{kind}` and `/v1/organization/costs` in OpenAI's shapes, for admin keys: tools that
//! read OpenAI's usage read ours. A project is a team, a model the name applications use.

mod query;
mod shape;

use std::collections::BTreeMap;

use actix_web::{HttpRequest, HttpResponse, web};
use nexus_core::{
    id::TeamId,
    role::{Permission, Reach},
};
use nexus_store::repo::usage::{By, Only, Report, Sums, Wanted, report};
use nexus_wire::surface::{Annex, SURFACE};

use self::{
    query::{Group, Query, Width},
    shape::{Bucket, Kind, Page},
};
use super::{
    asked::{Asking, answer, pairs},
    resources,
};
use crate::{
    admin::problem::{self, Problem},
    worker::Worker,
};

/// Where usage is asked for.
const USAGE: &str = "/v1/organization/usage/{kind}";
/// What every result can be grouped and filtered by, in this order.
const BY: [By; 4] = [By::Operation, By::Team, By::Key, By::Alias];

/// Usage of one kind of operation. What the gateway does not count itself is OpenAI's to say, where that is served.
pub async fn usage(
    request: HttpRequest,
    kind: web::Path<String>,
    payload: web::Payload,
    worker: web::Data<Worker>,
) -> HttpResponse {
    let kind = Kind::of_word(&kind);
    let is_served = worker.engine.shared.annexes.contains(&Annex::Organization);
    match SURFACE.iter().find(|row| row.path == USAGE) {
        Some(row) if kind.is_none() && is_served => resources::relay(request, payload, worker, row).await,
        _ => serve(&request, &worker, kind).await,
    }
}

/// What was charged, by the day.
pub async fn costs(request: HttpRequest, worker: web::Data<Worker>) -> HttpResponse {
    serve(&request, &worker, Some(Kind::Costs)).await
}

/// Answers for a kind; none is a URL there is not.
async fn serve(request: &HttpRequest, worker: &Worker, kind: Option<Kind>) -> HttpResponse {
    let asked = pairs(request);
    answer(request, worker, |asking| async move {
        let reach = reach(&asking)?;
        let kind = kind.ok_or(problem::Kind::NotFound)?;
        let query = Query::read(&asked?, kind, &worker.admin.secrets.cursors, now_s(worker))?;
        page(worker, reach, kind, query).await
    })
    .await
}

fn now_s(worker: &Worker) -> i64 {
    worker.engine.shared.clock.unix_ms().div_euclid(1000)
}

/// Whose usage the caller may see: as in the administration.
fn reach(asking: &Asking) -> Result<Reach, Problem> {
    let actor = asking.world.snapshot.actor(&asking.caller);
    let needed = "this needs an admin key with the permission `keys:read`";
    actor
        .and_then(|actor| actor.may(Permission::KeysRead))
        .ok_or_else(|| Problem::new(problem::Kind::Forbidden, needed))
}

async fn page(worker: &Worker, reach: Reach, kind: Kind, query: Query) -> Result<Page, Problem> {
    let buckets = query.buckets();
    let (Some(first), Some(last)) = (buckets.first(), buckets.last()) else {
        return Ok(Page::new(Vec::new(), None));
    };
    let wanted = Wanted {
        by: BY.to_vec(),
        from_ms: first.start.saturating_mul(1000),
        until_ms: last.end.saturating_mul(1000),
        step: query.width.step(),
        only: Only { team: reach.team(), keys: query.keys.clone(), ..Only::default() },
    };
    let report = worker.admin.store.read(move |conn| report(conn, &wanted)).await?;
    let mut groups = gather(report, kind, &query);
    let results = |start: i64| groups.remove(&start).unwrap_or_default();
    let next = query.next(&worker.admin.secrets.cursors);
    Ok(Page::new(fill(buckets, kind, &query, results), next))
}

type Groups = BTreeMap<Vec<Option<String>>, Sums>;

/// The sums of what was asked for, by bucket and by group.
fn gather(report: Report, kind: Kind, query: &Query) -> BTreeMap<i64, Groups> {
    let mut buckets: BTreeMap<i64, Groups> = BTreeMap::new();
    for ((at_ms, of), sums) in report {
        let [operation, team, key, model] = &of[..] else { continue };
        let is_of_kind = operation.as_deref().is_some_and(|operation| kind.covers(operation));
        let team_id = team.as_deref().and_then(|team| team.parse().ok()).map(TeamId);
        let is_wanted =
            query.teams.as_ref().is_none_or(|teams| team_id.is_some_and(|id| teams.contains(&id)))
                && query
                    .models
                    .as_ref()
                    .is_none_or(|models| model.as_ref().is_some_and(|one| models.contains(one)));
        if !is_of_kind || !is_wanted {
            continue;
        }
        let group = query.groups.iter().map(|group| match group {
            Group::Project => team.clone(),
            Group::Key => key.clone(),
            Group::Model => model.clone(),
        });
        let bucket = buckets.entry(at_ms.div_euclid(1000)).or_default();
        let into = bucket.entry(group.collect()).or_default();
        for (measure, amount) in sums {
            let sum = into.entry(measure).or_default();
            *sum = sum.saturating_add(amount);
        }
    }
    buckets
}

fn fill(
    spans: Vec<query::Span>,
    kind: Kind,
    query: &Query,
    mut results: impl FnMut(i64) -> Groups,
) -> Vec<Bucket> {
    let bucket = |span: query::Span| {
        let groups = results(span.start);
        let result = |(of, sums): (Vec<Option<String>>, Sums)| {
            let named = |wanted: Group| {
                let at = query.groups.iter().position(|group| *group == wanted)?;
                of.get(at).cloned().flatten()
            };
            kind.result(&sums, named(Group::Project), named(Group::Key), named(Group::Model))
        };
        Bucket::new(span, groups.into_iter().map(result).collect())
    };
    spans.into_iter().map(bucket).collect()
}

impl Width {
    fn step(self) -> nexus_store::repo::usage::Step {
        use nexus_store::repo::usage::Step;
        match self {
            Width::Minute => Step::Minute,
            Width::Hour => Step::Hour,
            Width::Day => Step::Day,
        }
    }
}
