//! Translators between OpenAI's words and each vendor's, bytes in, bytes out.
//!
//! Nothing here waits, opens, reads a clock or sees a credential.

pub mod compat;
pub mod dialect;
pub mod reference;
pub mod registry;
pub mod tongue;

pub use part::limits;

mod part {
    pub(crate) mod arguments;
    pub(crate) mod chunks;
    pub(crate) mod completion;
    pub(crate) mod data_url;
    pub(crate) mod effort;
    pub(crate) mod event;
    pub(crate) mod events;
    pub(crate) mod eventstream;
    pub(crate) mod fault;
    pub(crate) mod finish;
    pub(crate) mod id;
    pub mod limits;
    pub(crate) mod lines;
    pub(crate) mod listing;
    pub(crate) mod logprobs;
    pub(crate) mod object;
    pub(crate) mod scrub;
    pub(crate) mod structured;
    pub(crate) mod tool;
    pub(crate) mod usage;
}
