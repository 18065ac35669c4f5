//! Where AWS credentials come from and when they are fetched again, against a metadata service of our own.

use std::{cell::RefCell, fs};

use nexus_core::{
    endpoint::Endpoint,
    fault::Class,
    site::{Options, Site},
};
use nexus_providers::dialect::AuthScheme;
use tempfile::NamedTempFile;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::*;
use crate::{
    access::{
        host::{Host, Hosts},
        tests::{Moved, credential},
    },
    egress::Reach,
    tls::Tls,
};

const ENDPOINT: &str = "https://bedrock-runtime.eu-west-1.amazonaws.com";
/// 2026-01-01T00:00:00Z
const NOW_MS: i64 = 1_767_225_600_000;
const SCHEME: AuthScheme = AuthScheme::Aws { service: "bedrock" };

/// A service on the loopback that answers each path as it was told, and remembers what it was asked.
struct Service {
    url: String,
    asked: Rc<RefCell<Vec<String>>>,
}

impl Service {
    /// `answer` turns the first line of a request into a body; without one the status is 404.
    async fn start(answer: impl Fn(&str) -> Option<String> + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked: Rc<RefCell<Vec<String>>> = Rc::default();
        let heard = Rc::clone(&asked);
        actix_rt::spawn(async move {
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                let mut request = String::new();
                while !is_whole(&request) {
                    let mut piece = [0; 4096];
                    let len = socket.read(&mut piece).await.unwrap();
                    assert!(len > 0, "{request}");
                    request.push_str(std::str::from_utf8(&piece[..len]).unwrap());
                }
                let body = answer(request.lines().next().unwrap());
                heard.borrow_mut().push(request);
                let (status, body) = body.map_or(("404 No", String::new()), |body| ("200 OK", body));
                let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n", body.len());
                socket.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
            }
        });
        Self { url, asked }
    }

    fn lines(&self) -> Vec<String> {
        self.asked.borrow().iter().map(|request| request.lines().next().unwrap().to_owned()).collect()
    }
}

fn is_whole(request: &str) -> bool {
    let Some((head, body)) = request.split_once("\r\n\r\n") else { return false };
    let length = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    body.len() >= length.unwrap_or(0)
}

/// What a service says of a key that ends so many seconds after the tests begin.
fn key_until(id: &str, after_s: u64) -> String {
    let expiration = format!("2026-01-01T{:02}:{:02}:00Z", after_s / 3_600, after_s / 60 % 60);
    format!(
        r#"{{"Code":"Success","Type":"AWS-HMAC","AccessKeyId":"{id}","SecretAccessKey":"secret","Token":"token","Expiration":"{expiration}"}}"#
    )
}

fn access(sources: &[AwsSource], variables: &[(&str, &str)]) -> (Access, std::sync::Arc<Moved>) {
    let clock = std::sync::Arc::<Moved>::default();
    clock.to_ms(NOW_MS);
    let variable =
        |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    let aws = Host::new(sources.to_vec(), variable);
    let clock_port = std::sync::Arc::<Moved>::clone(&clock);
    (Access::new(&Tls::new(None).unwrap(), clock_port).with_hosts(Hosts { aws, ..Hosts::default() }), clock)
}

struct Asked<'a> {
    options: &'a [(&'a str, &'a str)],
    secret: Option<&'a str>,
    endpoint: &'a str,
}

const PLAIN: Asked<'_> = Asked { options: &[], secret: None, endpoint: ENDPOINT };

/// The lines that are shown, or the class and words of the fault.
async fn shown(access: &Access, asked: &Asked<'_>) -> Result<Vec<(&'static str, String)>, (Class, String)> {
    let options: Options = asked.options.iter().copied().collect();
    let credential = asked.secret.map(|secret| credential(1, secret));
    let endpoint = Endpoint::parse(asked.endpoint).unwrap();
    let headers = [("x-amz-tag", "1".to_owned()), ("other", "2".to_owned())];
    let showing = Showing {
        scheme: SCHEME,
        credential: credential.as_ref(),
        site: Site { region: None, options: &options, base_path: "" },
        endpoint: &endpoint,
        reach: Reach::Public,
        method: "POST",
        path: "/model/a%3A0/converse",
        headers: &headers,
        body: b"{}",
    };
    let shown = access.show(&showing).await.map_err(|fault| (fault.class, fault.message))?;
    Ok(shown.headers().into_iter().map(|(name, value)| (name, value.expose().to_owned())).collect())
}

