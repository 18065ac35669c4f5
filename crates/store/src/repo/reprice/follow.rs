//! The corrections that were made since somebody last asked, by whichever process.

use std::collections::HashMap;

use diesel::{ExpressionMethods, QueryDsl, RunQueryDsl};
use nexus_core::{
    id::{KeyId, TeamId},
    quota::Correction,
    usage::Bearer,
};

use super::first_id;
use crate::{
    connection::AnyConnection,
    error::StoreError,
    schema::{keys, reprices, usage_attempts, usage_contexts, usage_corrections},
};

/// Corrections read at once.
const PAGE_ROWS: i64 = 500;

/// How far the jobs were followed: the place of each that was changed last.
#[derive(Clone, Debug, Default)]
pub struct Followed {
    places: HashMap<String, String>,
    /// When a job was changed for the last time.
    changed_at_ms: i64,
}

type Job = (String, String, i64, i64);
type Made = (String, String, Option<String>, String);
type Said = (i64, Option<String>, Option<String>);

impl Followed {
    /// What was corrected until now is known.
    pub fn so_far(conn: &mut AnyConnection) -> Result<Self, StoreError> {
        let mut followed = Self::default();
        for (id, cursor, _, at) in followed.jobs(conn)? {
            followed.places.insert(id, cursor);
            followed.changed_at_ms = followed.changed_at_ms.max(at);
        }
        Ok(followed)
    }

    /// What was corrected since, as far as teams bear it. Ask in one transaction with what else is to fit it.
    pub fn next(&mut self, conn: &mut AnyConnection) -> Result<Vec<Correction>, StoreError> {
        let mut corrections = Vec::new();
        for (id, cursor, from_ms, at) in self.jobs(conn)? {
            let mut place = self.places.get(&id).cloned().unwrap_or_else(|| first_id(from_ms));
            while place < cursor {
                place = page(conn, &id, &place, &cursor, &mut corrections)?;
            }
            self.places.insert(id, cursor);
            self.changed_at_ms = self.changed_at_ms.max(at);
        }
        Ok(corrections)
    }

    /// The jobs that may have gone on.
    fn jobs(&self, conn: &mut AnyConnection) -> Result<Vec<Job>, StoreError> {
        use reprices::dsl as row;
        Ok(row::reprices
            .filter(row::is_preview.eq(false))
            .filter(row::updated_at.ge(self.changed_at_ms))
            .select((row::id, row::cursor, row::from_at, row::updated_at))
            .load(conn)?)
    }
}

/// Adds the corrections of a job behind one place, and says up to where that was.
fn page(
    conn: &mut AnyConnection,
    job: &str,
    after: &str,
    until: &str,
    corrections: &mut Vec<Correction>,
) -> Result<String, StoreError> {
    use usage_attempts::dsl as a;
    use usage_contexts::dsl as c;
    use usage_corrections::dsl as row;
    let deltas: Vec<(String, i64)> = row::usage_corrections
        .filter(row::attempt_id.gt(after))
        .filter(row::attempt_id.le(until))
        .filter(row::reprice_id.eq(job))
        .order(row::attempt_id)
        .limit(PAGE_ROWS)
        .select((row::attempt_id, row::delta_nano_usd))
        .load(conn)?;
    let is_last = i64::try_from(deltas.len()).unwrap_or(PAGE_ROWS) < PAGE_ROWS;
    let reached = deltas.last().filter(|_| !is_last).map_or(until, |(id, _)| id).to_owned();
    let deltas: HashMap<String, i64> = deltas.into_iter().filter(|(_, delta)| *delta != 0).collect();
    let rows: Vec<(String, Made, Said)> = a::usage_attempts
        .inner_join(usage_contexts::table)
        .filter(a::attempt_id.eq_any(deltas.keys()))
        .filter(a::bearer.eq(Bearer::Team.as_str()))
        .select((
            a::attempt_id,
            (c::key_id, c::provider_id, c::team_id, c::model_alias),
            (a::started_at, a::end_user, a::tags),
        ))
        .load(conn)?;
    let makers: Vec<&str> = rows.iter().map(|(_, made, _)| made.0.as_str()).collect();
    let parents: HashMap<String, Option<String>> = keys::table
        .filter(keys::id.eq_any(makers))
        .select((keys::id, keys::parent_id))
        .load::<(String, Option<String>)>(conn)?
        .into_iter()
        .collect();
    corrections.extend(rows.iter().filter_map(|(id, made, said)| {
        let (key, provider, team, alias) = made;
        let (at_ms, user, tags) = said;
        let parent = parents.get(key).and_then(Option::as_deref);
        Some(Correction {
            key: key.parse().ok()?,
            parent: parent.and_then(|parent| parent.parse::<KeyId>().ok()),
            team: team.as_deref().and_then(|team| team.parse::<TeamId>().ok()),
            alias: alias.clone(),
            provider: provider.parse().ok()?,
            user: user.as_deref().map(Into::into),
            tags: tags.iter().flat_map(|tags| tags.split(',')).map(Into::into).collect(),
            at_ms: *at_ms,
            delta_nano_usd: *deltas.get(id)?,
        })
    }));
    Ok(reached)
}

