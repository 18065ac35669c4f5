//! The host's identity at Azure, against services that are sockets.

use std::{fs, sync::Arc};

use nexus_core::{
    endpoint::Endpoint,
    site::{Options, Site},
};
use nexus_providers::dialect::AuthScheme;
use tempfile::NamedTempFile;

use super::*;
use crate::{
    access::{
        Access, Hosts, Showing,
        tests::{Authority, Moved},
    },
    tls::Tls,
};

const ENDPOINT: &str = "https://one.openai.azure.com";
const NOW_MS: i64 = 1_764_000_000_000;
const TOKEN: &str = r#"{"access_token":"token-1","expires_in":"86399","expires_on":"1764086399","resource":"r","token_type":"Bearer"}"#;

fn access(sources: &[AzureSource], variables: &[(&str, &str)]) -> (Access, Arc<Moved>) {
    let clock = Arc::<Moved>::default();
    clock.to_ms(NOW_MS);
    let variable =
        |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    let hosts = Hosts { azure: Host::new(sources.to_vec(), variable), ..Hosts::default() };
    let port = Arc::<Moved>::clone(&clock);
    (Access::new(&Tls::new(None).unwrap(), port).with_hosts(hosts), clock)
}

/// The lines that are shown, or the fault.
async fn shown(access: &Access, endpoint: &str, options: &[(&str, &str)]) -> Result<Vec<String>, Fault> {
    let options: Options = options.iter().copied().collect();
    let endpoint = Endpoint::parse(endpoint).unwrap();
    let showing = Showing {
        scheme: AuthScheme::Entra { header: "api-key", scope: "https://a.example/.default" },
        credential: None,
        site: Site { region: None, options: &options, base_path: "" },
        endpoint: &endpoint,
        reach: Reach::Public,
        method: "POST",
        path: "/openai/v1/chat/completions",
        headers: &[],
        body: b"",
    };
    let shown = access.show(&showing).await?;
    Ok(shown.headers().iter().map(|(name, value)| format!("{name}: {}", value.expose())).collect())
}

fn head(asked: &str) -> String {
    asked.to_ascii_lowercase()
}

#[actix_rt::test]
async fn a_machine_s_token_is_asked_for_once_and_for_the_identity_that_is_named() {
    let service = Authority::start(vec![(200, TOKEN), (200, TOKEN), (200, TOKEN)]);
    let url = format!("http://{}", service.addr);
    let (access, clock) = access(&[AzureSource::Imds], &[("AZURE_POD_IDENTITY_AUTHORITY_HOST", &url)]);
    for _ in 0..3 {
        let lines = shown(&access, ENDPOINT, &[("credentials", "imds")]).await.unwrap();
        assert_eq!(lines, ["authorization: Bearer token-1"]);
    }
    assert_eq!(service.asked().len(), 1);
    shown(&access, ENDPOINT, &[("credentials", "imds"), ("client_id", "user-1")]).await.unwrap();
    clock.to_ms(NOW_MS + 86_399_000);
    shown(&access, ENDPOINT, &[("credentials", "imds")]).await.unwrap();
    let asked = service.asked();
    let plain = "get /metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3a%2f%2fa.example";
    for (asked, expected) in
        asked.iter().zip([format!("{plain} http/1.1"), format!("{plain}&client_id=user-1 http/1.1")])
    {
        assert!(
            head(asked).starts_with(&expected) && head(asked).contains("\r\nmetadata: true\r\n"),
            "{asked}"
        );
    }
    assert_eq!(asked.len(), 3, "one that has ended is asked for again");
}

#[actix_rt::test]
async fn an_app_s_token_is_asked_for_with_the_secret_of_its_service() {
    let service = Authority::start(vec![(
        200,
        r#"{"access_token":"token-2","expires_on":"1764003600","client_id":"c"}"#,
    )]);
    let url = format!("http://{}/msi/token", service.addr);
    let (access, _) =
        access(&[AzureSource::AppService], &[("IDENTITY_ENDPOINT", &url), ("IDENTITY_HEADER", "proof-1")]);
    let lines = shown(&access, ENDPOINT, &[("credentials", "app_service")]).await.unwrap();
    assert_eq!(lines, ["authorization: Bearer token-2"]);
    let asked = head(&service.asked().concat());
    let line = "get /msi/token?api-version=2019-08-01&resource=https%3a%2f%2fa.example http/1.1\r\n";
    assert!(asked.starts_with(line) && asked.contains("\r\nx-identity-header: proof-1\r\n"), "{asked}");
}

