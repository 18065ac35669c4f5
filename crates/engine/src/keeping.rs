//! What a request and its answer say, gathered for teams that want it kept.
//!
//! It is given away when the answer is over, however that comes; nobody waits for what becomes of it. A team that
//! keeps nothing pays one look at the snapshot.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use nexus_core::id::{RequestId, TeamId};

use crate::{
    port::{Content, Contents},
    shared::Shared,
    stage::resolve::Routed,
    world::World,
};

/// Bytes of a prompt that are kept, and of an answer.
pub const SAID_MAX: usize = 256 * 1024;

/// Hears an answer to its end.
pub struct Keeping {
    contents: Arc<dyn Contents>,
    request: RequestId,
    team: TeamId,
    at_ms: i64,
    prompt: Bytes,
    answer: BytesMut,
    is_cut: bool,
}

impl Keeping {
    /// Begins with what was asked; `None` where it is not to be kept.
    pub fn of(routed: &Routed, world: &World, shared: &Shared, request: RequestId) -> Option<Box<Self>> {
        // files and the like are no conversation
        if routed.asked.resource.is_some() {
            return None;
        }
        let team = routed.caller.team.filter(|team| world.snapshot.keeps_content(Some(*team)))?;
        let body = &routed.asked.body;
        let head = body.get(..SAID_MAX);
        Some(Box::new(Self {
            contents: Arc::clone(&shared.contents),
            request,
            team,
            at_ms: shared.clock.unix_ms(),
            // a part of a large body would hold all of it
            prompt: head.map_or_else(|| body.clone(), Bytes::copy_from_slice),
            answer: BytesMut::new(),
            is_cut: body.len() > SAID_MAX,
        }))
    }

    /// Hears what the client is given next.
    pub fn hear(&mut self, piece: &[u8]) {
        let room = SAID_MAX.saturating_sub(self.answer.len());
        self.answer.extend_from_slice(piece.get(..room).unwrap_or(piece));
        self.is_cut |= piece.len() > room;
    }
}

impl Drop for Keeping {
    fn drop(&mut self) {
        self.contents.keep(Content {
            request: self.request,
            team: self.team,
            at_ms: self.at_ms,
            prompt: std::mem::take(&mut self.prompt),
            answer: std::mem::take(&mut self.answer).freeze(),
            is_cut: self.is_cut,
        });
    }
}
