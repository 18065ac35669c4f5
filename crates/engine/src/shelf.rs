//! The shelf: what the gateway keeps itself where no provider has a place for it, and calls about what lies there.
//!
//! Whose a thing is was looked up before: see `resource`. What is put here can be asked for on every node when the call
//! that made it returns, and is gone when its time is over.

pub mod listing;
pub mod port;
pub mod responses;

use bytes::Bytes;
use nexus_core::{call::Operation, principal::Principal, refusal::Refusal, resource::Home};
use nexus_providers::tongue::Kept;
use nexus_wire::surface::Method;

pub use self::port::{Owner, Part, Shelf, Thing};
use self::responses::Shelving;
use crate::{
    port::Transport,
    reply::ReplyBody,
    resource::{self, Places, ResourceCall},
    shared::{Engine, Shared},
    stage::{limit::Own, parse::Asked},
    telling::Telling,
};

/// What becomes of a request once it is known where lives what it names.
pub(crate) enum Placed<B> {
    /// It is answered here.
    Here(ReplyBody<B>),
    Onward(Box<Onward>),
}

/// A request that goes on its way.
pub(crate) struct Onward {
    pub(crate) asked: Asked,
    pub(crate) telling: Option<Box<Telling>>,
    pub(crate) home: Option<Home>,
}

/// Answers what is about something that lies here, and tells what goes on from such what was said before.
pub(crate) async fn place<T: Transport>(
    engine: &Engine<T>,
    asked: Asked,
    relayed: Option<Home>,
    caller: &Principal,
    own: &Own,
) -> Result<Placed<T::Body>, Refusal> {
    let shared = &engine.shared;
    if relayed.is_some() {
        let telling = asked.telling();
        return Ok(Placed::Onward(Box::new(Onward { asked, telling, home: relayed })));
    }
    let Places { home, is_here } = resource::places(&asked, caller, shared).await?;
    if let (Some(call), true) = (&asked.resource, is_here) {
        may_call(&asked, caller, shared)?;
        let _place = own.admit(&asked, shared).await?;
        return serve(call, shared).await.map(|body| Placed::Here(ReplyBody::Whole(body)));
    }
    if asked.call.operation != Operation::Responses {
        if is_here {
            return Err(elsewhere(asked.call.operation.as_str()));
        }
        let telling = asked.telling();
        return Ok(Placed::Onward(Box::new(Onward { asked, telling, home })));
    }
    let sent = asked.sent().clone();
    let (asked, previous) = match is_here {
        true => responses::go_on(asked, shared).await?,
        false => (asked, None),
    };
    let mut telling = asked.telling();
    if let Some(telling) = &mut telling {
        telling.shelving = Shelving::of(&asked, sent, previous.clone(), caller, shared);
        let is_kept = telling.shelving.is_some();
        telling.told.kept = Kept { is_kept, previous, ..Kept::default() };
    }
    Ok(Placed::Onward(Box::new(Onward { asked, telling, home })))
}

/// A key that is bound to models needs the name of the part it calls among them.
fn may_call(asked: &Asked, caller: &Principal, shared: &Shared) -> Result<(), Refusal> {
    match shared.worlds.current().snapshot.rights(caller).may_call(&asked.call.alias) {
        true => Ok(()),
        false => Err(Refusal::UnknownModel { model: asked.call.alias.clone() }),
    }
}

/// Answers a call about something that lies here.
async fn serve(call: &ResourceCall, shared: &Shared) -> Result<Bytes, Refusal> {
    match call.does.family {
        "stored_responses" => responses::serve(call, shared).await,
        family => Err(elsewhere(family)),
    }
}

/// The id of the first thing a call's path names.
fn first(call: &ResourceCall) -> &str {
    call.named.first().map_or("", |named| named.id.as_str())
}

/// Which operation a call is: its method, and what stands behind the id in its path.
fn operation(call: &ResourceCall) -> (Method, &str) {
    let mut segments = call.path.split('/').skip(2);
    let below = segments.nth(1).unwrap_or_default();
    (call.method, below)
}

/// What is asked of something that lies here and only a provider could do.
fn elsewhere(what: &str) -> Refusal {
    Refusal::BadBody {
        message: format!(
            "what the request names is kept by the gateway itself, and `{what}` needs a provider that keeps it; name something of one"
        ),
        param: None,
    }
}

/// A thing that was there a moment ago.
fn gone(kind: &'static str, id: &str) -> Refusal {
    Refusal::UnknownResource { kind, id: id.to_owned() }
}

/// When something ends that is kept from now on; `None` where nothing is kept.
pub(crate) fn expiry_ms(shared: &Shared) -> Option<i64> {
    let kept_ms = shared.limits.kept_ms;
    (kept_ms > 0).then(|| shared.clock.unix_ms().saturating_add(kept_ms))
}
