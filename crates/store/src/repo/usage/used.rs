//! How much of quotas the ledger says is used: what a new process begins with.
//!
//! Whole hours are read from the sums, and whole days of users and tags; what lies at a window's begin, and the
//! present part of a rolling window, from the rows themselves. So a window begins with what it had, no more and no
//! less; only hours within a rolling window are taken to be as young as they may be.

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
};

use diesel::{
    BoolExpressionMethods, ExpressionMethods, QueryDsl, RunQueryDsl,
    dsl::sql,
    sql_types::{BigInt, Nullable},
};
use nexus_core::{
    id::{KeyId, ProviderId, TeamId},
    principal::Level,
    quota::{Caller, Measure, Quota, Subject, Use},
    scope::Pattern,
    usage::Quantity,
};

use super::{
    hour::{CHARGED, DAY_HOURS, HOUR_MS, REPEATED, REQUESTS},
    labels::{Kind, OTHERS},
    rows::{self, Attempt},
};
use crate::{
    connection::AnyConnection,
    error::StoreError,
    schema::{keys, usage_contexts, usage_hours, usage_label_days},
};

const DAY_MS: i64 = HOUR_MS * DAY_HOURS;
/// What calls are given that somebody pays for: an answer, and what comes before a client leaves. 0 is of contexts
/// from before it was told apart.
const CHARGED_STATUSES: [i64; 3] = [0, 200, 499];

/// What was used of quotas in their present windows.
pub fn used(conn: &mut AnyConnection, quotas: &[&Quota], now_ms: i64) -> Result<Vec<Use>, StoreError> {
    let mut found = Vec::new();
    let mut wanted = Vec::new();
    for quota in quotas.iter().filter(|quota| quota.measure != Measure::Concurrent) {
        let length_ms = if quota.is_by_name() { DAY_MS } else { HOUR_MS };
        let (whole, mut parts) = parted(quota, length_ms, now_ms);
        match kind(&quota.subject) {
            Some((kind, pattern)) => {
                parts.extend(days(conn, quota, (kind, pattern), whole, now_ms, &mut found)?);
            }
            None => hours(conn, quota, whole, now_ms, &mut found)?,
        }
        wanted.extend(parts.into_iter().map(|part| (*quota, part)));
    }
    if !wanted.is_empty() {
        from_rows(conn, &wanted, &mut found)?;
    }
    Ok(found)
}

/// Times, in milliseconds.
type Parts = Vec<Range<i64>>;

/// The whole hours or days of a quota's window by their numbers, and the times besides.
fn parted(quota: &Quota, length_ms: i64, now_ms: i64) -> (Range<i64>, Parts) {
    let begin_ms = quota.window.span(now_ms).begin_ms.max(0);
    let end_ms = now_ms.saturating_add(1);
    let first = begin_ms.saturating_add(length_ms.saturating_sub(1)).div_euclid(length_ms);
    // what the sums have of the present hour or day is right but for how old it is
    let last = if quota.window.rolling_ms().is_some() {
        now_ms.div_euclid(length_ms)
    } else {
        now_ms.div_euclid(length_ms).saturating_add(1)
    };
    if first >= last {
        return (first..first, std::iter::once(begin_ms..end_ms).collect());
    }
    let before = begin_ms..first.saturating_mul(length_ms);
    let after = last.saturating_mul(length_ms)..end_ms;
    (first..last, [before, after].into_iter().filter(|part| !part.is_empty()).collect())
}

/// Of a quota that counts names apart: which.
fn kind(subject: &Subject) -> Option<(Kind, &Pattern)> {
    match subject {
        Subject::User(pattern) => Some((Kind::User, pattern)),
        Subject::Tag(pattern) => Some((Kind::Tag, pattern)),
        _ => None,
    }
}

/// The measures of sums that add up to a quota's, and those that are taken off.
fn measures(measure: Measure) -> (Vec<&'static str>, Vec<&'static str>) {
    match measure {
        Measure::Requests => (vec![REQUESTS], vec![REPEATED]),
        Measure::CostNanoUsd => (vec![CHARGED], vec![]),
        Measure::Tokens => {
            let tokens = Quantity::ALL.into_iter().filter(|quantity| quantity.is_token());
            (tokens.map(Quantity::as_str).collect(), vec![])
        }
        Measure::Concurrent => (vec![], vec![]),
    }
}

