//! The vendor's token counts, made disjoint.
//!
//! Input excludes what was read from or written to the cache, and the total includes it. A model whose
//! total tells otherwise is believed. One count that cannot be makes all of them absent.

use nexus_core::usage::{Quantity, Usage};
use nexus_wire::conversation::members::Members;
use serde_json::value::RawValue;

use super::super::Consumed;
use crate::part::usage::{Convention, Counted, Reported};

/// The lifetime of a cached beginning that is counted apart.
const HOUR: &str = "1h";

pub(super) fn consumed(raw: &RawValue) -> Consumed {
    let counted = Members::read(raw.get()).and_then(|members| counted(&members)).unwrap_or(Counted::NONSENSE);
    counted.consumed(Some(Box::from(raw.get())))
}

fn counted(members: &Members<'_>) -> Option<Counted> {
    let (input, output) = (count(members, "inputTokens")?, count(members, "outputTokens")?);
    if input.is_none() && output.is_none() {
        return Some(Counted::MISSING);
    }
    let cache_write = count(members, "cacheWriteInputTokens")?.unwrap_or_default();
    let hour = written_for_an_hour(members)?.min(cache_write);
    let parts = Usage::default()
        .with(Quantity::CacheRead, count(members, "cacheReadInputTokens")?.unwrap_or_default())
        .with(Quantity::CacheWrite5m, cache_write.saturating_sub(hour))
        .with(Quantity::CacheWrite1h, hour);
    let (prompt, completion) = (input.unwrap_or_default(), output.unwrap_or_default());
    let total = count(members, "totalTokens")?;
    let is_inside = parts.tokens() <= prompt && total == Some(prompt.saturating_add(completion));
    let convention = if is_inside { Convention::OPENAI } else { Convention::CACHE_BESIDE };
    Some(Reported { prompt, completion, total, parts }.disjoint(convention))
}

/// `Some(None)` where it is not said, `None` where it is nonsense.
fn count(members: &Members<'_>, name: &str) -> Option<Option<u64>> {
    let Some(value) = members.raw(name) else { return Some(None) };
    value.get().parse().ok().filter(|count| *count <= Usage::PLAUSIBLE_MAX).map(Some)
}

/// Of what was written to the cache, that which is kept longer.
fn written_for_an_hour(members: &Members<'_>) -> Option<u64> {
    let Some(details) = members.raw("cacheDetails") else { return Some(0) };
    let details: Vec<Members<'_>> = serde_json::from_str(details.get()).ok()?;
    let is_hour = |detail: &&Members<'_>| detail.text("ttl").ok().flatten().is_some_and(|ttl| ttl == HOUR);
    details.iter().filter(is_hour).try_fold(0_u64, |sum, detail| {
        Some(sum.saturating_add(count(detail, "inputTokens")?.unwrap_or_default()))
    })
}

#[cfg(test)]
mod tests {
    use nexus_core::usage::Doubt;

    use super::*;

    #[test]
    fn counts_are_disjoint_and_the_total_decides_where_the_cache_is() {
        let some = |input, cache_read, cache_write, output| {
            let usage = Usage::text(input, output);
            Some(usage.with(Quantity::CacheRead, cache_read).with(Quantity::CacheWrite5m, cache_write))
        };
        for (raw, expected, doubt) in [
            (r#"{"inputTokens":5,"outputTokens":7,"totalTokens":12}"#, some(5, 0, 0, 7), None),
            (
                r#"{"inputTokens":2,"outputTokens":5,"totalTokens":1329,"cacheReadInputTokens":1322,"cacheReadInputTokenCount":1322,"cacheWriteInputTokens":0}"#,
                some(2, 1322, 0, 5),
                None,
            ),
            (
                r#"{"inputTokens":100,"outputTokens":5,"totalTokens":105,"cacheReadInputTokens":60,"cacheWriteInputTokens":10}"#,
                some(30, 60, 10, 5),
                None,
            ),
            (
                r#"{"inputTokens":1,"outputTokens":2,"totalTokens":33,"cacheWriteInputTokens":30,"cacheDetails":[{"ttl":"5m","inputTokens":10},{"ttl":"1h","inputTokens":20}]}"#,
                some(1, 0, 10, 2).map(|usage| usage.with(Quantity::CacheWrite1h, 20)),
                None,
            ),
            (
                r#"{"inputTokens":2,"outputTokens":5,"totalTokens":7,"cacheReadInputTokens":9}"#,
                some(2, 9, 0, 5),
                Some(Doubt::TotalDiffers),
            ),
            (r#"{"inputTokens":2,"cacheWriteInputTokens":3,"serverToolUsage":{}}"#, some(2, 0, 3, 0), None),
            (r#"{"outputTokens":3}"#, some(0, 0, 0, 3), None),
            (r#"{"inputTokens":-1,"outputTokens":7}"#, None, Some(Doubt::Nonsense)),
            (r#"{"inputTokens":1.5,"outputTokens":7}"#, None, Some(Doubt::Nonsense)),
            (r#"{"inputTokens":1,"outputTokens":99999999999999}"#, None, Some(Doubt::Nonsense)),
            (r#"{"inputTokens":1,"outputTokens":7,"cacheReadInputTokens":"x"}"#, None, Some(Doubt::Nonsense)),
            (r#"{"inputTokens":1,"outputTokens":7,"cacheDetails":7}"#, None, Some(Doubt::Nonsense)),
            ("{}", None, Some(Doubt::Missing)),
            ("7", None, Some(Doubt::Nonsense)),
        ] {
            let consumed = consumed(&RawValue::from_string(raw.to_owned()).unwrap());
            assert_eq!((consumed.usage, consumed.doubt), (expected, doubt), "{raw}");
            assert_eq!(consumed.raw.as_deref(), Some(raw));
        }
    }
}
