//! Takes the credential that was shown out of what a provider says of a failure: in an error's body, in a 200 that is
//! none, or in the middle of a stream.
//!
//! Patterns of keys are scrubbed by the dialects, which see no credential; here it is this very one.

use bytes::BytesMut;
use nexus_core::fault::Fault;
use nexus_providers::dialect::{Consumed, Progress, StreamDecoder};

use crate::{credentials::Credential, stage::normalise::Begun};

/// A fault whose words do not have the credential in them.
pub(crate) fn conceal(mut fault: Fault, credential: Option<&Credential>) -> Fault {
    if let (Some(said), Some(credential)) = (&mut fault.said, credential) {
        said.conceal(credential.secret.expose());
    }
    fault
}

/// An answer whose failures to come do not have the credential in them.
pub(crate) fn from_now_on<B>(begun: Begun<B>, credential: Option<&Credential>) -> Begun<B> {
    match (begun, credential) {
        (Begun::Stream(mut opened), Some(credential)) => {
            let credential = credential.clone();
            opened.decoder = Box::new(Concealing { decoder: opened.decoder, credential });
            Begun::Stream(opened)
        }
        (begun, _) => begun,
    }
}

struct Concealing {
    decoder: Box<dyn StreamDecoder>,
    credential: Credential,
}

impl StreamDecoder for Concealing {
    fn feed(&mut self, piece: &[u8], out: &mut BytesMut) -> Result<Progress, Fault> {
        self.decoder.feed(piece, out).map_err(|fault| conceal(fault, Some(&self.credential)))
    }

    fn end(&mut self, out: &mut BytesMut) -> Result<(), Fault> {
        self.decoder.end(out).map_err(|fault| conceal(fault, Some(&self.credential)))
    }

    fn consumed(&mut self) -> Consumed {
        self.decoder.consumed()
    }

    fn text(&self) -> &str {
        self.decoder.text()
    }
}
