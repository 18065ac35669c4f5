//! The vendor's token counts: added up over a stream and made disjoint.
//!
//! The vendor's input counts exclude the cache. Counts in a stream are running
//! totals: they replace, they never add. One count that cannot be makes all of them absent.

use nexus_core::{
    price::Tier,
    usage::{Doubt, Quantity, Usage},
};
use nexus_wire::conversation::members::Members;
use serde_json::value::RawValue;

use super::super::Consumed;
use crate::part::usage::{Convention, Counted, Reported};

/// Counts as they are said; `None` where one is not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    input: Option<u64>,
    cache_read: Option<u64>,
    cache_write: Option<u64>,
    /// Part of `cache_write`.
    cache_write_1h: Option<u64>,
    output: Option<u64>,
    /// Part of `output`.
    thinking: Option<u64>,
    searches: Option<u64>,
}

/// What an answer has said about its usage so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    counts: Counts,
    /// Of all the model's runs for this answer, where the vendor lists several.
    runs: Option<Counts>,
    is_broken: bool,
    is_final: bool,
    tier: Tier,
    first: Option<Box<str>>,
    last: Option<Box<str>>,
}

/// Whether what is said can still change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stand {
    /// At a stream's begin: the output is yet to come.
    First,
    Final,
}

impl Tally {
    pub(crate) fn note(&mut self, raw: &RawValue, stand: Stand) {
        let Some(members) = Members::read(raw.get()) else { return };
        match (Counts::read(&members), runs(&members)) {
            (Ok(counts), Ok(runs)) => {
                self.counts = counts.or(self.counts);
                self.runs = runs.or(self.runs);
            }
            _ => self.is_broken = true,
        }
        if let Some(tier) = members.text("service_tier").ok().flatten() {
            self.tier = Tier::served(&tier);
        }
        let kept = if stand == Stand::First { &mut self.first } else { &mut self.last };
        *kept = Some(Box::from(raw.get()));
        self.is_final |= stand == Stand::Final;
    }

    /// The counts of all runs. `None` until the last word was said: an answer that breaks off before is
    /// to be counted locally, since its output is unknown.
    fn billed(&self) -> Option<Counts> {
        let is_said = self.counts.input.is_some() || self.counts.output.is_some();
        (self.is_final && !self.is_broken && is_said)
            .then(|| self.runs.map_or(self.counts, |runs| self.counts.at_least(runs)))
    }

    pub(crate) fn consumed(&self) -> Consumed {
        let raw = match (&self.first, &self.last) {
            (Some(first), Some(last)) => joined(first, last),
            (first, last) => last.clone().or(first.clone()),
        };
        match self.billed() {
            Some(counts) => Consumed { tier: self.tier, ..counts.counted().consumed(raw) },
            None => Consumed { doubt: self.is_broken.then_some(Doubt::Nonsense), raw, ..Consumed::default() },
        }
    }
}

/// What the vendor said first and last as one object; of a member in both the last counts.
fn joined(first: &str, last: &str) -> Option<Box<str>> {
    let (first, last) = (Members::read(first)?, Members::read(last)?);
    let kept = first.iter().filter(|(name, _)| last.raw(name).is_none());
    let said = last.iter().filter(|(name, value)| value.get() != "null" || first.raw(name).is_none());
    let members: Vec<String> = kept
        .chain(said)
        .map(|(name, value)| format!("{}:{}", serde_json::Value::from(name), value.get()))
        .collect();
    Some(format!("{{{}}}", members.join(",")).into_boxed_str())
}

struct Broken;

fn count(members: &Members<'_>, name: &str) -> Result<Option<u64>, Broken> {
    let Some(value) = members.raw(name) else { return Ok(None) };
    value.get().parse().ok().filter(|count| *count <= Usage::PLAUSIBLE_MAX).map(Some).ok_or(Broken)
}

fn inner<'a>(members: &Members<'a>, name: &str) -> Result<Members<'a>, Broken> {
    members.object(name).map(Option::unwrap_or_default).map_err(|_| Broken)
}

