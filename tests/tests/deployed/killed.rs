//! A task is killed, told to stop, or loses what it leans on. Nobody is called twice, the line is closed, nothing is left
//! over.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use calls::outcome::{EndReason, OutcomeKind};
use calls::settle::Follow;
use rustix::process::Signal;
use sim::ecs::Cut;
use sim::stack::{Call, Script, Step};
use sim::ultravox::Trouble;
use tests::cloud::{Cloud, Sent, alone_in_the_cloud, in_the_cloud};
use tests::{agent, person};

/// Longer than what happens at the task takes to reach upstream's queue.
const A_MOMENT: Duration = Duration::from_secs(1);

fn nobody() -> Script {
    Script { never_answer: true, ..person::talkative() }
}

async fn rings(call: &Sent<'_>) -> Result<()> {
    call.phone("it rings", |leg| leg.phase == "ringing").await?;
    tokio::time::sleep(A_MOMENT).await;
    Ok(())
}

/// The agent's line of a second and a half is heard.
async fn is_talking(call: &Sent<'_>) -> Result<()> {
    call.phone("they talk", |leg| leg.heard_voice_ms > 500).await?;
    tokio::time::sleep(A_MOMENT).await;
    Ok(())
}

/// Nobody knows how it ended: so it says, and it is never tried again.
async fn ends_as_unknown(cloud: &Cloud, call: &Sent<'_>, events: usize) -> Result<()> {
    let last = call.has_ended().await?;
    let outcome = last.outcome.context("no outcome")?;
    ensure!(outcome.outcome == OutcomeKind::Unknown && !outcome.retryable, "{outcome:#?}");
    ensure!(last.number == 1, "attempt {}", last.number);
    let told = cloud.history(call, events).await?;
    let last = &told[events - 1]["metadata"];
    ensure!(last["status"] == "SIP_CALL_FAILED", "{told:#?}");
    ensure!(
        last["metadataJson"].as_str().is_some_and(|text| text.contains(r#""reason":"unknown""#)),
        "{told:#?}"
    );
    cloud.queue_is_empty().await?;
    call.rang_once().await
}

async fn ends_as_answered(cloud: &Cloud, call: &Sent<'_>, why: EndReason) -> Result<()> {
    let outcome = call.has_ended().await?.outcome.context("no outcome")?;
    ensure!(outcome.outcome == OutcomeKind::Answered && outcome.end_reason == Some(why), "{outcome:#?}");
    ensure!(cloud.settled(&call.attempt).await? == Follow::Nothing, "something followed");
    call.rang_once().await
}

#[test]
fn a_task_killed_while_it_rings() {
    in_the_cloud(async |cloud| {
        let call = cloud.call_to(nobody()).await?.send().await?;
        rings(&call).await?;
        call.signal_tasks(Signal::KILL)?;
        ends_as_unknown(cloud, &call, 2).await
    });
}

#[test]
fn a_task_told_to_stop_while_it_rings_goes_on_to_the_callees_end() {
    in_the_cloud(async |cloud| {
        let slow = Script { answer_after_ms: Some(3000), ..person::who([Step::wait(2000), Step::hang_up()]) };
        let call = cloud.call_to(slow).await?.send().await?;
        call.phone("it rings", |leg| leg.phase == "ringing").await?;
        call.signal_tasks(Signal::TERM)?;
        ends_as_answered(cloud, &call, EndReason::CalleeHangup).await
    });
}

#[test]
fn a_task_told_to_stop_while_they_talk_ends_the_call_in_order_when_its_time_is_over() {
    in_the_cloud(async |cloud| {
        let call = cloud.call_to(person::talkative()).await?.send().await?;
        is_talking(&call).await?;
        call.signal_tasks(Signal::TERM)?;
        // Half of its thirty seconds: the rest is for tidying up.
        ends_as_answered(cloud, &call, EndReason::Drained).await?;
        let told = cloud.history(&call, 4).await?;
        ensure!(told[3]["metadata"]["status"] == "SIP_CALL_ENDED", "{told:#?}");
        Ok(())
    });
}

#[test]
fn a_task_told_to_stop_twice_while_they_talk_leaves_nobody_on_the_line() {
    in_the_cloud(async |cloud| {
        let call = cloud.call_to(person::talkative()).await?.send().await?;
        is_talking(&call).await?;
        call.signal_tasks(Signal::TERM)?;
        tokio::time::sleep(A_MOMENT).await;
        let before = call.phone("they still talk", |leg| !leg.is_over()).await;
        ensure!(before.is_ok(), "once is not enough to hang up on somebody");
        call.signal_tasks(Signal::TERM)?;
        ends_as_unknown(cloud, &call, 4).await
    });
}

#[test]
fn the_bucket_is_away_for_ten_seconds_in_the_middle_of_a_call() {
    alone_in_the_cloud(async |cloud| {
        let call = cloud.call_to(person::talkative()).await?.send().await?;
        is_talking(&call).await?;
        cloud.deployment.ecs.cut([Cut { service: "s3", containing: String::new() }]);
        tokio::time::sleep(Duration::from_secs(5)).await;
        call.callee_hangs_up().await?;
        tokio::time::sleep(Duration::from_secs(5)).await;
        call.phone("the line is closed although nothing can be written", Call::is_over).await?;
        cloud.deployment.ecs.cut([]);
        ends_as_answered(cloud, &call, EndReason::CalleeHangup).await
    });
}

#[test]
fn the_bucket_is_away_for_ten_seconds_while_a_dead_task_is_to_be_settled() {
    alone_in_the_cloud(async |cloud| {
        let call = cloud.call_to(person::talkative()).await?.send().await?;
        is_talking(&call).await?;
        cloud.deployment.ecs.cut([Cut { service: "s3", containing: String::new() }]);
        let before = cloud.deployment.ecs.cut_requests();
        call.signal_tasks(Signal::KILL)?;
        tokio::time::sleep(Duration::from_secs(10)).await;
        ensure!(cloud.deployment.ecs.cut_requests() > before, "nobody has tried to settle it");
        cloud.deployment.ecs.cut([]);
        ends_as_unknown(cloud, &call, 4).await
    });
}

#[test]
fn an_agent_of_whom_nothing_comes_any_more_leaves_nobody_in_silence() {
    alone_in_the_cloud(async |cloud| {
        let before = cloud.vendor.script();
        cloud.vendor.set_script(agent::with_trouble(before.clone(), 2500, Trouble::Stall))?;
        let call = cloud.call_to(person::talkative()).await?.send().await?;
        let ended = ends_as_answered(cloud, &call, EndReason::AgentClosed).await;
        cloud.vendor.set_script(before)?;
        ended
    });
}
