//! Makes keys: the row, and the secrets that are shown once.

use std::sync::Arc;

use nexus_core::{
    flow::Bounds,
    id::{KeyId, TeamId},
    principal::Level,
    role::Role,
    scope::Scope,
    snapshot::Signing,
};
use nexus_engine::shared::Shared;
use nexus_keystore::{
    opaque,
    secret::Secret,
    token::{self, Grant, MAX_LIFETIME_S},
};
use nexus_store::repo::key::{Form, Key};

use super::{FormWord, rights::Wish};
use crate::admin::{
    Admin,
    gate::Caller,
    problem::{Kind, Problem},
};

/// What a key is to be.
#[derive(Clone, Debug)]
pub struct Recipe {
    pub level: Level,
    pub team: Option<TeamId>,
    pub name: String,
    pub role: Option<Role>,
    pub scope: Scope,
    pub form: FormWord,
    pub signing: Signing,
    pub bounds: Bounds,
    /// Whole seconds; `None`: does not expire.
    pub lifetime_s: Option<i64>,
    pub created_by: String,
}

impl Recipe {
    /// The same, as far as its maker may make it.
    pub fn granted(self, maker: &Caller) -> Result<Self, Problem> {
        let Self { level, team, role, scope, .. } = self.clone();
        Ok(Self { scope: Wish { level, team, role, scope }.granted(maker)?, ..self })
    }
}

/// A key that was made.
pub struct Minted {
    pub row: Key,
    pub secret: Secret,
    /// Where its requests may be signed.
    pub signing_secret: Option<Secret>,
}

/// Where keys are made.
#[derive(Clone)]
pub struct Mint {
    pub shared: Arc<Shared>,
    pub admin: Arc<Admin>,
}

impl Mint {
    /// Makes a key that differs from every other in its id.
    pub fn strike(&self, id: KeyId, recipe: Recipe, now_ms: i64) -> Result<Minted, Problem> {
        let now_s = now_ms.div_euclid(1000);
        let secret = self.secret(id, &recipe, now_s)?;
        let form = match recipe.form {
            FormWord::Jwt => Form::Jwt,
            FormWord::Opaque => Form::Opaque(self.shared.keys.digests.digest(secret.expose())),
        };
        let signing_secret =
            (recipe.signing != Signing::Off).then(|| self.admin.secrets.signing.secret(id.0, 0));
        let row = Key {
            id,
            team: recipe.team,
            level: recipe.level,
            name: recipe.name,
            token_last_four: last_four(&secret),
            role: recipe.role,
            scope: recipe.scope,
            parent: None,
            form,
            signing: recipe.signing,
            signing_generation: 0,
            is_disabled: false,
            retires_at_ms: None,
            replaced_by: None,
            max_requests: None,
            is_bound: true,
            bounds: recipe.bounds,
            last_used_at_ms: None,
            created_by: recipe.created_by,
            created_at_ms: now_ms,
            updated_at_ms: now_ms,
            expires_at_ms: recipe
                .lifetime_s
                .map(|lifetime_s| now_s.saturating_add(lifetime_s).saturating_mul(1000)),
            revoked_at_ms: None,
            version: 1,
        };
        Ok(Minted { row, secret, signing_secret })
    }

    fn secret(&self, id: KeyId, recipe: &Recipe, now_s: i64) -> Result<Secret, Problem> {
        let failed = |error: &dyn std::error::Error| {
            tracing::error!(%error, "a key could not be made");
            Problem::from(Kind::Internal)
        };
        if recipe.form == FormWord::Opaque {
            return opaque::mint().map_err(|error| failed(&error));
        }
        let level = match recipe.level {
            Level::Admin => token::Level::Admin,
            Level::App => token::Level::App,
            Level::Session => token::Level::Session,
        };
        let lifetime_s = recipe.lifetime_s.map_or(Ok(MAX_LIFETIME_S), u64::try_from).unwrap_or_default();
        let team = recipe.team.map(|team| team.0);
        let (key, is_bound) = (id.0, true);
        let grant = Grant { key, level, team, parent: None, rights: None, is_bound, lifetime_s };
        let now_s = u64::try_from(now_s).unwrap_or_default();
        self.shared.keys.tokens.mint(&grant, now_s).map_err(|error| failed(&error))
    }
}

/// For people to recognise a key by.
pub fn last_four(secret: &Secret) -> String {
    let text = secret.expose();
    text.get(text.len().saturating_sub(4)..).unwrap_or_default().to_owned()
}
