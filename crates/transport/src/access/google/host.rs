//! Where Google's access tokens are had for the identity that the host itself has there.

mod subject;

use bytes::Bytes;
use nexus_core::fault::{Class, Fault};
use nexus_keystore::{secret::Secret, sigv4::unix_seconds};
use serde::Deserialize;
use serde_json::json;

use self::subject::Source;
use crate::{
    access::{
        aws::AwsSource,
        grant::{self, Question},
        host::{Host, HostSource, errand, file, good, nothing, parse, reach},
        lease::Granted,
    },
    fetch::Fetcher,
};

/// The metadata service of a machine, which also a pod of a cluster sees.
const MACHINE: &str = "169.254.169.254";
/// Its name, which is resolved to that address on Google's machines alone.
const MACHINE_NAME: &str = "metadata.google.internal";

/// The longest description of an external account that is read, in bytes.
const FILE_MAX: u64 = 64 * 1024;

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// Where a token for the host's identity comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GoogleSource {
    /// The metadata service of a machine, a cluster's node or pod, or Cloud Run.
    Metadata,
    /// A token of another issuer's, had and exchanged as the file says that `GOOGLE_APPLICATION_CREDENTIALS`
    /// names: workload identity federation.
    ExternalAccount,
}

impl HostSource for GoogleSource {
    const ALL: &'static [Self] = &[Self::Metadata, Self::ExternalAccount];
    const SETTING: &'static str = "google.host_credentials";
    const BRINGS: &'static str = "access token";
    const VARIABLES: &'static [&'static str] = &["GCE_METADATA_HOST", "GOOGLE_APPLICATION_CREDENTIALS"];
    const DOMAINS: &'static [&'static str] = &[".googleapis.com"];

    fn as_str(self) -> &'static str {
        match self {
            Self::Metadata => "metadata",
            Self::ExternalAccount => "external_account",
        }
    }
}

/// Asks the source for a token for `scope`.
pub(super) async fn ask(
    fetcher: Fetcher,
    host: Host<GoogleSource>,
    aws: Host<AwsSource>,
    source: GoogleSource,
    scope: &'static str,
    now_s: u64,
) -> Result<Granted<Secret>, Fault> {
    match source {
        GoogleSource::Metadata => of_machine(&fetcher, &host, scope, now_s).await,
        GoogleSource::ExternalAccount => of_external(fetcher, &host, &aws, scope, now_s).await,
    }
}

async fn of_machine(
    fetcher: &Fetcher,
    host: &Host<GoogleSource>,
    scope: &str,
    now_s: u64,
) -> Result<Granted<Secret>, Fault> {
    const SOURCE: GoogleSource = GoogleSource::Metadata;
    let place = host.variable("GCE_METADATA_HOST").filter(|place| *place != MACHINE_NAME).unwrap_or(MACHINE);
    let mut url =
        parse(SOURCE, &format!("http://{place}/computeMetadata/v1/instance/service-accounts/default/token"))?;
    url.query_pairs_mut().append_pair("scopes", scope);
    let headers = [("metadata-flavor", "Google")];
    let fetched = good(SOURCE, fetcher.get(errand(SOURCE, &url, &headers)?).await)?;
    grant::read(&fetched, now_s)
}

/// An external account as Google's tools describe it; other members are for other tools.
#[derive(Deserialize)]
struct External {
    #[serde(rename = "type")]
    kind: String,
    audience: String,
    subject_token_type: String,
    token_url: String,
    credential_source: Source,
    service_account_impersonation_url: Option<String>,
}

impl External {
    fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().filter(|external: &Self| external.kind == "external_account")
    }
}

async fn of_external(
    fetcher: Fetcher,
    host: &Host<GoogleSource>,
    aws: &Host<AwsSource>,
    scope: &str,
    now_s: u64,
) -> Result<Granted<Secret>, Fault> {
    const SOURCE: GoogleSource = GoogleSource::ExternalAccount;
    let no = |why: &str| nothing(Class::Credential, SOURCE, why);
    let text = file(SOURCE, host.needed(SOURCE, "GOOGLE_APPLICATION_CREDENTIALS")?, FILE_MAX).await?;
    let account = External::read(&text).ok_or_else(|| {
        no("the file that `GOOGLE_APPLICATION_CREDENTIALS` names describes no external account")
    })?;
    let token = account.credential_source.token(&fetcher, aws, &account.audience, now_s).await?;
    let form = vec![
        ("grant_type", Secret::new(EXCHANGE.to_owned())),
        ("audience", Secret::new(account.audience.clone())),
        ("scope", Secret::new(scope.to_owned())),
        ("requested_token_type", Secret::new(ACCESS_TOKEN.to_owned())),
        ("subject_token_type", Secret::new(account.subject_token_type.clone())),
        ("subject_token", token),
    ];
    let url = parse(SOURCE, &account.token_url)?;
    let question = Question { reach: reach(SOURCE, &url)?, url, form };
    let granted = grant::ask(fetcher.clone(), question, now_s).await?;
    match &account.service_account_impersonation_url {
        None => Ok(granted),
        Some(url) => impersonated(&fetcher, url, &granted.value, scope, now_s).await,
    }
}

/// What is answered for a service account that the external one may act as.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Impersonated {
    access_token: String,
    expire_time: String,
}

async fn impersonated(
    fetcher: &Fetcher,
    place: &str,
    token: &Secret,
    scope: &str,
    now_s: u64,
) -> Result<Granted<Secret>, Fault> {
    const SOURCE: GoogleSource = GoogleSource::ExternalAccount;
    let url = parse(SOURCE, place)?;
    let shown = Secret::new(format!("Bearer {}", token.expose()));
    let headers = [("authorization", shown.expose())];
    let asked = Bytes::from(json!({ "scope": [scope] }).to_string());
    let posted = fetcher.post(errand(SOURCE, &url, &headers)?, "application/json", asked).await;
    let read = |body: &[u8]| {
        let answer: Impersonated = serde_json::from_slice(body).ok()?;
        let left_s = unix_seconds(&answer.expire_time)?.checked_sub(now_s).filter(|left_s| *left_s > 0)?;
        let lifetime_ms = i64::try_from(left_s).ok()?.checked_mul(1000)?;
        Some(Granted { value: Secret::new(answer.access_token), lifetime_ms })
    };
    read(&good(SOURCE, posted)?.body)
        .ok_or_else(|| nothing(Class::BadAnswer, SOURCE, "its service answered with no token that is good"))
}

#[cfg(test)]
mod tests;
