//! The servers that a call leans on go away. One cloud for all of it, that nobody else leans on.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use calls::outcome::{EndReason, OutcomeKind};
use rustix::process::{Pid, Signal, kill_process};
use sim::stack::{Script, Step};
use tests::cloud::{Cloud, in_a_cloud_apart};
use tests::person;

/// Long after everybody is back from a restart of livekit-server, and before the agent has been silent for too long.
const HANGS_UP_AFTER_MS: u64 = 28_000;

#[test]
fn whatever_goes_away_is_settled() {
    in_a_cloud_apart(&[], async |cloud| {
        redis_does_not_answer_for_a_while(cloud).await.context("Redis")?;
        the_sip_node_is_gone_while_it_rings(cloud).await.context("SIP node, ringing")?;
        the_sip_node_is_gone_while_they_talk(cloud).await.context("SIP node, talking")?;
        livekit_server_is_killed_and_comes_back_while_they_talk(cloud).await.context("livekit-server")
    });
}

fn signal(cloud: &Cloud, name: &str, signal: Signal) -> Result<()> {
    let found = cloud.stack.processes().into_iter().find(|(known, _)| known == name);
    let (_, id) = found.with_context(|| format!("there is no {name}"))?;
    let id = Pid::from_raw(i32::try_from(id)?).context("no process id")?;
    Ok(kill_process(id, signal)?)
}

async fn redis_does_not_answer_for_a_while(cloud: &Cloud) -> Result<()> {
    let call = cloud.call_to(person::talkative()).await?.send().await?;
    call.phone("they talk", |leg| leg.heard_voice_ms > 500).await?;
    signal(cloud, "phone redis", Signal::STOP)?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let still = call.phone("they still talk", |leg| !leg.is_over()).await;
    signal(cloud, "phone redis", Signal::CONT)?;
    still?;
    call.callee_hangs_up().await?;
    let last = call.has_ended().await?;
    let outcome = last.outcome.context("no outcome")?;
    ensure!(outcome.end_reason == Some(EndReason::CalleeHangup), "{outcome:#?}");
    call.rang_once().await
}

/// The phone that rang is gone with the node; the next one has been dialed by nobody.
async fn the_sip_node_is_gone_while_it_rings(cloud: &mut Cloud) -> Result<()> {
    let (names, rang) = {
        let nobody = Script { never_answer: true, ..person::talkative() };
        let call = cloud.call_to(nobody).await?.send().await?;
        call.phone("it rings", |leg| leg.phase == "ringing").await?;
        ensure!(call.dials().await?.len() == 1, "{:#?}", call.dials().await?);
        // A server that has not come to itself yet may have cost an attempt before its dial.
        let standing = cloud.folders.look(&call.attempt.key).await?;
        (call.names(), standing.last_attempt().context("no attempt")?.number)
    };
    cloud.stack.kill_sip_node();
    cloud.stack.start_sip_node().await?;
    let call = cloud.known_call(names);
    let last = call.has_ended().await?;
    let outcome = last.outcome.context("no outcome")?;
    ensure!(outcome.outcome != OutcomeKind::Answered && !outcome.retryable, "{outcome:#?}");
    ensure!(
        last.number == rang && call.dials().await?.is_empty(),
        "dialed again after {:#?}",
        cloud.folders.look(&call.attempt.key).await?
    );
    cloud.queue_is_empty().await
}

async fn the_sip_node_is_gone_while_they_talk(cloud: &mut Cloud) -> Result<()> {
    let names = {
        let call = cloud.call_to(person::talkative()).await?.send().await?;
        call.phone("they talk", |leg| leg.heard_voice_ms > 500).await?;
        call.names()
    };
    cloud.stack.kill_sip_node();
    cloud.stack.start_sip_node().await?;
    let call = cloud.known_call(names);
    let last = call.has_ended().await?;
    let outcome = last.outcome.context("no outcome")?;
    ensure!(outcome.outcome == OutcomeKind::Answered, "{outcome:#?}");
    ensure!(last.number == 1 && call.dials().await?.is_empty(), "dialed again");
    cloud.queue_is_empty().await
}

/// The call goes on, and ends as its callee wants it to.
async fn livekit_server_is_killed_and_comes_back_while_they_talk(cloud: &mut Cloud) -> Result<()> {
    let names = {
        let stays = Script {
            hang_up_after_ms: Some(HANGS_UP_AFTER_MS),
            ..person::who([Step::wait(300), person::talk(1000)])
        };
        let call = cloud.call_to(stays).await?.send().await?;
        call.phone("they talk", |leg| leg.heard_voice_ms > 500).await?;
        call.names()
    };
    cloud.stack.livekit_mut().restart().await?;
    let call = cloud.known_call(names);
    let last = call.has_ended().await?;
    let outcome = last.outcome.context("no outcome")?;
    ensure!(outcome.outcome == OutcomeKind::Answered, "{outcome:#?}");
    ensure!(outcome.end_reason == Some(EndReason::CalleeHangup), "{outcome:#?}");
    call.rang_once().await
}
