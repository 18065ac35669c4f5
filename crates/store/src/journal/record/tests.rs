//! Every field of a record survives, records of every earlier version are read, and nothing else is one.

use super::*;
use crate::sample;

/// `sample::record(1)`, as the first program wrote it.
const KEPT: &str = "a101c1843d01050106000a6e657875732d677074340705617a757265056770742d340100c801010100020300\
    000001127b22746f74616c5f746f6b656e73223a317d01057265715f3182a0abfef96201fa01a946";

fn check(record: &UsageRecord) -> Vec<u8> {
    let mut buffer = Vec::new();
    write(record, &mut buffer).unwrap();
    assert_eq!(read(&buffer).unwrap(), *record);
    buffer
}

#[test]
fn a_record_comes_back_as_it_went_in_whatever_is_in_its_texts() {
    for text in ["", "gpt", "\"\\\n\0\u{7f}", "千问 🦀", "{\"a\":[1]}"] {
        check(&UsageRecord {
            alias: text.into(),
            provider_name: text.into(),
            real_model: text.into(),
            raw_usage: Some(text.into()),
            provider_request_id: Some(text.into()),
            ..sample::record(1)
        });
    }
    check(&UsageRecord {
        team: None,
        raw_usage: None,
        provider_request_id: None,
        first_token_us: None,
        usage: Usage::default().with(Quantity::Input, u64::MAX),
        started_at_ms: i64::MIN,
        ..sample::record(1)
    });
}

#[test]
fn every_end_an_attempt_can_come_to_is_kept() {
    for class in [Class::BadRequest, Class::Forbidden, Class::ModelNotFound, Class::BadAnswer] {
        check(&UsageRecord { outcome: Outcome::Failed(class), ..sample::record(1) });
    }
    let repeated = Repeat::ALL.map(Outcome::Repeated);
    for outcome in [Outcome::Answered, Outcome::Abandoned, Outcome::Outrun].into_iter().chain(repeated) {
        check(&UsageRecord { outcome, ..sample::record(1) });
    }
    for source in [Source::Provider, Source::Estimated, Source::Nothing] {
        check(&UsageRecord { source, ..sample::record(1) });
    }
}

#[test]
fn every_quantity_and_every_doubt_is_kept() {
    let each = |usage: Usage, quantity: Quantity| usage.with(quantity, 300 + u64::from(quantity.code()));
    let usage = Quantity::ALL.into_iter().fold(Usage::default(), each);
    check(&UsageRecord { usage, ..sample::record(1) });
    for doubt in [Doubt::Nonsense, Doubt::PartBeyondWhole, Doubt::TotalDiffers, Doubt::Missing] {
        check(&UsageRecord { doubt: Some(doubt), ..sample::record(1) });
    }
}

#[test]
fn what_an_attempt_cost_is_kept_and_absent_in_a_record_of_the_second_version() {
    for (pricing, tier) in Pricing::ALL.into_iter().zip(Tier::ALL) {
        let rule = (pricing == Pricing::Known).then(|| "catalogue/openai/gpt-4o".into());
        let cost = Cost { nano_usd: 7, pricing, rule, tier, multiplier_ppm: Some(9) };
        check(&UsageRecord { cost, ..sample::record(1) });
    }
    let record = UsageRecord { doubt: Some(Doubt::Nonsense), cost: Cost::default(), ..sample::record(1) };
    let mut bytes = vec![SECOND_VERSION];
    postcard::to_io(&Written(&record), &mut bytes).unwrap();
    postcard::to_io(&More::of(&record), &mut bytes).unwrap();
    assert_eq!(read(&bytes).unwrap(), record);
}

#[test]
fn what_was_said_of_a_call_is_kept_and_absent_in_a_record_of_the_third_version() {
    let mut labels = Labels::default().for_user(Some("ada"));
    labels.tag_each("red,cost:7");
    check(&UsageRecord { labels, region: Some("eu-west-1".into()), ..sample::record(1) });
    let record = sample::record(1);
    let mut bytes = vec![THIRD_VERSION];
    postcard::to_io(&Written(&record), &mut bytes).unwrap();
    postcard::to_io(&More::of(&record), &mut bytes).unwrap();
    postcard::to_io(&Spent::of(&record), &mut bytes).unwrap();
    assert_eq!(read(&bytes).unwrap(), record);
}

#[test]
fn what_is_known_of_an_attempt_and_whom_it_passed_over_is_kept_and_absent_in_a_record_of_the_fourth_version()
{
    for policy in Policy::ALL.map(Some).into_iter().chain([None]) {
        let route = policy.map(|policy| policy.as_str().into());
        let trace = Trace { policy, route, before_us: 7, request_bytes: 300, answer_bytes: u64::MAX };
        check(&UsageRecord { trace, ..sample::record(1) });
    }
    let passed = |region: Option<&str>| Passed {
        provider: "azure".into(),
        model: "gpt-4".into(),
        region: region.map(Arc::from),
        why: "breaker_open".into(),
    };
    let passed_over = PassedOver { first: [passed(None), passed(Some("eastus"))].into(), more: 3 };
    check(&UsageRecord { passed_over, ..sample::record(1) });
    let record = sample::record(1);
    let mut bytes = vec![FOURTH_VERSION];
    postcard::to_io(&Written(&record), &mut bytes).unwrap();
    postcard::to_io(&More::of(&record), &mut bytes).unwrap();
    postcard::to_io(&Spent::of(&record), &mut bytes).unwrap();
    postcard::to_io(&Told::of(&record), &mut bytes).unwrap();
    assert_eq!(read(&bytes).unwrap(), record);
}

#[test]
fn a_record_of_the_first_version_is_read() {
    let record = UsageRecord { cost: Cost::default(), ..sample::record(1) };
    let mut bytes = vec![FIRST_VERSION];
    postcard::to_io(&Written(&record), &mut bytes).unwrap();
    assert_eq!(read(&bytes).unwrap(), record);
    let kept: Vec<u8> =
        (0..KEPT.len()).step_by(2).map(|at| u8::from_str_radix(&KEPT[at..at + 2], 16).unwrap()).collect();
    assert_eq!(bytes, kept);
}

#[test]
fn bytes_of_another_version_cut_short_or_with_more_behind_are_no_record() {
    let bytes = check(&sample::record(1));
    let (other, longer) = ([&[VERSION + 1], &bytes[1..]].concat(), [&bytes[..], &[0]].concat());
    for wrong in [&other, &longer, &bytes[..bytes.len() - 1], &bytes[..1], &[]] as [&[u8]; 5] {
        assert!(read(wrong).is_err());
    }
}
