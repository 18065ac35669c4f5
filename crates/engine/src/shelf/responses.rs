//! Responses that are kept here: those of models whose providers keep none.
//!
//! A request that goes on from one is told what was said before, and names nothing any more: whoever serves its model
//! can be asked. An answer is kept before its end is told, so that whoever knows that it is complete can go on from it.

use std::sync::Arc;

use bytes::Bytes;
use nexus_core::{call::Operation, id::RequestId, principal::Principal, refusal::Refusal};
use nexus_providers::tongue::{
    Address, Terms, Tongue as _,
    responses::{
        Responses,
        kept::{self, KeptResponse, Named},
    },
};
use nexus_wire::{chat::BodyError, made::wants_storing, surface::Method};

use super::{Owner, Shelf, Thing, elsewhere, expiry_ms, first, gone, listing::Wanted, operation};
use crate::{
    estimate::{self, Prompt},
    resource::ResourceCall,
    shared::Shared,
    stage::parse::Asked,
    world::World,
};

const KIND: &str = "response";

/// How many responses are gone back through, at most.
const CHAIN_MAX: usize = 1_000;

/// What is needed to keep an answer that is still to come.
pub struct Shelving {
    shelf: Arc<dyn Shelf>,
    owner: Owner,
    request: RequestId,
    /// The body as the client sent it.
    sent: Bytes,
    previous: Option<String>,
    made_at_ms: i64,
    expires_at_ms: i64,
}

impl Shelving {
    /// `None` where the answer is not to be kept.
    pub fn of(
        asked: &Asked,
        sent: Bytes,
        previous: Option<String>,
        caller: &Principal,
        shared: &Shared,
    ) -> Option<Box<Self>> {
        let expires_at_ms = expiry_ms(shared).filter(|_| wants_storing(&sent, true))?;
        Some(Box::new(Self {
            shelf: Arc::clone(&shared.shelf),
            owner: Owner { team: caller.team, key: caller.key },
            request: asked.call.request,
            previous,
            sent,
            made_at_ms: shared.clock.unix_ms(),
            expires_at_ms,
        }))
    }

    /// Keeps the answer; says whether that is done.
    pub async fn keep(self: Box<Self>, response: String) -> bool {
        let input = kept::input(&self.sent, self.request);
        let text = KeptResponse { response, input, previous: self.previous }.written();
        let thing = Thing {
            kind: KIND,
            id: kept::id(self.request),
            text: text.into(),
            made_at_ms: self.made_at_ms,
            expires_at_ms: self.expires_at_ms,
            is_open: false,
        };
        self.shelf.put(self.owner, thing).await.is_ok()
    }
}

/// The request with all that was said before it in the place of what it names, and which response that is.
pub(crate) async fn go_on(asked: Asked, shared: &Shared) -> Result<(Asked, Option<String>), Refusal> {
    let named = Named::of(asked.sent());
    let Some(previous) = named.previous else { return Err(elsewhere("conversation")) };
    let limit = shared.limits.request_body_bytes;
    let before = before(&previous, limit, shared).await?;
    let told = kept::expanded(asked.sent(), &before);
    if told.len() > limit {
        return Err(too_long(limit));
    }
    Ok((asked.retold(told)?, Some(previous)))
}

fn too_long(limit: usize) -> Refusal {
    Refusal::BadBody {
        message: format!(
            "what `previous_response_id` goes on from is longer than the limit of {limit} bytes; send what still matters of it as `input`"
        ),
        param: Some("previous_response_id".to_owned()),
    }
}

/// Everything that was said up to a response, the oldest first.
async fn before(id: &str, limit: usize, shared: &Shared) -> Result<Vec<String>, Refusal> {
    let (mut turns, mut bytes) = (Vec::new(), 0_usize);
    let mut next = Some(id.to_owned());
    while let Some(id) = next.take() {
        let Some(kept) = find(&id, shared).await? else {
            return Err(match turns.is_empty() {
                true => gone(KIND, &id),
                false => broken(&id),
            });
        };
        let items: Vec<String> = kept.input.iter().cloned().chain(kept.output()).collect();
        bytes = items.iter().fold(bytes, |bytes, item| bytes.saturating_add(item.len()));
        turns.push(items);
        if bytes > limit || turns.len() > CHAIN_MAX {
            return Err(too_long(limit));
        }
        next = kept.previous;
    }
    Ok(turns.into_iter().rev().flatten().collect())
}

async fn find(id: &str, shared: &Shared) -> Result<Option<KeptResponse>, Refusal> {
    let thing = shared.shelf.find(KIND, id).await?;
    Ok(thing.and_then(|thing| KeptResponse::read(thing.text())))
}

/// What was said before is not all there any more.
fn broken(id: &str) -> Refusal {
    Refusal::BadBody {
        message: format!(
            "the response `{id}`, from which the one that is named went on, is not kept any more; send the conversation as `input`"
        ),
        param: Some("previous_response_id".to_owned()),
    }
}

/// Whether a call wants to know how long a prompt is whose model is at nobody who counts.
pub(crate) fn is_counted_here(asked: &Asked, caller: &Principal, world: &World) -> bool {
    let is_counting = asked.resource.as_deref().is_some_and(|call| call.path == "/responses/input_tokens");
    let to = asked.request.model().filter(|_| is_counting);
    let Some(to) = to.and_then(|model| world.snapshot.catalogue.resolve(model, caller.team)) else {
        return false;
    };
    to.route.targets.iter().all(|target| {
        let dialect = world.backend(target).map(|there| there.dialect);
        let model = target.model_for(&to.name);
        dialect.is_none_or(|dialect| dialect.own(Operation::Responses, model, target.site()).is_none())
    })
}

/// How many tokens the prompt has, by the gateway's own count; nobody is asked.
pub(crate) async fn count(asked: Asked, is_here: bool, shared: &Shared) -> Result<Bytes, Refusal> {
    let asked = if is_here { go_on(asked, shared).await?.0 } else { asked };
    let bad = |error: BodyError| Refusal::BadBody { message: error.message, param: error.param };
    let told = Responses.read(&Address::default(), &asked.body, Terms::Plain).map_err(bad)?;
    let usage = estimate::count(Prompt::Chat(told.chat), String::new()).await;
    Ok(kept::counted(usage.prompt_tokens()))
}

/// Answers a call about one.
pub(crate) async fn serve(call: &ResourceCall, shared: &Shared) -> Result<Bytes, Refusal> {
    let id = first(call);
    match operation(call) {
        (Method::Get, "") => {
            if call.is_stream() {
                return Err(Refusal::BadBody {
                    message: "a response that is kept here is told whole; leave `stream` away".to_owned(),
                    param: Some("stream".to_owned()),
                });
            }
            let kept = find(id, shared).await?.ok_or_else(|| gone(KIND, id))?;
            Ok(kept.response.into())
        }
        (Method::Delete, "") => match shared.shelf.delete(KIND, id).await? {
            true => Ok(kept::deleted(id).into()),
            false => Err(gone(KIND, id)),
        },
        (Method::Get, "input_items") => {
            let wanted = Wanted::of(call)?;
            let kept = find(id, shared).await?.ok_or_else(|| gone(KIND, id))?;
            let mut items = match &kept.previous {
                Some(previous) => {
                    before(previous, shared.limits.answer_body_bytes, shared).await.unwrap_or_default()
                }
                None => Vec::new(),
            };
            items.extend(kept.input);
            wanted.page(items)
        }
        _ => Err(elsewhere("cancel")),
    }
}
