//! Credentials: the sealed secrets a provider is spoken to with; one provider may have several.
//!
//! A sealed text opens only in the row and the generation it was sealed for: whoever writes one says both.

use diesel::{
    AsChangeset, BoolExpressionMethods, ExpressionMethods, Insertable, OptionalExtension, QueryDsl,
    Queryable, RunQueryDsl,
    dsl::{delete as delete_from, exists, insert_into, select, update as change_in},
};
use nexus_core::id::{CredentialId, ProviderId};

use crate::{
    connection::AnyConnection,
    error::StoreError,
    repo::{Applied, Changed, Page, Removed, changed, provider::SealedText},
    row::{Reading, page_of, readable},
    schema::provider_credentials,
};

/// The name of the credential that comes from the configuration file.
pub const DEFAULT: &str = "default";

/// The weight of a credential of which nothing is said.
pub const WEIGHT: u32 = 100;

/// A credential as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    pub id: CredentialId,
    pub provider: ProviderId,
    /// Unique within its provider.
    pub name: String,
    pub secret: SealedSecret,
    /// Share among the credentials of its provider.
    pub weight: u32,
    /// Requests a minute with it.
    pub rate_limit: Option<u32>,
    pub is_active: bool,
    pub created_at_ms: i64,
    pub updated_at_ms: i64,
    pub version: i64,
}

/// A secret, sealed for one row and one generation of it, and what people may know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedSecret {
    pub sealed: SealedText,
    /// Goes up with each new secret of the row.
    pub generation: i64,
    /// Empty where the secret is older than this column.
    pub last_four: String,
    /// As `last_four`.
    pub fingerprint: String,
}

/// What is to be different about a credential; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct Change {
    pub name: Option<String>,
    pub weight: Option<u32>,
    /// `Some(None)`: as many as there are.
    pub rate_limit: Option<Option<u32>>,
    pub is_active: Option<bool>,
    /// Of the generation after the present one; of any other it is [`Changed::Stale`].
    pub secret: Option<SealedSecret>,
}

#[derive(Queryable, Insertable)]
#[diesel(table_name = provider_credentials)]
pub(crate) struct CredentialRow {
    id: String,
    provider_id: String,
    name: String,
    api_key_sealed: String,
    generation: i64,
    last_four: String,
    fingerprint: String,
    weight: i64,
    is_active: bool,
    created_at: i64,
    updated_at: i64,
    version: i64,
    rate_limit: Option<i64>,
}

impl CredentialRow {
    pub(crate) fn read(self) -> Result<Credential, StoreError> {
        let row = Reading { table: "provider_credentials", id: &self.id };
        Ok(Credential {
            id: row.id("id", &self.id)?,
            provider: row.id("provider_id", &self.provider_id)?,
            weight: row.small("weight", self.weight)?,
            rate_limit: row.small_or_none("rate_limit", self.rate_limit)?,
            name: self.name,
            secret: SealedSecret {
                sealed: SealedText(self.api_key_sealed),
                generation: self.generation,
                last_four: self.last_four,
                fingerprint: self.fingerprint,
            },
            is_active: self.is_active,
            created_at_ms: self.created_at,
            updated_at_ms: self.updated_at,
            version: self.version,
        })
    }
}

#[derive(AsChangeset)]
#[diesel(table_name = provider_credentials)]
struct SecretChange<'a> {
    api_key_sealed: &'a str,
    generation: i64,
    last_four: &'a str,
    fingerprint: &'a str,
}

impl<'a> From<&'a SealedSecret> for SecretChange<'a> {
    fn from(secret: &'a SealedSecret) -> Self {
        Self {
            api_key_sealed: &secret.sealed.0,
            generation: secret.generation,
            last_four: &secret.last_four,
            fingerprint: &secret.fingerprint,
        }
    }
}

#[derive(AsChangeset)]
#[diesel(table_name = provider_credentials)]
struct CredentialChange<'a> {
    name: Option<&'a str>,
    weight: Option<i64>,
    rate_limit: Option<Option<i64>>,
    is_active: Option<bool>,
    updated_at: i64,
}

