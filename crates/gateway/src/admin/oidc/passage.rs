//! What a browser carries while it is at the identity provider, sealed so that it can neither be read nor made.

use nexus_core::id::Uuid;
use nexus_keystore::{
    secret::Secret,
    vault::{Place, Vault},
};
use serde::{Deserialize, Serialize};

use crate::admin::problem::{Kind, Problem};

/// Seconds a sign-in may take; no longer than a data key stays known after its retirement.
pub const LIFE_S: i64 = 600;

/// What must be the same when the browser comes back. It has no `Debug`: the verifier is secret.
#[derive(Serialize, Deserialize)]
pub struct Passage {
    pub state: String,
    pub nonce: String,
    pub verifier: String,
    pub redirect_uri: String,
    pub begun_ms: i64,
}

impl Passage {
    pub fn seal(&self, vault: &Vault) -> Result<String, Problem> {
        let text = serde_json::to_string(self).map_err(|_| Kind::Internal)?;
        let sealed = vault.seal(&Secret::new(text), place()).map_err(|_| Kind::Internal)?;
        Ok(sealed.into_text())
    }

    /// One that was begun here, and not too long ago.
    pub fn open(vault: &Vault, sealed: &str, now_ms: i64) -> Option<Self> {
        let opened = vault.open(sealed, place()).ok()?;
        let passage: Self = serde_json::from_str(opened.expose()).ok()?;
        let age_ms = now_ms.saturating_sub(passage.begun_ms);
        (age_ms < LIFE_S.saturating_mul(1000)).then_some(passage)
    }
}

/// No row: it is never stored, and nothing that is stored opens as one.
fn place() -> Place {
    Place { table: "user_sessions", column: "passage", row: Uuid::nil(), team: None, generation: 0 }
}

#[cfg(test)]
mod tests {
    use nexus_keystore::root::RootSecret;

    use super::*;

    #[test]
    fn a_passage_is_good_for_ten_minutes_where_it_was_begun() {
        let vault = || Vault::new(&RootSecret::random().ok().unwrap()).ok().unwrap();
        let (ours, others) = (vault(), vault());
        let text = || "x".to_owned();
        let passage =
            Passage { state: text(), nonce: text(), verifier: text(), redirect_uri: text(), begun_ms: 1000 };
        let sealed = passage.seal(&ours).ok().unwrap();
        for (vault, sealed, now_ms, is_good) in [
            (&ours, sealed.as_str(), 1000, true),
            (&ours, &sealed, 600_999, true),
            (&ours, &sealed, 601_000, false),
            (&ours, sealed.get(1..).unwrap(), 1000, false),
            (&others, &sealed, 1000, false),
        ] {
            assert_eq!(Passage::open(vault, sealed, now_ms).is_some(), is_good, "{now_ms} {sealed}");
        }
    }
}
