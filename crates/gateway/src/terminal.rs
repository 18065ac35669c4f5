//! What the commands say to people and scripts. A closed pipe is no error.

use std::io::{IsTerminal as _, Write as _, stderr, stdout};

use crate::cli::Output;

/// A line on standard output.
pub fn say(line: &str) {
    let _closed = writeln!(stdout().lock(), "{line}");
}

/// A line on standard error, in red where it is a terminal.
pub fn complain(line: &str) {
    let mut out = stderr().lock();
    let _closed = if out.is_terminal() {
        writeln!(out, "\x1b[31mnexus:\x1b[0m {line}")
    } else {
        writeln!(out, "nexus: {line}")
    };
}

/// Text for people, JSON for everything else.
pub fn usual_output() -> Output {
    if stdout().is_terminal() { Output::Text } else { Output::Json }
}

/// How far something long has come, in place of what was said before; only where a person looks on.
pub fn progress(line: &str) {
    let mut out = stderr().lock();
    if out.is_terminal() {
        let _closed = write!(out, "\r\x1b[2K{line}");
    }
}