/// Makes the provider's [`DEFAULT`] credential have this secret; what else is said of it stays. `id` is the
/// row it was sealed for: the one [`find_by_name`] shows, or a new one where there is none. A new secret is
/// one generation after the present one.
///
/// Sealing the same secret twice gives different text. Whoever applies a secret that has not changed
/// hands in the sealed text that stands there, else the row counts as changed.
pub fn apply(
    conn: &mut AnyConnection,
    id: CredentialId,
    provider: ProviderId,
    secret: &SealedSecret,
    now_ms: i64,
) -> Result<Applied, StoreError> {
    let present: Option<CredentialRow> = provider_credentials::table
        .filter(provider_credentials::provider_id.eq(provider.to_string()))
        .filter(provider_credentials::name.eq(DEFAULT))
        .first(conn)
        .optional()?;
    let Some(present) = present else {
        let new = Credential {
            id,
            provider,
            name: DEFAULT.to_owned(),
            secret: secret.clone(),
            weight: WEIGHT,
            rate_limit: None,
            is_active: true,
            created_at_ms: now_ms,
            updated_at_ms: now_ms,
            version: 1,
        };
        create(conn, &new)?;
        return Ok(Applied::Created);
    };
    let stands = SealedSecret {
        sealed: SealedText(present.api_key_sealed),
        generation: present.generation,
        last_four: present.last_four,
        fingerprint: present.fingerprint,
    };
    if stands == *secret {
        return Ok(Applied::Unchanged);
    }
    let is_new = stands.sealed != secret.sealed;
    let generation = if is_new { stands.generation.saturating_add(1) } else { stands.generation };
    if present.id != id.to_string() || secret.generation != generation {
        let why = "the `default` credential was changed since it was read; start again";
        return Err(StoreError::Conflict(why.to_owned()));
    }
    let version = (
        provider_credentials::version.eq(provider_credentials::version + 1),
        provider_credentials::updated_at.eq(now_ms),
    );
    let row = provider_credentials::table.find(id.to_string());
    change_in(row).set((SecretChange::from(secret), version)).execute(conn)?;
    Ok(Applied::Updated)
}

/// Stores a new credential; [`StoreError::Conflict`] where the provider has one of this name.
pub fn create(conn: &mut AnyConnection, credential: &Credential) -> Result<(), StoreError> {
    let Credential { secret, .. } = credential;
    let row = CredentialRow {
        id: credential.id.to_string(),
        provider_id: credential.provider.to_string(),
        name: credential.name.clone(),
        api_key_sealed: secret.sealed.0.clone(),
        generation: secret.generation,
        last_four: secret.last_four.clone(),
        fingerprint: secret.fingerprint.clone(),
        weight: credential.weight.into(),
        is_active: credential.is_active,
        created_at: credential.created_at_ms,
        updated_at: credential.updated_at_ms,
        version: credential.version,
        rate_limit: credential.rate_limit.map(i64::from),
    };
    insert_into(provider_credentials::table).values(row).execute(conn)?;
    Ok(())
}

/// The credentials of a page of one provider's, oldest first; damaged rows are logged and left out.
pub fn page(
    conn: &mut AnyConnection,
    provider: ProviderId,
    page: &Page,
) -> Result<Vec<Credential>, StoreError> {
    use provider_credentials::dsl as row;
    let load = |page: &Page| {
        let mut query = row::provider_credentials
            .filter(row::provider_id.eq(provider.to_string()))
            .order((row::created_at, row::id))
            .limit(page.limit.into())
            .into_boxed();
        if let Some((at, id)) = &page.after {
            query = query.filter(row::created_at.gt(*at).or(row::created_at.eq(*at).and(row::id.gt(id))));
        }
        Ok(query.load(conn)?)
    };
    page_of(page, load, |row: &CredentialRow| (row.created_at, row.id.clone()), CredentialRow::read)
}

/// The credential of this id.
pub fn show(conn: &mut AnyConnection, id: CredentialId) -> Result<Option<Credential>, StoreError> {
    let row: Option<CredentialRow> =
        provider_credentials::table.find(id.to_string()).first(conn).optional()?;
    row.map(CredentialRow::read).transpose()
}

/// The provider's credential of this name.
pub fn find_by_name(
    conn: &mut AnyConnection,
    provider: ProviderId,
    name: &str,
) -> Result<Option<Credential>, StoreError> {
    let row: Option<CredentialRow> = provider_credentials::table
        .filter(provider_credentials::provider_id.eq(provider.to_string()))
        .filter(provider_credentials::name.eq(name))
        .first(conn)
        .optional()?;
    row.map(CredentialRow::read).transpose()
}

