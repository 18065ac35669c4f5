//! The ledger: one row an attempt, written once, and its sums by the hour.
//!
//! The attempt's id makes booking idempotent: a record that is there already is left as it is and added to
//! no sum. Row and sum stand in one transaction, so every total is what the rows add up to.

pub mod archive;
pub(crate) mod context;
pub(crate) mod correct;
mod fact;
pub(crate) mod hour;
pub(crate) mod labels;
mod only;
pub mod parts;
mod recent;
mod report;
pub mod requests;
mod rows;
mod used;
mod verify;

use std::{borrow::Cow, fmt::Write as _, sync::Arc};

use diesel::{Connection as _, Insertable, QueryDsl as _, QueryResult, RunQueryDsl as _};
use nexus_core::{
    id::Uuid,
    usage::{Doubt, Outcome, Quantity, Usage, UsageRecord},
};

pub use self::{
    context::Contexts,
    hour::{FIRST_TOKEN, LATENCY},
    labels::{LABELS_MAX, OTHERS},
    only::Only,
    recent::{Call, recent},
    report::{By, Report, Step, Sums, Wanted, report},
    used::{charged_to_sessions, used},
    verify::{Difference, Verdict, balances, verify},
};
use self::{fact::Fact, hour::Hours, labels::LabelDays, requests::Kept};
pub(crate) use self::{fact::usage as usage_of, rows::first_id};
use crate::{
    connection::AnyConnection,
    error::StoreError,
    schema::usage_attempts,
    upsert::{self, ATTEMPTS_AT_ONCE},
};

/// How many records one transaction takes: what comes in a period of shipping under full load.
pub const BATCH_MAX: usize = 2000;

/// What the whole ledger adds up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UsageTotals {
    pub attempts: u64,
    pub usage: Usage,
    pub charged_nano_usd: u64,
    pub absorbed_nano_usd: u64,
    /// Attempts whose cost is unknown.
    pub unpriced: u64,
}

/// A row owns its texts: of rows that borrow them diesel would not keep the statement for many.
#[derive(Insertable)]
#[diesel(table_name = usage_attempts, treat_none_as_default_value = false)]
pub(crate) struct AttemptRow {
    attempt_id: String,
    request_id: String,
    attempt_number: i64,
    context_id: String,
    outcome: &'static str,
    status: i64,
    quantities: String,
    source: &'static str,
    doubt: Option<&'static str>,
    raw_usage: Option<String>,
    provider_request_id: Option<String>,
    started_at: i64,
    first_token_us: Option<i64>,
    duration_us: i64,
    cost_nano_usd: i64,
    pricing: &'static str,
    price_rule: Option<String>,
    service_tier: &'static str,
    bearer: &'static str,
    region: Option<String>,
    multiplier_ppm: Option<i64>,
    end_user: Option<String>,
    tags: Option<String>,
    trace: Option<String>,
}

impl AttemptRow {
    fn new(record: &UsageRecord, context_id: &str) -> Self {
        let stored = |text: &str| storable(text).into_owned();
        Self {
            attempt_id: id(record.attempt.0),
            request_id: id(record.request.0),
            attempt_number: record.attempt_number.into(),
            context_id: context_id.to_owned(),
            outcome: match record.outcome {
                Outcome::Failed(class) => class.as_str(),
                outcome => outcome.as_str(),
            },
            status: record.status.into(),
            quantities: quantities(&record.usage),
            source: record.source.as_str(),
            doubt: record.doubt.map(Doubt::as_str),
            raw_usage: record.raw_usage.as_deref().map(stored),
            provider_request_id: record.provider_request_id.as_deref().map(stored),
            started_at: record.started_at_ms,
            first_token_us: record.first_token_us.map(whole),
            duration_us: whole(record.duration_us),
            cost_nano_usd: whole(record.cost.nano_usd),
            pricing: record.cost.pricing.as_str(),
            price_rule: record.cost.rule.as_deref().map(stored),
            service_tier: record.cost.tier.as_str(),
            bearer: record.bearer().as_str(),
            region: record.region.as_deref().map(stored),
            multiplier_ppm: record.cost.multiplier_ppm.map(whole),
            end_user: record.labels.user.as_deref().map(stored),
            tags: Some(stored(&record.labels.tags.join(","))).filter(|tags| !tags.is_empty()),
            trace: Kept::of(record).written(),
        }
    }
}

