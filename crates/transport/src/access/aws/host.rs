//! Where access keys of the host's own come from at AWS.

use nexus_core::fault::{Class, Fault};
use nexus_keystore::sigv4::AccessKey;

use super::{key, metadata, profile, sts};
use crate::{
    access::{
        host::{Host, HostSource, nothing},
        lease::Granted,
    },
    fetch::Fetcher,
};

/// How long what stands in a file or a variable is used before it is read again, in milliseconds.
const WRITTEN_MS: i64 = 15 * 60_000;

/// Where an access key of the host's comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AwsSource {
    /// A named profile of the file that AWS's own tools read.
    Profile,
    /// `AWS_ACCESS_KEY_ID` and what belongs to it.
    Environment,
    /// The metadata service of an EC2 instance, version 2.
    Imds,
    /// A token in a file, exchanged for a role's key.
    Irsa,
    /// The metadata service of a container.
    Ecs,
}

impl HostSource for AwsSource {
    const ALL: &'static [Self] = &[Self::Profile, Self::Environment, Self::Imds, Self::Irsa, Self::Ecs];
    const SETTING: &'static str = "aws.host_credentials";
    const BRINGS: &'static str = "access key";
    const VARIABLES: &'static [&'static str] = &[
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_SHARED_CREDENTIALS_FILE",
        "HOME",
        "AWS_ROLE_ARN",
        "AWS_ROLE_SESSION_NAME",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_ENDPOINT_URL_STS",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    ];
    const DOMAINS: &'static [&'static str] = &[".amazonaws.com", ".amazonaws.com.cn", ".api.aws"];

    fn as_str(self) -> &'static str {
        match self {
            Self::Profile => "profile",
            Self::Environment => "environment",
            Self::Imds => "imds",
            Self::Irsa => "irsa",
            Self::Ecs => "ecs",
        }
    }
}

/// Asks the source for a key.
pub(in crate::access) async fn ask(
    fetcher: Fetcher,
    host: Host<AwsSource>,
    source: AwsSource,
    region: String,
    profile: Option<String>,
    now_s: u64,
) -> Result<Granted<AccessKey>, Fault> {
    match source {
        AwsSource::Environment => environment(&host),
        AwsSource::Profile => {
            let key = profile::read(&host, profile.as_deref().unwrap_or(profile::DEFAULT)).await?;
            Ok(Granted { value: key, lifetime_ms: WRITTEN_MS })
        }
        AwsSource::Imds => metadata::of_instance(&fetcher, &host, now_s).await,
        AwsSource::Ecs => metadata::of_container(&fetcher, &host, now_s).await,
        AwsSource::Irsa => sts::assume(&fetcher, &host, &region, now_s).await,
    }
}

fn environment(host: &Host<AwsSource>) -> Result<Granted<AccessKey>, Fault> {
    const SOURCE: AwsSource = AwsSource::Environment;
    let needed = |name| host.needed(SOURCE, name).map(str::to_owned);
    let token = host.variable("AWS_SESSION_TOKEN").map(str::to_owned);
    let key = key::of_parts(needed("AWS_ACCESS_KEY_ID")?, needed("AWS_SECRET_ACCESS_KEY")?, token);
    let key = key.ok_or_else(|| nothing(Class::Credential, SOURCE, "the variables hold no access key"))?;
    Ok(Granted { value: key, lifetime_ms: WRITTEN_MS })
}
