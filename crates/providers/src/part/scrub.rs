//! Taking what looks like a credential out of a provider's words, and bounding their length.
//!
//! Providers quote keys, or parts of them, in their refusals. Wrongly hiding a word is harmless here;
//! wrongly showing one is not.

/// The most that is kept of a provider's message, in bytes.
pub(crate) const MESSAGE_MAX_BYTES: usize = 2048;

const REDACTED: &str = "[redacted]";

/// How vendors' keys and tokens begin.
const PREFIXES: &[&str] = &[
    "sk-",
    "pk-",
    "gsk_",
    "xai-",
    "hf_",
    "nvapi-",
    "pplx-",
    "csk-",
    "fw_",
    "r8_",
    "tgp_",
    "AIza",
    "AKIA",
    "ASIA",
    "ya29.",
    "ghp_",
    "gho_",
    "ghs_",
    "ghu_",
    "github_pat_",
    "eyJ",
    "arn:",
];

/// Words after which a long run of letters and digits is taken for a credential.
const HERALDS: &[&str] = &["key", "token", "secret", "bearer", "authorization", "credential", "password"];

/// How many bytes before a run a herald may stand.
const HERALD_REACH_BYTES: usize = 48;

/// The shortest run that is hidden after a herald.
const RUN_MIN_BYTES: usize = 16;

/// `text` without credentials, at most [`MESSAGE_MAX_BYTES`] long. A credential that the cut goes through
/// is judged by its whole.
pub(crate) fn scrub(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(MESSAGE_MAX_BYTES));
    let mut rest = text;
    while out.len() < MESSAGE_MAX_BYTES && !rest.is_empty() {
        let run = rest.find(|c: char| !is_run(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(run);
        let trimmed = word.trim_end_matches(['.', ':']);
        if is_secret(trimmed, &out) {
            out.push_str(REDACTED);
            out.push_str(word.get(trimmed.len()..).unwrap_or_default());
        } else {
            out.push_str(word);
        }
        let mut between = after.chars();
        out.extend(between.next());
        rest = between.as_str();
    }
    let mut end = out.len().min(MESSAGE_MAX_BYTES);
    while !out.is_char_boundary(end) {
        end -= 1;
    }
    out.truncate(end);
    out
}

fn is_run(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | '+' | '*' | ':' | '\u{2022}')
}

fn is_secret(word: &str, before: &str) -> bool {
    if word.contains("**") || word.contains('\u{2022}') {
        return true;
    }
    if PREFIXES.iter().any(|prefix| word.len() > prefix.len() + 3 && word.starts_with(prefix)) {
        return true;
    }
    let mut start = before.len().saturating_sub(HERALD_REACH_BYTES);
    while !before.is_char_boundary(start) {
        start += 1;
    }
    let near = before.get(start..).unwrap_or_default().to_ascii_lowercase();
    if near.trim_end().ends_with("bearer") && word.len() > 3 {
        return true;
    }
    let has_both =
        word.bytes().any(|byte| byte.is_ascii_digit()) && word.bytes().any(|byte| byte.is_ascii_alphabetic());
    let is_url = word.contains("//");
    word.len() >= RUN_MIN_BYTES && has_both && !is_url && HERALDS.iter().any(|herald| near.contains(herald))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_credential_is_hidden_and_the_rest_is_left() {
        for (text, expected) in [
            ("Incorrect API key provided: sk-abc***xyz.", "Incorrect API key provided: [redacted]."),
            ("key sk-proj-abcDEF123. See docs", "key [redacted]. See docs"),
            ("Your api key: ****cdef is invalid", "Your api key: [redacted] is invalid"),
            ("Authorization: Bearer abcd refused", "Authorization: Bearer [redacted] refused"),
            ("api_key=0123456789abcdef0123 is wrong", "api_key=[redacted] is wrong"),
            ("token \"aGVsbG8gd29ybGQ1aGVsbG8=\"", "token \"[redacted]=\""),
            ("got eyJhbGciOi.eyJzdWIi.c2ln", "got [redacted]"),
            ("user arn:aws:iam::123456789012:user/x is not authorized", "user [redacted] is not authorized"),
            ("gsk_abcdefgh, hf_abcdefgh", "[redacted], [redacted]"),
            (
                "This model's maximum context length is 4096 tokens.",
                "This model's maximum context length is 4096 tokens.",
            ),
            (
                "The key is wrong: https://platform.openai.com/account/api-keys2",
                "The key is wrong: https://platform.openai.com/account/api-keys2",
            ),
            ("id chatcmpl-0123456789abcdef", "id chatcmpl-0123456789abcdef"),
            ("task-force sk-", "task-force sk-"),
            ("", ""),
        ] {
            assert_eq!(scrub(text), expected);
        }
    }

    #[test]
    fn a_long_message_is_cut_between_characters_and_never_through_a_credential() {
        for text in
            ["ä".repeat(5000), format!("{}sk-abcdefghijklmnop", "x ".repeat(1021)), "x".repeat(100_000)]
        {
            let kept = scrub(&text);
            assert!(kept.len() <= MESSAGE_MAX_BYTES && kept.len() > MESSAGE_MAX_BYTES - 12, "{}", kept.len());
            assert!(!kept.contains("sk-"));
        }
    }
}
