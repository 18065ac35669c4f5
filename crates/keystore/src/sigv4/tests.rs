//! Signatures of our own requests, and the vendor's published ones where they lie.

use std::{fs, path::Path};

use serde_json::Value;

use super::*;

fn key(token: Option<&str>) -> AccessKey {
    AccessKey {
        id: "AKIDEXAMPLE".to_owned(),
        secret: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned()),
        session_token: token.map(|token| Secret::new(token.to_owned())),
    }
}

const CONVERSE: Request<'_> = Request {
    method: "POST",
    path: "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse",
    segments: Segments::Normalised,
    query: "",
    headers: &[("host", "bedrock-runtime.us-east-1.amazonaws.com"), ("content-type", "application/json")],
    body: b"{}",
};

const SCOPE: Scope<'_> = Scope { region: "us-east-1", service: "bedrock", at_s: 1_764_000_000 };

fn signature(key: &AccessKey, scope: Scope<'_>, request: Request<'_>) -> String {
    let proof = sign(key, scope, request);
    proof.authorization.rsplit('=').next().unwrap().to_owned()
}

#[test]
fn the_proof_names_who_signs_where_and_what() {
    let proof = sign(&key(Some("token")), SCOPE, CONVERSE);
    assert_eq!(proof.date, "20251124T160000Z");
    let (said, signature) = proof.authorization.rsplit_once('=').unwrap();
    assert_eq!(
        said,
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20251124/us-east-1/bedrock/aws4_request, \
         SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, Signature"
    );
    assert!(signature.len() == 64 && signature.bytes().all(|byte| byte.is_ascii_hexdigit()));
}

#[test]
fn a_signature_depends_on_everything_that_is_signed() {
    let mut seen = vec![signature(&key(None), SCOPE, CONVERSE)];
    assert_eq!(seen[0], signature(&key(None), SCOPE, CONVERSE));
    seen.push(signature(&key(Some("token")), SCOPE, CONVERSE));
    seen.push(signature(
        &AccessKey { secret: Secret::new("other".to_owned()), ..key(None) },
        SCOPE,
        CONVERSE,
    ));
    for scope in [
        Scope { region: "eu-west-1", ..SCOPE },
        Scope { service: "sts", ..SCOPE },
        Scope { at_s: SCOPE.at_s + 1, ..SCOPE },
    ] {
        seen.push(signature(&key(None), scope, CONVERSE));
    }
    for request in [
        Request { method: "GET", ..CONVERSE },
        Request { path: "/model/other/converse", ..CONVERSE },
        Request { query: "a=1", ..CONVERSE },
        Request { headers: &[("host", "bedrock-runtime.us-east-1.amazonaws.com")], ..CONVERSE },
        Request { body: b"{ }", ..CONVERSE },
    ] {
        seen.push(signature(&key(None), SCOPE, request));
    }
    let count = seen.len();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), count);
}

/// A published request: method, path, query, headers, body.
struct Published {
    method: String,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Published {
    fn read(text: &str) -> Self {
        let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
        let mut lines = head.lines();
        let (method, rest) = lines.next().unwrap().split_once(' ').unwrap();
        let target = rest.strip_suffix(" HTTP/1.1").unwrap();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut headers: Vec<(String, String)> = Vec::new();
        for line in lines {
            match line.split_once(':') {
                Some((name, value)) => headers.push((name.to_owned(), value.to_owned())),
                None => {
                    let (_, value) = headers.last_mut().unwrap();
                    value.push(' ');
                    value.push_str(line);
                }
            }
        }
        let (method, path, query) = (method.to_owned(), path.to_owned(), query.to_owned());
        Self { method, path, query, headers, body: body.to_owned() }
    }
}

fn check(folder: &Path) {
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    let context: Value = serde_json::from_str(&read("context.json")).unwrap();
    let mut published = Published::read(&read("request.txt"));
    if context["sign_body"] == true {
        let digest = hex_digest(published.body.as_bytes());
        published.headers.push(("x-amz-content-sha256".to_owned(), digest));
    }
    let is_token_signed = context["omit_session_token"] != true;
    let credentials = &context["credentials"];
    let word = |name: &str| credentials[name].as_str().map(str::to_owned);
    let key = AccessKey {
        id: word("access_key_id").unwrap(),
        secret: Secret::new(word("secret_access_key").unwrap()),
        session_token: word("token").filter(|_| is_token_signed).map(Secret::new),
    };
    let headers: Vec<(&str, &str)> =
        published.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
    let request = Request {
        method: &published.method,
        path: &published.path,
        segments: if context["normalize"] == true { Segments::Normalised } else { Segments::AsTheyStand },
        query: &published.query,
        headers: &headers,
        body: published.body.as_bytes(),
    };
    let scope = Scope {
        region: context["region"].as_str().unwrap(),
        service: context["service"].as_str().unwrap(),
        at_s: unix_seconds(context["timestamp"].as_str().unwrap()).unwrap(),
    };
    let proof = sign(&key, scope, request);
    let mut signed = headers.clone();
    signed.push(("x-amz-date", &proof.date));
    signed.extend(key.session_token.as_ref().map(|token| ("x-amz-security-token", token.expose())));
    let name = folder.display();
    assert_eq!(CanonicalRequest::of(&request, &signed).text, read("header-canonical-request.txt"), "{name}");
    let authorization = format!("Authorization:{}", proof.authorization);
    let sent = read("header-signed-request.txt");
    assert!(sent.lines().any(|line| line == authorization), "{name}: {authorization}");
    assert!(sent.contains(&format!("X-Amz-Date:{}", proof.date)), "{name}");
}

#[test]
fn the_published_signatures_come_out_the_same() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors/sigv4/v4"));
    let Ok(entries) = fs::read_dir(folder) else {
        return println!("signature vectors: absent");
    };
    let folders: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    folders.iter().for_each(|folder| check(folder));
    assert!(folders.len() > 30);
    println!("signature vectors: {} ran", folders.len());
}
