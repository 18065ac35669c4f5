//! Webhooks: where alerts are sent. Their secrets are shown once and are never stored.

mod object;

use nexus_core::id::{TeamId, Uuid};
use nexus_store::{
    AnyConnection,
    repo::{
        Changed, Removed, team,
        webhook::{self, Delivery, Webhook},
    },
};
use serde_json::json;
use url::Url;

use self::object::{DeliveryBody, KindWord, NewWebhook, WebhookBody, WebhookPatch, WithSecret};
use super::{
    answer::{Created, Gone, Recorded, Shown, Told},
    body::Json,
    call::{Call, found},
    change::{Change, Halt},
    check::Check,
    problem::{Kind, Problem},
    query::{Listing, Unfiltered, Walk},
    route::PREFIX,
};

/// Characters of the longest URL.
const URL_CHARS_MAX: usize = 2_000;

/// The kind of the message a test sends.
const TEST: &str = "webhook.test";

pub async fn list(call: Call<Walk<Unfiltered>>) -> Result<Listing<WebhookBody>, Problem> {
    let page = call.query.page();
    let rows = call.read(move |conn| webhook::page(conn, &page)).await?;
    let key = |row: &Webhook| (row.created_at_ms, row.id.to_string());
    Ok(call.query.listing(&call.admin().secrets.cursors, rows, key, WebhookBody::new))
}

pub async fn show(call: Call) -> Result<Shown<WebhookBody>, Problem> {
    let id = call.id("id")?;
    Ok(shown(&found(call.read(move |conn| webhook::show(conn, id)).await?)?))
}

fn shown(webhook: &Webhook) -> Shown<WebhookBody> {
    Shown { body: WebhookBody::new(webhook), version: webhook.version }
}

/// A URL messages can be sent to: `https`, or `http` too within a private network.
fn check_url(check: &mut Check, text: &str, allows_private: bool) {
    if text.chars().nth(URL_CHARS_MAX).is_some() {
        return check.flaw("/url", format!("is longer than {URL_CHARS_MAX} characters; shorten it"));
    }
    let Ok(url) = Url::parse(text) else {
        return check.flaw("/url", "is no URL; write one such as `https://example.com/alerts`");
    };
    let is_known = url.scheme() == "https" || url.scheme() == "http" && allows_private;
    if !is_known || url.host_str().is_none_or(str::is_empty) {
        check.flaw("/url", "must be `https`; `http` is for private networks, where those are allowed");
    }
    if !url.username().is_empty() || url.password().is_some() {
        check.flaw("/url", "bears a name or a password; leave it away, messages are signed");
    }
}

fn words(kinds: &[KindWord]) -> Vec<String> {
    let mut words: Vec<String> = kinds.iter().map(|kind| kind.as_str().to_owned()).collect();
    words.sort();
    words.dedup();
    words
}

fn check_team(conn: &mut AnyConnection, id: Option<TeamId>) -> Result<(), Halt> {
    match id {
        Some(id) if team::show(conn, id, None)?.is_none() => {
            Err(Problem::at("/team_id", "there is no such team").into())
        }
        _ => Ok(()),
    }
}

pub async fn create(call: Call<(), Json<NewWebhook>>) -> Result<Recorded<Created<WithSecret>>, Problem> {
    let Json(wish) = &call.body;
    let mut check = Check::default();
    check.name("/name", &wish.name);
    check_url(&mut check, &wish.url, wish.allow_private_network);
    check.finish()?;
    let now_ms = call.now_ms();
    let new = Webhook {
        id: call.fresh_id(),
        name: wish.name.clone(),
        url: wish.url.clone(),
        team: wish.team_id.map(TeamId),
        kinds: words(&wish.kinds),
        allow_private_network: wish.allow_private_network,
        is_active: wish.is_active,
        generation: 1,
        rotated_at_ms: None,
        created_at_ms: now_ms,
        updated_at_ms: now_ms,
        version: 1,
    };
    let secret = call.admin().secrets.webhooks.secret(new.id, new.generation);
    call.change("webhook.create", move |conn| {
        check_team(conn, new.team)?;
        webhook::create(conn, &new)?;
        let location = format!("{PREFIX}/webhooks/{}", new.id);
        let answer = Created { body: WithSecret::new(&new, &secret), version: new.version, location };
        Ok(Change::of("webhook", new.id, new.team, answer).to(&WebhookBody::new(&new)))
    })
    .await
}

