//! What a key reaches: levels, scopes, parents, short forms, allowances; and what the trail is told.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use nexus_core::{
    call::Operation,
    id::{KeyId, TeamId, Uuid},
    principal,
    scope::{Pattern, Scope},
    snapshot::{KeyPolicy, OpaqueKey, ShieldMode, Signing, Snapshot, TeamPolicy},
};
use nexus_engine::{
    arrival::{Arrival, BodyCut, Head, Headers, Line, Suspicion},
    denial::Denial,
    pipeline,
    port::Noted,
    world::World,
};
use nexus_keystore::{
    opaque,
    request_signature::{Proof, Request, sign},
    token::{Grant, Level, Rights},
};

use crate::{
    ASK, WHOLE,
    fake::{Bench, FAILURES_MAX, NOW_S, TEAM, bearer, bench, json, signing, snapshot, tokens},
};

const KEY: Uuid = Uuid::from_u128(99);
const SESSION: Uuid = Uuid::from_u128(100);
const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

/// A bench whose world says this of keys and teams; the alias `gpt` stands for providers `one` and `two`.
fn world(change: impl FnOnce(&mut Snapshot)) -> Bench {
    let bench = bench(2, [json(WHOLE), json(WHOLE)]);
    let mut known = snapshot(2, None);
    change(&mut known);
    let (world, _) = World::assemble(known, HashMap::new(), bench.exporter.meters());
    bench.engine.shared.worlds.replace(world);
    bench
}

fn scope(models: Option<&str>, providers: Option<&str>, addresses: Option<&str>) -> Scope {
    let patterns = |text: Option<&str>| text.map(|text| vec![Pattern::parse(text).unwrap()]);
    Scope {
        models: patterns(models),
        providers: patterns(providers),
        addresses: addresses.map(|net| vec![net.parse().unwrap()]),
    }
}

fn of_key(snapshot: &mut Snapshot, key: Uuid, policy: KeyPolicy) {
    snapshot.keys.insert(KeyId(key), Arc::new(policy));
}

fn session(rights: Rights) -> String {
    let grant = Grant {
        key: SESSION,
        level: Level::Session,
        team: Some(TEAM),
        parent: Some(KEY),
        rights: Some(rights),
        is_bound: false,
        lifetime_s: 60,
    };
    format!("Bearer {}", tokens().mint(&grant, NOW_S).unwrap().expose())
}

async fn ask(bench: &Bench, key: &str) -> Result<(), Denial> {
    ask_suspiciously(bench, key, None).await
}

async fn ask_suspiciously(bench: &Bench, key: &str, suspicion: Option<Suspicion>) -> Result<(), Denial> {
    let head = Head {
        headers: Headers { authorization: Some(key), ..Headers::default() },
        line: Line { address: Some(HERE), ..Line::default() },
        suspicion,
        ..Head::default()
    };
    let body = futures_util::stream::iter([Ok::<_, BodyCut>(bytes::Bytes::from_static(ASK.as_bytes()))]);
    pipeline::serve(&bench.engine, Operation::ChatCompletions, Arrival { head, body }).await.map(drop)
}

async fn status(bench: &Bench, key: &str) -> u16 {
    ask(bench, key).await.err().map_or(200, |denial| denial.error.status())
}

