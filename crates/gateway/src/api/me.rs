//! `GET /v1/me` and `GET /v1/me/usage`: what a key's holder may know with the key itself, and nothing of anybody else's.
//!
//! A session key sees itself, not the key it was made from: that one's holder is somebody else.

use actix_web::{HttpRequest, HttpResponse, web};
use nexus_core::{
    id::Uuid,
    principal::{Level, Principal},
    quota::{Quota, Subject, Window, Zone},
};
use nexus_engine::world::World;
use nexus_store::repo::{
    key, team,
    usage::{By, Call, Only, Report, Step, Wanted, recent, report},
};
use serde::Serialize;

use super::asked::{Asking, answer, flaw, number, pairs};
use crate::{
    admin::{problem::Problem, usage::UsageRow},
    worker::Worker,
};

const DAY_MS: i64 = 86_400_000;
/// Days of usage that are shown, where the request does not say, and at most.
const DAYS_USUAL: i64 = 7;
const DAYS_MAX: i64 = 90;
/// Calls that are shown, where the request does not say, and at most.
const CALLS_USUAL: i64 = 20;
const CALLS_MAX: i64 = 100;

#[derive(Serialize)]
struct Me {
    object: &'static str,
    id: Uuid,
    level: &'static str,
    name: Option<String>,
    team: Option<Team>,
    /// Unix seconds.
    expires_at: Option<i64>,
    limits: Vec<Limit>,
    spend: Spend,
}

#[derive(Serialize)]
struct Team {
    id: Uuid,
    name: Option<String>,
}

/// A quota the key falls under, and what is left of it on this node.
#[derive(Serialize)]
struct Limit {
    name: String,
    /// `key`, `team`, or `session_budget`.
    of: &'static str,
    measure: &'static str,
    window: &'static str,
    mode: &'static str,
    limit: u64,
    used: u64,
    reserved: u64,
    left: u64,
    /// When the window ends, Unix seconds; none where it does not.
    resets_at: Option<i64>,
}

/// What the key itself has cost, in nano-USD, in the UTC day and month that now is in.
#[derive(Serialize)]
struct Spend {
    today_nano_usd: u64,
    month_nano_usd: u64,
}

/// Who am I, what is left, what was spent.
pub async fn show(request: HttpRequest, worker: web::Data<Worker>) -> HttpResponse {
    answer(&request, &worker, |asking| me(asking, &worker)).await
}

async fn me(Asking { caller, world }: Asking, worker: &Worker) -> Result<Me, Problem> {
    let now_ms = worker.engine.shared.clock.unix_ms();
    let (id, of_team) = (caller.key, caller.team);
    let of_month = own(&caller, vec![], Window::Month { zone: Zone::fixed(0) }.span(now_ms).begin_ms, now_ms);
    let of_today = own(&caller, vec![], Window::Day { zone: Zone::fixed(0) }.span(now_ms).begin_ms, now_ms);
    let told = worker.admin.store.read(move |conn| {
        let own = key::show(conn, id, of_team)?;
        let team = of_team.map(|team| team::show(conn, team, None)).transpose()?.flatten();
        Ok((own, team, report(conn, &of_today)?, report(conn, &of_month)?))
    });
    let (own, team, today, month) = told.await?;
    let expires_at = own.as_ref().and_then(|key| key.expires_at_ms).map(|ms| ms.div_euclid(1000));
    Ok(Me {
        object: "key",
        id: id.0,
        level: caller.level.as_str(),
        name: own.map(|key| key.name).filter(|name| !name.is_empty()),
        team: of_team.map(|id| Team { id: id.0, name: team.map(|team| team.name) }),
        expires_at,
        limits: limits(&caller, &world, worker, now_ms),
        spend: Spend { today_nano_usd: charged(&today), month_nano_usd: charged(&month) },
    })
}

/// The key's own usage of a time, all together or by something.
fn own(caller: &Principal, by: Vec<By>, from_ms: i64, now_ms: i64) -> Wanted {
    Wanted {
        step: if by.is_empty() { Step::Total } else { Step::Day },
        by,
        from_ms,
        until_ms: now_ms.saturating_add(DAY_MS).div_euclid(DAY_MS).saturating_mul(DAY_MS),
        only: Only { keys: Some(vec![caller.key]), ..Only::default() },
    }
}

fn charged(report: &Report) -> u64 {
    report.values().filter_map(|sums| sums.get("charged_nano_usd")).sum()
}

fn limits(caller: &Principal, world: &World, worker: &Worker, now_ms: i64) -> Vec<Limit> {
    let quotas = &worker.engine.shared.quotas;
    let limit = |of: &'static str, quota: &Quota| {
        let level = quotas.level(quota, now_ms);
        Limit {
            name: quota.name.to_string(),
            of,
            measure: quota.measure.as_str(),
            window: quota.window.as_str(),
            mode: quota.mode.as_str(),
            limit: quota.limit,
            used: level.used,
            reserved: level.reserved,
            left: quota.limit.saturating_sub(level.used).saturating_sub(level.reserved),
            resets_at: end_ms(&quota.window, now_ms).map(|ms| ms.div_euclid(1000)),
        }
    };
    let is_session = caller.level == Level::Session;
    let shared = world.snapshot.quotas.iter().filter_map(|quota| match &quota.subject {
        Subject::Key(key) if *key == caller.key => Some(limit("key", quota)),
        Subject::Team(team) if caller.team == Some(*team) && !is_session => Some(limit("team", quota)),
        _ => None,
    });
    let budget = caller.budget.and_then(|budget| quotas.of_session(caller.key, budget));
    shared.chain(budget.iter().map(|quota| limit("session_budget", quota))).collect()
}

