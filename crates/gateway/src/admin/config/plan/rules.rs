//! What configuration would change about rules, and about the teams models are for.

use nexus_config::settings;
use nexus_core::{
    id::{RuleId, TeamId},
    need::Fit,
    policy::{Rule, Rules},
};
use nexus_store::{
    AnyConnection,
    repo::{
        Changed,
        rule::{self, StoredRule},
        team,
    },
};

use super::{Plan, Planner, RuleDifference, fate};
use crate::admin::{change::Halt, check::Check, config::entry::OfferedRule, problem::Kind, rules::RuleBody};

/// A rule that is to be made or changed.
pub(super) struct Wanted {
    stored: StoredRule,
    /// The version that was seen; `None`: there is none yet.
    seen: Option<i64>,
}

/// Adds the rules to the plan. One that would lead in a circle is refused.
pub(super) fn plan(
    planner: &Planner<'_>,
    conn: &mut AnyConnection,
    plan: &mut Plan,
    check: &mut Check,
    offers: Vec<OfferedRule>,
) -> Result<(), Halt> {
    if offers.is_empty() {
        return Ok(());
    }
    let present = rule::list(conn)?;
    let mut all = Rules::default();
    for stored in &present {
        all.insert(&stored.alias, stored.team, stored.rule.clone());
    }
    for OfferedRule { place, alias, team, rule } in offers {
        let pointer = format!("{place}/team");
        let Ok(team_id) = team_named(conn, check, &pointer, team.as_deref())? else { continue };
        let was = present.iter().find(|stored| stored.alias == alias && stored.team == team_id);
        all.insert(&alias, team_id, rule.clone());
        let fields = was.map_or_else(Vec::new, |was| differing(&was.rule, &rule));
        let change = fate(was.is_some(), &fields);
        let is_changed = was.is_none() || !fields.is_empty();
        plan.differences.rules.push(RuleDifference { alias: alias.clone(), team, change, fields });
        if is_changed {
            plan.before.rules.extend(was.map(RuleBody::from));
            plan.rules.push(Wanted {
                stored: StoredRule {
                    id: was.map_or_else(|| RuleId((planner.fresh_id)()), |was| was.id),
                    alias,
                    team: team_id,
                    rule,
                    created_at_ms: planner.now_ms,
                    updated_at_ms: planner.now_ms,
                    version: 1,
                },
                seen: was.map(|was| was.version),
            });
        }
    }
    if let Some(way) = all.cycle() {
        let way: Vec<_> = way.iter().map(|alias| format!("`{alias}`")).collect();
        check.flaw("/rules", format!("lead an alias back to itself: {}", way.join(" -> ")));
    }
    Ok(())
}

fn differing(was: &Rule, is: &Rule) -> Vec<String> {
    let members = [
        ("stands_for", was.stands_for != is.stands_for),
        ("policy", was.policy != is.policy),
        ("affinity", was.has_affinity != is.has_affinity),
        ("fallbacks", was.fallbacks != is.fallbacks),
        ("cache_ttl_s", was.conduct.cache_ttl_s != is.conduct.cache_ttl_s),
        ("hedge_percent", was.conduct.hedge_percent != is.conduct.hedge_percent),
        ("continue", was.conduct.continues != is.conduct.continues),
    ];
    let differing = members.into_iter().filter(|(_, is_other)| *is_other);
    differing.map(|(name, _)| name.to_owned()).collect()
}

/// The team of a name, or everybody; a name that is nobody's is told.
fn team_named(
    conn: &mut AnyConnection,
    check: &mut Check,
    pointer: &str,
    name: Option<&str>,
) -> Result<Result<Option<TeamId>, ()>, Halt> {
    let Some(name) = name else { return Ok(Ok(None)) };
    match team::find_by_name(conn, name)? {
        Some(team) => Ok(Ok(Some(team.id))),
        None => {
            check.flaw(pointer, format!("there is no team `{name}`; make it first"));
            Ok(Err(()))
        }
    }
}

/// What a model is there for, with the ids of its teams.
pub(super) fn fit(
    conn: &mut AnyConnection,
    check: &mut Check,
    fit: settings::Fit,
    alias: &str,
) -> Result<Fit, Halt> {
    let mut teams = Vec::new();
    for name in &fit.teams {
        let pointer = format!("model {alias}: /fit/teams");
        if let Ok(team) = team_named(conn, check, &pointer, Some(name))? {
            teams.extend(team);
        }
    }
    Ok(Fit { teams, ..fit.bounds })
}

impl Wanted {
    /// Does it, and tells what the rule is now.
    pub(super) fn carry_out(&self, conn: &mut AnyConnection, now_ms: i64) -> Result<RuleBody, Halt> {
        let Some(seen) = self.seen else {
            rule::create(conn, &self.stored)?;
            return Ok(RuleBody::from(&self.stored));
        };
        match rule::update(conn, self.stored.id, &self.stored.rule, seen, now_ms)? {
            Changed::Now(after) => Ok(RuleBody::from(&after)),
            Changed::Stale | Changed::Unknown => Err(Kind::Stale.into()),
        }
    }
}
