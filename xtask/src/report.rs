//! How the workshop speaks: colours on a terminal, plain words when piped or when `NO_COLOR` is set.
//! A task's verdict is decided by its value, never by what was printed.

use std::fmt::Display;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Colours for one output stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint {
    coloured: bool,
}

impl Paint {
    /// Colours if standard output is a terminal.
    pub(crate) fn for_stdout() -> Self {
        let forbidden = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        Self { coloured: std::io::stdout().is_terminal() && !forbidden }
    }

    pub(crate) fn is_coloured(self) -> bool {
        self.coloured
    }

    pub(crate) fn green(self, text: impl Display) -> String {
        self.wrap("32", text)
    }

    pub(crate) fn red(self, text: impl Display) -> String {
        self.wrap("31", text)
    }

    pub(crate) fn yellow(self, text: impl Display) -> String {
        self.wrap("33", text)
    }

    pub(crate) fn bold(self, text: impl Display) -> String {
        self.wrap("1", text)
    }

    pub(crate) fn dim(self, text: impl Display) -> String {
        self.wrap("2", text)
    }

    fn wrap(self, code: &str, text: impl Display) -> String {
        if self.coloured { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_string() }
    }
}

/// How one step ended.
#[derive(Debug)]
pub(crate) enum Verdict {
    Passed,
    /// Nothing was checked, and why.
    Skipped(String),
    /// One line a finding.
    Failed(Vec<String>),
}

impl Verdict {
    /// Passed when there is no finding.
    pub(crate) fn of(findings: Vec<String>) -> Self {
        if findings.is_empty() { Self::Passed } else { Self::Failed(findings) }
    }

    pub(crate) fn is_failure(&self) -> bool {
        matches!(self, Self::Failed(_))
    }
}

/// Runs one named step, prints its verdict with the time it took, and says whether it may count as passed.
pub(crate) fn step(name: &str, work: impl FnOnce() -> anyhow::Result<Verdict>) -> bool {
    let paint = Paint::for_stdout();
    println!("{} {name}", paint.dim("..."));
    let started = Instant::now();
    let verdict = work().unwrap_or_else(|error| Verdict::Failed(vec![format!("{error:#}")]));
    let took = paint.dim(seconds(started.elapsed()));
    match &verdict {
        Verdict::Passed => println!("{}  {name:<8} {took}", paint.green("ok")),
        Verdict::Skipped(why) => println!("{}  {name:<8} {why}", paint.yellow("skipped")),
        Verdict::Failed(findings) => {
            findings.iter().for_each(|finding| println!("   {finding}"));
            println!("{}  {name:<8} {took}", paint.red("FAILED"));
        }
    }
    !verdict.is_failure()
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
