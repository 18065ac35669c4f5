//! What lives at providers: a call about it goes to where it lives, and only from who made it.
//!
//! Whatever somebody else made is not there: who asks for it is told the very words of what never was, and no provider
//! is asked. An id that an answer names belongs to the caller before the client hears of it.

mod listing;
pub mod owners;
mod query;
mod stored;

use std::{rc::Rc, sync::Arc};

use nexus_core::{
    call::Operation,
    principal::{Level, Principal},
    refusal::Refusal,
    resource::{Family, Home, Owned},
};
use nexus_wire::{
    made::made,
    references::Reference,
    surface::{Method, Resource},
};

use self::listing::list;
pub use self::query::decoded;
pub(crate) use self::stored::noticed;
use crate::{
    arrival::Line,
    attempt::Trip,
    pipeline::{self, Refused},
    port::Transport,
    reply::{Reply, ReplyBody},
    shared::{Engine, Shared},
    stage::{authenticate::deny, parse::Asked, resolve::Routed},
    world::World,
};

/// A call about what a provider keeps.
#[derive(Clone, Debug)]
pub struct ResourceCall {
    pub method: Method,
    /// Behind `/v1`, as it was sent.
    pub path: String,
    /// Without the question mark.
    pub query: Option<String>,
    pub does: Resource,
    /// What its path names.
    pub named: Vec<Reference>,
    /// Headers that go along, names in lower case.
    pub along: Vec<(&'static str, String)>,
    /// The name of the provider whose own path it is, where no API has it.
    pub provider: Option<String>,
}

impl ResourceCall {
    pub fn operation(&self) -> Operation {
        // every family of the table is one of the core's, as a test says
        Operation::Resources(Family::of_word(self.does.family).unwrap_or(Family::Files))
    }

    /// The same, where the page of a list begins behind what its query names.
    #[must_use]
    pub fn with_cursors(mut self) -> Self {
        if let Some(kind) = self.does.lists {
            let cursors = ["after", "before"].map(|name| query::value(self.query.as_deref(), name));
            self.named.extend(cursors.into_iter().flatten().map(|id| Reference { kind, id }));
        }
        self
    }

    /// What is asked for at the provider.
    pub fn target(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }

    /// What its query says under a name.
    pub fn queried(&self, name: &str) -> Option<String> {
        query::value(self.query.as_deref(), name)
    }

    /// Whether the answer may take as long as there is something of it.
    pub fn is_stream(&self) -> bool {
        self.does.is_content || query::value(self.query.as_deref(), "stream").as_deref() == Some("true")
    }
}

/// Whether somebody may reach a thing: it is the team's, or, to a session key, its own.
fn may_reach(caller: &Principal, owned: &Owned) -> bool {
    owned.team == caller.team && (caller.level != Level::Session || owned.key == caller.key)
}

/// Whether somebody may reach what nobody here has made.
fn may_reach_unowned(caller: &Principal, shared: &Shared) -> bool {
    shared.limits.serves_unowned && caller.level != Level::Session
}

/// Where everything lives that a call names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// At a provider; `None` where nothing that is named does.
    pub home: Option<Home>,
    /// Whether something lies on the gateway's own shelf.
    pub is_here: bool,
}

/// Where everything lives that a call names, if it is the caller's.
pub async fn places(asked: &Asked, caller: &Principal, shared: &Shared) -> Result<Places, Refusal> {
    let by_path = asked.resource.iter().flat_map(|call| &call.named);
    let all: Vec<&Reference> = by_path.chain(&asked.references).collect();
    let mut places = Places::default();
    if all.is_empty() {
        return Ok(places);
    }
    let names: Vec<(&str, &str)> = all.iter().map(|named| (named.kind, named.id.as_str())).collect();
    let found = shared.owners.find(&names).await?;
    let mut homes: Option<Vec<Home>> = None;
    for named in all {
        let known = || found.iter().filter(|owned| *owned.kind == *named.kind && *owned.id == *named.id);
        let own: Vec<Home> =
            known().filter(|owned| may_reach(caller, owned)).map(|owned| owned.home).collect();
        if own.is_empty() {
            if known().next().is_none() && may_reach_unowned(caller, shared) {
                continue;
            }
            return Err(Refusal::UnknownResource { kind: named.kind, id: named.id.clone() });
        }
        if own.contains(&Home::HERE) {
            places.is_here = true;
            continue;
        }
        homes = Some(match homes {
            None => own,
            Some(before) => before.into_iter().filter(|home| own.contains(home)).collect(),
        });
    }
    match homes.as_deref() {
        None => {}
        Some([home, ..]) => places.home = Some(*home),
        Some([]) => {
            return Err(Refusal::BadBody {
                message: "what the request names is kept at different providers; name things of one"
                    .to_owned(),
                param: None,
            });
        }
    }
    Ok(places)
}