/// The sum over `iterations`, which the top level does not always include.
fn runs(members: &Members<'_>) -> Result<Option<Counts>, Broken> {
    let Some(list) = members.raw("iterations") else { return Ok(None) };
    let list: Vec<Members<'_>> = serde_json::from_str(list.get()).map_err(|_| Broken)?;
    list.iter().try_fold(None, |sum: Option<Counts>, run| {
        let run = Counts::read(run)?;
        Ok(Some(sum.map_or(run, |sum| sum.plus(run))))
    })
}

impl Counts {
    fn read(members: &Members<'_>) -> Result<Self, Broken> {
        let by_lifetime = inner(members, "cache_creation")?;
        let minutes = count(&by_lifetime, "ephemeral_5m_input_tokens")?;
        let hour = count(&by_lifetime, "ephemeral_1h_input_tokens")?;
        let by_lifetime = [minutes, hour].into_iter().flatten().reduce(u64::saturating_add);
        Ok(Self {
            input: count(members, "input_tokens")?,
            cache_read: count(members, "cache_read_input_tokens")?,
            cache_write: count(members, "cache_creation_input_tokens")?.or(by_lifetime),
            cache_write_1h: hour,
            output: count(members, "output_tokens")?,
            thinking: count(&inner(members, "output_tokens_details")?, "thinking_tokens")?,
            searches: count(&inner(members, "server_tool_use")?, "web_search_requests")?,
        })
    }

    fn zip(self, other: Self, join: impl Fn(Option<u64>, Option<u64>) -> Option<u64>) -> Self {
        Self {
            input: join(self.input, other.input),
            cache_read: join(self.cache_read, other.cache_read),
            cache_write: join(self.cache_write, other.cache_write),
            cache_write_1h: join(self.cache_write_1h, other.cache_write_1h),
            output: join(self.output, other.output),
            thinking: join(self.thinking, other.thinking),
            searches: join(self.searches, other.searches),
        }
    }

    fn or(self, earlier: Self) -> Self {
        self.zip(earlier, Option::or)
    }

    fn at_least(self, other: Self) -> Self {
        self.zip(other, Option::max)
    }

    fn plus(self, other: Self) -> Self {
        self.zip(other, |one, two| match (one, two) {
            (Some(one), Some(two)) => Some(one.saturating_add(two)),
            (one, two) => one.or(two),
        })
    }

