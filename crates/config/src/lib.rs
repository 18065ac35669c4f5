//! Settings: raw as written, then checked, with every problem told at once.
//!
//! Defaults < file < environment < flags. No text that leaves this crate, error or print, holds a value
//! that somebody wrote: problems name the path, the line and the remedy, and secrets travel in
//! [`plain::Plain`], which cannot be shown.

mod check;
pub mod environment;
pub mod field;
pub mod load;
pub mod plain;
pub mod problem;
pub mod raw;
mod redact;
pub mod reference;
mod scalar;
pub mod settings;
mod shape;
mod yaml;
