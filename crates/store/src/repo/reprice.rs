//! Past usage priced again: a job that goes through the rows in small steps, can be stopped anywhere and is taken
//! up where it stood.
//!
//! A row is never changed. What it costs since is a correction beside it, and the sums follow in the same
//! transaction as the correction and the job's own place.

mod follow;

use diesel::{
    ExpressionMethods, Insertable, OptionalExtension, QueryDsl, Queryable, RunQueryDsl, dsl::insert_into,
};
use nexus_core::{
    id::{ProviderId, TeamId, Uuid},
    label::Labels,
    price::Tier,
    usage::{Cost, Source, Usage},
};

pub use self::follow::Followed;
use super::usage::correct::{self, Adjusted, Corrected, adjust};
use crate::{
    connection::AnyConnection,
    error::StoreError,
    repo::{
        Page,
        usage::{Contexts, first_id, usage_of},
    },
    row::{Reading, page_of},
    schema::{reprices, usage_attempts, usage_contexts, usage_corrections},
};

/// Rows looked at in one transaction.
pub const STEP_ROWS: i64 = 500;

/// How a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Running,
    Done,
    /// Somebody stopped it; what was corrected until then stands.
    Stopped,
}

impl State {
    pub const ALL: [State; 3] = [State::Running, State::Done, State::Stopped];

    pub fn as_str(self) -> &'static str {
        match self {
            State::Running => "running",
            State::Done => "done",
            State::Stopped => "stopped",
        }
    }
}

/// A job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reprice {
    pub id: Uuid,
    /// Only tell what would change.
    pub is_preview: bool,
    pub state: State,
    /// Usage from this moment on, Unix milliseconds; the end is not included.
    pub from_ms: i64,
    pub until_ms: i64,
    pub provider: Option<ProviderId>,
    pub real_model: Option<String>,
    /// Prices as they were known then.
    pub known_at_ms: i64,
    pub looked_at: u64,
    pub changed: u64,
    /// What all rows that become dearer become dearer by, and the others cheaper.
    pub raised_nano_usd: u64,
    pub lowered_nano_usd: u64,
    pub created_at_ms: i64,
    pub updated_at_ms: i64,
    cursor: String,
}

#[derive(Queryable, Insertable)]
#[diesel(table_name = reprices, treat_none_as_default_value = false)]
struct RepriceRow {
    id: String,
    is_preview: bool,
    state: String,
    from_at: i64,
    until_at: i64,
    provider_id: Option<String>,
    real_model_name: Option<String>,
    cursor: String,
    looked_at: i64,
    changed: i64,
    raised_nano_usd: i64,
    lowered_nano_usd: i64,
    known_at: i64,
    created_at: i64,
    updated_at: i64,
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl RepriceRow {
    fn read(self) -> Result<Reprice, StoreError> {
        let row = Reading { table: "reprices", id: &self.id };
        let number =
            |column, number: i64| u64::try_from(number).map_err(|_| row.problem(column, "is negative"));
        let state = State::ALL.into_iter().find(|state| state.as_str() == self.state);
        Ok(Reprice {
            id: row.id("id", &self.id)?,
            is_preview: self.is_preview,
            state: state.ok_or_else(|| row.problem("state", "is no state"))?,
            from_ms: self.from_at,
            until_ms: self.until_at,
            provider: row.id_or_none("provider_id", self.provider_id.as_deref())?,
            known_at_ms: self.known_at,
            looked_at: number("looked_at", self.looked_at)?,
            changed: number("changed", self.changed)?,
            raised_nano_usd: number("raised_nano_usd", self.raised_nano_usd)?,
            lowered_nano_usd: number("lowered_nano_usd", self.lowered_nano_usd)?,
            created_at_ms: self.created_at,
            updated_at_ms: self.updated_at,
            real_model: self.real_model_name,
            cursor: self.cursor,
        })
    }
}

/// What is to be priced again.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub id: Uuid,
    pub is_preview: bool,
    pub from_ms: i64,
    pub until_ms: i64,
    pub provider: Option<ProviderId>,
    pub real_model: Option<String>,
}

