//! Several nodes of one installation: what they share holds for all of them together, whoever dies.

mod kinds;
mod promises;
mod rates;
mod server;

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use nexus_keystore::{
    request_signature::{Proof, Request, sign},
    secret::Secret,
};
use serde_json::json;

use self::server::Server;
use crate::{
    admin::{Api, assert_says, platform_key},
    client::Client,
    node::{Node, Site, ask, ask_stream, mocked, provider, until},
};

/// So many sites that share one database and one server.
fn sites(mock: &str, first: &Site, server: &Server, count: usize) -> Vec<Site> {
    let url = format!("sqlite://{}", first.file("nexus-data/nexus.db").display());
    let mut sites: Vec<Site> = (0..count).map(|_| Site::new(&provider("mock", mock, MODELS))).collect();
    for site in &mut sites {
        site.variables.push(("DATABASE_URL", url.clone()));
        site.variables.push(("REDIS_URL", server.url()));
    }
    sites
}

const MODELS: &[(&str, &str)] = &[
    ("gpt", "mock-gpt"),
    ("slow", "mock-gpt+events=12+delay_ms=between:100"),
    ("endless", "mock-gpt+fault=hang_after:2"),
];

fn quota(api: &Api<'_>, measure: &str, key: &str, limit: u64) -> String {
    let wish = json!({
        "name": format!("{measure} {limit} of {key}"), "subject": "key", "subject_value": key, "measure": measure,
        "window": "total", "limit": limit,
    });
    api.make("/quotas", &wish)["id"].as_str().unwrap().to_owned()
}

/// Waits until a quota of a key is in force at a node, and the node reaches what is shared.
fn knows(node: &Node<'_>, key: &str, limit: u64) {
    let bearer = format!("Bearer {key}");
    until("the quota is in force", || {
        let shown = node.request("GET", "/v1/me", &[("authorization", bearer.as_str())], "");
        shown.text().contains(&format!(r#""limit":{limit}"#)).then_some(())
    });
    settled(node);
}

fn settled(node: &Node<'_>) {
    let is_up = || number(&node.metrics(), "nexus_sharing_up") == Some(1.0);
    until("the node reaches what is shared", || is_up().then_some(()));
}

fn number(page: &str, series: &str) -> Option<f64> {
    let line = page.lines().find(|line| line.starts_with(series) && !line.starts_with('#'))?;
    line.rsplit(' ').next()?.parse().ok()
}

/// The status of a call; 0 where the node broke off.
fn call(site: &Site, key: &str) -> u16 {
    let bearer = format!("Bearer {key}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
        ("cache-control", "no-store"),
    ];
    let answer = Client::connect(site.api).and_then(|mut client| {
        client.send("POST", "/v1/chat/completions", &headers, ask("gpt").as_bytes())?;
        client.answer()
    });
    answer.map_or(0, |answer| answer.status)
}

#[test]
fn of_five_hundred_calls_at_three_nodes_on_a_budget_for_ten_ten_are_served_though_one_is_killed() {
    let Some(server) = Server::start() else { return };
    let (mock, first) = mocked(&[]);
    let (admin, (id, key)) = (platform_key(&first), first.key("app"));
    let sites = sites(&mock.url(), &first, &server, 3);
    let nodes: Vec<Node<'_>> = sites.iter().map(Site::start).collect();
    quota(&Api::new(&nodes[0], &admin), "requests", &id, 10);
    nodes.iter().for_each(|node| knows(node, &key, 10));
    let (served, asked) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for at in 0..500 {
            let (served, asked, nodes, site, key) = (&served, &asked, &nodes, &sites[at % 3], &key);
            scope.spawn(move || {
                let status = call(site, key);
                assert!([0, 200, 429].contains(&status), "{status}");
                served.fetch_add(usize::from(status == 200), Ordering::Relaxed);
                if asked.fetch_add(1, Ordering::Relaxed) == 0 {
                    nodes[2].signal("KILL");
                }
            });
        }
    });
    let reached = mock.requests().len();
    assert!(reached <= 10, "{reached} calls reached the provider");
    assert!(served.load(Ordering::Relaxed) <= reached);
    // the others go on to what is left; what the dead one had let through and not yet sent is lost with it
    while call(&sites[0], &key) == 200 {}
    assert_eq!([call(&sites[0], &key), call(&sites[1], &key)], [429, 429]);
    let all = mock.requests().len();
    eprintln!("{all} of 10 reached the provider, {reached} of them in the rush");
    assert!(all <= 10, "{all} calls reached the provider");
}

