//! The second signal: phrases that stand in attacks and not in names, wherever in the text they are.
//!
//! libinjection judges by the first five tokens, knows few commands, and is not asked about words alone; this
//! closes these gaps. Phrases are looked for in the squeezed text, see [`squeezed`], in one pass.

mod squeeze;

use std::{borrow::Cow, ops::Range, sync::LazyLock};

use aho_corasick::AhoCorasick;

use squeeze::{is_word, squeezed};

/// What must stand around a phrase, so that it is none of English.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Needs {
    Nothing,
    /// The end of a string before it: `;copy ` may be a note, `';copy ` is a command.
    Quote,
    /// A ` from ` behind it.
    From,
}

use Needs::{From, Nothing, Quote};

/// Phrases in squeezed form: lower case, any quote is `'`, any number `0`, no blank beside a sign.
/// Words that a name may begin with are only here with what makes them a statement.
const PHRASES: &[(Needs, &[&str])] = &[
    (
        Nothing,
        &[
            // a second select
            "union select 0",
            "union select-0",
            "union select null",
            "union select'",
            "union select(",
            "union select*",
            "union select@",
            "union all select",
            "union distinct select",
            "union(select",
            "union all(select",
            "union values(",
            "except select 0",
            "intersect select 0",
            "select case when",
            "select*from",
            "(select 0 from",
            "(select null from",
            "select group_concat(",
            // always true, never true
            "or 0=0",
            "or 0>0",
            "or 0<0",
            "or'0'='0",
            "or 0 like 0",
            "or not 0=0",
            "and 0=0",
            "and 0>0",
            "and 0<0",
            "and'0'='0",
            "and 0 like 0",
            "xor 0=0",
            "||0=0",
            "&&0=0",
            "having 0=0",
            // a second statement
            ";select 0",
            ";select'",
            ";select(",
            ";select@",
            ";select null",
            ";drop table",
            ";drop database",
            ";drop schema",
            ";drop user",
            ";drop view",
            ";alter table",
            ";alter user",
            ";alter role",
            ";truncate table",
            ";create table",
            ";create user",
            ";create function",
            ";create extension",
            ";attach database",
            ";set@",
            ";exec(",
            ";exec xp_",
            ";exec sp_",
            ";declare@",
            ";do$$",
            ";load data",
            "waitfor delay'",
            "waitfor time'",
            // functions and procedures of one database each: waiting, erring, reading, leaving
            "sleep(0",
            "benchmark(0",
            "pg_sleep(",
            "randomblob(",
            "zeroblob(",
            "generate_series(0",
            "extractvalue(",
            "updatexml(",
            "gtid_subset(",
            "name_const(",
            "procedure analyse(",
            "load_file(",
            "load_extension(",
            "into outfile'",
            "into dumpfile'",
            "pg_read_file(",
            "pg_ls_dir(",
            "lo_import(",
            "lo_export(",
            "dblink(",
            "sys_eval(",
            "xp_cmdshell",
            "xp_dirtree",
            "xp_regread",
            "sp_oacreate",
            "sp_executesql",
            "utl_inaddr.",
            "utl_http.",
            "dbms_pipe.",
            "dbms_lock.",
            "dbms_ldap.",
            // who the server is, what it holds
            "version()",
            "database()",
            "information_schema.",
            "pg_catalog.",
            "from sqlite_master",
            "from sqlite_schema",
            "from sysobjects",
            "from pg_user",
            "from pg_shadow",
            "from mysql.user",
            "@@version",
            "@@datadir",
            "@@hostname",
        ],
    ),
    (
        Quote,
        &[
            ";alter ",
            ";call ",
            ";copy ",
            ";create ",
            ";declare ",
            ";delete ",
            ";drop ",
            ";exec ",
            ";execute ",
            ";grant ",
            ";insert ",
            ";kill ",
            ";lock ",
            ";merge ",
            ";notify ",
            ";pragma ",
            ";reindex",
            ";rename ",
            ";replace ",
            ";revoke ",
            ";select ",
            ";shutdown",
            ";truncate ",
            ";update ",
            ";vacuum",
            "union select ",
            "(select ",
            "collate nocase",
        ],
    ),
    (From, &["union select ", "except select ", "intersect select "]),
];

/// One automaton for all; `None` cannot be, which a test says.
static AUTOMATON: LazyLock<Option<AhoCorasick>> =
    LazyLock::new(|| AhoCorasick::new(phrases().map(|(_, text)| text)).ok());

fn phrases() -> impl Iterator<Item = (Needs, &'static str)> {
    PHRASES.iter().flat_map(|(needs, texts)| texts.iter().map(|text| (*needs, *text)))
}

