//! A secret's text on its way from the configuration to whoever seals it.
//!
//! It has no `Debug`, `Display`, `Serialize` or `Clone`, and must get none.

use serde::{Deserialize, Deserializer};

/// A secret in the clear.
pub struct Plain(String);

impl Plain {
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The secret, to look at.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The secret, to keep elsewhere.
    pub fn into_text(self) -> String {
        self.0
    }
}

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}