    fn counted(self) -> Counted {
        let cache_write = self.cache_write.unwrap_or_default();
        let hour = self.cache_write_1h.unwrap_or_default().min(cache_write);
        let parts = Usage::default()
            .with(Quantity::CacheRead, self.cache_read.unwrap_or_default())
            .with(Quantity::CacheWrite5m, cache_write.saturating_sub(hour))
            .with(Quantity::CacheWrite1h, hour)
            .with(Quantity::Reasoning, self.thinking.unwrap_or_default())
            .with(Quantity::Searches, self.searches.unwrap_or_default());
        Reported {
            prompt: self.input.unwrap_or_default(),
            completion: self.output.unwrap_or_default(),
            total: None,
            parts,
        }
        .disjoint(Convention::CACHE_BESIDE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(said: &[(Stand, &str)]) -> Tally {
        let mut tally = Tally::default();
        for (stand, raw) in said {
            tally.note(&RawValue::from_string((*raw).to_owned()).unwrap(), *stand);
        }
        tally
    }

    /// What is said, in order, and what it counts to.
    type Case<'a> = (&'a [(Stand, &'a str)], Option<Usage>);

    fn some(input: u64, cache_read: u64, cache_write: u64, output: u64, reasoning: u64) -> Option<Usage> {
        let usage = Usage::default().with(Quantity::Input, input).with(Quantity::CacheRead, cache_read);
        let usage = usage.with(Quantity::CacheWrite5m, cache_write).with(Quantity::Output, output);
        Some(usage.with(Quantity::Reasoning, reasoning))
    }

    fn check((said, expected): &Case<'_>) {
        assert_eq!(tally(said).consumed().usage, *expected, "{said:?}");
    }

    #[test]
    fn counts_are_disjoint_and_the_last_said_is_what_counts() {
        use Stand::{Final, First};
        const START: &str = r#"{"input_tokens":25,"cache_creation_input_tokens":200,"cache_read_input_tokens":1000,"output_tokens":1}"#;
        let cases: &[Case] = &[
            (&[(Final, START)], some(25, 1000, 200, 1, 0)),
            (&[(First, START)], None),
            (&[(First, START), (Final, r#"{"output_tokens":50}"#)], some(25, 1000, 200, 50, 0)),
            (
                &[
                    (First, START),
                    (Final, r#"{"output_tokens":9,"input_tokens":7,"cache_read_input_tokens":null}"#),
                ],
                some(7, 1000, 200, 9, 0),
            ),
            (
                &[(
                    Final,
                    r#"{"input_tokens":1,"output_tokens":9,"output_tokens_details":{"thinking_tokens":5}}"#,
                )],
                some(1, 0, 0, 4, 5),
            ),
            (
                &[(
                    Final,
                    r#"{"input_tokens":1,"output_tokens":9,"output_tokens_details":{"thinking_tokens":50}}"#,
                )],
                some(1, 0, 0, 0, 9),
            ),
            (
                &[(
                    Final,
                    r#"{"input_tokens":10,"output_tokens":3,"iterations":[{"input_tokens":4,"output_tokens":2},{"input_tokens":9,"output_tokens":3,"cache_read_input_tokens":1}]}"#,
                )],
                some(13, 1, 0, 5, 0),
            ),
            (&[(Final, r#"{"input_tokens":10,"output_tokens":3,"iterations":[]}"#)], some(10, 0, 0, 3, 0)),
            (&[(First, START), (Final, r#"{"output_tokens":-1}"#)], None),
            (&[(Final, r#"{"input_tokens":1.5,"output_tokens":1}"#)], None),
            (&[(Final, "{}")], None),
        ];
        cases.iter().for_each(check);
        assert_eq!(tally(&[(Final, "7")]).consumed(), Consumed::default());
    }

    #[test]
    fn caches_are_told_apart_by_lifetime_and_searches_are_counted() {
        use Stand::Final;
        let hour = |usage: Option<Usage>, count| Some(usage?.with(Quantity::CacheWrite1h, count));
        let cases: &[Case] = &[
            (
                &[(
                    Final,
                    r#"{"input_tokens":1,"cache_creation":{"ephemeral_5m_input_tokens":2,"ephemeral_1h_input_tokens":3},"output_tokens":4}"#,
                )],
                hour(some(1, 0, 2, 4, 0), 3),
            ),
            (
                &[(
                    Final,
                    r#"{"input_tokens":1,"cache_creation_input_tokens":5,"cache_creation":{"ephemeral_1h_input_tokens":9},"output_tokens":4}"#,
                )],
                hour(some(1, 0, 0, 4, 0), 5),
            ),
            (
                &[(
                    Final,
                    r#"{"input_tokens":1,"output_tokens":9,"server_tool_use":{"web_search_requests":2}}"#,
                )],
                some(1, 0, 0, 9, 0).map(|usage| usage.with(Quantity::Searches, 2)),
            ),
        ];
        cases.iter().for_each(check);
    }

    #[test]
    fn what_was_said_first_and_last_is_kept_as_one_object() {
        let tally = tally(&[
            (Stand::First, r#"{"a":1,"b":{"c":2},"d":3}"#),
            (Stand::Final, r#"{"d":4,"b":null,"e":null}"#),
        ]);
        assert_eq!(tally.consumed().raw.as_deref(), Some(r#"{"a":1,"b":{"c":2},"d":4,"e":null}"#));
    }
}
