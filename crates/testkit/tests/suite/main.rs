//! The mock, the raw server and the load generator against plain sockets, and against the shapes of recorded answers.
//!
//! The client here shares no code with the servers it checks.

#[cfg(test)]
mod binaries;
#[cfg(test)]
mod client;
#[cfg(test)]
mod converse;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod generate;
mod grammar;
#[cfg(test)]
mod load;
#[cfg(test)]
mod messages;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod raw;
#[cfg(test)]
mod shapes;
#[cfg(test)]
mod speaks;
#[cfg(test)]
mod vendors;
