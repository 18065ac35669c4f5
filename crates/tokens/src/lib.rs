//! Counts tokens locally when a provider does not say, in the words of OpenAI's `o200k_base`.
//!
//! Whatever its size or shape, no text panics, and no more than [`EXACT_BYTES`] of it are counted exactly;
//! the rest is estimated. That bounds a count at some 100 milliseconds beside the reading of JSON: not for the
//! request's way. The first count loads the vocabulary: a tenth of a second, 67 MB of memory.

mod chat;
mod meter;
mod tools;

pub use chat::count_chat_request;
pub use meter::{EXACT_BYTES, count_text};
