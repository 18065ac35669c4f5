//! Where tokens of Microsoft Entra are had for the identity that the host itself has at Azure.

use nexus_core::fault::{Class, Fault};
use nexus_keystore::secret::Secret;

use super::{AUTHORITY, token_url};
use crate::{
    access::{
        grant::{self, Question},
        host::{Host, HostSource, TOKEN_MAX, errand, file, good, nothing, parse},
        lease::Granted,
    },
    egress::Reach,
    fetch::Fetcher,
};

/// The metadata service of a virtual machine.
const MACHINE: &str = "http://169.254.169.254";

/// What says that an assertion is a token of another issuer's (RFC 7523).
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Where a token for the host's identity comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AzureSource {
    /// The metadata service of a virtual machine, a scale set or a node of a cluster.
    Imds,
    /// The service beside an app of App Service, of Functions or of Container Apps.
    AppService,
    /// A token in a file, exchanged for one of an application that trusts its issuer: workload identity.
    Workload,
}

impl HostSource for AzureSource {
    const ALL: &'static [Self] = &[Self::Imds, Self::AppService, Self::Workload];
    const SETTING: &'static str = "azure.host_credentials";
    const BRINGS: &'static str = "access token";
    const VARIABLES: &'static [&'static str] = &[
        "AZURE_POD_IDENTITY_AUTHORITY_HOST",
        "IDENTITY_ENDPOINT",
        "IDENTITY_HEADER",
        "AZURE_TENANT_ID",
        "AZURE_CLIENT_ID",
        "AZURE_FEDERATED_TOKEN_FILE",
        "AZURE_AUTHORITY_HOST",
    ];
    const DOMAINS: &'static [&'static str] = &[
        ".openai.azure.com",
        ".cognitiveservices.azure.com",
        ".services.ai.azure.com",
        ".openai.azure.us",
        ".cognitiveservices.azure.us",
        ".openai.azure.cn",
        ".cognitiveservices.azure.cn",
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::Imds => "imds",
            Self::AppService => "app_service",
            Self::Workload => "workload",
        }
    }
}

/// A token that is wanted.
pub(super) struct Wanted {
    pub(super) source: AzureSource,
    pub(super) scope: &'static str,
    /// Which of several identities the host has; `None`: its only one, or the one the system gave it.
    pub(super) client_id: Option<String>,
    pub(super) now_s: u64,
}

/// Asks the source for a token.
pub(super) async fn ask(
    fetcher: Fetcher,
    host: Host<AzureSource>,
    wanted: Wanted,
) -> Result<Granted<Secret>, Fault> {
    match wanted.source {
        AzureSource::Imds => of_machine(&fetcher, &host, &wanted).await,
        AzureSource::AppService => of_app(&fetcher, &host, &wanted).await,
        AzureSource::Workload => of_workload(fetcher, &host, &wanted).await,
    }
}

async fn of_machine(
    fetcher: &Fetcher,
    host: &Host<AzureSource>,
    wanted: &Wanted,
) -> Result<Granted<Secret>, Fault> {
    let base = host.variable("AZURE_POD_IDENTITY_AUTHORITY_HOST").unwrap_or(MACHINE).trim_end_matches('/');
    let place = format!("{base}/metadata/identity/oauth2/token");
    from_service(fetcher, &place, "2018-02-01", ("metadata", "true"), wanted).await
}

async fn of_app(
    fetcher: &Fetcher,
    host: &Host<AzureSource>,
    wanted: &Wanted,
) -> Result<Granted<Secret>, Fault> {
    let place = host.needed(wanted.source, "IDENTITY_ENDPOINT")?;
    let proof = host.needed(wanted.source, "IDENTITY_HEADER")?;
    from_service(fetcher, place, "2019-08-01", ("x-identity-header", proof), wanted).await
}

/// Asks a service of the host's. `header` tells it that the question was not forwarded by a fool.
async fn from_service(
    fetcher: &Fetcher,
    place: &str,
    version: &str,
    header: (&'static str, &str),
    wanted: &Wanted,
) -> Result<Granted<Secret>, Fault> {
    let Wanted { source, scope, client_id, now_s } = wanted;
    let mut url = parse(*source, place)?;
    let resource = scope.strip_suffix("/.default").unwrap_or(scope);
    url.query_pairs_mut().append_pair("api-version", version).append_pair("resource", resource);
    if let Some(client_id) = client_id {
        url.query_pairs_mut().append_pair("client_id", client_id);
    }
    let headers = [header];
    let fetched = good(*source, fetcher.get(errand(*source, &url, &headers)?).await)?;
    grant::read(&fetched, *now_s)
}

async fn of_workload(
    fetcher: Fetcher,
    host: &Host<AzureSource>,
    wanted: &Wanted,
) -> Result<Granted<Secret>, Fault> {
    let Wanted { source, scope, client_id, now_s } = wanted;
    let client_id = match client_id {
        Some(client_id) => client_id,
        None => host.needed(*source, "AZURE_CLIENT_ID")?,
    };
    let tenant = host.needed(*source, "AZURE_TENANT_ID")?;
    let token = file(*source, host.needed(*source, "AZURE_FEDERATED_TOKEN_FILE")?, TOKEN_MAX).await?;
    // what the operator's own variable names may be inside its own network
    let (authority, reach) = match host.variable("AZURE_AUTHORITY_HOST") {
        Some(authority) => (authority, Reach::Private),
        None => (AUTHORITY, Reach::Public),
    };
    let url = token_url(authority, tenant, reach).ok_or_else(|| {
        nothing(
            Class::Credential,
            *source,
            "`AZURE_AUTHORITY_HOST` is no address, or `AZURE_TENANT_ID` no name",
        )
    })?;
    let form = vec![
        ("grant_type", Secret::new("client_credentials".to_owned())),
        ("client_id", Secret::new(client_id.to_owned())),
        ("client_assertion_type", Secret::new(ASSERTION.to_owned())),
        ("client_assertion", Secret::new(token.trim().to_owned())),
        ("scope", Secret::new((*scope).to_owned())),
    ];
    grant::ask(fetcher, Question { url, reach, form }, *now_s).await
}

#[cfg(test)]
mod tests;
