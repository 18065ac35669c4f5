use std::{
    cell::Cell,
    sync::atomic::{AtomicI64, Ordering},
};

use futures_util::FutureExt as _;
use nexus_core::id::{CredentialId, Uuid};

use super::*;

/// A clock that stands until it is moved.
#[derive(Default)]
pub(crate) struct Moved(AtomicI64);

impl Moved {
    pub(crate) fn to_ms(&self, unix_ms: i64) {
        self.0.store(unix_ms, Ordering::Relaxed);
    }
}

impl Clock for Moved {
    fn unix_ms(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }

    fn monotonic_us(&self) -> u64 {
        0
    }
}

pub(crate) fn credential(generation: i64, secret: &str) -> Credential {
    let secret = Arc::new(Secret::new(secret.to_owned()));
    Credential { id: CredentialId(Uuid::from_u128(1)), generation, secret }
}

fn access(clock: &Arc<Moved>) -> Access {
    Access::new(&Tls::new(None).unwrap(), Arc::<Moved>::clone(clock))
}

fn showing<'a>(
    scheme: AuthScheme,
    credential: Option<&'a Credential>,
    endpoint: &'a Endpoint,
) -> Showing<'a> {
    Showing {
        scheme,
        credential,
        site: Site::PLAIN,
        endpoint,
        reach: Reach::Public,
        method: "POST",
        path: "/chat",
        headers: &[],
        body: b"",
    }
}

/// What is shown under a scheme that asks nobody.
pub(crate) fn shown<R>(scheme: AuthScheme, secret: &str, take: impl FnOnce(&Shown<'_>) -> R) -> R {
    let (credential, endpoint) = (credential(1, secret), Endpoint::parse("https://one.example/v1").unwrap());
    let access = access(&Arc::default());
    let shown = access.show(&showing(scheme, Some(&credential), &endpoint)).now_or_never();
    take(&shown.unwrap().unwrap())
}

fn lines(shown: &Shown<'_>) -> Vec<String> {
    shown.headers().iter().map(|(name, value)| format!("{name}: {}", value.expose())).collect()
}

#[test]
fn a_credential_is_shown_as_its_scheme_wants_it() {
    for (scheme, expected) in [
        (AuthScheme::Bearer, &["authorization: Bearer sk-1"][..]),
        (AuthScheme::Header("x-api-key"), &["x-api-key: sk-1"]),
        (AuthScheme::Open, &[]),
        (AuthScheme::Aws { service: "bedrock" }, &["authorization: Bearer sk-1"]),
        (AuthScheme::Entra { header: "api-key", scope: "s" }, &["api-key: sk-1"]),
    ] {
        assert_eq!(shown(scheme, "sk-1", lines), expected, "{scheme:?}");
    }
    let endpoint = Endpoint::parse("https://one.example/v1").unwrap();
    for scheme in [AuthScheme::Bearer, AuthScheme::Google { scope: "s" }, AuthScheme::Aws { service: "s" }] {
        let access = access(&Arc::default());
        let nothing = access.show(&showing(scheme, None, &endpoint)).now_or_never().unwrap();
        assert!(lines(&nothing.unwrap()).is_empty(), "without a credential nothing is shown");
    }
}

#[actix_rt::test]
async fn a_token_that_was_good_is_given_up_once_and_one_that_never_was_is_not() {
    let access = access(&Arc::default());
    let credential = credential(1, "sk-1");
    let fetches = Cell::new(0);
    let token = || {
        access.bearer_token(&credential, "s", || {
            fetches.set(fetches.get() + 1);
            let value = Secret::new(format!("token-{}", fetches.get()));
            std::future::ready(Ok(Granted { value, lifetime_ms: 3_600_000 }))
        })
    };
    let first = token().await.unwrap();
    assert_eq!(lines(&first), ["authorization: Bearer token-1"]);
    assert!(!first.is_outlived(500), "any answer but 401 means that it let us in");
    let beside = token().await.unwrap();
    assert!(first.is_outlived(401));
    assert!(beside.is_outlived(401), "who was sent beside it may ask again too");
    let second = token().await.unwrap();
    assert_eq!(lines(&second), ["authorization: Bearer token-2"]);
    assert!(!second.is_outlived(401), "it is the credential that is refused");
    assert_eq!(lines(&token().await.unwrap()), ["authorization: Bearer token-2"]);
    assert_eq!(fetches.get(), 2);

    let key = shown(AuthScheme::Bearer, "sk-1", |shown| shown.is_outlived(401));
    assert!(!key, "a key is not exchanged for another");
}
