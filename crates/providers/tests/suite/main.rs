//! The dialects over recorded shapes: requests, whole answers and streams.

#![cfg(test)]

mod anthropic;
mod chance;
mod drive;
mod golden;
mod recordings;