/// The first phrase of an attack, or the end of one.
pub(super) fn find(text: &[u8]) -> Option<Cow<'static, str>> {
    let squeezed = squeezed(text);
    let last_from = memchr::memmem::rfind(&squeezed, b" from ").unwrap_or(0);
    let phrase = AUTOMATON.as_ref().and_then(|automaton| {
        automaton.find_overlapping_iter(&squeezed).find_map(|hit| {
            let (needs, phrase) = phrases().nth(hit.pattern().as_usize())?;
            stands(&squeezed, hit.range(), needs, last_from).then_some(phrase)
        })
    });
    if let Some(phrase) = phrase {
        return Some(format!("pattern {phrase}").into());
    }
    ends_a_string_and_comments(text).then_some(Cow::Borrowed("pattern quote and comment"))
}

/// Whether a phrase stands alone, not in the middle of a word, and after what it needs.
fn stands(text: &[u8], at: Range<usize>, needs: Needs, last_from: usize) -> bool {
    let (Some(head), Some(own), Some(tail)) =
        (text.get(..at.start), text.get(at.clone()), text.get(at.end..))
    else {
        return false;
    };
    let joins = |left: Option<&u8>, right: Option<&u8>| {
        left.zip(right).is_some_and(|(left, right)| is_word(*left) && is_word(*right))
    };
    // A number may go on: `0` stands for the digits only, `0x41` has letters after them.
    let is_cut = own.last() != Some(&b'0') && joins(own.last(), tail.first());
    !joins(head.last(), own.first())
        && !is_cut
        && match needs {
            Nothing => true,
            Quote => trimmed(head, b")").last() == Some(&b'\''),
            From => last_from > at.end,
        }
}

/// `admin'--`: a string is closed and what stood behind it is commented out.
fn ends_a_string_and_comments(text: &[u8]) -> bool {
    let Some(head) = before_last_comment(text) else { return false };
    matches!(trimmed(head, b" \t\r\n);").last(), Some(b'\'' | b'"'))
}

/// What stands before the comment that ends a text, where one does and has nothing in it.
pub(super) fn before_last_comment(text: &[u8]) -> Option<&[u8]> {
    let text = text.trim_ascii_end();
    let head = trimmed(text, b"-+ ");
    let tail = text.get(head.len()..)?;
    let has_dashes = memchr::memmem::find(tail, b"--").is_some();
    if has_dashes {
        return Some(head);
    }
    text.strip_suffix(b"#").or_else(|| text.strip_suffix(b"/*"))
}

/// The text without any of these bytes at its end.
fn trimmed<'a>(text: &'a [u8], bytes: &[u8]) -> &'a [u8] {
    let len = text.iter().rposition(|byte| !bytes.contains(byte)).map_or(0, |last| last.saturating_add(1));
    text.get(..len).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(find(text.as_bytes()).as_deref(), expected, "{text}");
    }

    #[test]
    fn every_phrase_is_squeezed_already_and_found_by_its_own_words() {
        assert!(AUTOMATON.is_some());
        for (needs, phrase) in phrases() {
            let text = match needs {
                Nothing => format!("x {phrase} y"),
                Quote => format!("x'){phrase} y"),
                From => format!("x {phrase} y from z"),
            };
            assert_eq!(squeezed(phrase.as_bytes()), phrase.trim_end().as_bytes(), "{phrase}");
            assert!(find(text.as_bytes()).is_some(), "{phrase}");
        }
    }

    #[test]
    fn a_phrase_stands_alone_and_after_what_it_needs() {
        check("gpt-4o OR 1 = 1", Some("pattern or 0=0"));
        check("color 1=1", None);
        check("tenor 17=17", None);
        check("x'));  UPDATE keys", Some("pattern ;update "));
        check("old; update the docs", None);
        check("waitfor delay '0:0:5'", Some("pattern waitfor delay'"));
        check("1 union/**/all select", Some("pattern union all select"));
        check("reunion all select", None);
        check("union all selected", None);
        check("Credit Union Select", None);
        check("gpt union select name from teams", Some("pattern union select "));
        check("from union select teams", None);
    }

    #[test]
    fn a_comment_after_a_closed_string_is_an_attack_and_any_other_is_not() {
        for text in ["admin'--", "admin') -- -", "x\";#", "x' /*", "x'--+"] {
            check(text, Some("pattern quote and comment"));
        }
        for text in ["old --", "C#", "'a'", "O'Neil -- old", "2026 -- x", "a-'b'-c", ""] {
            check(text, None);
        }
    }
}
