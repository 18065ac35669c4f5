//! What configuration would change, and its being carried out: things are added and changed, never taken away.
//! What is not said of a thing that is there stays as it is.
//!
//! A plan is made and carried out in one transaction, or made and shown only.

mod money;
mod rules;

use nexus_core::id::{CredentialId, ProviderId, RouteId, Uuid};
use nexus_store::{
    AnyConnection,
    repo::{
        Page,
        credential::{self, SealedSecret},
        price::{self, StoredPrice},
        provider::{self, StoredProvider},
        route::{self, PPM, StoredRoute},
    },
};
use serde::Serialize;
use utoipa::ToSchema;

pub use self::money::{PriceDifference, QuotaDifference};
use super::entry::{Offer, OfferedModel, Offers};
use crate::admin::{
    change::Halt,
    check::Check,
    credentials::{Sealer, as_default},
    prices::PriceBody,
    providers::{
        ProviderBody, check_key, check_options, check_way, shown_options, usual_endpoint, usual_weight,
    },
    quotas::QuotaBody,
    routes::{RouteBody, check_known},
    rules::RuleBody,
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
    pub rules: Vec<RuleDifference>,
    pub prices: Vec<PriceDifference>,
    pub quotas: Vec<QuotaDifference>,
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

#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct RuleDifference {
    pub alias: String,
    /// The name of the team whose rule it is; none: everybody's.
    pub team: Option<String>,
    pub change: Fate,
    /// The members that become others.
    pub fields: Vec<String>,
}

/// Things as they are, for the trail.
#[derive(Debug, Default, Serialize)]
pub struct Things {
    pub providers: Vec<ProviderBody>,
    pub model_routes: Vec<RouteBody>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RuleBody>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub prices: Vec<PriceBody>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub quotas: Vec<QuotaBody>,
}

/// What is to be done.
#[derive(Default)]
pub struct Plan {
    pub differences: Differences,
    /// What is changed, as it was.
    pub before: Things,
    providers: Vec<StoredProvider>,
    routes: Vec<StoredRoute>,
    rules: Vec<rules::Wanted>,
    prices: Vec<StoredPrice>,
    quotas: Vec<money::Wanted>,
    secrets: Vec<(CredentialId, ProviderId, SealedSecret)>,
    /// Providers that have moved to another server, where no key but the new one is sent.
    moved: Vec<ProviderId>,
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
    pub fn plan(&self, conn: &mut AnyConnection, offers: Offers) -> Result<Plan, Halt> {
        let (mut plan, mut check) = (Plan::default(), Check::default());
        for offer in offers.providers {
            self.provider(conn, &mut plan, &mut check, offer)?;
        }
        rules::plan(self, conn, &mut plan, &mut check, offers.rules)?;
        money::prices(self, conn, &mut plan, &mut check, offers.prices)?;
        money::quotas(self, conn, &mut plan, &mut check, offers.quotas)?;
        check.finish()?;
        Ok(plan)
    }

    /// The provider as it is to be, where it can be so.
    fn wanted(
        &self,
        check: &mut Check,
        was: Option<&StoredProvider>,
        offer: &Offer,
    ) -> Option<StoredProvider> {
        let pointer = format!("{}/endpoint", offer.place);
        let endpoint = match (&offer.endpoint, was) {
            (Some(endpoint), _) => Some(endpoint.clone()),
            (None, Some(was)) if was.kind == offer.kind => Some(was.endpoint.clone()),
            (None, _) => usual_endpoint(check, &pointer, &offer.kind),
        }?;
        let allow = offer.allow_private_network.or_else(|| was.map(|was| was.allow_private_network));
        let allow_private_network = allow.unwrap_or_default();
        check_way(check, &pointer, &endpoint, allow_private_network);
        let kept = || was.filter(|was| was.kind == offer.kind).map(|was| shown_options(&was.options));
        let said = offer.options.clone().or_else(kept).unwrap_or_default();
        let options = check_options(check, &offer.place, &offer.kind, &endpoint, &said);
        Some(StoredProvider {
            id: was.map_or_else(|| ProviderId((self.fresh_id)()), |was| was.id),
            name: offer.name.clone(),
            kind: offer.kind.clone(),
            endpoint,
            options,
            weight: offer.weight.or_else(|| was.map(|was| was.weight)).unwrap_or_else(usual_weight),
            rate_limit: offer.rate_limit.or_else(|| was.and_then(|was| was.rate_limit)),
            token_limit: offer.token_limit.or_else(|| was.and_then(|was| was.token_limit)),
            max_concurrent: offer.max_concurrent.or_else(|| was.and_then(|was| was.max_concurrent)),
            allow_private_network,
            is_active: was.is_none_or(|was| was.is_active),
            created_at_ms: self.now_ms,
            updated_at_ms: self.now_ms,
            version: 1,
        })
    }

