//! Server-sent events: splitting a body into frames, and writing frames.

pub mod decode;
pub mod encode;
