//! The dialects over recorded shapes: requests, whole answers and streams.

#![cfg(test)]

mod anthropic;
mod bedrock;
mod chance;
mod drive;
mod frames;
mod golden;
mod recordings;
mod reference;
