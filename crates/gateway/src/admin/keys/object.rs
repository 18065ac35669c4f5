//! Keys as requests and answers write them.

use nexus_core::{principal::Level, role::Role};
use nexus_keystore::secret::Secret;
use nexus_store::repo::key::{Form, Key, State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::rights;
use crate::admin::{
    body::present,
    check::LabelText,
    scope::ScopeBody,
    words::{LevelWord, RoleWord, SigningWord, StateWord},
};

/// Seconds before its end in which a key is said to expire soon.
const SOON_S: i64 = 14 * 86_400;

/// What a key looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = KeyForm)]
pub enum FormWord {
    /// A signed token.
    Jwt,
    /// A short text, for tools that limit a key's length.
    Opaque,
}

impl From<Form> for FormWord {
    fn from(form: Form) -> Self {
        match form {
            Form::Jwt => Self::Jwt,
            Form::Opaque(_) => Self::Opaque,
        }
    }
}

/// A key, without its secret.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Key)]
pub struct KeyBody {
    pub id: Uuid,
    pub level: LevelWord,
    /// Of keys of the platform: none.
    pub team_id: Option<Uuid>,
    #[schema(value_type = LabelText)]
    pub name: String,
    /// Of admin keys.
    pub role: Option<RoleWord>,
    pub scope: ScopeBody,
    pub form: FormWord,
    pub signing: SigningWord,
    /// Requests a minute, those of session keys made from it included.
    pub rate_limit: Option<u32>,
    /// Tokens a minute, of prompts and answers together.
    pub token_limit: Option<u32>,
    /// Requests at once.
    pub max_concurrent: Option<u32>,
    pub is_disabled: bool,
    pub state: StateWord,
    /// Whether an active key ends within 14 days.
    pub expires_soon: bool,
    /// The last four characters of the secret.
    pub last_four: String,
    /// The key this session key was made from.
    pub parent_id: Option<Uuid>,
    /// The key that took its place.
    pub replaced_by: Option<Uuid>,
    /// Requests in a session key's whole life.
    pub max_requests: Option<u64>,
    /// What people know its maker by.
    pub created_by: String,
    /// The `ETag` without its quotes.
    pub version: i64,
    /// Unix seconds, as the other times.
    pub created_at: i64,
    pub updated_at: i64,
    /// None: it does not expire.
    pub expires_at: Option<i64>,
    /// When a key that was replaced ends.
    pub retires_at: Option<i64>,
    pub revoked_at: Option<i64>,
    /// Within a minute or so.
    pub last_used_at: Option<i64>,
}

impl KeyBody {
    /// A key in its present state, at a time in Unix milliseconds.
    pub fn new(key: &Key, state: State, now_ms: i64) -> Self {
        let s = |ms: i64| ms.div_euclid(1000);
        let end_ms = key.expires_at_ms.into_iter().chain(key.retires_at_ms).min();
        let role = (key.level == Level::Admin).then(|| {
            let own = rights::own_role(key.team);
            RoleWord::from(key.role.map_or(own, |role: Role| role.min(own)))
        });
        Self {
            id: key.id.0,
            level: key.level.into(),
            team_id: key.team.map(|team| team.0),
            name: key.name.clone(),
            role,
            scope: ScopeBody::from(&key.scope),
            form: key.form.into(),
            signing: key.signing.into(),
            rate_limit: key.bounds.requests,
            token_limit: key.bounds.tokens,
            max_concurrent: key.bounds.concurrent,
            is_disabled: key.is_disabled,
            state: state.into(),
            expires_soon: state == State::Active
                && end_ms.is_some_and(|end_ms| s(end_ms) - s(now_ms) <= SOON_S),
            last_four: key.token_last_four.clone(),
            parent_id: key.parent.map(|parent| parent.0),
            replaced_by: key.replaced_by.map(|key| key.0),
            max_requests: key.max_requests,
            created_by: key.created_by.clone(),
            version: key.version,
            created_at: s(key.created_at_ms),
            updated_at: s(key.updated_at_ms),
            expires_at: key.expires_at_ms.map(s),
            retires_at: key.retires_at_ms.map(s),
            revoked_at: key.revoked_at_ms.map(s),
            last_used_at: key.last_used_at_ms.map(s),
        }
    }
}

/// The levels of keys that can be made; session keys are made by applications.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MintableLevel {
    Admin,
    App,
}

