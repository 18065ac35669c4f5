//! The attempts' own rows, read a page at a time.
//!
//! An attempt's id begins with its time, so rows of a time lie together and no index is needed. An id is made a
//! moment before the attempt begins, and clocks are set: the ids that are looked at reach [`MARGIN_MS`] further.

use std::ops::Range;

use diesel::{ExpressionMethods, QueryDsl, RunQueryDsl};
use nexus_core::usage::{Bearer, Outcome, Pricing, Repeat};

use super::{
    correct::{self, Corrected},
    fact::{Fact, usage},
};
use crate::{connection::AnyConnection, error::StoreError, schema::usage_attempts};

/// Rows held at once.
const PAGE_ROWS: i64 = 2_000;
/// How far an id's time may be from its attempt's.
pub(super) const MARGIN_MS: i64 = 120_000;

/// An attempt as it was booked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attempt {
    pub(super) id: String,
    pub(super) context: String,
    pub(super) fact: Fact,
    pub(super) user: Option<String>,
    pub(super) tags: Vec<String>,
    pub(super) region: Option<String>,
}

impl Attempt {
    /// It costs something else since.
    pub(super) fn correct(&mut self, corrected: &Corrected) {
        self.fact.cost_nano_usd = corrected.cost_nano_usd;
        self.fact.is_unpriced = corrected.pricing.is_unpriced();
    }
}

/// The first id of a moment.
pub(crate) fn first_id(at_ms: i64) -> String {
    let ms = u64::try_from(at_ms).unwrap_or(0) & 0xffff_ffff_ffff;
    format!("{:08x}-{:04x}", ms >> 16, ms & 0xffff)
}

type Times = (i64, i64, Option<i64>, i64);
type Money = (i64, String, String);
type Said = (Option<String>, Option<String>, Option<String>);
type Row = (String, String, String, String, Times, Money, Said);

/// Calls with every attempt that began within this time, oldest first.
pub(super) fn each(
    conn: &mut AnyConnection,
    time_ms: Range<i64>,
    mut take: impl FnMut(&Attempt),
) -> Result<(), StoreError> {
    use usage_attempts::dsl as a;
    let mut after = first_id(time_ms.start.saturating_sub(MARGIN_MS));
    let end = first_id(time_ms.end.saturating_add(MARGIN_MS));
    loop {
        let rows: Vec<Row> = a::usage_attempts
            .filter(a::attempt_id.gt(&after))
            .filter(a::attempt_id.lt(&end))
            .order(a::attempt_id)
            .limit(PAGE_ROWS)
            .select((
                a::attempt_id,
                a::context_id,
                a::outcome,
                a::quantities,
                (a::started_at, a::attempt_number, a::first_token_us, a::duration_us),
                (a::cost_nano_usd, a::pricing, a::bearer),
                (a::end_user, a::tags, a::region),
            ))
            .load(conn)?;
        let is_last = i64::try_from(rows.len()).unwrap_or(PAGE_ROWS) < PAGE_ROWS;
        let Some(last) = rows.last().map(|row| row.0.clone()) else { return Ok(()) };
        let corrected = correct::between(conn, &after, &last)?;
        after = last;
        let within = rows.into_iter().filter(|row| time_ms.contains(&row.4.0));
        for mut attempt in within.map(Attempt::from) {
            if let Some(corrected) = corrected.get(&attempt.id) {
                attempt.correct(corrected);
            }
            take(&attempt);
        }
        if is_last {
            return Ok(());
        }
    }
}

impl From<Row> for Attempt {
    fn from((id, context, outcome, quantities, times, money, said): Row) -> Self {
        let (started_at_ms, number, first_token_us, duration_us) = times;
        let (cost_nano_usd, pricing, bearer) = money;
        let (user, tags, region) = said;
        let unsigned = |number: i64| u64::try_from(number).unwrap_or(0);
        let tags = tags.unwrap_or_default();
        let is_repeated = Repeat::ALL.map(Repeat::as_str).contains(&outcome.as_str());
        let others = [Outcome::Answered, Outcome::Abandoned, Outcome::Outrun].map(Outcome::as_str);
        let is_failed = !is_repeated && !others.contains(&outcome.as_str());
        Self {
            id,
            context,
            fact: Fact {
                started_at_ms,
                is_first: number == 1,
                is_repeated,
                is_failed,
                is_absorbed: bearer == Bearer::Platform.as_str(),
                is_unpriced: Pricing::from_word(&pricing).is_none_or(Pricing::is_unpriced),
                cost_nano_usd,
                usage: usage(&quantities),
                first_token_us: first_token_us.map(unsigned),
                duration_us: unsigned(duration_us),
            },
            user,
            tags: tags.split(',').filter(|tag| !tag.is_empty()).map(str::to_owned).collect(),
            region,
        }
    }
}

#[cfg(test)]
mod tests {
    use nexus_core::{id::Uuid, label::Labels, usage::UsageRecord};

    use super::*;
    use crate::{
        exec::Store,
        repo::usage::{Contexts, insert},
        sample,
    };

    #[test]
    fn the_rows_of_a_time_are_read_back_as_they_were_booked() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        let begin_ms = 1_700_000_000_000;
        let records: Vec<UsageRecord> = (0..5_000_i64)
            .map(|number| {
                let started_at_ms = begin_ms + number;
                let id = format!("{}-7000-8000-{number:012}", first_id(started_at_ms));
                let mut labels = Labels::default().for_user(Some("ada"));
                labels.tag_each("red,blue");
                let attempt = id.parse::<Uuid>().unwrap().into();
                UsageRecord { attempt, started_at_ms, labels, ..sample::record(1) }
            })
            .collect();
        store.write_blocking(|conn| insert(conn, &records, &mut Contexts::default())).unwrap();
        let mut facts = Vec::new();
        let range = begin_ms + 10..begin_ms + 4_990;
        let read = |conn: &mut AnyConnection| {
            each(conn, range.clone(), |attempt| {
                assert_eq!(attempt.user.as_deref(), Some("ada"));
                assert_eq!(attempt.tags, ["red", "blue"]);
                facts.push(attempt.fact.clone());
            })
        };
        store.read_blocking(read).unwrap();
        let expected: Vec<Fact> = records[10..4_990].iter().map(Fact::from).collect();
        assert!(facts == expected, "{} {}", facts.len(), expected.len());
    }
}
