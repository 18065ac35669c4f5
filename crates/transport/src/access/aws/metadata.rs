//! The services at link-local addresses that tell instances and containers their keys.
//!
//! The guard over addresses is opened for one address and one errand at a time, never for a name.

use std::{net::IpAddr, time::Duration};

use nexus_core::fault::{Class, Fault};
use nexus_keystore::{secret::Secret, sigv4::AccessKey};
use url::{Host, Url};

use super::{
    host::{self, AwsHost, AwsSource},
    key, no_key,
};
use crate::{
    access::lease::Granted,
    egress::Reach,
    fetch::{Errand, Fetched, Fetcher},
};

/// From the first packet to the last byte: it is one hop away.
const PATIENCE: Duration = Duration::from_secs(5);

const ANSWER_MAX: usize = 64 * 1024;

/// The longest token of a file's, in bytes.
const TOKEN_MAX: u64 = 16 * 1024;

const INSTANCE: &str = "http://169.254.169.254";
const TASK: &str = "http://169.254.170.2";

/// Where a container's keys may be had without TLS, beside the loopback: a task's and a pod's service.
const CONTAINERS: &[&str] = &["169.254.170.2", "169.254.170.23", "fd00:ec2::23"];

/// The key of the role an instance has. Only by a session with the service, which no forwarded request opens.
pub(super) async fn of_instance(
    fetcher: &Fetcher,
    host: &AwsHost,
    now_s: u64,
) -> Result<Granted<AccessKey>, Fault> {
    const SOURCE: AwsSource = AwsSource::Imds;
    const ROLES: &str = "/latest/meta-data/iam/security-credentials/";
    let base = host.variable("AWS_EC2_METADATA_SERVICE_ENDPOINT").unwrap_or(INSTANCE).trim_end_matches('/');
    let url = |path: &str| parse(SOURCE, &format!("{base}{path}"));
    let lifetime = [("x-aws-ec2-metadata-token-ttl-seconds", "21600")];
    let token_url = url("/latest/api/token")?;
    let session = fetcher.put(errand(SOURCE, &token_url, &lifetime)?).await;
    let session = Secret::new(text(SOURCE, session)?);
    let shown = [("x-aws-ec2-metadata-token", session.expose())];
    let roles_url = url(ROLES)?;
    let roles = text(SOURCE, fetcher.get(errand(SOURCE, &roles_url, &shown)?).await)?;
    let role = roles.lines().next().map(str::trim).filter(|role| is_role(role));
    let role = role.ok_or_else(|| no_key(Class::Credential, SOURCE, "the instance has no role"))?;
    let role_url = url(&format!("{ROLES}{role}"))?;
    let answer = text(SOURCE, fetcher.get(errand(SOURCE, &role_url, &shown)?).await)?;
    granted(SOURCE, &answer, now_s)
}

/// The key of the role a container has.
pub(super) async fn of_container(
    fetcher: &Fetcher,
    host: &AwsHost,
    now_s: u64,
) -> Result<Granted<AccessKey>, Fault> {
    const SOURCE: AwsSource = AwsSource::Ecs;
    let url = match host.variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") {
        Some(path) => parse(SOURCE, &format!("{TASK}/{}", path.trim_start_matches('/')))?,
        None => parse(SOURCE, host.needed(SOURCE, "AWS_CONTAINER_CREDENTIALS_FULL_URI")?)?,
    };
    let is_near = |ip: IpAddr| ip.is_loopback() || CONTAINERS.contains(&ip.to_string().as_str());
    if url.scheme() != "https" && !address(&url).is_some_and(is_near) {
        return Err(no_key(Class::Forbidden, SOURCE, "its address is none of a container's service"));
    }
    let token = match host.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
        Some(path) => Some(host::file(SOURCE, path, TOKEN_MAX).await?),
        None => host.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN").map(str::to_owned),
    };
    let token = token.map(Secret::new);
    let shown: Vec<_> = token.iter().map(|token| ("authorization", token.expose().trim())).collect();
    let answer = text(SOURCE, fetcher.get(errand(SOURCE, &url, &shown)?).await)?;
    granted(SOURCE, &answer, now_s)
}

fn parse(source: AwsSource, text: &str) -> Result<Url, Fault> {
    Url::parse(text).map_err(|_| no_key(Class::Credential, source, "its address is no URL"))
}

/// The literal address that a URL leads to.
fn address(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.into()),
        Host::Domain(_) => None,
    }
}

fn errand<'a>(
    source: AwsSource,
    url: &'a Url,
    headers: &'a [(&'static str, &'a str)],
) -> Result<Errand<'a>, Fault> {
    let reach = match address(url) {
        Some(address) => Reach::Only(address),
        None if url.scheme() == "https" => Reach::Public,
        None => return Err(no_key(Class::Forbidden, source, "its address is a name and has no TLS")),
    };
    Ok(Errand { url, headers, reach, limit_bytes: ANSWER_MAX, timeout: PATIENCE })
}

/// The words of an answer of status 200; any other is not repeated.
fn text(source: AwsSource, fetched: Result<Fetched, Fault>) -> Result<String, Fault> {
    let fetched = fetched.map_err(|fault| no_key(fault.class, source, fault.message))?;
    if fetched.status != 200 {
        let class = if fetched.status >= 500 { Class::Internal } else { Class::Credential };
        return Err(no_key(class, source, format!("its service answered with status {}", fetched.status)));
    }
    String::from_utf8(fetched.body.to_vec())
        .map_err(|_| no_key(Class::BadAnswer, source, "its service answered with no text"))
}

fn granted(source: AwsSource, answer: &str, now_s: u64) -> Result<Granted<AccessKey>, Fault> {
    key::of_answer(answer.as_bytes(), now_s)
        .ok_or_else(|| no_key(Class::BadAnswer, source, "its service answered with no key that is good"))
}

/// A role's name may stand in a path.
fn is_role(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+=,.@_-".contains(&byte))
        && !text.bytes().all(|byte| byte == b'.')
}