#[tokio::test]
async fn what_a_key_may_reach_is_what_every_scope_above_it_allows() {
    for (of_team, of_app, expected) in [
        (Scope::default(), Scope::default(), 200),
        (scope(Some("gpt*"), Some("two"), Some("192.0.2.0/24")), Scope::default(), 200),
        (scope(Some("gpt*"), None, None), scope(Some("claude"), None, None), 404),
        (scope(Some("claude"), None, None), Scope::default(), 404),
        (Scope::default(), scope(None, Some("three"), None), 404),
        (scope(None, Some("one"), None), scope(None, Some("two"), None), 404),
        (Scope::default(), scope(None, None, Some("10.0.0.0/8")), 403),
    ] {
        let bench = world(|snapshot| {
            let policy = TeamPolicy { scope: of_team.clone(), ..TeamPolicy::default() };
            snapshot.teams.insert(TeamId(TEAM), policy);
            of_key(snapshot, KEY, KeyPolicy { scope: of_app.clone(), ..KeyPolicy::default() });
        });
        assert_eq!(status(&bench, &bearer(Level::App)).await, expected, "{of_team:?} {of_app:?}");
        // a session key is bound by its parent as the parent itself
        assert_eq!(status(&bench, &session(Rights::default())).await, expected, "{of_team:?} {of_app:?}");
    }
}

#[tokio::test]
async fn a_key_that_may_use_one_provider_only_is_served_by_that_one() {
    let bench = world(|snapshot| {
        of_key(snapshot, KEY, KeyPolicy { scope: scope(None, Some("two"), None), ..KeyPolicy::default() });
    });
    assert_eq!(status(&bench, &bearer(Level::App)).await, 200);
    assert_eq!(bench.transport.sent.borrow()[0].0, "two");
}

#[tokio::test]
async fn a_session_key_is_bound_by_what_it_says_itself_and_falls_with_its_parent() {
    let texts = |text: &str| Some(vec![text.to_owned()]);
    for (rights, expected) in [
        (Rights { models: texts("gpt"), ..Rights::default() }, 200),
        (Rights { models: texts("claude"), ..Rights::default() }, 404),
        (Rights { models: Some(Vec::new()), ..Rights::default() }, 404),
        (Rights { addresses: texts("10.0.0.0/8"), ..Rights::default() }, 403),
        (Rights { addresses: texts("nonsense"), ..Rights::default() }, 401),
    ] {
        assert_eq!(status(&world(|_| {}), &session(rights.clone())).await, expected, "{rights:?}");
    }
    let revoked = world(|snapshot| snapshot.revoked_keys = [KeyId(KEY)].into());
    assert_eq!(status(&revoked, &session(Rights::default())).await, 401);
    let disabled = KeyPolicy { is_disabled: true, ..KeyPolicy::default() };
    let disabled = world(|snapshot| of_key(snapshot, SESSION, disabled));
    assert_eq!(status(&disabled, &session(Rights::default())).await, 401);
}

#[tokio::test]
async fn a_session_key_makes_the_requests_it_is_good_for_and_no_more() {
    let bench = world(|_| {});
    let key = session(Rights { max_requests: Some(2), ..Rights::default() });
    for expected in [200, 200, 429] {
        assert_eq!(status(&bench, &key).await, expected);
    }
    let denial = ask(&bench, &key).await.err().unwrap();
    assert_eq!(denial.error.code.row().code, Some("insufficient_quota"));
    assert!(denial.is_final && denial.retry_after_ms.is_none());
}

#[tokio::test]
async fn a_key_in_short_form_is_known_by_its_digest_while_the_world_knows_it() {
    let secret = opaque::mint().unwrap();
    let text = format!("Bearer {}", secret.expose());
    for (expires_at_ms, expected) in
        [(None, 200), (Some(NOW_S as i64 * 1000 + 1), 200), (Some(NOW_S as i64 * 1000), 401)]
    {
        let bench = world(|_| {});
        assert_eq!(status(&bench, &text).await, 401, "no world knows it");
        let digest = bench.engine.shared.keys.digests.digest(secret.expose());
        let mut known = snapshot(2, None);
        let key = OpaqueKey {
            key: KeyId(KEY),
            level: principal::Level::App,
            team: Some(TeamId(TEAM)),
            expires_at_ms,
        };
        known.opaque_keys.insert(digest, key);
        let (world, _) = World::assemble(known, HashMap::new(), bench.exporter.meters());
        bench.engine.shared.worlds.replace(world);
        assert_eq!(status(&bench, &text).await, expected, "{expires_at_ms:?}");
    }
}

