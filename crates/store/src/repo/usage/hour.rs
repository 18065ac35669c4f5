//! The sums of a batch by hour and context, on their way into the table every total is read from.
//!
//! A sum is a row: its measure is a quantity's word or one of this file's, so a new quantity is no change here.

use std::{collections::HashMap, sync::Arc};

use diesel::Insertable;
use nexus_core::usage::{Bearer, Outcome, Pricing, Usage, UsageRecord};

use super::whole;
use crate::{connection::AnyConnection, error::StoreError, schema::usage_hours, upsert};

pub(super) const HOUR_MS: i64 = 3_600_000;

/// The measure that counts attempts, whatever became of them.
pub(super) const ATTEMPTS: &str = "attempts";
/// The measure that counts requests that were given what another one got: they made no attempt.
const REPEATED: &str = "repeated";
/// The measure that counts attempts at which the provider or the wire failed.
const FAILED: &str = "failed";

/// The measures of what attempts cost, by who bears it.
pub(super) const CHARGED: &str = "charged_nano_usd";
pub(super) const ABSORBED: &str = "absorbed_nano_usd";
/// The measure that counts attempts whose cost is unknown.
pub(super) const UNPRICED: &str = "unpriced";

#[derive(Default)]
struct Sums {
    attempts: i64,
    repeated: i64,
    failed: i64,
    charged: i64,
    absorbed: i64,
    unpriced: i64,
    usage: Usage,
}

#[derive(Insertable)]
#[diesel(table_name = usage_hours, treat_none_as_default_value = false)]
pub(crate) struct HourRow<'a> {
    pub(crate) hour: i64,
    pub(crate) context_id: &'a str,
    pub(crate) measure: &'static str,
    pub(crate) amount: i64,
}

/// What a batch adds.
#[derive(Default)]
pub(super) struct Hours(HashMap<(i64, Arc<str>), Sums>);

impl Hours {
    pub(super) fn add(&mut self, record: &UsageRecord, context: &Arc<str>) {
        let hour = record.started_at_ms.div_euclid(HOUR_MS);
        let sums = self.0.entry((hour, Arc::clone(context))).or_default();
        if let Outcome::Repeated(_) = record.outcome {
            sums.repeated = sums.repeated.saturating_add(1);
            return;
        }
        sums.attempts = sums.attempts.saturating_add(1);
        sums.failed = sums.failed.saturating_add(i64::from(matches!(record.outcome, Outcome::Failed(_))));
        let cost = whole(record.cost.nano_usd);
        let borne = match record.bearer() {
            Bearer::Team => &mut sums.charged,
            Bearer::Platform => &mut sums.absorbed,
        };
        *borne = borne.saturating_add(cost);
        let is_unpriced = record.cost.pricing == Pricing::Unknown;
        sums.unpriced = sums.unpriced.saturating_add(i64::from(is_unpriced));
        for (quantity, count) in record.usage.counts() {
            let count = count.min(Usage::PLAUSIBLE_MAX);
            sums.usage = sums.usage.with(quantity, sums.usage.of(quantity).saturating_add(count));
        }
    }

    pub(super) fn write(self, conn: &mut AnyConnection) -> Result<(), StoreError> {
        for ((hour, context), sums) in &self.0 {
            let quantities = sums.usage.counts().map(|(quantity, sum)| (quantity.as_str(), whole(sum)));
            let sums = [
                (ATTEMPTS, sums.attempts),
                (REPEATED, sums.repeated),
                (FAILED, sums.failed),
                (CHARGED, sums.charged),
                (ABSORBED, sums.absorbed),
                (UNPRICED, sums.unpriced),
            ]
            .into_iter()
            .chain(quantities);
            for (measure, amount) in sums.filter(|(_, amount)| *amount > 0) {
                upsert::add_to_hour(conn, &HourRow { hour: *hour, context_id: context, measure, amount })?;
            }
        }
        Ok(())
    }
}
