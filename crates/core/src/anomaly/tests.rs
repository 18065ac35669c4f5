//! Traffic as it is, with and without what should be found in it. Chance is seeded.

use super::*;
use crate::id::Uuid;

const KEY: KeyId = KeyId(Uuid::from_u128(1));
const TEAM: Option<TeamId> = Some(TeamId(Uuid::from_u128(2)));
const HOUR: i64 = 60;
const DAY: i64 = 24 * HOUR;

/// Numbers that look like chance.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// About as many as so many on average come to.
    fn count(&mut self, mean: f64) -> u32 {
        let noise: f64 = (0..12).map(|_| self.next()).sum::<f64>() - 6.0;
        (mean + mean.sqrt() * noise).round().max(0.0) as u32
    }
}

/// What a minute is like.
#[derive(Clone, Copy)]
struct Minute {
    requests: f64,
    failing: f64,
    tokens: f64,
    alias: &'static str,
}

const USUAL: Minute = Minute { requests: 100.0, failing: 0.02, tokens: 800.0, alias: "gpt" };

/// Runs through minutes, each as it is said to be, and says what was found in which.
fn run(
    watch: &mut Watch,
    chance: &mut Chance,
    minutes: std::ops::Range<i64>,
    of: impl Fn(i64) -> Minute,
) -> Vec<(i64, Kind)> {
    let mut found = Vec::new();
    for at in minutes {
        let minute = of(at);
        let requests = chance.count(minute.requests);
        for number in 0..requests {
            let tokens = (minute.tokens * (0.25 + 1.5 * chance.next())) as u64;
            let seen = Seen {
                at_ms: at * MINUTE_MS + i64::from(number) * 50_000 / i64::from(requests),
                alias: minute.alias,
                is_failed: chance.next() < minute.failing,
                tokens,
                cost_nano_usd: tokens * 2_500,
            };
            found.extend(watch.see(KEY, TEAM, seen).into_iter().map(|finding| (at, finding.kind)));
        }
    }
    found
}

/// Between almost nothing at night and much in the afternoon.
fn diurnal(at: i64) -> Minute {
    let turn = (at % DAY) as f64 / DAY as f64 * std::f64::consts::TAU;
    Minute { requests: 60.0 - 56.0 * turn.cos(), ..USUAL }
}

/// From nine to five on all days, from one minute to the next.
fn office(at: i64) -> Minute {
    let is_open = (9 * HOUR..17 * HOUR).contains(&(at % DAY));
    Minute { requests: if is_open { 90.0 } else { 0.0 }, ..USUAL }
}

#[test]
fn steady_and_diurnal_traffic_raises_no_alarm() {
    for seed in [1, 2] {
        let mut chance = Chance(seed);
        assert_eq!(run(&mut Watch::default(), &mut chance, 0..DAY, |_| USUAL), [], "steady, {seed}");
        assert_eq!(run(&mut Watch::default(), &mut chance, 0..3 * DAY, diurnal), [], "diurnal, {seed}");
        assert_eq!(run(&mut Watch::default(), &mut chance, 0..4 * DAY, office), [], "office hours, {seed}");
    }
}

#[test]
fn what_is_far_from_the_usual_is_found_in_its_minute_and_told_once() {
    let spikes: [(Minute, Kind); 4] = [
        (Minute { requests: 900.0, tokens: 100.0, ..USUAL }, Kind::Rate),
        (Minute { failing: 0.9, ..USUAL }, Kind::Errors),
        (Minute { requests: 30.0, tokens: 30_000.0, ..USUAL }, Kind::Size),
        (Minute { requests: 60.0, tokens: 18_000.0, ..USUAL }, Kind::Cost),
    ];
    for (seed, base) in [(1, (|_| USUAL) as fn(i64) -> Minute), (2, diurnal), (3, office)] {
        let begin = DAY + 14 * HOUR;
        let (mut usual, mut chance) = (Watch::default(), Chance(seed));
        run(&mut usual, &mut chance, 0..begin, base);
        for (spike, kind) in spikes {
            let mut watch = usual.clone();
            let found = run(&mut watch, &mut chance, begin..begin + 5, |_| spike);
            let told: Vec<_> = found.iter().filter(|(_, found)| *found == kind).collect();
            // of the key and of the team, in the first minute, and not again
            assert_eq!(told, [&(begin, kind), &(begin, kind)], "{kind:?} {seed}: {found:?}");
        }
    }
}

#[test]
fn a_finding_says_what_was_seen_what_is_usual_and_where_the_bound_was() {
    let (mut watch, mut chance) = (Watch::default(), Chance(7));
    run(&mut watch, &mut chance, 0..DAY, |_| USUAL);
    let mut found = Vec::new();
    for number in 0..600 {
        let at_ms = DAY * MINUTE_MS + number;
        let seen = Seen { at_ms, alias: "gpt", is_failed: false, tokens: 1, cost_nano_usd: 0 };
        found.extend(watch.see(KEY, TEAM, seen));
    }
    let Finding { watched, kind, observed, expected, bound, .. } = found[0];
    assert_eq!((watched, kind), (Watched::Key(KEY, TEAM), Kind::Rate));
    assert!(observed > bound && bound > expected && (90.0..110.0).contains(&expected), "{:?}", found[0]);
}

