//! The console's files as a browser is given them: to whoever asks, under a policy that runs and frames nothing
//! foreign. They hold whether or not the console is in this build; what it does is tried in a browser elsewhere.

use crate::node::mocked;

#[test]
fn a_browser_is_given_the_console_and_told_to_run_nothing_foreign() {
    let (_mock, site) = mocked(&[]);
    let node = site.start();
    for path in ["/console/", "/console/index.html", "/console/keys", "/console/cost?by=team"] {
        let page = node.request("GET", path, &[], "");
        assert_eq!(
            (page.status, page.header("content-type")),
            (200, Some("text/html; charset=utf-8")),
            "{path}"
        );
        assert!(page.text().starts_with("<!doctype html>"), "{path}");
        let policy = page.header("content-security-policy").unwrap();
        for part in ["default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"]
        {
            assert!(policy.contains(part), "{policy}");
        }
        assert!(!policy.contains("unsafe") && !page.text().contains("<style"), "{policy}");
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(page.header("cache-control"), Some("no-cache"));
    }
    node.stop();
}

#[test]
fn a_browser_that_has_the_page_already_is_not_given_it_again() {
    let (_mock, site) = mocked(&[]);
    let node = site.start();
    let page = node.request("GET", "/console/", &[], "");
    let etag = page.header("etag").unwrap();
    for (tag, status) in [(etag, 304), ("\"another\"", 200)] {
        let again = node.request("GET", "/console/", &[("if-none-match", tag)], "");
        assert_eq!((again.status, again.header("etag")), (status, Some(etag)), "{tag}");
        assert_eq!(again.body.is_empty(), status == 304);
    }
    for (path, status) in
        [("/console", 308), ("/console/assets/gone-0.js", 404), ("/console/../nexus.yaml", 404)]
    {
        assert_eq!(node.request("GET", path, &[], "").status, status, "{path}");
    }
    node.stop();
}