pub async fn update(call: Call<(), Json<WebhookPatch>>) -> Result<Recorded<Shown<WebhookBody>>, Problem> {
    let (id, version): (Uuid, _) = (call.id("id")?, call.expected_version()?);
    let Json(patch) = &call.body;
    let mut check = Check::default();
    if let Some(name) = &patch.name {
        check.name("/name", name);
    }
    check.finish()?;
    let change = webhook::Change {
        name: patch.name.clone(),
        url: patch.url.clone(),
        kinds: patch.kinds.as_deref().map(words),
        allow_private_network: patch.allow_private_network,
        is_active: patch.is_active,
    };
    let now_ms = call.now_ms();
    call.change("webhook.update", move |conn| {
        let before = found(webhook::show(conn, id)?)?;
        let mut check = Check::default();
        let allows_private = change.allow_private_network.unwrap_or(before.allow_private_network);
        check_url(&mut check, change.url.as_deref().unwrap_or(&before.url), allows_private);
        check.finish()?;
        told(&before, webhook::update(conn, id, &change, version, now_ms)?, shown)
    })
    .await
}

/// What became of a change, as it is answered.
fn told<A>(
    before: &Webhook,
    changed: Changed<Webhook>,
    answer: impl FnOnce(&Webhook) -> A,
) -> Result<Change<A>, Halt> {
    match changed {
        Changed::Unknown => Err(Kind::NotFound.into()),
        Changed::Stale => Err(Kind::Stale.into()),
        Changed::Now(after) => {
            let change = Change::of("webhook", after.id, after.team, answer(&after));
            Ok(change.from(&WebhookBody::new(before)).to(&WebhookBody::new(&after)))
        }
    }
}

/// The secret before signs too, for a day.
pub async fn rotate(call: Call) -> Result<Recorded<Shown<WithSecret>>, Problem> {
    let (id, now_ms): (Uuid, _) = (call.id("id")?, call.now_ms());
    let present = found(call.read(move |conn| webhook::show(conn, id)).await?)?;
    let secret = call.admin().secrets.webhooks.secret(id, present.generation.saturating_add(1));
    call.change("webhook.rotate_secret", move |conn| {
        let changed = webhook::rotate(conn, &present, now_ms)?;
        told(&present, changed, |after| Shown {
            body: WithSecret::new(after, &secret),
            version: after.version,
        })
    })
    .await
}

/// Puts a message into the outbox that says nothing; `deliveries` tells what becomes of it.
pub async fn test(call: Call) -> Result<Recorded<Told<DeliveryBody>>, Problem> {
    let (id, now_ms): (Uuid, _) = (call.id("id")?, call.now_ms());
    let message: Uuid = call.fresh_id();
    call.change("webhook.test", move |conn| {
        let hook = found(webhook::show(conn, id)?)?;
        let payload = json!({
            "type": TEST,
            "timestamp": now_ms.div_euclid(1000),
            "data": { "summary": "this is a test" },
        });
        webhook::enqueue(conn, message, id, TEST, &payload.to_string(), now_ms)?;
        let delivery = found(webhook::delivery(conn, message)?)?;
        Ok(Change::of("webhook", id, hook.team, Told(DeliveryBody::new(&delivery))))
    })
    .await
}

pub async fn delete(call: Call) -> Result<Recorded<Gone>, Problem> {
    let id: Uuid = call.id("id")?;
    call.change("webhook.delete", move |conn| {
        let before = found(webhook::show(conn, id)?)?;
        if webhook::delete(conn, id)? == Removed::Unknown {
            return Err(Kind::NotFound.into());
        }
        Ok(Change::of("webhook", id, before.team, Gone).from(&WebhookBody::new(&before)))
    })
    .await
}

/// Newest first.
pub async fn deliveries(call: Call<Walk<Unfiltered>>) -> Result<Listing<DeliveryBody>, Problem> {
    let (id, page): (Uuid, _) = (call.id("id")?, call.query.page());
    let rows = call.read(move |conn| {
        Ok(match webhook::show(conn, id)? {
            Some(_) => Some(webhook::deliveries(conn, id, &page)?),
            None => None,
        })
    });
    let rows = found(rows.await?)?;
    let key = |row: &Delivery| (row.created_at_ms, row.id.to_string());
    Ok(call.query.listing(&call.admin().secrets.cursors, rows, key, DeliveryBody::new))
}
