//! Browsers: which pages may call, what they are told they may send, and what `OPTIONS` says to anybody.

use crate::node::{ask, mocked};

const PAGE: &str = "https://app.example.com";

#[test]
fn a_page_may_call_where_its_origin_is_named_and_nowhere_else() {
    let (_mock, mut site) = mocked(&[]);
    let (_, key) = site.key("app");
    let node = site.start();
    let bearer = format!("Bearer {key}");
    let from = |origin| {
        [("authorization", bearer.as_str()), ("content-type", "application/json"), ("origin", origin)]
    };
    let chat = node.request("POST", "/v1/chat/completions", &from(PAGE), &ask("gpt"));
    assert_eq!((chat.status, chat.header("access-control-allow-origin")), (200, None), "off by default");
    drop(node);
    site.variables.push(("NEXUS_SERVER__CORS_ORIGINS", PAGE.to_owned()));
    let node = site.start();
    for (origin, allowed) in [(PAGE, Some(PAGE)), ("https://evil.example.com", None)] {
        let asks = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "authorization, content-type, x-stainless-lang"),
        ];
        let told = node.request("OPTIONS", "/v1/chat/completions", &asks, "");
        assert_eq!((told.status, told.header("access-control-allow-origin")), (204, allowed));
        assert_eq!(
            told.header("access-control-allow-headers"),
            Some("authorization, content-type, x-stainless-lang")
        );
        assert!(told.header("access-control-allow-methods").unwrap().contains("POST"));
        let chat = node.request("POST", "/v1/chat/completions", &from(origin), &ask("gpt"));
        assert_eq!((chat.status, chat.header("access-control-allow-origin")), (200, allowed));
        let exposed = chat.header("access-control-expose-headers").unwrap_or_default();
        assert_eq!(exposed.contains("x-request-id"), allowed.is_some());
        let refused = node.request("GET", "/v1/models", &[("origin", origin)], "");
        assert_eq!((refused.status, refused.header("access-control-allow-origin")), (401, allowed));
        let admin = node.request("GET", "/admin/v1/teams", &from(origin), "");
        assert_eq!(admin.header("access-control-allow-origin"), None, "never the administration");
    }
}

#[test]
fn options_says_which_methods_a_url_takes_and_so_does_a_405() {
    let (_mock, site) = mocked(&[]);
    let node = site.start();
    for (path, methods) in [
        ("/v1/chat/completions", "POST, GET, HEAD, OPTIONS"),
        ("/v1/embeddings", "POST, OPTIONS"),
        ("/v1/files/file-1", "GET, DELETE, HEAD, OPTIONS"),
    ] {
        let told = node.request("OPTIONS", path, &[], "");
        assert_eq!((told.status, told.header("allow")), (204, Some(methods)), "{path}");
        let wrong = node.request("PATCH", path, &[], "");
        assert_eq!((wrong.status, wrong.header("allow")), (405, Some(methods)), "{path}");
    }
    assert_eq!(node.request("OPTIONS", "/v1/nothing", &[], "").status, 404);
}