#[test]
fn before_anything_is_known_only_what_nobody_does_by_accident_is_told() {
    let (mut watch, mut chance) = (Watch::default(), Chance(7));
    assert_eq!(
        run(&mut watch, &mut chance, 0..30, |_| Minute { requests: 3_000.0, tokens: 100.0, ..USUAL }),
        []
    );
    let found =
        run(&mut watch, &mut chance, 30..31, |_| Minute { requests: 8_000.0, tokens: 100.0, ..USUAL });
    assert_eq!(found, [(30, Kind::Rate), (30, Kind::Rate)]);
}

#[test]
fn what_goes_on_becomes_usual_and_is_told_a_bounded_number_of_times_until_then() {
    let (mut watch, mut chance) = (Watch::default(), Chance(9));
    run(&mut watch, &mut chance, 0..DAY, |_| USUAL);
    let more = |_| Minute { requests: 700.0, tokens: 100.0, ..USUAL };
    let found = run(&mut watch, &mut chance, DAY..DAY + 8 * HOUR, more);
    assert!((2..=16).contains(&found.len()), "{found:?}");
    assert_eq!(run(&mut watch, &mut chance, DAY + 8 * HOUR..DAY + 9 * HOUR, more), []);
}

#[test]
fn a_model_not_used_before_and_an_hour_that_is_off_are_told_of_those_who_are_regular() {
    let (mut watch, mut chance) = (Watch::default(), Chance(11));
    let quiet = |at: i64| Minute { requests: office(at).requests / 30.0, ..USUAL };
    assert_eq!(run(&mut watch, &mut chance, 0..8 * DAY, quiet), []);
    let night = 8 * DAY + 2 * HOUR;
    let odd = Minute { requests: 5.0, alias: "claude", ..USUAL };
    let found = run(&mut watch, &mut chance, night..night + 30, |_| odd);
    let mut kinds: Vec<_> = found.iter().map(|(_, kind)| *kind).collect();
    kinds.sort_by_key(|kind| kind.as_str());
    assert_eq!(kinds, [Kind::NewModel, Kind::NewModel, Kind::OffHours, Kind::OffHours]);
}

#[test]
fn no_more_are_watched_than_there_is_room_for_and_who_was_not_seen_for_long_makes_room() {
    let mut watch = Watch::default();
    let see = |watch: &mut Watch, number: u128, at_ms: i64| {
        let seen = Seen { at_ms, alias: "gpt", is_failed: false, tokens: 1, cost_nano_usd: 1 };
        watch.see(KeyId(Uuid::from_u128(number)), None, seen);
    };
    for number in 0..=WATCHED_MAX as u128 {
        see(&mut watch, number, 0);
    }
    assert_eq!(watch.each.len(), WATCHED_MAX);
    see(&mut watch, u128::MAX, FORGOTTEN_MS + MINUTE_MS);
    assert_eq!(watch.each.len(), 1);
}

#[test]
fn what_is_kept_and_recalled_finds_what_would_have_been_found_without_a_break() {
    let mut chance = Chance(7);
    let mut one = Watch::default();
    run(&mut one, &mut chance, 0..8 * DAY, office);
    let kept = one.keep(true);
    assert_eq!(kept.len(), 2);
    assert!(one.keep(true).is_empty(), "nothing was learnt since");
    let mut other = Watch::default();
    for (watched, _, bytes) in &kept {
        other.recall(*watched, bytes);
    }
    // a minute later both begin another one
    let odd = |at: i64| match at % DAY {
        600..700 => Minute { requests: 900.0, ..office(at) },
        1_320..1_330 => Minute { requests: 20.0, alias: "unheard of", ..USUAL },
        _ => office(at),
    };
    let range = 8 * DAY..9 * DAY;
    let found = run(&mut one, &mut Chance(8), range.clone(), odd);
    assert_eq!(run(&mut other, &mut Chance(8), range, odd), found);
    let kinds: Vec<Kind> = found.iter().map(|(_, kind)| *kind).collect();
    assert!(kinds.contains(&Kind::Rate) && kinds.contains(&Kind::NewModel), "{kinds:?}");
}

#[test]
fn bytes_that_are_not_what_was_kept_are_learnt_anew() {
    let mut watch = Watch::default();
    run(&mut watch, &mut Chance(9), 0..30, |_| USUAL);
    let (watched, _, bytes) = watch.keep(true).remove(0);
    for cut in 0..bytes.len() {
        assert!(Usual::read(&bytes[..cut]).is_none(), "{cut}");
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(Usual::read(&longer).is_none());
    let mut recalled = Watch::default();
    recalled.recall(watched, &[]);
    assert!(recalled.each.is_empty());
    recalled.recall(watched, &bytes);
    assert_eq!(Usual::write(&recalled.each[&watched]), bytes);
}