/// The id of the key that signed.
fn id<'a>(shown: &'a [(&'static str, String)]) -> &'a str {
    let (_, authorization) = shown.iter().find(|(name, _)| *name == "authorization").unwrap();
    authorization.split(['=', '/']).nth(1).unwrap()
}

async fn id_of(access: &Access, options: &[(&str, &str)]) -> String {
    id(&shown(access, &Asked { options, ..PLAIN }).await.unwrap()).to_owned()
}

#[actix_rt::test]
async fn a_credential_is_an_access_key_or_an_api_key() {
    let (access, _) = access(&[], &[]);
    let secret = r#"{"access_key_id":"AKIAX","secret_access_key":"s/+","session_token":"t=="}"#;
    let lines = shown(&access, &Asked { secret: Some(secret), ..PLAIN }).await.unwrap();
    let key = AccessKey {
        id: "AKIAX".to_owned(),
        secret: Secret::new("s/+".to_owned()),
        session_token: Some(Secret::new("t==".to_owned())),
    };
    let request = Request {
        method: "POST",
        path: "/model/a%3A0/converse",
        segments: Segments::Normalised,
        query: "",
        headers: &[("host", "bedrock-runtime.eu-west-1.amazonaws.com"), ("x-amz-tag", "1")],
        body: b"{}",
    };
    let scope = Scope { region: "eu-west-1", service: "bedrock", at_s: NOW_MS as u64 / 1000 };
    let proof = sigv4::sign(&key, scope, request);
    let expected = [
        ("x-amz-date", "20260101T000000Z".to_owned()),
        ("authorization", proof.authorization),
        ("x-amz-security-token", "t==".to_owned()),
    ];
    assert_eq!(lines, expected);
    let lines = shown(&access, &Asked { secret: Some("bedrock-api-key"), ..PLAIN }).await;
    assert_eq!(lines, Ok(vec![("authorization", "Bearer bedrock-api-key".to_owned())]));
    assert_eq!(shown(&access, &PLAIN).await, Ok(Vec::new()), "without a credential nothing is shown");
}

#[actix_rt::test]
async fn what_cannot_sign_is_a_fault_that_repeats_nothing() {
    let (access, _) = access(&[], &[]);
    for secret in [
        r#"{"access_key_id":"SECRET"}"#,
        r#"{"access_key_id":"SECRET","secret_access_key":""}"#,
        r#"{"access_key_id":"SECRET","secret_access_key":"a\nb"}"#,
        r#"{"access_key_id":"SECRET/x","secret_access_key":"SECRET"}"#,
        r#"{"access_key_id":"SECRET","secret_access_key":"SECRET","role":"x"}"#,
        r#"{"SECRET"#,
    ] {
        let (class, message) = shown(&access, &Asked { secret: Some(secret), ..PLAIN }).await.unwrap_err();
        assert!(class == Class::Credential && !message.contains("SECRET"), "{message}");
    }
    let secret = Some(r#"{"access_key_id":"A","secret_access_key":"s"}"#);
    for (endpoint, region, expected) in [
        ("https://proxy.example", None, Err(Class::Credential)),
        ("https://proxy.example", Some("us-east-1"), Ok("us-east-1")),
        ("https://proxy.example", Some("US/EAST"), Err(Class::Credential)),
        ("https://bedrock-runtime-1.example", None, Err(Class::Credential)),
        (ENDPOINT, None, Ok("eu-west-1")),
        (ENDPOINT, Some("us-gov-east-1"), Ok("us-gov-east-1")),
        ("https://vpce-0a1b2c-9.bedrock-runtime.ap-south-2.vpce.amazonaws.com", None, Ok("ap-south-2")),
    ] {
        let options: Vec<_> = region.map(|region| ("region", region)).into_iter().collect();
        let seen = shown(&access, &Asked { secret, endpoint, options: &options }).await;
        match (seen, expected) {
            (Ok(lines), Ok(region)) => assert!(lines[1].1.contains(&format!("/{region}/bedrock/"))),
            (Err((class, _)), Err(expected)) => assert_eq!(class, expected),
            (seen, expected) => panic!("{endpoint} {region:?}: {seen:?}, {expected:?}"),
        }
    }
}

#[actix_rt::test]
async fn the_host_s_identity_is_used_only_where_the_option_names_it_and_the_operator_allows_it() {
    let variables = [("AWS_ACCESS_KEY_ID", "AKIAHOST"), ("AWS_SECRET_ACCESS_KEY", "secret")];
    let (allowed, _) = access(&[AwsSource::Environment], &variables);
    let (forbidden, _) = access(&[], &variables);
    assert_eq!(id_of(&allowed, &[("credentials", "environment")]).await, "AKIAHOST");
    for (access, options, endpoint) in [
        (&forbidden, &[("credentials", "environment")][..], ENDPOINT),
        (&allowed, &[("credentials", "imds")], ENDPOINT),
        (&allowed, &[("credentials", "anything")], ENDPOINT),
        (&allowed, &[("credentials", "environment"), ("region", "x-y-1")], "https://evil.example"),
        (&allowed, &[("credentials", "environment"), ("region", "x-y-1")], "https://evilamazonaws.com"),
        (&allowed, &[("credentials", "environment")], "http://bedrock-runtime.eu-west-1.amazonaws.com"),
    ] {
        let seen = shown(access, &Asked { options, endpoint, secret: None }).await;
        let (class, message) = seen.unwrap_err();
        assert!(class == Class::Credential && !message.contains("AKIAHOST"), "{message}");
    }
    let own = Some(r#"{"access_key_id":"AKIAOWN","secret_access_key":"s"}"#);
    for options in [&[][..], &[("credentials", "static")]] {
        let lines = shown(&allowed, &Asked { secret: own, options, ..PLAIN }).await.unwrap();
        assert_eq!(id(&lines), "AKIAOWN");
        assert_eq!(shown(&allowed, &Asked { options, ..PLAIN }).await, Ok(Vec::new()));
    }
}

#[actix_rt::test]
async fn an_instance_s_key_is_asked_for_in_a_session_and_again_before_it_ends() {
    let generation = Rc::new(RefCell::new(0_u64));
    let counted = Rc::clone(&generation);
    let service = Service::start(move |line| match line {
        "PUT /latest/api/token HTTP/1.1" => Some("session".to_owned()),
        "GET /latest/meta-data/iam/security-credentials/ HTTP/1.1" => Some("my-role\n".to_owned()),
        "GET /latest/meta-data/iam/security-credentials/my-role HTTP/1.1" => {
            *counted.borrow_mut() += 1;
            let number = *counted.borrow();
            Some(key_until(&format!("ASIA{number}"), number * 3_600))
        }
        _ => None,
    })
    .await;
    let (access, clock) = access(&[AwsSource::Imds], &[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &service.url)]);
    let options = [("credentials", "imds")];
    assert_eq!(id_of(&access, &options).await, "ASIA1");
    assert_eq!(id_of(&access, &options).await, "ASIA1");
    assert_eq!(service.lines().len(), 3, "a key is asked for once");
    {
        let asked = service.asked.borrow();
        assert!(asked[0].contains("x-aws-ec2-metadata-token-ttl-seconds: 21600\r\n"), "{}", asked[0]);
        assert!(asked[1..].iter().all(|request| request.contains("x-aws-ec2-metadata-token: session\r\n")));
    }
    clock.to_ms(NOW_MS + 3_400_000);
    assert_eq!(id_of(&access, &options).await, "ASIA1", "it is good while the next is asked for");
    while *generation.borrow() < 2 {
        tokio::task::yield_now().await;
    }
    clock.to_ms(NOW_MS + 3_600_000);
    assert_eq!(id_of(&access, &options).await, "ASIA2");
    clock.to_ms(NOW_MS + 7_200_000);
    assert_eq!(id_of(&access, &options).await, "ASIA3", "one that has ended is not used");
}

#[actix_rt::test]
async fn a_service_that_gives_no_key_is_a_fault_that_repeats_nothing() {
    for (role, key) in [
        (None, String::new()),
        (Some(""), String::new()),
        (Some("../../user-data"), String::new()),
        (Some("role"), "SECRET".to_owned()),
        (Some("role"), key_until("SECRET", 0)),
        (Some("role"), key_until("SECRET", 600).replace("Success", "Failed")),
    ] {
        let service = Service::start(move |line| match line.split(' ').nth(1).unwrap() {
            "/latest/api/token" => Some("SECRET".to_owned()),
            "/latest/meta-data/iam/security-credentials/" => role.map(str::to_owned),
            "/latest/meta-data/iam/security-credentials/role" => Some(key.clone()),
            other => panic!("{other}"),
        })
        .await;
        let (access, _) = access(&[AwsSource::Imds], &[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &service.url)]);
        let asked = Asked { options: &[("credentials", "imds")], ..PLAIN };
        let (_, message) = shown(&access, &asked).await.unwrap_err();
        assert!(!message.contains("SECRET"), "{message}");
    }
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
async fn a_container_s_key_is_asked_for_with_its_token_and_nowhere_else() {
    let token = written("Bearer pod\n");
    let service =
        Service::start(|_| Some(key_until("ASIAPOD", 3_600).replace(r#""Code":"Success","#, ""))).await;
    let url = format!("{}/v1/credentials?x=1", service.url);
    let options = [("credentials", "ecs")];
    for (name, value) in [
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "Bearer pod"),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", path(&token)),
    ] {
        let variables = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", url.as_str()), (name, value)];
        let (access, _) = access(&[AwsSource::Ecs], &variables);
        assert_eq!(id_of(&access, &options).await, "ASIAPOD");
        let asked = service.asked.borrow_mut().pop().unwrap();
        assert!(asked.starts_with("GET /v1/credentials?x=1 HTTP/1.1\r\n"), "{asked}");
        assert!(asked.contains("authorization: Bearer pod\r\n"), "{asked}");
    }
    for url in ["http://10.0.0.1/v1", "http://169.254.169.254/latest", "http://metadata.local/v1", "x"] {
        let (access, _) = access(&[AwsSource::Ecs], &[("AWS_CONTAINER_CREDENTIALS_FULL_URI", url)]);
        let asked = Asked { options: &options, ..PLAIN };
        let (class, _) = shown(&access, &asked).await.unwrap_err();
        assert!(matches!(class, Class::Forbidden | Class::Credential), "{url}");
    }
}

#[actix_rt::test]
async fn a_pod_s_token_is_exchanged_for_a_role_s_key() {
    const ANSWER: &str = "<R><Credentials><AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>s</SecretAccessKey>\
        <SessionToken>t</SessionToken><Expiration>2026-01-01T01:00:00Z</Expiration></Credentials></R>";
    let token = written("the.web.token\n");
    let service = Service::start(|_| Some(ANSWER.to_owned())).await;
    let options = [("credentials", "irsa")];
    let mut variables = vec![
        ("AWS_ENDPOINT_URL_STS", service.url.as_str()),
        ("AWS_ROLE_ARN", "arn:aws:iam::1:role/x"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", path(&token)),
    ];
    let (access, _) = self::access(&[AwsSource::Irsa], &variables);
    assert_eq!(id_of(&access, &options).await, "ASIAROLE");
    let asked = service.asked.borrow().concat();
    assert!(asked.starts_with("POST / HTTP/1.1\r\n"), "{asked}");
    assert!(
        asked.ends_with(
            "\r\n\r\nAction=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fx\
             &RoleSessionName=nexus&WebIdentityToken=the.web.token"
        ),
        "{asked}"
    );
    let refusing = Service::start(|_| None).await;
    variables[0].1 = &refusing.url;
    let (access, _) = self::access(&[AwsSource::Irsa], &variables);
    let (class, message) = shown(&access, &Asked { options: &options, ..PLAIN }).await.unwrap_err();
    assert_eq!(class, Class::Credential);
    assert!(message.ends_with("status 404") && !message.contains("the.web.token"), "{message}");
}

#[actix_rt::test]
async fn a_profile_is_the_one_that_the_option_names() {
    let file = written(
        "[default]\naws_access_key_id=AKIAD\naws_secret_access_key=s\n[b]\naws_access_key_id=AKIAB\n\
         aws_secret_access_key=s\n",
    );
    let (access, _) = access(&[AwsSource::Profile], &[("AWS_SHARED_CREDENTIALS_FILE", path(&file))]);
    assert_eq!(id_of(&access, &[("credentials", "profile")]).await, "AKIAD");
    assert_eq!(id_of(&access, &[("credentials", "profile"), ("profile", "b")]).await, "AKIAB");
    let asked = Asked { options: &[("credentials", "profile"), ("profile", "c")], ..PLAIN };
    let (class, message) = shown(&access, &asked).await.unwrap_err();
    assert!(class == Class::Credential && message.contains("`c`"), "{message}");
}
