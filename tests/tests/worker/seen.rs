//! What can be seen of a call from outside: its trace, its metrics, what it cost.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use calls::cost::Item;
use calls::fact::Fact;
use cloud::call_folder::{CallFolders, FactsReader, RecordedFact};
use serde_json::{Value, json};
use sim::stack::{Script, Step};
use tests::cloud::{alone_at_the_worker, wait_for};
use tests::person;

const SOON: Duration = Duration::from_secs(30);
/// The example of W3C Trace Context §3.2.
const UPSTREAM: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Takes spans as an OpenTelemetry collector does: OTLP 1.x over HTTP, in JSON (opentelemetry-proto, "OTLP/HTTP").
struct Collector {
    url: String,
    spans: Arc<Mutex<Vec<Value>>>,
}

impl Collector {
    async fn start() -> Result<Self> {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let spans = Arc::<Mutex<Vec<Value>>>::default();
        let routes = Router::new().route("/v1/traces", post(take)).with_state(spans.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Ok(Self { url, spans })
    }

    fn spans(&self) -> Vec<Value> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The span of this name.
    fn span(&self, name: &str) -> Option<Value> {
        self.spans().into_iter().find(|span| span["name"] == name)
    }
}

async fn take(State(spans): State<Arc<Mutex<Vec<Value>>>>, Json(told): Json<Value>) -> Json<Value> {
    let of = |value: &Value, name: &str| value[name].as_array().cloned().unwrap_or_default();
    let scopes = of(&told, "resourceSpans").into_iter().flat_map(|resource| of(&resource, "scopeSpans"));
    let told = scopes.flat_map(|scope| of(&scope, "spans"));
    spans.lock().unwrap_or_else(PoisonError::into_inner).extend(told);
    Json(json!({}))
}

/// Talks for a second, hears the agent out, and hangs up.
fn hears_out() -> Script {
    person::who([
        Step::wait(300),
        person::talk(1000),
        Step::wait_for_voice(8000),
        Step::wait_for_silence(600),
        Step::hang_up(),
    ])
}

/// By the minute and by six seconds, as LiveKit Cloud, trunks and Ultravox take it.
fn priced(mut profile: Value) -> Value {
    profile["prices"] = json!({
        "currency": "USD",
        "task": { "perMinute": 0.0002, "minimumSeconds": 60 },
        "room": { "perMinute": 0.005, "roundUpToSeconds": 60 },
        "trunk": { "perMinute": 0.03, "roundUpToSeconds": 60 },
        "agent": { "perMinute": 0.05, "roundUpToSeconds": 6 },
    });
    profile
}

fn shown(path: &Path) -> Result<&str> {
    path.to_str().context("no text")
}

#[test]
fn a_call_is_one_trace_its_metrics_are_told_and_its_cost_is_reckoned() {
    alone_at_the_worker(async |cloud| {
        let collector = Collector::start().await?;
        let dir = cloud.deployment.dir().join("seen");
        let (profiles, calls) = (dir.join("profiles"), dir.join("calls"));
        std::fs::create_dir_all(&profiles)?;
        std::fs::write(profiles.join("br.json"), priced(cloud.profile("BR", &["+55"])).to_string())?;
        let (key, secret) = cloud.stack.livekit().credentials();
        let variables = [
            ("OCG_BUCKET", ""),
            ("OCG_STAGE", ""),
            ("LIVEKIT_API_KEY_BR", key),
            ("LIVEKIT_API_SECRET_BR", secret.expose()),
            ("ULTRAVOX_API_KEY", cloud.vendor_key()),
            ("METRICS_ADDRESS", "127.0.0.1:0"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url),
        ];
        cloud.worker_with(&variables, &["--profiles", shown(&profiles)?, "--calls", shown(&calls)?]).await?;
        let folders = CallFolders::in_directory(&calls)?;
        let call = cloud.call_to(hears_out()).await?.send_within(UPSTREAM).await?;
        wait_for("it is settled", SOON, async || {
            let standing = folders.look(&call.attempt.key).await?;
            Ok(standing.attempts.first().and_then(|attempt| attempt.next.as_ref().map(drop)))
        })
        .await?;

        // One trace: upstream's.
        wait_for("all of its trace was told", SOON, async || {
            Ok(["route", "call", "settle"].iter().all(|name| collector.span(name).is_some()).then_some(()))
        })
        .await?;
        let spans = collector.spans();
        ensure!(spans.iter().all(|span| span["traceId"] == UPSTREAM[3..35]), "{spans:#?}");
        let span = |name: &str| collector.span(name).with_context(|| format!("no span {name}: {spans:#?}"));
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
        for never in [call.number.trim_start_matches('+'), cloud.vendor_key(), secret.expose(), "?token="] {
            ensure!(!text.contains(never), "the trace holds what it must not: {text}");
        }

        // What it cost: reckoned, then as the vendor bills it.
        let outcome = folders.outcome(&call.attempt).await?.context("no outcome")?;
        let cost = outcome.cost.context("it cost nothing")?;
        let items: Vec<Item> = cost.lines.iter().map(|line| line.item).collect();
        ensure!(items == [Item::Room, Item::Trunk, Item::Agent], "a worker's call has no task: {cost:#?}");
        let mut reader = FactsReader::new(call.attempt.clone());
        let mut facts: Vec<RecordedFact> = Vec::new();
        let billed = wait_for("the vendor's bill is told", SOON, async || {
            facts.extend(reader.news(&folders).await?);
            Ok(facts.iter().find_map(|told| match told.fact {
                Fact::AgentBilled { seconds } => Some(seconds),
                _ => None,
            }))
        })
        .await?;
        ensure!(billed == cost.lines[2].billed_seconds, "billed {billed} s, reckoned {cost:#?}");
        ensure!(facts.iter().any(|told| matches!(&told.fact, Fact::Cost(told) if told.total == cost.total)));

        // Its metrics, for Prometheus.
        let log = cloud.worker_log();
        let address =
            log.lines().find_map(|line| line.split_once("http://127.0.0.1:")?.1.split_once("/metrics"));
        let (port, _) = address.with_context(|| format!("it does not say where its metrics are: {log}"))?;
        let metrics = reqwest::get(format!("http://127.0.0.1:{port}/metrics")).await?.error_for_status()?;
        let metrics = metrics.text().await?;
        for line in [
            r#"ocg_calls_total{country="BR",provider="local",outcome="answered"} 1.0"#,
            r#"ocg_talk_seconds_count{country="BR",provider="local"} 1"#,
            r#"ocg_call_cost_count{country="BR",provider="local"} 1"#,
            r#"ocg_start_phase_milliseconds_count{country="BR",provider="local",phase="queued"} 1"#,
            r#"ocg_start_phase_milliseconds_count{country="BR",provider="local",phase="room"} 1"#,
            r#"ocg_start_phase_milliseconds_count{country="BR",provider="local",phase="agent"} 1"#,
        ] {
            ensure!(metrics.lines().any(|told| told == line), "{line} is not in\n{metrics}");
        }
        call.rang_once().await
    });
}
