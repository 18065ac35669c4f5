//! Against an authorisation server that is a socket, with a clock that is moved.

use std::sync::Arc;

use nexus_core::{
    endpoint::Endpoint,
    fault::Class,
    site::{Options, Site},
};
use nexus_providers::dialect::AuthScheme;
use serde_json::json;

use super::{
    super::tests::{Authority, Moved, credential},
    *,
};
use crate::tls::Tls;

const GOOGLE: AuthScheme = AuthScheme::Google { scope: "scope-1" };

/// Made for tests and used nowhere.
const KEY: &str = include_str!("../../../../keystore/src/service_account/throw_away.pem");

fn account(token_uri: &str) -> String {
    json!({
        "type": "service_account", "private_key": KEY, "private_key_id": "kid-1",
        "client_email": "gateway@p.iam.gserviceaccount.com", "token_uri": token_uri,
    })
    .to_string()
}

struct Case {
    access: Access,
    clock: Arc<Moved>,
    endpoint: Endpoint,
    options: Options,
    reach: Reach,
}

impl Case {
    fn new(token_endpoint: Option<&str>, reach: Reach) -> Self {
        let clock = Arc::<Moved>::default();
        Self {
            access: Access::new(&Tls::new(None).unwrap(), Arc::<Moved>::clone(&clock)),
            clock,
            endpoint: Endpoint::parse("https://aiplatform.googleapis.com/v1").unwrap(),
            options: token_endpoint.map(|endpoint| (TOKEN_ENDPOINT, endpoint)).into_iter().collect(),
            reach,
        }
    }

    async fn show<'a>(&'a self, credential: &'a Credential) -> Result<Shown<'a>, Fault> {
        let showing = Showing {
            scheme: GOOGLE,
            credential: Some(credential),
            site: Site { region: None, options: &self.options, base_path: "" },
            endpoint: &self.endpoint,
            reach: self.reach,
            method: "POST",
            path: "/projects/p",
            headers: &[],
            body: b"",
        };
        self.access.show(&showing).await
    }

    /// The lines that are shown for this credential.
    async fn lines(&self, secret: &str) -> Result<Vec<String>, Fault> {
        let credential = credential(1, secret);
        let shown = self.show(&credential).await?;
        Ok(shown.headers().iter().map(|(name, value)| format!("{name}: {}", value.expose())).collect())
    }
}

const GOOGLES: &str = "https://oauth2.googleapis.com/token";

#[actix_rt::test]
async fn a_token_is_asked_for_once_and_again_when_it_is_about_to_end() {
    let authority = Authority::start(vec![
        (200, r#"{"access_token":"ya29.one","expires_in":3599,"token_type":"Bearer"}"#),
        (200, r#"{"access_token":"ya29.two","expires_in":3599,"token_type":"Bearer"}"#),
    ]);
    let case = Case::new(Some(&format!("http://{}/token", authority.addr)), Reach::Private);
    for _ in 0..3 {
        assert_eq!(case.lines(&account(GOOGLES)).await.unwrap(), ["authorization: Bearer ya29.one"]);
    }
    case.clock.to_ms(3_590_000);
    assert_eq!(case.lines(&account(GOOGLES)).await.unwrap(), ["authorization: Bearer ya29.two"]);
    let asked = authority.asked();
    assert_eq!(asked.len(), 2);
    let (head, body) = asked[0].split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /token HTTP/1.1"), "{head}");
    let grant = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=";
    assert!(body.starts_with(grant) && body[grant.len()..].split('.').count() == 3, "{body}");
    assert_ne!(asked[0], asked[1], "each assertion is of its own time");
}

#[actix_rt::test]
async fn a_token_the_provider_takes_no_more_is_given_up_once() {
    let authority = Authority::start(vec![
        (200, r#"{"access_token":"ya29.one","expires_in":3599}"#),
        (200, r#"{"access_token":"ya29.two","expires_in":3599}"#),
    ]);
    let case = Case::new(Some(&format!("http://{}/token", authority.addr)), Reach::Private);
    let credential = credential(1, &account(GOOGLES));
    let first = case.show(&credential).await.unwrap();
    assert!(!first.is_outlived(200) && first.is_outlived(401));
    let second = case.show(&credential).await.unwrap();
    assert_eq!(second.headers()[0].1.expose(), "Bearer ya29.two");
    assert!(!second.is_outlived(401), "it is the account that is refused");
    assert_eq!(authority.asked().len(), 2);
}

#[actix_rt::test]
async fn a_refusal_is_the_credential_s_fault_and_repeats_nothing_of_it() {
    let authority = Authority::start(vec![(
        400,
        r#"{"error":"invalid_grant","error_description":"Invalid JWT Signature."}"#,
    )]);
    let case = Case::new(Some(&format!("http://{}/token", authority.addr)), Reach::Private);
    let fault = case.lines(&account(GOOGLES)).await.unwrap_err();
    assert_eq!(fault.class, Class::Credential);
    assert!(fault.message.ends_with("status 400 with `invalid_grant`"), "{}", fault.message);
}

#[actix_rt::test]
async fn tokens_are_had_at_google_or_where_the_operator_says_and_nowhere_else() {
    for token_uri in [
        "http://oauth2.googleapis.com/token",
        "https://oauth2.googleapis.com.evil.example/token",
        "https://oauth2.googleapis.com:8443/token",
        "https://user@oauth2.googleapis.com/token",
        "http://169.254.169.254/computeMetadata/v1/",
        "https://127.0.0.1/token",
        "",
    ] {
        for reach in [Reach::Public, Reach::Private] {
            let fault = Case::new(None, reach).lines(&account(token_uri)).await.unwrap_err();
            assert_eq!(fault.class, Class::Credential, "{token_uri}");
            assert!(fault.message.contains("`token_uri` is not Google's"), "{}", fault.message);
        }
    }
    assert_eq!(googles_endpoint(GOOGLES).unwrap().as_str(), GOOGLES);
    for (endpoint, reach, words) in [
        ("http://127.0.0.1:9/token", Reach::Public, "is no `https` address"),
        ("https://127.0.0.1:9/token", Reach::Public, "127.0.0.1"),
        ("token", Reach::Private, "is no `https` address"),
    ] {
        let fault = Case::new(Some(endpoint), reach).lines(&account(GOOGLES)).await.unwrap_err();
        assert!(fault.message.contains(words), "{endpoint}: {}", fault.message);
    }
}

#[actix_rt::test]
async fn what_is_no_service_account_is_a_fault_or_a_token_itself() {
    let case = Case::new(None, Reach::Public);
    assert_eq!(
        case.lines("ya29.made-elsewhere").await.unwrap(),
        ["authorization: Bearer ya29.made-elsewhere"]
    );
    let broken = account(GOOGLES).replace("BEGIN PRIVATE KEY", "BEGIN NOTHING");
    for (secret, words) in [("AIza-a-key", "is no service account"), (&broken, "private key cannot be used")]
    {
        let case = Case::new(None, Reach::Public);
        let fault = case.lines(secret).await.unwrap_err();
        assert_eq!(fault.class, Class::Credential);
        assert!(fault.message.contains(words) && !fault.message.contains("AIza"), "{}", fault.message);
    }
}
