//! Routing rules: how one of an alias's models is chosen, what it stands for, and what is asked instead.

use std::{collections::BTreeMap, sync::Arc};

use diesel::{
    BoolExpressionMethods, ExpressionMethods, Insertable, OptionalExtension, QueryDsl, Queryable,
    RunQueryDsl,
    dsl::{delete as delete_from, insert_into, update as change_in},
};
use nexus_core::{
    id::{RuleId, TeamId},
    policy::{Cause, Policy, Rule, Rules},
};

use crate::{
    connection::AnyConnection,
    error::StoreError,
    repo::{Changed, Page, Removed, changed},
    row::{Reading, conduct, page_of, readable},
    schema::routing_rules,
};

/// A rule as stored. Alias and team together are unique.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRule {
    pub id: RuleId,
    pub alias: String,
    /// `None`: everybody.
    pub team: Option<TeamId>,
    pub rule: Rule,
    pub created_at_ms: i64,
    pub updated_at_ms: i64,
    pub version: i64,
}

#[derive(Queryable, Insertable)]
#[diesel(table_name = routing_rules)]
pub(crate) struct RuleRow {
    id: String,
    model_alias: String,
    team_id: Option<String>,
    stands_for: Option<String>,
    policy: String,
    has_affinity: bool,
    fallbacks: String,
    created_at: i64,
    updated_at: i64,
    version: i64,
    conduct: String,
}

impl RuleRow {
    pub(crate) fn read(self) -> Result<StoredRule, StoreError> {
        let row = Reading { table: "routing_rules", id: &self.id };
        let rule = Rule {
            stands_for: self.stands_for.map(Into::into),
            policy: row.word("policy", &self.policy, Policy::from_word)?,
            has_affinity: self.has_affinity,
            fallbacks: read_fallbacks(&self.fallbacks)
                .ok_or_else(|| row.problem("fallbacks", "is no object of lists by cause"))?,
            conduct: conduct::read(&self.conduct)
                .ok_or_else(|| row.problem("conduct", "is no object of settings"))?,
        };
        Ok(StoredRule {
            id: row.id("id", &self.id)?,
            team: row.id_or_none("team_id", self.team_id.as_deref())?,
            rule,
            alias: self.model_alias,
            created_at_ms: self.created_at,
            updated_at_ms: self.updated_at,
            version: self.version,
        })
    }

    fn new(stored: &StoredRule) -> Self {
        Self {
            id: stored.id.to_string(),
            model_alias: stored.alias.clone(),
            team_id: stored.team.map(|team| team.to_string()),
            stands_for: stored.rule.stands_for.as_deref().map(str::to_owned),
            policy: stored.rule.policy.as_str().to_owned(),
            has_affinity: stored.rule.has_affinity,
            fallbacks: written_fallbacks(&stored.rule.fallbacks),
            created_at: stored.created_at_ms,
            updated_at: stored.updated_at_ms,
            version: stored.version,
            conduct: conduct::written(&stored.rule.conduct),
        }
    }
}

type Fallbacks = BTreeMap<Cause, Vec<Arc<str>>>;

fn read_fallbacks(text: &str) -> Option<Fallbacks> {
    let written: BTreeMap<String, Vec<String>> = serde_json::from_str(text).ok()?;
    let shared = |aliases: Vec<String>| aliases.into_iter().map(Into::into).collect();
    written.into_iter().map(|(cause, aliases)| Some((Cause::from_word(&cause)?, shared(aliases)))).collect()
}

fn written_fallbacks(fallbacks: &Fallbacks) -> String {
    let texts = |aliases: &Vec<Arc<str>>| aliases.iter().map(ToString::to_string).collect::<Vec<_>>();
    let written: BTreeMap<_, _> =
        fallbacks.iter().map(|(cause, aliases)| (cause.as_str(), texts(aliases))).collect();
    serde_json::json!(written).to_string()
}

/// Every rule as requests are decided by them; damaged rows are logged and left out.
pub fn rules(conn: &mut AnyConnection) -> Result<Rules, StoreError> {
    let mut rules = Rules::default();
    for stored in list(conn)? {
        rules.insert(&stored.alias, stored.team, stored.rule);
    }
    Ok(rules)
}

/// Every rule, by alias; damaged rows are logged and left out.
pub fn list(conn: &mut AnyConnection) -> Result<Vec<StoredRule>, StoreError> {
    let order = (routing_rules::model_alias, routing_rules::created_at, routing_rules::id);
    Ok(readable(routing_rules::table.order(order).load(conn)?, RuleRow::read))
}

