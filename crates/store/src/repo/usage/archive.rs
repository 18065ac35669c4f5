//! The ledger's oldest rows, taken out of the database with everything that is known of them, and read back from
//! where they lie.
//!
//! Sums and balances stay as they are: whoever takes rows away puts what they come to beside the others first, in
//! the same transaction.

use std::{collections::BTreeMap, ops::Range};

use diesel::{
    BoolExpressionMethods, ExpressionMethods, Insertable, OptionalExtension, QueryDsl, Queryable,
    RunQueryDsl,
    dsl::{delete, insert_into, max, update},
};
use nexus_core::usage::Bearer;
use serde::{Deserialize, Serialize};

use super::{
    correct::Corrected,
    hour::{DAY_HOURS, HOUR_MS},
    rows::{Attempt, first_id},
};
use crate::{
    connection::AnyConnection,
    error::StoreError,
    schema::{usage_archives, usage_attempts, usage_balances, usage_contexts, usage_corrections},
};

/// Rows of one segment: they leave the database in one transaction.
pub const SEGMENT_ROWS: i64 = 5_000;

/// A segment as the database knows it.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Insertable)]
#[diesel(table_name = usage_archives)]
pub struct Segment {
    /// From 1, without a gap.
    pub seq: i64,
    /// Its name in the archive's folder.
    pub file: String,
    pub attempts: i64,
    pub first_attempt_id: String,
    pub last_attempt_id: String,
    /// When the earliest and the latest of its attempts began, Unix milliseconds.
    pub first_started_at: i64,
    pub last_started_at: i64,
    /// Hex, of the file.
    pub sha256: String,
    pub archived_at: i64,
}

/// An attempt's row, column by column.
#[derive(Clone, Debug, PartialEq, Queryable, Serialize, Deserialize)]
struct AttemptColumns {
    attempt_id: String,
    request_id: String,
    attempt_number: i64,
    context_id: String,
    outcome: String,
    status: i64,
    quantities: String,
    source: String,
    doubt: Option<String>,
    raw_usage: Option<String>,
    provider_request_id: Option<String>,
    started_at: i64,
    first_token_us: Option<i64>,
    duration_us: i64,
    cost_nano_usd: i64,
    pricing: String,
    price_rule: Option<String>,
    service_tier: String,
    bearer: String,
    region: Option<String>,
    multiplier_ppm: Option<i64>,
    end_user: Option<String>,
    tags: Option<String>,
    trace: Option<String>,
}

/// What it was for.
#[derive(Clone, Debug, PartialEq, Queryable, Serialize, Deserialize)]
struct ContextColumns {
    id: String,
    key_id: String,
    team_id: Option<String>,
    operation: String,
    model_alias: String,
    provider_id: String,
    provider_name: String,
    real_model_name: String,
    is_stream: bool,
    status: i64,
}

#[derive(Clone, Debug, PartialEq, Queryable, Serialize, Deserialize)]
struct CorrectionColumns {
    attempt_id: String,
    reprice_id: String,
    at: i64,
    delta_nano_usd: i64,
    cost_nano_usd: i64,
    pricing: String,
    price_rule: Option<String>,
}

/// All that is known of an attempt: a line of a segment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    attempt: AttemptColumns,
    context: ContextColumns,
    corrections: Vec<CorrectionColumns>,
}

impl Line {
    pub fn started_at_ms(&self) -> i64 {
        self.attempt.started_at
    }

    /// As sums see it.
    pub(super) fn read(self) -> Attempt {
        let Self { attempt: one, corrections, .. } = self;
        let times = (one.started_at, one.attempt_number, one.first_token_us, one.duration_us);
        let money = (one.cost_nano_usd, one.pricing, one.bearer);
        let said = (one.end_user, one.tags, one.region);
        let row = (one.attempt_id, one.context_id, one.outcome, one.quantities, times, money, said);
        let mut attempt = Attempt::from(row);
        if let Some(last) = corrections.last() {
            attempt.correct(&Corrected::of_row(&(last.cost_nano_usd, last.pricing.clone(), None)));
        }
        attempt
    }

