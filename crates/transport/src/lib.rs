//! The way out to providers: awc behind the engine's `Transport` port, over sockets of our own.
//!
//! awc never opens a socket, resolves a name or speaks TLS: `connector` does, after every address was
//! judged, and what awc reads has passed through `framing`, so that no end of a message is ever in doubt.

mod answer;
mod body;
mod client;
mod connector;
mod deadline;
mod egress;
mod exchange;
mod fault;
mod framing;
mod network;
mod peer;
mod request;
mod socket;
mod tls;
mod upload;

pub use body::AwcBody;
pub use client::AwcTransport;
pub use tls::{BadRoots, Tls};
