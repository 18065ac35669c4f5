//! Handlers: from HTTP to the engine and back. They decide nothing.

pub mod fallback;
pub mod models;
pub mod operation;
pub mod probes;
pub mod session_keys;
