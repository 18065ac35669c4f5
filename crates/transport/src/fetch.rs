//! Errands beside the requests' way: keys of an identity provider, a token, a provider's list of models.
//!
//! awc asks, over a connection of our own for each errand: every address is judged as it is for requests, and
//! what awc reads was found whole before. Nothing is followed, unpacked or kept open.

mod whole;

use std::{
    cell::RefCell,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use actix_http::{
    Method, Uri,
    header::{ACCEPT_ENCODING, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT},
};
use actix_service::Service;
use actix_tls::connect::{ConnectError, ConnectInfo, Connection};
use awc::SendClientRequest;
use bytes::Bytes;
use nexus_core::{
    endpoint::Endpoint,
    fault::{Class, Fault},
};
use rustls::ClientConfig;
use tokio::time::{Instant, timeout_at};
use url::Url;

use self::whole::Whole;
use crate::{
    connector::Connector,
    egress::Reach,
    network::{Local, System},
    peer::Place,
    request::{SOFTWARE, is_one_line},
    socket::Socket,
    tls::Tls,
};

/// awc's own timer for connecting must never be the one that fires; ours is [`Errand::timeout`].
const NEVER: Duration = Duration::from_secs(24 * 60 * 60);

/// What is asked for, and within which bounds. It has no `Debug`: its headers may bear a credential.
#[derive(Clone, Copy)]
pub struct Errand<'a> {
    /// `http` or `https`, without credentials; a fragment is left away.
    pub url: &'a Url,
    /// Names in lower case; values are checked here and are treated as secrets.
    pub headers: &'a [(&'a str, &'a str)],
    pub reach: Reach,
    /// A longer answer is a fault.
    pub limit_bytes: usize,
    /// From the first lookup to the answer's last byte.
    pub timeout: Duration,
}

/// An answer of any status: whole, and as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    pub status: u16,
    pub content_type: Option<String>,
    pub body: Bytes,
}

/// Runs errands. May be shared between threads; its futures stay on theirs, inside an actix runtime.
#[derive(Clone, Debug)]
pub struct Fetcher {
    tls: Arc<ClientConfig>,
}

impl Fetcher {
    pub fn new(tls: &Tls) -> Self {
        Self { tls: Arc::clone(&tls.0) }
    }

    /// # Errors
    /// If no whole answer came. An answer of status 4xx or 5xx is an answer, and so is a redirect.
    pub async fn get(&self, errand: Errand<'_>) -> Result<Fetched, Fault> {
        self.run(errand, Method::GET, None).await
    }

    /// As [`Self::get`], to put nothing but what the headers say.
    ///
    /// # Errors
    /// As there.
    pub async fn put(&self, errand: Errand<'_>) -> Result<Fetched, Fault> {
        self.run(errand, Method::PUT, None).await
    }

    /// As [`Self::get`], with a body of the type given.
    ///
    /// # Errors
    /// As there.
    pub async fn post(
        &self,
        errand: Errand<'_>,
        content_type: &'static str,
        body: Bytes,
    ) -> Result<Fetched, Fault> {
        self.run(errand, Method::POST, Some((content_type, body))).await
    }

