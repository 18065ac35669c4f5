//! The administration over REST: things are made, shown, changed and taken away, each member as it was said.

mod audit;
mod config;
mod foreign;
mod keys;
mod limits;
mod lists;
mod matrix;
mod moved;
mod problems;
mod providers;
mod quotas;
mod revisions;
mod routes;
mod rules;
mod sessions;
mod shapes;
mod signed;
mod teams;
mod urls;

use serde_json::Value;

use crate::{
    client::Answer,
    node::{Node, Site, until},
};

/// The administration as one key sees it.
pub struct Api<'a> {
    node: &'a Node<'a>,
    bearer: String,
}

impl<'a> Api<'a> {
    pub fn new(node: &'a Node<'a>, key: &str) -> Self {
        Self { node, bearer: format!("Bearer {key}") }
    }

    /// As whoever holds a key that was just made: waits until it is in force.
    pub fn fresh(node: &'a Node<'a>, key: &str) -> Self {
        let api = Self::new(node, key);
        until("the key is in force", || (api.get("/openapi.json").status != 401).then_some(()));
        api
    }

    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut all = vec![("authorization", self.bearer.as_str())];
        if !body.is_empty() {
            all.push(("content-type", "application/json"));
        }
        all.extend(headers);
        self.node.request(method, &format!("/admin/v1{path}"), &all, body)
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "")
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &[], &body.to_string())
    }

    /// Changes what has this version.
    pub fn patch(&self, path: &str, version: &Value, body: &Value) -> Answer {
        self.send("PATCH", path, &[("if-match", &format!("\"{version}\""))], &body.to_string())
    }

    pub fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, &[], "")
    }

    /// Makes something and gives back how it is shown.
    pub fn make(&self, path: &str, body: &Value) -> Value {
        let answer = self.post(path, body);
        assert_eq!(answer.status, 201, "{path} {body}: {}", answer.text());
        answer.json()
    }
}

/// A key made by the command line: the platform's own.
pub fn platform_key(site: &Site) -> String {
    site.key("admin").1
}

/// Asserts that an answer is a problem of this code, in its proper form.
#[track_caller]
pub fn assert_problem(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, answer.json()["code"].as_str()), (status, Some(code)), "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert_eq!(answer.json()["status"], status);
    assert!(answer.header("x-request-id").is_some());
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

/// Asserts that an object has these members with these values, whatever else it has.
#[track_caller]
pub fn assert_says(object: &Value, members: &Value) {
    for (name, value) in members.as_object().unwrap() {
        assert_eq!(&object[name], value, "`{name}` of {object}");
    }
}
