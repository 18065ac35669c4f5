//! A list of one's own things, out of a provider's list of everybody's.
//!
//! Pages are asked for until one's own fill the page that is wanted, or nothing more is there. A page on which all is
//! one's own goes through as it came.

use std::{rc::Rc, sync::Arc};

use nexus_core::{
    fault::{Class, Fault},
    principal::Principal,
    refusal::Refusal,
    resource::Home,
};
use nexus_wire::listing::{Item, Page};

use super::{may_reach, may_reach_unowned, query};
use crate::{
    attempt::Trip,
    pipeline::{self, Refused},
    port::Transport,
    reply::{Reply, ReplyBody},
    shared::{Engine, Shared},
    stage::{
        parse::Asked,
        resolve::{self, Routed},
    },
    world::World,
};

/// The most pages that are asked for one.
const PAGES_MAX: u32 = 48;
/// How much is asked for at once beyond the first page.
const PAGE_ITEMS: &str = "100";

/// Answers with a page of the caller's own things of a kind.
pub(crate) async fn list<T: Transport>(
    engine: &Rc<Engine<T>>,
    world: &Arc<World>,
    mut routed: Box<Routed>,
    kind: &'static str,
    trip: &Trip<'_>,
) -> Result<Reply<T::Body>, Refused> {
    let shared = &engine.shared;
    let asked = routed.asked.again();
    let caller = routed.caller.clone();
    let homes = shared.owners.homes(kind, caller.team).await.map_err(Refusal::from)?;
    let homes: Vec<(Home, u64)> =
        homes.into_iter().filter(|(home, _)| super::is_there(*home, world)).collect();
    let mut gathering = Gathering::new(&asked, &homes, may_reach_unowned(&caller, shared));
    // `after` stands at its own home, which the call goes to already
    let mut at = routed.home.and_then(|home| homes.iter().position(|(known, _)| *known == home)).unwrap_or(0);
    if let (None, Some((home, _))) = (routed.home, homes.first()) {
        let place = routed.place.clone();
        routed = resolve::resolve(asked.again(), caller.clone(), Some(*home), world)?;
        routed.place = place;
    }
    let mut reply = pipeline::answer(engine, world, routed, trip).await?;
    loop {
        let page = page(&reply.body)?;
        let reached = own(&page, kind, &caller, shared).await?;
        let is_last_home = at + 1 >= homes.len();
        if let Some(body) = gathering.take(page, reached, is_last_home) {
            reply.body = ReplyBody::Whole(body);
            return Ok(reply);
        }
        let next = match gathering.next(&asked) {
            Some(query) => query,
            None => {
                at += 1;
                gathering.turn();
                query::with(gathering.first_query(&asked).as_deref(), "after", None)
            }
        };
        let mut again = asked.again();
        if let Some(call) = &mut again.resource {
            call.query = next;
        }
        let home = homes.get(at).map(|(home, _)| *home);
        let routed = resolve::resolve(again, caller.clone(), home, world)?;
        reply = pipeline::failover(engine, world, routed, trip).await?;
    }
}

fn page<B>(body: &ReplyBody<B>) -> Result<Page, Refused> {
    let page = match body {
        ReplyBody::Whole(body) => Page::read(body),
        _ => None,
    };
    let none = "the provider's answer is no list";
    page.ok_or_else(|| Refused::There(Fault::new(Class::BadAnswer, none)))
}

/// What of a page somebody may see.
async fn own(
    page: &Page,
    kind: &'static str,
    caller: &Principal,
    shared: &Shared,
) -> Result<Vec<Item>, Refusal> {
    let names: Vec<(&str, &str)> = page.items.iter().map(|item| (kind, item.id.as_str())).collect();
    let known = shared.owners.find(&names).await?;
    let sees_unowned = may_reach_unowned(caller, shared);
    let is_seen = |item: &&Item| {
        let mut of = known.iter().filter(|owned| *owned.id == *item.id).peekable();
        if of.peek().is_none() { sees_unowned } else { of.any(|owned| may_reach(caller, owned)) }
    };
    Ok(page.items.iter().filter(is_seen).cloned().collect())
}

/// What has been found for the page that is wanted.
struct Gathering {
    /// How many things are wanted; `None` until a page has shown how many there are on one.
    wanted: Option<usize>,
    found: Vec<Item>,
    /// How many of one's own there are at all, where the list begins at its begin.
    all: Option<u64>,
    pages: u32,
    last: Option<Page>,
    is_backwards: bool,
}

impl Gathering {
    fn new(asked: &Asked, homes: &[(Home, u64)], sees_unowned: bool) -> Self {
        let said = asked.resource.as_ref().and_then(|call| call.query.as_deref());
        let wanted = query::value(said, "limit").and_then(|limit| limit.parse().ok());
        let begins = query::value(said, "after").is_none() && query::value(said, "before").is_none();
        let all = homes.iter().map(|(_, count)| count).sum();
        let is_backwards = query::value(said, "before").is_some();
        Self {
            wanted,
            found: Vec::new(),
            all: (begins && !sees_unowned).then_some(all),
            pages: 0,
            last: None,
            is_backwards,
        }
    }

    /// Takes what was found on a page; the answer, once nothing more has to be asked.
    fn take(&mut self, page: Page, own: Vec<Item>, is_last_home: bool) -> Option<bytes::Bytes> {
        self.pages += 1;
        let is_plain = self.pages == 1 && own.len() == page.items.len() && (page.has_more || is_last_home);
        if is_plain {
            return Some(page.body().clone());
        }
        let shown = if page.has_more { page.items.len() } else { usize::MAX };
        let wanted = *self.wanted.get_or_insert(shown);
        self.found.extend(own);
        let is_over = !page.has_more && is_last_home;
        let is_all = self.all.is_some_and(|all| self.found.len() as u64 >= all);
        let is_enough = self.found.len() > wanted;
        if !(is_over || is_all || is_enough || self.is_backwards || self.pages >= PAGES_MAX) {
            self.last = Some(page);
            return None;
        }
        let has_more = is_enough || (self.pages >= PAGES_MAX && !is_over && !is_all);
        self.found.truncate(wanted);
        Some(page.with(&self.found, has_more))
    }

    /// The query of the next page at the same home; `None` where that has no more.
    fn next(&self, asked: &Asked) -> Option<Option<String>> {
        let last = self.last.as_ref().filter(|page| page.has_more)?;
        let cursor = last.items.last()?;
        Some(query::with(self.first_query(asked).as_deref(), "after", Some(&cursor.id)))
    }

    /// The query that was sent, for more at once.
    fn first_query(&self, asked: &Asked) -> Option<String> {
        let said = asked.resource.as_ref().and_then(|call| call.query.as_deref());
        query::with(said, "limit", Some(PAGE_ITEMS))
    }

    /// Another home is asked from its begin.
    fn turn(&mut self) {
        self.last = None;
    }
}
