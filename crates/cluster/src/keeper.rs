//! Where texts are kept that several nodes change: what a keeper must be able to do.

use std::future::Future;

/// A text that is to take the place of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swap {
    pub name: String,
    /// What stands there as far as is known; `None`: nothing.
    pub expected: Option<Vec<u8>>,
    pub text: String,
    /// How long it is kept, in milliseconds; what is forgotten later than asked does no harm.
    pub keep_ms: i64,
}

/// What came of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Swapped {
    Done,
    /// Something else stands there, which somebody else may have written.
    Differs(Option<Vec<u8>>),
}

/// What came of all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The keeper's clock, in Unix milliseconds.
    pub now_ms: i64,
    /// One for each swap, in order.
    pub swapped: Vec<Swapped>,
}

/// Why a keeper did nothing, as far as is known: what was asked may have been done all the same.
#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    #[error("it did not answer in time")]
    Slow,
    #[error("{0}")]
    Failed(String),
    /// It has another memory than the one that was expected: all it knew may be lost.
    #[error("it has forgotten what it knew")]
    Forgot,
}

/// A keeper's memory, from one loss of it to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memory {
    /// What is written down in it.
    pub text: String,
    pub now_ms: i64,
}

/// A place for texts under names. Every call ends within a bounded time.
pub trait Keeper {
    /// Which memory it has. Where it has none, this text is written down first.
    fn memory(&mut self, fresh: &str) -> impl Future<Output = Result<Memory, KeeperError>>;

    /// Swaps each where what is expected stands there, all of them in the memory with this text or none.
    fn swap(&mut self, memory: &str, swaps: &[Swap]) -> impl Future<Output = Result<Outcome, KeeperError>>;
}
