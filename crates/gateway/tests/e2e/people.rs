//! People at the console: how they are made, how they sign in, and when they are out again.

mod anomalies;
pub mod oidc;
mod passwords;
pub mod provider;
mod users;

use std::{io::Write as _, process::Stdio};

use serde_json::{Value, json};

use crate::{
    client::Answer,
    node::{Node, Site},
};

pub const PASSWORD: &str = "correct horse battery staple";

/// Makes a user with the command line, the password from its standard input.
pub fn make_user(site: &Site, email: &str, role: &str) -> Value {
    let arguments = [
        "user",
        "create",
        "--email",
        email,
        "--role",
        role,
        "--password-stdin",
        "--output",
        "json",
        "--config",
        "nexus.yaml",
    ];
    let mut command = site.command(&arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    writeln!(child.stdin.take().unwrap(), "{PASSWORD}").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Somebody's browser.
pub struct Console<'a> {
    node: &'a Node<'a>,
    /// As it goes into the `Cookie` header.
    pub cookie: String,
    pub csrf_token: String,
}

impl<'a> Console<'a> {
    /// Signs in, which must succeed.
    pub fn enter(node: &'a Node<'a>, email: &str, password: &str) -> Self {
        let answer = sign_in(node, email, password);
        assert_eq!(answer.status, 200, "{}", answer.text());
        Self {
            node,
            cookie: cookies(&answer).remove(0).split(';').next().unwrap().to_owned(),
            csrf_token: answer.json()["csrf_token"].as_str().unwrap().to_owned(),
        }
    }

    /// Goes on with a session that was begun elsewhere.
    pub fn resume(node: &'a Node<'a>, cookie: &str) -> Self {
        let mut console = Self { node, cookie: cookie.to_owned(), csrf_token: String::new() };
        let shown = console.get("/session");
        assert_eq!(shown.status, 200, "{}", shown.text());
        console.csrf_token = shown.json()["csrf_token"].as_str().unwrap().to_owned();
        console
    }

    pub fn get(&self, path: &str) -> Answer {
        let headers = [("cookie", self.cookie.as_str())];
        self.node.request("GET", &format!("/admin/v1{path}"), &headers, "")
    }

    /// Changes something as the console does.
    pub fn change(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        let mut all = vec![("x-csrf-token", self.csrf_token.as_str())];
        all.extend(headers);
        self.forge(method, path, &all, body)
    }

    /// Changes something as a page of somebody else's would.
    pub fn forge(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        let mut all = vec![("cookie", self.cookie.as_str()), ("content-type", "application/json")];
        all.extend(headers);
        self.node.request(method, &format!("/admin/v1{path}"), &all, &body.to_string())
    }
}

pub fn sign_in(node: &Node<'_>, email: &str, password: &str) -> Answer {
    let body = json!({ "email": email, "password": password }).to_string();
    node.request("POST", "/admin/v1/session", &[("content-type", "application/json")], &body)
}

/// Every `Set-Cookie` of an answer.
pub fn cookies(answer: &Answer) -> Vec<String> {
    let lines = answer.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
    lines.map(|(_, line)| line.clone()).collect()
}