/// Stores a job that has not begun.
pub fn create(conn: &mut AnyConnection, wanted: &Wanted, now_ms: i64) -> Result<Reprice, StoreError> {
    let row = RepriceRow {
        id: wanted.id.to_string(),
        is_preview: wanted.is_preview,
        state: State::Running.as_str().to_owned(),
        from_at: wanted.from_ms,
        until_at: wanted.until_ms,
        provider_id: wanted.provider.map(|provider| provider.to_string()),
        real_model_name: wanted.real_model.clone(),
        cursor: first_id(wanted.from_ms),
        looked_at: 0,
        changed: 0,
        raised_nano_usd: 0,
        lowered_nano_usd: 0,
        known_at: now_ms,
        created_at: now_ms,
        updated_at: now_ms,
    };
    insert_into(reprices::table).values(&row).execute(conn)?;
    row.read()
}

/// The job of this id.
pub fn show(conn: &mut AnyConnection, id: Uuid) -> Result<Option<Reprice>, StoreError> {
    let row: Option<RepriceRow> = reprices::table.find(id.to_string()).first(conn).optional()?;
    row.map(RepriceRow::read).transpose()
}

/// The jobs of a page, oldest first.
pub fn page(conn: &mut AnyConnection, page: &Page) -> Result<Vec<Reprice>, StoreError> {
    use diesel::BoolExpressionMethods as _;
    use reprices::dsl as row;
    let load = |page: &Page| {
        let mut query = row::reprices.into_boxed().order((row::created_at, row::id)).limit(page.limit.into());
        if let Some((at, id)) = &page.after {
            query = query.filter(row::created_at.gt(*at).or(row::created_at.eq(*at).and(row::id.gt(id))));
        }
        Ok(query.load(conn)?)
    };
    page_of(page, load, |row: &RepriceRow| (row.created_at, row.id.clone()), RepriceRow::read)
}

/// The job that is running, the oldest where there are several.
pub fn running(conn: &mut AnyConnection) -> Result<Option<Reprice>, StoreError> {
    let row: Option<RepriceRow> = reprices::table
        .filter(reprices::state.eq(State::Running.as_str()))
        .order((reprices::created_at, reprices::id))
        .first(conn)
        .optional()?;
    row.map(RepriceRow::read).transpose()
}

/// Stops a running job, and says whether there was one.
pub fn stop(conn: &mut AnyConnection, id: Uuid, now_ms: i64) -> Result<bool, StoreError> {
    let running = reprices::table.find(id.to_string()).filter(reprices::state.eq(State::Running.as_str()));
    let changed = diesel::update(running)
        .set((reprices::state.eq(State::Stopped.as_str()), reprices::updated_at.eq(now_ms)))
        .execute(conn)?;
    Ok(changed > 0)
}

/// What a row's price depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Used {
    pub provider: ProviderId,
    pub real_model: String,
    pub region: Option<String>,
    pub usage: Usage,
    pub source: Source,
    pub tier: Tier,
    pub multiplier_ppm: Option<u64>,
    pub started_at_ms: i64,
}

type Names = (String, String, String, String, Option<String>, Option<String>);
type Facts = (String, String, String, Option<i64>, i64, String);
type Said = (Option<String>, Option<String>);
type Row = (Names, Facts, correct::Money, Said);

/// Takes a running job one step further. `price` says what a row costs now, or `None` where it cannot be priced
/// again; it is asked only for rows that took part in an answer.
pub fn step(
    conn: &mut AnyConnection,
    id: Uuid,
    now_ms: i64,
    contexts: &mut Contexts,
    price: &dyn Fn(&Used) -> Option<Cost>,
) -> Result<Option<Reprice>, StoreError> {
    let Some(job) = show(conn, id)?.filter(|job| job.state == State::Running) else { return show(conn, id) };
    let rows = rows(conn, &job)?;
    let mut next = job.clone();
    next.state =
        if i64::try_from(rows.len()).unwrap_or(STEP_ROWS) < STEP_ROWS { State::Done } else { job.state };
    if let Some(last) = rows.last() {
        next.cursor.clone_from(&last.0.0);
    }
    let corrected = correct::between(conn, &job.cursor, &next.cursor)?;
    let mut adjusted = Adjusted::default();
    for row in &rows {
        let Some(used) = used(row)? else { continue };
        if !job.covers(&used) {
            continue;
        }
        next.looked_at = next.looked_at.saturating_add(1);
        let before = corrected.get(&row.0.0).cloned().unwrap_or_else(|| Corrected::of_row(&row.2));
        let Some(after) = price(&used).map(|cost| Corrected::of_cost(&cost)) else { continue };
        if before == after {
            continue;
        }
        let delta = after.cost_nano_usd.saturating_sub(before.cost_nano_usd);
        next.changed = next.changed.saturating_add(1);
        let sum = if delta > 0 { &mut next.raised_nano_usd } else { &mut next.lowered_nano_usd };
        *sum = sum.saturating_add(delta.unsigned_abs());
        if !job.is_preview {
            insert_into(usage_corrections::table)
                .values(after.row(&row.0.0, job.id, delta, now_ms))
                .execute(conn)?;
            adjusted.add(
                row.0.1.as_str(),
                &used,
                row.1.5.as_str(),
                (&before, &after),
                labels(&row.3),
                team(row),
            );
        }
    }
    adjust(conn, adjusted, contexts)?;
    store(conn, &next, now_ms)?;
    show(conn, id)
}

