//! How a vendor makes embeddings in words of its own.
//!
//! Vectors come back in the order of their texts, and each is there: an answer that lacks one is a fault, since
//! a vector under the wrong text is worse than none.

use bytes::Bytes;
use nexus_core::{call::Call, fault::Fault, site::Site};

use super::{Consumed, Encoded, Unsayable};

/// Texts to be embedded by one exchange: at most [`Embedder::batch_max`] of them.
#[derive(Clone, Copy, Debug)]
pub struct EmbedAsk<'a> {
    pub call: &'a Call,
    pub texts: &'a [String],
    /// `dimensions`, where the application said it.
    pub dimensions: Option<u32>,
    /// `user`, where the application said it.
    pub user: Option<&'a str>,
    /// The provider's name of the model.
    pub real_model: &'a str,
    /// The name by which the model is known: what it can do is told by this one.
    pub known_as: &'a str,
    pub site: Site<'a>,
}

/// What an exchange brought.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Embedded {
    /// One for each text, in their order.
    pub vectors: Vec<Vec<f32>>,
    pub consumed: Consumed,
}

/// A vendor's words for embeddings.
pub trait Embedder: Send + Sync {
    /// How many texts an exchange takes at most, at least 1; more are asked for by several exchanges.
    fn batch_max(&self, known_as: &str) -> usize;

    /// Says the request in the vendor's words.
    fn encode(&self, ask: EmbedAsk<'_>) -> Result<Encoded, Unsayable>;

    /// Reads a whole answer of status 2xx to what was said for `ask`. How many vectors there are is checked by
    /// whoever asks.
    fn decode(&self, ask: EmbedAsk<'_>, body: &Bytes) -> Result<Embedded, Fault>;
}
