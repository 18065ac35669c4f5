//! Two teams and every operation on what providers keep, from the gateway's own table: what another team made is told
//! of in the very bytes of what never was, and no provider hears of it.

use nexus_wire::surface::{How, Method, Resource, Row, SURFACE};
use serde_json::json;

use super::{ask, ids, site};
use crate::node::Node;

/// A path with these ids in its places.
fn filled(row: &Row, ids: &[&str]) -> String {
    let mut ids = ids.iter();
    let segment = |segment: &str| match segment.starts_with('{') {
        true => ids.next().copied().unwrap_or("below_1").to_owned(),
        false => segment.to_owned(),
    };
    row.path.split('/').map(segment).collect::<Vec<_>>().join("/")
}

/// Makes one thing of the kind a row's path names first; `None` where its collection makes none by itself.
fn made(node: &Node<'_>, key: &str, row: &Row) -> Option<String> {
    let collection = row.path.split("/{").next().unwrap();
    let makes = |row: &&Row| row.method == Method::Post && row.path == collection && row.how == How::Kept;
    SURFACE.iter().find(makes)?;
    let body = if collection == "/v1/files" { super::file("batch", "{}") } else { json!({}).to_string() };
    let answer = ask(node, key, "POST", collection, &body);
    assert_eq!(answer.status, 200, "{collection}: {}", answer.text());
    Some(answer.json()["id"].as_str().unwrap().to_owned())
}

#[test]
fn what_another_team_made_is_not_there_by_any_operation() {
    let (mock, site, red, blue) = site();
    let node = site.start();
    let mut tried = 0;
    for row in SURFACE.iter().filter(|row| row.how == How::Kept && row.path.contains('{')) {
        let Some(id) = made(&node, &red, row) else { continue };
        let body = if row.method == Method::Post { "{}" } else { "" };
        let unknown = "thing_999999";
        let before = mock.requests().len();
        let of = |id: &str| ask(&node, &blue, row.method.as_str(), &filled(row, &[id]), body);
        let (foreign, nothing) = (of(&id), of(unknown));
        assert_eq!((foreign.status, nothing.status), (404, 404), "{} {}", row.method, row.path);
        let told = foreign.text().replace(&id, unknown);
        assert_eq!(told, nothing.text(), "{} {}", row.method, row.path);
        assert_eq!(mock.requests().len(), before, "{} {} reached the provider", row.method, row.path);
        let own = ask(&node, &red, row.method.as_str(), &filled(row, &[&id]), body);
        let is_inner_file = Resource::of(row).unwrap().named[1] == Some("file");
        assert_eq!(
            own.status,
            if is_inner_file { 404 } else { 200 },
            "{} {}: {}",
            row.method,
            row.path,
            own.text()
        );
        tried += 1;
    }
    assert!(tried > 70, "only {tried}");
}

#[test]
fn what_another_team_made_is_on_no_list() {
    let (_mock, site, red, blue) = site();
    let node = site.start();
    let mut tried = 0;
    for row in SURFACE.iter().filter(|row| row.how == How::Kept) {
        if Resource::of(row).unwrap().lists.is_none() {
            continue;
        }
        let Some(id) = made(&node, &red, row) else { continue };
        assert_eq!(ids(&ask(&node, &red, "GET", row.path, "")), [id], "{}", row.path);
        assert!(ids(&ask(&node, &blue, "GET", row.path, "")).is_empty(), "{}", row.path);
        tried += 1;
    }
    assert!(tried > 9, "only {tried}");
}

#[test]
fn a_file_of_another_team_is_in_no_vector_store() {
    let (mock, site, red, blue) = site();
    let node = site.start();
    let file = super::upload(&node, &red);
    let store =
        ask(&node, &blue, "POST", "/v1/vector_stores", "{}").json()["id"].as_str().unwrap().to_owned();
    let before = mock.requests().len();
    for (method, path, body) in [
        ("POST", format!("/v1/vector_stores/{store}/files"), json!({ "file_id": file }).to_string()),
        (
            "POST",
            format!("/v1/vector_stores/{store}/file_batches"),
            json!({ "file_ids": [file] }).to_string(),
        ),
        ("GET", format!("/v1/vector_stores/{store}/files/{file}"), String::new()),
        ("DELETE", format!("/v1/vector_stores/{store}/files/{file}"), String::new()),
    ] {
        let foreign = ask(&node, &blue, method, &path, &body);
        let unknown = ask(
            &node,
            &blue,
            method,
            &path.replace(&file, "file-999999"),
            &body.replace(&file, "file-999999"),
        );
        assert_eq!(
            (foreign.status, foreign.text().replace(&file, "X")),
            (404, unknown.text().replace("file-999999", "X"))
        );
    }
    assert_eq!(mock.requests().len(), before);
}

#[test]
fn what_is_made_along_with_something_is_the_same_teams() {
    let (_mock, site, red, blue) = site();
    let node = site.start();
    let run = ask(&node, &red, "POST", "/v1/threads/runs", r#"{"thread":{}}"#);
    assert_eq!(run.status, 200, "{}", run.text());
    let thread = run.json()["thread_id"].as_str().unwrap().to_owned();
    assert_eq!(ask(&node, &red, "GET", &format!("/v1/threads/{thread}"), "").status, 200);
    assert_eq!(ask(&node, &blue, "GET", &format!("/v1/threads/{thread}"), "").status, 404);
}
