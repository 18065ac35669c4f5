//! `nexus route rule`: what is set for an alias beside its models.

use std::collections::{BTreeMap, HashMap};

use nexus_core::{
    id::{RuleId, TeamId},
    policy::{Cause, Conduct, Policy, Rule},
};
use nexus_engine::{identity, port::Clock as _};
use nexus_store::{
    AnyConnection, Store,
    repo::{
        Changed,
        rule::{self, StoredRule},
        team,
    },
};
use serde_json::json;

use crate::{
    admin::{
        change::Halt,
        check::Check,
        problem::{Kind, Problem},
        providers::check_model,
        rules::{RuleBody, checked_conduct, conflict, refuse_cycle},
    },
    cli::{self, Output, RuleSet},
    clock::SystemClock,
    command::change::{Deed, change},
    dice::WorkerDice,
    start::StartError,
    terminal::{self, say},
};

pub fn run(command: cli::Rule, store: &Store) -> Result<(), StartError> {
    match command {
        cli::Rule::List { output } => list(store, output.unwrap_or_else(terminal::usual_output)),
        cli::Rule::Set(wish) => set(store, &wish),
        cli::Rule::Delete { alias, team } => delete(store, &alias, team.as_deref()),
    }
}

fn list(store: &Store, output: Output) -> Result<(), StartError> {
    let (rules, teams) = store.read_blocking(|conn| Ok((rule::list(conn)?, team::list(conn)?)))?;
    let names: HashMap<_, _> = teams.into_iter().map(|team| (team.id, team.name)).collect();
    for stored in &rules {
        let team = stored.team.map_or("-", |team| names.get(&team).map_or("?", String::as_str));
        print(stored, team, output);
    }
    Ok(())
}

fn print(stored: &StoredRule, team: &str, output: Output) {
    match output {
        Output::Json => say(&json!(RuleBody::from(stored)).to_string()),
        Output::Text => {
            let StoredRule { alias, rule, .. } = stored;
            let stands_for = rule.stands_for.as_deref().unwrap_or("-");
            let fallbacks = rule.fallbacks.iter().flat_map(|(cause, aliases)| {
                aliases.iter().map(move |alias| format!("{}={alias}", cause.as_str()))
            });
            let fallbacks = fallbacks.collect::<Vec<_>>().join(" ");
            let policy = rule.policy.as_str();
            say(&format!("{alias:<24}  {team:<16}  {stands_for:<24}  {policy:<13}  {fallbacks}"));
        }
    }
}

fn checked(wish: &RuleSet) -> Result<Rule, Problem> {
    let mut check = Check::default();
    check_model(&mut check, "--alias", &wish.alias);
    if let Some(alias) = &wish.stands_for {
        check_model(&mut check, "--stands-for", alias);
    }
    let policy = Policy::from_word(&wish.policy);
    if policy.is_none() {
        let words = Policy::ALL.map(Policy::as_str).join("`, `");
        check.flaw("--policy", format!("is none of `{words}`"));
    }
    let mut fallbacks: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for text in &wish.fallbacks {
        match text.split_once('=').and_then(|(cause, alias)| Some((Cause::from_word(cause)?, alias))) {
            Some((cause, alias)) => {
                check_model(&mut check, "--fallback", alias);
                fallbacks.entry(cause).or_default().push(alias.into());
            }
            None => check.flaw("--fallback", format!("`{text}` is not like `failure=ALIAS`")),
        }
    }
    let conduct = Conduct {
        cache_ttl_s: wish.cache_ttl_s,
        hedge_percent: wish.hedge_percent,
        continues: wish.r#continue,
    };
    let conduct = checked_conduct(&mut check, ["--cache-ttl-s", "--hedge-percent"], conduct);
    check.finish()?;
    Ok(Rule {
        stands_for: wish.stands_for.as_deref().map(Into::into),
        policy: policy.unwrap_or_default(),
        has_affinity: wish.affinity,
        fallbacks,
        conduct,
    })
}

fn team_named(conn: &mut AnyConnection, name: Option<&str>) -> Result<Option<TeamId>, Halt> {
    let Some(name) = name else { return Ok(None) };
    match team::find_by_name(conn, name)? {
        Some(team) => Ok(Some(team.id)),
        None => {
            let why = format!("there is no team `{name}`; `nexus team list` shows what there is");
            Err(Problem::new(Kind::NotFound, why).into())
        }
    }
}

fn find(conn: &mut AnyConnection, alias: &str, team: Option<TeamId>) -> Result<Option<StoredRule>, Halt> {
    Ok(rule::list(conn)?.into_iter().find(|stored| stored.alias == alias && stored.team == team))
}

fn set(store: &Store, wish: &RuleSet) -> Result<(), StartError> {
    let rule = checked(wish)?;
    let clock = SystemClock::new();
    let now_ms = clock.unix_ms();
    let id = RuleId(identity::mint(&clock, &WorkerDice::new()));
    let stored = change(store, now_ms, |conn| {
        let team = team_named(conn, wish.team.as_deref())?;
        let (stored, deed) = match find(conn, &wish.alias, team)? {
            Some(before) => {
                let after = match rule::update(conn, before.id, &rule, before.version, now_ms)? {
                    Changed::Now(after) => after,
                    Changed::Stale | Changed::Unknown => return Err(Kind::Stale.into()),
                };
                let deed = Deed::of("routing_rule.update", "routing_rule", after.id);
                let deed = deed.from(&RuleBody::from(&before)).to(&RuleBody::from(&after));
                (after, deed)
            }
            None => {
                let (alias, times) = (wish.alias.clone(), (now_ms, now_ms));
                let (created_at_ms, updated_at_ms) = times;
                let new = StoredRule { id, alias, team, rule, created_at_ms, updated_at_ms, version: 1 };
                rule::create(conn, &new).map_err(conflict)?;
                let deed = Deed::of("routing_rule.create", "routing_rule", id).to(&RuleBody::from(&new));
                (new, deed)
            }
        };
        refuse_cycle(conn)?;
        Ok((stored, Some(deed)))
    })?;
    let team = wish.team.as_deref().unwrap_or("-");
    print(&stored, team, wish.output.unwrap_or_else(terminal::usual_output));
    Ok(())
}

fn delete(store: &Store, alias: &str, team: Option<&str>) -> Result<(), StartError> {
    change(store, SystemClock::new().unix_ms(), |conn| {
        let team = team_named(conn, team)?;
        let Some(before) = find(conn, alias, team)? else {
            let why = "there is no such rule; `nexus route rule list` shows what there is";
            return Err(Problem::new(Kind::NotFound, why).into());
        };
        rule::delete(conn, before.id)?;
        refuse_cycle(conn)?;
        let deed = Deed::of("routing_rule.delete", "routing_rule", before.id);
        Ok(((), Some(deed.from(&RuleBody::from(&before)))))
    })
}
