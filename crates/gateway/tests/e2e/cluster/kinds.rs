//! The servers that nodes can share limits in: with TLS, with an ACL, of a cluster, and known by sentinels.

use std::fs;

use nexus_testkit::Mock;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use super::{call, knows, number, quota, served, server::Server, settled};
use crate::{
    admin::{Api, platform_key},
    node::{Node, Site, mocked, until},
};

/// A site that shares limits at this URL.
fn site(url: &str, variables: &[(&'static str, String)]) -> (Mock, Site) {
    let (mock, mut site) = mocked(&[]);
    site.variables.push(("REDIS_URL", url.to_owned()));
    site.variables.extend_from_slice(variables);
    (mock, site)
}

/// On a budget for three calls three are served.
fn check(url: &str, variables: &[(&'static str, String)]) {
    let (mock, site) = site(url, variables);
    let (admin, (id, key)) = (platform_key(&site), site.key("app"));
    let node = site.start();
    quota(&Api::new(&node, &admin), "requests", &id, 3);
    knows(&node, &key, 3);
    (0..3).for_each(|_| served(&site, &key));
    assert_eq!((call(&site, &key), mock.requests().len()), (429, 3));
    let page = node.metrics();
    assert!(number(&page, "nexus_lease_waits_total").is_some_and(|waits| waits >= 3.0), "it was asked");
}

/// Whether a node with these variables reaches the server; what it logs.
fn reaches(url: &str, variables: &[(&'static str, String)]) -> (bool, String) {
    let (_mock, site) = site(url, variables);
    let node = site.start();
    let said = |node: &Node<'_>| number(&node.metrics(), "nexus_sharing_up");
    let is_up = until("it was tried", || said(&node)) > 0.0;
    (is_up, site.log())
}

#[test]
fn a_server_with_tls_is_reached_by_whoever_knows_its_authority() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let authority = || {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = params.self_signed(&key).unwrap().pem();
        (root, Issuer::new(params, key))
    };
    let ((root, issuer), (other, _)) = (authority(), authority());
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let (root, other) = (file("root.pem", &root), file("other.pem", &other));
    let (own, key) = (file("own.pem", &own.pem()), file("own.key", &key.serialize_pem()));
    let arguments = [
        "--tls-cert-file",
        &own,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        &root,
        "--tls-auth-clients",
        "no",
    ];
    let Some(server) = Server::start_as(&arguments) else { return };
    let url = server.url().replacen("redis://", "rediss://", 1);
    check(&url, &[("SSL_CERT_FILE", root.clone())]);
    for (url, roots) in [(&url, other), (&server.url(), root)] {
        let (is_up, log) = reaches(url, &[("SSL_CERT_FILE", roots)]);
        assert!(!is_up && log.contains("out of reach"), "{url}: {log}");
    }
}

#[test]
fn a_user_with_just_the_commands_that_are_documented_is_enough() {
    let user = "nexus on >canary-of-redis ~{nexus:* +evalsha +eval +script|load +get +set +del +time +info";
    let words: Vec<&str> =
        ["--user"].into_iter().chain(user.split(' ')).chain(["--user", "default", "off"]).collect();
    let Some(server) = Server::start_as(&words) else { return };
    let url = |credentials: &str| server.url().replacen("://", &format!("://{credentials}@"), 1);
    check(&url("nexus:canary-of-redis"), &[]);
    let (is_up, log) = reaches(&url("nexus:another"), &[]);
    assert!(!is_up && log.contains("name or password in `REDIS_URL`"), "{log}");
    assert!(!log.contains("another"), "no password in a log");
}

#[test]
fn a_cluster_of_one_server_keeps_everything_in_one_slot() {
    let folder = tempfile::tempdir().unwrap();
    let nodes = folder.path().join("nodes.conf").display().to_string();
    let Some(server) = Server::start_as(&["--cluster-enabled", "yes", "--cluster-config-file", &nodes])
    else {
        return;
    };
    server.ask(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
    until("the cluster is there", || {
        server.ask(&["CLUSTER", "INFO"]).contains("cluster_state:ok").then_some(())
    });
    check(&server.url(), &[]);
}

#[test]
fn where_sentinels_put_another_server_in_place_nodes_follow_and_tell_it_what_they_have() {
    let Some(mut first) = Server::start() else { return };
    let (host, port) = (first.address.ip().to_string(), first.address.port().to_string());
    let Some(second) = Server::start_as(&["--replicaof", &host, &port]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let Some(sentinel) = Server::start_sentinel(first.address, folder.path()) else { return };
    let known = |of: &str| sentinel.ask(&["SENTINEL", of, "main"]);
    until("the sentinel knows the replica", || {
        known("REPLICAS").contains(&second.address.port().to_string()).then_some(())
    });
    let url = format!("redis+sentinel://{}/main", sentinel.address);
    let (mock, site) = site(&url, &[]);
    let (admin, (id, key)) = (platform_key(&site), site.key("app"));
    let node = site.start();
    quota(&Api::new(&node, &admin), "requests", &id, 5);
    knows(&node, &key, 5);
    (0..2).for_each(|_| served(&site, &key));
    first.kill();
    until("the replica is in its place", || {
        sentinel
            .ask(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main"])
            .contains(&second.address.port().to_string())
            .then_some(())
    });
    until("the node is at the replica", || {
        let is_there = second.ask(&["CLIENT", "LIST"]).lines().any(|line| line.contains("cmd=evalsha"));
        is_there.then_some(())
    });
    settled(&node);
    // it is the only node, so what it knows is all that there is: it goes on to the rest and no further
    (0..3).for_each(|_| served(&site, &key));
    assert_eq!((call(&site, &key), mock.requests().len()), (429, 5));
}
