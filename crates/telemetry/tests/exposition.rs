//! What a scraper reads: every metric, its help, its labels, and how many series there can be.
#![allow(clippy::unwrap_used, reason = "tests may be blunt")]

use std::collections::BTreeSet;

use nexus_telemetry::{
    exporter::Exporter,
    meters::{Backlog, Shares, TARGETS_MAX},
    metric,
};

/// The lines that are no comments, sorted.
fn series(exporter: &Exporter) -> Vec<String> {
    let mut lines: Vec<String> = exporter
        .render()
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect();
    lines.sort();
    lines
}

const BACKLOG: Backlog =
    Backlog { bytes: 1024, damaged_bytes: 3, failures_in_a_row: 2, behind_seconds: 9, is_failing: true };

#[test]
fn each_event_is_counted_under_its_name_and_labels() {
    let exporter = Exporter::start().unwrap();
    let meters = exporter.meters();
    let target = meters.for_target("azure", "nexus-gpt4");
    target.request_done(200, 4_000);
    target.request_done(200, 119_000_000);
    target.request_done(418, 121_000_000);
    for odd in [0, 99, 799, 20_000, u16::MAX] {
        target.request_done(odd, 0);
    }
    target.first_token(250_000);
    target.tokens("input", 7);
    target.tokens("input", 5);
    target.tokens("reasoning", 0);
    target.units("searches", 3);
    [5, 6].into_iter().for_each(|nano_usd| target.cost("charged", nano_usd));
    target.unpriced();
    ["answered", "rate_limited"].into_iter().for_each(|outcome| target.attempt(outcome));
    meters.unrouted().request_done(401, 100);
    ["invalid_api_key"; 2].into_iter().for_each(|code| meters.refused(code));
    meters.journal(BACKLOG);
    meters.booking_failed();
    meters.revision_refused(true);
    meters.keys_ending(4);
    let guards = (meters.arrive(), meters.arrive());
    drop(guards.0);

    let seen = series(&exporter);
    for expected in [
        r#"nexus_requests_total{provider="azure",model="nexus-gpt4",status="200"} 2"#,
        r#"nexus_requests_total{provider="azure",model="nexus-gpt4",status="4xx"} 1"#,
        r#"nexus_requests_total{provider="azure",model="nexus-gpt4",status="other"} 5"#,
        r#"nexus_requests_total{provider="none",model="none",status="401"} 1"#,
        r#"nexus_latency_seconds_bucket{provider="azure",model="nexus-gpt4",le="0.005"} 6"#,
        r#"nexus_latency_seconds_bucket{provider="azure",model="nexus-gpt4",le="60"} 6"#,
        r#"nexus_latency_seconds_bucket{provider="azure",model="nexus-gpt4",le="120"} 7"#,
        r#"nexus_latency_seconds_bucket{provider="azure",model="nexus-gpt4",le="+Inf"} 8"#,
        r#"nexus_latency_seconds_count{provider="azure",model="nexus-gpt4"} 8"#,
        r#"nexus_time_to_first_token_seconds_bucket{provider="azure",model="nexus-gpt4",le="0.25"} 1"#,
        r#"nexus_time_to_first_token_seconds_sum{provider="azure",model="nexus-gpt4"} 0.25"#,
        r#"nexus_tokens_total{provider="azure",model="nexus-gpt4",kind="input"} 12"#,
        r#"nexus_cost_nano_usd_total{provider="azure",model="nexus-gpt4",bearer="charged"} 11"#,
        r#"nexus_unpriced_attempts_total{provider="azure",model="nexus-gpt4"} 1"#,
        r#"nexus_units_total{provider="azure",model="nexus-gpt4",kind="searches"} 3"#,
        r#"nexus_upstream_attempts_total{provider="azure",model="nexus-gpt4",outcome="answered"} 1"#,
        r#"nexus_upstream_attempts_total{provider="azure",model="nexus-gpt4",outcome="rate_limited"} 1"#,
        r#"nexus_refusals_total{code="invalid_api_key"} 2"#,
        "nexus_requests_in_flight 1",
        "nexus_usage_journal_bytes 1024",
        "nexus_usage_journal_damaged_bytes 3",
        "nexus_usage_journal_shipping_failures 2",
        "nexus_usage_journal_age_seconds 9",
        "nexus_usage_journal_failing 1",
        "nexus_usage_journal_booking_failures_total 1",
        "nexus_revision_refused 1",
        "nexus_keys_expiring_soon 4",
        "nexus_log_lines_dropped_total 0",
        concat!(r#"nexus_build_info{version=""#, env!("CARGO_PKG_VERSION"), r#""} 1"#),
    ] {
        assert!(seen.iter().any(|line| line == expected), "{expected} is not in\n{}", seen.join("\n"));
    }
    assert!(!seen.iter().any(|line| line.contains("kind=\"reasoning\"")), "nothing was counted there");
}

#[test]
fn every_metric_has_its_help_and_type() {
    let exporter = Exporter::start().unwrap();
    let meters = exporter.meters();
    let target = meters.for_target("p", "m");
    target.request_done(200, 1);
    target.first_token(1);
    target.tokens("input", 1);
    target.units("searches", 1);
    target.cost("charged", 1);
    target.unpriced();
    target.attempt("answered");
    target.health(2, 3);
    target.waited(20_000);
    meters.queue_length("p", 5);
    meters.refused("code");
    meters.retries_left(7);
    meters.credentials_out("p", 1);
    meters.repeated("cached");
    meters.cache_missed();
    meters.kept_bytes(9);
    meters.shares(Shares { leased: 4, short: 3, refused: 2, allowed: 1 });
    meters.share_round("answered");
    meters.tampered(5);
    meters.claim_unheard();
    meters.promise_unheard();
    meters.keeper_is_there(true);
    meters.degraded("kept_world", true, true);
    let text = exporter.render();
    for line in [
        r#"nexus_breaker_state{provider="p",model="m"} 2"#,
        r#"nexus_upstream_in_flight{provider="p",model="m"} 3"#,
        r#"nexus_queue_length{provider="p"} 5"#,
        r#"nexus_queue_wait_seconds_count{provider="p",model="m"} 1"#,
        "nexus_retries_left 7",
        r#"nexus_repeated_answers_total{kind="cached"} 1"#,
        "nexus_cache_misses_total 1",
        "nexus_kept_answers_bytes 9",
        "nexus_leases 4",
        "nexus_lease_waits_total 3",
        r#"nexus_lease_alone_total{outcome="refused"} 2"#,
        r#"nexus_lease_alone_total{outcome="allowed"} 1"#,
        r#"nexus_lease_rounds_total{outcome="answered"} 1"#,
        "nexus_lease_tampered_total 5",
        "nexus_promises_alone_total 1",
        "nexus_signatures_alone_total 1",
        "nexus_sharing_up 1",
        r#"nexus_degraded{mode="kept_world"} 1"#,
        r#"nexus_degraded_total{mode="kept_world"} 1"#,
        r#"nexus_provider_credentials_out{provider="p"} 1"#,
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line}");
    }
    for metric in metric::ALL {
        let kind = format!("{:?}", metric.kind).to_lowercase();
        assert!(text.contains(&format!("# HELP {} {}\n", metric.name, metric.help)), "{}", metric.name);
        assert!(text.contains(&format!("# TYPE {} {kind}\n", metric.name)), "{}", metric.name);
    }
    let names: BTreeSet<_> = metric::ALL.iter().map(|metric| metric.name).collect();
    assert_eq!(names.len(), metric::ALL.len());
}

