//! The pipeline: what happens to a request between the listener and a provider, over ports.
//!
//! Read [`pipeline`] first: it is the request's way on one page. The stages lie under [`stage`], one
//! file each, and do not know each other; what they need of the world is in [`port`].

pub mod arrival;
mod attempt;
pub mod booking;
mod conceal;
pub mod credentials;
pub mod denial;
pub mod estimate;
pub mod hedge;
pub mod hold;
pub mod identity;
pub mod keeping;
pub mod pipeline;
pub mod port;
pub mod pricing;
pub mod quote;
pub mod relay;
pub mod repeat;
pub mod reply;
pub mod resource;
mod resume;
mod sealed;
mod share;
pub mod shared;
pub mod sharing;
pub mod shelf;
pub mod stage;
pub mod tally;
pub mod telling;
pub mod world;