#[cfg(test)]
mod tests {
    use nexus_core::{
        fault::Class,
        id::Uuid,
        label::Labels,
        usage::{Cost, Outcome, Pricing, UsageRecord},
    };

    use super::*;
    use crate::{
        exec::Store,
        repo::{
            reprice::{self, State, Used, Wanted},
            usage::{Contexts, insert},
        },
        sample,
    };

    const BEGIN_MS: i64 = 1_700_006_400_000;

    fn record(number: u64) -> UsageRecord {
        let started_at_ms = BEGIN_MS + number as i64;
        let id = format!("{}-7000-8000-{number:012}", first_id(started_at_ms));
        let failed = number.is_multiple_of(5);
        UsageRecord {
            attempt: id.parse::<Uuid>().unwrap().into(),
            started_at_ms,
            outcome: if failed { Outcome::Failed(Class::Internal) } else { Outcome::Answered },
            cost: Cost { nano_usd: 100, pricing: Pricing::Known, ..Cost::default() },
            labels: Labels::default().for_user(Some("ada")),
            ..sample::record(number)
        }
    }

    #[test]
    fn every_correction_a_team_bears_is_told_once_however_the_steps_fall() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        let records: Vec<_> = (0..1_200).map(record).collect();
        store.write_blocking(|conn| insert(conn, &records, &mut Contexts::default())).unwrap();
        let mut followed = store.read_blocking(Followed::so_far).unwrap();
        let mut told = Vec::new();
        for (number, nano_usd) in [(1, 130), (2, 90)] {
            let wanted = Wanted {
                id: sample::uuid(number),
                is_preview: false,
                from_ms: BEGIN_MS,
                until_ms: BEGIN_MS + 86_400_000,
                provider: None,
                real_model: None,
            };
            store.write_blocking(|conn| reprice::create(conn, &wanted, 5)).unwrap();
            let price = |_: &Used| Some(Cost { nano_usd, pricing: Pricing::Known, ..Cost::default() });
            loop {
                let step = |conn: &mut AnyConnection| {
                    reprice::step(conn, wanted.id, 5 + number as i64, &mut Contexts::default(), &price)
                };
                let job = store.write_blocking(step).unwrap().unwrap();
                told.extend(store.read_blocking(|conn| followed.next(conn)).unwrap());
                if job.state == State::Done {
                    break;
                }
            }
            let mut late = store.read_blocking(Followed::so_far).unwrap();
            assert_eq!(store.read_blocking(|conn| late.next(conn)).unwrap(), [], "it is told already");
        }
        assert_eq!(told.len(), 2 * 960);
        assert_eq!(told.iter().map(|one| one.delta_nano_usd).sum::<i64>(), 960 * -10);
        let one = told.iter().find(|one| one.at_ms == BEGIN_MS + 7).unwrap();
        assert_eq!((one.user.as_deref(), one.alias.as_str(), one.tags.len()), (Some("ada"), "nexus-gpt4", 0));
    }
}
