//! Looks at quotas and providers, and puts what there is to tell into the database.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
};

use nexus_core::{
    catalogue::Provider,
    health::breaker,
    id::{ProviderId, TeamId, Uuid},
    quota::{
        Quota, Subject,
        alarm::{Alarm, Alarms, Sign, Watched},
    },
};
use nexus_engine::{identity, shared::Shared, world::World};
use nexus_store::{
    Store, StoreError,
    repo::alert::{self, News},
};
use serde_json::json;

use crate::dice::WorkerDice;

/// How long nothing of a provider's may answer before somebody is told, in milliseconds.
const DOWN_MS: i64 = 10_000;
/// News that may wait for the database; beyond it the oldest are dropped.
const WAITING_MAX: usize = 1_000;

/// What was found and told so far.
#[derive(Default)]
pub(super) struct Watching {
    alarms: Alarms,
    /// Since when a provider is down, and whether that was told.
    down: HashMap<ProviderId, (i64, bool)>,
    waiting: VecDeque<News>,
}

impl Watching {
    /// Looks once. What cannot be stored now is stored the next time.
    pub(super) async fn look(
        &mut self,
        store: &Store,
        shared: &Shared,
        dice: &WorkerDice,
    ) -> Result<(), StoreError> {
        let world = shared.worlds.current();
        let now_ms = shared.clock.unix_ms();
        let mut found = self.quotas(&world.snapshot.quotas, shared, now_ms);
        found.extend(self.providers(standing(&world, shared.clock.monotonic_us()), now_ms));
        for finding in found {
            if self.waiting.len() >= WAITING_MAX {
                self.waiting.pop_front();
            }
            let id = identity::mint(&*shared.clock, dice);
            self.waiting.push_back(finding.news(id));
        }
        if self.waiting.is_empty() {
            return Ok(());
        }
        let news: Vec<News> = self.waiting.iter().cloned().collect();
        let told = store.write(move |conn| {
            let mut told = Vec::new();
            for one in news {
                if alert::raise(conn, &one, now_ms)? {
                    told.push(one);
                }
            }
            Ok(told)
        });
        for News { kind, summary, .. } in told.await? {
            tracing::warn!(kind, summary, "alert");
        }
        self.waiting.clear();
        Ok(())
    }

    fn quotas(&mut self, quotas: &[Quota], shared: &Shared, now_ms: i64) -> Vec<Finding> {
        let mut found = Vec::new();
        let mut seen = HashSet::new();
        for quota in quotas {
            if quota.is_by_name() {
                for counter in shared.quotas.counters(quota, now_ms) {
                    seen.insert(counter.id);
                    let watched = Watched {
                        quota,
                        id: counter.id,
                        team: counter.team,
                        name: Some(counter.name.as_deref().unwrap_or("*")),
                        level: counter.level,
                    };
                    found.extend(self.alarms.look(&watched, now_ms).map(|alarm| of_quota(&watched, alarm)));
                }
                continue;
            }
            seen.insert(quota.id);
            let team = match quota.subject {
                Subject::Team(team) => Some(team),
                _ => None,
            };
            let level = shared.quotas.level(quota, now_ms);
            let watched = Watched { quota, id: quota.id, team, name: None, level };
            found.extend(self.alarms.look(&watched, now_ms).map(|alarm| of_quota(&watched, alarm)));
        }
        self.alarms.keep(|id| seen.contains(&id));
        found
    }

    fn providers(&mut self, up: Standing, now_ms: i64) -> Vec<Finding> {
        let mut found = Vec::new();
        self.down.retain(|id, _| up.contains_key(id));
        for (id, (provider, is_up)) in up {
            match (is_up, self.down.get_mut(&id)) {
                (true, Some((since_ms, was_told))) => {
                    if *was_told {
                        found.push(of_provider(&provider, "provider.up", *since_ms));
                    }
                    self.down.remove(&id);
                }
                (false, Some((since_ms, was_told))) => {
                    if now_ms.saturating_sub(*since_ms) >= DOWN_MS && !std::mem::replace(was_told, true) {
                        found.push(of_provider(&provider, "provider.down", *since_ms));
                    }
                }
                (false, None) => drop(self.down.insert(id, (now_ms, false))),
                (true, None) => {}
            }
        }
        found
    }
}

