//! The sums of a batch by hour and context, on their way into the table every total is read from.

use std::{collections::HashMap, sync::Arc};

use diesel::Insertable;
use nexus_core::usage::{Outcome, UsageRecord};

use super::tokens;
use crate::{connection::AnyConnection, error::StoreError, schema::usage_hours, upsert};

const HOUR_MS: i64 = 3_600_000;

#[derive(Clone, Copy, Default)]
struct Sums {
    attempts: i64,
    failed: i64,
    /// In the order of [`nexus_core::usage::Usage::kinds`].
    tokens: [i64; 7],
}

#[derive(Insertable)]
#[diesel(table_name = usage_hours, treat_none_as_default_value = false)]
pub(crate) struct HourRow<'a> {
    pub(crate) hour: i64,
    pub(crate) context_id: &'a str,
    pub(crate) attempts: i64,
    pub(crate) failed: i64,
    pub(crate) input: i64,
    pub(crate) cache_read: i64,
    pub(crate) cache_write: i64,
    pub(crate) output: i64,
    pub(crate) reasoning: i64,
    pub(crate) audio_in: i64,
    pub(crate) audio_out: i64,
}

/// What a batch adds.
#[derive(Default)]
pub(super) struct Hours(HashMap<(i64, Arc<str>), Sums>);

impl Hours {
    pub(super) fn add(&mut self, record: &UsageRecord, context: &Arc<str>) {
        let hour = record.started_at_ms.div_euclid(HOUR_MS);
        let sums = self.0.entry((hour, Arc::clone(context))).or_default();
        sums.attempts = sums.attempts.saturating_add(1);
        sums.failed = sums.failed.saturating_add(i64::from(matches!(record.outcome, Outcome::Failed(_))));
        for (sum, (_, count)) in sums.tokens.iter_mut().zip(record.usage.kinds()) {
            *sum = sum.saturating_add(tokens(count));
        }
    }

    pub(super) fn write(self, conn: &mut AnyConnection) -> Result<(), StoreError> {
        for ((hour, context), sums) in &self.0 {
            let [input, cache_read, cache_write, output, reasoning, audio_in, audio_out] = sums.tokens;
            let row = HourRow {
                hour: *hour,
                context_id: context,
                attempts: sums.attempts,
                failed: sums.failed,
                input,
                cache_read,
                cache_write,
                output,
                reasoning,
                audio_in,
                audio_out,
            };
            upsert::add_to_hour(conn, &row)?;
        }
        Ok(())
    }
}
