//! The ledger: one row an attempt, written once.
//!
//! The attempt's id makes booking idempotent: a record that is there already is left as it is.

use std::borrow::Cow;

use diesel::{Insertable, QueryDsl as _, RunQueryDsl as _};
use nexus_core::{
    id::Uuid,
    usage::{Outcome, Usage, UsageRecord},
};

use crate::{connection::AnyConnection, error::StoreError, schema::usage_records, upsert};

/// How many records one transaction takes.
pub const BATCH_MAX: usize = 1000;

/// What the whole ledger adds up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UsageTotals {
    pub attempts: u64,
    pub usage: Usage,
}

#[derive(Insertable)]
#[diesel(table_name = usage_records, treat_none_as_default_value = false)]
pub(crate) struct UsageRow<'a> {
    attempt_id: String,
    request_id: String,
    attempt_number: i64,
    key_id: String,
    team_id: Option<String>,
    operation: &'static str,
    model_alias: Cow<'a, str>,
    provider_id: String,
    provider_name: Cow<'a, str>,
    real_model_name: Cow<'a, str>,
    is_stream: bool,
    outcome: &'static str,
    fault_class: Option<&'static str>,
    status: i64,
    input: i64,
    cache_read: i64,
    cache_write: i64,
    output: i64,
    reasoning: i64,
    audio_in: i64,
    audio_out: i64,
    source: &'static str,
    raw_usage: Option<Cow<'a, str>>,
    provider_request_id: Option<Cow<'a, str>>,
    started_at: i64,
    first_token_us: Option<i64>,
    duration_us: i64,
}

impl<'a> UsageRow<'a> {
    fn new(record: &'a UsageRecord) -> Self {
        let usage = &record.usage;
        Self {
            attempt_id: id(record.attempt.0),
            request_id: id(record.request.0),
            attempt_number: record.attempt_number.into(),
            key_id: id(record.key.0),
            team_id: record.team.map(|team| id(team.0)),
            operation: record.operation.as_str(),
            model_alias: storable(&record.alias),
            provider_id: id(record.provider.0),
            provider_name: storable(&record.provider_name),
            real_model_name: storable(&record.real_model),
            is_stream: record.is_stream,
            outcome: record.outcome.as_str(),
            fault_class: match record.outcome {
                Outcome::Failed(class) => Some(class.as_str()),
                Outcome::Answered | Outcome::Abandoned => None,
            },
            status: record.status.into(),
            input: tokens(usage.input),
            cache_read: tokens(usage.cache_read),
            cache_write: tokens(usage.cache_write),
            output: tokens(usage.output),
            reasoning: tokens(usage.reasoning),
            audio_in: tokens(usage.audio_in),
            audio_out: tokens(usage.audio_out),
            source: record.source.as_str(),
            raw_usage: record.raw_usage.as_deref().map(storable),
            provider_request_id: record.provider_request_id.as_deref().map(storable),
            started_at: record.started_at_ms,
            first_token_us: record.first_token_us.map(whole),
            duration_us: whole(record.duration_us),
        }
    }
}

fn id(id: Uuid) -> String {
    id.to_string()
}

/// Beyond what is plausible a count is cut, so that no sum over the ledger can overflow; the raw usage
/// keeps what was said.
fn tokens(count: u64) -> i64 {
    whole(count.min(Usage::PLAUSIBLE_MAX))
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// PostgreSQL takes no NUL in text: one in a model's name must not keep a whole batch from being booked.
fn storable(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', "\u{fffd}").into() } else { text.into() }
}

/// Books records, at most [`BATCH_MAX`] at a time being wise, and says how many were new.
pub fn insert(conn: &mut AnyConnection, records: &[UsageRecord]) -> Result<usize, StoreError> {
    let rows: Vec<_> = records.iter().map(UsageRow::new).collect();
    Ok(upsert::insert_new_usage(conn, &rows)?)
}

/// The providers' own ids of every booked attempt that has one, in no order: what a provider's bill is
/// compared with.
pub fn provider_request_ids(conn: &mut AnyConnection) -> Result<Vec<String>, StoreError> {
    let ids: Vec<Option<String>> =
        usage_records::table.select(usage_records::provider_request_id).load(conn)?;
    Ok(ids.into_iter().flatten().collect())
}

/// Adds the ledger up.
pub fn totals(conn: &mut AnyConnection) -> Result<UsageTotals, StoreError> {
    let (attempts, sums) = upsert::usage_sums(conn)?;
    let [input, cache_read, cache_write, output, reasoning, audio_in, audio_out] =
        sums.map(|sum| u64::try_from(sum.unwrap_or(0)).unwrap_or(0));
    let usage = Usage { input, cache_read, cache_write, output, reasoning, audio_in, audio_out };
    Ok(UsageTotals { attempts: u64::try_from(attempts).unwrap_or(0), usage })
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
        let insert = |records: &[UsageRecord]| store.write_blocking(|conn| insert(conn, records)).unwrap();
        let (one, two) = (sample::record(1), sample::record(2));
        assert_eq!(insert(&[]), 0);
        assert_eq!(insert(&[one.clone(), one.clone()]), 1);
        assert_eq!(insert(&[one, two]), 1);
        let totals = store.read_blocking(totals).unwrap();
        assert_eq!(totals, UsageTotals { attempts: 2, usage: sample::usage(&[1, 2]) });
    }

    #[test]
    fn every_field_reaches_its_column() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        let record = UsageRecord {
            alias: "a\0b".into(),
            outcome: Outcome::Failed(Class::Truncated),
            usage: Usage { output: u64::MAX, ..sample::record(1).usage },
            ..sample::record(1)
        };
        store.write_blocking(|conn| insert(conn, &[record])).unwrap();
        type Words = (String, String, String, String, Option<String>, Option<String>);
        type Numbers = (i64, i64, i64, Option<i64>, i64);
        use usage_records::dsl as r;
        let (words, numbers): (Words, Numbers) = store
            .read_blocking(|conn| {
                let words =
                    (r::model_alias, r::operation, r::outcome, r::source, r::fault_class, r::raw_usage);
                let numbers = (r::status, r::output, r::started_at, r::first_token_us, r::duration_us);
                Ok(r::usage_records.select((words, numbers)).first(conn)?)
            })
            .unwrap();
        let said = Some("{\"total_tokens\":1}".to_owned());
        let fault = Some("truncated".to_owned());
        let expected = ("a\u{fffd}b", "chat.completions", "failed", "provider");
        assert_eq!((words.0.as_str(), words.1.as_str(), words.2.as_str(), words.3.as_str()), expected);
        assert_eq!((words.4, words.5), (fault, said));
        assert_eq!(store.read_blocking(provider_request_ids).unwrap(), ["req_1"]);
        assert_eq!(numbers, (200, 1 << 40, 1_700_000_000_001, Some(250), 9_001));
    }

    #[test]
    fn totals_of_an_empty_ledger_are_zero() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        assert_eq!(store.read_blocking(totals).unwrap(), UsageTotals::default());
    }
}
