//! Keys, sealed credentials and tokens: everything that touches a secret's plaintext or a signature.
//!
//! Nothing here reads a clock, a file or the environment, and no secret leaves but through
//! [`secret::Secret::expose`].

pub mod bearer;
pub mod browser_session;
pub mod content;
mod crypto;
pub mod cursor;
mod entropy;
pub mod fingerprint;
pub mod keyring;
pub mod oidc;
pub mod opaque;
pub mod password;
pub mod request_signature;
pub mod root;
mod seal;
pub mod secret;
pub mod service_account;
pub mod shared_state;
pub mod signing_secret;
pub mod sigv4;
pub mod token;
pub mod vault;
pub mod webhook;

/// Bytes from the hexadecimal of the published vectors.
#[cfg(test)]
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).map(|d| d as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}