    /// What it comes to on the accounts.
    fn entries(&self) -> [(String, i64); 2] {
        let deltas = self.corrections.iter().map(|one| one.delta_nano_usd);
        let amount = deltas.fold(self.attempt.cost_nano_usd, i64::saturating_add);
        let bearer = match self.attempt.bearer == Bearer::Platform.as_str() {
            true => "platform".to_owned(),
            false => format!("team:{}", self.context.team_id.as_deref().unwrap_or_default()),
        };
        let provider = format!("provider:{}", self.context.provider_id);
        [(bearer, amount), (provider, amount.saturating_neg())]
    }
}

/// Rows that are to become a segment.
#[derive(Clone, Debug, PartialEq)]
pub struct Picked {
    pub seq: i64,
    /// The `sha256` of the segment before; empty of the first.
    pub previous: String,
    /// The day they are of, from the Unix epoch.
    pub day: i64,
    /// At least one, in the order of their ids.
    pub lines: Vec<Line>,
}

/// The oldest rows whose ids were made before this moment: at most a segment's, and of one day.
pub fn pick(conn: &mut AnyConnection, before_ms: i64) -> Result<Option<Picked>, StoreError> {
    use usage_attempts::dsl as a;
    let end = first_id(before_ms);
    let oldest: Option<String> = a::usage_attempts
        .filter(a::attempt_id.lt(&end))
        .order(a::attempt_id)
        .select(a::attempt_id)
        .first(conn)
        .optional()?;
    let Some(oldest) = oldest else { return Ok(None) };
    let day_ms = HOUR_MS.saturating_mul(DAY_HOURS);
    let day = made_ms(&oldest).div_euclid(day_ms);
    let day_end = first_id(day.saturating_add(1).saturating_mul(day_ms));
    let rows: Vec<(AttemptColumns, ContextColumns)> = a::usage_attempts
        .inner_join(usage_contexts::table)
        .filter(a::attempt_id.lt(end.min(day_end)))
        .order(a::attempt_id)
        .limit(SEGMENT_ROWS)
        .select((usage_attempts::all_columns, usage_contexts::all_columns))
        .load(conn)?;
    let Some((last, _)) = rows.last() else { return Ok(None) };
    let mut corrections = corrections(conn, &oldest, &last.attempt_id)?;
    let line = |(attempt, context): (AttemptColumns, ContextColumns)| {
        let corrections = corrections.remove(&attempt.attempt_id).unwrap_or_default();
        Line { attempt, context, corrections }
    };
    let lines = rows.into_iter().map(line).collect();
    let newest: Option<(i64, String)> = usage_archives::table
        .order(usage_archives::seq.desc())
        .select((usage_archives::seq, usage_archives::sha256))
        .first(conn)
        .optional()?;
    let (seq, previous) = newest.unwrap_or_default();
    Ok(Some(Picked { seq: seq.saturating_add(1), previous, day, lines }))
}

/// When an id was made.
pub(super) fn made_ms(id: &str) -> i64 {
    let digits: String = id.chars().filter(|digit| *digit != '-').take(12).collect();
    i64::from_str_radix(&digits, 16).unwrap_or(0)
}

fn corrections(
    conn: &mut AnyConnection,
    first: &str,
    last: &str,
) -> Result<BTreeMap<String, Vec<CorrectionColumns>>, StoreError> {
    use usage_corrections::dsl as c;
    let rows: Vec<CorrectionColumns> = c::usage_corrections
        .filter(c::attempt_id.ge(first).and(c::attempt_id.le(last)))
        .order((c::attempt_id, c::at, c::reprice_id))
        .load(conn)?;
    let mut of_attempts: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for row in rows {
        of_attempts.entry(row.attempt_id.clone()).or_default().push(row);
    }
    Ok(of_attempts)
}