    fn provider(
        &self,
        conn: &mut AnyConnection,
        plan: &mut Plan,
        check: &mut Check,
        offer: Offer,
    ) -> Result<(), Halt> {
        let present = provider::find_by_name(conn, &offer.name)?;
        let Some(wanted) = self.wanted(check, present.as_ref(), &offer) else { return Ok(()) };
        let mut fields = present.as_ref().map_or_else(Vec::new, |was| {
            differing!(
                was, wanted, kind as "kind", endpoint as "endpoint", options as "options", weight as "weight",
                rate_limit as "rate_limit", token_limit as "token_limit", max_concurrent as "max_concurrent",
                allow_private_network as "allow_private_network"
            )
        });
        let has_moved = present.as_ref().is_some_and(|was| {
            !was.endpoint.is_at_server_of(&was.options, &wanted.endpoint, &wanted.options)
        });
        if has_moved && credential::is_any_of(conn, wanted.id)? {
            check_key(check, &format!("{}/api_key", offer.place), offer.api_key.as_ref());
            plan.moved.push(wanted.id);
        }
        let is_row_changed = present.is_none() || !fields.is_empty();
        if self.secret(conn, plan, wanted.id, &offer)? {
            fields.push("api_key".to_owned());
        }
        let change = fate(present.is_some(), &fields);
        plan.differences.providers.push(ProviderDifference { name: offer.name.clone(), change, fields });
        for (at, model) in offer.models.into_iter().enumerate() {
            let place = format!("{}/models/{at}", offer.place);
            self.route(conn, plan, check, &wanted, (&place, model))?;
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
        let Some(key) = offer.api_key.as_ref() else {
            if !credential::is_any_of(conn, provider)? {
                plan.differences.without_key.push(offer.name.clone());
            }
            return Ok(false);
        };
        let renewed = as_default(conn, self.sealer, provider, self.fresh_id, key)?;
        let is_other = renewed.is_some();
        plan.secrets.extend(renewed.map(|(id, secret)| (id, provider, secret)));
        Ok(is_other)
    }

    /// The model as it is to be.
    fn wanted_route(
        &self,
        conn: &mut AnyConnection,
        check: &mut Check,
        was: Option<&StoredRoute>,
        provider: &StoredProvider,
        model: OfferedModel,
    ) -> Result<StoredRoute, Halt> {
        let fit = match model.fit {
            Some(fit) => Some(rules::fit(conn, check, fit, &model.alias)?),
            None => None,
        };
        let multiplier = model.cost_multiplier.map(|multiplier| multiplier.0);
        Ok(StoredRoute {
            id: was.map_or_else(|| RouteId((self.fresh_id)()), |was| was.id),
            alias: model.alias,
            provider: provider.id,
            real_model: model.real_name,
            cost_multiplier_ppm: multiplier.or_else(|| was.map(|was| was.cost_multiplier_ppm)).unwrap_or(PPM),
            rate_limit: model.rate_limit.or_else(|| was.and_then(|was| was.rate_limit)),
            token_limit: model.token_limit.or_else(|| was.and_then(|was| was.token_limit)),
            max_concurrent: model.max_concurrent.or_else(|| was.and_then(|was| was.max_concurrent)),
            region_weights: model
                .region_weights
                .or_else(|| was.map(|was| was.region_weights.clone()))
                .unwrap_or_default(),
            is_active: was.is_none_or(|was| was.is_active),
            weight: model.weight.or_else(|| was.and_then(|was| was.weight)),
            tier: model.tier.or_else(|| was.map(|was| was.tier)).unwrap_or_default(),
            fit: fit.or_else(|| was.map(|was| was.fit.clone())).unwrap_or_default(),
            capabilities: model
                .capabilities
                .or_else(|| was.map(|was| was.capabilities.clone()))
                .unwrap_or_default(),
            created_at_ms: self.now_ms,
            updated_at_ms: self.now_ms,
            version: 1,
        })
    }

    fn route(
        &self,
        conn: &mut AnyConnection,
        plan: &mut Plan,
        check: &mut Check,
        provider: &StoredProvider,
        (place, model): (&str, OfferedModel),
    ) -> Result<(), Halt> {
        let filter = route::Filter { alias: Some(model.alias.clone()), provider: Some(provider.id) };
        let twins = route::page(conn, &filter, &Page { after: None, limit: TWINS_MAX })?;
        let present = twins.into_iter().find(|route| route.real_model == model.real_name);
        let wanted = self.wanted_route(conn, check, present.as_ref(), provider, model)?;
        let pointer = format!("{place}/capabilities");
        check_known(check, &pointer, &provider.kind, &wanted.real_model, &wanted.capabilities);
        let fields = present.as_ref().map_or_else(Vec::new, |was| {
            differing!(
                was, wanted, weight as "weight", tier as "tier", fit as "fit", cost_multiplier_ppm as "cost_multiplier",
                rate_limit as "rate_limit", token_limit as "token_limit", max_concurrent as "max_concurrent",
                region_weights as "region_weights", capabilities as "capabilities"
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
        for id in &self.moved {
            credential::delete_all_but_default(conn, *id)?;
        }
        for wanted in &self.routes {
            let (id, _) = route::apply(conn, wanted, now_ms)?;
            after.model_routes.extend(route::show(conn, id)?.as_ref().map(RouteBody::from));
        }
        for wanted in &self.rules {
            after.rules.push(wanted.carry_out(conn, now_ms)?);
        }
        for wanted in &self.prices {
            price::create(conn, wanted)?;
            after.prices.push(PriceBody::new(wanted));
        }
        for wanted in &self.quotas {
            after.quotas.push(wanted.carry_out(conn, now_ms)?);
        }
        for (id, provider, secret) in &self.secrets {
            credential::apply(conn, *id, *provider, secret, now_ms)?;
        }
        Ok(after)
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.providers.is_empty()
            && self.routes.is_empty()
            && self.rules.is_empty()
            && self.prices.is_empty()
            && self.quotas.is_empty()
            && self.secrets.is_empty()
            && self.moved.is_empty()
    }
}
