//! Something of AWS does not work for a while. Nothing is lost, and nobody is called twice.

use std::time::Duration;

use anyhow::{Result, ensure};
use sim::ecs::{Cut, Trouble};
use tests::cloud::{Cloud, alone_in_the_cloud, wait_for};
use tests::person;
use tests::scenarios::trouble::{self, is_called_after_all};

/// RunTask was called so often since there were `before` calls of it.
async fn run_task_is_called(cloud: &Cloud, before: usize, times: usize) -> Result<()> {
    wait_for("RunTask is called", Duration::from_secs(30), async || {
        Ok((cloud.deployment.ecs.run_task_calls().len() >= before + times).then_some(()))
    })
    .await
}

#[test]
fn run_task_is_throttled_for_a_while() {
    alone_in_the_cloud(async |cloud| {
        let before = cloud.deployment.ecs.run_task_calls().len();
        cloud.deployment.ecs.trouble([Trouble::Throttle; 2]);
        let call = cloud.call_to(person::busy()).await?.send().await?;
        is_called_after_all(&call).await?;
        let asked = cloud.deployment.ecs.run_task_calls().len() - before;
        ensure!(asked == 3, "two throttled calls of RunTask and one that went through: {asked}");
        Ok(())
    });
}

#[test]
fn there_is_no_capacity_for_a_moment() {
    alone_in_the_cloud(async |cloud| {
        cloud.deployment.ecs.trouble([Trouble::NoCapacity]);
        let call = cloud.call_to(person::busy()).await?.send().await?;
        is_called_after_all(&call).await
    });
}

#[test]
fn a_task_starts_slowly() {
    alone_in_the_cloud(async |cloud| {
        cloud.deployment.ecs.trouble([Trouble::StartAfter(Duration::from_secs(4))]);
        let call = cloud.call_to(person::busy()).await?.send().await?;
        cloud.queue_is_empty().await?;
        ensure!(call.dials().await?.is_empty(), "the message is done, its task has not started yet");
        is_called_after_all(&call).await
    });
}

#[test]
fn the_bucket_is_away_when_a_task_starts() {
    alone_in_the_cloud(async |cloud| {
        cloud.deployment.ecs.trouble([Trouble::StartAfter(Duration::from_secs(3))]);
        let call = cloud.call_to(person::busy()).await?.send().await?;
        cloud.queue_is_empty().await?;
        cloud.deployment.ecs.cut([Cut { service: "s3", containing: String::new() }]);
        // Longer than one operation is tried.
        tokio::time::sleep(Duration::from_secs(18)).await;
        ensure!(call.dials().await?.is_empty(), "nothing rings without a claim");
        cloud.deployment.ecs.cut([]);
        is_called_after_all(&call).await
    });
}

#[test]
fn run_task_never_answers() {
    alone_in_the_cloud(async |cloud| {
        cloud.deployment.ecs.trouble([Trouble::Hang]);
        let calls = [cloud.call_to(person::busy()).await?, cloud.call_to(person::busy()).await?];
        cloud.send_together(&calls.each_ref().map(|call| call.body.clone())).await?;
        for call in &calls {
            is_called_after_all(call).await?;
        }
        cloud.queue_is_empty().await
    });
}

#[test]
fn the_router_is_killed_between_claim_and_run_task() {
    alone_in_the_cloud(async |cloud| {
        let before = cloud.deployment.ecs.run_task_calls().len();
        // The killed router can put nothing off; the queue's own time counts.
        cloud.hide_messages_for(5).await?;
        cloud.deployment.ecs.trouble([Trouble::Hang]);
        let call = cloud.call_to(person::busy()).await?.send().await?;
        run_task_is_called(cloud, before, 1).await?;
        ensure!(call.is_claimed().await?, "RunTask comes after the claim");
        ensure!(cloud.deployment.kill_functions()? > 0, "no router was running");
        let called = is_called_after_all(&call).await;
        cloud.hide_messages_for(180).await?;
        called
    });
}

#[test]
fn parameters_cannot_be_read() {
    alone_in_the_cloud(async |cloud| {
        // A router that has read nothing yet. (What was being handed to the one before comes again soon.)
        cloud.hide_messages_for(5).await?;
        cloud.deployment.kill_functions()?;
        cloud.deployment.ecs.cut([Cut { service: "ssm", containing: String::new() }]);
        let before = cloud.deployment.ecs.cut_requests();
        let call = cloud.call_to(person::busy()).await?.send().await?;
        wait_for("the router asks in vain", Duration::from_secs(30), async || {
            Ok((cloud.deployment.ecs.cut_requests() > before).then_some(()))
        })
        .await?;
        ensure!(!call.is_claimed().await?, "without a profile nothing is claimed");
        cloud.deployment.ecs.cut([]);
        let called = is_called_after_all(&call).await;
        cloud.hide_messages_for(180).await?;
        called
    });
}

#[test]
fn the_bucket_is_away_for_a_while() {
    alone_in_the_cloud(trouble::the_bucket_is_away_for_a_while);
}

#[test]
fn dead_letters_cannot_be_sent() {
    alone_in_the_cloud(trouble::dead_letters_cannot_be_sent);
}

#[test]
fn upstream_cannot_be_told() {
    alone_in_the_cloud(trouble::upstream_cannot_be_told);
}
