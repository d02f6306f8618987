//! Whatever comes twice: one ring, and the call folder says that there was a duplicate.

use std::time::Duration;

use anyhow::{Result, ensure};
use calls::fact::Fact;
use calls::settle::Follow;
use sim::ecs::Trouble;
use tests::cloud::{Cloud, Sent, alone_in_the_cloud, in_the_cloud, wait_for};
use tests::person;

/// The callee hangs up, the call is settled, and nothing of it is on any queue.
async fn ends_as_one_ring(cloud: &Cloud, call: &Sent<'_>) -> Result<()> {
    call.callee_hangs_up().await?;
    ensure!(cloud.settled(&call.attempt).await? == Follow::Nothing, "something followed");
    cloud.queue_is_empty().await?;
    call.rang_once_whoever_carried_it().await
}

#[test]
fn upstream_sends_the_same_id_again() {
    in_the_cloud(async |cloud| {
        let call = cloud.call_to(person::talkative()).await?.send().await?;
        call.phone("they talk", |leg| leg.heard_voice_ms > 500).await?;
        cloud.send(&call.body).await?;
        call.tells("the second is a duplicate", 1, |fact| *fact == Fact::DuplicateMessage).await?;
        ends_as_one_ring(cloud, &call).await?;
        // When all is over; and with somebody else's number, which makes it no other call.
        let other = cloud.call_to(person::busy()).await?;
        cloud.send(&call.body.replace(&call.number, &other.number)).await?;
        call.tells("and so is the third", 2, |fact| *fact == Fact::DuplicateMessage).await?;
        cloud.queue_is_empty().await?;
        ensure!(other.dials().await?.is_empty(), "a message of a call that was made has rung");
        call.rang_once().await
    });
}

/// What it had in hand comes again while they talk, as every message does that is not deleted in time.
#[test]
fn the_router_dies_after_run_task() {
    alone_in_the_cloud(async |cloud| {
        cloud.hide_messages_for(5).await?;
        cloud.deployment.ecs.trouble([Trouble::NeverReply]);
        let call = cloud.call_to(person::talkative()).await?.send().await?;
        wait_for("its task is started", Duration::from_secs(30), async || {
            Ok((!cloud.tasks_of(&call.attempt).await.is_empty()).then_some(()))
        })
        .await?;
        ensure!(cloud.deployment.kill_functions()? > 0, "no router was running");
        let told = call.tells("its message comes again", 1, |fact| *fact == Fact::DuplicateDelivery).await;
        cloud.hide_messages_for(180).await?;
        told?;
        ends_as_one_ring(cloud, &call).await?;
        call.rang_once().await
    });
}

#[test]
fn the_reply_to_run_task_is_lost() {
    alone_in_the_cloud(async |cloud| {
        let before = cloud.deployment.ecs.run_task_calls().len();
        cloud.deployment.ecs.trouble([Trouble::LoseReply]);
        let call = cloud.call_to(person::talkative()).await?.send().await?;
        call.tells("its message comes again", 1, |fact| *fact == Fact::DuplicateDelivery).await?;
        ends_as_one_ring(cloud, &call).await?;
        // By then the dial was somebody's, or the same token gave the same task.
        let asked = cloud.deployment.ecs.run_task_calls().len() - before;
        ensure!((1..=2).contains(&asked), "RunTask was called {asked} times");
        call.rang_once().await
    });
}

#[test]
fn two_tasks_are_started_for_one_attempt() {
    alone_in_the_cloud(async |cloud| {
        cloud.deployment.ecs.trouble([Trouble::StartTwo]);
        let call = cloud.call_to(person::talkative()).await?.send().await?;
        call.tells("one of them leaves", 1, |fact| matches!(fact, Fact::Duplicate { .. })).await?;
        ends_as_one_ring(cloud, &call).await?;
        let tasks = cloud.tasks_of(&call.attempt).await;
        ensure!(tasks.len() == 2, "{tasks:#?}");
        // To leave is no failure of a task.
        ensure!(tasks.iter().all(|task| task["containers"][0]["exitCode"] == 0), "{tasks:#?}");
        let followed = cloud.folders.look(&call.attempt.key).await?.attempts.len();
        ensure!(followed == 1, "{followed} attempts");
        Ok(())
    });
}
