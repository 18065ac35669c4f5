//! What configuration would change, and its being carried out: things are added and changed, never taken away.
//!
//! A plan is made and carried out in one transaction, or made and shown only.

use nexus_core::id::{CredentialId, ProviderId, RouteId, Uuid};
use nexus_store::{
    AnyConnection,
    repo::{
        Page,
        credential::{self, SealedSecret},
        provider::{self, StoredProvider},
        route::{self, StoredRoute},
    },
};
use serde::Serialize;
use utoipa::ToSchema;

use super::entry::{Offer, OfferedModel};
use crate::admin::{
    change::Halt,
    credentials::{Sealer, failed},
    providers::ProviderBody,
    routes::RouteBody,
};

/// Routes of one alias to one provider that are looked through.
const TWINS_MAX: u32 = 1000;

/// What becomes of a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    Created,
    Updated,
    Unchanged,
}

/// What becomes of each thing that is named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Differences {
    pub providers: Vec<ProviderDifference>,
    pub model_routes: Vec<RouteDifference>,
    /// Providers that have no key and get none; give them a credential where they need one.
    pub without_key: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ProviderDifference {
    pub name: String,
    pub change: Fate,
    /// The members that become others.
    pub fields: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct RouteDifference {
    pub provider: String,
    pub alias: String,
    pub real_name: String,
    pub change: Fate,
    /// The members that become others.
    pub fields: Vec<String>,
}

/// Things as they are, for the trail.
#[derive(Debug, Default, Serialize)]
pub struct Things {
    pub providers: Vec<ProviderBody>,
    pub model_routes: Vec<RouteBody>,
}

/// What is to be done.
#[derive(Default)]
pub struct Plan {
    pub differences: Differences,
    /// What is changed, as it was.
    pub before: Things,
    providers: Vec<StoredProvider>,
    routes: Vec<StoredRoute>,
    secrets: Vec<(CredentialId, ProviderId, SealedSecret)>,
}

/// What a plan is made with.
pub struct Planner<'a> {
    pub sealer: Sealer<'a>,
    pub fresh_id: &'a dyn Fn() -> Uuid,
    pub now_ms: i64,
}

macro_rules! differing {
    ($was:expr, $is:expr, $($member:ident as $name:literal),+) => {{
        let mut fields: Vec<String> = Vec::new();
        $(if $was.$member != $is.$member { fields.push($name.to_owned()); })+
        fields
    }};
}

fn fate(is_there: bool, fields: &[String]) -> Fate {
    match (is_there, fields.is_empty()) {
        (false, _) => Fate::Created,
        (true, true) => Fate::Unchanged,
        (true, false) => Fate::Updated,
    }
}

