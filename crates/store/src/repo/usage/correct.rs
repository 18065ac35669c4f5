//! What corrections change of the sums: the same rows of hours, days and labels as when the attempts were booked.

use std::{collections::HashMap, sync::Arc};

use diesel::{ExpressionMethods, Insertable, QueryDsl, RunQueryDsl};
use nexus_core::{
    id::{TeamId, Uuid},
    label::Labels,
    usage::{Bearer, Cost, Pricing},
};

use super::{
    Contexts,
    hour::{Hours, Sums},
    labels::LabelDays,
    whole,
};
use crate::{connection::AnyConnection, error::StoreError, repo::reprice::Used, schema::usage_corrections};

/// What an attempt costs since it was corrected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Corrected {
    pub(crate) cost_nano_usd: i64,
    pub(crate) pricing: Pricing,
    pub(crate) rule: Option<String>,
}

#[derive(Insertable)]
#[diesel(table_name = usage_corrections, treat_none_as_default_value = false)]
pub(crate) struct CorrectionRow {
    attempt_id: String,
    reprice_id: String,
    at: i64,
    delta_nano_usd: i64,
    cost_nano_usd: i64,
    pricing: &'static str,
    price_rule: Option<String>,
}

/// Amount, pricing and rule, as rows have them.
pub(crate) type Money = (i64, String, Option<String>);

/// What attempts from one id to another, both included, cost since their last correction.
pub(crate) fn between(
    conn: &mut AnyConnection,
    first: &str,
    last: &str,
) -> Result<HashMap<String, Corrected>, StoreError> {
    use usage_corrections::dsl as row;
    let rows: Vec<(String, Money)> = row::usage_corrections
        .filter(row::attempt_id.ge(first))
        .filter(row::attempt_id.le(last))
        .order((row::attempt_id, row::at, row::reprice_id))
        .select((row::attempt_id, (row::cost_nano_usd, row::pricing, row::price_rule)))
        .load(conn)?;
    // of several the last counts
    Ok(rows.into_iter().map(|(id, money)| (id, Corrected::of_row(&money))).collect())
}

/// What these attempts cost since their last correction.
pub(crate) fn of(conn: &mut AnyConnection, ids: &[&str]) -> Result<HashMap<String, Corrected>, StoreError> {
    use usage_corrections::dsl as row;
    let rows: Vec<(String, Money)> = row::usage_corrections
        .filter(row::attempt_id.eq_any(ids))
        .order((row::attempt_id, row::at, row::reprice_id))
        .select((row::attempt_id, (row::cost_nano_usd, row::pricing, row::price_rule)))
        .load(conn)?;
    Ok(rows.into_iter().map(|(id, money)| (id, Corrected::of_row(&money))).collect())
}

impl Corrected {
    pub(crate) fn of_row((cost_nano_usd, pricing, rule): &Money) -> Self {
        Self {
            cost_nano_usd: *cost_nano_usd,
            pricing: Pricing::from_word(pricing).unwrap_or_default(),
            rule: rule.clone(),
        }
    }

    pub(crate) fn of_cost(cost: &Cost) -> Self {
        Self {
            cost_nano_usd: whole(cost.nano_usd),
            pricing: cost.pricing,
            rule: cost.rule.as_deref().map(str::to_owned),
        }
    }

    pub(crate) fn row(&self, attempt: &str, reprice: Uuid, delta_nano_usd: i64, at: i64) -> CorrectionRow {
        CorrectionRow {
            attempt_id: attempt.to_owned(),
            reprice_id: reprice.to_string(),
            at,
            delta_nano_usd,
            cost_nano_usd: self.cost_nano_usd,
            pricing: self.pricing.as_str(),
            price_rule: self.rule.clone(),
        }
    }
}

/// What a step of corrections changes.
#[derive(Default)]
pub(crate) struct Adjusted {
    hours: Hours,
    labels: LabelDays,
    names: HashMap<String, Arc<str>>,
}

impl Adjusted {
    pub(crate) fn add(
        &mut self,
        context: &str,
        used: &Used,
        bearer: &str,
        (before, after): (&Corrected, &Corrected),
        labels: Labels,
        team: Option<TeamId>,
    ) {
        let name = self.names.entry(context.to_owned()).or_insert_with(|| context.into());
        let is_absorbed = bearer == Bearer::Platform.as_str();
        let change = Sums::correction(
            is_absorbed,
            after.cost_nano_usd.saturating_sub(before.cost_nano_usd),
            i64::from(after.pricing.is_unpriced()).saturating_sub(i64::from(before.pricing.is_unpriced())),
        );
        self.hours.merge(used.started_at_ms, name, &change);
        self.labels.merge(used.started_at_ms, team, &labels, &change);
    }
}

/// Makes the sums follow.
pub(crate) fn adjust(
    conn: &mut AnyConnection,
    adjusted: Adjusted,
    contexts: &mut Contexts,
) -> Result<(), StoreError> {
    adjusted.hours.write(conn)?;
    adjusted.labels.write(conn, &mut contexts.labels)
}
