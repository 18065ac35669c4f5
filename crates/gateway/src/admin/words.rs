//! The core's words as requests and answers spell them.

use nexus_core::{
    principal::Level,
    role::Role,
    snapshot::{ShieldMode, Signing},
};
use nexus_store::repo::key::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

macro_rules! words {
    ($($(#[$doc:meta])* $word:ident as $schema:ident for $core:ident { $($variant:ident),+ })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        #[schema(as = $schema)]
        pub enum $word { $($variant),+ }

        impl From<$core> for $word {
            fn from(core: $core) -> Self {
                match core { $($core::$variant => Self::$variant),+ }
            }
        }

        impl From<$word> for $core {
            fn from(word: $word) -> Self {
                match word { $($word::$variant => Self::$variant),+ }
            }
        }
    )+};
}

words! {
    /// The rank of a key: `admin` manages, `app` calls models, `session` calls them for a short time.
    LevelWord as Level for Level { Admin, App, Session }
    /// What somebody is in the administration.
    RoleWord as Role for Role { Viewer, Auditor, TeamAdmin, PlatformAdmin }
    /// What happens to a request whose structure looks like an attack.
    ShieldWord as Shield for ShieldMode { Off, Flag, Block }
    /// Whether a key's requests must, may or need not be signed.
    SigningWord as Signing for Signing { Off, Optional, Required }
    /// Whether a key is accepted, and if not, why. A key falls with its team, and a session key with its parent.
    StateWord as KeyState for State { Revoked, Expired, Retired, Disabled, Active }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_the_cores_own() {
        let spelled = |word: serde_json::Value| word.as_str().unwrap().to_owned();
        for level in Level::ALL {
            assert_eq!(spelled(serde_json::json!(LevelWord::from(level))), level.as_str());
        }
        for role in Role::ALL {
            assert_eq!(spelled(serde_json::json!(RoleWord::from(role))), role.as_str());
        }
        for state in State::ALL {
            assert_eq!(spelled(serde_json::json!(StateWord::from(state))), state.as_str());
        }
        for mode in [ShieldMode::Off, ShieldMode::Flag, ShieldMode::Block] {
            assert_eq!(spelled(serde_json::json!(ShieldWord::from(mode))), mode.as_str());
        }
        for mode in [Signing::Off, Signing::Optional, Signing::Required] {
            assert_eq!(spelled(serde_json::json!(SigningWord::from(mode))), mode.as_str());
        }
    }
}
