//! Domain and decisions: who may call what, which target next, what was used.
//!
//! Everything here is a value or a pure function. Time and chance are arguments: this crate opens
//! nothing, waits for nothing, reads no clock and rolls no dice, and it knows neither JSON nor HTTP,
//! SQL or vendors.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

pub mod allowance;
pub mod anomaly;
pub mod brute;
pub mod call;
pub mod capabilities;
pub mod catalogue;
pub mod endpoint;
pub mod failover;
pub mod fault;
pub mod flow;
pub mod health;
pub mod hedge_budget;
pub mod host;
pub mod id;
pub mod label;
pub mod latency;
pub mod lease;
pub mod limit;
pub mod modality;
pub mod need;
pub mod origin;
pub mod policy;
pub mod pool;
pub mod price;
pub mod principal;
pub mod proxy;
pub mod quantity;
pub mod quota;
pub mod refusal;
pub mod resource;
pub mod retry_budget;
pub mod role;
#[cfg(test)]
mod sample;
pub mod scope;
pub mod select;
pub mod site;
pub mod snapshot;
pub mod split;
pub mod usage;
