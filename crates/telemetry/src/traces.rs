//! Traces: one for each call, across queue, router, task, vendors and settler (OpenTelemetry, over OTLP). Off unless an
//! endpoint is set.
//!
//! Spans are made from facts, as everything else is. No process has to tell another its span's id, because all of them
//! follow from the attempt; the trace is upstream's, where the message carries a W3C `traceparent`, else the call's own,
//! whose key is as long as a trace's id.

mod follow;
mod ids;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use calls::fact::Fact;
use calls::ids::AttemptId;
use calls::outcome::{Outcome, OutcomeKind};
use jiff::Timestamp;
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanExporter as _, SpanLinks};

use follow::{Followed, Part, follow};
pub use ids::{TRACEPARENT, TraceParent};

/// Spans that are longer on their way than this are lost: nobody's call depends on them.
const SEND_WITHIN: Duration = Duration::from_secs(3);
/// What one attempt's part of a trace holds at most: an agent that calls its tools for an hour makes no gigabyte.
const MOST_EVENTS: usize = 1000;

/// Which of our processes a part of a trace is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Process {
    /// A message on its way to a task, from when it was sent.
    Route,
    /// The task that carries the call.
    Call,
    /// What is left of the attempt is settled.
    Settle,
}

impl Process {
    const fn name(self) -> &'static str {
        match self {
            Self::Route => "route",
            Self::Call => "call",
            Self::Settle => "settle",
        }
    }
}

/// Where traces go. Clones share it.
#[derive(Clone, Debug)]
pub struct Traces {
    exporter: Arc<SpanExporter>,
    upstream: Option<String>,
}

impl Traces {
    /// To an OTLP endpoint over HTTP, such as `http://127.0.0.1:4318`, with `headers` as they stand in
    /// `OTEL_EXPORTER_OTLP_HEADERS` (`name=value,name=value`). The process must have installed a rustls crypto provider
    /// before.
    ///
    /// # Errors
    /// When the endpoint is no address, or there is no TLS here.
    pub fn to(
        endpoint: &str,
        headers: Option<&str>,
        service: &'static str,
        stage: &str,
    ) -> Result<Self, String> {
        let wrong = |why: String| format!("OTEL_EXPORTER_OTLP_ENDPOINT={endpoint}: {why}");
        let http = tls::http().map_err(|error| wrong(error.to_string()))?;
        let http = http.build().map_err(|error| wrong(error.to_string()))?;
        let headers = headers.into_iter().flat_map(|headers| headers.split(','));
        let headers = headers.filter_map(|header| header.split_once('='));
        let headers =
            headers.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect();
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(http)
            .with_protocol(Protocol::HttpJson)
            .with_timeout(SEND_WITHIN)
            .with_headers(headers)
            .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
            .build();
        let mut exporter = exporter.map_err(|error| wrong(error.to_string()))?;
        let attributes = [
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("deployment.environment.name", stage.to_owned()),
        ];
        exporter.set_resource(
            &Resource::builder_empty().with_service_name(service).with_attributes(attributes).build(),
        );
        Ok(Self { exporter: Arc::new(exporter), upstream: None })
    }

    /// The same, for the trace of a message that came with this `traceparent`.
    #[must_use]
    pub fn within(&self, upstream: Option<&str>) -> Self {
        Self { exporter: self.exporter.clone(), upstream: upstream.map(str::to_owned) }
    }

    /// Begins a process's part of an attempt's trace.
    pub fn begin(&self, process: Process, attempt: &AttemptId, began: Timestamp) -> Trace {
        Trace::begin(process, attempt, self.upstream.as_deref(), began)
    }

    /// Sends a part of a trace. Best effort, and not for long.
    pub async fn send(&self, spans: Vec<SpanData>) {
        let problem = match tokio::time::timeout(SEND_WITHIN, self.exporter.export(spans)).await {
            Ok(sent) => sent.err().map(|error| error.to_string()),
            Err(_) => Some(format!("no answer within {} s", SEND_WITHIN.as_secs())),
        };
        if let Some(detail) = problem {
            tracing::warn!(detail, "a trace is not whole");
        }
    }
}

/// One process's part of a call's trace, as it grows.
#[derive(Clone, Debug)]
pub struct Trace {
    process: Process,
    attempt: AttemptId,
    of: TraceParent,
    began: Timestamp,
    last: Timestamp,
    open: Vec<(Part, Timestamp)>,
    spans: Vec<SpanData>,
    events: SpanEvents,
    attributes: Vec<KeyValue>,
    failed: Option<String>,
}

impl Trace {
    /// Begins it. `upstream`: the `traceparent` that the message came with.
    pub fn begin(process: Process, attempt: &AttemptId, upstream: Option<&str>, began: Timestamp) -> Self {
        Self {
            process,
            attempt: attempt.clone(),
            of: TraceParent::of(attempt, upstream),
            began,
            last: began,
            open: Vec::new(),
            spans: Vec::new(),
            events: SpanEvents::default(),
            attributes: vec![KeyValue::new("ocg.attempt", attempt.to_string())],
            failed: None,
        }
    }

