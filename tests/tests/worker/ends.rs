//! A worker that is told to stop, and one that is killed.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use calls::outcome::EndReason;
use rustix::process::Signal;
use sim::ecs::Cut;
use sim::stack::{Call, Script};
use tests::cloud::{Cloud, Sent, alone_at_the_worker};
use tests::person;
use tests::scenarios::trouble::{asks_in_vain, is_called_after_all};

const SOON: Duration = Duration::from_secs(10);

async fn talking(cloud: &Cloud) -> Result<Sent<'_>> {
    let call = cloud.call_to(person::who([person::talk(30_000)])).await?.send().await?;
    call.phone("they talk", Call::is_answered).await?;
    Ok(call)
}

async fn is_hung_up(call: &Sent<'_>) -> Result<()> {
    call.phone("the line is hung up", Call::is_over).await.map(drop)
}

#[test]
fn told_to_stop_it_ends_its_calls_in_order_and_leaves_other_messages_where_they_are() {
    alone_at_the_worker(async |cloud| {
        // Two seconds, and what an end takes.
        cloud.worker_on_a_new_queue(&[("STOP_TIMEOUT_SECONDS", "17")]).await?;
        let call = talking(cloud).await?;
        cloud.queue_is_empty().await?;
        cloud.signal_worker(Signal::TERM)?;
        let late = cloud.call_to(person::busy()).await?.send().await?;
        ensure!(cloud.worker_ends().await? == Some(0), "{}", cloud.worker_log());
        let outcome = call.outcome().await?;
        ensure!(outcome.end_reason == Some(EndReason::Drained), "{outcome:#?}");
        is_hung_up(&call).await?;
        call.rang_once().await?;
        cloud.stack.wait_until_empty(SOON).await?;
        ensure!(!late.is_claimed().await?, "it was taken up by who was told to stop");
        // Whoever comes next finds it at once.
        cloud.worker_with(&[], &[]).await?;
        is_called_after_all(&late).await?;
        cloud.queue_is_empty().await
    });
}

#[test]
fn without_a_call_it_stops_at_once() {
    alone_at_the_worker(async |cloud| {
        let told = tokio::time::Instant::now();
        cloud.signal_worker(Signal::INT)?;
        ensure!(cloud.worker_ends().await? == Some(0), "{}", cloud.worker_log());
        // A poll lasts for twenty seconds.
        ensure!(told.elapsed() < Duration::from_secs(5), "{:?}", told.elapsed());
        Ok(())
    });
}

#[test]
fn told_twice_it_hangs_up_every_line_before_it_ends() {
    alone_at_the_worker(async |cloud| {
        let calls = [talking(cloud).await?, talking(cloud).await?, talking(cloud).await?];
        cloud.signal_worker(Signal::TERM)?;
        cloud.signal_worker(Signal::INT)?;
        ensure!(cloud.worker_ends().await? == Some(130), "{}", cloud.worker_log());
        let rooms = cloud.stack.rooms().await?;
        ensure!(rooms.is_empty(), "the process has gone, these have not: {rooms:?}");
        for call in &calls {
            is_hung_up(call).await?;
            call.rang_once().await?;
        }
        Ok(())
    });
}

#[test]
fn killed_while_it_rings_nobody_is_called_twice() {
    alone_at_the_worker(async |cloud| {
        let nobody = Script { never_answer: true, ..person::talkative() };
        let call = cloud.call_to(nobody).await?.send().await?;
        call.phone("it rings", |leg| leg.phase == "ringing").await?;
        cloud.signal_worker(Signal::KILL)?;
        cloud.worker_ends().await?;
        let folder = call.folder().await?;
        ensure!(
            folder.dial.is_some() && folder.launched.is_none() && folder.outcome.is_none(),
            "{folder:#?}"
        );
        ensure!(cloud.depth().await?.in_flight == 1, "its message is gone");
        cloud.worker_with(&[], &[]).await?;
        // It comes again, and is acknowledged: the dial claim is somebody's.
        cloud.queue_is_empty().await?;
        ensure!(cloud.worker_log().contains("duplicate delivery"), "{}", cloud.worker_log());
        let after = call.folder().await?;
        ensure!(after.dial == folder.dial && after.outcome.is_none(), "{after:#?}");
        call.rang_once().await?;
        cloud.delete_rooms().await
    });
}

#[test]
fn killed_before_it_may_ring_the_call_is_made_by_the_next_worker_once() {
    alone_at_the_worker(async |cloud| {
        // It gets as far as asking for the permission to ring, and no farther.
        cloud.deployment.ecs.cut([Cut { service: "s3", containing: "a1/dial.json".to_owned() }]);
        let before = cloud.deployment.ecs.cut_requests();
        let call = cloud.call_to(person::busy()).await?.send().await?;
        asks_in_vain(cloud, before).await?;
        cloud.signal_worker(Signal::KILL)?;
        cloud.worker_ends().await?;
        cloud.deployment.ecs.cut([]);
        let folder = call.folder().await?;
        let job = folder.job.context("there was no job yet")?;
        ensure!(folder.dial.is_none() && folder.launched.is_none(), "it may have rung");
        cloud.worker_with(&[], &[]).await?;
        is_called_after_all(&call).await?;
        ensure!(call.folder().await?.job == Some(job), "another plan");
        cloud.queue_is_empty().await?;
        cloud.delete_rooms().await
    });
}
