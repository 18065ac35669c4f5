//! Alerts: who is told what, that messages are signed and tried again, and that they go nowhere they may not.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::hmac;
use serde_json::{Value, json};

use crate::{
    admin::{Api, assert_problem, assert_says, platform_key},
    node::{ask, mocked, until},
};

/// A message as it came.
#[derive(Clone, Debug)]
struct Message {
    headers: Vec<(String, String)>,
    body: String,
}

impl Message {
    fn header(&self, name: &str) -> &str {
        &self.headers.iter().find(|(known, _)| known == name).unwrap().1
    }

    fn says(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// How many of its signatures are good under this secret.
    fn signatures_of(&self, secret: &str) -> usize {
        let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        let signed =
            format!("{}.{}.{}", self.header("webhook-id"), self.header("webhook-timestamp"), self.body);
        let is_good = |signature: &&str| {
            let tag = STANDARD.decode(signature.strip_prefix("v1,").unwrap()).unwrap();
            hmac::verify(&key, signed.as_bytes(), &tag).is_ok()
        };
        self.header("webhook-signature").split(' ').filter(is_good).count()
    }
}

/// Somebody who takes messages, and says to each the next of these statuses; the last one repeats.
struct Receiver {
    url: String,
    messages: Arc<Mutex<Vec<Message>>>,
}

impl Receiver {
    fn start(statuses: &'static [u16]) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let url = format!("http://{}/hook?x=1", listener.local_addr().unwrap());
        let messages = Arc::new(Mutex::new(Vec::new()));
        let taken = Arc::clone(&messages);
        thread::spawn(move || {
            for (at, socket) in listener.incoming().enumerate() {
                let status = statuses.get(at).or(statuses.last()).unwrap();
                if let Ok(message) = take(&socket.unwrap(), *status) {
                    taken.lock().unwrap().push(message);
                }
            }
        });
        Self { url, messages }
    }

    fn messages(&self) -> Vec<Message> {
        self.messages.lock().unwrap().clone()
    }

    fn wait_for(&self, count: usize) -> Vec<Message> {
        until("the messages are there", || Some(self.messages()).filter(|messages| messages.len() >= count))
    }
}

fn take(mut socket: &TcpStream, status: u16) -> std::io::Result<Message> {
    let mut reader = BufReader::new(socket);
    let (mut headers, mut length) = (Vec::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            if line.trim_end().is_empty() {
                break;
            }
            continue;
        };
        let name = name.to_ascii_lowercase();
        if name == "content-length" {
            length = value.parse().unwrap();
        }
        headers.push((name, value.to_owned()));
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    write!(socket, "HTTP/1.1 {status} Whatever\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")?;
    Ok(Message { headers, body: String::from_utf8(body).unwrap() })
}

fn hook(api: &Api<'_>, name: &str, receiver: &Receiver, more: Value) -> Value {
    let mut wish = json!({ "name": name, "url": receiver.url, "allow_private_network": true });
    wish.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    api.make("/webhooks", &wish)
}

fn path(of: &Value) -> String {
    format!("/webhooks/{}", of["id"].as_str().unwrap())
}

#[test]
fn a_quota_that_fills_up_is_told_to_signed_webhooks_and_acknowledged_once() {
    let (_mock, site) = mocked(&[]);
    let (admin, (id, key)) = (platform_key(&site), site.key("app"));
    let node = site.start();
    let api = Api::new(&node, &admin);
    let (all, some) = (Receiver::start(&[204]), Receiver::start(&[200]));
    let made = hook(&api, "all", &all, json!({}));
    let secret = made["secret"].as_str().unwrap();
    hook(&api, "some", &some, json!({ "kinds": ["provider.down"] }));
    let shown = api.get(&path(&made)).json();
    assert_eq!(shown.get("secret"), None, "it is shown once");
    assert_says(&shown, &json!({ "kinds": [], "team_id": null, "is_active": true }));
    api.make(
        "/quotas",
        &json!({
            "name": "calls", "subject": "key", "subject_value": id, "measure": "requests", "window": "total",
            "limit": 2, "mode": "soft",
        }),
    );
    let mut ids = Vec::new();
    for (count, percent) in [(1, 50), (2, 100)] {
        assert_eq!(node.chat(&key, &ask("gpt")).status, 200);
        let message = all.wait_for(count).remove(count - 1);
        assert_eq!(message.header("content-type"), "application/json");
        assert_eq!(message.signatures_of(secret), 1, "{message:?}");
        let says = message.says();
        assert_eq!(says["type"], "quota.threshold");
        let evidence = &says["data"]["evidence"];
        assert_says(evidence, &json!({ "quota": "calls", "percent": percent, "used": count, "limit": 2 }));
        ids.push(says["data"]["alert_id"].clone());
    }
    assert_eq!(node.chat(&key, &ask("gpt")).status, 200, "a soft quota refuses nothing");
    assert!(some.messages().is_empty());
    let listed = api.get("/alerts?kind=quota.threshold").json();
    let listed: Vec<_> = listed["data"].as_array().unwrap().iter().map(|alert| alert["id"].clone()).collect();
    assert_eq!(listed, [ids[1].clone(), ids[0].clone()]);
    let alert = format!("/alerts/{}", ids[0].as_str().unwrap());
    assert!(api.get(&alert).json()["summary"].as_str().unwrap().contains("`calls`"));
    let acknowledged = api.send("POST", &format!("{alert}/acknowledge"), &[], "");
    assert_eq!(acknowledged.status, 200, "{}", acknowledged.text());
    assert_problem(&api.send("POST", &format!("{alert}/acknowledge"), &[], ""), 409, "conflict");
    assert_eq!(api.get("/alerts?state=open").json()["data"].as_array().unwrap().len(), 1);
}

#[test]
fn what_is_not_taken_is_tried_again_later_and_a_new_secret_signs_beside_the_old_one() {
    let (_mock, site) = mocked(&[]);
    let admin = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &admin);
    let receiver = Receiver::start(&[500, 200]);
    let made = hook(&api, "one", &receiver, json!({}));
    let path = path(&made);
    let renewed = api.send("POST", &format!("{path}/rotate-secret"), &[], "");
    assert_eq!(renewed.status, 200, "{}", renewed.text());
    let (old, new) =
        (made["secret"].as_str().unwrap(), renewed.json()["secret"].as_str().unwrap().to_owned());
    assert_ne!(old, new);
    let test = || api.send("POST", &format!("{path}/test"), &[], "").json();
    let sent = test();
    assert_says(&sent, &json!({ "kind": "webhook.test", "state": "pending", "attempts": 0 }));
    let message = receiver.wait_for(1).remove(0);
    assert_eq!(message.header("webhook-id"), sent["id"].as_str().unwrap());
    assert_eq!((message.signatures_of(old), message.signatures_of(&new)), (1, 1));
    let deliveries = || api.get(&format!("{path}/deliveries")).json()["data"].clone();
    let tried = until("the try is noted", || Some(deliveries()).filter(|rows| rows[0]["attempts"] == 1));
    assert_says(&tried[0], &json!({ "state": "pending", "last_status": 500 }));
    assert!(tried[0]["next_at"].as_i64() > tried[0]["updated_at"].as_i64());
    test();
    until("the next one is taken", || (deliveries()[0]["state"] == "delivered").then_some(()));
    let version = api.get(&path).json()["version"].clone();
    assert_eq!(api.patch(&path, &version, &json!({ "is_active": false })).status, 200);
    assert_eq!(api.delete(&path).status, 204);
    assert_problem(&api.get(&format!("{path}/deliveries")), 404, "not_found");
}