/// `{"input":9,"output":12}`: every quantity there is any of.
fn quantities(usage: &Usage) -> String {
    let mut text = String::with_capacity(48);
    for (quantity, count) in usage.counts() {
        let before = if text.is_empty() { '{' } else { ',' };
        // writing to a string cannot fail
        let _ = write!(text, "{before}\"{}\":{}", quantity.as_str(), stored(count));
    }
    text.push_str(if text.is_empty() { "{}" } else { "}" });
    text
}

fn id(id: Uuid) -> String {
    id.to_string()
}

/// Beyond what is plausible a count is cut, so that no sum over the ledger can overflow; the raw usage
/// keeps what was said.
fn stored(count: u64) -> i64 {
    whole(count.min(Usage::PLAUSIBLE_MAX))
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// PostgreSQL takes no NUL in text: one in a model's name must not keep a whole batch from being booked.
fn storable(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', "\u{fffd}").into() } else { text.into() }
}

/// Books records, at most [`BATCH_MAX`] at a time being wise, and says how many were new. Where the
/// transaction this belongs to fails, `contexts` is to be forgotten.
pub fn insert(
    conn: &mut AnyConnection,
    records: &[UsageRecord],
    contexts: &mut Contexts,
) -> Result<usize, StoreError> {
    let names = records.iter().map(|record| contexts.of(conn, record)).collect::<Result<Vec<_>, _>>()?;
    let are_all_new = insert_all(conn, records, &names)?;
    let mut hours = Hours::default();
    let mut labels = LabelDays::default();
    let mut new = 0_usize;
    for (record, context) in records.iter().zip(&names) {
        if are_all_new || upsert::insert_attempt(conn, &AttemptRow::new(record, context))? > 0 {
            let fact = Fact::from(record);
            hours.add(&fact, context);
            labels.add(&fact, record.team, &record.labels);
            new = new.saturating_add(1);
        }
    }
    hours.write(conn)?;
    labels.write(conn, &mut contexts.labels)?;
    Ok(new)
}

/// Inserts all of the records or, where one is there already, none; says which. It is for the usual case: only
/// after a crash is something shipped again.
///
/// One savepoint around them all: SQLite sets aside every page that was there before a savepoint and is changed
/// in it, which of many small ones are many.
fn insert_all(
    conn: &mut AnyConnection,
    records: &[UsageRecord],
    names: &[Arc<str>],
) -> Result<bool, StoreError> {
    use diesel::result::Error::RollbackTransaction;
    let inserted = conn.transaction(|conn| {
        for (records, names) in records.chunks(ATTEMPTS_AT_ONCE).zip(names.chunks(ATTEMPTS_AT_ONCE)) {
            let rows: Vec<_> =
                records.iter().zip(names).map(|(record, name)| AttemptRow::new(record, name)).collect();
            let added = match rows.first_chunk() {
                Some(rows) => upsert::insert_attempts(conn, rows)?,
                None => {
                    let added = rows.iter().map(|row| upsert::insert_attempt(conn, row));
                    added.sum::<QueryResult<usize>>()?
                }
            };
            if added < rows.len() {
                return Err(RollbackTransaction);
            }
        }
        Ok(())
    });
    match inserted {
        Ok(()) => Ok(true),
        Err(RollbackTransaction) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The providers' own ids of every booked attempt that has one, in no order: what a provider's bill is
/// compared with.
pub fn provider_request_ids(conn: &mut AnyConnection) -> Result<Vec<String>, StoreError> {
    let ids: Vec<Option<String>> =
        usage_attempts::table.select(usage_attempts::provider_request_id).load(conn)?;
    Ok(ids.into_iter().flatten().collect())
}

/// Adds the ledger up.
pub fn totals(conn: &mut AnyConnection) -> Result<UsageTotals, StoreError> {
    let mut totals = UsageTotals::default();
    for (measure, sum) in upsert::usage_sums(conn)? {
        let sum = u64::try_from(sum.unwrap_or(0)).unwrap_or(0);
        match Quantity::of_word(&measure) {
            Some(quantity) => totals.usage = totals.usage.with(quantity, sum),
            None => match measure.as_str() {
                hour::ATTEMPTS => totals.attempts = sum,
                hour::CHARGED => totals.charged_nano_usd = sum,
                hour::ABSORBED => totals.absorbed_nano_usd = sum,
                hour::UNPRICED => totals.unpriced = sum,
                _ => {}
            },
        }
    }
    Ok(totals)
}

#[cfg(test)]
mod tests {
    use diesel::{QueryDsl, RunQueryDsl};
    use nexus_core::fault::Class;

    use super::*;
    use crate::{exec::Store, sample};

    #[test]
    fn a_record_is_booked_once_however_often_it_comes() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        let insert = |records: &[UsageRecord]| {
            store.write_blocking(|conn| insert(conn, records, &mut Contexts::default())).unwrap()
        };
        let (one, two) = (sample::record(1), sample::record(2));
        assert_eq!(insert(&[]), 0);
        assert_eq!(insert(&[one.clone(), one.clone()]), 1);
        assert_eq!(insert(&[one, two]), 1);
        let totals = store.read_blocking(totals).unwrap();
        assert_eq!(totals, sample::totals(&[1, 2]));
    }

    #[test]
    fn every_field_reaches_its_column() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        let record = UsageRecord {
            alias: "a\0b".into(),
            outcome: Outcome::Failed(Class::Truncated),
            usage: sample::record(1).usage.with(Quantity::Output, u64::MAX).with(Quantity::Searches, 2),
            doubt: Some(Doubt::TotalDiffers),
            ..sample::record(1)
        };
        store.write_blocking(|conn| insert(conn, &[record], &mut Contexts::default())).unwrap();
        use crate::schema::{usage_attempts::dsl as a, usage_contexts::dsl as c};
        type Words = (String, String, String, Option<String>, Option<String>);
        type Numbers = (i64, i64, Option<i64>, i64);
        type Context = (String, String, bool);
        let (words, numbers, context): (Words, Numbers, Context) = store
            .read_blocking(|conn| {
                let words = (a::outcome, a::source, a::quantities, a::raw_usage, a::doubt);
                let numbers = (a::status, a::started_at, a::first_token_us, a::duration_us);
                let context = (c::model_alias, c::operation, c::is_stream);
                let (words, numbers) = a::usage_attempts.select((words, numbers)).first(conn)?;
                Ok((words, numbers, c::usage_contexts.select(context).first(conn)?))
            })
            .unwrap();
        assert_eq!((words.0.as_str(), words.1.as_str()), ("truncated", "provider"));
        assert_eq!(
            words.2,
            format!(
                "{{\"input\":1,\"cache_read\":1,\"output\":{},\"reasoning\":3,\"searches\":2}}",
                1_u64 << 40
            )
        );
        assert_eq!(words.3, Some("{\"total_tokens\":1}".to_owned()));
        assert_eq!(words.4, Some("total_differs".to_owned()));
        let sums = store.read_blocking(totals).unwrap();
        assert_eq!((sums.attempts, sums.usage.of(Quantity::Searches)), (1, 2));
        assert_eq!((context.0.as_str(), context.1.as_str()), ("a\u{fffd}b", "chat.completions"));
        assert_eq!(store.read_blocking(provider_request_ids).unwrap(), ["req_1"]);
        assert_eq!(numbers, (200, 1_700_000_000_001, Some(250), 9_001));
    }

    #[test]
    fn records_of_one_kind_share_a_context_and_every_difference_makes_another() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        let one = sample::record(1);
        let number = Uuid::from_u128(77);
        let changes: [fn(&mut UsageRecord); 9] = [
            |r| r.started_at_ms += 1,
            |r| r.key = Uuid::from_u128(77).into(),
            |r| r.team = None,
            |r| r.alias = "other".into(),
            |r| r.provider = Uuid::from_u128(77).into(),
            |r| r.provider_name = "other".into(),
            |r| r.real_model = "other".into(),
            |r| r.is_stream = !r.is_stream,
            |r| r.status = 429,
        ];
        let mut records = vec![one.clone()];
        for (at, change) in changes.into_iter().enumerate() {
            let attempt = Uuid::from_u128(number.as_u128() + at as u128).into();
            let mut record = UsageRecord { attempt, ..one.clone() };
            change(&mut record);
            records.push(record);
        }
        // once with what is known, once as another process that knows nothing
        for range in [0..4, 4..10] {
            let half = &records[range];
            store.write_blocking(|conn| insert(conn, half, &mut Contexts::default())).unwrap();
        }
        let contexts: i64 = store
            .read_blocking(|conn| Ok(crate::schema::usage_contexts::table.count().first(conn)?))
            .unwrap();
        assert_eq!(contexts, 9);
    }

    #[test]
    fn totals_of_an_empty_ledger_are_zero() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        assert_eq!(store.read_blocking(totals).unwrap(), UsageTotals::default());
    }
}