/// When a calendar's window that now is in ends.
fn end_ms(window: &Window, now_ms: i64) -> Option<i64> {
    window.is_calendar().then(|| window.span(now_ms).end_ms)
}

#[derive(Serialize)]
struct MyUsage {
    object: &'static str,
    /// By model and UTC day, the oldest first.
    data: Vec<ModelDay>,
    /// The last calls of a day, the newest first.
    recent: Vec<MyCall>,
}

#[derive(Serialize)]
struct ModelDay {
    /// When the day began, Unix seconds.
    at: i64,
    model: String,
    requests: u64,
    failed: u64,
    prompt_tokens: u64,
    completion_tokens: u64,
    cost_nano_usd: u64,
    /// Attempts whose cost nobody knows.
    unpriced: u64,
}

#[derive(Serialize)]
struct MyCall {
    request_id: String,
    attempt: i64,
    /// Unix seconds.
    at: i64,
    model: String,
    operation: String,
    status: i64,
    outcome: String,
    prompt_tokens: u64,
    completion_tokens: u64,
    /// None: nobody knows.
    cost_nano_usd: Option<i64>,
    latency_ms: i64,
    first_token_ms: Option<i64>,
}

impl From<Call> for MyCall {
    fn from(call: Call) -> Self {
        Self {
            request_id: call.request,
            attempt: call.number,
            at: call.started_at_ms.div_euclid(1000),
            model: call.alias,
            operation: call.operation,
            status: call.status,
            outcome: call.outcome,
            prompt_tokens: call.usage.prompt_tokens(),
            completion_tokens: call.usage.completion_tokens(),
            cost_nano_usd: call.cost_nano_usd,
            latency_ms: call.duration_us.div_euclid(1000),
            first_token_ms: call.first_token_us.map(|us| us.div_euclid(1000)),
        }
    }
}

/// What the key's own calls used, by model and day, and the last of them.
pub async fn usage(request: HttpRequest, worker: web::Data<Worker>) -> HttpResponse {
    let asked = pairs(&request);
    answer(&request, &worker, |asking| my_usage(asking, &worker, asked)).await
}

async fn my_usage(
    Asking { caller, .. }: Asking,
    worker: &Worker,
    asked: Result<Vec<(String, String)>, Problem>,
) -> Result<MyUsage, Problem> {
    let (mut days, mut calls) = (DAYS_USUAL, CALLS_USUAL);
    for (name, value) in asked? {
        match name.as_str() {
            "days" => days = number("days", &value, 1, DAYS_MAX)?,
            "limit" => calls = number("limit", &value, 0, CALLS_MAX)?,
            _ => return Err(flaw(&name, "is not known here; there are `days` and `limit`")),
        }
    }
    let now_ms = worker.engine.shared.clock.unix_ms();
    let today_ms = now_ms.saturating_sub(now_ms.rem_euclid(DAY_MS));
    let from_ms = today_ms.saturating_sub(DAY_MS.saturating_mul(days.saturating_sub(1)));
    let (wanted, key) = (own(&caller, vec![By::Alias], from_ms, now_ms), caller.key);
    let since_ms = now_ms.saturating_sub(DAY_MS);
    let told = worker
        .admin
        .store
        .read(move |conn| Ok((report(conn, &wanted)?, recent(conn, key, since_ms, calls)?)))
        .await?;
    let (report, calls) = told;
    let day = |((at_ms, of), sums)| {
        let row = UsageRow::new(at_ms, of, &sums);
        ModelDay {
            at: row.at,
            model: row.of.unwrap_or_default(),
            requests: row.requests,
            failed: row.failed,
            prompt_tokens: row.prompt_tokens,
            completion_tokens: row.completion_tokens,
            cost_nano_usd: row.charged_nano_usd,
            unpriced: row.unpriced,
        }
    };
    Ok(MyUsage {
        object: "key.usage",
        data: report.into_iter().map(day).collect(),
        recent: calls.into_iter().map(MyCall::from).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_ends_where_the_next_begins() {
        let zone = || Zone::fixed(0);
        // 29 February 2024, 12:00:30
        let now_ms = 1_709_208_030_000;
        for (window, end) in [
            (Window::Minute, Some(1_709_208_060_000)),
            (Window::Hour { zone: zone() }, Some(1_709_211_600_000)),
            (Window::Day { zone: zone() }, Some(1_709_251_200_000)),
            (Window::Week { zone: zone() }, Some(1_709_510_400_000)),
            (Window::Month { zone: zone() }, Some(1_709_251_200_000)),
            (Window::Total, None),
        ] {
            assert_eq!(end_ms(&window, now_ms), end, "{window:?}");
        }
    }
}