/// Sums of hours. In a rolling window each is as young as it may be.
fn hours(
    conn: &mut AnyConnection,
    quota: &Quota,
    whole: Range<i64>,
    now_ms: i64,
    found: &mut Vec<Use>,
) -> Result<(), StoreError> {
    if whole.is_empty() {
        return Ok(());
    }
    let (more, less) = measures(quota.measure);
    let is_rolling = quota.window.rolling_ms().is_some();
    let mut sums: HashMap<i64, i64> = HashMap::new();
    for (measures, sign) in [(more, 1), (less, -1)] {
        let mut query = usage_hours::table
            .inner_join(usage_contexts::table)
            .filter(usage_hours::hour.ge(whole.start))
            .filter(usage_hours::hour.lt(whole.end))
            .filter(usage_hours::measure.eq_any(measures))
            .into_boxed();
        if quota.measure == Measure::Tokens {
            query = query.filter(usage_contexts::status.eq_any(CHARGED_STATUSES));
        }
        query = match &quota.subject {
            Subject::Platform | Subject::User(_) | Subject::Tag(_) => query,
            Subject::Team(team) => query.filter(usage_contexts::team_id.eq(team.to_string())),
            Subject::Provider(provider) => query.filter(usage_contexts::provider_id.eq(provider.to_string())),
            Subject::Key(key) => {
                let key = key.to_string();
                let children = keys::table.filter(keys::parent_id.eq(key.clone())).select(keys::id);
                query.filter(usage_contexts::key_id.eq(key).or(usage_contexts::key_id.eq_any(children)))
            }
            Subject::Model(pattern) => {
                query.filter(usage_contexts::model_alias.eq_any(aliases(conn, pattern)?))
            }
        };
        let mut add = |hour: i64, amount: i64| {
            let sum = sums.entry(hour).or_default();
            *sum = sum.saturating_add(amount.saturating_mul(sign));
        };
        if is_rolling {
            let rows: Vec<(i64, i64)> = query.select((usage_hours::hour, usage_hours::amount)).load(conn)?;
            rows.into_iter().for_each(|(hour, amount)| add(hour, amount));
        } else {
            // a sum of bigints is a numeric on PostgreSQL: the cast makes both databases agree
            let sum: Option<i64> =
                query.select(sql::<Nullable<BigInt>>("CAST(SUM(amount) AS BIGINT)")).first(conn)?;
            add(whole.end.saturating_sub(1), sum.unwrap_or_default());
        }
    }
    found.extend(sums.into_iter().filter_map(|(hour, amount)| {
        let amount = u64::try_from(amount).ok().filter(|amount| *amount > 0)?;
        let at_ms = last_moment(hour, HOUR_MS).min(now_ms);
        Some(Use { quota: quota.id, name: None, at_ms, amount })
    }));
    Ok(())
}

fn last_moment(number: i64, length_ms: i64) -> i64 {
    number.saturating_add(1).saturating_mul(length_ms).saturating_sub(1)
}

/// Sums of users or tags by days. Days on which not all were kept apart are given back, to be read from rows.
fn days(
    conn: &mut AnyConnection,
    quota: &Quota,
    (kind, pattern): (Kind, &Pattern),
    whole: Range<i64>,
    now_ms: i64,
    found: &mut Vec<Use>,
) -> Result<Vec<Range<i64>>, StoreError> {
    use usage_label_days::dsl as row;
    if whole.is_empty() {
        return Ok(Vec::new());
    }
    let of_kind = row::usage_label_days
        .filter(row::kind.eq(kind.as_str()))
        .filter(row::day.ge(whole.start))
        .filter(row::day.lt(whole.end));
    let mixed: HashSet<i64> =
        of_kind.filter(row::label.eq(OTHERS)).select(row::day).distinct().load(conn)?.into_iter().collect();
    let (more, less) = measures(quota.measure);
    let mut sums: HashMap<(i64, String, String), i64> = HashMap::new();
    for (measures, sign) in [(more, 1_i64), (less, -1)] {
        let rows: Vec<(i64, String, String, i64)> = of_kind
            .filter(row::measure.eq_any(measures))
            .select((row::day, row::team_id, row::label, row::amount))
            .load(conn)?;
        for (day, team, label, amount) in rows {
            if !mixed.contains(&day) && pattern.matches(&label) {
                let sum = sums.entry((day, team, label)).or_default();
                *sum = sum.saturating_add(amount.saturating_mul(sign));
            }
        }
    }
    found.extend(sums.into_iter().filter_map(|((day, team, label), amount)| {
        let amount = u64::try_from(amount).ok().filter(|amount| *amount > 0)?;
        let at_ms = last_moment(day, DAY_MS).min(now_ms);
        let team = if team.is_empty() { None } else { Some(team.parse().ok()?) };
        Some(Use { quota: quota.id, name: Some((team, label.into())), at_ms, amount })
    }));
    let time_of = |day: i64| {
        let begin_ms = day.saturating_mul(DAY_MS);
        begin_ms..begin_ms.saturating_add(DAY_MS)
    };
    Ok(mixed.into_iter().map(time_of).collect())
}

