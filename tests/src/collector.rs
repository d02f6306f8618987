//! An OpenTelemetry collector, and what a call's trace has to be in it.

use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::cloud::{Cloud, Sent, wait_for};

/// The example of W3C Trace Context §3.2.
pub const UPSTREAM: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Longer than a call of these stories and its settling take.
const SOON: Duration = Duration::from_secs(60);

/// Takes spans as an OpenTelemetry collector does: OTLP 1.x over HTTP, in JSON (opentelemetry-proto, "OTLP/HTTP").
pub struct Collector {
    /// What `OTEL_EXPORTER_OTLP_ENDPOINT` is.
    pub url: String,
    listener: TcpListener,
    spans: Arc<Mutex<Vec<Value>>>,
}

impl Collector {
    /// Has a port of its own. Who knocks waits until it [serves](Self::serve).
    pub fn bind() -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        let url = format!("http://{}", listener.local_addr()?);
        Ok(Self { url, listener, spans: Arc::default() })
    }

    /// Takes what comes, as long as the runtime lives.
    pub fn serve(&self) -> Result<()> {
        let listener = tokio::net::TcpListener::from_std(self.listener.try_clone()?)?;
        let routes = Router::new().route("/v1/traces", post(take)).with_state(self.spans.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Ok(())
    }

    fn spans(&self) -> Vec<Value> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The span of this name.
    fn span(&self, name: &str) -> Option<Value> {
        self.spans().into_iter().find(|span| span["name"] == name)
    }

    /// The call that was sent within [`UPSTREAM`] is one trace, from upstream's span to the vendor's, and tells
    /// neither secrets nor whom it called.
    pub async fn has_one_trace(&self, cloud: &Cloud, call: &Sent<'_>) -> Result<()> {
        wait_for("all of its trace was told", SOON, async || {
            Ok(["route", "call", "settle"].iter().all(|name| self.span(name).is_some()).then_some(()))
        })
        .await?;
        let spans = self.spans();
        ensure!(spans.iter().all(|span| span["traceId"] == UPSTREAM[3..35]), "{spans:#?}");
        let span = |name: &str| self.span(name).with_context(|| format!("no span {name}: {spans:#?}"));
        let (route, task) = (span("route")?, span("call")?);
        ensure!(route["parentSpanId"] == UPSTREAM[36..52], "{route:#}");
        for name in ["call", "settle"] {
            ensure!(span(name)?["parentSpanId"] == route["spanId"], "{name} does not hang on the route");
        }
        for name in ["join room", "create agent", "dial", "connect agent", "talk", "tidy up", "delete room"] {
            ensure!(span(name)?["parentSpanId"] == task["spanId"], "{name} does not hang on the call");
        }
        let agents = cloud.vendor.calls();
        let agent = agents.last().context("no agent")?;
        let told = agent.traceparent.as_deref().context("the vendor was not told of the trace")?;
        ensure!(told.starts_with(&UPSTREAM[..36]) && task["spanId"] == told[36..52], "{told}");
        let text = Value::from(spans.clone()).to_string();
        let (_, secret) = cloud.stack.livekit().credentials();
        for never in [call.number.trim_start_matches('+'), cloud.vendor_key(), secret.expose(), "?token="] {
            ensure!(!text.contains(never), "the trace holds what it must not: {text}");
        }
        Ok(())
    }
}

async fn take(State(spans): State<Arc<Mutex<Vec<Value>>>>, Json(told): Json<Value>) -> Json<Value> {
    let of = |value: &Value, name: &str| value[name].as_array().cloned().unwrap_or_default();
    let scopes = of(&told, "resourceSpans").into_iter().flat_map(|resource| of(&resource, "scopeSpans"));
    let told = scopes.flat_map(|scope| of(&scope, "spans"));
    spans.lock().unwrap_or_else(PoisonError::into_inner).extend(told);
    Json(json!({}))
}
