//! The host's identity at Google, against services that are sockets.

use std::{fs, sync::Arc};

use nexus_core::{
    endpoint::Endpoint,
    site::{Options, Site},
};
use nexus_providers::dialect::AuthScheme;
use serde_json::Value;
use tempfile::NamedTempFile;

use super::*;
use crate::{
    access::{
        Access, Hosts, Showing,
        tests::{Authority, Moved},
    },
    egress::Reach,
    tls::Tls,
};

const ENDPOINT: &str = "https://europe-west4-aiplatform.googleapis.com/v1";
/// 2026-01-01T00:00:00Z
const NOW_MS: i64 = 1_767_225_600_000;

fn access(sources: &[GoogleSource], variables: &[(&str, &str)]) -> (Access, Arc<Moved>) {
    let clock = Arc::<Moved>::default();
    clock.to_ms(NOW_MS);
    let variable =
        |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    let hosts = Hosts { google: Host::new(sources.to_vec(), variable), ..Hosts::default() };
    let port = Arc::<Moved>::clone(&clock);
    (Access::new(&Tls::new(None).unwrap(), port).with_hosts(hosts), clock)
}

/// The lines that are shown, or the fault.
async fn shown(access: &Access, endpoint: &str, source: &str) -> Result<Vec<String>, Fault> {
    let options: Options = [("credentials", source)].into_iter().collect();
    let endpoint = Endpoint::parse(endpoint).unwrap();
    let showing = Showing {
        scheme: AuthScheme::Google { scope: "https://scope.example/1" },
        credential: None,
        site: Site { region: None, options: &options, base_path: "" },
        endpoint: &endpoint,
        reach: Reach::Public,
        method: "POST",
        path: "/projects/p",
        headers: &[],
        body: b"",
    };
    let shown = access.show(&showing).await?;
    Ok(shown.headers().iter().map(|(name, value)| format!("{name}: {}", value.expose())).collect())
}

fn written(text: &str) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    fs::write(file.path(), text).unwrap();
    file
}

fn path(file: &NamedTempFile) -> &str {
    file.path().to_str().unwrap()
}

