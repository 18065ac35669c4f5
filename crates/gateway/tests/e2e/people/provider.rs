//! A fake identity provider on the loopback: it says of itself what it must, and of people what it is told to.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use serde_json::{Value, json};

pub const CLIENT: &str = "nexus:console";
pub const SECRET: &str = "client secret canary 51ab%";

/// A key, and what it is called.
struct Key {
    id: String,
    pair: EcdsaKeyPair,
}

impl Key {
    fn fresh(id: &str) -> Self {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random).unwrap();
        Self { id: id.to_owned(), pair }
    }

    fn public(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        let [x, y] = [&point[1..33], &point[33..]].map(|half| URL_SAFE_NO_PAD.encode(half));
        json!({ "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.id, "x": x, "y": y })
    }

    fn sign(&self, claims: &Value) -> String {
        let header = json!({ "alg": "ES256", "typ": "JWT", "kid": self.id });
        let [header, claims] = [&header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let message = format!("{header}.{claims}");
        let signature = self.pair.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

struct State {
    key: Key,
    claims: Value,
    /// What the token endpoint was asked: the `Authorization` header, and the form.
    trades: Vec<(String, String)>,
    fetched_keys: usize,
}

pub struct Provider {
    pub issuer: String,
    state: Arc<Mutex<State>>,
}

impl Provider {
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let state =
            State { key: Key::fresh("one"), claims: Value::Null, trades: Vec::new(), fetched_keys: 0 };
        let state = Arc::new(Mutex::new(state));
        let (own, shared) = (issuer.clone(), Arc::clone(&state));
        thread::spawn(move || {
            for socket in listener.incoming() {
                let _gone = serve(socket.unwrap(), &own, &shared);
            }
        });
        Self { issuer, state }
    }

    /// The gateway's settings for it, with this under `role_mapping`.
    pub fn settings(&self, role_mapping: &str) -> String {
        format!(
            "console:\n  oidc:\n    issuer: \"{}\"\n    client_id: \"{CLIENT}\"\n    client_secret: \"{SECRET}\"\n    \
             allow_private_network: true\n    role_mapping: {role_mapping}\n",
            self.issuer
        )
    }

    /// What it says of whoever comes next.
    pub fn vouch(&self, claims: Value) {
        self.state.lock().unwrap().claims = claims;
    }

    /// Signs with another key from now on.
    pub fn change_key(&self, id: &str) {
        self.state.lock().unwrap().key = Key::fresh(id);
    }

    pub fn trades(&self) -> Vec<(String, String)> {
        self.state.lock().unwrap().trades.clone()
    }

    pub fn fetched_keys(&self) -> usize {
        self.state.lock().unwrap().fetched_keys
    }
}

/// The gateway's `Authorization` at the token endpoint: both parts are form-encoded.
pub fn basic() -> String {
    format!("Basic {}", STANDARD.encode("nexus%3Aconsole:client+secret+canary+51ab%25"))
}

fn serve(mut socket: TcpStream, issuer: &str, state: &Mutex<State>) -> std::io::Result<()> {
    let mut reader = BufReader::new(socket.try_clone()?);
    let (mut lines, mut length) = (Vec::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim_end().to_owned();
        if line.is_empty() {
            break;
        }
        if let Some(stated) = line.to_lowercase().strip_prefix("content-length: ") {
            length = stated.parse().unwrap();
        }
        lines.push(line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let mut state = state.lock().unwrap();
    let answer = match lines.first().and_then(|line| line.split(' ').nth(1)) {
        Some("/.well-known/openid-configuration") => json!({
            "issuer": issuer, "authorization_endpoint": format!("{issuer}/authorize?tenant=a"),
            "token_endpoint": format!("{issuer}/token"), "jwks_uri": format!("{issuer}/keys"),
        }),
        Some("/keys") => {
            state.fetched_keys += 1;
            json!({ "keys": [state.key.public()] })
        }
        Some("/token") => {
            let authorization = lines.iter().find(|line| line.to_lowercase().starts_with("authorization: "));
            let authorization = authorization.map(|line| line["authorization: ".len()..].to_owned());
            state.trades.push((authorization.unwrap_or_default(), String::from_utf8(body).unwrap()));
            json!({ "token_type": "Bearer", "access_token": "x", "id_token": state.key.sign(&state.claims) })
        }
        other => panic!("{other:?}"),
    };
    let body = answer.to_string();
    let length = body.len();
    write!(
        socket,
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}