fn team(row: &Row) -> Option<TeamId> {
    row.0.5.as_deref().and_then(|team| team.parse().ok())
}

fn labels((user, tags): &Said) -> Labels {
    let mut labels = Labels { user: user.as_deref().map(Into::into), tags: Vec::new() };
    labels.tags = tags.iter().flat_map(|tags| tags.split(',')).map(Into::into).collect();
    labels
}

impl Reprice {
    fn covers(&self, used: &Used) -> bool {
        (self.from_ms..self.until_ms).contains(&used.started_at_ms)
            && self.provider.is_none_or(|provider| provider == used.provider)
            && self.real_model.as_ref().is_none_or(|model| *model == used.real_model)
    }
}

/// The rows of the next step. Ids are made by time, a moment before or after what the row says.
fn rows(conn: &mut AnyConnection, job: &Reprice) -> Result<Vec<Row>, StoreError> {
    use usage_attempts::dsl as a;
    use usage_contexts::dsl as c;
    let until = first_id(job.until_ms.saturating_add(120_000));
    Ok(a::usage_attempts
        .inner_join(usage_contexts::table)
        .filter(a::attempt_id.gt(&job.cursor))
        .filter(a::attempt_id.lt(until))
        .order(a::attempt_id)
        .limit(STEP_ROWS)
        .select((
            (a::attempt_id, a::context_id, c::provider_id, c::real_model_name, a::region, c::team_id),
            (a::quantities, a::source, a::service_tier, a::multiplier_ppm, a::started_at, a::bearer),
            (a::cost_nano_usd, a::pricing, a::price_rule),
            (a::end_user, a::tags),
        ))
        .load(conn)?)
}

/// `None` of a row that used nothing, or whose provider has no id.
fn used(row: &Row) -> Result<Option<Used>, StoreError> {
    let ((_, _, provider, real_model, region, _), (quantities, source, tier, multiplier, started, _), _, _) =
        row;
    let source = match source.as_str() {
        "provider" => Source::Provider,
        "estimated" => Source::Estimated,
        _ => return Ok(None),
    };
    let Ok(provider) = provider.parse() else { return Ok(None) };
    Ok(Some(Used {
        provider,
        real_model: real_model.clone(),
        region: region.clone(),
        usage: usage_of(quantities),
        source,
        tier: Tier::served(tier),
        multiplier_ppm: multiplier.and_then(|ppm| u64::try_from(ppm).ok()),
        started_at_ms: *started,
    }))
}

fn store(conn: &mut AnyConnection, job: &Reprice, now_ms: i64) -> Result<(), StoreError> {
    diesel::update(reprices::table.find(job.id.to_string()))
        .set((
            reprices::state.eq(job.state.as_str()),
            reprices::cursor.eq(&job.cursor),
            reprices::looked_at.eq(whole(job.looked_at)),
            reprices::changed.eq(whole(job.changed)),
            reprices::raised_nano_usd.eq(whole(job.raised_nano_usd)),
            reprices::lowered_nano_usd.eq(whole(job.lowered_nano_usd)),
            reprices::updated_at.eq(now_ms),
        ))
        .execute(conn)?;
    Ok(())
}