/// Changes a credential; [`StoreError::Conflict`] where the provider has another of the new name.
pub fn update(
    conn: &mut AnyConnection,
    id: CredentialId,
    change: &Change,
    expected_version: i64,
    now_ms: i64,
) -> Result<Changed<Credential>, StoreError> {
    let Some(present) = show(conn, id)? else { return Ok(Changed::Unknown) };
    let next = present.secret.generation.saturating_add(1);
    if change.secret.as_ref().is_some_and(|secret| secret.generation != next) {
        return Ok(Changed::Stale);
    }
    let columns = CredentialChange {
        name: change.name.as_deref(),
        weight: change.weight.map(i64::from),
        rate_limit: change.rate_limit.map(|limit| limit.map(i64::from)),
        is_active: change.is_active,
        updated_at: now_ms,
    };
    let secret = change.secret.as_ref().map(SecretChange::from);
    let row = provider_credentials::table
        .find(id.to_string())
        .filter(provider_credentials::version.eq(expected_version));
    let version = provider_credentials::version.eq(provider_credentials::version + 1);
    let rows = change_in(row).set((columns, secret, version)).execute(conn)?;
    Ok(changed(rows, show(conn, id)?))
}

/// Deletes a credential; requests under way go on with it.
pub fn delete(conn: &mut AnyConnection, id: CredentialId) -> Result<Removed, StoreError> {
    Ok(Removed::of(delete_from(provider_credentials::table.find(id.to_string())).execute(conn)?))
}

/// Whether the provider has a credential, switched off or not.
pub fn is_any_of(conn: &mut AnyConnection, provider: ProviderId) -> Result<bool, StoreError> {
    let own = provider_credentials::table.filter(provider_credentials::provider_id.eq(provider.to_string()));
    Ok(select(exists(own)).get_result(conn)?)
}

/// Deletes the provider's credentials but the one called [`DEFAULT`], and says how many.
pub fn delete_all_but_default(conn: &mut AnyConnection, provider: ProviderId) -> Result<usize, StoreError> {
    let others = provider_credentials::table
        .filter(provider_credentials::provider_id.eq(provider.to_string()))
        .filter(provider_credentials::name.ne(DEFAULT));
    Ok(delete_from(others).execute(conn)?)
}

/// The credentials sealed under any key version but this one, at most `limit`; damaged rows are logged and
/// left out.
pub fn sealed_under_other_than(
    conn: &mut AnyConnection,
    version: &str,
    limit: u32,
) -> Result<Vec<Credential>, StoreError> {
    let rows: Vec<CredentialRow> = provider_credentials::table.order(provider_credentials::id).load(conn)?;
    let others = rows.into_iter().filter(|row| sealed_under(&row.api_key_sealed) != Some(version));
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    Ok(readable(others.collect(), CredentialRow::read).into_iter().take(limit).collect())
}

/// Whether any credential is sealed under this key version. Rows that are damaged otherwise count.
pub fn any_sealed_under(conn: &mut AnyConnection, version: &str) -> Result<bool, StoreError> {
    let texts: Vec<String> =
        provider_credentials::table.select(provider_credentials::api_key_sealed).load(conn)?;
    Ok(texts.iter().any(|text| sealed_under(text) == Some(version)))
}

/// Puts the same secret, sealed anew, in the place of the text that was read. False where something else
/// stands there by now. The secret is the same, so generation and version are.
pub fn reseal(
    conn: &mut AnyConnection,
    id: CredentialId,
    expected: &SealedText,
    new: &SealedText,
) -> Result<bool, StoreError> {
    let row = provider_credentials::table
        .find(id.to_string())
        .filter(provider_credentials::api_key_sealed.eq(&expected.0));
    Ok(change_in(row).set(provider_credentials::api_key_sealed.eq(&new.0)).execute(conn)? > 0)
}

/// The key version in a sealed text: the second of its parts.
pub(super) fn sealed_under(sealed: &str) -> Option<&str> {
    sealed.split('.').nth(1)
}

#[cfg(test)]
mod tests;