#[actix_rt::test]
async fn a_pod_s_token_is_exchanged_for_one_of_the_application_that_trusts_it() {
    let service = Authority::start(vec![(200, r#"{"access_token":"token-3","expires_in":3600}"#)]);
    let (url, file) = (format!("http://{}/", service.addr), NamedTempFile::new().unwrap());
    fs::write(file.path(), "the.pod.token\n").unwrap();
    let variables = [
        ("AZURE_AUTHORITY_HOST", url.as_str()),
        ("AZURE_TENANT_ID", "tenant-1"),
        ("AZURE_CLIENT_ID", "client-1"),
        ("AZURE_FEDERATED_TOKEN_FILE", file.path().to_str().unwrap()),
    ];
    let (access, _) = access(&[AzureSource::Workload], &variables);
    let lines = shown(&access, ENDPOINT, &[("credentials", "workload")]).await.unwrap();
    assert_eq!(lines, ["authorization: Bearer token-3"]);
    let asked = service.asked().concat();
    assert!(asked.starts_with("POST /tenant-1/oauth2/v2.0/token HTTP/1.1\r\n"), "{asked}");
    assert!(
        asked.ends_with(
            "\r\n\r\ngrant_type=client_credentials&client_id=client-1&client_assertion_type=urn%3Aietf%3Aparams\
             %3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion=the.pod.token\
             &scope=https%3A%2F%2Fa.example%2F.default"
        ),
        "{asked}"
    );
}

#[actix_rt::test]
async fn the_host_s_identity_is_used_only_where_it_is_named_allowed_and_shown_to_azure() {
    let (allowed, _) = access(&[AzureSource::Imds], &[]);
    let (forbidden, _) = access(&[], &[]);
    for (access, option, endpoint, words) in [
        (&forbidden, "imds", ENDPOINT, "`azure.host_credentials`"),
        (&allowed, "workload", ENDPOINT, "`azure.host_credentials`"),
        (&allowed, "anything", ENDPOINT, "`static`, `imds`, `app_service`, `workload`"),
        (&allowed, "imds", "https://evil.example", "its cloud only"),
        (&allowed, "imds", "https://evilopenai.azure.com", "its cloud only"),
        (&allowed, "imds", "http://one.openai.azure.com", "its cloud only"),
    ] {
        let fault = shown(access, endpoint, &[("credentials", option)]).await.unwrap_err();
        assert!(fault.class == Class::Credential && fault.message.contains(words), "{}", fault.message);
    }
    assert!(
        shown(&allowed, ENDPOINT, &[]).await.unwrap().is_empty(),
        "without a credential nothing is shown"
    );
}

#[actix_rt::test]
async fn what_gives_no_token_is_a_fault_that_repeats_nothing() {
    let refusing =
        Authority::start(vec![(400, r#"{"error":"invalid_request","error_description":"SECRET"}"#)]);
    let url = format!("http://{}", refusing.addr);
    for (source, variables, words) in [
        (
            AzureSource::Imds,
            vec![("AZURE_POD_IDENTITY_AUTHORITY_HOST", url.as_str())],
            "from `imds`: its service answered with status 400",
        ),
        (
            AzureSource::Imds,
            vec![("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://metadata.example")],
            "its address is a name and has no TLS",
        ),
        (AzureSource::AppService, vec![], "the variable `IDENTITY_ENDPOINT` is not set"),
        (AzureSource::Workload, vec![("AZURE_CLIENT_ID", "c")], "the variable `AZURE_TENANT_ID` is not set"),
        (
            AzureSource::Workload,
            vec![
                ("AZURE_CLIENT_ID", "c"),
                ("AZURE_TENANT_ID", "t"),
                ("AZURE_FEDERATED_TOKEN_FILE", "/nonexistent/SECRET"),
            ],
            "its file cannot be read",
        ),
    ] {
        let (access, _) = access(&[source], &variables);
        let fault = shown(&access, ENDPOINT, &[("credentials", source.as_str())]).await.unwrap_err();
        assert!(fault.message.contains(words) && !fault.message.contains("SECRET"), "{}", fault.message);
    }
}
