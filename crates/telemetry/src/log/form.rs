//! The form of a line: a flat JSON object, or text for people.
//!
//! A line is one line: everything variable in it has gone through [`Members`], which escapes and cuts.

use std::fmt::{self, Write as _};

use tracing::{Event, Level, Subscriber, span::Record};
use tracing_subscriber::{
    field::RecordFields,
    fmt::{
        FmtContext, FormatEvent, FormatFields, FormattedFields,
        format::Writer,
        time::{FormatTime, SystemTime},
    },
    registry::LookupSpan,
};

use super::members::Members;

/// The three ways a line can look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Json,
    Text,
    /// Text with the level in colour.
    Coloured,
}

/// Writes events and spans in a style.
#[derive(Clone, Copy)]
pub(super) struct Form(pub(super) Style);

impl<S, N> FormatEvent<S, N> for Form
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut members = Members::new(self.0, 0);
        event.record(&mut members);
        let (level, target) = (*event.metadata().level(), event.metadata().target());
        let spans = self.spans(context, event);
        let Members { message, text, .. } = members;
        if self.0 == Style::Json {
            writer.write_str("{\"timestamp\":\"")?;
            SystemTime.format_time(&mut writer)?;
            write!(
                writer,
                "\",\"level\":\"{level}\",\"target\":\"{target}\",\"message\":\"{message}\"{text}"
            )?;
            if !spans.is_empty() {
                write!(writer, ",\"spans\":[{spans}]")?;
            }
            writer.write_str("}\n")
        } else {
            SystemTime.format_time(&mut writer)?;
            writeln!(writer, " {} {target}: {message}{text}{spans}", self.level(level))
        }
    }
}

impl Form {
    /// The spans around an event, the outermost first, each with its members.
    fn spans<S, N>(self, context: &FmtContext<'_, S, N>, event: &Event<'_>) -> String
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
        N: for<'a> FormatFields<'a> + 'static,
    {
        let mut out = String::new();
        let inner = event.parent().and_then(|id| context.span(id)).or_else(|| context.lookup_current());
        for span in inner.iter().flat_map(|span| span.scope().from_root()) {
            let extensions = span.extensions();
            let fields = extensions.get::<FormattedFields<N>>().map_or("", |fields| fields.fields.as_str());
            let comma = if out.is_empty() { "" } else { "," };
            let name = span.metadata().name();
            let _infallible = match self.0 {
                Style::Json => write!(out, "{comma}{{\"name\":\"{name}\"{fields}}}"),
                Style::Text | Style::Coloured => write!(out, " [{name}{fields}]"),
            };
        }
        out
    }

    fn level(self, level: Level) -> String {
        let colour = match level {
            Level::ERROR => 31,
            Level::WARN => 33,
            Level::INFO => 32,
            _ => 34,
        };
        if self.0 == Style::Coloured {
            format!("\u{1b}[{colour}m{level:>5}\u{1b}[0m")
        } else {
            format!("{level:>5}")
        }
    }
}

impl<'a> FormatFields<'a> for Form {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'a>, fields: R) -> fmt::Result {
        writer.write_str(&self.members(fields, 0))
    }

    fn add_fields(&self, current: &'a mut FormattedFields<Self>, fields: &Record<'_>) -> fmt::Result {
        let more = self.members(fields, current.fields.len());
        current.fields.push_str(&more);
        Ok(())
    }
}

impl Form {
    fn members(self, fields: impl RecordFields, used: usize) -> String {
        let mut members = Members::new(self.0, used);
        fields.record(&mut members);
        members.text
    }
}
