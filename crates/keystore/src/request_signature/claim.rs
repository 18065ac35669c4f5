//! The one signature of a request that says it is made with the right key, and what it says.
//!
//! Nothing of it is proven: parameters are judged before the signature is, and mean something only after.

use std::ops::RangeInclusive;

use sfv::{BareItem, Dictionary, InnerList, Item, Key, ListEntry, Parameters, key_ref};

use super::{MAX_AGE_S, Proof, Request, Wrong, covered::REQUIRED, dictionary};

const ALGORITHM: &str = "hmac-sha256";
const PARAMETERS: [&str; 5] = ["created", "nonce", "keyid", "expires", "alg"];
/// Characters in a nonce.
const NONCE_LENGTH: RangeInclusive<usize> = 8..=128;

pub(super) struct Claim {
    /// The covered components with the signature's parameters.
    pub(super) input: InnerList,
    pub(super) tag: Vec<u8>,
}

impl Claim {
    /// The first signature with this `keyid`.
    pub(super) fn of(request: &Request<'_>, keyid: &str) -> Result<Self, Wrong> {
        let inputs = field(request.signature_input)?;
        let mut signatures = field(request.signature)?;
        let mut ours = None;
        for (label, input) in inputs {
            let ListEntry::InnerList(input) = input else { return Err(Wrong::Malformed) };
            if ours.is_none() && text(&input.params, "keyid")? == Some(keyid) {
                ours = Some((label, input));
            }
        }
        let (label, input) = ours.ok_or(Wrong::KeyId)?;
        match signatures.swap_remove(&label) {
            Some(ListEntry::Item(Item { bare_item: BareItem::ByteSequence(tag), .. })) => {
                Ok(Self { input, tag })
            }
            Some(_) => Err(Wrong::Malformed),
            None => Err(Wrong::Missing),
        }
    }

    /// What the signature proves if it is right, unless its parameters forbid it.
    pub(super) fn proof(&self, now_s: i64) -> Result<Proof, Wrong> {
        let parameters = &self.input.params;
        if parameters.keys().any(|name| !PARAMETERS.contains(&name.as_str())) {
            return Err(Wrong::Parameters);
        }
        if text(parameters, "alg")?.is_some_and(|algorithm| algorithm != ALGORITHM) {
            return Err(Wrong::Algorithm);
        }
        let created_s = seconds(parameters, "created")?.ok_or(Wrong::CreatedMissing)?;
        let age_s = now_s.saturating_sub(created_s);
        if age_s > MAX_AGE_S || seconds(parameters, "expires")?.is_some_and(|expires_s| expires_s <= now_s) {
            return Err(Wrong::Expired);
        }
        if age_s < -MAX_AGE_S {
            return Err(Wrong::Early);
        }
        let nonce = text(parameters, "nonce")?.ok_or(Wrong::NonceMissing)?;
        if !NONCE_LENGTH.contains(&nonce.len()) {
            return Err(Wrong::NonceLength);
        }
        Ok(Proof { created_s, nonce: nonce.to_owned() })
    }
}

/// What a signature of ours covers and says.
pub(super) fn input(keyid: &str, proof: &Proof) -> Result<InnerList, Wrong> {
    let items = REQUIRED.into_iter().map(|name| string(name).map(Item::new)).collect::<Result<_, _>>()?;
    let created = BareItem::try_from(proof.created_s).map_err(|_| Wrong::Malformed)?;
    let parameters: [(Key, BareItem); 3] = [
        (key_ref("created").to_owned(), created),
        (key_ref("nonce").to_owned(), string(&proof.nonce)?),
        (key_ref("keyid").to_owned(), string(keyid)?),
    ];
    Ok(InnerList::with_params(items, Parameters::from(parameters)))
}

fn string(text: &str) -> Result<BareItem, Wrong> {
    sfv::String::from_string(text.to_owned()).map(BareItem::String).map_err(|_| Wrong::Malformed)
}

fn field(value: Option<&str>) -> Result<Dictionary, Wrong> {
    let members = dictionary(value.ok_or(Wrong::Missing)?).ok_or(Wrong::Malformed)?;
    if members.is_empty() { Err(Wrong::Missing) } else { Ok(members) }
}

/// A parameter that must be a string if it is there.
fn text<'a>(parameters: &'a Parameters, name: &str) -> Result<Option<&'a str>, Wrong> {
    let Some(value) = parameters.get(name) else { return Ok(None) };
    value.as_string().map(|text| Some(text.as_str())).ok_or(Wrong::Malformed)
}

/// A parameter that must be an integer if it is there: Unix seconds.
fn seconds(parameters: &Parameters, name: &str) -> Result<Option<i64>, Wrong> {
    let Some(value) = parameters.get(name) else { return Ok(None) };
    value.as_integer().map(|seconds| Some(i64::from(seconds))).ok_or(Wrong::Malformed)
}
