//! Requests as the ledger knows them, newest first, and what of it is forgotten sooner than the rest.
//!
//! A request stands where its first attempt does. A look goes through a bounded number of rows however few of
//! them fit, so that no filter makes it long: a page may be short and still not be the last.

use std::{borrow::Cow, collections::HashMap, ops::Range};

use diesel::{
    BoolExpressionMethods, ExpressionMethods, OptionalExtension, QueryDsl, Queryable, RunQueryDsl, dsl::sql,
    dsl::update, sql_types::Bool,
};
use nexus_core::{
    id::{TeamId, Uuid},
    usage::{Passed, Pricing, Usage, UsageRecord},
};
use serde::{Deserialize, Serialize};

use super::{
    correct::{self, Corrected},
    fact::usage,
    only::{Only, only},
    rows::{MARGIN_MS, first_id},
};
use crate::{
    connection::AnyConnection,
    error::StoreError,
    repo::{Page, setting},
    schema::{usage_attempts, usage_contexts},
};

/// Rows that a page is looked for in.
const LOOK_ROWS: i64 = 50_000;
/// How long after its arrival a request's first attempt may begin.
const BEGIN_MS: i64 = 900_000;
/// The setting that says up to which attempt traces are forgotten.
const FORGOTTEN: &str = "request_log_forgotten";

/// Which requests are wanted, by what their first attempts say.
#[derive(Clone, Debug)]
pub struct Asked {
    pub only: Only,
    /// The application's own name of its user.
    pub user: Option<String>,
    /// The provider's region.
    pub region: Option<String>,
    /// How long the attempt took; what is `None` is no bound, the end is not included.
    pub took_us: (Option<i64>, Option<i64>),
    /// When they began, Unix milliseconds; the end is not included.
    pub time_ms: Range<i64>,
    pub page: Page,
}

/// A page of requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    pub requests: Vec<Request>,
    /// Where the next page begins, `None` where there is none.
    pub next: Option<(i64, String)>,
}

/// A request and all of its attempts, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub id: String,
    pub team: Option<String>,
    pub key: String,
    pub operation: String,
    /// As it was asked for.
    pub alias: String,
    pub is_stream: bool,
    pub user: Option<String>,
    pub tags: Vec<String>,
    /// At least one.
    pub attempts: Vec<Attempt>,
}

/// An attempt, with all that is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    pub id: String,
    /// From 1.
    pub number: i64,
    pub provider: String,
    pub model: String,
    pub region: Option<String>,
    /// `answered`, `abandoned`, .. or the class of its fault.
    pub outcome: String,
    pub status: i64,
    pub started_at_ms: i64,
    pub first_token_us: Option<i64>,
    pub duration_us: i64,
    pub usage: Usage,
    pub source: String,
    pub doubt: Option<String>,
    /// `None`: nobody knows.
    pub cost_nano_usd: Option<i64>,
    pub pricing: String,
    pub price_rule: Option<String>,
    pub service_tier: String,
    pub bearer: String,
    pub provider_request_id: Option<String>,
    /// The provider's own words on what was used, as JSON.
    pub raw_usage: Option<String>,
    pub kept: Kept,
}

/// What is forgotten sooner than the rest, as its column has it; everything is `None` then.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Kept {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<Cow<'static, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    pub before_us: Option<u64>,
    pub request_bytes: Option<u64>,
    pub answer_bytes: Option<u64>,
    /// Whom the choice passed over first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub passed_over: Vec<PassedOver>,
    /// How many more it passed over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passed_over_more: Option<u32>,
}

/// A target that a choice passed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassedOver {
    pub provider: String,
    pub model: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    pub why: Cow<'static, str>,
}

impl PassedOver {
    fn of(passed: &Passed) -> Self {
        Self {
            provider: passed.provider.to_string(),
            model: passed.model.to_string(),
            region: passed.region.as_deref().map(str::to_owned),
            why: passed.why.clone(),
        }
    }
}

impl Kept {
    pub(super) fn of(record: &UsageRecord) -> Self {
        let (trace, passed) = (&record.trace, &record.passed_over);
        Self {
            passed_over: passed.first.iter().map(PassedOver::of).collect(),
            passed_over_more: Some(passed.more).filter(|more| *more > 0),
            policy: trace.policy.map(|policy| policy.as_str().into()),
            route: trace.route.as_deref().map(str::to_owned),
            before_us: Some(trace.before_us),
            request_bytes: Some(trace.request_bytes),
            answer_bytes: Some(trace.answer_bytes),
        }
    }