    async fn run(
        &self,
        errand: Errand<'_>,
        method: Method,
        body: Option<(&'static str, Bytes)>,
    ) -> Result<Fetched, Fault> {
        let Errand { url, limit_bytes, .. } = errand;
        let endpoint = endpoint(url)?;
        let by = Instant::now() + errand.timeout.min(NEVER);
        let door = Door {
            connector: Connector::new(Rc::new(System), Arc::clone(&self.tls)),
            place: Rc::new(Place::of(&endpoint, errand.reach)),
            by,
            limit_bytes,
            why: Rc::default(),
        };
        let why = Rc::clone(&door.why);
        let client = awc::Client::builder()
            .connector(awc::Connector::new().connector(door).timeout(NEVER))
            .disable_timeout()
            .disable_redirects()
            .no_default_headers()
            .finish();
        // awc knows neither host nor scheme, so it can find no way of its own
        let mut asking = client.request(method, uri(url)?).no_decompress().force_close();
        put_headers(asking.headers_mut(), &endpoint, &errand)?;
        let sending = match body {
            None => asking.send(),
            Some((content_type, body)) => asking.content_type(content_type).send_body(body),
        };
        match timeout_at(by, whole_answer(sending, limit_bytes)).await {
            Ok(Ok(fetched)) => Ok(fetched),
            Ok(Err(message)) => Err(why.take().unwrap_or_else(|| Fault::new(Class::Reset, message))),
            Err(_) => Err(Fault::new(
                Class::Timeout,
                format!(
                    "no whole answer of `{}` came within {} ms",
                    endpoint.host,
                    errand.timeout.as_millis()
                ),
            )),
        }
    }
}

/// In words of awc's why there is none.
async fn whole_answer(sending: SendClientRequest, limit_bytes: usize) -> Result<Fetched, String> {
    let mut answer = sending.await.map_err(|error| error.to_string())?;
    let body = answer.body().limit(limit_bytes).await.map_err(|error| error.to_string())?;
    let content_type = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    Ok(Fetched { status: answer.status().as_u16(), content_type: content_type.map(str::to_owned), body })
}

fn endpoint(url: &Url) -> Result<Endpoint, Fault> {
    let mut place = url.clone();
    place.set_query(None);
    place.set_fragment(None);
    Endpoint::parse(place.as_str())
        .map_err(|bad| Fault::new(Class::Connect, format!("the URL to fetch {bad}")))
}

fn uri(url: &Url) -> Result<Uri, Fault> {
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    Uri::builder()
        .scheme("http")
        .authority("errand")
        .path_and_query(format!("{}{query}", url.path()))
        .build()
        .map_err(|_| Fault::new(Class::BadRequest, "the path to fetch is no valid URI path"))
}

fn put_headers(headers: &mut HeaderMap, endpoint: &Endpoint, errand: &Errand<'_>) -> Result<(), Fault> {
    for (name, value) in errand.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).ok();
        let value = HeaderValue::from_str(value).ok().filter(|_| is_one_line(value));
        let (Some(name), Some(mut value)) = (name, value) else {
            return Err(Fault::new(
                Class::BadRequest,
                "a value meant for a request header is not one line of printable ASCII; leave other characters away",
            ));
        };
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    let host = HeaderValue::from_str(&endpoint.authority())
        .map_err(|_| Fault::new(Class::Connect, "the URL's host is no valid host name"))?;
    headers.insert(HOST, host);
    headers.insert(USER_AGENT, HeaderValue::from_static(SOFTWARE));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    Ok(())
}

/// What awc gets an errand's connection from.
#[derive(Clone)]
struct Door {
    connector: Connector,
    place: Rc<Place>,
    by: Instant,
    limit_bytes: usize,
    why: Why,
}

/// Why an errand failed, in our own words: awc keeps them for us in no form worth taking apart.
type Why = Rc<RefCell<Option<Fault>>>;

impl Service<ConnectInfo<Uri>> for Door {
    type Response = Connection<Uri, Whole<Socket>>;
    type Error = ConnectError;
    type Future = Local<Result<Self::Response, Self::Error>>;

    fn poll_ready(&self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&self, request: ConnectInfo<Uri>) -> Self::Future {
        let door = self.clone();
        Box::pin(async move {
            match door.connector.open(&door.place, door.by).await {
                Ok(socket) => {
                    let whole = Whole::new(socket, door.limit_bytes, door.why);
                    Ok(Connection::new(request.request().clone(), whole))
                }
                Err(broken) => {
                    door.why.replace(Some(broken.into()));
                    Err(ConnectError::Unresolved)
                }
            }
        })
    }
}
