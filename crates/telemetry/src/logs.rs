//! Log lines: JSON for machines, aligned text for people.

use std::fmt;

use calls::fact::Fact;
use tracing::{Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormattedFields};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::line;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    Json,
    /// Aligned text, colours where `true`.
    Human {
        /// ANSI colours.
        colours: bool,
    },
}

/// What every line of a call carries.
#[derive(Clone, Debug)]
pub struct CallContext {
    /// The id that people see.
    pub call_id: String,
    /// `<key>-a<n>`.
    pub attempt: String,
    /// ISO 3166-1 alpha-2.
    pub country: String,
    /// May transcripts be logged? On a person's own terminal only.
    pub words: bool,
}

/// Sends all log lines to standard error. `verbose` lets our own debug lines through; other crates'
/// show errors only, whatever is asked for: a library's log may hold a token.
pub fn init(format: Format, verbose: bool) {
    let ours = if verbose { Level::DEBUG } else { Level::INFO };
    let targets =
        ["call", "bridge_task", "agents", "cloud", "rooms", "room_client", "router", "sim", "telemetry"]
            .iter()
            .fold(Targets::new().with_default(Level::ERROR), |targets, ours_is| {
                targets.with_target(*ours_is, ours)
            });
    let registry = tracing_subscriber::registry().with(targets);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let done = match format {
        // A process with several calls tells them apart by the span of each.
        Format::Json => registry.with(layer.json().flatten_event(true).with_span_list(false)).try_init(),
        Format::Human { colours } => registry.with(layer.with_ansi(colours).event_format(Human)).try_init(),
    };
    // A second initialisation (tests) keeps the first.
    drop(done);
}

/// Logs a fact of a call.
pub fn log(context: &CallContext, fact: &Fact) {
    let line = line(fact, context.words);
    let name = serde_json::to_value(fact).ok();
    let name = name.as_ref().and_then(|value| value["fact"].as_str()).unwrap_or_default();
    macro_rules! emit {
        ($level:expr) => {
            tracing::event!(target: "call", $level, message = line.title, detail = line.detail.as_str(),
                fact = name, callId = context.call_id.as_str(), attempt = context.attempt.as_str(),
                country = context.country.as_str())
        };
    }
    match line.level {
        Level::ERROR => emit!(Level::ERROR),
        Level::WARN => emit!(Level::WARN),
        Level::INFO => emit!(Level::INFO),
        _ => emit!(Level::DEBUG),
    }
}

/// `12:00:01.123  ringing             after 300 ms`
struct Human;

impl<S, N> FormatEvent<S, N> for Human
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut out: Writer<'_>,
        event: &tracing::Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let (on, off) = match (out.has_ansi_escapes(), *event.metadata().level()) {
            (true, Level::ERROR) => ("\x1b[31m", "\x1b[0m"),
            (true, Level::WARN) => ("\x1b[33m", "\x1b[0m"),
            (true, Level::DEBUG | Level::TRACE) => ("\x1b[2m", "\x1b[0m"),
            _ => ("", ""),
        };
        let mut time = String::new();
        tracing_subscriber::fmt::time::FormatTime::format_time(
            &tracing_subscriber::fmt::time::SystemTime,
            &mut Writer::new(&mut time),
        )?;
        // 2026-01-01T12:00:01.123456Z: people at a terminal know the day.
        let clock = time.get(11..23).unwrap_or(&time);
        write!(out, "{clock}  ")?;
        // A process with several calls says whose line it is.
        if let Some(span) = context.lookup_current()
            && let Some(whose) = span.extensions().get::<FormattedFields<N>>()
        {
            write!(out, "{whose}  ")?;
        }
        writeln!(out, "{on}{:<22}{off} {}", fields.message, fields.detail)
    }
}

#[derive(Default)]
struct Fields {
    message: String,
    detail: String,
}

impl tracing::field::Visit for Fields {
    fn record_str(&mut self, field: &tracing::field::Field, value: &str) {
        match field.name() {
            "message" => value.clone_into(&mut self.message),
            "detail" => value.clone_into(&mut self.detail),
            _ => {}
        }
    }

    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            "detail" => self.detail = format!("{value:?}"),
            _ => {}
        }
    }
}
