//! Keys, sealed credentials and tokens.

pub mod secret;
