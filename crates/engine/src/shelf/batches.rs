//! Batches that the gateway runs itself, because no provider does: made, shown, listed, cancelled. Running them is the
//! runner's.
//!
//! How a line was answered is a piece of its batch under the line's number, so that each is answered once.

use bytes::Bytes;
use futures_util::StreamExt as _;
use nexus_core::{
    id::{KeyId, TeamId, Uuid},
    principal::{Level, Principal},
    refusal::Refusal,
};
use nexus_wire::{
    batch::{Batch, Flaw, Inspection, Kept, LINE_MAX, Lines, Status, Wish},
    chat::BodyError,
    listing::written,
    surface::Method,
};

use super::{
    Owner, Shelf, Thing, elsewhere, expiry_ms, files, first, gone,
    listing::{self, Wanted},
    nothing_kept, operation,
};
use crate::{resource::ResourceCall, shared::Shared, stage::parse::Asked, world::World};

pub const KIND: &str = "batch";

/// The piece of a batch that says that it is to be cancelled.
const CANCEL: i64 = -2;

/// A batch as a thing.
pub(crate) fn thing(kept: &Kept, id: &str, (made_at_ms, expires_at_ms): (i64, i64), is_open: bool) -> Thing {
    Thing { kind: KIND, id: id.to_owned(), text: kept.written().into(), made_at_ms, expires_at_ms, is_open }
}

/// Whoever asked for a batch.
pub(crate) fn caller(kept: &Kept) -> Option<Principal> {
    let team = match &kept.team {
        Some(team) => Some(TeamId(Uuid::parse_str(team).ok()?)),
        None => None,
    };
    Some(Principal {
        key: KeyId(Uuid::parse_str(&kept.key).ok()?),
        level: Level::App,
        team,
        parent: None,
        scope: None,
        is_bound: kept.is_bound,
        allowance: None,
        budget: None,
    })
}

/// Makes one, and looks through its file.
pub(crate) async fn create(
    asked: &Asked,
    caller: &Principal,
    (shared, world): (&Shared, &World),
    uuid: Uuid,
) -> Result<Bytes, Refusal> {
    let expires_at_ms = expiry_ms(shared).ok_or_else(nothing_kept)?;
    // a session key ends before a batch does
    if caller.level != Level::App {
        return Err(Refusal::WrongLevel { needed: Level::App.as_str() });
    }
    let wish = Wish::read(&asked.body).map_err(bad)?;
    let file = files::find(&*shared.shelf, &wish.input_file_id).await?;
    let file = file.ok_or_else(|| gone(files::KIND, &wish.input_file_id))?;
    if file.purpose != "batch" {
        return Err(bad_file("is not of the purpose `batch`; upload one that is"));
    }
    let (id, made_at_ms) = (format!("batch_{}", uuid.simple()), shared.clock.unix_ms());
    let now_s = made_at_ms.div_euclid(1000);
    let mut batch = Batch::new(id.clone(), &wish, now_s);
    let (lines, flaws) = inspect(&wish, caller, shared, world).await?;
    batch.request_counts.total = lines;
    if !flaws.is_empty() {
        batch.fail(flaws, now_s);
    }
    let (is_open, told) = (batch.status == Status::Validating, batch.written());
    let key = caller.key.to_string();
    let kept = Kept { batch, key, team: caller.team.map(|team| team.to_string()), is_bound: caller.is_bound };
    let owner = Owner { team: caller.team, key: caller.key };
    let thing = thing(&kept, &id, (made_at_ms, expires_at_ms.max(kept.batch.ends_ms())), is_open);
    shared.shelf.put(owner, thing).await?;
    Ok(told.into())
}

/// How many lines the file has, and what is wrong with it.
async fn inspect(
    wish: &Wish<'_>,
    caller: &Principal,
    shared: &Shared,
    world: &World,
) -> Result<(u64, Vec<Flaw>), Refusal> {
    let rights = world.snapshot.rights(caller);
    let may_ask = |model: &str| {
        rights.may_call(model) && world.snapshot.catalogue.resolve(model, caller.team).is_some()
    };
    let (mut inspection, mut lines) = (Inspection::default(), Lines::default());
    let mut pieces = files::content(std::sync::Arc::clone(&shared.shelf), &wish.input_file_id);
    while let Some(piece) = pieces.next().await {
        let look = |line: &[u8]| inspection.look(line, &wish.endpoint, may_ask);
        if lines.take(&piece?, look).is_none() {
            let what = format!("has a line longer than the limit of {LINE_MAX} bytes; make it shorter");
            return Err(bad_file(&what));
        }
        if inspection.is_enough() {
            return Ok(inspection.finish());
        }
    }
    lines.finish(|line| inspection.look(line, &wish.endpoint, may_ask));
    Ok(inspection.finish())
}

fn bad(error: BodyError) -> Refusal {
    Refusal::BadBody { message: error.message, param: error.param }
}

fn bad_file(what: &str) -> Refusal {
    let message = format!("the file that `input_file_id` names {what}");
    Refusal::BadBody { message, param: Some("input_file_id".to_owned()) }
}

/// One as it stands, with whoever asked for it.
pub(crate) async fn find(shelf: &dyn Shelf, id: &str) -> Result<Option<(Thing, Kept)>, Refusal> {
    let Some(thing) = shelf.find(KIND, id).await? else { return Ok(None) };
    let Some(mut kept) = Kept::read(&thing.text) else { return Ok(None) };
    if thing.is_open && is_cancelled(shelf, id).await? {
        kept.batch.status = Status::Cancelling;
    }
    Ok(Some((thing, kept)))
}

/// Whether somebody wants it to end.
pub(crate) async fn is_cancelled(shelf: &dyn Shelf, id: &str) -> Result<bool, Refusal> {
    let first = shelf.pieces(KIND, id, CANCEL, 1).await?;
    Ok(first.first().is_some_and(|(number, _)| *number == CANCEL))
}

/// Answers a call about one.
pub(crate) async fn serve(call: &ResourceCall, shared: &Shared) -> Result<Bytes, Refusal> {
    let id = first(call);
    let (thing, mut kept) = find(&*shared.shelf, id).await?.ok_or_else(|| gone(KIND, id))?;
    match operation(call) {
        (Method::Get, "") => {}
        (Method::Post, "cancel") if thing.is_open => {
            let now_s = shared.clock.unix_ms().div_euclid(1000);
            let since = Bytes::from(now_s.to_string());
            shared.shelf.add(KIND, id, vec![(CANCEL, since)]).await?;
            (kept.batch.status, kept.batch.cancelling_at) = (Status::Cancelling, Some(now_s));
        }
        (Method::Post, "cancel") => {
            return Err(Refusal::BadBody {
                message: format!("the batch `{id}` is over; only one that is not can be cancelled"),
                param: None,
            });
        }
        _ => return Err(elsewhere("batches")),
    }
    Ok(kept.batch.written().into())
}

/// The caller's batches.
pub(crate) async fn list(call: &ResourceCall, caller: &Principal, shared: &Shared) -> Result<Bytes, Refusal> {
    let wanted = Wanted::of(call)?;
    let (batches, has_more) = listing::gather(shared, KIND, caller, &wanted, |_| true).await?;
    let mut told = Vec::with_capacity(batches.len());
    for thing in batches {
        if let Some((_, kept)) = find(&*shared.shelf, &thing.id).await? {
            told.push(String::from_utf8_lossy(&kept.batch.written()).into_owned());
        }
    }
    Ok(written(&told, has_more))
}
