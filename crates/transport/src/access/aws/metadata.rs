//! The services at link-local addresses that tell instances and containers their keys.

use std::net::IpAddr;

use nexus_core::fault::{Class, Fault};
use nexus_keystore::{secret::Secret, sigv4::AccessKey};

use super::{host::AwsSource, key};
use crate::{
    access::{
        host::{Host, TOKEN_MAX, address, errand, file, good, nothing, parse},
        lease::Granted,
    },
    fetch::{Fetched, Fetcher},
};

const INSTANCE: &str = "http://169.254.169.254";
const TASK: &str = "http://169.254.170.2";

/// Where a container's keys may be had without TLS, beside the loopback: a task's and a pod's service.
const CONTAINERS: &[&str] = &["169.254.170.2", "169.254.170.23", "fd00:ec2::23"];

/// The key of the role an instance has. Only by a session with the service, which no forwarded request opens.
pub(super) async fn of_instance(
    fetcher: &Fetcher,
    host: &Host<AwsSource>,
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
    let role = role.ok_or_else(|| nothing(Class::Credential, SOURCE, "the instance has no role"))?;
    let role_url = url(&format!("{ROLES}{role}"))?;
    let answer = text(SOURCE, fetcher.get(errand(SOURCE, &role_url, &shown)?).await)?;
    granted(SOURCE, &answer, now_s)
}

/// The key of the role a container has.
pub(super) async fn of_container(
    fetcher: &Fetcher,
    host: &Host<AwsSource>,
    now_s: u64,
) -> Result<Granted<AccessKey>, Fault> {
    const SOURCE: AwsSource = AwsSource::Ecs;
    let url = match host.variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") {
        Some(path) => parse(SOURCE, &format!("{TASK}/{}", path.trim_start_matches('/')))?,
        None => parse(SOURCE, host.needed(SOURCE, "AWS_CONTAINER_CREDENTIALS_FULL_URI")?)?,
    };
    let is_near = |ip: IpAddr| ip.is_loopback() || CONTAINERS.contains(&ip.to_string().as_str());
    if url.scheme() != "https" && !address(&url).is_some_and(is_near) {
        return Err(nothing(Class::Forbidden, SOURCE, "its address is none of a container's service"));
    }
    let token = match host.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
        Some(path) => Some(file(SOURCE, path, TOKEN_MAX).await?),
        None => host.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN").map(str::to_owned),
    };
    let token = token.map(Secret::new);
    let shown: Vec<_> = token.iter().map(|token| ("authorization", token.expose().trim())).collect();
    let answer = text(SOURCE, fetcher.get(errand(SOURCE, &url, &shown)?).await)?;
    granted(SOURCE, &answer, now_s)
}

/// The words of an answer of status 200; any other is not repeated.
fn text(source: AwsSource, fetched: Result<Fetched, Fault>) -> Result<String, Fault> {
    String::from_utf8(good(source, fetched)?.body.to_vec())
        .map_err(|_| nothing(Class::BadAnswer, source, "its service answered with no text"))
}

fn granted(source: AwsSource, answer: &str, now_s: u64) -> Result<Granted<AccessKey>, Fault> {
    key::of_answer(answer.as_bytes(), now_s)
        .ok_or_else(|| nothing(Class::BadAnswer, source, "its service answered with no key that is good"))
}

/// A role's name may stand in a path.
fn is_role(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+=,.@_-".contains(&byte))
        && !text.bytes().all(|byte| byte == b'.')
}
