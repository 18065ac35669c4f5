//! Whose usage of what is wanted, as part of a query over contexts.

use nexus_core::id::{KeyId, ProviderId, TeamId};

/// Whose usage of what is wanted; all that is said must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Only {
    pub team: Option<TeamId>,
    /// One of these keys.
    pub keys: Option<Vec<KeyId>>,
    pub alias: Option<String>,
    /// By its name.
    pub provider: Option<String>,
    pub provider_id: Option<ProviderId>,
    pub model: Option<String>,
    pub operation: Option<String>,
    pub status: Option<u16>,
}

/// Narrows a boxed query that contexts are part of.
macro_rules! only {
    ($query:expr, $only:expr) => {{
        use $crate::schema::usage_contexts::dsl as c;
        let (mut query, only) = ($query, $only);
        if let Some(team) = only.team {
            query = query.filter(c::team_id.eq(team.to_string()));
        }
        if let Some(keys) = &only.keys {
            let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
            query = query.filter(c::key_id.eq_any(keys));
        }
        if let Some(alias) = &only.alias {
            query = query.filter(c::model_alias.eq(alias.clone()));
        }
        if let Some(provider) = &only.provider {
            query = query.filter(c::provider_name.eq(provider.clone()));
        }
        if let Some(provider) = only.provider_id {
            query = query.filter(c::provider_id.eq(provider.to_string()));
        }
        if let Some(model) = &only.model {
            query = query.filter(c::real_model_name.eq(model.clone()));
        }
        if let Some(operation) = &only.operation {
            query = query.filter(c::operation.eq(operation.clone()));
        }
        if let Some(status) = only.status {
            query = query.filter(c::status.eq(i64::from(status)));
        }
        query
    }};
}

pub(super) use only;
