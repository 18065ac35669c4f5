//! Typed events to metrics and logs, and the exporter's text.
//!
//! There is no global recorder: whoever counts holds [`meters::Meters`], so that every metric's name,
//! labels and help stand in [`metric::ALL`] and nowhere else. Label values come from the configuration
//! or from fixed words, never from what a client typed. This crate serves no HTTP.

pub mod exporter;
pub mod log;
pub mod meters;
pub mod metric;
mod registry;
mod slots;
pub mod target;