/// Whose name, of a quota that counts names apart, and which.
type Name = Option<(Option<TeamId>, Box<str>)>;

/// Who made an attempt of a context.
struct Maker {
    key: KeyId,
    parent: Option<KeyId>,
    team: Option<TeamId>,
    alias: String,
    provider: ProviderId,
}

/// What rows say was used, of each quota in its times. Each row is read once.
fn from_rows(
    conn: &mut AnyConnection,
    wanted: &[(&Quota, Range<i64>)],
    found: &mut Vec<Use>,
) -> Result<(), StoreError> {
    let makers = makers(conn)?;
    let mut sums: HashMap<(usize, Name, i64), u64> = HashMap::new();
    let mut take = |attempt: &Attempt| {
        let at_ms = attempt.fact.started_at_ms;
        let Some(maker) = makers.get(&attempt.context) else { return };
        let tags: Vec<Box<str>> = attempt.tags.iter().map(|tag| tag.as_str().into()).collect();
        let caller = Caller {
            key: maker.key,
            parent: maker.parent,
            team: maker.team,
            alias: &maker.alias,
            provider: Some(maker.provider),
            user: attempt.user.as_deref(),
            tags: &tags,
        };
        for (at, (quota, time)) in wanted.iter().enumerate() {
            let amount = amount(attempt, quota.measure);
            if amount == 0 || !time.contains(&at_ms) {
                continue;
            }
            let names: Vec<_> = match kind(&quota.subject) {
                Some(_) => quota.names(&caller).map(|name| Some((maker.team, Box::from(name)))).collect(),
                None => quota.is_for(&caller).then_some(None).into_iter().collect(),
            };
            // a second of a rolling window is as good as its moments, and of another window every moment is as good
            let is_rolling = quota.window.rolling_ms().is_some();
            let second_ms =
                if is_rolling { at_ms.saturating_sub(at_ms.rem_euclid(1000)) } else { time.start };
            for name in names {
                let sum = sums.entry((at, name, second_ms.max(time.start))).or_default();
                *sum = sum.saturating_add(amount);
            }
        }
    };
    for time in joined(wanted.iter().map(|(_, time)| time.clone()).collect()) {
        rows::each(conn, time, &mut take)?;
    }
    found.extend(sums.into_iter().filter_map(|((at, name, at_ms), amount)| {
        Some(Use { quota: wanted.get(at)?.0.id, name, at_ms, amount })
    }));
    Ok(())
}

/// What an attempt used of a measure.
fn amount(attempt: &Attempt, measure: Measure) -> u64 {
    let fact = &attempt.fact;
    match measure {
        Measure::Requests => u64::from(fact.is_first && !fact.is_repeated),
        Measure::Tokens if !fact.is_absorbed => fact.usage.tokens(),
        Measure::CostNanoUsd if !fact.is_absorbed => u64::try_from(fact.cost_nano_usd).unwrap_or_default(),
        Measure::Tokens | Measure::CostNanoUsd | Measure::Concurrent => 0,
    }
}

/// The same times, those that touch as one.
fn joined(mut times: Vec<Range<i64>>) -> Vec<Range<i64>> {
    times.sort_by_key(|time| time.start);
    let mut joined: Vec<Range<i64>> = Vec::new();
    for time in times {
        match joined.last_mut() {
            Some(last) if time.start <= last.end => last.end = last.end.max(time.end),
            _ => joined.push(time),
        }
    }
    joined
}

