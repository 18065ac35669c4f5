//! A provider's pool as this node sees it: which of its credentials take requests, and which are out or at rest.
//!
//! It is a state of the moment and in no table: a credential that is changed begins anew.

use nexus_core::{
    id::{CredentialId, ProviderId, Uuid},
    pool::{Condition, Out},
};
use nexus_engine::port::Clock;
use nexus_store::repo::provider;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    answer::{Gone, Recorded, Told},
    call::{Call, found},
    change::Change,
    credentials::of_provider,
    problem::Problem,
};

/// The active credentials of a provider.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Pool)]
pub struct PoolBody {
    pub data: Vec<ConditionBody>,
}

/// How a credential fares.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CredentialCondition)]
pub struct ConditionBody {
    pub credential_id: Uuid,
    pub state: StateWord,
    /// Why it is out, as faults are named in metrics.
    pub reason: Option<String>,
    /// Unix seconds. Since when it is out.
    pub since: Option<i64>,
    /// Unix seconds. When the next request may try it.
    pub probe_at: Option<i64>,
    /// Models it is not asked for at the moment.
    pub rests: Vec<RestBody>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = CredentialState)]
pub enum StateWord {
    Good,
    /// The provider refused it.
    Out,
    /// The provider asked to wait, about some models.
    Resting,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CredentialRest)]
pub struct RestBody {
    /// The provider's name of it.
    pub model: String,
    /// Unix seconds.
    pub until: i64,
}

impl ConditionBody {
    fn of(id: CredentialId, condition: &Condition, clock: &dyn Clock) -> Self {
        let (now_ms, now_us) = (clock.unix_ms(), clock.monotonic_us());
        let unix_s = |at_us: u64| {
            let ahead_ms = (i128::from(at_us) - i128::from(now_us)) / 1000;
            let at_ms = i128::from(now_ms) + ahead_ms;
            i64::try_from(at_ms.div_euclid(1000)).unwrap_or(i64::MAX)
        };
        let rests = condition.rests.iter();
        Self {
            credential_id: id.0,
            state: match (&condition.out, condition.rests.is_empty()) {
                (Some(_), _) => StateWord::Out,
                (None, false) => StateWord::Resting,
                (None, true) => StateWord::Good,
            },
            reason: condition.out.map(|out| out.reason.as_str().to_owned()),
            since: condition.out.map(|Out { since_us, .. }| unix_s(since_us)),
            probe_at: condition.out.map(|Out { probe_at_us, .. }| unix_s(probe_at_us)),
            rests: rests
                .map(|rest| RestBody { model: rest.model.to_string(), until: unix_s(rest.until_us) })
                .collect(),
        }
    }
}

pub async fn show(call: Call) -> Result<Told<PoolBody>, Problem> {
    let id: ProviderId = call.id("id")?;
    found(call.read(move |conn| provider::show(conn, id)).await?)?;
    let shared = &call.worker().engine.shared;
    let world = shared.worlds.current();
    let members = world.pool(id).map(|pool| pool.members()).unwrap_or_default();
    let now_us = shared.clock.monotonic_us();
    let told = members.iter().map(|member| {
        ConditionBody::of(member.credential.id, &member.trust.condition(now_us), &*shared.clock)
    });
    Ok(Told(PoolBody { data: told.collect() }))
}

/// Forgets on this node what a credential has come to, so that it takes requests at once.
pub async fn reset(call: Call) -> Result<Recorded<Gone>, Problem> {
    let (provider, id): (ProviderId, CredentialId) = (call.id("id")?, call.id("credential_id")?);
    let recorded = call
        .change("credential.reset", move |conn| {
            found(of_provider(conn, provider, id)?)?;
            Ok(Change::of("credential", id, None, Gone))
        })
        .await?;
    if call.manner.is_dry {
        return Ok(recorded);
    }
    let shared = &call.worker().engine.shared;
    let world = shared.worlds.current();
    if let Some(pool) = world.pool(provider) {
        for member in pool.members().iter().filter(|member| member.credential.id == id) {
            member.trust.reset();
        }
        world.count_out(provider, &shared.meters, shared.clock.monotonic_us());
    }
    Ok(recorded)
}