impl From<MintableLevel> for Level {
    fn from(level: MintableLevel) -> Self {
        match level {
            MintableLevel::Admin => Level::Admin,
            MintableLevel::App => Level::App,
        }
    }
}

/// A key to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    pub level: MintableLevel,
    /// The team it belongs to; of somebody who manages one team, that team. Application keys need one.
    #[serde(default)]
    pub team_id: Option<Uuid>,
    #[serde(default)]
    #[schema(value_type = LabelText, required = false)]
    pub name: String,
    /// Of admin keys only; absent: what the level and the team allow.
    #[serde(default)]
    pub role: Option<RoleWord>,
    #[serde(default)]
    #[schema(required = false)]
    pub scope: ScopeBody,
    #[serde(default = "jwt")]
    #[schema(required = false)]
    pub form: FormWord,
    #[serde(default = "off")]
    #[schema(required = false)]
    pub signing: SigningWord,
    /// Requests a minute, those of session keys made from it included.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    pub rate_limit: Option<u32>,
    /// Tokens a minute, of prompts and answers together.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    pub token_limit: Option<u32>,
    /// Requests at once.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    pub max_concurrent: Option<u32>,
    /// Absent: it does not expire.
    #[serde(default)]
    #[schema(minimum = 60, maximum = 315_619_200)]
    pub expires_in_seconds: Option<i64>,
    /// Unix seconds, in place of `expires_in_seconds`.
    #[serde(default)]
    pub expires_at: Option<i64>,
}

fn jwt() -> FormWord {
    FormWord::Jwt
}

fn off() -> SigningWord {
    SigningWord::Off
}

/// A key and its secrets, which are shown this once.
#[derive(Serialize, ToSchema)]
pub struct MintedKey {
    #[serde(flatten)]
    pub object: KeyBody,
    /// The secret itself; it is not shown again.
    pub key: String,
    /// With which requests are signed, where they may be; it is not shown again.
    pub signing_secret: Option<String>,
}

impl MintedKey {
    pub fn new(object: KeyBody, key: &Secret, signing_secret: Option<&Secret>) -> Self {
        let text = |secret: &Secret| secret.expose().to_owned();
        Self { object, key: text(key), signing_secret: signing_secret.map(text) }
    }
}

/// What is to be another in a key; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyPatch {
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = LabelText, required = false)]
    pub name: Option<String>,
    /// Of admin keys only; null: what the level and the team allow.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<RoleWord>, required = false)]
    pub role: Option<Option<RoleWord>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = ScopeBody, required = false)]
    pub scope: Option<ScopeBody>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = SigningWord, required = false)]
    pub signing: Option<SigningWord>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = bool, required = false)]
    pub is_disabled: Option<bool>,
    /// `null` takes the limit away.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u32>, required = false, minimum = 1, maximum = 1_000_000_000)]
    pub rate_limit: Option<Option<u32>>,
    /// `null` takes the limit away.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u32>, required = false, minimum = 1, maximum = 1_000_000_000)]
    pub token_limit: Option<Option<u32>>,
    /// `null` takes the limit away.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u32>, required = false, minimum = 1, maximum = 1_000_000_000)]
    pub max_concurrent: Option<Option<u32>>,
}

/// How a key is to be replaced.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// How long the old key is good beside the new one.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 2_592_000, default = 0)]
    pub overlap_seconds: i64,
}

/// The secret requests are signed with, which is shown this once. The one before is worth nothing.
#[derive(Serialize, ToSchema)]
pub struct SigningSecret {
    pub signing_secret: String,
}
