//! Everything the tests and the benchmark need from the outside world: a mock provider, raw faulty upstreams, a load generator, a clock that is set by hand.
//!
//! Nothing here uses the crates it tests: an error in their reading of the protocol must not be repeated here.

pub mod clock;
mod host;
mod http;
pub mod load;
pub mod mock;
pub mod raw;
pub mod script;

pub use clock::FakeClock;
pub use mock::{ACCESS_KEY_ID, Counts, Mock, Options, SECRET_ACCESS_KEY, SERVICE_ACCOUNT};
pub use raw::{After, Exchange, RawServer};
