//! The gate of the administration: who is calling, and whether they may. Nothing of a body is read before.
//!
//! A key is looked for first and a console session second; whatever proves somebody, the rest of the
//! administration sees a [`Caller`].

use std::net::IpAddr;

use actix_web::HttpRequest;
use nexus_core::{
    id::{RequestId, TeamId},
    principal::Principal,
    refusal::Refusal,
    role::{Actor, Reach},
    scope::Scope,
    snapshot::ShieldMode,
};
use nexus_engine::{
    arrival::Head,
    pipeline,
    port::{Denied, Noted},
    stage::{authenticate, signed, signed::Judged},
    world::World,
};

use super::{
    policy::Policy,
    problem::{Kind, Problem},
    session,
    trail::{self, Who},
};
use crate::{inbound, worker::Worker};

/// The trail's word for a request that was not let through.
const DENIED: &str = "access.denied";

/// Somebody who was let through.
#[derive(Clone, Debug)]
pub struct Caller {
    pub actor: Actor,
    /// Whose things the request may see and change.
    pub reach: Reach,
    /// What bounds the caller's own key; nothing it makes reaches beyond it.
    pub scope: Scope,
    pub address: Option<IpAddr>,
    pub request: RequestId,
}

/// Somebody who has proven who they are.
struct Known {
    actor: Actor,
    scope: Scope,
    /// Of those who show a key.
    signature: Option<(Principal, Judged)>,
}

/// Somebody who may come in, if the body is signed as the head said it is.
pub struct Admitted {
    pub caller: Caller,
    signature: Option<(Principal, Judged)>,
}

impl Admitted {
    /// The caller, once the body is judged too.
    pub async fn with_body(
        self,
        request: &HttpRequest,
        worker: &Worker,
        body: &[u8],
    ) -> Result<Caller, Problem> {
        if let Some((principal, judged)) = self.signature {
            let head = inbound::head(request, worker);
            let judging = signed::body(judged, body, &head, &principal, &worker.engine.shared);
            judging.await.map_err(refused)?;
        }
        Ok(self.caller)
    }
}

/// Lets a request through that may pass. A caller who is known and may not is written into the audit trail.
pub async fn admit(
    request: &HttpRequest,
    worker: &Worker,
    policy: Policy,
    id: RequestId,
) -> Result<Admitted, Problem> {
    let address = worker.forwarding.address(request);
    let known = recognise(request, worker).await?;
    let reach = match policy {
        Policy::SignedIn | Policy::Anyone => Some(known.actor.team.map_or(Reach::Platform, Reach::Team)),
        Policy::Needs(permission) => known.actor.may(permission),
    };
    let Some(reach) = reach else {
        let detail = format!("`{} {}` needs `{}`", request.method(), request.path(), policy.word());
        let who = Who { id: known.actor.id, team: known.actor.team, address, request: id };
        trail::denied(worker, who, DENIED, detail).await;
        return Err(Problem::new(Kind::Forbidden, format!("this needs the permission `{}`", policy.word())));
    };
    let Known { actor, scope, signature } = known;
    Ok(Admitted { caller: Caller { actor, reach, scope, address, request: id }, signature })
}

/// Looks at a request of somebody who has proven nothing, and tells where it comes from.
pub fn look_at(request: &HttpRequest, worker: &Worker) -> Result<Option<IpAddr>, Problem> {
    let world = worker.engine.shared.worlds.current();
    let head = inbound::head(request, worker);
    judge(&head, None, &world, worker)?;
    Ok(head.line.address)
}

/// Who is calling. A request that shows a key stands and falls with it, whatever cookies it bears.
async fn recognise(request: &HttpRequest, worker: &Worker) -> Result<Known, Problem> {
    let world = worker.engine.shared.worlds.current();
    let head = inbound::head(request, worker);
    let shown = head.headers;
    let has_key =
        [shown.authorization, shown.api_key, shown.x_api_key, shown.goog_api_key].iter().any(Option::is_some);
    if !has_key && let Some(actor) = session::recognise(request, worker, &world).await? {
        judge(&head, actor.team, &world, worker)?;
        return Ok(Known { actor, scope: Scope::default(), signature: None });
    }
    let known = by_key(&head, &world, worker);
    if known.as_ref().is_err_and(|problem| problem.kind == Kind::NotSignedIn) {
        let _stay = worker.hold().await;
    }
    known
}

/// What the pipeline does about an attack, for those who show no key.
fn judge(head: &Head<'_>, team: Option<TeamId>, world: &World, worker: &Worker) -> Result<(), Problem> {
    let Some(suspicion) = &head.suspicion else { return Ok(()) };
    let mode = world.snapshot.shield(team);
    if mode == ShieldMode::Off {
        return Ok(());
    }
    let by = Denied { reason: mode.as_str(), key: None, team, address: head.line.address };
    let (kind, position, evidence) = (suspicion.kind, suspicion.position, suspicion.evidence.clone());
    worker.engine.shared.trail.note(Noted::Attacked { kind, position, evidence, by });
    match mode {
        ShieldMode::Block => Err(refused(Refusal::Hostile { position })),
        ShieldMode::Flag | ShieldMode::Off => Ok(()),
    }
}

/// Keys that are refused here come in any number, so they are noted and gathered like those refused on the way
/// to a model, not written one by one.
fn by_key(head: &Head<'_>, world: &World, worker: &Worker) -> Result<Known, Problem> {
    let principal = pipeline::identify(&worker.engine, head, world).map_err(refused)?;
    let Some(actor) = world.snapshot.actor(&principal) else {
        authenticate::deny(&worker.engine.shared, &head.line, "level", Some(&principal));
        return Err(Problem::new(
            Kind::Forbidden,
            "this key calls models; the administration needs an admin key",
        ));
    };
    let judged = signed::head(head, &principal, world, &worker.engine.shared).map_err(refused)?;
    let scope = world.snapshot.keys.get(&principal.key).map(|policy| policy.scope.clone());
    Ok(Known { actor, scope: scope.unwrap_or_default(), signature: Some((principal, judged)) })
}

fn refused(refusal: Refusal) -> Problem {
    match refusal {
        Refusal::ForeignAddress => {
            Problem::new(Kind::Forbidden, "this key may not be used from this address")
        }
        Refusal::Hostile { position } => {
            Problem::new(Kind::Forbidden, format!("the {position} looks like an attack and was refused"))
        }
        Refusal::BadSignature { code } => {
            Problem::new(Kind::NotSignedIn, format!("the request is not signed as this key needs it: {code}"))
        }
        Refusal::TooManyFailures { wait_ms } => {
            Problem { retry_after_s: Some(wait_ms.div_ceil(1000)), ..Kind::NotSignedIn.into() }
        }
        _ => Kind::NotSignedIn.into(),
    }
}
