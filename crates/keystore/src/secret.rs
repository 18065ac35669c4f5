//! The plaintext of a secret: wiped when dropped, and with no way to be printed or serialised.

use zeroize::Zeroizing;

/// A secret in the clear. It has no `Debug`, `Display`, `Serialize` or `Clone`, so none of these compile:
///
/// ```compile_fail,E0277
/// format!("{:?}", nexus_keystore::secret::Secret::new(String::new()));
/// ```
/// ```compile_fail,E0277
/// format!("{}", nexus_keystore::secret::Secret::new(String::new()));
/// ```
/// ```compile_fail,E0277
/// serde_json::to_string(&nexus_keystore::secret::Secret::new(String::new()));
/// ```
/// ```compile_fail,E0599
/// nexus_keystore::secret::Secret::new(String::new()).clone();
/// ```
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes charge of a secret.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The plaintext, for the one place that must write it to a wire.
    pub fn expose(&self) -> &str {
        &self.0
    }
}
