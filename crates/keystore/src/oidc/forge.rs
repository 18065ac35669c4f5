//! Plays the identity provider: keys made for the tests, and tokens signed with them member by member.

use ring::{
    rand::SystemRandom,
    rsa::{KeyPair as RsaKeyPair, PublicKeyComponents},
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding,
    },
};

use super::*;

pub(super) const NOW_S: i64 = 1_800_000_000;
pub(super) const ISSUER: &str = "https://id.example.com/realms/a";
pub(super) const CLIENT: &str = "console";
pub(super) const NONCE: &str = "n-0S6_WzA2Mj";

/// A throw-away key of these tests, made for them and used nowhere else: PKCS #1, base64.
const RSA_KEY: &str = "\
    MIIEpQIBAAKCAQEA0EfGTrxAu0v+KqPRZpCZ2LvYGX/t0tB4TlRZpghm5pO9TSY1bZa+zPMqQxW8uj97z1U5HWf1HW47uHdwB2574Nlf\
    iTr8e5zr1wVTM68WFH3HL3XcaaF1DPzZt5z0lZb3D4P95oZQvFMAowFa+sG0PWb2lN/wukGhD7q8iqPFM9TyeMGYJ03XgAPJtVNEzUvp\
    a784r/9oJyFHjhj4NTUA5mArJ2soVd+kco5q844iET5q7fRC5K/cpOS+XvFVWWpOzeGQfIUUFrBYtyHRbqdwWVP3HTdefihfC4/iBXrw\
    0HwAEQ7djwg+DFqbXqymQLm1pBjTzEG11rI64NMhWRoyAwIDAQABAoIBABtTL0spG3z3DVNexpwkIGr0yfced38O5pmwK0rDE2zwuQck\
    GiJUgpe01ziR436z0XR0A9g9yUShL6iV0tbGwe3P1t7UJEe7YJ2HD1FaiRULI1Swq8gX7JlVmuKh7typP6SDdo4F1RW/9fdsuBjpzNG5\
    bmQ9tQFaltzPbOjrb3XLH2kyJv+Hzq6ToP4pksCHPzE0ZVGnf6zfUSRgIAlwnddRuc3Edc9YBgLQiyS5IY9rhsWWJKeoHluSjfHq7Qv4\
    2Ls6/ZinfpvuqeHCk+LB4VAYjHwxzr01JjjYuQlJbtG9nbWQCGXpmzfi+HoyDhv80jjHapCfmjcqbVUajr2dGPECgYEA/D82OcXkL/Rs\
    6jo8ESo+0crUA1ADaZcS/tAEd3gN51HjpGbh7Z6mpEUGhTuhk1emu51eDxkT4S7XHSUblbAWYod4nMLAqLjc+yR7sSykVbCu3cGkM6rE\
    JpY7Z+If/oeFx+LMpNHgkvnhw6gyABqdG8cM8sMbsFngxmNYj2Ec2+0CgYEA02EZB4Ij+ePFkm5UkbiMWzP09XpH0ePe8UZKNBzT/cXO\
    QNtiecidqEJL/hiBAQrI3coJ9Tcw2oo2jdvIFVNId/lcuE58zeCOiGAyjW40Sg9uHkczU1kkKb/52PB8lprEz3V8lJ/MG7Gj4rHRhYPQ\
    UBgwZuZtN3xSmfXUflAB568CgYEAp2PDNj9uF6yaAi024yUnnsx8ON6GBTHttw6PiEAw6cpbyCNF1gusBeKQWyWhKUfHK0VYv6gimxIc\
    Sgjv7zt0/1lq3owWkWBrtHUXaBF51Ct1P09bCbZOiFS1g1B5bsy8KFMG/nEQGDieatpYo90FWQOUQhzbaQGbucr/X9ZP8lkCgYEAodJn\
    0vOyjw/spRmJ7LUX3op8MaGXcfu9JYDmNdcMA+924vgQ/6Kx76oxeylPOXkEJacS0IOcBvJgqWFkX88OX6qrbP3JVeNfus/KY7PGnBwL\
    9WoUxO4tXTj3ETmqZ7G8kgYjhbSAEYOBL39qI4ix5V9fTqeBXUT0B6HHN5wQmUkCgYEAgpXysMTSDa5bgz+hJBA/ah+clTzXmX+RlHEN\
    Md67JdtWzcDM7NvBcKsz8WeCXa/OTW9wMl2KfoCofDRXSf9T9mYl/BqcAdgtthWVusCpHElkWRuYti8EF+mxQB4OJSbp3LgTo+pPZ4LP\
    cMrcC3fmDDkZb7YgqTPkgnghQ3rmH+4=";