/// The rules of a page, oldest first; with `team`, only its own and everybody's.
pub fn page(
    conn: &mut AnyConnection,
    team: Option<TeamId>,
    page: &Page,
) -> Result<Vec<StoredRule>, StoreError> {
    use routing_rules::dsl as row;
    let load = |page: &Page| {
        let mut query =
            row::routing_rules.into_boxed().order((row::created_at, row::id)).limit(page.limit.into());
        if let Some((at, id)) = &page.after {
            query = query.filter(row::created_at.gt(*at).or(row::created_at.eq(*at).and(row::id.gt(id))));
        }
        if let Some(team) = team {
            query = query.filter(row::team_id.is_null().or(row::team_id.eq(team.to_string())));
        }
        Ok(query.load(conn)?)
    };
    page_of(page, load, |row: &RuleRow| (row.created_at, row.id.clone()), RuleRow::read)
}

/// The rule of this id.
pub fn show(conn: &mut AnyConnection, id: RuleId) -> Result<Option<StoredRule>, StoreError> {
    let row: Option<RuleRow> = routing_rules::table.find(id.to_string()).first(conn).optional()?;
    row.map(RuleRow::read).transpose()
}

/// Stores a new rule; [`StoreError::Conflict`] where its alias and team have one.
pub fn create(conn: &mut AnyConnection, stored: &StoredRule) -> Result<(), StoreError> {
    insert_into(routing_rules::table).values(RuleRow::new(stored)).execute(conn)?;
    Ok(())
}

/// Puts another rule in the place of one; its alias and team stay.
pub fn update(
    conn: &mut AnyConnection,
    id: RuleId,
    rule: &Rule,
    expected_version: i64,
    now_ms: i64,
) -> Result<Changed<StoredRule>, StoreError> {
    use routing_rules::dsl as row;
    let target = row::routing_rules.find(id.to_string()).filter(row::version.eq(expected_version));
    let change = (
        row::stands_for.eq(rule.stands_for.as_deref()),
        row::policy.eq(rule.policy.as_str()),
        row::has_affinity.eq(rule.has_affinity),
        row::fallbacks.eq(written_fallbacks(&rule.fallbacks)),
        row::conduct.eq(conduct::written(&rule.conduct)),
        row::updated_at.eq(now_ms),
        row::version.eq(row::version + 1),
    );
    let rows = change_in(target).set(change).execute(conn)?;
    Ok(changed(rows, show(conn, id)?))
}

/// Deletes a rule.
pub fn delete(conn: &mut AnyConnection, id: RuleId) -> Result<Removed, StoreError> {
    Ok(Removed::of(delete_from(routing_rules::table.find(id.to_string())).execute(conn)?))
}

#[cfg(test)]
mod tests {
    use nexus_core::policy::Conduct;

    use super::*;
    use crate::{exec::Store, repo::team, sample};

    fn stored(number: u64, alias: &str, team: Option<TeamId>, rule: Rule) -> StoredRule {
        let id = RuleId(sample::uuid(number));
        StoredRule { id, alias: alias.to_owned(), team, rule, created_at_ms: 1, updated_at_ms: 1, version: 1 }
    }

    #[test]
    fn a_rule_is_kept_found_changed_and_deleted_and_each_alias_and_team_has_one() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        let team = TeamId(sample::uuid(7));
        let rule = Rule {
            stands_for: Some("gpt".into()),
            policy: Policy::Cheapest,
            has_affinity: true,
            fallbacks: [(Cause::Budget, vec!["mini".into(), "nano".into()])].into(),
            conduct: Conduct { cache_ttl_s: Some(60), hedge_percent: Some(5), continues: true },
        };
        let (all, own) = (stored(1, "a", None, Rule::default()), stored(2, "a", Some(team), rule.clone()));
        store
            .write_blocking(|conn| {
                team::create(conn, &sample::team(7, "seven"))?;
                create(conn, &all)?;
                create(conn, &own)
            })
            .unwrap();
        let twin = store.write_blocking(|conn| create(conn, &stored(3, "a", None, Rule::default())));
        assert!(matches!(twin, Err(StoreError::Conflict(_))), "{twin:?}");
        store
            .write_blocking(|conn| {
                assert_eq!(show(conn, own.id)?, Some(own.clone()));
                let first = Page { after: None, limit: 10 };
                assert_eq!(page(conn, Some(team), &first)?, [all.clone(), own.clone()]);
                assert_eq!(page(conn, Some(TeamId(sample::uuid(8))), &first)?, vec![all.clone()]);
                let rules = rules(conn)?;
                assert_eq!(**rules.find("a", Some(team)).unwrap(), rule);
                assert_eq!(update(conn, all.id, &rule, 9, 5)?, Changed::Stale);
                let Changed::Now(after) = update(conn, all.id, &rule, 1, 5)? else { panic!("not changed") };
                assert_eq!((after.rule, after.version, after.updated_at_ms), (rule.clone(), 2, 5));
                assert_eq!((delete(conn, all.id)?, delete(conn, all.id)?), (Removed::Now, Removed::Unknown));
                Ok(())
            })
            .unwrap();
    }
}
