//! Between resolve and reserve: whether a request may be given another's answer, and whose.
//!
//! The team is part of every place an answer is found at, and so is every byte of the body and whatever else decides
//! where the request may go. A key that is bound to providers shares with itself only.

use std::iter;

use nexus_core::{refusal::Refusal, need::HeaderLookup as _};
use nexus_keystore::fingerprint::Fingerprint;

use crate::{
    arrival::Head,
    repeat::{Promise, Same, Wish},
    stage::{parse::Request, resolve::Routed},
    world::World,
};

/// The longest `Idempotency-Key`, in characters.
const KEY_CHARS_MAX: usize = 255;
/// The header by which a request whose answer may differ each time is content with one that was kept.
const OPT_IN: &str = "x-nexus-cache";
const TAGS: &str = "x-nexus-tags";

/// What `cache-control` of a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Directives {
    /// Nothing is shared at all.
    no_store: bool,
    /// The oldest answer that is taken; `no-cache` takes none.
    age_max_s: Option<u64>,
}

impl Directives {
    fn read(header: Option<&str>) -> Self {
        let mut read = Self { no_store: false, age_max_s: None };
        for directive in header.unwrap_or_default().split(',') {
            let (name, value) = directive.trim().split_once('=').unwrap_or((directive.trim(), ""));
            match name.to_ascii_lowercase().as_str() {
                "no-store" => read.no_store = true,
                "no-cache" => read.age_max_s = Some(0),
                "max-age" => {
                    let age_s = value.trim_matches('"').parse().unwrap_or(0);
                    read.age_max_s = Some(read.age_max_s.map_or(age_s, |known: u64| known.min(age_s)));
                }
                _ => {}
            }
        }
        read
    }
}

/// What the request may share; `None` is the usual case.
pub fn wish(routed: &Routed, head: &Head<'_>, world: &World) -> Result<Option<Wish>, Refusal> {
    if matches!(routed.asked.request, Request::Passed(_)) {
        // its answer may be anything, and of any size
        return Ok(None);
    }
    let promise = match head.headers.idempotency_key {
        Some(key) => Some(promise(routed, key)?),
        None => None,
    };
    let same = same(routed, head, world);
    Ok((promise.is_some() || same.is_some()).then_some(Wish { promise, same }))
}

fn promise(routed: &Routed, key: &str) -> Result<Promise, Refusal> {
    if key.is_empty() || key.len() > KEY_CHARS_MAX || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Refusal::BadIdempotencyKey);
    }
    let caller = &routed.caller;
    let team = caller.team.map(|team| team.0);
    let place = Fingerprint::of([
        b"promise".as_slice(),
        team.as_ref().map_or(&[], |team| team.as_bytes().as_slice()),
        caller.key.0.as_bytes(),
        routed.asked.call.operation.as_str().as_bytes(),
        key.as_bytes(),
    ]);
    Ok(Promise { place, body: Fingerprint::of(said(routed)) })
}

fn same(routed: &Routed, head: &Head<'_>, world: &World) -> Option<Same> {
    let ttl_us = routed.to.rule.conduct.cache_ttl_s.map(|ttl_s| u64::from(ttl_s).saturating_mul(1_000_000));
    let is_deterministic = match &routed.asked.request {
        Request::Chat(request) => request.is_deterministic,
        Request::Embeddings(_) => true,
        Request::Passed(_) => false,
    };
    let opts_in = || ttl_us.is_some() && head.others.header(OPT_IN) == Some("on");
    if !is_deterministic && !opts_in() {
        return None;
    }
    let Directives { no_store, age_max_s } = Directives::read(head.headers.cache_control);
    if no_store {
        return None;
    }
    let age_max_us = age_max_s.map_or(u64::MAX, |age_s| age_s.saturating_mul(1_000_000));
    Some(Same { place: place(routed, head, world), ttl_us, age_max_us })
}

/// Where an answer to the same is found: by whose it is, what it may be given by, and what was asked.
fn place(routed: &Routed, head: &Head<'_>, world: &World) -> Fingerprint {
    let caller = &routed.caller;
    let is_bound = world.snapshot.rights(caller).is_bound_to_providers();
    let (kind, owner) = match caller.team {
        Some(team) if !is_bound => (b"same of a team".as_slice(), team.0),
        _ => (b"same of a key".as_slice(), caller.key.0),
    };
    let targets = &routed.to.route.targets;
    let ids: Vec<u8> = targets.iter().flat_map(|target| *target.route.0.as_bytes()).collect();
    let named = targets.iter().flat_map(|target| &target.fit.headers);
    let shown = named.map(|(name, _)| head.others.header(name).unwrap_or_default().as_bytes());
    let parts = [
        kind,
        owner.as_bytes(),
        routed.asked.call.operation.as_str().as_bytes(),
        routed.asked.call.alias.as_bytes(),
        routed.to.name.as_bytes(),
        &ids,
        head.others.header(TAGS).unwrap_or_default().as_bytes(),
    ];
    Fingerprint::of(parts.into_iter().chain(said(routed)).chain(shown))
}

/// What was asked, with what of it stands in the URL and the headers that go along with it.
fn said(routed: &Routed) -> impl Iterator<Item = &[u8]> {
    let foreign = routed.asked.foreign.as_ref();
    let along = foreign.into_iter().flat_map(|foreign| {
        let address = &foreign.address;
        let addressed = [address.model.as_bytes(), address.way().as_bytes()].into_iter();
        addressed.chain(foreign.along.iter().map(|(_, value)| value.as_bytes()))
    });
    let query = foreign.map(|foreign| foreign.query.as_bytes()).filter(|query| !query.is_empty());
    iter::once(routed.asked.sent().as_ref()).chain(along).chain(query)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_request_says_of_kept_answers_is_read() {
        for (header, no_store, age_max_s) in [
            (None, false, None),
            (Some("private"), false, None),
            (Some("no-store"), true, None),
            (Some("No-Cache"), false, Some(0)),
            (Some("max-age=60"), false, Some(60)),
            (Some("max-age=60, no-store"), true, Some(60)),
            (Some("max-age=60,no-cache"), false, Some(0)),
            (Some("max-age=often"), false, Some(0)),
        ] {
            assert_eq!(Directives::read(header), Directives { no_store, age_max_s }, "{header:?}");
        }
    }
}
