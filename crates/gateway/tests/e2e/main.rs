//! The real binary, over real sockets, against scripted providers: what users and operators rely on.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    reason = "a test may be blunt"
)]

mod admin;
mod alerts;
mod audit;
mod batches;
mod bedrock;
mod capabilities;
mod chat;
mod client;
mod cluster;
mod console;
mod crash;
mod edges;
mod embeddings;
mod failover;
mod faults;
mod fidelity;
mod flow;
mod forwarded;
mod gemini;
mod generate;
mod hostile;
mod hosts;
mod keys;
mod lifecycle;
mod messages;
mod money;
mod node;
mod pages;
mod passed;
mod people;
mod pools;
mod postgres;
mod pricing;
mod relay;
mod repeats;
mod resources;
mod responses;
mod retention;
mod rotation;
mod secrets;
mod streams;
mod sweep;
mod thinking;
mod usage;
mod vendors;
