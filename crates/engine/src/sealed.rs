//! What a vendor sealed goes back to the credential it was sealed under: no other account opens it.
//!
//! The answer says itself who sealed it, so that any node knows and none has to remember. Only an answer in the
//! client's own words has such contents; where there is one credential at one target there is nothing to say.

use bytes::BytesMut;
use nexus_core::{fault::Fault, id::CredentialId, refusal::Refusal};
use nexus_providers::dialect::{Consumed, Progress, StreamDecoder};
use nexus_wire::mark::{self, Borne, Mark};

use crate::{
    credentials::{Credential, Credentials},
    stage::{normalise::Begun, resolve::Routed},
    world::Backend,
};

/// How a credential is marked: by what of its id was drawn.
fn mark_of(credential: CredentialId) -> Mark {
    Mark(credential.0.as_u64_pair().1)
}

/// Whether a credential is the one that sealed what is brought.
pub(crate) fn is_of(credential: &Credential, mark: Mark) -> bool {
    mark_of(credential.id) == mark
}

/// Whether one of these sealed what is brought.
pub(crate) fn is_held(pool: &Credentials, borne: Borne) -> bool {
    borne.other.is_none() && pool.members().iter().any(|member| is_of(&member.credential, borne.mark))
}

/// What is told where nobody opens what is brought.
pub(crate) fn refused(borne: Borne) -> Refusal {
    let at = borne.other.unwrap_or(borne.at);
    Refusal::SealedElsewhere { param: format!("input[{at}].encrypted_content") }
}

/// The mark of what is sealed in answers of this credential; `None` where nobody else could be asked.
pub(crate) fn mark(routed: &Routed, backend: &Backend, credential: Option<&Credential>) -> Option<Mark> {
    let has_choice = routed.to.route.targets.len() > 1 || backend.credentials.members().len() > 1;
    credential.filter(|_| has_choice).map(|credential| mark_of(credential.id))
}

/// An answer in the client's own words whose sealed contents say by whom they are.
pub(crate) fn from_now_on<B>(begun: Begun<B>, mark: Option<Mark>) -> Begun<B> {
    match (begun, mark) {
        (Begun::Whole(mut decoded), Some(mark)) => {
            decoded.body = mark::put(&decoded.body, mark).unwrap_or(decoded.body);
            Begun::Whole(decoded)
        }
        (Begun::Stream(mut opened), Some(mark)) => {
            put(&mut opened.ready, 0, mark);
            opened.decoder = Box::new(Marking { decoder: opened.decoder, mark });
            Begun::Stream(opened)
        }
        (begun, _) => begun,
    }
}

/// Marks what was written behind `from`.
fn put(out: &mut BytesMut, from: usize, mark: Mark) {
    if let Some(marked) = out.get(from..).and_then(|written| mark::put(written, mark)) {
        out.truncate(from);
        out.extend_from_slice(&marked);
    }
}

struct Marking {
    decoder: Box<dyn StreamDecoder>,
    mark: Mark,
}

impl StreamDecoder for Marking {
    fn feed(&mut self, piece: &[u8], out: &mut BytesMut) -> Result<Progress, Fault> {
        let from = out.len();
        let progress = self.decoder.feed(piece, out);
        put(out, from, self.mark);
        progress
    }

    fn end(&mut self, out: &mut BytesMut) -> Result<(), Fault> {
        let from = out.len();
        let ended = self.decoder.end(out);
        put(out, from, self.mark);
        ended
    }

    fn consumed(&mut self) -> Consumed {
        self.decoder.consumed()
    }

    fn text(&self) -> &str {
        self.decoder.text()
    }
}
