//! Against an authorisation server that is a socket, with a clock that is moved.

use std::sync::Arc;

use nexus_core::{endpoint::Endpoint, fault::Class, site::Site};
use nexus_providers::dialect::AuthScheme;

use super::{
    super::tests::{Authority, Moved, credential},
    *,
};
use crate::tls::Tls;

const ENTRA: AuthScheme = AuthScheme::Entra { header: "api-key", scope: "https://a.example/.default" };

fn application(authority: &Authority) -> String {
    format!(
        r#"{{"tenant_id":"tenant-1","client_id":"client-1","client_secret":"s3cr&t=","authority":"http://{}"}}"#,
        authority.addr
    )
}

struct Case {
    access: Access,
    clock: Arc<Moved>,
    endpoint: Endpoint,
    reach: Reach,
}

impl Case {
    fn new(reach: Reach) -> Self {
        let clock = Arc::<Moved>::default();
        let access = Access::new(&Tls::new(None).unwrap(), Arc::<Moved>::clone(&clock));
        Self { access, clock, endpoint: Endpoint::parse("https://one.openai.azure.com").unwrap(), reach }
    }

    /// The lines that are shown for this credential.
    async fn shown(&self, secret: &str) -> Result<Vec<String>, Fault> {
        let credential = credential(1, secret);
        let showing = Showing {
            scheme: ENTRA,
            credential: Some(&credential),
            site: Site::PLAIN,
            endpoint: &self.endpoint,
            reach: self.reach,
            method: "POST",
            path: "/openai/v1/chat/completions",
            headers: &[],
            body: b"",
        };
        let shown = self.access.show(&showing).await?;
        Ok(shown.headers().iter().map(|(name, value)| format!("{name}: {}", value.expose())).collect())
    }
}

#[actix_rt::test]
async fn an_application_s_token_is_asked_for_once_and_again_when_it_is_about_to_end() {
    let authority = Authority::start(vec![
        (200, r#"{"token_type":"Bearer","expires_in":3600,"access_token":"token-1"}"#),
        (200, r#"{"token_type":"Bearer","expires_in":3600,"access_token":"token-2"}"#),
    ]);
    let case = Case::new(Reach::Private);
    let application = application(&authority);
    for _ in 0..3 {
        assert_eq!(case.shown(&application).await.unwrap(), ["authorization: Bearer token-1"]);
    }
    let asked = authority.asked();
    assert_eq!(asked.len(), 1);
    assert!(asked[0].starts_with("POST /tenant-1/oauth2/v2.0/token HTTP/1.1\r\n"), "{}", asked[0]);
    assert!(
        asked[0].ends_with(
            "\r\n\r\ngrant_type=client_credentials&client_id=client-1&client_secret=s3cr%26t%3D&scope=https%3A%2F%2Fa.example%2F.default"
        ),
        "{}",
        asked[0]
    );
    case.clock.to_ms(3_600_000 - 1);
    assert_eq!(case.shown(&application).await.unwrap(), ["authorization: Bearer token-2"]);
    assert_eq!(authority.asked().len(), 2);
}

#[actix_rt::test]
async fn a_refusal_is_the_credential_s_fault_and_repeats_no_secret() {
    let authority = Authority::start(vec![(
        401,
        r#"{"error":"invalid_client","error_description":"AADSTS7000215: invalid client secret s3cr&t="}"#,
    )]);
    let fault = Case::new(Reach::Private).shown(&application(&authority)).await.unwrap_err();
    assert_eq!((fault.class, fault.status), (Class::Credential, Some(401)));
    assert!(fault.message.ends_with("status 401 with `invalid_client`"), "{}", fault.message);
}

#[actix_rt::test]
async fn a_key_is_shown_as_it_is_and_what_is_neither_is_refused_without_being_repeated() {
    let case = Case::new(Reach::Public);
    assert_eq!(case.shown("0123abc").await.unwrap(), ["api-key: 0123abc"]);
    let with = |members: &str| format!(r#"{{"client_id":"c","client_secret":"s3cret"{members}}}"#);
    for secret in [
        "{s3cret",
        r#"{"client_secret":"s3cret"}"#,
        &with(r#","tenant_id":"t","other":1"#),
        &with(r#","tenant_id":"""#),
        &with(r#","tenant_id":"../s3cret""#),
        &with(r#","tenant_id":"t","authority":"http://login.s3cret.example""#),
        &with(r#","tenant_id":"t","authority":"s3cret""#),
    ] {
        let fault = case.shown(secret).await.unwrap_err();
        assert_eq!(fault.class, Class::Credential, "{secret}");
        assert!(!fault.message.contains("s3cret"), "{}", fault.message);
    }
}

#[test]
fn tokens_are_asked_for_where_the_tenant_s_cloud_gives_them_out() {
    for (authority, expected) in [
        ("", "https://login.microsoftonline.com/t/oauth2/v2.0/token"),
        (
            r#","authority":"https://login.microsoftonline.us/""#,
            "https://login.microsoftonline.us/t/oauth2/v2.0/token",
        ),
        (
            r#","authority":"https://login.partner.microsoftonline.cn""#,
            "https://login.partner.microsoftonline.cn/t/oauth2/v2.0/token",
        ),
    ] {
        let secret = format!(r#"{{"tenant_id":"t","client_id":"c","client_secret":"s"{authority}}}"#);
        let application = Application::read(&secret).ok().unwrap();
        assert_eq!(application.url(Reach::Public).unwrap().as_str(), expected);
    }
}