#[test]
fn what_a_dead_node_held_for_calls_under_way_is_free_when_its_lease_is_over() {
    let Some(server) = Server::start() else { return };
    let (mock, first) = mocked(&[]);
    let (admin, (id, key)) = (platform_key(&first), first.key("app"));
    let sites = sites(&mock.url(), &first, &server, 2);
    let nodes: Vec<Node<'_>> = sites.iter().map(Site::start).collect();
    quota(&Api::new(&nodes[0], &admin), "concurrent", &id, 1);
    nodes.iter().for_each(|node| knows(node, &key, 1));
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let begin = |site: &Site, model: &str| {
        let mut client = Client::connect(site.api).unwrap();
        client.send("POST", "/v1/chat/completions", &headers, ask_stream(model).as_bytes()).unwrap();
        let status = client.head().unwrap().status;
        (client, status)
    };
    let begun = |site: &Site, model: &str| {
        until("a stream begins", || Some(begin(site, model)).filter(|one| one.1 == 200)).0
    };
    let mut slow = begun(&sites[1], "slow");
    assert_eq!(call(&sites[0], &key), 429, "the only place is had by the other node");
    while !slow.chunk().unwrap().is_empty() {}
    // a place that is given back is had by the other
    served(&sites[0], &key);
    let _endless = begun(&sites[1], "endless");
    nodes[1].signal("KILL");
    assert_eq!(call(&sites[0], &key), 429, "nobody knows yet that it is dead");
    served(&sites[0], &key);
}

#[test]
fn what_a_killed_node_had_and_had_not_spent_is_had_again_when_it_is_back() {
    let Some(server) = Server::start() else { return };
    let (mock, first) = mocked(&[]);
    let (admin, (id, key)) = (platform_key(&first), first.key("app"));
    let sites = sites(&mock.url(), &first, &server, 2);
    let (other, mut node) = (sites[0].start(), sites[1].start());
    let wanted = quota(&Api::new(&other, &admin), "requests", &id, 200);
    [&other, &node].into_iter().for_each(|node| knows(node, &key, 200));
    served(&sites[0], &key);
    let used = || {
        let shown = Api::new(&other, &admin).get(&format!("/quotas/{wanted}/holders")).json();
        shown["used"].as_u64().unwrap()
    };
    let reached = || mock.requests().len() as u64;
    // it leases ahead by what it uses
    until("the node has more than it used", || {
        served(&sites[1], &key);
        served(&sites[0], &key);
        (used() > reached() + 5).then_some(())
    });
    node.signal("KILL");
    node.wait();
    let spent = reached();
    assert!(used() > spent, "nobody knows what the dead node used");
    let _back = sites[1].start();
    until("what it had is known to be free", || {
        served(&sites[0], &key);
        (used() <= reached() + 1).then_some(())
    });
    until("all of it is used", || {
        call(&sites[0], &key);
        call(&sites[1], &key);
        (reached() >= 200).then_some(())
    });
    assert_eq!([call(&sites[0], &key), call(&sites[1], &key)], [429, 429]);
    assert_eq!(reached(), 200);
}

/// Calls until one is served: a busy machine may make a server slow.
fn served(site: &Site, key: &str) {
    until("a call is served", || (call(site, key) == 200).then_some(()));
}

/// How often each status came, and how long the slowest call took.
fn load(sites: &[Site], key: &str, until: Instant) -> (Vec<(u16, usize)>, Duration) {
    let count = std::sync::Mutex::new((std::collections::BTreeMap::new(), Duration::ZERO));
    std::thread::scope(|scope| {
        for site in sites.iter().cycle().take(4) {
            scope.spawn(|| {
                while Instant::now() < until {
                    let begun = Instant::now();
                    let status = call(site, key);
                    let mut count = count.lock().unwrap();
                    *count.0.entry(status).or_insert(0_usize) += 1;
                    count.1 = count.1.max(begun.elapsed());
                }
            });
        }
    });
    let (statuses, slowest) = count.into_inner().unwrap();
    (statuses.into_iter().collect(), slowest)
}

