//! The shelf: what the gateway keeps itself where no provider has a place for it, and calls about what lies there.
//!
//! Whose a thing is was looked up before: see `resource`. What is put here can be asked for on every node when the call
//! that made it returns, and is gone when its time is over.

pub mod batches;
mod files;
pub mod listing;
pub mod port;
pub mod responses;
pub mod runner;

use nexus_core::{call::Operation, principal::Principal, refusal::Refusal, resource::Home};
use nexus_providers::tongue::Kept;
use nexus_wire::surface::Method;

pub use self::port::{Owner, Part, Shelf, Thing};
use self::responses::Shelving;
use crate::{
    identity,
    port::Transport,
    reply::ReplyBody,
    resource::{self, Places, ResourceCall},
    shared::{Engine, Shared},
    stage::{limit::Own, parse::Asked},
    telling::Telling,
    world::World,
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
    let world = shared.worlds.current();
    if responses::is_counted_here(&asked, caller, &world) {
        may_call(&asked, caller, shared)?;
        let _place = own.admit(&asked, shared).await?;
        return responses::count(asked, is_here, shared)
            .await
            .map(|body| Placed::Here(ReplyBody::Whole(body)));
    }
    if let Some(call) = &asked.resource
        && (is_here || (home.is_none() && is_ours(call, &asked, &world)))
    {
        may_call(&asked, caller, shared)?;
        let _place = own.admit(&asked, shared).await?;
        return serve(engine, call, &asked, caller, &world).await.map(Placed::Here);
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
        telling.told.kept = Kept { is_kept, previous };
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

/// Whether a call that names nothing is answered here, because it goes to nobody who keeps such things.
fn is_ours(call: &ResourceCall, asked: &Asked, world: &World) -> bool {
    let is_collection = matches!((call.does.family, operation(call)), ("files" | "batches", (_, "")));
    is_collection && call.named.is_empty() && asked.request.model().is_none() && !keeps(call, asked, world)
}

/// Whether who takes calls that name no model keeps such things.
fn keeps(call: &ResourceCall, asked: &Asked, world: &World) -> bool {
    let to = world.home(&asked.call.alias);
    let target = to.as_ref().and_then(|to| to.route.targets.first());
    target.is_some_and(|target| {
        world.backend(target).is_some_and(|there| there.dialect.kept_at(&call.path, target.site()).is_some())
    })
}

/// Answers a call about what lies here.
async fn serve<T: Transport>(
    engine: &Engine<T>,
    call: &ResourceCall,
    asked: &Asked,
    caller: &Principal,
    world: &World,
) -> Result<ReplyBody<T::Body>, Refusal> {
    let shared = &engine.shared;
    let new_id = || identity::mint(&*shared.clock, &*engine.dice);
    let body = match (call.does.family, call.does.makes.is_some(), call.does.lists.is_some()) {
        ("stored_responses", ..) => responses::serve(call, shared).await?,
        ("files", true, _) => files::upload(asked, caller, shared, new_id()).await?,
        ("files", _, true) => files::list(call, caller, shared).await?,
        ("files", ..) => return files::serve(call, shared).await,
        ("batches", true, _) => batches::create(asked, caller, (shared, world), new_id()).await?,
        ("batches", _, true) => batches::list(call, caller, shared).await?,
        ("batches", ..) => batches::serve(call, shared).await?,
        (family, ..) => return Err(elsewhere(family)),
    };
    Ok(ReplyBody::Whole(body))
}

/// What is said where nothing is kept here.
fn nothing_kept() -> Refusal {
    Refusal::BadBody {
        message: "no provider takes this, and the gateway keeps nothing itself (`keep_days` is 0); ask whoever manages it".to_owned(),
        param: None,
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
