//! Several who take messages from one queue, and keep one set of call folders: each person is called once.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use sim::stack::Script;
use tests::cloud::{Cloud, Sent, alone_at_the_worker, wait_for};
use tests::person;

/// So many calls to people who are busy, and a batch of messages in which each of them stands twice, side by side.
async fn calls_told_twice(cloud: &Cloud, count: usize) -> Result<(Vec<Sent<'_>>, Vec<String>)> {
    let mut calls = Vec::new();
    for _ in 0..count {
        calls.push(cloud.call_to(person::busy()).await?);
    }
    let bodies = calls.iter().flat_map(|call| [call.body.clone(), call.body.clone()]).collect();
    Ok((calls, bodies))
}

/// Each rang once, no message is left and none was refused. Returns which processes rang.
async fn each_rings_once(cloud: &Cloud, calls: &[Sent<'_>]) -> Result<BTreeSet<String>> {
    let mut who_rang = BTreeSet::new();
    for call in calls {
        let outcome = call.outcome().await?;
        ensure!(outcome.reason.as_deref() == Some("busy"), "{outcome:#?}");
        who_rang.insert(call.folder().await?.dial.context("nobody dialed")?.task);
    }
    cloud.queue_is_empty().await?;
    for call in calls {
        call.rang_once_whoever_carried_it().await?;
        ensure!(cloud.dead_letters_now(&call.body).await? == 0, "{} is a dead letter", call.id);
    }
    Ok(who_rang)
}

#[test]
fn two_workers_call_each_person_once() {
    alone_at_the_worker(async |cloud| {
        // Neither has a place for all, so both have something to do.
        let two_at_once = [("MAX_CONCURRENT_CALLS", "2")];
        cloud.worker_on_a_new_queue(&two_at_once).await?;
        cloud.another_worker(&two_at_once).await?;
        let (calls, bodies) = calls_told_twice(cloud, 8).await?;
        for batch in bodies.chunks(8) {
            cloud.send_together(batch).await?;
        }
        let who_rang = each_rings_once(cloud, &calls).await?;
        ensure!(who_rang.len() == 2, "one of the two did it all: {who_rang:?}");
        for call in &calls {
            call.rang_once().await?;
        }
        Ok(())
    });
}

#[test]
fn a_worker_beside_the_router_and_each_person_is_called_once() {
    alone_at_the_worker(async |cloud| {
        cloud.worker_with(&[("MAX_CONCURRENT_CALLS", "1")], &[]).await?;
        let told = beside_the_router(cloud).await;
        cloud.switch_the_function(false).await?;
        told
    });
}

async fn beside_the_router(cloud: &Cloud) -> Result<()> {
    // The worker's, which has no place for another while it rings.
    let rings_long = Script { answer_after_ms: Some(5000), ..person::busy() };
    let first = cloud.call_to(rings_long).await?.send().await?;
    wait_for("the worker dials", Duration::from_secs(60), async || {
        let folder = first.folder().await.ok();
        Ok(folder.and_then(|folder| folder.dial).map(drop))
    })
    .await?;
    cloud.switch_the_function(true).await?;
    let (mut calls, mut bodies) = calls_told_twice(cloud, 5).await?;
    bodies.push(first.body.clone());
    for batch in bodies.chunks(6) {
        cloud.send_together(batch).await?;
    }
    calls.push(first);
    let who_rang = each_rings_once(cloud, &calls).await?;
    let by_tasks = who_rang.iter().filter(|task| task.starts_with("arn:")).count();
    ensure!(by_tasks > 0 && by_tasks < who_rang.len(), "one of the two did it all: {who_rang:?}");
    for call in &calls {
        let tasks = cloud.tasks_of(&call.attempt).await;
        ensure!(tasks.len() <= 1, "{} was launched more than once: {tasks:#?}", call.attempt);
    }
    Ok(())
}
