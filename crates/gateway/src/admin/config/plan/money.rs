//! What configuration would change about prices and quotas.

use std::collections::{HashMap, HashSet};

use nexus_core::{
    id::{ProviderId, Uuid},
    quota::Quota,
    role::Reach,
};
use nexus_store::{
    AnyConnection,
    repo::{
        Changed,
        price::{self, StoredPrice},
        provider,
        quota::{self, StoredQuota},
        team,
    },
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Fate, Plan, Planner, fate};
use crate::admin::{
    change::Halt,
    check::Check,
    config::entry::{OfferedPrice, OfferedQuota, QuotaEntry},
    prices::{PriceBody, check_price, stored},
    problem::Kind,
    quotas::{
        self, QuotaBody, SubjectWord,
        rights::{self, Set},
    },
    words::PriceKindWord,
};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PriceDifference {
    pub real_name: String,
    /// By its name; none: wherever the model is had.
    pub provider: Option<String>,
    pub region: Option<String>,
    pub kind: PriceKindWord,
    /// A price is never changed: another one takes its place.
    pub change: Fate,
    /// The members that are others in it.
    pub fields: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct QuotaDifference {
    pub name: String,
    pub change: Fate,
    /// The members that become others.
    pub fields: Vec<String>,
}

/// A quota that is to be made or changed.
pub(super) struct Wanted {
    stored: StoredQuota,
    /// The version that was seen; `None`: there is none yet.
    seen: Option<i64>,
}

/// The providers there are and will be, by name.
type Providers = HashMap<String, ProviderId>;

fn providers(conn: &mut AnyConnection, plan: &Plan) -> Result<Providers, Halt> {
    let present = provider::list(conn)?.into_iter().map(|provider| (provider.name, provider.id));
    let wanted = plan.providers.iter().map(|provider| (provider.name.clone(), provider.id));
    Ok(present.chain(wanted).collect())
}

/// The provider of a name; one that is none's is told.
fn provider_named(check: &mut Check, pointer: &str, providers: &Providers, name: &str) -> Option<ProviderId> {
    let found = providers.get(name).copied();
    if found.is_none() {
        check.flaw(pointer, format!("there is no provider `{name}`; make it first"));
    }
    found
}

/// Adds the prices to the plan that are not in force already.
pub(super) fn prices(
    planner: &Planner<'_>,
    conn: &mut AnyConnection,
    plan: &mut Plan,
    check: &mut Check,
    offers: Vec<OfferedPrice>,
) -> Result<(), Halt> {
    if offers.is_empty() {
        return Ok(());
    }
    let (providers, in_force) = (providers(conn, plan)?, price::in_force(conn, planner.now_ms)?);
    for OfferedPrice { place, entry } in offers {
        let name = entry.provider().map(str::to_owned);
        let provider = match &name {
            None => None,
            Some(name) => match provider_named(check, &format!("{place}/provider"), &providers, name) {
                Some(provider) => Some(provider),
                None => continue,
            },
        };
        let wish = entry.wish(provider);
        check_price(check, &place, &wish);
        let wanted = stored(&wish, (planner.fresh_id)(), planner.now_ms);
        let was = in_force.iter().find(|was| {
            was.real_model == wanted.real_model && was.scope() == wanted.scope() && was.kind == wanted.kind
        });
        let fields = was.map_or_else(Vec::new, |was| differing(was, &wanted));
        let change = fate(was.is_some(), &fields);
        plan.differences.prices.push(PriceDifference {
            real_name: wanted.real_model.clone(),
            provider: name,
            region: wanted.region.clone(),
            kind: wanted.kind.into(),
            change,
            fields,
        });
        if change != Fate::Unchanged {
            plan.before.prices.extend(was.map(PriceBody::new));
            plan.prices.push(wanted);
        }
    }
    Ok(())
}

fn differing(was: &StoredPrice, is: &StoredPrice) -> Vec<String> {
    let members = [
        ("rates", was.rates != is.rates),
        ("per_request_nano_usd", was.per_request_nano_usd != is.per_request_nano_usd),
        ("is_free", was.is_free != is.is_free),
        ("multiplier", was.multiplier_ppm != is.multiplier_ppm),
    ];
    let differing = members.into_iter().filter(|(_, is_other)| *is_other);
    differing.map(|(name, _)| name.to_owned()).collect()
}

/// Adds the quotas to the plan.
pub(super) fn quotas(
    planner: &Planner<'_>,
    conn: &mut AnyConnection,
    plan: &mut Plan,
    check: &mut Check,
    offers: Vec<OfferedQuota>,
) -> Result<(), Halt> {
    if offers.is_empty() {
        return Ok(());
    }
    let (providers, present) = (providers(conn, plan)?, quota::list(conn)?);
    let mut known = HashSet::new();
    for OfferedQuota { place, entry } in offers {
        let Ok(id) = subject_id(conn, check, &place, &providers, &entry)? else { continue };
        let fresh_id = (planner.fresh_id)();
        let wanted = quotas::checked_at(check, &place, &entry.wish(id), fresh_id);
        let set = rights::may_set(conn, Reach::Platform, &wanted)?;
        if !known.insert((set.team, wanted.name.clone())) {
            let why = "stands there twice for the same team; give each quota its own";
            check.flaw(&format!("{place}/name"), why);
            continue;
        }
        let was = present.iter().find(|was| was.is_named(set.team, &wanted.name));
        if was.is_some_and(|was| !is_for_the_same(&was.quota, &wanted)) {
            let why = "the quota of this name is for something else; delete it, or take another name";
            check.flaw(&format!("{place}/name"), why);
            continue;
        }
        let fields = was.map_or_else(Vec::new, |was| {
            let members =
                [("limit", was.quota.limit != wanted.limit), ("mode", was.quota.mode != wanted.mode)];
            let differing = members.into_iter().filter(|(_, is_other)| *is_other);
            differing.map(|(name, _)| name.to_owned()).collect()
        });
        let change = fate(was.is_some(), &fields);
        let name = wanted.name.to_string();
        plan.differences.quotas.push(QuotaDifference { name, change, fields });
        if change != Fate::Unchanged {
            plan.before.quotas.extend(was.map(QuotaBody::new));
            plan.quotas.push(Wanted::new(set, planner.now_ms, was, wanted));
        }
    }
    Ok(())
}

fn is_for_the_same(one: &Quota, other: &Quota) -> bool {
    (&one.subject, one.measure, &one.window) == (&other.subject, other.measure, &other.window)
}

/// The id of a quota's team or provider, which the file has by name.
fn subject_id(
    conn: &mut AnyConnection,
    check: &mut Check,
    place: &str,
    providers: &Providers,
    entry: &QuotaEntry,
) -> Result<Result<Option<String>, ()>, Halt> {
    let pointer = format!("{place}/subject_value");
    let name = entry.subject_value.as_deref().unwrap_or_default();
    let found: Option<Uuid> = match entry.subject {
        SubjectWord::Provider => provider_named(check, &pointer, providers, name).map(|id| id.0),
        SubjectWord::Team => {
            let team = team::find_by_name(conn, name)?;
            if team.is_none() {
                check.flaw(&pointer, format!("there is no team `{name}`; make it first"));
            }
            team.map(|team| team.id.0)
        }
        _ => return Ok(Ok(None)),
    };
    Ok(found.map(|id| Some(id.to_string())).ok_or(()))
}

impl Wanted {
    fn new(set: Set, now_ms: i64, was: Option<&StoredQuota>, quota: Quota) -> Self {
        let Set { team, is_own } = set;
        let id = was.map_or(quota.id, |was| was.quota.id);
        let quota = Quota { id, ..quota };
        let stored =
            StoredQuota { quota, team, is_own, created_at_ms: now_ms, updated_at_ms: now_ms, version: 1 };
        Self { stored, seen: was.map(|was| was.version) }
    }

    /// Does it, and tells what the quota is now.
    pub(super) fn carry_out(&self, conn: &mut AnyConnection, now_ms: i64) -> Result<QuotaBody, Halt> {
        let Some(seen) = self.seen else {
            quota::create(conn, &self.stored)?;
            return Ok(QuotaBody::new(&self.stored));
        };
        let Quota { id, limit, mode, when_alone, .. } = self.stored.quota;
        let change =
            quota::Change { name: None, limit: Some(limit), mode: Some(mode), when_alone: Some(when_alone) };
        match quota::update(conn, id, &change, seen, now_ms)? {
            Changed::Now(after) => Ok(QuotaBody::new(&after)),
            Changed::Stale | Changed::Unknown => Err(Kind::Stale.into()),
        }
    }
}