fn makers(conn: &mut AnyConnection) -> Result<HashMap<String, Maker>, StoreError> {
    use usage_contexts::dsl as c;
    let children: Vec<(String, Option<String>)> =
        keys::table.filter(keys::parent_id.is_not_null()).select((keys::id, keys::parent_id)).load(conn)?;
    let parents: HashMap<String, KeyId> =
        children.into_iter().filter_map(|(key, parent)| Some((key, parent?.parse().ok()?))).collect();
    type Row = (String, String, Option<String>, String, String);
    let rows: Vec<Row> = c::usage_contexts
        .select((c::id, c::key_id, c::team_id, c::model_alias, c::provider_id))
        .load(conn)?;
    let maker = |(id, key, team, alias, provider): Row| {
        let parent = parents.get(&key).copied();
        let team = team.and_then(|team| team.parse().ok());
        let (key, provider) = (key.parse().ok()?, provider.parse().ok()?);
        Some((id, Maker { key, parent, team, alias, provider }))
    };
    Ok(rows.into_iter().filter_map(maker).collect())
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
        label::Labels,
        quota::{Mode, WhenAlone, Window, Zone},
        usage::{Cost, Outcome, Pricing, UsageRecord},
    };

    use super::*;
    use crate::{
        exec::Store,
        repo::{key, usage},
        sample,
    };

    /// 2023-11-14T22:13:20Z.
    const NOW_MS: i64 = 1_700_000_000_000;

    fn record(number: u128, at_ms: i64, nano_usd: u64) -> UsageRecord {
        let id = format!("{}-7000-8000-{number:012}", rows::first_id(at_ms));
        let cost = Cost { nano_usd, pricing: Pricing::Known, ..Cost::default() };
        UsageRecord {
            attempt: id.parse::<nexus_core::id::Uuid>().unwrap().into(),
            started_at_ms: at_ms,
            cost,
            ..sample::record(1)
        }
    }

    fn quota(subject: Subject, measure: Measure, window: Window) -> Quota {
        Quota {
            id: sample::uuid(1),
            name: "q".into(),
            subject,
            measure,
            window,
            limit: 1,
            mode: Mode::Hard,
            when_alone: WhenAlone::Node,
        }
    }

    fn sum(store: &Store, quota: &Quota) -> u64 {
        let used = store.read_blocking(|conn| used(conn, &[quota], NOW_MS)).unwrap();
        let span = quota.window.span(NOW_MS);
        assert!(used.iter().all(|one| span.contains(one.at_ms)), "{used:?}");
        used.iter().map(|one| one.amount).sum()
    }

    #[test]
    fn what_was_used_is_found_by_whom_and_since_when() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        let one = record(1, NOW_MS, 100);
        let other = UsageRecord {
            key: KeyId(sample::uuid(8)),
            alias: "claude".into(),
            ..record(2, NOW_MS - HOUR_MS, 10)
        };
        let child = UsageRecord { key: KeyId(sample::uuid(9)), ..record(3, NOW_MS, 1) };
        let failed = UsageRecord {
            outcome: Outcome::Failed(nexus_core::fault::Class::Internal),
            status: 502,
            ..record(4, NOW_MS, 1_000)
        };
        let second = UsageRecord { attempt_number: 2, cost: Cost::default(), ..record(5, NOW_MS, 0) };
        store
            .write_blocking(|conn| {
                let parent = key::Key { id: one.key, team: None, ..sample::key(5) };
                key::create(conn, &parent)?;
                let session = key::Key { parent: Some(one.key), team: None, ..sample::key(9) };
                key::create(conn, &key::Key { level: Level::Session, ..session })?;
                let records = [one.clone(), other, child, failed, second];
                usage::insert(conn, &records, &mut usage::Contexts::default())
            })
            .unwrap();
        let charged = store.read_blocking(|conn| charged_to_sessions(conn, NOW_MS)).unwrap();
        assert_eq!(charged, HashMap::from([(KeyId(sample::uuid(9)), 1)]));
        let money = Measure::CostNanoUsd;
        let hour = || Window::Hour { zone: Zone::fixed(0) };
        let tokens = one.usage.tokens();
        for (subject, measure, window, expected) in [
            (Subject::Platform, money, Window::Total, 111),
            (Subject::Platform, money, hour(), 101),
            (Subject::Platform, Measure::Requests, Window::Total, 4),
            (Subject::Platform, Measure::Concurrent, Window::Total, 0),
            // what failed is nobody's to bear, in whole hours and in parts of one
            (Subject::Platform, Measure::Tokens, Window::Total, 4 * tokens),
            (Subject::Platform, Measure::Tokens, Window::Minute, 3 * tokens),
            (Subject::Team(TeamId(sample::uuid(6))), money, Window::Total, 111),
            (Subject::Team(TeamId(sample::uuid(5))), money, Window::Total, 0),
            (Subject::Key(one.key), money, Window::Total, 101),
            (Subject::Key(one.key), money, Window::Minute, 101),
            (Subject::Key(KeyId(sample::uuid(8))), money, Window::Total, 10),
            (Subject::Provider(ProviderId(sample::uuid(7))), money, Window::Total, 111),
            (Subject::Model(Pattern::parse("claude*").unwrap()), money, Window::Total, 10),
            (Subject::Model(Pattern::parse("claude*").unwrap()), money, Window::Minute, 0),
        ] {
            let quota = quota(subject, measure, window);
            assert_eq!(sum(&store, &quota), expected, "{quota:?}");
        }
    }

    #[test]
    fn a_window_begins_with_what_was_used_since_its_own_first_moment() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        // one attempt every ten minutes of the last three days, the newest now
        let records: Vec<_> =
            (0..432).map(|number| record(number, NOW_MS - 600_000 * number as i64, 1)).collect();
        let insert =
            |conn: &mut AnyConnection| usage::insert(conn, &records, &mut usage::Contexts::default());
        store.write_blocking(insert).unwrap();
        let rolling = |minutes: i64| Window::Rolling { ms: minutes * 60_000 };
        for (window, expected) in [
            (Window::Minute, 1),
            // 22:13:20: of this hour there are two, in Mumbai's the hour began at 21:30
            (Window::Hour { zone: Zone::fixed(0) }, 2),
            (Window::Hour { zone: Zone::fixed(330) }, 5),
            (Window::Day { zone: Zone::fixed(0) }, 134),
            (Window::Day { zone: Zone::fixed(330) }, 23),
            (Window::Total, 432),
            (rolling(5), 1),
            (rolling(35), 4),
            (rolling(200), 21),
            (rolling(1_000), 101),
        ] {
            let quota = quota(Subject::Platform, Measure::CostNanoUsd, window);
            assert_eq!(sum(&store, &quota), expected, "{:?}", quota.window);
        }
    }

    #[test]
    fn each_name_begins_with_what_it_used_also_where_a_day_had_more_names_than_are_kept_apart() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        let day = |days: i64| NOW_MS - days * DAY_MS;
        let said = |number: u128, at_ms: i64, user: &str| {
            let mut labels = Labels::default().for_user(Some(user));
            labels.tag_each("red,blue");
            UsageRecord { labels, ..record(number, at_ms, 1) }
        };
        let mut records = vec![
            said(1, day(0), "ann"),
            said(2, day(1), "ann"),
            said(3, day(1), "bob"),
            said(4, day(9), "ann"),
            UsageRecord { team: None, ..said(5, day(1), "ann") },
        ];
        // of this day most are counted together
        records.extend((0..1_500).map(|at| said(1_000 + at, day(2), &format!("user {at}"))));
        records.push(said(9_000, day(2), "zoe"));
        let insert =
            |conn: &mut AnyConnection| usage::insert(conn, &records, &mut usage::Contexts::default());
        store.write_blocking(insert).unwrap();
        let week = || Window::Rolling { ms: 7 * DAY_MS };
        let users = quota(Subject::User(Pattern::parse("*").unwrap()), Measure::CostNanoUsd, week());
        let used_of = |quota: &Quota, team: Option<TeamId>, name: &str| -> u64 {
            let used = store.read_blocking(|conn| used(conn, &[quota], NOW_MS)).unwrap();
            let is_its = |one: &&Use| one.name.as_ref().is_some_and(|(of, is)| *of == team && **is == *name);
            used.iter().filter(is_its).map(|one| one.amount).sum()
        };
        let team = Some(TeamId(sample::uuid(6)));
        for (team, name, expected) in [
            (team, "ann", 2),
            (None, "ann", 1),
            (team, "bob", 1),
            (team, "user 7", 1),
            (team, "user 1499", 1),
            (team, "zoe", 1),
            (team, "", 0),
        ] {
            assert_eq!(used_of(&users, team, name), expected, "{name}");
        }
        let tags = quota(Subject::Tag(Pattern::parse("r*").unwrap()), Measure::Requests, Window::Total);
        assert_eq!((used_of(&tags, team, "red"), used_of(&tags, team, "blue")), (1_505, 0));
    }
}
