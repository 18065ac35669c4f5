//! `nexus config`: what is wrong with a file, what is in force, what can be set; providers out and in.

use std::path::Path;

use nexus_config::{load::Flags, reference};
use nexus_core::role::ActorId;
use nexus_engine::port::Clock as _;
use nexus_wire::surface::coverage_markdown;
use serde_json::json;

use super::change;
use crate::{
    admin::config::{Differences, Fate, export},
    apply::{File, Run, Workshop},
    boot,
    cli::{Config, ConfigImport, Output, Place},
    clock::SystemClock,
    dice::WorkerDice,
    route,
    start::StartError,
    terminal::{self, say},
};

pub fn run(command: Config) -> Result<(), StartError> {
    match command {
        Config::Check { file } => {
            boot::settings(Some(&file), &Flags::default())?;
            say(&format!("{}: no problems", file.display()));
        }
        Config::Print { config } => {
            say(boot::settings(config.as_deref(), &Flags::default())?.to_yaml_redacted().trim_end());
        }
        Config::Reference => say(reference::reference_markdown().trim_end()),
        Config::Coverage => say(coverage_markdown().trim_end()),
        Config::Urls => {
            for (method, path, access) in route::urls() {
                say(&format!("{method:<6}  {access:<15}  {path}"));
            }
        }
        Config::Export { config } => {
            let exported = change::store(&Place { config })?
                .read_blocking(|conn| export(conn, SystemClock::new().unix_ms()))?;
            say(exported.to_yaml().trim_end());
        }
        Config::Import(wish) => import(&wish)?,
    }
    Ok(())
}

/// Puts a file's providers, models, rules, prices and quotas into the database; nothing is taken away.
fn import(wish: &ConfigImport) -> Result<(), StartError> {
    let file = File::take(&mut boot::settings(Some(&wish.file), &Flags::default())?);
    let place: &Path = wish.config.as_deref().unwrap_or(&wish.file);
    let store = change::store(&Place { config: Some(place.to_owned()) })?;
    let keys = change::keys(&store)?;
    let (clock, dice) = (SystemClock::new(), WorkerDice::new());
    let workshop = Workshop { store: &store, sealer: change::sealer(&keys), clock: &clock, dice: &dice };
    let run = if wish.dry_run { Run::Dry } else { Run::Real };
    let differences = workshop.apply(file, run, ActorId::Console, "config.apply")?;
    match wish.output.unwrap_or_else(terminal::usual_output) {
        Output::Json => say(&json!(differences).to_string()),
        Output::Text => print(&differences),
    }
    Ok(())
}

fn print(differences: &Differences) {
    for provider in &differences.providers {
        say(&line(provider.change, &format!("provider {}", provider.name), &provider.fields));
    }
    for route in &differences.model_routes {
        let what = format!("model {} at {} ({})", route.alias, route.provider, route.real_name);
        say(&line(route.change, &what, &route.fields));
    }
    for rule in &differences.rules {
        let of = rule.team.as_ref().map_or_else(String::new, |team| format!(" of team {team}"));
        say(&line(rule.change, &format!("rule for {}{of}", rule.alias), &rule.fields));
    }
    for price in &differences.prices {
        let at = price.provider.as_ref().map_or_else(String::new, |name| format!(" at {name}"));
        say(&line(price.change, &format!("price of {}{at}", price.real_name), &price.fields));
    }
    for quota in &differences.quotas {
        say(&line(quota.change, &format!("quota {}", quota.name), &quota.fields));
    }
    for name in &differences.without_key {
        say(&format!("provider {name} has no key"));
    }
}

fn line(change: Fate, what: &str, fields: &[String]) -> String {
    let word = match change {
        Fate::Created => "created",
        Fate::Updated => "updated",
        Fate::Unchanged => "unchanged",
    };
    if fields.is_empty() {
        format!("{word:<9}  {what}")
    } else {
        format!("{word:<9}  {what}: {}", fields.join(", "))
    }
}
