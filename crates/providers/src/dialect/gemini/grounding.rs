//! What the vendor found for an answer: which passages rest on which pages, and how often it searched.
//!
//! The vendor counts in bytes of UTF-8, OpenAI in characters. A passage that is not in the answer is passed over.

use nexus_wire::conversation::members::Members;

use super::piece::objects;
use crate::part::completion::Annotation;

/// The most passages that are looked up in one answer.
const PASSAGES_MAX: usize = 128;

/// The last word on it counts.
const MEMBER: &str = "groundingMetadata";

pub(crate) fn read<'a>(candidate: &Members<'a>) -> Option<Members<'a>> {
    candidate.object(MEMBER).ok().flatten()
}

/// The same as it stands, to be kept.
pub(super) fn raw<'a>(candidate: &Members<'a>) -> Option<&'a str> {
    candidate.raw(MEMBER).map(|raw| raw.get())
}

/// How often the vendor searched.
pub(crate) fn searches(grounding: &Members<'_>) -> u64 {
    let queries = grounding.raw("webSearchQueries").map(|queries| queries.get());
    let queries: Vec<String> = queries.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    u64::try_from(queries.len()).unwrap_or(u64::MAX)
}

/// The pages that passages of `text` rest on.
pub(super) fn annotations<'a>(grounding: &Members<'a>, text: &str) -> Vec<Annotation<'a>> {
    let pages = objects(grounding, "groundingChunks");
    let mut annotations = Vec::new();
    for support in objects(grounding, "groundingSupports").iter().take(PASSAGES_MAX) {
        let segment = support.object("segment").ok().flatten().unwrap_or_default();
        let Some((start, end)) = place(&segment, text) else { continue };
        let indices = support.raw("groundingChunkIndices").map(|indices| indices.get());
        let indices: Vec<usize> =
            indices.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let page = |index: usize| pages.get(index)?.object("web").ok().flatten();
        for web in indices.into_iter().take(PASSAGES_MAX).filter_map(page) {
            annotations.push(Annotation::new(start, end, web.word("title"), web.word("uri")));
        }
    }
    annotations
}

/// Where a passage stands in the text, in characters.
fn place(segment: &Members<'_>, text: &str) -> Option<(usize, usize)> {
    let index = |name| segment.raw(name).and_then(|index| index.get().parse::<usize>().ok());
    let passage = segment.word("text");
    let at = index("startIndex").unwrap_or_default();
    let is_there = text.get(at..).is_some_and(|rest| rest.starts_with(&*passage));
    let at = if is_there { at } else { text.find(&*passage)? };
    let start = text.get(..at)?.chars().count();
    (!passage.is_empty()).then(|| (start, start.saturating_add(passage.chars().count())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passages_are_found_in_characters_and_pages_by_their_number() {
        const GROUNDING: &str = r#"{"webSearchQueries":["a","b"],
            "groundingChunks":[{"web":{"uri":"https://one.example","title":"One"}},{"retrievedContext":{}}],
            "groundingSupports":[
                {"groundingChunkIndices":[0,1,9],"segment":{"startIndex":5,"endIndex":11,"text":"66 °F"}},
                {"groundingChunkIndices":[0],"segment":{"startIndex":1,"text":"66 °F"}},
                {"groundingChunkIndices":[0],"segment":{"text":"ü"}},
                {"groundingChunkIndices":[0],"segment":{"text":"not there"}},
                {"groundingChunkIndices":[0],"segment":{}}]}"#;
        let grounding = Members::read(GROUNDING).unwrap();
        assert_eq!(searches(&grounding), 2);
        let seen: Vec<_> = annotations(&grounding, "üb: 66 °F").iter().map(Annotation::place).collect();
        assert_eq!(seen, [(4, 9), (4, 9), (0, 1)]);
        assert!(annotations(&Members::default(), "text").is_empty());
        assert_eq!(searches(&Members::default()), 0);
    }
}
