//! Ends a stream where a quota of the mode `cut` has no more room for it.
//!
//! What was written is measured by its bytes, so that looking costs nothing; what is booked is counted.

use std::sync::Arc;

use bytes::{BufMut as _, BytesMut};
use nexus_core::usage::Usage;
use nexus_wire::{cut::Head, sse::encode};

use crate::{
    hold::{Growth, Hold},
    stage::resolve::Routed,
};

/// Bytes of text that are taken for a token: fewer than most tokens have, so that what is held is enough.
const BYTES_A_TOKEN: u64 = 3;

/// Holds on for a stream as it grows.
pub struct Cutter {
    hold: Arc<Hold>,
    model: String,
    choices: u64,
    wants_usage: bool,
    /// Output tokens that are held for.
    granted: u64,
    head: Option<Head>,
}

impl Cutter {
    /// Of a stream that falls under such a quota.
    pub fn of(routed: &Routed) -> Option<Self> {
        let hold = routed.hold.as_ref().filter(|_| routed.asked.call.is_stream)?;
        let Growth { first, choices, .. } = hold.growth()?;
        Some(Self {
            hold: Arc::clone(hold),
            model: routed.asked.call.alias.clone(),
            choices,
            wants_usage: routed.asked.call.wants_usage,
            granted: first,
            // an answer in other words has no chunk to learn it from, and needs none to be told what ends it
            head: routed.asked.foreign.as_ref().map(|_| Head::made(routed.asked.call.asked_at_s)),
        })
    }

    /// Looks at what is to be written, of an answer whose text has so many bytes by now. The chunk that ends it, where
    /// there is no room for more.
    pub(super) fn look(&mut self, out: &[u8], text_bytes: usize) -> Option<Vec<u8>> {
        if self.head.is_none() {
            self.head = Head::find(out);
        }
        let tokens = (text_bytes as u64).div_ceil(BYTES_A_TOKEN);
        let piece = Growth::PIECE.saturating_mul(self.choices);
        if tokens.saturating_add(piece / 2) <= self.granted {
            return None;
        }
        let wanted = tokens.saturating_add(piece);
        match self.hold.grow(wanted) {
            Ok(()) => {
                self.granted = wanted;
                None
            }
            Err(_) if tokens < self.granted => None,
            Err(quota) => self.head.as_ref().map(|head| head.finish(&self.model, self.choices, &quota)),
        }
    }

    /// What comes behind that chunk.
    pub(super) fn end(&self, usage: &Usage, out: &mut BytesMut) {
        if let Some(head) = self.head.as_ref().filter(|_| self.wants_usage) {
            let (prompt, completion) = (usage.prompt_tokens(), usage.completion_tokens());
            encode::data(&head.usage(&self.model, prompt, completion), out);
        }
        out.put_slice(encode::DONE);
    }
}
