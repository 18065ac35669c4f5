//! The dialects over recorded shapes: requests, whole answers and streams.

#![cfg(test)]

mod anthropic;
mod arbitrary;
mod bedrock;
mod chance;
mod drive;
mod frames;
mod gemini;
mod generate;
mod golden;
mod messages;
mod pairs;
mod recordings;
mod reference;
mod responses;
mod tongue;
