//! Providers as configured: accounts at vendors, each with its sealed credential.

use std::fmt;

use diesel::{
    AsChangeset, ExpressionMethods, Insertable, OptionalExtension, QueryDsl, Queryable, RunQueryDsl,
    dsl::insert_into, dsl::update,
};
use nexus_core::{endpoint::Endpoint, id::ProviderId};

use crate::{
    connection::AnyConnection,
    error::StoreError,
    repo::Applied,
    row::{Reading, readable},
    schema::service_providers,
};

/// A credential sealed by whoever holds the keys; to this crate it is text.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedText(pub String);

impl fmt::Debug for SealedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealedText(..)")
    }
}

/// A provider as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredProvider {
    pub id: ProviderId,
    /// Unique; what the configuration file and people call it.
    pub name: String,
    /// The vendor's id in the table of dialects.
    pub kind: String,
    pub endpoint: Endpoint,
    pub api_key: Option<SealedText>,
    pub weight: u32,
    /// Requests a minute over all its models.
    pub rate_limit: Option<u32>,
    pub allow_private_network: bool,
    pub is_active: bool,
}

#[derive(Queryable, Insertable, AsChangeset)]
#[diesel(table_name = service_providers, treat_none_as_default_value = false, treat_none_as_null = true)]
pub(crate) struct ProviderRow {
    id: String,
    name: String,
    kind: String,
    endpoint: String,
    api_key_sealed: Option<String>,
    weight: i64,
    rate_limit: Option<i64>,
    allow_private_network: bool,
    is_active: bool,
    created_at: i64,
    updated_at: i64,
}

impl ProviderRow {
    pub(crate) fn read(self) -> Result<StoredProvider, StoreError> {
        let row = Reading { table: "service_providers", id: &self.id };
        Ok(StoredProvider {
            id: row.id("id", &self.id)?,
            endpoint: Endpoint::parse(&self.endpoint).map_err(|bad| row.problem("endpoint", bad))?,
            weight: row.small("weight", self.weight)?,
            rate_limit: row.small_or_none("rate_limit", self.rate_limit)?,
            name: self.name,
            kind: self.kind,
            api_key: self.api_key_sealed.map(SealedText),
            allow_private_network: self.allow_private_network,
            is_active: self.is_active,
        })
    }

    fn new(provider: &StoredProvider, id: String, created_at: i64, updated_at: i64) -> Self {
        Self {
            id,
            name: provider.name.clone(),
            kind: provider.kind.clone(),
            endpoint: provider.endpoint.to_string(),
            api_key_sealed: provider.api_key.as_ref().map(|sealed| sealed.0.clone()),
            weight: provider.weight.into(),
            rate_limit: provider.rate_limit.map(i64::from),
            allow_private_network: provider.allow_private_network,
            is_active: provider.is_active,
            created_at,
            updated_at,
        }
    }
}

/// Makes the provider of this name be as given, and says which id it has: its own where it is there
/// already, `provider.id` where it is new.
///
/// Sealing the same secret twice gives different text. Whoever applies a secret that has not changed
/// hands in the sealed text found by [`find_by_name`], else the row counts as changed.
pub fn apply(
    conn: &mut AnyConnection,
    provider: &StoredProvider,
    now_ms: i64,
) -> Result<(ProviderId, Applied), StoreError> {
    let present: Option<ProviderRow> =
        service_providers::table.filter(service_providers::name.eq(&provider.name)).first(conn).optional()?;
    let Some(present) = present else {
        let row = ProviderRow::new(provider, provider.id.to_string(), now_ms, now_ms);
        insert_into(service_providers::table).values(row).execute(conn)?;
        return Ok((provider.id, Applied::Created));
    };
    let id = Reading { table: "service_providers", id: &present.id }.id("id", &present.id)?;
    let row = ProviderRow::new(provider, present.id.clone(), present.created_at, now_ms);
    // a damaged row differs from any good one: applying mends it
    if present.read().is_ok_and(|present| present == StoredProvider { id, ..provider.clone() }) {
        return Ok((id, Applied::Unchanged));
    }
    update(service_providers::table.find(row.id.clone())).set(row).execute(conn)?;
    Ok((id, Applied::Updated))
}

/// Every provider, by name; damaged rows are logged and left out.
pub fn list(conn: &mut AnyConnection) -> Result<Vec<StoredProvider>, StoreError> {
    let rows = service_providers::table.order(service_providers::name).load(conn)?;
    Ok(readable(rows, ProviderRow::read))
}

/// The provider of this name.
pub fn find_by_name(conn: &mut AnyConnection, name: &str) -> Result<Option<StoredProvider>, StoreError> {
    let row: Option<ProviderRow> =
        service_providers::table.filter(service_providers::name.eq(name)).first(conn).optional()?;
    row.map(ProviderRow::read).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{exec::Store, sample};

    #[test]
    fn applying_creates_then_changes_nothing_then_updates_what_differs() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        let first = sample::provider(1, "azure");
        let other_id = StoredProvider { id: sample::provider(2, "").id, ..first.clone() };
        let changes: [fn(&mut StoredProvider); 8] = [
            |p| p.kind = "deepseek".into(),
            |p| p.endpoint = Endpoint::parse("https://two.example").unwrap(),
            |p| p.api_key = Some(SealedText("resealed".into())),
            |p| p.api_key = None,
            |p| p.weight = 0,
            |p| p.rate_limit = None,
            |p| p.allow_private_network = true,
            |p| p.is_active = false,
        ];
        let apply =
            |provider: &StoredProvider| store.write_blocking(|conn| apply(conn, provider, 7)).unwrap();
        assert_eq!(apply(&first), (first.id, Applied::Created));
        assert_eq!(apply(&other_id), (first.id, Applied::Unchanged), "the row keeps its own id");
        let mut now = first.clone();
        for change in changes {
            change(&mut now);
            assert_eq!(apply(&now), (first.id, Applied::Updated));
            assert_eq!(apply(&now), (first.id, Applied::Unchanged));
            assert_eq!(store.read_blocking(|conn| find_by_name(conn, "azure")).unwrap(), Some(now.clone()));
        }
        assert_eq!(store.read_blocking(list).unwrap(), [now]);
    }

    #[test]
    fn a_sealed_credential_is_not_shown_either() {
        assert!(!format!("{:?}", sample::provider(1, "azure")).contains("sealed-1"));
    }
}
