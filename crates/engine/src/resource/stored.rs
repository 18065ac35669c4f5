//! Responses and chats that a provider keeps along with its answer: whose they are is noted as the answer goes by.
//!
//! An answer does not wait for that: what was said is worth more than that it can be asked for again.

use std::sync::Arc;

use bytes::BytesMut;
use nexus_core::{
    call::Operation,
    catalogue::Target,
    fault::Fault,
    id::{KeyId, TeamId},
    resource::{Home, Owned},
};
use nexus_providers::{
    dialect::{Consumed, Progress, StreamDecoder},
    tongue::Words,
};
use nexus_wire::made::{named_first, wants_storing};

use crate::{
    credentials::Credential,
    shared::Shared,
    stage::{adapt, normalise::Begun, resolve::Routed},
    world::Backend,
};

/// The most of a stream that is looked at for an id.
const LOOKED_AT_MAX: usize = 64 * 1024;

/// Lets it be noted whose an answer is, where its provider keeps it.
pub(crate) fn noticed<B>(
    begun: Begun<B>,
    shared: &Arc<Shared>,
    routed: &Routed,
    (target, backend): (&Target, &Backend),
    credential: Option<&Credential>,
) -> Begun<B> {
    let words = adapt::words(routed, target, backend);
    let kind = match (routed.asked.call.operation, words) {
        (Operation::Responses, Words::Own) if wants_storing(routed.asked.sent(), true) => "response",
        (Operation::ChatCompletions, Words::Chat) if wants_storing(&routed.asked.body, false) => "completion",
        _ => return begun,
    };
    let home = Home { provider: target.provider.id, credential: credential.map(|credential| credential.id) };
    let (team, key) = (routed.caller.team, routed.caller.key);
    let noting = Noting { shared: Arc::clone(shared), kind, home, team, key };
    match begun {
        Begun::Stream(mut opened) => {
            let mut listening =
                Listening { decoder: opened.decoder, noting: Some(noting), heard: BytesMut::new() };
            listening.hear(&opened.ready);
            opened.decoder = Box::new(listening);
            Begun::Stream(opened)
        }
        Begun::Whole(decoded) => {
            noting.note(named_first(&decoded.body));
            Begun::Whole(decoded)
        }
        part @ Begun::Part(_) => part,
    }
}

struct Noting {
    shared: Arc<Shared>,
    kind: &'static str,
    home: Home,
    team: Option<TeamId>,
    key: KeyId,
}

impl Noting {
    fn note(&self, id: Option<String>) {
        let Some(id) = id else { return };
        self.shared.owners.keep_soon(Owned {
            kind: self.kind.into(),
            id: id.into(),
            home: self.home,
            team: self.team,
            key: self.key,
            made_at_ms: self.shared.clock.unix_ms(),
        });
    }
}

/// A stream that is listened to until it has said its id.
struct Listening {
    decoder: Box<dyn StreamDecoder>,
    /// `None` once it has.
    noting: Option<Noting>,
    heard: BytesMut,
}

impl Listening {
    fn hear(&mut self, said: &[u8]) {
        let Some(noting) = &self.noting else { return };
        self.heard.extend_from_slice(said);
        let is_frame = self.heard.windows(2).position(|pair| pair == b"\n\n");
        let Some(end) = is_frame else {
            if self.heard.len() > LOOKED_AT_MAX {
                (self.noting, self.heard) = (None, BytesMut::new());
            }
            return;
        };
        let frame = self.heard.get(..end).unwrap_or_default();
        let data = frame.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"data: "));
        noting.note(data.and_then(named_first));
        (self.noting, self.heard) = (None, BytesMut::new());
    }
}

impl StreamDecoder for Listening {
    fn feed(&mut self, piece: &[u8], out: &mut BytesMut) -> Result<Progress, Fault> {
        let at = out.len();
        let came = self.decoder.feed(piece, out);
        self.hear(out.get(at..).unwrap_or_default());
        came
    }

    fn end(&mut self, out: &mut BytesMut) -> Result<(), Fault> {
        self.decoder.end(out)
    }

    fn consumed(&mut self) -> Consumed {
        self.decoder.consumed()
    }

    fn text(&self) -> &str {
        self.decoder.text()
    }
}
