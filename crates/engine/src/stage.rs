//! The nine stages, in the order a request passes them. No stage knows another.

#![cfg_attr(rustfmt, rustfmt_skip)]

pub mod parse;
pub mod authenticate;
pub mod signed;
pub mod shield;
pub mod resolve;
pub mod limit;
pub mod repeat;
pub mod reserve;
pub mod select;
pub mod queue;
pub mod adapt;
pub mod admit;
pub mod draw;
pub mod send;
pub mod normalise;
pub mod account;
