//! Part of stage 2: whether the request is signed as its key wants, judged before the body is read, and the
//! body after.
//!
//! A signature is good once; it is used up only when everything about it held.

use nexus_core::{principal::Principal, refusal::Refusal, snapshot::Signing};
use nexus_keystore::request_signature::{MAX_AGE_S, Nonces, Proof, Request, Signed, Unfit, Wrong, verify};

use crate::{
    arrival::Head,
    shared::Shared,
    sharing::Claimed,
    stage::{authenticate::deny, parse::form::Hold},
    world::World,
};

/// A signature can be taken from so long before its time to so long after.
const KEEP_MS: i64 = 2_000 * MAX_AGE_S;

/// A request whose head is signed as it must be; the body is still to be judged.
#[must_use = "the body is not judged yet"]
pub struct Judged {
    /// `None` where no signature is wanted.
    signed: Option<Signed>,
    keyid: String,
}

impl Judged {
    /// Whether the body must be here whole to be judged.
    pub fn holds(&self) -> Hold {
        if self.signed.is_some() { Hold::Whole } else { Hold::Beginning }
    }
}

/// What is no request of its own needs no signature: the one that led to it was judged.
pub fn none() -> Judged {
    Judged { signed: None, keyid: String::new() }
}

/// Judges the head.
pub fn head(head: &Head<'_>, caller: &Principal, world: &World, shared: &Shared) -> Result<Judged, Refusal> {
    let (signing, generation) = world.snapshot.signing(caller);
    let is_signed = head.headers.signature.is_some() || head.headers.signature_input.is_some();
    let is_wanted = match signing {
        Signing::Off => false,
        Signing::Optional => is_signed,
        Signing::Required => true,
    };
    if !is_wanted {
        return Ok(none());
    }
    let key = caller.parent.unwrap_or(caller.key);
    let keyid = key.to_string();
    let request = Request {
        method: head.line.method,
        path: head.line.path,
        query: head.line.query,
        signature_input: head.headers.signature_input,
        signature: head.headers.signature,
        content_digest: head.headers.content_digest,
        others: &[],
    };
    let secret = shared.keys.signing.secret(key.0, generation);
    let verified = verify(&request, &secret, &keyid, now_s(shared));
    let signed = verified.map_err(|wrong: Wrong| refuse(head, caller, shared, wrong.code()))?;
    Ok(Judged { signed: Some(signed), keyid })
}

/// Judges the body, and uses the signature up: on this node, and on all others that can be reached.
pub async fn body(
    judged: Judged,
    body: &[u8],
    head: &Head<'_>,
    caller: &Principal,
    shared: &Shared,
) -> Result<(), Refusal> {
    let Some(signed) = judged.signed else { return Ok(()) };
    let proof: Proof = signed.over(body).map_err(|wrong| refuse(head, caller, shared, wrong.code()))?;
    let used = shared.nonces.remember(&judged.keyid, &proof, now_s(shared));
    used.map_err(|unfit: Unfit| refuse(head, caller, shared, unfit.code()))?;
    let name = format!("nonce/{}", Nonces::name(&judged.keyid, &proof));
    match shared.sharing.claims(name, KEEP_MS).await {
        Claimed::First => Ok(()),
        Claimed::Again => Err(refuse(head, caller, shared, Unfit::Replayed.code())),
        Claimed::Unheard => {
            // what this node remembers is all that can be known
            shared.meters.claim_unheard();
            Ok(())
        }
    }
}

fn refuse(head: &Head<'_>, caller: &Principal, shared: &Shared, code: &'static str) -> Refusal {
    deny(shared, &head.line, code, Some(caller));
    Refusal::BadSignature { code }
}

fn now_s(shared: &Shared) -> i64 {
    shared.clock.unix_ms().div_euclid(1000)
}
