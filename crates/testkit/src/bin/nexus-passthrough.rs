//! The benchmark's reference: a plain actix-web + awc pass-through on one worker, doing nothing a proxy can do without.
//!
//! It is the floor the gateway is measured against, so every default that slows it down is set right: no Nagle on either side, no connection limit, no redirects, no decompression.

use std::io::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use actix_service::ServiceExt as _;
use actix_tls::connect::Connection;
use actix_web::http::header::{self, HeaderMap, HeaderName};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, error, web};
use awc::http::Uri;
use clap::Parser;
use tokio::net::TcpStream;

const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;
const HOP_BY_HOP: [HeaderName; 4] =
    [header::CONNECTION, header::HOST, header::CONTENT_LENGTH, header::TRANSFER_ENCODING];

/// Passes every request on to another server, and its answer back.
#[derive(Clone, Debug, Parser)]
struct Flags {
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The origin to pass on to, as in `http://127.0.0.1:9000`
    #[arg(long)]
    upstream: String,
}

#[actix_web::main]
async fn main() -> anyhow::Result<()> {
    let flags = Flags::parse();
    let upstream = flags.upstream.trim_end_matches('/').to_owned();
    let app = move || {
        App::new()
            .app_data(web::PayloadConfig::new(MAX_BODY_BYTES))
            .app_data(web::Data::new(client()))
            .app_data(web::Data::new(upstream.clone()))
            .default_service(web::to(pass))
    };
    let server = HttpServer::new(app)
        .workers(1)
        .tcp_nodelay(true)
        .keep_alive(Duration::from_secs(75))
        .bind(flags.listen)?;
    for addr in server.addrs() {
        writeln!(std::io::stdout(), "pass-through on http://{addr}")?;
    }
    Ok(server.run().await?)
}

fn client() -> awc::Client {
    let tcp = actix_tls::connect::Connector::default().service();
    let tcp = tcp.map(|connection: Connection<Uri, TcpStream>| {
        // without it the figures are worse, never wrong
        let _ = connection.io_ref().set_nodelay(true);
        connection
    });
    let connector = awc::Connector::new().connector(tcp).limit(0).conn_keep_alive(Duration::from_secs(75));
    awc::Client::builder()
        .connector(connector.conn_lifetime(Duration::from_secs(3600)))
        .disable_timeout()
        .disable_redirects()
        .no_default_headers()
        .finish()
}

async fn pass(
    request: HttpRequest,
    body: web::Bytes,
    client: web::Data<awc::Client>,
    upstream: web::Data<String>,
) -> actix_web::Result<HttpResponse> {
    let url = format!("{}{}", upstream.as_str(), request.uri());
    let mut onward = client.request(request.method().clone(), url).no_decompress();
    copy_headers(request.headers(), onward.headers_mut());
    let answer = onward.send_body(body).await.map_err(error::ErrorBadGateway)?;
    let mut back = HttpResponse::build(answer.status());
    for (name, value) in answer.headers() {
        if !HOP_BY_HOP.contains(name) {
            back.append_header((name, value));
        }
    }
    let length = answer.headers().get(header::CONTENT_LENGTH);
    if let Some(length) = length.and_then(|length| length.to_str().ok()?.parse().ok()) {
        back.no_chunking(length);
    }
    Ok(back.streaming(answer))
}

fn copy_headers(from: &HeaderMap, to: &mut HeaderMap) {
    for (name, value) in from {
        if !HOP_BY_HOP.contains(name) {
            to.append(name.clone(), value.clone());
        }
    }
}
