//! The OpenAI dialect: bodies, splicing, SSE framing, the public error table.
//!
//! Everything here is a function of bytes: no vendor's name, no socket, no clock.

pub mod base64;
pub mod batch;
pub mod bearing;
pub mod chat;
pub mod completion;
pub mod continuation;
pub mod conversation;
pub mod cut;
pub mod embedding;
pub mod error;
pub mod listing;
pub mod made;
pub mod mark;
pub mod models;
pub mod passed;
pub mod place;
pub mod references;
pub mod rerank;
pub mod said;
pub mod splice;
pub mod sse;
pub mod surface;
pub mod usage;

pub mod file;
mod json;
