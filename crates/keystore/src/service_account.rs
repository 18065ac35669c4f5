//! A service account of Google's: the file it comes in, and the assertion a token is asked for with (RFC 7523).
//!
//! The file is a secret as a whole; its private key is taken out to sign and kept nowhere.

use base64::{Engine, engine::general_purpose::STANDARD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::{Deserialize, Deserializer, Serialize};
use zeroize::Zeroizing;

use crate::{crypto, secret::Secret};

/// The longest an assertion may be good for, in seconds.
const LIFETIME_S: u64 = 3_600;

/// Why there is no assertion. It repeats nothing of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAssertion {
    #[error("is no service account: paste the JSON file that Google made for its key")]
    NotAnAccount,
    #[error("is a service account whose private key cannot be used; make another key for it")]
    BadKey,
}

/// What is read of the file; its other members are for other clients.
#[derive(Deserialize)]
struct File {
    #[serde(rename = "type")]
    kind: String,
    client_email: String,
    private_key_id: Option<String>,
    #[serde(deserialize_with = "secret")]
    private_key: Secret,
    token_uri: String,
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    String::deserialize(deserializer).map(Secret::new)
}

/// A service account, without its key.
pub struct ServiceAccount<'a> {
    file: &'a Secret,
    /// Where the file says that tokens are had. It is a word from outside.
    pub token_uri: String,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    scope: &'a str,
    aud: &'a str,
    iat: u64,
    exp: u64,
}

impl<'a> ServiceAccount<'a> {
    pub fn read(file: &'a Secret) -> Result<Self, NoAssertion> {
        let token_uri = read(file)?.token_uri;
        Ok(Self { file, token_uri })
    }

    /// Asks, in the account's name, for a token for `scope`. `now_s` is Unix seconds. Costs a signature with
    /// RSA: a millisecond.
    pub fn assertion(&self, audience: &str, scope: &str, now_s: u64) -> Result<Secret, NoAssertion> {
        let file = read(self.file)?;
        let claims =
            Claims { iss: &file.client_email, scope, aud: audience, iat: now_s, exp: now_s + LIFETIME_S };
        let header = Header { kid: file.private_key_id, ..Header::new(Algorithm::RS256) };
        let key = EncodingKey::from_rsa_der(&der(file.private_key.expose())?);
        crypto::install();
        let assertion = jsonwebtoken::encode(&header, &claims, &key);
        assertion.map(Secret::new).map_err(|_| NoAssertion::BadKey)
    }
}

fn read(file: &Secret) -> Result<File, NoAssertion> {
    let file: File = serde_json::from_str(file.expose()).map_err(|_| NoAssertion::NotAnAccount)?;
    if file.kind == "service_account" { Ok(file) } else { Err(NoAssertion::NotAnAccount) }
}

/// The bytes of a PKCS #8 key in PEM.
fn der(pem: &str) -> Result<Zeroizing<Vec<u8>>, NoAssertion> {
    let inside = pem.trim().strip_prefix("-----BEGIN PRIVATE KEY-----");
    let inside = inside.and_then(|inside| inside.strip_suffix("-----END PRIVATE KEY-----"));
    let inside = inside.ok_or(NoAssertion::BadKey)?;
    let base64: Zeroizing<String> = Zeroizing::new(inside.split_ascii_whitespace().collect());
    STANDARD.decode(base64.as_bytes()).map(Zeroizing::new).map_err(|_| NoAssertion::BadKey)
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use ring::{
        rsa::KeyPair,
        signature::{self, KeyPair as _, UnparsedPublicKey},
    };
    use serde_json::{Value, json};

    use super::*;

    /// Made for this test and used nowhere.
    const KEY: &str = include_str!("service_account/throw_away.pem");

    fn file(change: impl FnOnce(&mut Value)) -> Secret {
        let mut file = json!({
            "type": "service_account", "project_id": "p", "private_key_id": "kid-1", "private_key": KEY,
            "client_email": "gateway@p.iam.gserviceaccount.com",
            "token_uri": "https://oauth2.googleapis.com/token",
        });
        change(&mut file);
        Secret::new(file.to_string())
    }

    #[test]
    fn an_assertion_says_who_asks_for_what_and_is_signed_with_the_accounts_key() {
        let file = file(|_| {});
        let account = ServiceAccount::read(&file).unwrap();
        assert_eq!(account.token_uri, "https://oauth2.googleapis.com/token");
        let assertion = account.assertion("https://t.example/token", "scope-1", 1_000).unwrap();
        let parts: Vec<&str> = assertion.expose().split('.').collect();
        let [head, claims, signed] = parts[..] else { panic!("three parts") };
        let json =
            |part: &str| -> Value { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap() };
        assert_eq!(json(head), json!({"typ": "JWT", "alg": "RS256", "kid": "kid-1"}));
        assert_eq!(
            json(claims),
            json!({"iss": "gateway@p.iam.gserviceaccount.com", "scope": "scope-1",
                "aud": "https://t.example/token", "iat": 1_000, "exp": 4_600})
        );
        let pair = KeyPair::from_pkcs8(&der(KEY).unwrap()).unwrap();
        let public = UnparsedPublicKey::new(&signature::RSA_PKCS1_2048_8192_SHA256, pair.public_key());
        let message = format!("{head}.{claims}");
        let signature = URL_SAFE_NO_PAD.decode(signed).unwrap();
        assert!(public.verify(message.as_bytes(), &signature).is_ok());
        assert!(public.verify(&message.as_bytes()[1..], &signature).is_err());
    }

    #[test]
    fn what_is_no_service_account_is_refused_and_not_repeated() {
        let not_an_account = [
            Secret::new("AIza-a-key".to_owned()),
            Secret::new("{}".to_owned()),
            file(|file| file["type"] = json!("authorized_user")),
            file(|file| file["private_key"] = Value::Null),
        ];
        for file in &not_an_account {
            assert_eq!(ServiceAccount::read(file).err(), Some(NoAssertion::NotAnAccount));
        }
        let short = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----";
        for key in ["", "AAAA", short, "-----BEGIN PRIVATE KEY-----\n*\n-----END PRIVATE KEY-----"] {
            let file = file(|file| file["private_key"] = json!(key));
            let account = ServiceAccount::read(&file).unwrap();
            assert_eq!(account.assertion("a", "s", 1).err(), Some(NoAssertion::BadKey), "{key}");
        }
    }
}