/// The providers requests go to, and whether anything of theirs answers.
type Standing = HashMap<ProviderId, (Arc<Provider>, bool)>;

/// A provider is down while every model of it is.
fn standing(world: &World, now_us: u64) -> Standing {
    let mut up = Standing::new();
    for target in world.snapshot.catalogue.all().flat_map(|route| &route.targets) {
        let is_closed = target.health.breaker().state(now_us) == breaker::State::Closed;
        let (_, is_up) =
            up.entry(target.provider.id).or_insert_with(|| (Arc::clone(&target.provider), false));
        *is_up |= is_closed;
    }
    up
}

/// Something to tell, but for its id.
struct Finding {
    kind: &'static str,
    team: Option<TeamId>,
    summary: String,
    evidence: serde_json::Value,
    fingerprint: String,
}

impl Finding {
    fn news(self, id: Uuid) -> News {
        News {
            id,
            kind: self.kind.to_owned(),
            team: self.team,
            summary: self.summary,
            evidence: self.evidence.to_string(),
            fingerprint: self.fingerprint,
        }
    }
}

fn of_quota(watched: &Watched<'_>, alarm: Alarm) -> Finding {
    let Watched { quota, team, name, level, .. } = watched;
    let whose = name.map(|name| format!(" of `{name}`")).unwrap_or_default();
    let (summary, more) = match alarm.sign {
        Sign::Reached { percent } => (
            format!("the quota `{}`{whose} is used to {percent} % and more", quota.name),
            json!({ "percent": percent }),
        ),
        Sign::Forecast { expected } => (
            format!("the quota `{}`{whose} will be used up before its window ends", quota.name),
            json!({ "expected": expected }),
        ),
    };
    let mut evidence = json!({
        "quota_id": quota.id,
        "quota": quota.name,
        "name": name,
        "measure": quota.measure.as_str(),
        "window": quota.window.as_str(),
        "mode": quota.mode.as_str(),
        "limit": quota.limit,
        "used": level.used,
        "reserved": level.reserved,
    });
    if let (Some(evidence), Some(more)) = (evidence.as_object_mut(), more.as_object()) {
        evidence.extend(more.clone());
    }
    Finding { kind: alarm.sign.kind(), team: *team, summary, evidence, fingerprint: alarm.fingerprint }
}

fn of_provider(provider: &Provider, kind: &'static str, since_ms: i64) -> Finding {
    let summary = match kind {
        "provider.down" => format!("nothing of the provider `{}` answers", provider.name),
        _ => format!("the provider `{}` answers again", provider.name),
    };
    Finding {
        kind,
        team: None,
        summary,
        evidence: json!({
            "provider_id": provider.id.0,
            "provider": &*provider.name,
            "since": since_ms.div_euclid(1000),
        }),
        // several nodes find it at about the same time and tell it once
        fingerprint: format!("{kind}/{}/{}", provider.id, since_ms.div_euclid(60_000)),
    }
}

#[cfg(test)]
mod tests {
    use nexus_core::{endpoint::Endpoint, site::Options};

    use super::*;

    fn standing(is_up: bool) -> Standing {
        let provider = Provider {
            id: ProviderId(Uuid::from_u128(7)),
            name: "one".into(),
            kind: "openai".into(),
            endpoint: Endpoint::parse("https://provider.example/v1").unwrap(),
            options: Options::default(),
            allow_private_network: false,
            weight: 1,
            limits: Default::default(),
        };
        [(provider.id, (Arc::new(provider), is_up))].into()
    }

    #[test]
    fn a_provider_that_stays_down_is_told_once_and_so_is_its_return() {
        let mut watching = Watching::default();
        for (is_up, now_ms, expected) in [
            (true, 0, None),
            (false, 1_000, None),
            (true, 5_000, None),
            (false, 6_000, None),
            (false, 15_999, None),
            (false, 16_000, Some("provider.down")),
            (false, 99_000, None),
            (true, 99_500, Some("provider.up")),
            (true, 99_900, None),
        ] {
            let found = watching.providers(standing(is_up), now_ms);
            assert_eq!(found.first().map(|finding| finding.kind), expected, "{is_up} at {now_ms}");
        }
        watching.providers(standing(false), 100_000);
        assert!(watching.providers(Standing::new(), 200_000).is_empty(), "it is no more");
        assert!(watching.down.is_empty());
    }
}
