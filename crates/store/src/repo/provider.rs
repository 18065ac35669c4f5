//! Providers as configured: accounts at vendors. Their credentials are rows of their own.

use std::{collections::BTreeMap, fmt};

use diesel::{
    AsChangeset, BoolExpressionMethods, ExpressionMethods, Insertable, OptionalExtension, QueryDsl,
    Queryable, RunQueryDsl,
    dsl::{delete as delete_from, exists, insert_into, select, update as change_in},
};
use nexus_core::{endpoint::Template, id::ProviderId, site::Options};

use crate::{
    connection::AnyConnection,
    error::StoreError,
    repo::{Applied, Changed, Page, Removed, changed},
    row::{Reading, page_of, readable},
    schema::{model_routes, provider_credentials, service_providers},
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
    pub endpoint: Template,
    pub options: Options,
    pub weight: u32,
    /// Requests a minute over all its models.
    pub rate_limit: Option<u32>,
    /// Tokens a minute over all its models.
    pub token_limit: Option<u32>,
    /// Requests at once over all its models.
    pub max_concurrent: Option<u32>,
    pub allow_private_network: bool,
    pub is_active: bool,
    pub created_at_ms: i64,
    pub updated_at_ms: i64,
    pub version: i64,
}

/// What is to be different about a provider; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct Change {
    pub name: Option<String>,
    pub kind: Option<String>,
    pub endpoint: Option<Template>,
    /// All of them, in the place of those that are there.
    pub options: Option<Options>,
    pub weight: Option<u32>,
    /// `Some(None)`: as many as there are.
    pub rate_limit: Option<Option<u32>>,
    pub token_limit: Option<Option<u32>>,
    pub max_concurrent: Option<Option<u32>>,
    pub allow_private_network: Option<bool>,
    pub is_active: Option<bool>,
}

#[derive(Queryable, Insertable, AsChangeset)]
#[diesel(table_name = service_providers, treat_none_as_default_value = false, treat_none_as_null = true)]
pub(crate) struct ProviderRow {
    id: String,
    name: String,
    kind: String,
    endpoint: String,
    weight: i64,
    rate_limit: Option<i64>,
    allow_private_network: bool,
    is_active: bool,
    created_at: i64,
    updated_at: i64,
    version: i64,
    options: String,
    token_limit: Option<i64>,
    max_concurrent: Option<i64>,
}

#[derive(AsChangeset)]
#[diesel(table_name = service_providers)]
struct ProviderChange<'a> {
    name: Option<&'a str>,
    kind: Option<&'a str>,
    endpoint: Option<String>,
    options: Option<String>,
    weight: Option<i64>,
    rate_limit: Option<Option<i64>>,
    token_limit: Option<Option<i64>>,
    max_concurrent: Option<Option<i64>>,
    allow_private_network: Option<bool>,
    is_active: Option<bool>,
    updated_at: i64,
}

impl ProviderRow {
    pub(crate) fn read(self) -> Result<StoredProvider, StoreError> {
        let row = Reading { table: "service_providers", id: &self.id };
        Ok(StoredProvider {
            id: row.id("id", &self.id)?,
            endpoint: Template::parse(&self.endpoint).map_err(|bad| row.problem("endpoint", bad))?,
            options: row.texts("options", &self.options)?.into_iter().collect(),
            weight: row.small("weight", self.weight)?,
            rate_limit: row.small_or_none("rate_limit", self.rate_limit)?,
            token_limit: row.small_or_none("token_limit", self.token_limit)?,
            max_concurrent: row.small_or_none("max_concurrent", self.max_concurrent)?,
            name: self.name,
            kind: self.kind,
            allow_private_network: self.allow_private_network,
            is_active: self.is_active,
            created_at_ms: self.created_at,
            updated_at_ms: self.updated_at,
            version: self.version,
        })
    }

    fn new(provider: &StoredProvider) -> Self {
        Self {
            id: provider.id.to_string(),
            name: provider.name.clone(),
            kind: provider.kind.clone(),
            endpoint: provider.endpoint.to_string(),
            weight: provider.weight.into(),
            rate_limit: provider.rate_limit.map(i64::from),
            token_limit: provider.token_limit.map(i64::from),
            max_concurrent: provider.max_concurrent.map(i64::from),
            allow_private_network: provider.allow_private_network,
            is_active: provider.is_active,
            created_at: provider.created_at_ms,
            updated_at: provider.updated_at_ms,
            version: provider.version,
            options: texts(&provider.options),
        }
    }
}

fn texts(options: &Options) -> String {
    serde_json::json!(options.iter().collect::<BTreeMap<_, _>>()).to_string()
}

