//! Passed and failed, counted from what a runner prints.
//! A runner that ends badly has at least one failure, whatever it printed; one that ran nothing is not good.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub passed: u32,
    pub failed: u32,
}

/// Reads one line of a runner's output.
pub(crate) type Reader = fn(&mut Tally, &str);

impl Tally {
    pub(crate) fn is_good(self) -> bool {
        self.failed == 0 && self.passed > 0
    }

    /// A runner that never ran; says why.
    pub(crate) fn broken(error: &anyhow::Error) -> Self {
        println!("{error:#}");
        Self { passed: 0, failed: 1 }
    }

    /// Runs `command` with its output shown as it comes, and counts with `read`.
    pub(crate) fn of(command: &mut Command, read: Reader) -> Result<Self> {
        let (reader, writer) = std::io::pipe()?;
        let mut child = command
            .stdin(Stdio::null())
            .stdout(writer.try_clone()?)
            .stderr(writer)
            .spawn()
            .with_context(|| format!("cannot start `{}`", command.get_program().display()))?;
        // The command keeps the pipe's writing end open as long as it has it.
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut tally = Self::default();
        for line in BufReader::new(reader).split(b'\n') {
            let line = String::from_utf8_lossy(&line?).into_owned();
            println!("{line}");
            read(&mut tally, &plain(&line));
        }
        if !child.wait()?.success() {
            tally.failed = tally.failed.max(1);
        }
        Ok(tally)
    }

    /// `Summary [ 0.1s] 4 tests run: 3 passed (1 slow), 1 failed, 2 skipped`
    pub(crate) fn nextest(&mut self, line: &str) {
        if line.trim_start().starts_with("Summary [") {
            self.passed += before(line, " passed");
            self.failed +=
                before(line, " failed") + before(line, " timed out") + before(line, " exec failed");
        }
    }

    /// `test result: ok. 3 passed; 1 failed; ..`
    pub(crate) fn cargo_test(&mut self, line: &str) {
        if line.starts_with("test result:") {
            self.passed += before(line, " passed");
            self.failed += before(line, " failed");
        }
    }

    /// `Ran 9 tests in 0.1s`, then `FAILED (failures=1, errors=2)`
    pub(crate) fn unittest(&mut self, line: &str) {
        if line.starts_with("Ran ") {
            self.passed += before(line, " test");
        } else if line.starts_with("FAILED (") || line.starts_with("OK (") {
            let failed = after(line, "failures=") + after(line, "errors=");
            self.failed += failed;
            self.passed = self.passed.saturating_sub(failed + after(line, "skipped="));
        }
    }

    /// `4670 generated, 4669 passed, 2 skipped` or `4674 generated, 1 found 1 unique failure, 135 skipped`
    pub(crate) fn schemathesis(&mut self, line: &str) {
        let generated = before(line, " generated");
        if generated > 0 {
            let failed = before(line, " found");
            self.failed += failed;
            self.passed += generated.saturating_sub(failed + before(line, " skipped"));
        }
    }

    /// `ℹ pass 9` and `ℹ fail 1`
    pub(crate) fn node(&mut self, line: &str) {
        self.passed += line.strip_prefix("ℹ pass ").map_or(0, leading);
        self.failed += line.strip_prefix("ℹ fail ").map_or(0, leading);
    }
}

/// The number that ends right before `word`.
fn before(line: &str, word: &str) -> u32 {
    let number = line.split(word).next().filter(|text| text.len() < line.len());
    number.and_then(|text| text.rsplit(' ').next()?.parse().ok()).unwrap_or(0)
}

/// The number right after `word`.
fn after(line: &str, word: &str) -> u32 {
    line.split_once(word).map_or(0, |(_, rest)| leading(rest))
}

fn leading(text: &str) -> u32 {
    text.split(|c: char| !c.is_ascii_digit()).next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// The line without colours.
fn plain(line: &str) -> String {
    let mut pieces = line.split("\x1b[");
    let first = pieces.next().unwrap_or_default().to_owned();
    first + &pieces.map(|piece| piece.split_once('m').map_or(piece, |(_, text)| text)).collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_runners_words_are_counted() {
        let cases: &[(Reader, &str, u32, u32)] = &[
            (
                Tally::nextest,
                "\x1b[1m     Summary\x1b[0m [   0.1s] 4 tests run: 3 passed (1 slow), 1 failed, 2 skipped",
                3,
                1,
            ),
            (
                Tally::nextest,
                "     Summary [   9.0s] 2 tests run: 0 passed, 1 failed, 1 timed out, 0 skipped",
                0,
                2,
            ),
            (Tally::nextest, "        PASS [   0.0s] xtask summary::1 passed", 0, 0),
            (
                Tally::cargo_test,
                "test result: ok. 3 passed; 0 failed; 0 ignored\ntest result: FAILED. 1 passed; 2 failed;",
                4,
                2,
            ),
            (Tally::unittest, "Ran 1 test in 0.1s\n\nOK", 1, 0),
            (Tally::unittest, "Ran 9 tests in 0.1s\n\nFAILED (failures=1, errors=2)", 6, 3),
            (Tally::unittest, "Ran 9 tests in 0.1s\n\nOK (skipped=2)", 7, 0),
            (Tally::schemathesis, "  4674 generated, 1 found 1 unique failure, 135 skipped", 4538, 1),
            (Tally::schemathesis, "  40 generated, 38 passed, 2 skipped", 38, 0),
            (Tally::schemathesis, "     Expected: 400, 401", 0, 0),
            (Tally::node, "ℹ tests 10\nℹ pass 9\nℹ fail 1", 9, 1),
        ];
        for (read, output, passed, failed) in cases {
            let mut tally = Tally::default();
            output.lines().for_each(|line| read(&mut tally, &plain(line)));
            assert_eq!(tally, Tally { passed: *passed, failed: *failed }, "{output}");
        }
    }

    #[test]
    fn a_runner_that_ends_badly_has_failed_whatever_it_printed() {
        let cases =
            [("echo 'Ran 2 tests'; exit 0", 2, 0), ("echo 'Ran 2 tests'; exit 1", 2, 1), ("exit 0", 0, 0)];
        for (script, passed, failed) in cases {
            let tally = Tally::of(Command::new("sh").args(["-c", script]), Tally::unittest).unwrap();
            assert_eq!(tally, Tally { passed, failed }, "{script}");
            assert_eq!(tally.is_good(), failed == 0 && passed > 0);
        }
    }
}