/// The provider whose own path is asked for, where the caller may reach it; that it may not is noted.
pub(crate) fn relayed(
    provider: &str,
    caller: &Principal,
    line: &Line<'_>,
    world: &World,
    shared: &Shared,
) -> Result<Home, Refusal> {
    let snapshot = &world.snapshot;
    let may = snapshot.may_relay(caller.team) && snapshot.rights(caller).may_use(provider);
    match world.provider(provider).filter(|_| may) {
        Some(provider) => Ok(Home { provider, credential: None }),
        None => {
            deny(shared, line, "relay", Some(caller));
            Err(Refusal::NoSuchPath)
        }
    }
}

/// Gets the answer to a call about what is kept.
pub(crate) async fn serve<T: Transport>(
    engine: &Rc<Engine<T>>,
    world: &Arc<World>,
    routed: Box<Routed>,
    trip: &Trip<'_>,
) -> Result<Reply<T::Body>, Refused> {
    let asked = routed.asked.resource.clone();
    let does = asked.as_ref().map(|call| call.does);
    if let Some(kind) = does.and_then(|does| does.lists) {
        return list(engine, world, routed, kind, trip).await;
    }
    let caller = routed.caller.clone();
    let mut reply = pipeline::answer(engine, world, routed, trip).await?;
    reply.status = trip.status.get();
    if let (ReplyBody::Whole(body), Some(asked), Some(decision)) = (&reply.body, &asked, &reply.decision) {
        let home = Home { provider: decision.target.provider.id, credential: trip.shown.get() };
        note(asked, body, home, &caller, &engine.shared).await?;
    }
    Ok(reply)
}

/// Notes that what an answer names is the caller's, or that it is gone. Until that is done nobody is given the answer.
async fn note(
    asked: &ResourceCall,
    answer: &[u8],
    home: Home,
    caller: &Principal,
    shared: &Shared,
) -> Result<(), Refusal> {
    if asked.does.deletes {
        if let Some(Reference { kind, id }) = asked.named.first() {
            shared.owners.forget(kind, id, home).await?;
        }
        return Ok(());
    }
    let named = made(answer, asked.does.makes);
    keep(named, home, caller, shared).await
}

/// Notes that things at a provider are the caller's; what is somebody's already stays theirs.
pub(crate) async fn keep(
    named: Vec<Reference>,
    home: Home,
    caller: &Principal,
    shared: &Shared,
) -> Result<(), Refusal> {
    if named.is_empty() {
        return Ok(());
    }
    let made_at_ms = shared.clock.unix_ms();
    let own = |Reference { kind, id }: Reference| Owned {
        kind: kind.into(),
        id: id.into(),
        home,
        team: caller.team,
        key: caller.key,
        made_at_ms,
    };
    Ok(shared.owners.keep(named.into_iter().map(own).collect()).await?)
}

/// Whether a home is one of this world's.
pub(crate) fn is_there(home: Home, world: &World) -> bool {
    world.home_of(home.provider, "").is_some()
}

#[cfg(test)]
mod tests {
    use nexus_wire::surface::{How, SURFACE};

    use super::*;

    #[test]
    fn every_family_of_the_table_is_booked_under_its_own_name() {
        for row in SURFACE.iter().filter(|row| row.how == How::Kept) {
            let family = Resource::of(row).map(|does| does.family);
            assert!(family.and_then(Family::of_word).is_some(), "{}", row.path);
        }
    }
}