#[test]
fn messages_go_to_no_private_address_unless_that_is_allowed() {
    let (_mock, site) = mocked(&[]);
    let admin = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &admin);
    let receiver = Receiver::start(&[200]);
    let url = receiver.url.replacen("http://", "https://", 1);
    let made = api.make("/webhooks", &json!({ "name": "guarded", "url": url }));
    let path = path(&made);
    api.send("POST", &format!("{path}/test"), &[], "");
    let rows = until("the try is noted", || {
        Some(api.get(&format!("{path}/deliveries")).json()["data"].clone())
            .filter(|rows| rows[0]["attempts"] == 1)
    });
    assert!(rows[0]["last_error"].as_str().unwrap().contains("forbidden"), "{rows}");
    assert!(receiver.messages().is_empty());
    for (url, more) in [
        ("http://example.com/", json!({})),
        ("ftp://example.com/", json!({ "allow_private_network": true })),
        ("https://name:password@example.com/", json!({})),
        ("nothing", json!({})),
    ] {
        let mut wish = json!({ "name": "other", "url": url });
        wish.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer = api.post("/webhooks", &wish);
        assert_problem(&answer, 422, "invalid");
        assert_eq!(answer.json()["errors"][0]["pointer"], "/url", "{url}");
    }
}

#[test]
fn an_anomaly_is_told_as_an_alert() {
    let (_mock, site) = mocked(&[("down", "mock-gpt+fault=status:401")]);
    let (admin, (_, key)) = (platform_key(&site), site.key("app"));
    let node = site.start();
    let api = Api::new(&node, &admin);
    assert_ne!(node.chat(&key, &ask("down")).status, 200);
    let alerts = until("it is told", || {
        Some(api.get("/alerts?kind=anomaly").json()["data"].clone()).filter(|rows| rows[0].is_object())
    });
    assert_says(&alerts[0]["evidence"], &json!({ "kind": "credential_refused" }));
}

#[test]
fn bad_keys_in_a_crowd_are_an_anomaly_of_their_address() {
    let (_mock, site) = mocked(&[]);
    let admin = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &admin);
    let rows = || api.get("/anomalies?kind=auth_failures").json()["data"].clone();
    let row = until("it is noticed", || {
        for number in 0..40 {
            node.chat(&format!("sk-nexus-{number}"), &ask("gpt"));
        }
        Some(rows()).filter(|rows| rows[0].is_object())
    });
    assert_says(&row[0], &json!({ "address": "127.0.0.1", "key_id": null, "team_id": null }));
    assert!(row[0]["evidence"]["refused"].as_u64().unwrap() >= 30, "{row}");
}
