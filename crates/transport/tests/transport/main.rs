//! The transport against real sockets on loopback: every way an answer can go wrong, and the ways it goes right.
//!
//! `cfg(test)` stands at each module so that the lints know its helpers for tests too.

#[cfg(test)]
mod access;
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod deadlines;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod fetch;
#[cfg(test)]
mod pieces;
#[cfg(test)]
mod pool;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod upstream;
