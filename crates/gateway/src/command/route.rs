//! `nexus route`: which alias stands for which model at which provider.

mod explain;
mod rule;

use std::collections::{BTreeMap, HashMap};

use nexus_core::{capabilities::Capabilities, id::RouteId, need::Fit};
use nexus_engine::{identity, port::Clock as _};
use nexus_store::{
    Store,
    repo::{
        provider,
        route::{self, StoredRoute},
    },
};
use serde_json::json;

use super::change::{self, Deed};
use crate::{
    admin::{
        check::Check,
        problem::{Kind, Problem},
        providers::{check_model, check_rate, check_weight},
        routes::{Multiplier, RouteBody, check_known, conflict},
    },
    cli::{Output, Place, Route, RouteCreate},
    clock::SystemClock,
    dice::WorkerDice,
    start::StartError,
    terminal::{self, say},
};

pub fn run(command: Route, place: &Place) -> Result<(), StartError> {
    let store = || change::store(place);
    match command {
        Route::List { output } => list(&store()?, output.unwrap_or_else(terminal::usual_output)),
        Route::Create(wish) => create(&store()?, &wish),
        Route::Explain(question) => explain::run(&question, place),
        Route::Rule { command } => rule::run(command, &store()?),
    }
}

fn list(store: &Store, output: Output) -> Result<(), StartError> {
    let (routes, providers) = store.read_blocking(|conn| Ok((route::list(conn)?, provider::list(conn)?)))?;
    let names: HashMap<_, _> = providers.into_iter().map(|provider| (provider.id, provider.name)).collect();
    for route in &routes {
        print(route, names.get(&route.provider).map_or("-", String::as_str), output);
    }
    Ok(())
}

fn print(route: &StoredRoute, provider: &str, output: Output) {
    match output {
        Output::Json => say(&json!(RouteBody::from(route)).to_string()),
        Output::Text => {
            let state = if route.is_active { "active" } else { "inactive" };
            let StoredRoute { id, alias, real_model, .. } = route;
            say(&format!("{id}  {alias:<24}  {provider:<16}  {state:<8}  {real_model}"));
        }
    }
}

fn checked(wish: &RouteCreate) -> Result<Multiplier, Problem> {
    let mut check = Check::default();
    check_model(&mut check, "--alias", &wish.alias);
    if let Some(name) = &wish.real_name {
        check_model(&mut check, "--real-name", name);
    }
    if let Some(weight) = wish.weight {
        check_weight(&mut check, "--weight", weight);
    }
    check_rate(&mut check, "--rate-limit", wish.rate_limit);
    check_rate(&mut check, "--token-limit", wish.token_limit);
    check_rate(&mut check, "--max-concurrent", wish.max_concurrent);
    if let Some(like) = &wish.like {
        check_model(&mut check, "--like", like);
    }
    let multiplier = Multiplier::parse(&wish.cost_multiplier);
    if multiplier.is_none() {
        check.flaw("--cost-multiplier", "is not a number from 0 to 1000 with at most six decimals");
    }
    check.finish()?;
    multiplier.ok_or_else(|| Kind::Invalid.into())
}

fn create(store: &Store, wish: &RouteCreate) -> Result<(), StartError> {
    let multiplier = checked(wish)?;
    let clock = SystemClock::new();
    let now_ms = clock.unix_ms();
    let id = RouteId(identity::mint(&clock, &WorkerDice::new()));
    let route = change::change(store, now_ms, |conn| {
        let provider = provider::find_by_name(conn, &wish.provider)?.ok_or_else(|| {
            let why = format!(
                "there is no provider `{}`; `nexus provider list` shows what there is",
                wish.provider
            );
            Problem::new(Kind::NotFound, why)
        })?;
        let route = StoredRoute {
            id,
            alias: wish.alias.clone(),
            provider: provider.id,
            real_model: wish.real_name.clone().unwrap_or_else(|| wish.alias.clone()),
            cost_multiplier_ppm: multiplier.0,
            rate_limit: wish.rate_limit,
            token_limit: wish.token_limit,
            max_concurrent: wish.max_concurrent,
            region_weights: BTreeMap::new(),
            is_active: true,
            weight: wish.weight,
            tier: wish.tier,
            fit: Fit::default(),
            capabilities: Capabilities {
                like: wish.like.as_deref().map(Into::into),
                input: wish.input_modalities.as_ref().map(|these| these.iter().copied().collect()),
                output: wish.output_modalities.as_ref().map(|these| these.iter().copied().collect()),
                ..Capabilities::default()
            },
            created_at_ms: now_ms,
            updated_at_ms: now_ms,
            version: 1,
        };
        let mut check = Check::default();
        check_known(&mut check, "-", &provider.kind, &route.real_model, &route.capabilities);
        check.finish()?;
        route::create(conn, &route).map_err(conflict)?;
        let deed = Deed::of("model_route.create", "model_route", id).to(&RouteBody::from(&route));
        Ok((route, Some(deed)))
    })?;
    print(&route, &wish.provider, wish.output.unwrap_or_else(terminal::usual_output));
    Ok(())
}
