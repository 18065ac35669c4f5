//! TLS towards providers: who is believed, who is not, and that the answer is as honest over it.

use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio_rustls::TlsAcceptor;

use crate::upstream::{Step, Upstream, answer, ask, provider, send, transport, trusting};

/// A certificate for a name, and a server that bears it.
fn bearer(name: &str, has_expired: bool, alpn: &[&str]) -> (String, TlsAcceptor) {
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    if has_expired {
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(2002, 1, 1);
    }
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    (certificate.pem(), TlsAcceptor::from(Arc::new(config)))
}

async fn upstream(acceptor: TlsAcceptor, scripts: Vec<Vec<Step>>) -> Upstream {
    let wrap = move |tcp| {
        let accepting = acceptor.accept(tcp);
        async move { accepting.await.ok() }
    };
    Upstream::play_over(scripts, wrap).await
}

#[actix_rt::test]
async fn only_a_certificate_that_is_trusted_current_and_for_the_host_is_believed() {
    for (name, has_expired, is_trusted, alpn, expected) in [
        ("localhost", false, true, &["http/1.1"][..], "200 {}"),
        ("localhost", false, true, &[], "200 {}"),
        ("localhost", false, true, &["h2", "http/1.1"], "200 {}"),
        ("localhost", false, true, &["h2"], "connect"),
        ("localhost", false, false, &[], "connect"),
        ("localhost", true, true, &[], "connect"),
        ("other.test", false, true, &[], "connect"),
    ] {
        let (pem, acceptor) = bearer(name, has_expired, alpn);
        let upstream = upstream(acceptor, vec![vec![Step::Request, answer("{}")]]).await;
        let transport = if is_trusted { trusting(&pem) } else { transport() };
        let heard =
            ask(&transport, &provider(&format!("https://localhost:{}/v1", upstream.address.port()))).await;
        assert_eq!(heard, expected, "{name} {has_expired} {is_trusted} {alpn:?}");
    }
}

#[actix_rt::test]
async fn an_ip_address_needs_a_certificate_that_bears_it() {
    for (name, expected) in [("127.0.0.1", "200 {}"), ("localhost", "connect")] {
        let (pem, acceptor) = bearer(name, false, &[]);
        let upstream = upstream(acceptor, vec![vec![Step::Request, answer("{}")]]).await;
        assert_eq!(
            ask(&trusting(&pem), &provider(&format!("https://{}/v1", upstream.address))).await,
            expected
        );
    }
}

#[actix_rt::test]
async fn who_speaks_no_tls_is_a_connect_fault() {
    for noise in ["HTTP/1.1 400 Bad Request\r\n\r\n", "\0\0\0\0\0\0\0\0\0", ""] {
        let upstream = Upstream::play(vec![vec![Step::Part(10), send(noise)]]).await;
        assert_eq!(
            ask(&transport(), &provider(&format!("https://{}/v1", upstream.address))).await,
            "connect"
        );
    }
}

#[actix_rt::test]
async fn answers_over_tls_are_as_honest() {
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n";
    for (bytes, expected) in [
        ("HTTP/1.1 200 OK\r\n\r\n{}".to_owned(), "200 {}"),
        (format!("{chunked}0\r\n\r\n"), "200 {}"),
        (chunked.to_owned(), "200 {}, then truncated"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n{}".to_owned(), "200 {}, then truncated"),
        (String::new(), "reset"),
    ] {
        let (pem, acceptor) = bearer("localhost", false, &[]);
        let script = |step| vec![Step::Request, step];
        let scripts = vec![script(send(&bytes)), script(Step::Drip(bytes.clone().into_bytes()))];
        let upstream = upstream(acceptor, scripts).await;
        for _ in 0..2 {
            let provider = provider(&format!("https://localhost:{}/v1", upstream.address.port()));
            assert_eq!(ask(&trusting(&pem), &provider).await, expected, "{bytes}");
        }
    }
}

#[actix_rt::test]
async fn a_tls_connection_serves_again() {
    let (pem, acceptor) = bearer("localhost", false, &[]);
    let upstream =
        upstream(acceptor, vec![vec![Step::Request, answer("1"), Step::Request, answer("2"), Step::Gone]])
            .await;
    let transport = trusting(&pem);
    let provider = provider(&format!("https://localhost:{}/v1", upstream.address.port()));
    assert_eq!(ask(&transport, &provider).await, "200 1");
    assert_eq!(ask(&transport, &provider).await, "200 2");
    assert_eq!(upstream.connections(), 1);
}