#[tokio::test]
async fn guessing_is_slow_and_holds_up_nobody_whose_key_is_known() {
    let bench = world(|_| {});
    let good = bearer(Level::App);
    assert_eq!(status(&bench, &good).await, 200);
    for _ in 0..FAILURES_MAX {
        assert_eq!(status(&bench, "Bearer nonsense").await, 401);
    }
    let denial = ask(&bench, "Bearer nonsense").await.err().unwrap();
    assert_eq!(denial.error.status(), 429);
    assert!(denial.retry_after_ms.is_some_and(|wait_ms| wait_ms > 0) && !denial.is_final);
    // a made-up key in short form is a guess like any other, however well it is made up
    let other = world(|_| {});
    for expected in std::iter::repeat_n(401, FAILURES_MAX as usize).chain([429]) {
        let made_up = format!("Bearer {}", opaque::mint().unwrap().expose());
        assert_eq!(status(&other, &made_up).await, expected);
    }
    // a good key that is new here waits with the rest; one that is known does not
    assert_eq!(status(&bench, &session(Rights::default())).await, 429);
    assert_eq!(status(&bench, &good).await, 200);
}

/// Asks with this body, signed over `signed_body` for `path` with the secret of a generation.
async fn ask_signed(bench: &Bench, generation: u32, path: &str, signed_body: &str, nonce: &str) -> String {
    let line = Line { method: "POST", path, address: Some(HERE), ..Line::default() };
    let request = Request { method: "POST", path: "/v1/chat/completions", ..Request::default() };
    let proof = Proof { created_s: NOW_S as i64, nonce: nonce.to_owned() };
    let secret = signing().secret(KEY, generation);
    let stamp = sign(&request, signed_body.as_bytes(), &secret, &KEY.to_string(), &proof).unwrap();
    let key = bearer(Level::App);
    let headers = Headers {
        authorization: Some(&key),
        content_digest: Some(&stamp.content_digest),
        signature: Some(&stamp.signature),
        signature_input: Some(&stamp.signature_input),
        ..Headers::default()
    };
    let head = Head { line, headers, ..Head::default() };
    let body = futures_util::stream::iter([Ok::<_, BodyCut>(bytes::Bytes::from_static(ASK.as_bytes()))]);
    let answer = pipeline::serve(&bench.engine, Operation::ChatCompletions, Arrival { head, body }).await;
    answer.err().map_or("served".to_owned(), |denial| {
        assert_eq!(denial.error.status(), 401);
        denial.error.said_code.unwrap_or_default()
    })
}

#[tokio::test]
async fn a_key_that_wants_signatures_takes_each_good_one_once_and_says_what_is_wrong_with_others() {
    const PATH: &str = "/v1/chat/completions";
    let policy = |signing| KeyPolicy { signing, signing_generation: 3, ..KeyPolicy::default() };
    let bench = world(|snapshot| of_key(snapshot, KEY, policy(Signing::Required)));
    for (generation, path, body, nonce, expected) in [
        (3, PATH, ASK, "nonce-one", "served"),
        (3, PATH, ASK, "nonce-one", "nonce_replayed"),
        (3, PATH, "{}", "nonce-two", "digest_mismatch"),
        (3, "/v1/other", ASK, "nonce-two", "signature_mismatch"),
        (2, PATH, ASK, "nonce-two", "signature_mismatch"),
        (3, PATH, ASK, "nonce-two", "served"),
    ] {
        assert_eq!(ask_signed(&bench, generation, path, body, nonce).await, expected, "{nonce} {path}");
    }
    let denial = ask(&bench, &bearer(Level::App)).await.err().unwrap();
    assert_eq!((denial.error.status(), denial.error.said_code.as_deref()), (401, Some("signature_missing")));
    // a session key is signed for with its parent's secret
    assert_eq!(status(&bench, &session(Rights::default())).await, 401);
}