    /// The `traceparent` of requests that this process makes (W3C Trace Context §3.2).
    pub fn parent_of_requests(&self) -> String {
        self.of.header(self.own_id())
    }

    /// Takes a fact in.
    pub fn note(&mut self, at: Timestamp, fact: &Fact) {
        self.last = self.last.max(at);
        for followed in follow(fact) {
            match followed {
                Followed::Begins(part) => self.open.push((part, at)),
                Followed::Ends(part, failure) => self.end_part(part, at, failure),
                Followed::Took(part, took_ms) => {
                    let took = jiff::SignedDuration::from_millis(i64::try_from(took_ms).unwrap_or(i64::MAX));
                    let from = at.checked_sub(took).unwrap_or(at);
                    self.add(part, from, at, None);
                }
                Followed::Event => self.event(at, fact),
            }
        }
    }

    /// Says how the attempt ended.
    pub fn outcome(&mut self, outcome: &Outcome) {
        self.attributes.push(KeyValue::new("ocg.outcome", outcome.outcome.as_str()));
        let reason =
            outcome.reason.clone().or_else(|| outcome.end_reason.map(|reason| reason.as_str().to_owned()));
        self.attributes.extend(reason.clone().map(|reason| KeyValue::new("ocg.reason", reason)));
        let status = outcome.sip_status.map(|status| KeyValue::new("sip.status_code", i64::from(status)));
        self.attributes.extend(status);
        if matches!(outcome.outcome, OutcomeKind::Failed | OutcomeKind::Unknown) {
            self.failed = Some(reason.unwrap_or_else(|| outcome.outcome.as_str().to_owned()));
        }
    }

    /// All of it, with what is open ended now; nothing is left.
    pub fn take(&mut self, now: Timestamp) -> Vec<SpanData> {
        for (part, from) in std::mem::take(&mut self.open) {
            self.add(part, from, now, None);
        }
        let mut spans = std::mem::take(&mut self.spans);
        let mut own = self.span(self.own_id(), self.parent_id(), self.process.name().into(), self.began, now);
        own.span_kind = if self.process == Process::Route { SpanKind::Consumer } else { SpanKind::Internal };
        own.parent_span_is_remote = true;
        own.attributes = std::mem::take(&mut self.attributes);
        own.events = std::mem::take(&mut self.events);
        if let Some(failed) = self.failed.take() {
            own.status = Status::error(failed);
        }
        spans.push(own);
        spans
    }

    fn own_id(&self) -> SpanId {
        ids::span(&self.attempt, self.process.name(), 0)
    }

    /// Of the task and the settler: the router, which is before them whoever upstream is.
    fn parent_id(&self) -> SpanId {
        match self.process {
            Process::Route => self.of.upstream(),
            Process::Call | Process::Settle => ids::span(&self.attempt, Process::Route.name(), 0),
        }
    }

    fn end_part(&mut self, part: Part, at: Timestamp, failure: Option<String>) {
        if let Some(nth) = self.open.iter().position(|(open, _)| *open == part) {
            let (_, from) = self.open.remove(nth);
            self.add(part, from, at, failure);
        }
    }

    fn add(&mut self, part: Part, from: Timestamp, until: Timestamp, failure: Option<String>) {
        let id = ids::span(&self.attempt, part.name(), self.spans.len() + 1);
        let mut span = self.span(id, self.own_id(), part.name().into(), from, until);
        span.span_kind = if part.is_request() { SpanKind::Client } else { SpanKind::Internal };
        if let Some(failure) = failure {
            span.status = Status::error(failure);
        }
        self.spans.push(span);
    }

    fn event(&mut self, at: Timestamp, fact: &Fact) {
        if self.events.events.len() >= MOST_EVENTS {
            self.events.dropped_count += 1;
            return;
        }
        // Never what somebody said: it is put into words as for a log.
        let line = crate::line(fact, false);
        let attributes = (!line.detail.is_empty()).then(|| KeyValue::new("detail", line.detail));
        self.events.events.push(opentelemetry::trace::Event::new(
            line.title,
            system_time(at),
            attributes.into_iter().collect(),
            0,
        ));
    }

    fn span(
        &self,
        id: SpanId,
        parent: SpanId,
        name: std::borrow::Cow<'static, str>,
        from: Timestamp,
        until: Timestamp,
    ) -> SpanData {
        SpanData {
            span_context: SpanContext::new(self.of.trace(), id, TraceFlags::SAMPLED, false, TraceState::NONE),
            parent_span_id: parent,
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name,
            start_time: system_time(from),
            end_time: system_time(until.max(from)),
            attributes: Vec::new(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: InstrumentationScope::builder("outbound-call-gateway").build(),
        }
    }
}

fn system_time(at: Timestamp) -> SystemTime {
    SystemTime::from(at)
}

#[cfg(test)]
mod tests;