/// Makes the provider of this name be as given, and says which id it has: its own where it is there
/// already, `provider.id` where it is new. The times and the version given are not looked at.
pub fn apply(
    conn: &mut AnyConnection,
    provider: &StoredProvider,
    now_ms: i64,
) -> Result<(ProviderId, Applied), StoreError> {
    let present: Option<ProviderRow> =
        service_providers::table.filter(service_providers::name.eq(&provider.name)).first(conn).optional()?;
    let Some(present) = present else {
        let new =
            StoredProvider { created_at_ms: now_ms, updated_at_ms: now_ms, version: 1, ..provider.clone() };
        create(conn, &new)?;
        return Ok((provider.id, Applied::Created));
    };
    let id = Reading { table: "service_providers", id: &present.id }.id("id", &present.id)?;
    let wanted = StoredProvider {
        id,
        created_at_ms: present.created_at,
        updated_at_ms: now_ms,
        version: present.version.saturating_add(1),
        ..provider.clone()
    };
    let as_it_stands =
        StoredProvider { updated_at_ms: present.updated_at, version: present.version, ..wanted.clone() };
    let row = ProviderRow::new(&wanted);
    let id_text = present.id.clone();
    // a damaged row differs from any good one: applying mends it
    if present.read().is_ok_and(|present| present == as_it_stands) {
        return Ok((id, Applied::Unchanged));
    }
    change_in(service_providers::table.find(id_text)).set(row).execute(conn)?;
    Ok((id, Applied::Updated))
}

/// Stores a new provider; [`StoreError::Conflict`] where the name is taken.
pub fn create(conn: &mut AnyConnection, provider: &StoredProvider) -> Result<(), StoreError> {
    insert_into(service_providers::table).values(ProviderRow::new(provider)).execute(conn)?;
    Ok(())
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

/// The providers of a page, oldest first; damaged rows are logged and left out.
pub fn page(conn: &mut AnyConnection, page: &Page) -> Result<Vec<StoredProvider>, StoreError> {
    use service_providers::dsl as row;
    let load = |page: &Page| {
        let mut query =
            row::service_providers.into_boxed().order((row::created_at, row::id)).limit(page.limit.into());
        if let Some((at, id)) = &page.after {
            query = query.filter(row::created_at.gt(*at).or(row::created_at.eq(*at).and(row::id.gt(id))));
        }
        Ok(query.load(conn)?)
    };
    page_of(page, load, |row: &ProviderRow| (row.created_at, row.id.clone()), ProviderRow::read)
}

/// The provider of this id.
pub fn show(conn: &mut AnyConnection, id: ProviderId) -> Result<Option<StoredProvider>, StoreError> {
    let row: Option<ProviderRow> = service_providers::table.find(id.to_string()).first(conn).optional()?;
    row.map(ProviderRow::read).transpose()
}

/// Changes a provider; [`StoreError::Conflict`] where the new name is taken.
pub fn update(
    conn: &mut AnyConnection,
    id: ProviderId,
    change: &Change,
    expected_version: i64,
    now_ms: i64,
) -> Result<Changed<StoredProvider>, StoreError> {
    let change = ProviderChange {
        name: change.name.as_deref(),
        kind: change.kind.as_deref(),
        endpoint: change.endpoint.as_ref().map(ToString::to_string),
        options: change.options.as_ref().map(texts),
        weight: change.weight.map(i64::from),
        rate_limit: change.rate_limit.map(|limit| limit.map(i64::from)),
        token_limit: change.token_limit.map(|limit| limit.map(i64::from)),
        max_concurrent: change.max_concurrent.map(|limit| limit.map(i64::from)),
        allow_private_network: change.allow_private_network,
        is_active: change.is_active,
        updated_at: now_ms,
    };
    let row =
        service_providers::table.find(id.to_string()).filter(service_providers::version.eq(expected_version));
    let version = service_providers::version.eq(service_providers::version + 1);
    let rows = change_in(row).set((change, version)).execute(conn)?;
    Ok(changed(rows, show(conn, id)?))
}

/// Deletes a provider that no route leads to, and its credentials.
pub fn delete(conn: &mut AnyConnection, id: ProviderId) -> Result<Removed, StoreError> {
    let id = id.to_string();
    let has_routes = select(exists(model_routes::table.filter(model_routes::provider_id.eq(&id))));
    if has_routes.get_result(conn)? {
        let why = "`model-routes` lead to this provider; delete them first";
        return Err(StoreError::Conflict(why.to_owned()));
    }
    let credentials = provider_credentials::table.filter(provider_credentials::provider_id.eq(&id));
    delete_from(credentials).execute(conn)?;
    Ok(Removed::of(delete_from(service_providers::table.find(id)).execute(conn)?))
}

#[cfg(test)]
mod tests;
