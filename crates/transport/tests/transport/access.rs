//! A token that was good and is so no longer: the request goes out once more with a new one, and never a third time.

use std::{cell::Cell, sync::Arc};

use bytes::Bytes;
use nexus_core::{
    catalogue::Provider,
    id::{CredentialId, Uuid},
    site::Site,
};
use nexus_engine::{
    port::{JSON, Outbound, Transport},
    world::Credential,
};
use nexus_keystore::secret::Secret;
use nexus_providers::dialect::AuthScheme;
use nexus_transport::HttpTransport;

use crate::upstream::{PATIENT, Step, Upstream, provider, send, transport};

/// Made for tests and used nowhere.
const KEY: &str = include_str!("../../../keystore/src/service_account/throw_away.pem");

/// A server that gives out a token to each connection, numbered from 1.
async fn authority(tokens: usize) -> Upstream {
    let script = |number: usize| {
        let body = format!(r#"{{"access_token":"ya29.number-{number}","expires_in":3599}}"#);
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        vec![Step::Request, send(head + &body)]
    };
    Upstream::play((1..=tokens).map(script).collect()).await
}

/// A connection that serves one request with this status.
fn one(status: &str) -> Vec<Step> {
    let answer = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{{}}");
    vec![Step::Request, send(answer)]
}

const GOOD: &str = "200 OK";
const REFUSED: &str = "401 Unauthorized";

/// A client of a provider whose tokens are had from `authority`.
struct Client {
    transport: HttpTransport,
    provider: Provider,
    credential: Credential,
    asked: Cell<u32>,
}

impl Client {
    fn new(upstream: &Upstream, authority: &Upstream) -> Self {
        let account = serde_json::json!({
            "type": "service_account", "private_key": KEY, "client_email": "a@b.example",
            "token_uri": "https://oauth2.googleapis.com/token",
        });
        let token_endpoint = format!("http://{}/token", authority.address);
        let options = [("token_endpoint", token_endpoint.as_str())].into_iter().collect();
        Self {
            transport: transport(),
            provider: Provider { options, ..provider(&format!("http://{}/v1", upstream.address)) },
            credential: Credential {
                id: CredentialId(Uuid::from_u128(1)),
                generation: 1,
                secret: Arc::new(Secret::new(account.to_string())),
            },
            asked: Cell::new(0),
        }
    }

    /// The status of the answer to a request with a body of its own.
    async fn ask(&self) -> u16 {
        self.asked.set(self.asked.get() + 1);
        let outbound = Outbound {
            provider: &self.provider,
            site: Site { region: None, options: &self.provider.options, base_path: "" },
            path: "/projects/p",
            headers: &[],
            auth: AuthScheme::Google { scope: "scope-1" },
            credential: Some(&self.credential),
            method: "POST",
            content_type: JSON,
            rest: None,
            body: Bytes::from(format!("{{\"number\":{}}}", self.asked.get())),
            deadlines: PATIENT,
        };
        self.transport.send(outbound).await.unwrap().status
    }
}

/// The token and the body of each request.
fn shown(upstream: &Upstream) -> Vec<(String, String)> {
    let requests = upstream.seen.borrow();
    let shown = |request: &String| {
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        let token = head.lines().find_map(|line| line.strip_prefix("authorization: Bearer ")).unwrap();
        (token.to_owned(), body.to_owned())
    };
    requests.requests.iter().map(shown).collect()
}

fn expected(shown: &[(&str, u32)]) -> Vec<(String, String)> {
    let one = |(token, body): &(&str, u32)| ((*token).to_owned(), format!("{{\"number\":{body}}}"));
    shown.iter().map(one).collect()
}

#[actix_rt::test]
async fn a_request_goes_out_once_more_with_a_new_token_where_the_old_one_had_served() {
    let upstream = Upstream::play([GOOD, REFUSED, GOOD].map(one).to_vec()).await;
    let authority = authority(2).await;
    let client = Client::new(&upstream, &authority);
    assert_eq!(client.ask().await, 200);
    assert_eq!(client.ask().await, 200);
    let (first, second) = ("ya29.number-1", "ya29.number-2");
    assert_eq!(shown(&upstream), expected(&[(first, 1), (first, 2), (second, 2)]));
    assert_eq!(authority.connections(), 2);
}

#[actix_rt::test]
async fn a_new_token_that_is_refused_too_is_the_end_of_it() {
    let upstream = Upstream::play([GOOD, REFUSED, REFUSED, REFUSED].map(one).to_vec()).await;
    let authority = authority(2).await;
    let client = Client::new(&upstream, &authority);
    assert_eq!((client.ask().await, client.ask().await), (200, 401));
    assert_eq!(client.ask().await, 401, "the token is as new as can be: it is the account that is refused");
    let (first, second) = ("ya29.number-1", "ya29.number-2");
    assert_eq!(shown(&upstream), expected(&[(first, 1), (first, 2), (second, 2), (second, 3)]));
    assert_eq!(authority.connections(), 2);
}