#[tokio::test]
async fn signatures_are_judged_only_where_the_key_says_so() {
    for (signing, unsigned, badly_signed) in
        [(Signing::Off, 200, "served"), (Signing::Optional, 200, "signature_mismatch")]
    {
        let bench = world(|snapshot| of_key(snapshot, KEY, KeyPolicy { signing, ..KeyPolicy::default() }));
        assert_eq!(status(&bench, &bearer(Level::App)).await, unsigned, "{signing:?}");
        assert_eq!(ask_signed(&bench, 9, "/v1/chat/completions", ASK, "nonce-one").await, badly_signed);
    }
}

#[tokio::test]
async fn an_attack_is_passed_over_noted_or_refused_as_its_team_wishes() {
    let suspicion = || Some(Suspicion { kind: "sql_injection", position: "query", evidence: "s&1".into() });
    for (mode, expected, is_noted) in
        [(ShieldMode::Off, 200, false), (ShieldMode::Flag, 200, true), (ShieldMode::Block, 403, true)]
    {
        let bench = world(|snapshot| {
            snapshot.teams.insert(TeamId(TEAM), TeamPolicy { shield: mode, ..TeamPolicy::default() });
        });
        let answer = ask_suspiciously(&bench, &bearer(Level::App), suspicion()).await;
        assert_eq!(answer.err().map_or(200, |denial| denial.error.status()), expected, "{mode:?}");
        let is_attack = |noted: &Noted| matches!(noted, Noted::Attacked { kind: "sql_injection", .. });
        assert_eq!(bench.trail.0.lock().unwrap().iter().any(is_attack), is_noted, "{mode:?}");
        assert_eq!(bench.transport.sent.borrow().is_empty(), expected != 200, "{mode:?}");
    }
}

#[tokio::test]
async fn the_trail_is_told_of_denials_and_first_sights_and_of_use_once_a_minute() {
    let bench = world(|snapshot| snapshot.revoked_keys = [KeyId(SESSION)].into());
    for key in [bearer(Level::App), bearer(Level::App), bearer(Level::Admin), session(Rights::default())] {
        let _answer = ask(&bench, &key).await;
    }
    assert_eq!(status(&bench, "Bearer sk-nonsense").await, 401);
    let noted = bench.trail.0.lock().unwrap().clone();
    let count = |is: fn(&Noted) -> bool| noted.iter().filter(|noted| is(noted)).count();
    // the admin key bears the same id, but is another text
    assert_eq!(count(|noted| matches!(noted, Noted::Used { .. })), 2);
    assert_eq!(count(|noted| matches!(noted, Noted::CameFrom { address: HERE, .. })), 2);
    let denied: Vec<_> = noted
        .iter()
        .filter_map(|noted| match noted {
            Noted::Denied(denied) => Some((denied.reason, denied.key.is_some(), denied.address)),
            _ => None,
        })
        .collect();
    assert_eq!(
        denied,
        [("level", true, Some(HERE)), ("revoked", true, Some(HERE)), ("form", false, Some(HERE))]
    );
}

#[tokio::test]
async fn a_token_that_begins_like_a_proven_one_is_proven_by_itself() {
    let bench = bench(1, std::iter::repeat_with(|| json(WHOLE)).take(64));
    let good = bearer(Level::App);
    assert_eq!(status(&bench, &good).await, 200);
    let (head, signature) = good.rsplit_once('.').unwrap();
    // every one of them has all of the good one but its signature, or some of that too
    for length in [0, 1, 20, signature.len() - 1] {
        let altered = format!("{head}.{}{}", &signature[..length], "A".repeat(signature.len() - length));
        assert_eq!(status(&bench, &altered).await, 401, "{length}");
    }
    for more in ["A", ".", " x", "="] {
        assert_eq!(status(&bench, &format!("{good}{more}")).await, 401, "{more}");
    }
    assert_eq!(status(&bench, &good).await, 200);
}
