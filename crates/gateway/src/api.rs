//! Handlers: from HTTP to the engine and back. They decide nothing.

mod asked;
pub mod estimate;
pub mod fallback;
pub mod gemini;
pub mod me;
pub mod models;
pub mod operation;
pub mod organization;
pub mod probes;
pub mod relay;
pub mod resources;
pub mod session_keys;
