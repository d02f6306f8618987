//! What can be seen of a call from outside: its trace, its metrics, what it cost.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use calls::cost::Item;
use calls::fact::Fact;
use cloud::call_folder::{CallFolders, FactsReader, RecordedFact};
use tests::cloud::{alone_at_the_worker, prices, wait_for};
use tests::collector::{Collector, UPSTREAM};
use tests::person;

const SOON: Duration = Duration::from_secs(30);

fn shown(path: &Path) -> Result<&str> {
    path.to_str().context("no text")
}

#[test]
fn a_call_is_one_trace_its_metrics_are_told_and_its_cost_is_reckoned() {
    alone_at_the_worker(async |cloud| {
        let collector = Collector::bind()?;
        collector.serve()?;
        let dir = cloud.deployment.dir().join("seen");
        let (profiles, calls) = (dir.join("profiles"), dir.join("calls"));
        std::fs::create_dir_all(&profiles)?;
        let mut profile = cloud.profile("BR", &["+55"]);
        profile["prices"] = prices();
        std::fs::write(profiles.join("br.json"), profile.to_string())?;
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
        let call = cloud.call_to(person::hears_out()).await?.send_within(UPSTREAM).await?;
        wait_for("it is settled", SOON, async || {
            let standing = folders.look(&call.attempt.key).await?;
            Ok(standing.attempts.first().and_then(|attempt| attempt.next.as_ref().map(drop)))
        })
        .await?;

        collector.has_one_trace(cloud, &call).await?;

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
