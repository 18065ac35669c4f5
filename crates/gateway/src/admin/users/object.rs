//! Users as requests and answers write them. A password goes in and never comes out.

use std::sync::Arc;

use nexus_keystore::{
    password::{MAX_CHARS, MIN_CHARS},
    secret::Secret,
};
use nexus_store::repo::user::User;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::admin::{
    body::present,
    check::{Check, NameText},
    words::RoleWord,
};

/// Characters in the longest e-mail address (RFC 5321, section 4.5.3.1.3, less the brackets).
const EMAIL_CHARS_MAX: usize = 254;

/// The schema of an e-mail address.
#[derive(ToSchema)]
#[schema(as = Email, max_length = 254, pattern = r"^[!-?A-~]{1,64}@[!-?A-~]{1,180}$")]
pub struct EmailText(#[expect(dead_code, reason = "a schema and nothing else")] String);

/// The schema of a password.
#[derive(ToSchema)]
#[schema(as = Password, min_length = 12, max_length = 256, format = Password)]
pub struct PasswordText(#[expect(dead_code, reason = "a schema and nothing else")] String);

/// A password on its way to be hashed or compared. Like what it holds it cannot be printed.
#[derive(Clone)]
pub struct Password(Arc<Secret>);

impl Password {
    pub fn secret(&self) -> &Secret {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Password {
    /// The parser's own words would repeat what was written.
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from).map_err(|_| D::Error::custom("a password is a text"))?;
        Ok(Self(Arc::new(Secret::new(text))))
    }
}

/// Somebody who signs in at the console.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User)]
pub struct UserBody {
    pub id: Uuid,
    /// Unique, in lower case.
    #[schema(value_type = EmailText)]
    pub email: String,
    #[schema(value_type = NameText)]
    pub name: String,
    pub role: RoleWord,
    /// The team the role is held for; none: for the platform.
    pub team_id: Option<Uuid>,
    /// Whether the user may sign in.
    pub is_active: bool,
    pub has_password: bool,
    /// The identity provider the user has signed in through.
    pub oidc_issuer: Option<String>,
    /// Unix seconds.
    pub last_login_at: Option<i64>,
    /// The `ETag` without its quotes.
    pub version: i64,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds.
    pub updated_at: i64,
}

impl UserBody {
    pub fn new(user: &User) -> Self {
        Self {
            id: user.id.0,
            email: user.email.clone(),
            name: user.name.clone(),
            role: user.role.into(),
            team_id: user.team.map(|team| team.0),
            is_active: user.is_active,
            has_password: user.password.is_some(),
            oidc_issuer: user.identity.as_ref().map(|identity| identity.issuer.clone()),
            last_login_at: user.last_login_at_ms.map(|at_ms| at_ms.div_euclid(1000)),
            version: user.version,
            created_at: user.created_at_ms.div_euclid(1000),
            updated_at: user.updated_at_ms.div_euclid(1000),
        }
    }
}

/// A user to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    #[schema(value_type = EmailText)]
    pub email: String,
    #[schema(value_type = NameText)]
    pub name: String,
    pub role: RoleWord,
    /// The team the role is held for. A team's own administrators may leave it away.
    #[serde(default)]
    pub team_id: Option<Uuid>,
    /// Without one the user signs in through the identity provider only.
    #[serde(default)]
    #[schema(value_type = Option<PasswordText>)]
    pub password: Option<Password>,
}

/// What is to be another in a user; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserPatch {
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = NameText, required = false)]
    pub name: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = RoleWord, required = false)]
    pub role: Option<RoleWord>,
    /// `null`: the platform.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Uuid>, required = false)]
    pub team_id: Option<Option<Uuid>>,
    /// Whoever is switched off is signed out everywhere.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = bool, required = false)]
    pub is_active: Option<bool>,
    /// `null` takes it away. Either way the user is signed out everywhere.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<PasswordText>, required = false)]
    pub password: Option<Option<Password>>,
}

/// An e-mail address as far as it can be judged without writing to it: ASCII, one `@` with something on
/// either side.
pub fn check_email(check: &mut Check, pointer: &str, text: &str) {
    let sides = text.split_once('@');
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    let is_sound = sides.is_some_and(|(user, host)| {
        (1..=64).contains(&user.len()) && (1..=180).contains(&host.len()) && !host.contains('@')
    });
    if !is_plain || !is_sound || text.len() > EMAIL_CHARS_MAX {
        check.flaw(pointer, "is no e-mail address; write one such as `ann@example.com`");
    }
}

/// A password's length; what it is made of is its owner's business.
pub fn check_password(check: &mut Check, password: Option<&Password>) {
    let Some(password) = password else { return };
    let chars = password.secret().expose().chars().take(MAX_CHARS.saturating_add(1)).count();
    if !(MIN_CHARS..=MAX_CHARS).contains(&chars) {
        check.flaw("/password", format!("has not {MIN_CHARS} to {MAX_CHARS} characters"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_email_address_has_one_sign_with_something_on_either_side() {
        for (text, is_sound) in [
            ("ann@example.com", true),
            ("a@b", true),
            ("Ann.O'Neil+x@example.com", true),
            ("ann", false),
            ("@example.com", false),
            ("ann@", false),
            ("a@b@c", false),
            ("ann @example.com", false),
            ("ann@exämple.com", false),
            ("ann@example.com\n", false),
            (&format!("{}@b", "a".repeat(64)), true),
            (&format!("{}@b", "a".repeat(65)), false),
            (&format!("a@{}", "b".repeat(181)), false),
            ("", false),
        ] {
            let mut check = Check::default();
            check_email(&mut check, "/email", text);
            assert_eq!(check.finish().is_ok(), is_sound, "{text}");
        }
    }

    #[test]
    fn a_password_that_is_no_text_is_refused_without_its_value() {
        let refused = serde_json::from_str::<Password>("123456789012").err().unwrap();
        assert!(!refused.to_string().contains("123456789012"), "{refused}");
    }
}
