//! What was used, summed by one thing and by time: the one query behind every total that people see.

use std::collections::BTreeMap;

use diesel::{BoolExpressionMethods, ExpressionMethods, QueryDsl, RunQueryDsl};
use nexus_core::id::TeamId;

use super::hour::HOUR_MS;
use crate::{
    connection::AnyConnection,
    error::StoreError,
    schema::{usage_contexts, usage_hours},
};

/// What sums are told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    Team,
    Key,
    Alias,
    Provider,
    Model,
    Operation,
}

/// Which usage is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    pub by: By,
    /// Unix milliseconds, cut to the hour; the end is not included.
    pub from_ms: i64,
    pub until_ms: i64,
    /// Hours that make one row; 0 makes one row of all.
    pub step_hours: u32,
    /// This team's alone.
    pub team: Option<TeamId>,
}

/// Sums by their measure.
pub type Sums = BTreeMap<String, u64>;

/// The sums by when their step began (Unix milliseconds) and by what they are told apart by; `None` is usage
/// without it.
pub fn report(
    conn: &mut AnyConnection,
    wanted: &Wanted,
) -> Result<BTreeMap<(i64, Option<String>), Sums>, StoreError> {
    use usage_contexts::dsl as c;
    let (from, until) = (wanted.from_ms.div_euclid(HOUR_MS), wanted.until_ms.div_euclid(HOUR_MS));
    let team = wanted.team.map(|team| team.to_string());
    macro_rules! rows {
        ($column:expr) => {{
            let mut query = usage_hours::table
                .inner_join(usage_contexts::table)
                .filter(usage_hours::hour.ge(from).and(usage_hours::hour.lt(until)))
                .select((usage_hours::hour, $column, usage_hours::measure, usage_hours::amount))
                .into_boxed();
            if let Some(team) = &team {
                query = query.filter(c::team_id.eq(team));
            }
            query.load::<(i64, Option<String>, String, i64)>(conn)?
        }};
    }
    use diesel::NullableExpressionMethods as _;
    let rows = match wanted.by {
        By::Team => rows!(c::team_id),
        By::Key => rows!(c::key_id.nullable()),
        By::Alias => rows!(c::model_alias.nullable()),
        By::Provider => rows!(c::provider_name.nullable()),
        By::Model => rows!(c::real_model_name.nullable()),
        By::Operation => rows!(c::operation.nullable()),
    };
    let mut report: BTreeMap<_, Sums> = BTreeMap::new();
    for (hour, what, measure, amount) in rows {
        let begin = match i64::from(wanted.step_hours) {
            0 => from,
            step => hour.saturating_sub(hour.rem_euclid(step)),
        };
        let key = (begin.saturating_mul(HOUR_MS), what);
        let sum = report.entry(key).or_default().entry(measure).or_default();
        *sum = sum.saturating_add(u64::try_from(amount).unwrap_or(0));
    }
    Ok(report)
}

#[cfg(test)]
mod tests {
    use nexus_core::usage::UsageRecord;

    use super::*;
    use crate::{exec::Store, repo::usage, sample};

    #[test]
    fn usage_is_summed_by_one_thing_and_by_time() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        let one = sample::record(1);
        let at_ms = one.started_at_ms;
        let records = [
            one.clone(),
            UsageRecord { alias: "claude".into(), team: None, ..sample::record(2) },
            UsageRecord { started_at_ms: at_ms + HOUR_MS, ..sample::record(4) },
        ];
        store.write_blocking(|conn| usage::insert(conn, &records, &mut usage::Contexts::default())).unwrap();
        let hour = at_ms - at_ms.rem_euclid(HOUR_MS);
        let charged = |by, step_hours, team| {
            let wanted = Wanted { by, from_ms: hour, until_ms: hour + 2 * HOUR_MS, step_hours, team };
            let report = store.read_blocking(|conn| report(conn, &wanted)).unwrap();
            let sums =
                report.into_iter().map(|((at, what), sums)| (at - hour, what, sums["charged_nano_usd"]));
            sums.collect::<Vec<_>>()
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            charged(By::Alias, 1, None),
            [(0, some("claude"), 2), (0, some("nexus-gpt4"), 1), (HOUR_MS, some("nexus-gpt4"), 4)]
        );
        assert_eq!(charged(By::Alias, 0, None), [(0, some("claude"), 2), (0, some("nexus-gpt4"), 5)]);
        let team = one.team.unwrap();
        assert_eq!(charged(By::Team, 0, None), [(0, None, 2), (0, some(&team.to_string()), 5)]);
        assert_eq!(charged(By::Provider, 0, Some(team)), [(0, some("azure"), 5)]);
    }
}