/// How the database knows a segment of these rows; `None` where there are none.
pub fn segment(picked: &Picked, file: String, sha256: String, now_ms: i64) -> Option<Segment> {
    let times = picked.lines.iter().map(Line::started_at_ms);
    Some(Segment {
        seq: picked.seq,
        file,
        attempts: i64::try_from(picked.lines.len()).unwrap_or(i64::MAX),
        first_attempt_id: picked.lines.first()?.attempt.attempt_id.clone(),
        last_attempt_id: picked.lines.last()?.attempt.attempt_id.clone(),
        first_started_at: times.clone().min()?,
        last_started_at: times.max()?,
        sha256,
        archived_at: now_ms,
    })
}

/// Takes the rows of a segment, which lies safe, out of the database. False, and nothing is changed, where they are
/// not those that were picked any more.
pub fn take(conn: &mut AnyConnection, picked: &Picked, segment: &Segment) -> Result<bool, StoreError> {
    use usage_attempts::dsl as a;
    let (first, last) = (&segment.first_attempt_id, &segment.last_attempt_id);
    let present: i64 = a::usage_attempts
        .filter(a::attempt_id.ge(first).and(a::attempt_id.le(last)))
        .count()
        .get_result(conn)?;
    if present != segment.attempts || corrections(conn, first, last)? != picked.corrections() {
        return Ok(false);
    }
    let mut amounts: BTreeMap<String, i64> = BTreeMap::new();
    for (account, amount) in picked.lines.iter().flat_map(Line::entries) {
        let sum = amounts.entry(account).or_default();
        *sum = sum.saturating_add(amount);
    }
    for (account, amount) in amounts {
        use usage_balances::dsl as b;
        let added = update(b::usage_balances.find(&account)).set(b::amount.eq(b::amount + amount));
        if added.execute(conn)? == 0 {
            insert_into(b::usage_balances)
                .values((b::account.eq(account), b::amount.eq(amount)))
                .execute(conn)?;
        }
    }
    delete(a::usage_attempts.filter(a::attempt_id.ge(first).and(a::attempt_id.le(last)))).execute(conn)?;
    use usage_corrections::dsl as c;
    delete(c::usage_corrections.filter(c::attempt_id.ge(first).and(c::attempt_id.le(last)))).execute(conn)?;
    insert_into(usage_archives::table).values(segment).execute(conn)?;
    Ok(true)
}

impl Picked {
    fn corrections(&self) -> BTreeMap<String, Vec<CorrectionColumns>> {
        let corrected = self.lines.iter().filter(|line| !line.corrections.is_empty());
        corrected.map(|line| (line.attempt.attempt_id.clone(), line.corrections.clone())).collect()
    }
}

/// Every segment, in their order.
pub fn segments(conn: &mut AnyConnection) -> Result<Vec<Segment>, StoreError> {
    Ok(usage_archives::table.order(usage_archives::seq).load(conn)?)
}

/// The segments that have attempts of this time.
pub(super) fn segments_of(
    conn: &mut AnyConnection,
    time_ms: &Range<i64>,
) -> Result<Vec<Segment>, StoreError> {
    let overlaps = usage_archives::first_started_at
        .lt(time_ms.end)
        .and(usage_archives::last_started_at.ge(time_ms.start));
    Ok(usage_archives::table.filter(overlaps).order(usage_archives::seq).load(conn)?)
}

/// When the latest attempt that is archived began; `None` where none is.
pub fn archived_until(conn: &mut AnyConnection) -> Result<Option<i64>, StoreError> {
    Ok(usage_archives::table.select(max(usage_archives::last_started_at)).first(conn)?)
}

/// What the accounts came to in the rows that are archived.
pub(super) fn balances(conn: &mut AnyConnection) -> Result<Vec<(String, i64)>, StoreError> {
    Ok(usage_balances::table.order(usage_balances::account).load(conn)?)
}