impl Planner<'_> {
    pub fn plan(&self, conn: &mut AnyConnection, offers: Vec<Offer>) -> Result<Plan, Halt> {
        let mut plan = Plan::default();
        for offer in offers {
            self.provider(conn, &mut plan, offer)?;
        }
        Ok(plan)
    }

    fn provider(&self, conn: &mut AnyConnection, plan: &mut Plan, offer: Offer) -> Result<(), Halt> {
        let present = provider::find_by_name(conn, &offer.name)?;
        let wanted = StoredProvider {
            id: present.as_ref().map_or_else(|| ProviderId((self.fresh_id)()), |present| present.id),
            name: offer.name.clone(),
            kind: offer.kind.clone(),
            endpoint: offer.endpoint.clone(),
            weight: offer.weight,
            rate_limit: offer.rate_limit,
            allow_private_network: offer.allow_private_network,
            is_active: true,
            created_at_ms: self.now_ms,
            updated_at_ms: self.now_ms,
            version: 1,
        };
        let mut fields = present.as_ref().map_or_else(Vec::new, |was| {
            differing!(
                was, wanted, kind as "kind", endpoint as "endpoint", weight as "weight",
                rate_limit as "rate_limit", allow_private_network as "allow_private_network",
                is_active as "is_active"
            )
        });
        let is_row_changed = present.is_none() || !fields.is_empty();
        if self.secret(conn, plan, wanted.id, &offer)? {
            fields.push("api_key".to_owned());
        }
        let change = fate(present.is_some(), &fields);
        plan.differences.providers.push(ProviderDifference { name: offer.name.clone(), change, fields });
        for model in offer.models {
            self.route(conn, plan, &wanted, model)?;
        }
        if is_row_changed {
            plan.before.providers.extend(present.as_ref().map(ProviderBody::from));
            plan.providers.push(wanted);
        }
        Ok(())
    }

    /// Whether the provider's `default` credential gets another key.
    fn secret(
        &self,
        conn: &mut AnyConnection,
        plan: &mut Plan,
        provider: ProviderId,
        offer: &Offer,
    ) -> Result<bool, Halt> {
        let known = credential::find_by_name(conn, provider, credential::DEFAULT)?;
        let Some(key) = offer.api_key.as_ref() else {
            let one = Page { after: None, limit: 1 };
            if known.is_none() && credential::page(conn, provider, &one)?.is_empty() {
                plan.differences.without_key.push(offer.name.clone());
            }
            return Ok(false);
        };
        let (id, generation) = match &known {
            Some(known) if self.sealer.is_sealed(known.id, &known.secret, key.secret()) => return Ok(false),
            Some(known) => (known.id, known.secret.generation.saturating_add(1)),
            None => (CredentialId((self.fresh_id)()), 0),
        };
        let secret = self.sealer.seal(id, generation, key.secret()).map_err(failed)?;
        plan.secrets.push((id, provider, secret));
        Ok(true)
    }

    fn route(
        &self,
        conn: &mut AnyConnection,
        plan: &mut Plan,
        provider: &StoredProvider,
        model: OfferedModel,
    ) -> Result<(), Halt> {
        let filter = route::Filter { alias: Some(model.alias.clone()), provider: Some(provider.id) };
        let twins = route::page(conn, &filter, &Page { after: None, limit: TWINS_MAX })?;
        let present = twins.into_iter().find(|route| route.real_model == model.real_name);
        let wanted = StoredRoute {
            id: present.as_ref().map_or_else(|| RouteId((self.fresh_id)()), |present| present.id),
            alias: model.alias,
            provider: provider.id,
            real_model: model.real_name,
            cost_multiplier_ppm: model.cost_multiplier.0,
            rate_limit: model.rate_limit,
            region_weights: model.region_weights,
            is_active: true,
            // the file's shape has no word for it
            weight: present.as_ref().and_then(|present| present.weight),
            created_at_ms: self.now_ms,
            updated_at_ms: self.now_ms,
            version: 1,
        };
        let fields = present.as_ref().map_or_else(Vec::new, |was| {
            differing!(
                was, wanted, cost_multiplier_ppm as "cost_multiplier", rate_limit as "rate_limit",
                region_weights as "region_weights", is_active as "is_active"
            )
        });
        let change = fate(present.is_some(), &fields);
        plan.differences.model_routes.push(RouteDifference {
            provider: provider.name.clone(),
            alias: wanted.alias.clone(),
            real_name: wanted.real_model.clone(),
            change,
            fields,
        });
        if change != Fate::Unchanged {
            plan.before.model_routes.extend(present.as_ref().map(RouteBody::from));
            plan.routes.push(wanted);
        }
        Ok(())
    }
}

impl Plan {
    /// Does it, and tells what the changed things are now.
    pub fn carry_out(&self, conn: &mut AnyConnection, now_ms: i64) -> Result<Things, Halt> {
        let mut after = Things::default();
        for wanted in &self.providers {
            let (id, _) = provider::apply(conn, wanted, now_ms)?;
            after.providers.extend(provider::show(conn, id)?.as_ref().map(ProviderBody::from));
        }
        for wanted in &self.routes {
            let (id, _) = route::apply(conn, wanted, now_ms)?;
            after.model_routes.extend(route::show(conn, id)?.as_ref().map(RouteBody::from));
        }
        for (id, provider, secret) in &self.secrets {
            credential::apply(conn, *id, *provider, secret, now_ms)?;
        }
        Ok(after)
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.providers.is_empty() && self.routes.is_empty() && self.secrets.is_empty()
    }
}
