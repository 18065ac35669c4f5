//! A token in a file, exchanged for the key of a role: what a pod's service account has.
//!
//! The answer is XML. Only four elements of it are read, none of which may have markup in it; neither the token
//! nor what the service says about it is ever repeated.

use std::time::Duration;

use bytes::Bytes;
use nexus_core::fault::{Class, Fault};
use nexus_keystore::{secret::Secret, sigv4::AccessKey};
use url::{Url, form_urlencoded};

use super::{host::AwsSource, key};
use crate::{
    access::{
        host::{Host, TOKEN_MAX, file, nothing},
        lease::Granted,
    },
    egress::Reach,
    fetch::{Errand, Fetcher},
};

const SOURCE: AwsSource = AwsSource::Irsa;

const PATIENCE: Duration = Duration::from_secs(10);
const ANSWER_MAX: usize = 64 * 1024;

/// What the session is called where the host does not say.
const SESSION: &str = "nexus";

/// The longest code of an error that is repeated, in bytes.
const CODE_MAX: usize = 64;

pub(super) async fn assume(
    fetcher: &Fetcher,
    host: &Host<AwsSource>,
    region: &str,
    now_s: u64,
) -> Result<Granted<AccessKey>, Fault> {
    let role = host.needed(SOURCE, "AWS_ROLE_ARN")?;
    let session = host.variable("AWS_ROLE_SESSION_NAME").unwrap_or(SESSION);
    let path = host.needed(SOURCE, "AWS_WEB_IDENTITY_TOKEN_FILE")?;
    let token = Secret::new(file(SOURCE, path, TOKEN_MAX).await?);
    let form = form_urlencoded::Serializer::new(String::new())
        .append_pair("Action", "AssumeRoleWithWebIdentity")
        .append_pair("Version", "2011-06-15")
        .append_pair("RoleArn", role)
        .append_pair("RoleSessionName", session)
        .append_pair("WebIdentityToken", token.expose().trim())
        .finish();
    let (url, reach) = place(host, region)?;
    let errand = Errand { url: &url, headers: &[], reach, limit_bytes: ANSWER_MAX, timeout: PATIENCE };
    let posted = fetcher.post(errand, "application/x-www-form-urlencoded", Bytes::from(form)).await;
    let fetched = posted.map_err(|fault| nothing(fault.class, SOURCE, fault.message))?;
    let answer = String::from_utf8_lossy(&fetched.body);
    if fetched.status != 200 {
        let code = element(&answer, "Code").filter(|code| is_code(code));
        let said = code.map(|code| format!(" with `{code}`")).unwrap_or_default();
        let class = match fetched.status {
            429 => Class::RateLimited,
            500.. => Class::Internal,
            _ => Class::Credential,
        };
        let status = fetched.status;
        return Err(nothing(class, SOURCE, format!("its service answered with status {status}{said}")));
    }
    let strange = || nothing(Class::BadAnswer, SOURCE, "its service answered with no key that is good");
    granted(&answer, now_s).ok_or_else(strange)
}

/// The region's service, or the one the operator names, which may be inside its own network.
fn place(host: &Host<AwsSource>, region: &str) -> Result<(Url, Reach), Fault> {
    let end = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    let (text, reach) = match host.variable("AWS_ENDPOINT_URL_STS") {
        Some(said) => (said.to_owned(), Reach::Private),
        None => (format!("https://sts.{region}.{end}/"), Reach::Public),
    };
    let url = Url::parse(&text).map_err(|_| nothing(Class::Credential, SOURCE, "its address is no URL"))?;
    Ok((url, reach))
}

fn granted(answer: &str, now_s: u64) -> Option<Granted<AccessKey>> {
    let inside = between(answer, "<Credentials>", "</Credentials>")?;
    let word = |name| element(inside, name).map(str::to_owned);
    let token = word("SessionToken").filter(|token| !token.is_empty())?;
    let key = key::of_parts(word("AccessKeyId")?, word("SecretAccessKey")?, Some(token))?;
    Some(Granted { value: key, lifetime_ms: key::lifetime_ms(&word("Expiration")?, now_s)? })
}

/// The text of the first element of this name, if there is nothing but text in it.
fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let inside = between(text, &format!("<{name}>"), &format!("</{name}>"))?.trim();
    (!inside.contains(['<', '&'])).then_some(inside)
}

fn between<'a>(text: &'a str, open: &str, close: &str) -> Option<&'a str> {
    let (_, after) = text.split_once(open)?;
    Some(after.split_once(close)?.0)
}

/// A code as the service has them, which is nothing of what was posted.
fn is_code(text: &str) -> bool {
    text.len() <= CODE_MAX && text.bytes().all(|byte| byte.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
        <AssumeRoleWithWebIdentityResult><AssumedRoleUser><Arn>arn:x</Arn></AssumedRoleUser><Credentials>\n\
        <AccessKeyId>ASIAX</AccessKeyId><SecretAccessKey>s/+</SecretAccessKey><SessionToken>t==</SessionToken>\
        <Expiration>2026-01-01T01:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult>\
        </AssumeRoleWithWebIdentityResponse>";

    #[test]
    fn a_key_is_read_from_the_answer_and_nothing_from_what_is_none() {
        let now_s = 1_767_225_600;
        let granted = granted(ANSWER, now_s).unwrap();
        let key = &granted.value;
        let token = key.session_token.as_ref().unwrap();
        assert_eq!((&*key.id, key.secret.expose(), token.expose()), ("ASIAX", "s/+", "t=="));
        assert_eq!(granted.lifetime_ms, 3_600_000);
        assert!(self::granted(ANSWER, now_s + 3_600).is_none(), "it is over");
        for (part, other) in [
            ("<AccessKeyId>", "<Other>"),
            ("s/+", "s&amp;"),
            ("t==", "t<b/>"),
            ("t==", ""),
            ("ASIAX", "A\nB"),
            ("2026-01-01T01:00:00Z", "soon"),
            ("</Credentials>", ""),
        ] {
            assert!(self::granted(&ANSWER.replace(part, other), now_s).is_none(), "{part} {other}");
        }
    }

    #[test]
    fn the_service_is_the_region_s_or_the_operator_s() {
        let none = Host::new(vec![SOURCE], |_| None);
        let own = Host::new(vec![SOURCE], |name| {
            (name == "AWS_ENDPOINT_URL_STS").then(|| "http://10.0.0.1/sts".to_owned())
        });
        for (host, region, url, reach) in [
            (&none, "eu-west-1", "https://sts.eu-west-1.amazonaws.com/", Reach::Public),
            (&none, "cn-north-1", "https://sts.cn-north-1.amazonaws.com.cn/", Reach::Public),
            (&own, "eu-west-1", "http://10.0.0.1/sts", Reach::Private),
        ] {
            let (seen, seen_reach) = place(host, region).unwrap();
            assert_eq!((seen.as_str(), seen_reach), (url, reach));
        }
    }
}