#[actix_rt::test]
async fn a_machine_s_token_is_asked_for_once_and_again_when_it_is_over() {
    let service = Authority::start(vec![
        (200, r#"{"access_token":"ya29.one","expires_in":3599,"token_type":"Bearer"}"#),
        (200, r#"{"access_token":"ya29.two","expires_in":3599,"token_type":"Bearer"}"#),
    ]);
    let place = service.addr.to_string();
    let (access, clock) = access(&[GoogleSource::Metadata], &[("GCE_METADATA_HOST", &place)]);
    for _ in 0..3 {
        assert_eq!(shown(&access, ENDPOINT, "metadata").await.unwrap(), ["authorization: Bearer ya29.one"]);
    }
    clock.to_ms(NOW_MS + 3_599_000);
    assert_eq!(shown(&access, ENDPOINT, "metadata").await.unwrap(), ["authorization: Bearer ya29.two"]);
    let asked = service.asked();
    assert_eq!(asked.len(), 2);
    let line = "get /computemetadata/v1/instance/service-accounts/default/token?scopes=https%3a%2f%2fscope.example%2f1 http/1.1\r\n";
    let first = asked[0].to_ascii_lowercase();
    assert!(first.starts_with(line) && first.contains("\r\nmetadata-flavor: google\r\n"), "{first}");
}

#[actix_rt::test]
async fn a_token_of_another_issuer_is_exchanged_and_then_a_service_account_s_is_had() {
    let service = Authority::start(vec![
        (200, r#"{"access_token":"federated-1","expires_in":3600,"token_type":"Bearer"}"#),
        (200, r#"{"accessToken":"ya29.of-the-account","expireTime":"2026-01-01T01:00:00Z"}"#),
        (200, r#"{"access_token":"federated-2","expires_in":3600,"token_type":"Bearer"}"#),
    ]);
    let base = format!("http://{}", service.addr);
    let (plain, wrapped) = (written("the.pod.token\n"), written(r#"{"id_token":"the.pod.token"}"#));
    let account = |source: Value, impersonation: Option<String>| {
        let mut account = json!({
            "type": "external_account", "audience": "//iam.googleapis.com/x", "universe_domain": "googleapis.com",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "token_url": format!("{base}/v1/token"),
            "credential_source": source,
        });
        if let Some(url) = impersonation {
            account["service_account_impersonation_url"] = json!(url);
        }
        written(&account.to_string())
    };
    let first = account(json!({"file": path(&plain)}), Some(format!("{base}/v1/a:generateAccessToken")));
    let format = json!({"type": "json", "subject_token_field_name": "id_token"});
    let second = account(json!({"file": path(&wrapped), "format": format}), None);
    for (file, expected) in [(&first, "ya29.of-the-account"), (&second, "federated-2")] {
        let variables = [("GOOGLE_APPLICATION_CREDENTIALS", path(file))];
        let (access, _) = access(&[GoogleSource::ExternalAccount], &variables);
        let lines = shown(&access, ENDPOINT, "external_account").await.unwrap();
        assert_eq!(lines, [format!("authorization: Bearer {expected}")]);
    }
    let asked = service.asked();
    let exchange = "\r\n\r\ngrant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&audience=%2F%2Fiam.googleapis.com%2Fx\
        &scope=https%3A%2F%2Fscope.example%2F1&requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token\
        &subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Ajwt&subject_token=the.pod.token";
    for asked in [&asked[0], &asked[2]] {
        assert!(asked.starts_with("POST /v1/token HTTP/1.1\r\n") && asked.ends_with(exchange), "{asked}");
    }
    assert!(asked[1].starts_with("POST /v1/a:generateAccessToken HTTP/1.1\r\n"), "{}", asked[1]);
    assert!(
        asked[1].to_ascii_lowercase().contains("\r\nauthorization: bearer federated-1\r\n"),
        "{}",
        asked[1]
    );
    assert!(asked[1].ends_with(r#"{"scope":["https://scope.example/1"]}"#), "{}", asked[1]);
}

#[actix_rt::test]
async fn a_token_is_had_at_an_address_with_the_headers_that_it_wants() {
    let service = Authority::start(vec![
        (200, r#"{"id_token":"the.vm.token"}"#),
        (200, r#"{"access_token":"federated","expires_in":3600,"token_type":"Bearer"}"#),
    ]);
    let base = format!("http://{}", service.addr);
    let account = json!({
        "type": "external_account", "audience": "a", "subject_token_type": "t", "token_url": format!("{base}/token"),
        "credential_source": {
            "url": format!("{base}/identity?resource=x"), "headers": {"Metadata": "True"},
            "format": {"type": "json", "subject_token_field_name": "id_token"},
        },
    });
    let file = written(&account.to_string());
    let variables = [("GOOGLE_APPLICATION_CREDENTIALS", path(&file))];
    let (access, _) = access(&[GoogleSource::ExternalAccount], &variables);
    let lines = shown(&access, ENDPOINT, "external_account").await.unwrap();
    assert_eq!(lines, ["authorization: Bearer federated"]);
    let asked = service.asked();
    assert!(asked[0].starts_with("GET /identity?resource=x HTTP/1.1\r\n"), "{}", asked[0]);
    assert!(asked[0].to_ascii_lowercase().contains("\r\nmetadata: true\r\n"), "{}", asked[0]);
    assert!(asked[1].ends_with("&subject_token=the.vm.token"), "{}", asked[1]);
}

#[actix_rt::test]
async fn a_question_to_aws_is_signed_for_the_audience_and_handed_over() {
    let service = Authority::start(vec![(
        200,
        r#"{"access_token":"federated","expires_in":3600,"token_type":"Bearer"}"#,
    )]);
    let account =
        |verification: &str| {
            written(&json!({
            "type": "external_account", "audience": "//iam.googleapis.com/x", "subject_token_type": "t",
            "token_url": format!("http://{}/token", service.addr),
            "credential_source": {
                "environment_id": "aws1", "url": "http://169.254.169.254/latest",
                "regional_cred_verification_url": verification,
            },
        })
        .to_string())
        };
    let good = account("https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15");
    let foreign = account("https://sts.evil.example?Action=GetCallerIdentity");
    let with = |file: &NamedTempFile| {
        let variables = [
            ("GOOGLE_APPLICATION_CREDENTIALS", path(file).to_owned()),
            ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "secret-of-aws".to_owned()),
            ("AWS_SESSION_TOKEN", "session-of-aws".to_owned()),
            ("AWS_REGION", "eu-west-1".to_owned()),
        ];
        let variable =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
        let clock = Arc::<Moved>::default();
        clock.to_ms(NOW_MS);
        let hosts = Hosts {
            google: Host::new(vec![GoogleSource::ExternalAccount], variable),
            aws: Host::new(vec![AwsSource::Environment], variable),
            ..Hosts::default()
        };
        Access::new(&Tls::new(None).unwrap(), clock).with_hosts(hosts)
    };
    let fault = shown(&with(&foreign), ENDPOINT, "external_account").await.unwrap_err();
    assert!(fault.message.contains("is not AWS's"), "{}", fault.message);
    let lines = shown(&with(&good), ENDPOINT, "external_account").await.unwrap();
    assert_eq!(lines, ["authorization: Bearer federated"]);
    let asked = service.asked();
    let body = asked[0].rsplit("\r\n\r\n").next().unwrap().as_bytes();
    let (_, token) = url::form_urlencoded::parse(body).find(|(name, _)| name == "subject_token").unwrap();
    assert!(!token.contains('+') && !token.contains("secret-of-aws"), "{token}");
    let token = percent_decoded(&token);
    let question: Value = serde_json::from_str(&token).unwrap();
    assert_eq!(
        (&question["url"], &question["method"]),
        (
            &json!("https://sts.eu-west-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15"),
            &json!("POST")
        )
    );
    let header = |name: &str| {
        let headers = question["headers"].as_array().unwrap();
        headers.iter().find(|one| one["key"] == name).unwrap()["value"].as_str().unwrap().to_owned()
    };
    assert_eq!(header("x-goog-cloud-target-resource"), "//iam.googleapis.com/x");
    assert_eq!(
        (header("host"), header("x-amz-security-token")),
        ("sts.eu-west-1.amazonaws.com".to_owned(), "session-of-aws".to_owned())
    );
    let signed = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/eu-west-1/sts/aws4_request, \
        SignedHeaders=host;x-amz-date;x-amz-security-token;x-goog-cloud-target-resource, Signature=";
    assert!(header("Authorization").starts_with(signed), "{}", header("Authorization"));
}

fn percent_decoded(text: &str) -> String {
    // a plus is no space here
    let (name, _) = url::form_urlencoded::parse(text.as_bytes()).next().unwrap();
    name.into_owned()
}

#[actix_rt::test]
async fn the_host_s_identity_is_used_only_where_it_is_named_allowed_and_shown_to_google() {
    let (allowed, _) = access(&[GoogleSource::Metadata], &[]);
    let (forbidden, _) = access(&[], &[]);
    for (access, option, endpoint, words) in [
        (&forbidden, "metadata", ENDPOINT, "`google.host_credentials`"),
        (&allowed, "external_account", ENDPOINT, "`google.host_credentials`"),
        (&allowed, "anything", ENDPOINT, "`static`, `metadata`, `external_account`"),
        (&allowed, "metadata", "https://evil.example/v1", "its cloud only"),
        (&allowed, "metadata", "https://evilgoogleapis.com/v1", "its cloud only"),
        (&allowed, "metadata", "http://aiplatform.googleapis.com/v1", "its cloud only"),
    ] {
        let fault = shown(access, endpoint, option).await.unwrap_err();
        assert!(fault.class == Class::Credential && fault.message.contains(words), "{}", fault.message);
    }
}

#[actix_rt::test]
async fn what_gives_no_token_is_a_fault_that_repeats_nothing() {
    let account = |text: &str| {
        written(&format!(
            r#"{{"type":"external_account","audience":"a","subject_token_type":"t","token_url":"https://127.0.0.1:1/","credential_source":{text}}}"#
        ))
    };
    let empty = written("\n");
    for (file, words) in [
        (written("SECRET"), "describes no external account"),
        (written(r#"{"type":"service_account"}"#), "describes no external account"),
        (account(r#"{"executable":{"command":"SECRET"}}"#), "no `file`, no `url` and not AWS's"),
        (account(r#"{"url":"http://tokens.example/SECRET"}"#), "is a name and has no TLS"),
        (account(r#"{"url":"http://127.0.0.1:1/","headers":{"a":"SECRET\n"}}"#), "one line"),
        (
            account(r#"{"environment_id":"aws1","url":"http://169.254.169.254/SECRET"}"#),
            "`aws.host_credentials`",
        ),
        (account(r#"{"file":"/nonexistent/SECRET"}"#), "its file cannot be read"),
        (account(&json!({"file": path(&empty)}).to_string()), "there is no token in the file"),
    ] {
        let (access, _) =
            access(&[GoogleSource::ExternalAccount], &[("GOOGLE_APPLICATION_CREDENTIALS", path(&file))]);
        let fault = shown(&access, ENDPOINT, "external_account").await.unwrap_err();
        assert!(fault.message.contains(words) && !fault.message.contains("SECRET"), "{}", fault.message);
    }
    let (access, _) = access(&[GoogleSource::Metadata], &[("GCE_METADATA_HOST", "metadata.example")]);
    let fault = shown(&access, ENDPOINT, "metadata").await.unwrap_err();
    assert!(fault.message.contains("is a name and has no TLS"), "{}", fault.message);
}