#[test]
fn a_flood_of_names_makes_a_bounded_number_of_series() {
    let exporter = Exporter::start().unwrap();
    for number in 0..100_000 {
        exporter.meters().for_target("p", &format!("model-{number}")).attempt("answered");
    }
    let seen: Vec<_> =
        series(&exporter).into_iter().filter(|line| line.starts_with(metric::ATTEMPTS.name)).collect();
    assert_eq!(seen.len(), TARGETS_MAX + 1);
    let rest = format!(r#"{{provider="other",model="other",outcome="answered"}} {}"#, 100_000 - TARGETS_MAX);
    assert!(seen.iter().any(|line| line.ends_with(&rest)), "{rest}");
    let known = exporter.meters().for_target("p", "model-0");
    assert!(std::sync::Arc::ptr_eq(&known, &exporter.meters().for_target("p", "model-0")));
}

#[test]
fn a_hostile_label_stays_in_its_quotes_and_its_size() {
    for (name, shown) in [
        ("a\"} 1\nforged{x=\"", r#"a\"} 1\nforged{x=\""#.to_owned()),
        ("back\\slash", r"back\\slash".to_owned()),
        (&*"é".repeat(100), "é".repeat(64)),
    ] {
        let exporter = Exporter::start().unwrap();
        exporter.meters().for_target("p", name).attempt("answered");
        let expected =
            format!(r#"nexus_upstream_attempts_total{{provider="p",model="{shown}",outcome="answered"}} 1"#);
        let seen = series(&exporter);
        assert!(seen.contains(&expected), "{expected} is not in\n{}", seen.join("\n"));
    }
}

#[test]
fn words_beyond_the_slots_are_counted_together() {
    let words: Vec<&'static str> = (0..100).map(|number| &*format!("word-{number}").leak()).collect();
    let exporter = Exporter::start().unwrap();
    for word in &words {
        exporter.meters().refused(word);
    }
    let seen: Vec<_> =
        series(&exporter).into_iter().filter(|line| line.starts_with(metric::REFUSALS.name)).collect();
    assert_eq!(seen.len(), 65);
    assert!(seen.contains(&r#"nexus_refusals_total{code="other"} 36"#.to_owned()), "{}", seen.join("\n"));
}
