//! Log lines: JSON for machines, aligned text for people.

use std::cell::RefCell;
use std::fmt;
use std::sync::OnceLock;

use calls::fact::Fact;
use jiff::Timestamp;
use serde_json::{Map, Value};
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

/// Whose the lines are that say nothing of it themselves: of a process that carries one call, and of a thread that does.
static OF_PROCESS: OnceLock<CallContext> = OnceLock::new();
thread_local! {
    static OF_THREAD: RefCell<Option<CallContext>> = const { RefCell::new(None) };
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
        Format::Json => registry.with(layer.with_ansi(false).event_format(Json)).try_init(),
        Format::Human { colours } => registry.with(layer.with_ansi(colours).event_format(Human)).try_init(),
    };
    // A second initialisation (tests) keeps the first.
    drop(done);
}

impl CallContext {
    /// From now on every line of this process that says nothing else is of this call.
    pub fn is_of_process(&self) {
        // A second one has no say.
        let _ = OF_PROCESS.set(self.clone());
    }

    /// The same for lines of this thread.
    pub fn is_of_thread(&self) {
        OF_THREAD.set(Some(self.clone()));
    }

    fn of_line() -> Option<Self> {
        OF_THREAD.with_borrow(Clone::clone).or_else(|| OF_PROCESS.get().cloned())
    }
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

/// One object a line, flat: `timestamp`, `level`, `target`, whose it is, and its own fields.
struct Json;

impl<S, N> FormatEvent<S, N> for Json
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
        let mut line = Map::new();
        line.insert("timestamp".to_owned(), format!("{:.6}", Timestamp::now()).into());
        line.insert("level".to_owned(), event.metadata().level().as_str().into());
        line.insert("target".to_owned(), event.metadata().target().into());
        if let Some(call) = CallContext::of_line() {
            for (name, value) in
                [("callId", call.call_id), ("attempt", call.attempt), ("country", call.country)]
            {
                line.insert(name.to_owned(), value.into());
            }
        }
        event.record(&mut Members(&mut line));
        // The message that a worker has in hand, where nothing says more.
        if !line.contains_key("attempt")
            && let Some(span) = context.lookup_current()
            && let Some(fields) = span.extensions().get::<FormattedFields<N>>()
        {
            line.insert("span".to_owned(), fields.to_string().into());
        }
        writeln!(out, "{}", Value::Object(line))
    }
}

/// An event's own fields; they win over what is known without them.
struct Members<'a>(&'a mut Map<String, Value>);

impl Members<'_> {
    fn put(&mut self, field: &tracing::field::Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl tracing::field::Visit for Members<'_> {
    fn record_str(&mut self, field: &tracing::field::Field, value: &str) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &tracing::field::Field, value: bool) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &tracing::field::Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &tracing::field::Field, value: u64) {
        self.put(field, value);
    }

    fn record_f64(&mut self, field: &tracing::field::Field, value: f64) {
        self.put(field, value);
    }

    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
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