#[test]
fn no_call_fails_while_the_server_is_stopped_or_killed_under_load() {
    let Some(mut server) = Server::start() else { return };
    let (mock, first) = mocked(&[]);
    let (admin, (id, key)) = (platform_key(&first), first.key("app"));
    let sites = sites(&mock.url(), &first, &server, 2);
    let nodes: Vec<Node<'_>> = sites.iter().map(Site::start).collect();
    let wanted = quota(&Api::new(&nodes[0], &admin), "requests", &id, 1_000_000);
    nodes.iter().for_each(|node| knows(node, &key, 1_000_000));
    let down = |nodes: &[Node<'_>]| {
        until("both nodes see that it is away", || {
            nodes.iter().all(|node| number(&node.metrics(), "nexus_sharing_up") == Some(0.0)).then_some(())
        });
    };
    let during = |seconds: u64| Instant::now() + Duration::from_secs(seconds);
    sites.iter().for_each(|site| served(site, &key));
    // what is leased ahead follows what is used
    let warm = load(&sites, &key, during(2));
    eprintln!("before: {warm:?}");
    server.signal("STOP");
    let stopped = load(&sites, &key, during(3));
    down(&nodes);
    server.signal("CONT");
    nodes.iter().for_each(settled);
    server.kill();
    let killed = load(&sites, &key, during(2));
    down(&nodes);
    server.start_again();
    nodes.iter().for_each(settled);
    let after = load(&sites, &key, during(1));
    for (when, (statuses, slowest)) in [("stopped", stopped), ("killed", killed), ("after", after)] {
        eprintln!("{when}: {statuses:?}, the slowest in {slowest:?}");
        assert!(statuses.iter().all(|(status, _)| *status == 200), "{when}: {statuses:?}");
    }
    // what was lost is told again: the new memory knows at least what was used
    let used = |node: &Node<'_>| {
        let shown = Api::new(node, &admin).get(&format!("/quotas/{wanted}/holders")).json();
        shown["used"].as_u64().unwrap()
    };
    let all = mock.requests().len() as u64;
    until("the nodes know what all have used", || nodes.iter().all(|node| used(node) >= all).then_some(()));
}

#[test]
fn where_redis_is_away_each_quota_refuses_or_allows_as_it_says() {
    let Some(mut server) = Server::start() else { return };
    let (mock, first) = mocked(&[]);
    let admin = platform_key(&first);
    let keys = [("refuse", 429), ("allow", 200)].map(|(mode, status)| (mode, status, first.key("app")));
    let sites = sites(&mock.url(), &first, &server, 1);
    let node = sites[0].start();
    let api = Api::new(&node, &admin);
    for (mode, _, (id, key)) in &keys {
        let wanted = quota(&api, "requests", id, 20);
        let path = format!("/quotas/{wanted}");
        let changed = api.patch(&path, &json!(1), &json!({ "when_alone": mode }));
        assert_eq!((changed.status, &changed.json()["when_alone"]), (200, &json!(mode)));
        knows(&node, key, 20);
        served(&sites[0], key);
    }
    server.kill();
    until("it is away", || (number(&node.metrics(), "nexus_sharing_up") == Some(0.0)).then_some(()));
    for (mode, status, (_, key)) in &keys {
        assert_eq!(call(&sites[0], key), *status, "{mode}");
    }
}

#[test]
fn what_somebody_else_wrote_is_ignored_and_counted() {
    let Some(server) = Server::start() else { return };
    let (mock, first) = mocked(&[]);
    let (admin, (id, key)) = (platform_key(&first), first.key("app"));
    let sites = sites(&mock.url(), &first, &server, 1);
    let node = sites[0].start();
    let wanted = quota(&Api::new(&node, &admin), "requests", &id, 3);
    knows(&node, &key, 3);
    for _ in 0..2 {
        served(&sites[0], &key);
    }
    let kept = server.ask(&["KEYS", "*"]);
    let name = kept
        .lines()
        .find(|line| line.starts_with("{nexus:") && !line.ends_with(":memory") && !line.ends_with(":run"))
        .unwrap();
    assert!(!kept.contains(&wanted) && !server.ask(&["GET", name]).contains(&wanted), "names tell nothing");
    server.ask(&["SET", name, "lease1 1 0"]);
    // it would be room for three; what the node knows it had counts on, and nobody gets more for a while
    assert_eq!(call(&sites[0], &key), 429);
    until("it is counted", || {
        let page = node.metrics();
        number(&page, "nexus_lease_tampered_total").filter(|count| *count >= 1.0)
    });
}