    pub(super) fn written(&self) -> Option<String> {
        serde_json::to_string(self).ok()
    }
}

type Names = (String, String, String, String, String, String, String);
type Counts = (i64, i64, i64, i64, i64);
type Said = (Option<String>, Option<String>, Option<String>, Option<String>, Option<String>);
type Told = (Option<i64>, Option<String>, Option<String>, Option<String>);
type Context = (Option<String>, String, String, String, String, String, bool);

#[derive(Queryable)]
struct Row {
    id: String,
    names: Names,
    counts: Counts,
    said: Said,
    told: Told,
    context: Context,
}

macro_rules! columns {
    () => {{
        use usage_attempts::dsl as a;
        use usage_contexts::dsl as c;
        (
            a::attempt_id,
            (a::request_id, a::outcome, a::quantities, a::source, a::pricing, a::service_tier, a::bearer),
            (a::attempt_number, a::status, a::started_at, a::duration_us, a::cost_nano_usd),
            (a::doubt, a::region, a::provider_request_id, a::price_rule, a::raw_usage),
            (a::first_token_us, a::end_user, a::tags, a::trace),
            (
                c::team_id,
                c::key_id,
                c::operation,
                c::model_alias,
                c::provider_name,
                c::real_model_name,
                c::is_stream,
            ),
        )
    }};
}

/// The requests of a page.
pub fn list(conn: &mut AnyConnection, asked: &Asked) -> Result<Found, StoreError> {
    use usage_attempts::dsl as a;
    let Range { start, end } = asked.time_ms;
    let floor = first_id(start.saturating_sub(MARGIN_MS));
    let after = asked.page.after.as_ref().map(|(_, id)| id.clone());
    let ceiling = after.unwrap_or_else(|| first_id(end.saturating_add(MARGIN_MS)));
    let looked_until: Option<String> = a::usage_attempts
        .filter(a::attempt_id.lt(&ceiling).and(a::attempt_id.ge(&floor)))
        .order(a::attempt_id.desc())
        .offset(LOOK_ROWS)
        .select(a::attempt_id)
        .first(conn)
        .optional()?;
    let low = looked_until.clone().unwrap_or(floor);
    let query = a::usage_attempts
        .inner_join(usage_contexts::table)
        .filter(a::attempt_id.lt(ceiling).and(a::attempt_id.ge(low)))
        .filter(a::attempt_number.eq(1))
        .filter(a::started_at.ge(start).and(a::started_at.lt(end)))
        .order(a::attempt_id.desc())
        .limit(asked.page.limit.into())
        .select(columns!())
        .into_boxed();
    let mut query = only!(query, &asked.only);
    if let Some(user) = &asked.user {
        query = query.filter(a::end_user.eq(user.clone()));
    }
    if let Some(region) = &asked.region {
        query = query.filter(a::region.eq(region.clone()));
    }
    let (least_us, below_us) = asked.took_us;
    if let Some(least_us) = least_us {
        query = query.filter(a::duration_us.ge(least_us));
    }
    if let Some(below_us) = below_us {
        query = query.filter(a::duration_us.lt(below_us));
    }
    let rows: Vec<Row> = query.load(conn)?;
    let is_full = u32::try_from(rows.len()).unwrap_or(u32::MAX) >= asked.page.limit;
    let last = rows.last().map(|row| (row.counts.2, row.id.clone()));
    let next = if is_full { last } else { looked_until.map(|id| (0, id)) };
    Ok(Found { requests: requests(conn, rows)?, next })
}

/// The request of this id; with `own` only where it is that team's.
pub fn show(conn: &mut AnyConnection, id: Uuid, own: Option<TeamId>) -> Result<Option<Request>, StoreError> {
    use usage_attempts::dsl as a;
    let arrived_ms = i64::try_from(id.as_u128() >> 80).unwrap_or(0);
    let ids = [arrived_ms.saturating_sub(1), arrived_ms.saturating_add(BEGIN_MS)].map(first_id);
    let [first, last] = ids;
    let query = a::usage_attempts
        .inner_join(usage_contexts::table)
        .filter(a::attempt_id.ge(first).and(a::attempt_id.lt(last)))
        .filter(a::request_id.eq(id.to_string()).and(a::attempt_number.eq(1)))
        .order(a::attempt_id)
        .limit(1)
        .select(columns!())
        .into_boxed();
    let rows = only!(query, &Only { team: own, ..Only::default() }).load(conn)?;
    Ok(requests(conn, rows)?.pop())
}

