//! Translators between OpenAI's words and each vendor's, bytes in, bytes out.

pub mod dialect;
