//! Requests signed as AWS wants them, and API keys of Bedrock's shown as they are.
//!
//! Whose access key signs is the provider's option `credentials`: its own credential unless it says otherwise.

mod host;
mod key;
mod metadata;
mod profile;
mod sts;

use std::rc::Rc;

use nexus_core::fault::Fault;
use nexus_engine::world::Credential;
use nexus_keystore::{
    secret::Secret,
    sigv4::{self, AccessKey, Request, Scope, Segments},
};

pub use self::host::AwsSource;
pub(super) use self::host::ask;
use super::{Access, Showing, Shown, host::HostSource as _, lease::Key, unusable};

/// Signs a request to `service`, or shows an API key as a bearer. Without a credential nothing is shown, unless
/// the option names another source of keys.
pub(super) async fn show<'a>(
    access: &Access,
    showing: &Showing<'a>,
    credential: Option<&'a Credential>,
    service: &'static str,
) -> Result<Shown<'a>, Fault> {
    if let Some(source) = access.hosts.aws.source(showing)? {
        let region = region(showing)?.to_owned();
        let host = &access.hosts.aws;
        let profile = showing.site.options.option("profile").map(str::to_owned);
        let purpose = format!("aws {} {region} {}", source.as_str(), profile.as_deref().unwrap_or_default());
        let fetch = || ask(access.fetcher.clone(), host.clone(), source, region, profile, access.now_s());
        let lease = access.aws_keys.lease(Key::of_host(purpose), &access.clock, fetch).await?;
        return signed(access, showing, &lease.value, service, Some(Rc::clone(&lease.standing)));
    }
    let Some(credential) = credential else { return Ok(Shown::nothing()) };
    if !credential.secret.expose().trim_start().starts_with('{') {
        return Ok(Shown::bearer(credential));
    }
    let key = key::of_credential(credential.secret.expose()).ok_or_else(|| {
        unusable(
            "the credential is no access key of AWS: enter an API key, or a JSON object with `access_key_id`, \
             `secret_access_key` and for a session `session_token`",
        )
    })?;
    signed(access, showing, &key, service, None)
}

/// The region the request is signed for: the target's, the provider's, or what its host's name says.
fn region<'a>(showing: &Showing<'a>) -> Result<&'a str, Fault> {
    let in_host = || showing.endpoint.host.split('.').find(|label| is_region_s_name(label));
    let region = showing.site.region().or_else(in_host).filter(|region| is_region(region));
    region.ok_or_else(|| {
        unusable("a request to AWS is signed for a region: set the provider's option `region`")
    })
}

/// Whether a label of a host's name is a region: two letters, words and then a number, as in `us-gov-east-1`.
fn is_region_s_name(label: &str) -> bool {
    let Some((words, number)) = label.rsplit_once('-') else { return false };
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
    let is_number = (1..=2).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit());
    let area = words.split('-').next().unwrap_or_default();
    is_number && area.len() == 2 && area != words && words.split('-').all(is_word)
}

fn is_region(text: &str) -> bool {
    text.len() <= 32
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !text.is_empty()
}

fn signed<'a>(
    access: &Access,
    showing: &Showing<'a>,
    key: &AccessKey,
    service: &'static str,
    standing: Option<Rc<super::lease::Standing>>,
) -> Result<Shown<'a>, Fault> {
    let authority = showing.endpoint.authority();
    let whole_path = format!("{}{}", showing.endpoint.base_path, showing.path);
    let (path, query) = whole_path.split_once('?').unwrap_or((&whole_path, ""));
    let mut headers = vec![("host", authority.as_str())];
    let vendors = showing.headers.iter().filter(|(name, _)| name.starts_with("x-amz-"));
    headers.extend(vendors.map(|(name, value)| (*name, value.as_str())));
    let request = Request {
        method: showing.method,
        path,
        segments: Segments::Normalised,
        query,
        headers: &headers,
        body: showing.body,
    };
    let scope = Scope { region: region(showing)?, service, at_s: access.now_s() };
    let proof = sigv4::sign(key, scope, request);
    let mut lines =
        vec![("x-amz-date", Secret::new(proof.date)), ("authorization", Secret::new(proof.authorization))];
    let token = key.session_token.as_ref().map(|token| Secret::new(token.expose().to_owned()));
    lines.extend(token.map(|token| ("x-amz-security-token", token)));
    Ok(Shown::signed(lines, standing))
}

#[cfg(test)]
mod tests;
