//! Routing rules as requests and answers write them.

use std::{borrow::Cow, collections::BTreeMap};

use nexus_core::{
    id::Uuid,
    policy::{Cause, Conduct, Rule},
};
use nexus_store::repo::rule::StoredRule;
use serde::{Deserialize, Serialize};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ObjectBuilder, RefOr, Schema,
        schema::{ArrayBuilder, Type},
    },
};

use crate::admin::{
    check::Check,
    providers::check_model,
    routes::ModelText,
    words::{CauseWord, PolicyWord},
};

/// The most aliases that are asked instead, for one cause.
const FALLBACKS_MAX: usize = 16;

/// The schema of the aliases that are asked instead, by cause.
pub struct Fallbacks;

impl PartialSchema for Fallbacks {
    fn schema() -> RefOr<Schema> {
        let causes = Cause::ALL.map(Cause::as_str);
        let cause = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(causes));
        let aliases = ArrayBuilder::new().items(ModelText::schema()).max_items(Some(FALLBACKS_MAX));
        ObjectBuilder::new()
            .schema_type(Type::Object)
            .property_names(Some(cause))
            .additional_properties(Some(Schema::from(aliases.build())))
            .into()
    }
}

impl ToSchema for Fallbacks {
    fn name() -> Cow<'static, str> {
        "Fallbacks".into()
    }
}

/// What is set for an alias beside its models.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = RoutingRule)]
pub struct RuleBody {
    pub id: Uuid,
    #[schema(value_type = ModelText)]
    pub alias: String,
    /// Whose rule it is; none: everybody's, where a team has none of its own.
    pub team_id: Option<Uuid>,
    /// The alias it is only another name of.
    #[schema(value_type = Option<ModelText>)]
    pub stands_for: Option<String>,
    pub policy: PolicyWord,
    /// Whether requests that begin alike go to the same model, whose prompt cache knows the beginning.
    pub affinity: bool,
    /// The aliases that are asked instead, in order, by cause.
    #[schema(value_type = Fallbacks)]
    pub fallbacks: BTreeMap<CauseWord, Vec<String>>,
    /// How long an answer is kept for requests that are the same; none: not at all.
    pub cache_ttl_s: Option<u32>,
    /// Of a hundred requests, how many may get a second attempt beside a slow first one; none: none.
    pub hedge_percent: Option<u8>,
    /// Whether another model goes on where a streamed answer breaks off.
    pub r#continue: bool,
    /// The `ETag` without its quotes.
    pub version: i64,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds.
    pub updated_at: i64,
}

impl From<&StoredRule> for RuleBody {
    fn from(stored: &StoredRule) -> Self {
        let texts = |aliases: &Vec<std::sync::Arc<str>>| aliases.iter().map(ToString::to_string).collect();
        let fallbacks = stored.rule.fallbacks.iter();
        Self {
            id: stored.id.0,
            alias: stored.alias.clone(),
            team_id: stored.team.map(|team| team.0),
            stands_for: stored.rule.stands_for.as_deref().map(str::to_owned),
            policy: stored.rule.policy.into(),
            affinity: stored.rule.has_affinity,
            fallbacks: fallbacks.map(|(cause, aliases)| ((*cause).into(), texts(aliases))).collect(),
            cache_ttl_s: stored.rule.conduct.cache_ttl_s,
            hedge_percent: stored.rule.conduct.hedge_percent,
            r#continue: stored.rule.conduct.continues,
            version: stored.version,
            created_at: stored.created_at_ms.div_euclid(1000),
            updated_at: stored.updated_at_ms.div_euclid(1000),
        }
    }
}

/// What a rule says, to be put in the place of what it said.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RoutingRulePut)]
pub struct RulePut {
    #[serde(default)]
    #[schema(value_type = Option<ModelText>)]
    pub stands_for: Option<String>,
    #[serde(default = "weighted")]
    #[schema(default = "weighted")]
    pub policy: PolicyWord,
    #[serde(default)]
    #[schema(default = false)]
    pub affinity: bool,
    #[serde(default)]
    #[schema(required = false, value_type = Fallbacks)]
    pub fallbacks: BTreeMap<CauseWord, Vec<String>>,
    #[serde(default)]
    #[schema(minimum = 1, maximum = 604_800)]
    pub cache_ttl_s: Option<u32>,
    #[serde(default)]
    #[schema(minimum = 1, maximum = 50)]
    pub hedge_percent: Option<u8>,
    #[serde(default)]
    #[schema(default = false)]
    pub r#continue: bool,
}

