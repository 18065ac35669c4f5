//! The vendor's counts: what it bills, which is less than the tokens its models read.
//!
//! `tokens` includes the vendor's own prompt around the caller's, and what was cached of both; only
//! `billed_units` costs anything. Where those are not said, the tokens count.

use nexus_core::usage::{Doubt, Quantity, Usage};
use nexus_wire::conversation::members::Members;
use serde_json::value::RawValue;

use super::super::Consumed;

pub(super) fn consumed(raw: Option<&RawValue>) -> Consumed {
    let Some(raw) = raw else { return Consumed::default() };
    let usage = Members::read(raw.get()).and_then(|said| usage(&said));
    let doubt = usage.is_none().then_some(Doubt::Nonsense);
    Consumed { usage, doubt, raw: Some(Box::from(raw.get())), ..Consumed::default() }
}

fn usage(said: &Members<'_>) -> Option<Usage> {
    let units = |name| said.object(name).ok().flatten();
    let tokens = units("tokens");
    let billed = units("billed_units").or_else(|| tokens.clone())?;
    let (input, output) = (count(&billed, "input_tokens")?, count(&billed, "output_tokens")?);
    let thought = tokens.and_then(|tokens| count(&tokens, "reasoning_tokens"));
    let reasoning = thought.unwrap_or_default().min(output);
    Some(Usage::text(input, output - reasoning).with(Quantity::Reasoning, reasoning))
}

/// A count that can be believed; some are written with a fraction.
pub(super) fn count(said: &Members<'_>, name: &str) -> Option<u64> {
    let text = said.raw(name)?.get();
    let whole = text.strip_suffix(".0").unwrap_or(text);
    whole.parse().ok().filter(|count| *count <= Usage::PLAUSIBLE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_billed_counts_and_thoughts_are_part_of_the_output() {
        let usage =
            |input, output, reasoning| Some(Usage::text(input, output).with(Quantity::Reasoning, reasoning));
        for (said, expected) in [
            (
                r#"{"billed_units":{"input_tokens":51,"output_tokens":66},"tokens":{"input_tokens":267,"output_tokens":91,"reasoning_tokens":58},"cached_tokens":144}"#,
                usage(51, 8, 58),
            ),
            (r#"{"tokens":{"input_tokens":5,"output_tokens":3}}"#, usage(5, 3, 0)),
            (r#"{"billed_units":{"input_tokens":7.0,"output_tokens":2.0}}"#, usage(7, 2, 0)),
            (
                r#"{"billed_units":{"input_tokens":1,"output_tokens":2},"tokens":{"reasoning_tokens":9}}"#,
                usage(1, 0, 2),
            ),
            (r#"{"billed_units":{"input_tokens":1}}"#, None),
            (r#"{"billed_units":{"input_tokens":-1,"output_tokens":2}}"#, None),
            (r#"{"billed_units":{"input_tokens":1,"output_tokens":99999999999999}}"#, None),
            ("[]", None),
        ] {
            let raw = serde_json::from_str(said).unwrap();
            assert_eq!(consumed(Some(raw)).usage, expected, "{said}");
            assert_eq!(consumed(Some(raw)).raw.as_deref(), Some(said));
        }
        assert_eq!(consumed(None), Consumed::default());
    }
}
