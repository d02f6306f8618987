//! Which messages a worker takes, and how long it keeps them from others.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use calls::outcome::OutcomeKind;
use cloud::queue::Depth;
use sim::stack::{Call, Script};
use tests::cloud::{Cloud, alone_at_the_worker, wait_for};
use tests::person;
use tests::scenarios::messages::is_given_up_with;

fn nobody() -> Script {
    Script { never_answer: true, ..person::talkative() }
}

/// For so long, whenever one looks.
async fn stays(cloud: &Cloud, seconds: u64, wanted: Depth) -> Result<()> {
    for _ in 0..seconds * 2 {
        let depth = cloud.depth().await?;
        ensure!(depth == wanted, "{depth:?}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    Ok(())
}

async fn becomes(cloud: &Cloud, what: &str, wanted: Depth) -> Result<()> {
    wait_for(what, Duration::from_secs(15), async || Ok((cloud.depth().await? == wanted).then_some(()))).await
}

#[test]
fn a_message_is_taken_only_when_there_is_a_place_for_its_call() {
    alone_at_the_worker(async |cloud| {
        cloud.worker_on_a_new_queue(&[("MAX_CONCURRENT_CALLS", "1")]).await?;
        let first = cloud.call_to(person::who([person::talk(500)])).await?.send().await?;
        first.phone("they talk", Call::is_answered).await?;
        let second = cloud.call_to(person::busy()).await?.send().await?;
        // The first one's message is done with the answer; the second one is anybody's.
        let one_waits = Depth { waiting: 1, ..Depth::default() };
        becomes(cloud, "the first is acknowledged, the second waits", one_waits).await?;
        stays(cloud, 4, one_waits).await?;
        ensure!(!second.is_claimed().await?, "it was taken up without a place");
        first.callee_hangs_up().await?;
        let outcome = second.outcome().await?;
        ensure!(outcome.reason.as_deref() == Some("busy"), "{outcome:#?}");
        first.rang_once().await?;
        second.rang_once().await?;
        cloud.queue_is_empty().await
    });
}

#[test]
fn a_message_stays_hidden_while_it_rings_however_long() {
    alone_at_the_worker(async |cloud| {
        // It rings for twenty seconds.
        cloud.worker_on_a_new_queue(&[("VISIBILITY_SECONDS", "3")]).await?;
        let call = cloud.call_to(nobody()).await?.send().await?;
        call.phone("it rings", |leg| leg.phase == "ringing").await?;
        stays(cloud, 12, Depth { in_flight: 1, ..Depth::default() }).await?;
        let folder = call.folder().await?;
        ensure!(folder.dial.is_some() && folder.launched.is_none(), "{folder:#?}");
        let outcome = call.outcome().await?;
        ensure!(outcome.outcome == OutcomeKind::NotAnswered, "{outcome:#?}");
        cloud.queue_is_empty().await?;
        ensure!(!cloud.worker_log().contains("duplicate delivery"), "{}", cloud.worker_log());
        call.rang_once().await
    });
}

#[test]
fn a_country_without_secrets_harms_only_its_own_messages() {
    alone_at_the_worker(async |cloud| {
        cloud.deployment.put_profile("ES", &cloud.profile("ES", &["+34"])).await?;
        cloud.worker_on_a_new_queue(&[("MAX_RECEIVES", "2")]).await?;
        let told = cloud.worker_log();
        let told = told.lines().find(|line| line.contains("country not ready")).context("not told")?;
        ensure!(told.contains("ES") && told.contains("/ocg/test/secrets/ES"), "{told}");

        let talking = cloud.call_to(person::who([person::talk(30_000)])).await?.send().await?;
        let leg = talking.phone("they talk", Call::is_answered).await?;
        let incomplete = cloud.call_to_number("+34911234567").send().await?;
        is_given_up_with(cloud, &incomplete, "/ocg/test/secrets/ES").await?;
        let still = talking.phone("they talk on", Call::is_answered).await?;
        ensure!(still.id == leg.id && !still.is_over(), "{still:#?}");
        talking.callee_hangs_up().await?;
        let outcome = talking.outcome().await?;
        ensure!(outcome.callee_audio_seconds > 3.0, "{outcome:#?}");
        talking.rang_once().await
    });
}
