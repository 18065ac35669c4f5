//! The log: one line an event on stderr, as JSON or as text, written by a thread of its own.
//!
//! Logging never waits and never fails: a full queue or a broken output loses lines and counts them.
//! Values are cut at 1 KiB and a line's members at 8 KiB, so the queue's memory is bounded too.

mod form;
mod members;
mod output;

use std::{
    io::{self, IsTerminal, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use form::{Form, Style};
use output::Output;
use tracing::Subscriber;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{EnvFilter, fmt::format::FmtSpan, layer::SubscriberExt};

/// Lines that may wait for the output; one more is dropped.
const QUEUE_LINES: usize = 4096;
/// What `--debug` adds to the level: everything the gateway's own crates say.
const STAGES_DIRECTIVE: &str = "nexus=debug";

/// How a line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Text where stderr is a terminal, else JSON.
    #[default]
    Auto,
    Json,
    Text,
}

/// Whether the pipeline's stages are shown with their durations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stages {
    #[default]
    Hidden,
    /// `--debug`: each span of a stage is a line when it ends.
    Shown,
}

/// What to log and how.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// Directives such as `info` or `info,nexus_engine=debug`.
    pub level: &'a str,
    pub format: Format,
    pub stages: Stages,
}

/// The log could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("the log level is not understood; write `info`, or directives such as `info,nexus_engine=debug`")]
    Level,
    #[error("a log is already set up in this process")]
    Installed,
}

/// How many log lines were lost.
#[derive(Clone, Debug)]
pub struct DroppedLines {
    queue: ErrorCounter,
    output: Arc<AtomicU64>,
}

impl DroppedLines {
    /// Since the start.
    pub fn count(&self) -> u64 {
        let queue = u64::try_from(self.queue.dropped_lines()).unwrap_or(u64::MAX);
        queue.saturating_add(self.output.load(Ordering::Relaxed))
    }
}

/// Keeps the log's thread; what is queued is written when this is dropped, for at most a second.
#[must_use = "lines that are still queued are lost unless this lives to the end of the program"]
pub struct LogGuard {
    dropped: DroppedLines,
    _worker: WorkerGuard,
}

impl LogGuard {
    pub fn dropped(&self) -> DroppedLines {
        self.dropped.clone()
    }
}

/// Sets the process's log up, once.
pub fn init(options: Options<'_>) -> Result<LogGuard, LogError> {
    let stderr = io::stderr();
    let style = match (options.format, stderr.is_terminal()) {
        (Format::Json, _) | (Format::Auto, false) => Style::Json,
        (Format::Auto | Format::Text, true) => Style::Coloured,
        (Format::Text, false) => Style::Text,
    };
    let (subscriber, guard) = subscriber(options, style, stderr)?;
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LogError::Installed)?;
    Ok(guard)
}

fn subscriber<W: Write + Send + 'static>(
    options: Options<'_>,
    style: Style,
    writer: W,
) -> Result<(impl Subscriber + use<W>, LogGuard), LogError> {
    let (directives, spans) = match options.stages {
        Stages::Hidden => (options.level.to_owned(), FmtSpan::NONE),
        Stages::Shown => (format!("{},{STAGES_DIRECTIVE}", options.level), FmtSpan::CLOSE),
    };
    if options.level.trim().is_empty() {
        return Err(LogError::Level);
    }
    let filter = EnvFilter::builder().parse(directives).map_err(|_| LogError::Level)?;
    let output = Output::new(writer);
    let lost = output.lost();
    let (queue, worker) =
        NonBlockingBuilder::default().buffered_lines_limit(QUEUE_LINES).thread_name("log").finish(output);
    let dropped = DroppedLines { queue: queue.error_counter(), output: lost };
    let lines = tracing_subscriber::fmt::layer()
        .with_span_events(spans)
        .event_format(Form(style))
        .fmt_fields(Form(style))
        .with_writer(queue);
    let subscriber = tracing_subscriber::registry().with(filter).with(lines);
    Ok((subscriber, LogGuard { dropped, _worker: worker }))
}

#[cfg(test)]
mod tests;
