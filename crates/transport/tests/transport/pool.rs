//! Which connection a request travels on, and what becomes of it afterwards.

use bytes::Bytes;
use futures_util::StreamExt;

use crate::upstream::{PATIENT, Step, Upstream, answer, ask, head_of, send, transport};

/// What each of two requests in a row hears, and on how many connections.
async fn twice(scripts: Vec<Vec<Step>>) -> (String, String, usize) {
    let upstream = Upstream::play(scripts).await;
    let transport = transport();
    let first = ask(&transport, &upstream.provider()).await;
    let second = ask(&transport, &upstream.provider()).await;
    (first, second, upstream.connections())
}

#[actix_rt::test]
async fn a_connection_serves_again_only_after_a_whole_answer_that_lets_it() {
    let chunked = send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\n1\r\n0\r\n\r\n");
    let close = send("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 1\r\n\r\n1");
    let both =
        send("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n1\r\n1\r\n0\r\n\r\n");
    let old = send("HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\n1");
    let poison = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nPOISON";
    let extra = send(format!("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n1{poison}"));
    for (first, connections) in [(answer("1"), 1), (chunked, 1), (close, 2), (both, 2), (old, 2), (extra, 2)]
    {
        let again = vec![Step::Request, first.clone(), Step::Request, answer("2"), Step::Gone];
        let heard = twice(vec![again, vec![Step::Request, answer("2")]]).await;
        assert_eq!(heard, ("200 1".to_owned(), "200 2".to_owned(), connections), "{first:?}");
    }
}

#[actix_rt::test]
async fn the_connection_that_served_last_serves_next() {
    let begun = send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n");
    let slow = vec![Step::Request, begun, Step::Told, send("0\r\n\r\n"), Step::Request, answer("slow")];
    let quick = vec![Step::Request, answer("quick"), Step::Request, answer("quick")];
    let upstream = Upstream::play(vec![slow, quick]).await;
    let (transport, provider) = (transport(), upstream.provider());
    let first = head_of(&transport, &provider, Bytes::new(), PATIENT).await.unwrap();
    assert_eq!(ask(&transport, &provider).await, "200 quick");
    upstream.tell();
    assert_eq!(first.body.count().await, 1);
    assert_eq!(ask(&transport, &provider).await, "200 slow");
    assert_eq!(ask(&transport, &provider).await, "200 quick");
    assert_eq!(upstream.connections(), 2);
}

#[actix_rt::test]
async fn an_unasked_answer_on_an_idle_connection_is_never_heard() {
    let poison = send("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nPOISON");
    let upstream = Upstream::play(vec![
        vec![Step::Request, answer("1"), Step::Told, poison, Step::Gone],
        vec![Step::Request, answer("2")],
    ])
    .await;
    let transport = transport();
    assert_eq!(ask(&transport, &upstream.provider()).await, "200 1");
    upstream.tell();
    tokio::task::yield_now().await;
    let second = ask(&transport, &upstream.provider()).await;
    assert_eq!((second.as_str(), upstream.connections()), ("200 2", 2));
}

#[actix_rt::test]
async fn a_connection_that_went_stale_in_the_pool_costs_the_caller_nothing() {
    // closed before the next request is written, and while it is
    for stale in [vec![Step::Request, answer("1")], vec![Step::Request, answer("1"), Step::Request]] {
        for last in [None, Some(Step::Reset)] {
            let script = stale.iter().cloned().chain(last).collect();
            let heard = twice(vec![script, vec![Step::Request, answer("2")]]).await;
            assert_eq!(heard, ("200 1".to_owned(), "200 2".to_owned(), 2));
        }
    }
}

#[actix_rt::test]
async fn a_fresh_connection_that_dies_is_not_tried_again() {
    let upstream = Upstream::play(vec![vec![Step::Request], vec![Step::Request, answer("2")]]).await;
    assert_eq!(ask(&transport(), &upstream.provider()).await, "reset");
    assert_eq!(upstream.connections(), 1);
}

#[actix_rt::test]
async fn a_second_stale_connection_is_passed_over_by_the_second_try() {
    let stale = || vec![Step::Request, Step::Told, answer("1"), Step::Request];
    let upstream = Upstream::play(vec![stale(), stale(), vec![Step::Request, answer("2")]]).await;
    let (transport, provider) = (transport(), upstream.provider());
    let both = futures_util::future::join(ask(&transport, &provider), ask(&transport, &provider));
    upstream.tell();
    let told_again = async {
        while upstream.seen.borrow().requests.len() < 2 {
            tokio::task::yield_now().await;
        }
        upstream.tell();
    };
    let ((first, second), ()) = futures_util::future::join(both, told_again).await;
    assert_eq!((first.as_str(), second.as_str()), ("200 1", "200 1"));
    assert_eq!(ask(&transport, &provider).await, "200 2");
    assert_eq!(upstream.connections(), 3);
}

#[actix_rt::test]
async fn a_dropped_exchange_is_closed_towards_the_provider() {
    let begun = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n";
    let upstream =
        Upstream::play(vec![vec![Step::Request, send(begun), Step::Gone], vec![Step::Request, Step::Gone]])
            .await;
    let transport = transport();
    let answer = head_of(&transport, &upstream.provider(), Bytes::new(), PATIENT).await.unwrap();
    drop(answer);
    upstream.ended(1).await;

    let provider = upstream.provider();
    let asked = async {
        while upstream.seen.borrow().requests.len() < 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = head_of(&transport, &provider, Bytes::new(), PATIENT) => panic!("nobody answered"),
        () = asked => {}
    }
    upstream.ended(2).await;
}

#[actix_rt::test]
async fn many_exchanges_run_at_once() {
    const MANY: usize = 150;
    let scripts = (0..MANY).map(|_| vec![Step::Request, Step::Told, answer("1")]).collect();
    let upstream = Upstream::play(scripts).await;
    let (transport, provider) = (transport(), upstream.provider());
    let all = futures_util::future::join_all((0..MANY).map(|_| ask(&transport, &provider)));
    let told = async {
        // none waits for another
        while upstream.seen.borrow().requests.len() < MANY {
            tokio::task::yield_now().await;
        }
        for _ in 0..MANY {
            upstream.tell();
            tokio::task::yield_now().await;
        }
    };
    let (heard, ()) = futures_util::future::join(all, told).await;
    assert!(heard.iter().all(|answer| answer == "200 1"));
}