/// An identity provider with a key of each kind.
pub(super) struct Provider {
    rsa: RsaKeyPair,
    p256: EcdsaKeyPair,
}

/// Base64url without padding.
pub(super) fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Provider {
    /// The RSA key is always the same one, the other is new each time.
    pub(super) fn new() -> Self {
        let rsa = base64::engine::general_purpose::STANDARD.decode(RSA_KEY).unwrap();
        let random = SystemRandom::new();
        let p256 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        Self {
            rsa: RsaKeyPair::from_der(&rsa).unwrap(),
            p256: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, p256.as_ref(), &random).unwrap(),
        }
    }

    /// The RSA key's modulus and exponent.
    pub(super) fn rsa(&self) -> (Vec<u8>, Vec<u8>) {
        let public = PublicKeyComponents::<Vec<u8>>::from(self.rsa.public());
        (public.n, public.e)
    }

    /// A member of a key set, with these further members.
    pub(super) fn rsa_jwk(&self, more: &str) -> String {
        let (n, e) = self.rsa();
        format!(r#"{{"kty":"RSA","n":"{}","e":"{}"{more}}}"#, encoded(n), encoded(e))
    }

    pub(super) fn p256_jwk(&self, more: &str) -> String {
        let (x, y) = self.p256.public_key().as_ref()[1..].split_at(32);
        format!(r#"{{"kty":"EC","crv":"P-256","x":"{}","y":"{}"{more}}}"#, encoded(x), encoded(y))
    }

    /// Both keys as they are published: `rsa-1` and `ec-1`.
    pub(super) fn keys(&self) -> KeySet {
        key_set(&[
            self.rsa_jwk(r#","kid":"rsa-1","use":"sig","alg":"RS256""#),
            self.p256_jwk(r#","kid":"ec-1","use":"sig""#),
        ])
    }

    pub(super) fn rs256(&self, message: &[u8]) -> Vec<u8> {
        self.by_rsa(&RSA_PKCS1_SHA256, message)
    }

    pub(super) fn ps256(&self, message: &[u8]) -> Vec<u8> {
        self.by_rsa(&RSA_PSS_SHA256, message)
    }

    pub(super) fn es256(&self, message: &[u8]) -> Vec<u8> {
        self.p256.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
    }

    fn by_rsa(&self, padding: &'static dyn RsaEncoding, message: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.rsa.public().modulus_len()];
        self.rsa.sign(padding, &SystemRandom::new(), message, &mut signature).unwrap();
        signature
    }
}

pub(super) fn key_set(keys: &[String]) -> KeySet {
    KeySet::parse(format!(r#"{{"keys":[{}]}}"#, keys.join(",")).as_bytes()).unwrap()
}

/// A token of these texts.
pub(super) fn token(header: &str, claims: &str, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let message = [header, claims].map(encoded).join(".");
    let signature = encoded(sign(message.as_bytes()));
    format!("{message}.{signature}")
}

pub(super) fn claims() -> String {
    format!(
        r#"{{"iss":"{ISSUER}","sub":"248289761001","aud":"{CLIENT}","exp":{},"iat":{NOW_S},"nonce":"{NONCE}","email":"Jane@example.com","email_verified":true,"name":"Jane \u00c4","groups":["admins","ops"],"extra":{{"a":[1]}}}}"#,
        NOW_S + 300
    )
}

pub(super) fn expected() -> Expected<'static> {
    Expected { issuer: ISSUER, client_id: CLIENT, nonce: NONCE, groups_claim: Some("groups") }
}
