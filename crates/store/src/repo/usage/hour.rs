//! The sums of a batch by time and context, on their way into the tables every total is read from.
//!
//! A sum is a row: its measure is a quantity's word or one of this file's, so a new quantity is no change
//! here. Hours, days and weeks hold the same sums and are written together.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use nexus_core::{latency, usage::Usage};

use super::{fact::Fact, whole};
use crate::{connection::AnyConnection, error::StoreError, upsert};

pub(super) const HOUR_MS: i64 = 3_600_000;
pub(super) const DAY_HOURS: i64 = 24;
pub(super) const WEEK_DAYS: i64 = 7;
const WEEK_HOURS: i64 = WEEK_DAYS * DAY_HOURS;

/// The measure that counts attempts, whatever became of them.
pub(super) const ATTEMPTS: &str = "attempts";
/// The measure that counts requests that were given what another one got: they made no attempt.
pub(super) const REPEATED: &str = "repeated";
/// The measure that counts requests, where their first attempt is.
pub(super) const REQUESTS: &str = "requests";
/// The measure that counts attempts at which the provider or the wire failed.
const FAILED: &str = "failed";

/// The measures of what attempts cost, by who bears it.
pub(super) const CHARGED: &str = "charged_nano_usd";
pub(super) const ABSORBED: &str = "absorbed_nano_usd";
/// The measure that counts attempts whose cost is unknown.
pub(super) const UNPRICED: &str = "unpriced";

/// How the measures begin that count times by their step, of whole attempts and to the first content.
pub const LATENCY: &str = "latency_";
pub const FIRST_TOKEN: &str = "first_token_";

/// What attempts add up to.
#[derive(Default)]
pub(super) struct Sums {
    attempts: i64,
    repeated: i64,
    requests: i64,
    failed: i64,
    charged: i64,
    absorbed: i64,
    unpriced: i64,
    usage: Usage,
    latency: BTreeMap<u8, i64>,
    first_token: BTreeMap<u8, i64>,
}

impl Sums {
    pub(super) fn add(&mut self, fact: &Fact) {
        let count = |sum: &mut i64, is_counted: bool| *sum = sum.saturating_add(i64::from(is_counted));
        count(&mut self.requests, fact.is_first);
        if fact.is_repeated {
            count(&mut self.repeated, true);
            return;
        }
        count(&mut self.attempts, true);
        count(&mut self.failed, fact.is_failed);
        count(&mut self.unpriced, fact.is_unpriced);
        let borne = if fact.is_absorbed { &mut self.absorbed } else { &mut self.charged };
        *borne = borne.saturating_add(fact.cost_nano_usd);
        for (quantity, amount) in fact.usage.counts() {
            let amount = amount.min(Usage::PLAUSIBLE_MAX);
            self.usage = self.usage.with(quantity, self.usage.of(quantity).saturating_add(amount));
        }
        if !fact.is_failed {
            count(self.latency.entry(latency::step(fact.duration_us)).or_default(), true);
        }
        if let Some(us) = fact.first_token_us {
            count(self.first_token.entry(latency::step(us)).or_default(), true);
        }
    }

    /// What a correction changes.
    pub(super) fn correction(is_absorbed: bool, delta_nano_usd: i64, unpriced: i64) -> Self {
        let (charged, absorbed) = if is_absorbed { (0, delta_nano_usd) } else { (delta_nano_usd, 0) };
        Self { charged, absorbed, unpriced, ..Self::default() }
    }

    /// Adds what a correction changes.
    pub(super) fn merge(&mut self, change: &Sums) {
        self.charged = self.charged.saturating_add(change.charged);
        self.absorbed = self.absorbed.saturating_add(change.absorbed);
        self.unpriced = self.unpriced.saturating_add(change.unpriced);
    }

    /// Every sum that is not 0, by its measure.
    pub(super) fn measures(&self) -> impl Iterator<Item = (Cow<'static, str>, i64)> {
        let steps = |word: &'static str, steps: &BTreeMap<u8, i64>| -> Vec<(Cow<'static, str>, i64)> {
            steps.iter().map(|(step, count)| (format!("{word}{step:02}").into(), *count)).collect()
        };
        let times = [steps(LATENCY, &self.latency), steps(FIRST_TOKEN, &self.first_token)];
        self.plain().chain(times.into_iter().flatten())
    }

    /// The same without the times.
    pub(super) fn plain(&self) -> impl Iterator<Item = (Cow<'static, str>, i64)> + use<> {
        let sums = [
            (ATTEMPTS, self.attempts),
            (REPEATED, self.repeated),
            (REQUESTS, self.requests),
            (FAILED, self.failed),
            (CHARGED, self.charged),
            (ABSORBED, self.absorbed),
            (UNPRICED, self.unpriced),
        ];
        let quantities = self.usage.counts().map(|(quantity, sum)| (quantity.as_str(), whole(sum)));
        let sums = sums.into_iter().chain(quantities).filter(|(_, amount)| *amount != 0);
        sums.map(|(measure, amount)| (Cow::Borrowed(measure), amount))
    }
}

/// A sum, on its way into the table of its unit of time.
pub(crate) struct SumRow<'a> {
    /// In units since the Unix epoch.
    pub(crate) at: i64,
    pub(crate) context_id: &'a str,
    pub(crate) measure: &'a str,
    pub(crate) amount: i64,
}

/// A unit of time since the Unix epoch, a context and a measure.
pub(super) type SumKey<'a> = (i64, &'a str, Cow<'static, str>);

/// What a batch adds.
#[derive(Default)]
pub(super) struct Hours(HashMap<(i64, Arc<str>), Sums>);

impl Hours {
    pub(super) fn add(&mut self, fact: &Fact, context: &Arc<str>) {
        let hour = fact.started_at_ms.div_euclid(HOUR_MS);
        self.0.entry((hour, Arc::clone(context))).or_default().add(fact);
    }

    /// Adds a correction of an attempt that began then.
    pub(super) fn merge(&mut self, started_at_ms: i64, context: &Arc<str>, change: &Sums) {
        let hour = started_at_ms.div_euclid(HOUR_MS);
        self.0.entry((hour, Arc::clone(context))).or_default().merge(change);
    }

    /// The sums by units of so many hours, in order.
    pub(super) fn by(&self, hours: i64) -> BTreeMap<SumKey<'_>, i64> {
        let mut units = BTreeMap::new();
        for ((hour, context), sums) in &self.0 {
            for (measure, amount) in sums.measures() {
                let sum: &mut i64 = units.entry((hour.div_euclid(hours), &**context, measure)).or_default();
                *sum = sum.saturating_add(amount);
            }
        }
        units
    }

    /// Writes all down, in order: two who add to the same rows wait for each other, but never both at once.
    pub(super) fn write(self, conn: &mut AnyConnection) -> Result<(), StoreError> {
        let (hours, days, weeks) = (self.by(1), self.by(DAY_HOURS), self.by(WEEK_HOURS));
        upsert::add_to_hours(conn, &rows(&hours))?;
        upsert::add_to_days(conn, &rows(&days))?;
        Ok(upsert::add_to_weeks(conn, &rows(&weeks))?)
    }
}

fn rows<'a>(sums: &'a BTreeMap<SumKey<'_>, i64>) -> Vec<SumRow<'a>> {
    let row = |((at, context_id, measure), amount): (&'a SumKey<'_>, &i64)| SumRow {
        at: *at,
        context_id,
        measure,
        amount: *amount,
    };
    sums.iter().map(row).collect()
}
