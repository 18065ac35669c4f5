//! Limits of requests a minute: what all nodes let through together is what one alone would.

use std::time::Instant;

use nexus_testkit::Mock;
use serde_json::json;

use super::{MODELS, call, number, server::Server, settled, sites};
use crate::{
    admin::{Api, platform_key},
    node::{Node, Site, ask, mocked, provider, until},
};

/// Three nodes before which a key may make so many requests a minute.
fn check(limit: u32, calls: usize, least: usize) {
    let Some(server) = Server::start() else { return };
    let (mock, first) = mocked(&[]);
    let (admin, (id, key)) = (platform_key(&first), first.key("app"));
    let sites = sites(&mock.url(), &first, &server, 3);
    let nodes: Vec<Node<'_>> = sites.iter().map(Site::start).collect();
    let changed =
        Api::new(&nodes[0], &admin).patch(&format!("/keys/{id}"), &json!(1), &json!({ "rate_limit": limit }));
    assert_eq!(changed.status, 200, "{}", changed.text());
    for node in &nodes {
        until("the limit is in force", || {
            let refused = node.chat(&key, &ask("of nobody"));
            (refused.header("x-ratelimit-limit-requests") == Some(&limit.to_string())).then_some(())
        });
        settled(node);
    }
    check_rush(&mock, &sites, &key, (limit, calls, least));
}

/// Makes so many calls and sees that no more reached the provider than may in the time they took.
fn check_rush(mock: &Mock, sites: &[Site], key: &str, (limit, calls, least): (u32, usize, usize)) {
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for site in sites.iter().cycle().take(30) {
            scope.spawn(move || {
                for _ in 0..calls / 30 {
                    let status = call(site, key);
                    assert!([200, 429].contains(&status), "{status}");
                }
            });
        }
    });
    // a busy machine may make a server slow, and then calls are refused that there was room for
    until("what there is room for is served", || {
        call(&sites[0], key);
        (mock.requests().len() >= least).then_some(())
    });
    let reached = mock.requests().len();
    let replenished = begun.elapsed().as_millis() * u128::from(limit) / 60_000;
    let most = limit as usize + usize::try_from(replenished).unwrap();
    assert!(reached <= most, "{reached} calls reached the provider, {most} might");
}

#[test]
fn of_ten_times_as_many_calls_at_three_nodes_a_key_makes_what_it_may() {
    check(30, 300, 30);
}

#[test]
fn a_limit_that_is_leased_ahead_is_not_exceeded_either() {
    check(600, 1_500, 500);
}

#[test]
fn a_providers_limit_holds_for_all_nodes_together() {
    let Some(server) = Server::start() else { return };
    let (mock, first) = mocked(&[]);
    let (_, key) = first.key("app");
    let mut sites = sites(&mock.url(), &first, &server, 3);
    let bounded =
        provider("mock", &mock.url(), MODELS).replace("    models:", "    rate_limit: 30\n    models:");
    for site in &mut sites {
        let variables = std::mem::take(&mut site.variables);
        *site = Site::new(&bounded);
        site.variables = variables;
    }
    let nodes: Vec<Node<'_>> = sites.iter().map(Site::start).collect();
    nodes.iter().for_each(settled);
    // a call waits in line for a place, so there are fewer
    check_rush(&mock, &sites, &key, (30, 60, 30));
}

#[test]
fn where_redis_is_away_a_key_is_refused_or_let_through_as_the_node_is_told() {
    for (mode, expected) in [("refuse", 429), ("allow", 200)] {
        let Some(mut server) = Server::start() else { return };
        let (mock, first) = mocked(&[]);
        let (admin, (id, key)) = (platform_key(&first), first.key("app"));
        let mut sites = sites(&mock.url(), &first, &server, 1);
        sites[0].variables.push(("NEXUS_NODE__WHEN_ALONE", mode.to_owned()));
        let node = sites[0].start();
        let bounds = json!({ "rate_limit": 60 });
        assert_eq!(Api::new(&node, &admin).patch(&format!("/keys/{id}"), &json!(1), &bounds).status, 200);
        settled(&node);
        until("a call is served", || (call(&sites[0], &key) == 200).then_some(()));
        server.kill();
        until("it is away", || (number(&node.metrics(), "nexus_sharing_up") == Some(0.0)).then_some(()));
        assert_eq!(call(&sites[0], &key), expected, "{mode}");
        let said = if expected == 200 { "allowed" } else { "refused" };
        until("it is counted", || {
            let page = node.metrics();
            let mut counted = page.lines().filter(|line| line.starts_with("nexus_lease_alone_total"));
            counted.find(|line| line.contains(said) && !line.ends_with(" 0")).map(drop)
        });
        server.start_again();
        settled(&node);
        drop(mock);
    }
}
