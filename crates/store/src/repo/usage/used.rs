//! How much of a quota the ledger says is used: what a new process begins with.
//!
//! Sums are by the hour: where a window begins within an hour, the whole hour counts, which is never too
//! little. Requests are counted as attempts for the same reason.

use std::collections::HashMap;

use diesel::{
    BoolExpressionMethods, ExpressionMethods, QueryDsl, RunQueryDsl,
    dsl::sql,
    sql_types::{BigInt, Nullable},
};
use nexus_core::{
    id::KeyId,
    principal::Level,
    quota::{Measure, Quota, Subject},
    scope::Pattern,
    usage::Quantity,
};

use super::hour::{ATTEMPTS, CHARGED, HOUR_MS};
use crate::{
    connection::AnyConnection,
    error::StoreError,
    schema::{keys, usage_contexts, usage_hours},
};

/// What was used of the quota since this moment.
pub fn used(conn: &mut AnyConnection, quota: &Quota, since_ms: i64) -> Result<u64, StoreError> {
    let measures: Vec<&str> = match quota.measure {
        Measure::Requests => vec![ATTEMPTS],
        Measure::CostNanoUsd => vec![CHARGED],
        Measure::Tokens => {
            Quantity::ALL.into_iter().filter(|quantity| quantity.is_token()).map(Quantity::as_str).collect()
        }
        Measure::Concurrent => return Ok(0),
    };
    let mut query = usage_hours::table
        .inner_join(usage_contexts::table)
        .filter(usage_hours::hour.ge(since_ms.div_euclid(HOUR_MS)))
        .filter(usage_hours::measure.eq_any(measures))
        // a sum of bigints is a numeric on PostgreSQL: the cast makes both databases agree
        .select(sql::<Nullable<BigInt>>("CAST(SUM(amount) AS BIGINT)"))
        .into_boxed();
    query = match &quota.subject {
        Subject::Platform => query,
        Subject::Team(team) => query.filter(usage_contexts::team_id.eq(team.to_string())),
        Subject::Provider(provider) => query.filter(usage_contexts::provider_id.eq(provider.to_string())),
        Subject::Key(key) => {
            let key = key.to_string();
            let children = keys::table.filter(keys::parent_id.eq(key.clone())).select(keys::id);
            query.filter(usage_contexts::key_id.eq(key).or(usage_contexts::key_id.eq_any(children)))
        }
        Subject::Model(pattern) => query.filter(usage_contexts::model_alias.eq_any(aliases(conn, pattern)?)),
        // each name has a counter of its own, and those begin empty
        Subject::User(_) | Subject::Tag(_) => return Ok(0),
    };
    let sum: Option<i64> = query.first(conn)?;
    Ok(u64::try_from(sum.unwrap_or(0)).unwrap_or(0))
}

/// What each session key has cost since this moment.
pub fn charged_to_sessions(
    conn: &mut AnyConnection,
    since_ms: i64,
) -> Result<HashMap<KeyId, u64>, StoreError> {
    let sessions = keys::table.filter(keys::level.eq(Level::Session.as_str())).select(keys::id);
    let rows: Vec<(String, i64)> = usage_hours::table
        .inner_join(usage_contexts::table)
        .filter(usage_hours::hour.ge(since_ms.div_euclid(HOUR_MS)))
        .filter(usage_hours::measure.eq(CHARGED))
        .filter(usage_contexts::key_id.eq_any(sessions))
        .select((usage_contexts::key_id, usage_hours::amount))
        .load(conn)?;
    let mut charged = HashMap::new();
    for (key, amount) in rows {
        if let (Ok(key), Ok(amount)) = (key.parse(), u64::try_from(amount)) {
            let sum: &mut u64 = charged.entry(key).or_default();
            *sum = sum.saturating_add(amount);
        }
    }
    Ok(charged)
}

/// The aliases that were ever asked for and fit.
fn aliases(conn: &mut AnyConnection, pattern: &Pattern) -> Result<Vec<String>, StoreError> {
    let aliases: Vec<String> =
        usage_contexts::table.select(usage_contexts::model_alias).distinct().load(conn)?;
    Ok(aliases.into_iter().filter(|alias| pattern.matches(alias)).collect())
}

#[cfg(test)]
mod tests {
    use nexus_core::{
        id::{ProviderId, TeamId},
        quota::{Mode, Window},
        usage::{Cost, Outcome, Pricing, UsageRecord},
    };

    use super::*;
    use crate::{
        exec::Store,
        repo::{key, usage},
        sample,
    };

    #[test]
    fn what_was_used_is_found_by_whom_and_since_when() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        let cost = |nano_usd| Cost { nano_usd, pricing: Pricing::Known, ..Cost::default() };
        let one = UsageRecord { cost: cost(100), ..sample::record(1) };
        let other = UsageRecord {
            key: KeyId(sample::uuid(8)),
            alias: "claude".into(),
            started_at_ms: one.started_at_ms - HOUR_MS,
            cost: cost(10),
            ..sample::record(2)
        };
        let child = UsageRecord { key: KeyId(sample::uuid(9)), cost: cost(1), ..sample::record(3) };
        let failed = UsageRecord {
            outcome: Outcome::Failed(nexus_core::fault::Class::Internal),
            cost: cost(1_000),
            ..sample::record(4)
        };
        let now_ms = one.started_at_ms;
        store
            .write_blocking(|conn| {
                let parent = key::Key { id: one.key, team: None, ..sample::key(5) };
                key::create(conn, &parent)?;
                let session = key::Key { parent: Some(one.key), team: None, ..sample::key(9) };
                key::create(conn, &key::Key { level: Level::Session, ..session })?;
                let records = [one.clone(), other, child, failed];
                usage::insert(conn, &records, &mut usage::Contexts::default())
            })
            .unwrap();
        let charged = store.read_blocking(|conn| charged_to_sessions(conn, now_ms)).unwrap();
        assert_eq!(charged, HashMap::from([(KeyId(sample::uuid(9)), 1)]));
        let used = |subject, measure, since_ms| {
            let quota = Quota {
                id: sample::uuid(1),
                name: "q".into(),
                subject,
                measure,
                window: Window::Total,
                limit: 1,
                mode: Mode::Hard,
            };
            store.read_blocking(|conn| used(conn, &quota, since_ms)).unwrap()
        };
        let money = Measure::CostNanoUsd;
        for (subject, measure, since_ms, expected) in [
            (Subject::Platform, money, i64::MIN, 111),
            (Subject::Platform, money, now_ms, 101),
            (Subject::Platform, Measure::Requests, i64::MIN, 4),
            (Subject::Platform, Measure::Concurrent, i64::MIN, 0),
            (Subject::Platform, Measure::Tokens, i64::MIN, sample::usage(&[1, 2, 3, 4]).tokens()),
            (Subject::Team(TeamId(sample::uuid(6))), money, i64::MIN, 111),
            (Subject::Team(TeamId(sample::uuid(5))), money, i64::MIN, 0),
            (Subject::Key(one.key), money, i64::MIN, 101),
            (Subject::Key(KeyId(sample::uuid(8))), money, i64::MIN, 10),
            (Subject::Provider(ProviderId(sample::uuid(7))), money, i64::MIN, 111),
            (Subject::Model(Pattern::parse("claude*").unwrap()), money, i64::MIN, 10),
        ] {
            assert_eq!(used(subject.clone(), measure, since_ms), expected, "{subject:?} {measure:?}");
        }
    }
}