#[test]
fn a_signature_that_was_used_at_one_node_is_used_up_at_the_other() {
    let Some(server) = Server::start() else { return };
    let (mock, first) = mocked(&[]);
    let admin = platform_key(&first);
    let sites = sites(&mock.url(), &first, &server, 2);
    let nodes: Vec<Node<'_>> = sites.iter().map(Site::start).collect();
    nodes.iter().for_each(settled);
    let made = Api::new(&nodes[0], &admin).make("/keys", &json!({ "level": "admin", "signing": "required" }));
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    let secret = Secret::new(text("signing_secret"));
    let (method, path) = ("GET", "/admin/v1/teams");
    let ask = |node: &Node<'_>, nonce: &str| {
        let request = Request { method, path, ..Request::default() };
        let created_s = made["created_at"].as_i64().unwrap();
        let proof = Proof { created_s, nonce: nonce.to_owned() };
        let stamp = sign(&request, b"", &secret, &text("id"), &proof).unwrap();
        let bearer = format!("Bearer {}", text("key"));
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-digest", &stamp.content_digest),
            ("signature-input", &stamp.signature_input),
            ("signature", &stamp.signature),
        ];
        node.request(method, path, &headers, "")
    };
    let mut nonces = 0;
    let fresh = until("the other node knows the key", || {
        nonces += 1;
        let nonce = format!("nonce-of-both-{nonces}");
        (ask(&nodes[1], &nonce).status == 200).then_some(nonce)
    });
    let again = ask(&nodes[0], &fresh);
    assert_eq!(again.status, 401);
    assert!(again.text().contains("nonce_replayed"), "{}", again.text());
    assert_eq!(ask(&nodes[0], "another-nonce").status, 200);
}

#[test]
fn nodes_are_listed_and_what_one_does_another_does_when_it_is_gone() {
    let (mock, first) = mocked(&[]);
    let admin = platform_key(&first);
    let url = format!("sqlite://{}", first.file("nexus-data/nexus.db").display());
    let mut sites: Vec<Site> = (0..3).map(|_| Site::new(&provider("mock", &mock.url(), MODELS))).collect();
    for (at, site) in sites.iter_mut().enumerate() {
        site.variables.push(("DATABASE_URL", url.clone()));
        site.variables.push(("NEXUS_NODE__NAME", format!("node {at}")));
        site.variables.push(("NEXUS_NODE__ZONE", "here".to_owned()));
    }
    let mut nodes: Vec<Node<'_>> = sites.iter().map(Site::start).collect();
    let list =
        |node: &Node<'_>| Api::new(node, &admin).get("/nodes").json()["data"].as_array().unwrap().clone();
    let shown = list(&nodes[1]);
    let names: Vec<&str> = shown.iter().map(|node| node["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["node 0", "node 1", "node 2"]);
    for (at, node) in shown.iter().enumerate() {
        assert_says(node, &json!({ "role": "all", "zone": "here", "is_here": true, "is_this": at == 1 }));
        // the first to be there has what one does
        assert_eq!(node["jobs"], if at == 0 { json!(["batches", "upkeep"]) } else { json!([]) });
    }
    nodes[0].signal("KILL");
    nodes[0].wait();
    until("somebody else does it", || {
        let shown = list(&nodes[1]);
        let is_elsewhere =
            shown.iter().any(|node| node["jobs"] == json!(["batches", "upkeep"]) && node["name"] != "node 0");
        (is_elsewhere && shown[0]["is_here"] == false).then_some(())
    });
    nodes.remove(2).stop();
    assert_eq!(list(&nodes[1]).len(), 2, "one that ends in order is not listed");
}