/// A rule to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewRoutingRule)]
pub struct NewRule {
    #[schema(value_type = ModelText)]
    pub alias: String,
    /// Whose rule it is; none: everybody's.
    #[serde(default)]
    pub team_id: Option<Uuid>,
    #[serde(default)]
    #[schema(value_type = Option<ModelText>)]
    stands_for: Option<String>,
    #[serde(default = "weighted")]
    #[schema(default = "weighted")]
    policy: PolicyWord,
    #[serde(default)]
    #[schema(default = false)]
    affinity: bool,
    #[serde(default)]
    #[schema(required = false, value_type = Fallbacks)]
    fallbacks: BTreeMap<CauseWord, Vec<String>>,
    #[serde(default)]
    #[schema(minimum = 1, maximum = 604_800)]
    cache_ttl_s: Option<u32>,
    #[serde(default)]
    #[schema(minimum = 1, maximum = 50)]
    hedge_percent: Option<u8>,
    #[serde(default)]
    #[schema(default = false)]
    r#continue: bool,
}

impl NewRule {
    /// What it says, without whose it is.
    pub fn said(&self) -> RulePut {
        RulePut {
            stands_for: self.stands_for.clone(),
            policy: self.policy,
            affinity: self.affinity,
            fallbacks: self.fallbacks.clone(),
            cache_ttl_s: self.cache_ttl_s,
            hedge_percent: self.hedge_percent,
            r#continue: self.r#continue,
        }
    }
}

/// The same conduct, where its numbers are within their bounds. `names`: what those who wrote it call them.
pub fn checked_conduct(check: &mut Check, names: [&str; 2], conduct: Conduct) -> Conduct {
    let [ttl, percent] = names;
    if conduct.cache_ttl_s.is_some_and(|ttl_s| !(1..=Conduct::CACHE_TTL_MAX_S).contains(&ttl_s)) {
        check.flaw(ttl, format!("is not from 1 to {} seconds", Conduct::CACHE_TTL_MAX_S));
    }
    if conduct.hedge_percent.is_some_and(|percent| !(1..=Conduct::HEDGE_PERCENT_MAX).contains(&percent)) {
        check.flaw(percent, format!("is not from 1 to {}", Conduct::HEDGE_PERCENT_MAX));
    }
    conduct
}

fn weighted() -> PolicyWord {
    PolicyWord::Weighted
}

impl RulePut {
    pub fn checked(&self, check: &mut Check) -> Rule {
        self.checked_at(check, "")
    }

    /// The same where its members stand under this pointer.
    pub fn checked_at(&self, check: &mut Check, at: &str) -> Rule {
        if let Some(alias) = &self.stands_for {
            check_model(check, &format!("{at}/stands_for"), alias);
        }
        let mut fallbacks = BTreeMap::new();
        for (cause, aliases) in &self.fallbacks {
            let cause = Cause::from(*cause);
            let pointer = format!("{at}/fallbacks/{}", cause.as_str());
            if aliases.len() > FALLBACKS_MAX {
                check.flaw(&pointer, format!("has more than {FALLBACKS_MAX} entries; leave some away"));
            }
            for (at, alias) in aliases.iter().enumerate() {
                check_model(check, &format!("{pointer}/{at}"), alias);
            }
            fallbacks.insert(cause, aliases.iter().map(|alias| alias.as_str().into()).collect());
        }
        Rule {
            stands_for: self.stands_for.as_deref().map(Into::into),
            policy: self.policy.into(),
            has_affinity: self.affinity,
            fallbacks,
            conduct: checked_conduct(
                check,
                [&format!("{at}/cache_ttl_s"), &format!("{at}/hedge_percent")],
                Conduct {
                    cache_ttl_s: self.cache_ttl_s,
                    hedge_percent: self.hedge_percent,
                    continues: self.r#continue,
                },
            ),
        }
    }
}
