//! What attempts were for: the few combinations that many attempts share, each stored once.
//!
//! A context is named by the digest of its content, so every process gives it the same name without asking.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use diesel::Insertable;
use nexus_core::{
    call::Operation,
    id::{KeyId, ProviderId, TeamId},
    usage::UsageRecord,
};
use sha2::{Digest as _, Sha256};

use super::{id, labels::Known, storable};
use crate::{connection::AnyConnection, error::StoreError, schema::usage_contexts, upsert};

/// Contexts remembered at most; one more begins anew.
const KNOWN_MAX: usize = 100_000;

#[derive(Clone, PartialEq, Eq, Hash)]
struct Context {
    key: KeyId,
    team: Option<TeamId>,
    operation: Operation,
    alias: Arc<str>,
    provider: ProviderId,
    provider_name: Arc<str>,
    real_model: Arc<str>,
    is_stream: bool,
    status: u16,
}

impl Context {
    fn of(record: &UsageRecord) -> Self {
        Self {
            key: record.key,
            team: record.team,
            operation: record.operation,
            alias: Arc::clone(&record.alias),
            provider: record.provider,
            provider_name: Arc::clone(&record.provider_name),
            real_model: Arc::clone(&record.real_model),
            is_stream: record.is_stream,
            status: record.status,
        }
    }

    /// The context's name: 128 bits of a SHA-256 over its parts, each behind its length.
    fn name(&self) -> String {
        let team = self.team.map(|team| team.0);
        let parts: [&[u8]; 9] = [
            self.key.0.as_bytes(),
            team.as_ref().map_or(&[], |team| team.as_bytes()),
            self.operation.as_str().as_bytes(),
            self.alias.as_bytes(),
            self.provider.0.as_bytes(),
            self.provider_name.as_bytes(),
            self.real_model.as_bytes(),
            &[u8::from(self.is_stream)],
            &self.status.to_be_bytes(),
        ];
        let mut digest = Sha256::new();
        for part in parts {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        digest.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }
}

#[derive(Insertable)]
#[diesel(table_name = usage_contexts, treat_none_as_default_value = false)]
pub(crate) struct ContextRow<'a> {
    id: &'a str,
    key_id: String,
    team_id: Option<String>,
    operation: &'static str,
    model_alias: Cow<'a, str>,
    provider_id: String,
    provider_name: Cow<'a, str>,
    real_model_name: Cow<'a, str>,
    is_stream: bool,
    status: i64,
}

/// The contexts, and the labels, that are known to be in the database.
#[derive(Default)]
pub struct Contexts {
    names: HashMap<Context, Arc<str>>,
    pub(super) labels: Known,
}

impl Contexts {
    /// The name of the record's context, which stands in the database when this returns.
    pub(super) fn of(
        &mut self,
        conn: &mut AnyConnection,
        record: &UsageRecord,
    ) -> Result<Arc<str>, StoreError> {
        let context = Context::of(record);
        if let Some(name) = self.names.get(&context) {
            return Ok(Arc::clone(name));
        }
        let name: Arc<str> = context.name().into();
        let row = ContextRow {
            id: &name,
            key_id: id(context.key.0),
            team_id: context.team.map(|team| id(team.0)),
            operation: context.operation.as_str(),
            model_alias: storable(&context.alias),
            provider_id: id(context.provider.0),
            provider_name: storable(&context.provider_name),
            real_model_name: storable(&context.real_model),
            is_stream: context.is_stream,
            status: context.status.into(),
        };
        upsert::ensure_context(conn, &row)?;
        if self.names.len() >= KNOWN_MAX {
            self.names.clear();
        }
        self.names.insert(context, Arc::clone(&name));
        Ok(name)
    }

    /// Nothing is known any more: what was put in may have been rolled back.
    pub fn forget(&mut self) {
        self.names.clear();
        self.labels.forget();
    }
}
