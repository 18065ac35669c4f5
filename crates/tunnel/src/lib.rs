//! TLS between a PostgreSQL client that has none and its server.
//!
//! The client library of this build speaks no TLS, and the one that does brings a second crypto library. So where a
//! URL asks for TLS, it is spoken here: the server is connected to and looked at as the URL wants, and the client is
//! told to connect to a socket in a folder that only we can open. One thread carries what both say, and ends with
//! the connection. Nothing of it is ever written anywhere.

mod address;
mod carry;
mod certificate;

pub use self::{
    address::{Address, Mode, Unusable},
    carry::{Local, Lost},
};
