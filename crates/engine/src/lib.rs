//! The pipeline: nine stages over ports.

pub mod port;
pub mod world;
