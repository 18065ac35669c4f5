//! The token of another issuer's that an external account is proven with: in a file, at an address, or a signed
//! question to AWS that is handed over instead of asked.
//!
//! The description is the operator's own file. Even so an address in it is reached as any service of the host's is,
//! and AWS's keys are used only where the setting for them allows it.

use nexus_core::fault::{Class, Fault};
use nexus_keystore::{
    secret::Secret,
    sigv4::{self, Request, Scope, Segments},
};
use serde::Deserialize;
use serde_json::json;
use url::{Url, form_urlencoded};

use super::GoogleSource;
use crate::{
    access::{
        aws::{self, AwsSource},
        host::{Host, HostSource as _, TOKEN_MAX, errand, file, good, nothing, parse},
    },
    fetch::Fetcher,
};

const SOURCE: GoogleSource = GoogleSource::ExternalAccount;

/// The most headers with which a token is asked for.
const HEADERS_MAX: usize = 16;

/// What the description says of AWS; its versions differ in this only.
const AWS: &str = "aws1";

#[derive(Deserialize)]
pub(super) struct Source {
    file: Option<String>,
    url: Option<String>,
    #[serde(default)]
    headers: std::collections::BTreeMap<String, String>,
    format: Option<Format>,
    environment_id: Option<String>,
    regional_cred_verification_url: Option<String>,
}

#[derive(Deserialize)]
struct Format {
    subject_token_field_name: Option<String>,
}

fn no(why: &str) -> Fault {
    nothing(Class::Credential, SOURCE, why)
}

impl Source {
    /// The token, which is good for `audience` at most.
    pub(super) async fn token(
        &self,
        fetcher: &Fetcher,
        aws: &Host<AwsSource>,
        audience: &str,
        now_s: u64,
    ) -> Result<Secret, Fault> {
        match self {
            Self { file: Some(path), .. } => {
                let token = self.read(&file(SOURCE, path, TOKEN_MAX).await?);
                token.ok_or_else(|| no("there is no token in the file that its `credential_source` names"))
            }
            Self { url: Some(url), environment_id: None, .. } => self.fetched(fetcher, url).await,
            Self { environment_id: Some(id), .. } if id == AWS => {
                self.signed(fetcher, aws, audience, now_s).await
            }
            _ => Err(no("its `credential_source` is no `file`, no `url` and not AWS's; no other is read")),
        }
    }

    /// The token in what was read.
    fn read(&self, text: &str) -> Option<Secret> {
        let field = self.format.as_ref().and_then(|format| format.subject_token_field_name.as_deref());
        let token = match field {
            None => text.trim().to_owned(),
            Some(field) => {
                let members: serde_json::Value = serde_json::from_str(text).ok()?;
                members.get(field)?.as_str()?.to_owned()
            }
        };
        (!token.is_empty()).then(|| Secret::new(token))
    }

    async fn fetched(&self, fetcher: &Fetcher, place: &str) -> Result<Secret, Fault> {
        let url = parse(SOURCE, place)?;
        if self.headers.len() > HEADERS_MAX {
            return Err(no("its `credential_source` has too many `headers`"));
        }
        let names: Vec<_> = self.headers.keys().map(|name| name.to_ascii_lowercase()).collect();
        let headers: Vec<_> =
            names.iter().map(String::as_str).zip(self.headers.values().map(String::as_str)).collect();
        let fetched = good(SOURCE, fetcher.get(errand(SOURCE, &url, &headers)?).await)?;
        let token = std::str::from_utf8(&fetched.body).ok().and_then(|text| self.read(text));
        token.ok_or_else(|| no("there is no token at the address that its `credential_source` names"))
    }

    /// A question to AWS who is asking, signed for this audience; Google asks it and believes the answer.
    async fn signed(
        &self,
        fetcher: &Fetcher,
        host: &Host<AwsSource>,
        audience: &str,
        now_s: u64,
    ) -> Result<Secret, Fault> {
        let source = host.first().ok_or_else(|| {
            no(&format!(
                "its `credential_source` is AWS's: allow a source of its keys in the setting `{}`",
                AwsSource::SETTING
            ))
        })?;
        let region = host.variable("AWS_REGION").or_else(|| host.variable("AWS_DEFAULT_REGION"));
        let region = region.ok_or_else(|| no("the variable `AWS_REGION` is not set"))?;
        let url = self.question(region)?;
        let key =
            aws::ask(fetcher.clone(), host.clone(), source, region.to_owned(), None, now_s).await?.value;
        let name = url.host_str().unwrap_or_default();
        let headers = [("host", name), ("x-goog-cloud-target-resource", audience)];
        let request = Request {
            method: "POST",
            path: url.path(),
            segments: Segments::Normalised,
            query: url.query().unwrap_or_default(),
            headers: &headers,
            body: b"",
        };
        let proof = sigv4::sign(&key, Scope { region, service: "sts", at_s: now_s }, request);
        let header = |name: &str, value: &str| json!({ "key": name, "value": value });
        let mut shown =
            vec![header("Authorization", &proof.authorization), header("x-amz-date", &proof.date)];
        shown.extend(headers.map(|(name, value)| header(name, value)));
        let session = key.session_token.as_ref().map(|token| header("x-amz-security-token", token.expose()));
        shown.extend(session);
        let question = json!({ "url": url.as_str(), "method": "POST", "headers": shown }).to_string();
        // as Google's own libraries write it: a space is no plus
        let written: String = form_urlencoded::byte_serialize(question.as_bytes()).collect();
        Ok(Secret::new(written.replace('+', "%20")))
    }

    fn question(&self, region: &str) -> Result<Url, Fault> {
        let place = self.regional_cred_verification_url.as_deref().unwrap_or_default();
        let url = parse(SOURCE, &place.replace("{region}", region))?;
        let is_aws = |name: &str| AwsSource::DOMAINS.iter().any(|domain| name.ends_with(domain));
        match url.scheme() == "https" && url.host_str().is_some_and(is_aws) {
            true => Ok(url),
            false => Err(no("its `regional_cred_verification_url` is not AWS's")),
        }
    }
}