/// Requests by their first attempts, each with the others.
fn requests(conn: &mut AnyConnection, firsts: Vec<Row>) -> Result<Vec<Request>, StoreError> {
    use usage_attempts::dsl as a;
    let ids: Vec<String> = firsts.iter().map(|row| row.names.0.clone()).collect();
    let others: Vec<Row> = a::usage_attempts
        .inner_join(usage_contexts::table)
        .filter(a::request_id.eq_any(ids))
        // as the index says it: of a bound number SQLite could not tell that it fits
        .filter(sql::<Bool>("attempt_number > 1"))
        .order((a::request_id, a::attempt_number, a::attempt_id))
        .select(columns!())
        .load(conn)?;
    let ids: Vec<&str> = firsts.iter().chain(&others).map(|row| row.id.as_str()).collect();
    let corrected = correct::of(conn, &ids)?;
    let mut more: HashMap<String, Vec<Attempt>> = HashMap::new();
    for row in others {
        more.entry(row.names.0.clone()).or_default().push(attempt(row, &corrected));
    }
    let request = |row: Row| {
        let (team, key, operation, alias, _, _, is_stream) = row.context.clone();
        let (_, user, tags, _) = row.told.clone();
        let id = row.names.0.clone();
        let later = more.remove(&id).unwrap_or_default();
        let tags = tags.unwrap_or_default();
        Request {
            team,
            key,
            operation,
            alias,
            is_stream,
            user,
            tags: tags.split(',').filter(|tag| !tag.is_empty()).map(str::to_owned).collect(),
            attempts: std::iter::once(attempt(row, &corrected)).chain(later).collect(),
            id,
        }
    };
    Ok(firsts.into_iter().map(request).collect())
}

fn attempt(row: Row, corrected: &HashMap<String, Corrected>) -> Attempt {
    let Row { id, names, counts, said, told, context } = row;
    let (_, outcome, quantities, source, pricing, service_tier, bearer) = names;
    let (number, status, started_at_ms, duration_us, cost) = counts;
    let (doubt, region, provider_request_id, rule, raw_usage) = said;
    let (first_token_us, _, _, trace) = told;
    let (.., provider, model, _) = context;
    let booked = Corrected::of_row(&(cost, pricing, rule));
    let now = corrected.get(&id).unwrap_or(&booked).clone();
    Attempt {
        id,
        number,
        provider,
        model,
        region,
        outcome,
        status,
        started_at_ms,
        first_token_us,
        duration_us,
        usage: usage(&quantities),
        source,
        doubt,
        cost_nano_usd: (now.pricing != Pricing::Unknown).then_some(now.cost_nano_usd),
        pricing: now.pricing.as_str().to_owned(),
        price_rule: now.rule,
        service_tier,
        bearer,
        provider_request_id,
        raw_usage,
        kept: trace.and_then(|trace| serde_json::from_str(&trace).ok()).unwrap_or_default(),
    }
}

/// Forgets, of at most so many attempts, what is kept no longer than the request log, where they began before this
/// moment. Says how many were looked at; 0 is the end. Goes on where the last call ended.
pub fn forget_traces(conn: &mut AnyConnection, before_ms: i64, rows: u32) -> Result<u64, StoreError> {
    use usage_attempts::dsl as a;
    let from = setting::find(conn, FORGOTTEN)?.unwrap_or_default();
    let ids: Vec<String> = a::usage_attempts
        .filter(a::attempt_id.gt(&from).and(a::attempt_id.lt(first_id(before_ms))))
        .order(a::attempt_id)
        .limit(rows.into())
        .select(a::attempt_id)
        .load(conn)?;
    let Some(last) = ids.last() else { return Ok(0) };
    let step = a::attempt_id.gt(&from).and(a::attempt_id.le(last));
    update(a::usage_attempts.filter(step).filter(a::trace.is_not_null()))
        .set(a::trace.eq(None::<String>))
        .execute(conn)?;
    setting::put(conn, FORGOTTEN, last)?;
    Ok(u64::try_from(ids.len()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
