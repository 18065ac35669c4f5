//! Traffic nobody has said a price for.

use nexus_store::repo::usage::{By, Only, Step, Wanted, report};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::admin::{
    answer::Told,
    call::Call,
    problem::Problem,
    query::Filter,
    usage::{MAX_S, UsageRow, held},
};

const DAY_S: i64 = 86_400;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct UnpricedFilter {
    /// Unix seconds, cut to the hour; none: thirty days before `until`.
    #[param(nullable = false, minimum = 0, maximum = 253_402_300_799_i64)]
    from: Option<i64>,
    /// Unix seconds, not included; none: the end of the present day.
    #[param(nullable = false, minimum = 0, maximum = 253_402_300_799_i64)]
    until: Option<i64>,
}

/// Traffic of models nobody has said a price for.
#[derive(Debug, Serialize, ToSchema)]
pub struct Unpriced {
    /// Unix seconds, as `until`.
    from: i64,
    until: i64,
    /// The models with the most such attempts first.
    models: Vec<UnpricedModel>,
}

/// A model with attempts whose cost is unknown or booked at a ceiling.
#[derive(Debug, Serialize, ToSchema)]
pub struct UnpricedModel {
    provider: String,
    /// The provider's name of it, for which a price is to be set.
    real_name: String,
    /// Attempts without a price.
    unpriced: u64,
    /// All attempts, as the tokens.
    attempts: u64,
    prompt_tokens: u64,
    completion_tokens: u64,
}

pub async fn unpriced(call: Call<Filter<UnpricedFilter>>) -> Result<Told<Unpriced>, Problem> {
    let Filter(UnpricedFilter { from, until }) = &call.query;
    let now_s = call.now_ms().div_euclid(1000);
    let until = until.unwrap_or(now_s.saturating_sub(now_s.rem_euclid(DAY_S)).saturating_add(DAY_S));
    let from = from.unwrap_or(until.saturating_sub(30 * DAY_S)).max(0);
    held(from, until, MAX_S)?;
    let wanted = Wanted {
        by: vec![By::Provider, By::Model],
        from_ms: from.saturating_mul(1000),
        until_ms: until.saturating_mul(1000),
        step: Step::Total,
        only: Only { team: call.caller.reach.team(), ..Only::default() },
    };
    let report = call.read(move |conn| report(conn, &wanted)).await?;
    let rows = report.into_iter().map(|((at_ms, of), sums)| UsageRow::new(at_ms, of, &sums));
    let mut models: Vec<_> = rows
        .filter(|row| row.unpriced > 0)
        .map(|row| UnpricedModel {
            provider: row.of.unwrap_or_default(),
            real_name: row.and_of.unwrap_or_default(),
            unpriced: row.unpriced,
            attempts: row.attempts,
            prompt_tokens: row.prompt_tokens,
            completion_tokens: row.completion_tokens,
        })
        .collect();
    models.sort_by_key(|model| std::cmp::Reverse(model.unpriced));
    Ok(Told(Unpriced { from, until, models }))
}
