//! The compatible vendors' dialect over recorded shapes: requests, whole answers and streams.

#![cfg(test)]

mod drive;
mod golden;
mod recordings;
