//! The way out to providers: an HTTP/1.1 client of our own behind the engine's `Transport` port, and awc for
//! errands beside it.
//!
//! No socket is opened but by `connector`, after every address was judged, and every answer is read by
//! `framing`, so that no end of a message is ever in doubt.

mod access;
mod answer;
mod body;
mod connection;
mod connector;
mod deadline;
mod egress;
mod exchange;
mod fault;
mod fetch;
mod framing;
mod network;
mod peer;
mod pool;
mod request;
mod socket;
mod space;
mod tls;
mod transport;

pub use access::{Access, AwsSource, AzureSource, GoogleSource, Host, HostSource, Hosts, Showing, Shown};
pub use body::AnswerBody;
pub use egress::Reach;
pub use fetch::{Errand, Fetched, Fetcher};
pub use tls::{BadRoots, Tls};
pub use transport::HttpTransport;
