//! A worker settles its own calls, and what others left.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use calls::cost::{Item, Price, Prices};
use calls::fact::Fact;
use calls::ids::{AttemptId, CallKey};
use calls::outcome::OutcomeKind;
use calls::settle::Follow;
use cloud::call_folder::documents::{DialClaim, Job, Launched, Open, V};
use cloud::call_folder::{FactsWriter, draw_nonce};
use jiff::{SignedDuration, Timestamp};
use tests::cloud::{Cloud, alone_at_the_worker, wait_for};
use tests::person;

/// What is left of a call whose worker was killed while it talked, longer ago than its claim was good for.
async fn left_over(cloud: &Cloud, job: Job) -> Result<AttemptId> {
    let attempt = AttemptId::new(CallKey::from_ids(None, None, &draw_nonce().0), 1);
    let at = Timestamp::now() - SignedDuration::from_hours(1);
    let task = "another-host/4711".to_owned();
    cloud.folders.open_attempt(&attempt, &Open { v: V, at }).await?;
    let mut job = Job { owner: draw_nonce(), ..job };
    let by_the_minute = |per_minute| Some(Price { per_minute, minimum_seconds: 0, round_up_to_seconds: 60 });
    let (room, trunk) = (by_the_minute(0.005), by_the_minute(0.03));
    job.plan.profile.prices = Some(Prices { currency: "USD".to_owned(), room, trunk, ..Prices::default() });
    ensure!(cloud.folders.claim_job(&attempt, &job).await?.is_ours(), "not ours");
    cloud.folders.note_launched(&attempt, &Launched { v: V, task: task.clone(), at }).await?;
    let dial = DialClaim {
        v: V,
        owner: draw_nonce(),
        task,
        room: Some("call-that-is-gone".to_owned()),
        callee_identity: None,
        agent_call_id: Some("agent-that-is-gone".to_owned()),
        invite_by: at,
        deadline: at,
        failed_before_dial: None,
        decision: None,
    };
    ensure!(cloud.folders.claim_dial(&attempt, &dial).await?.is_ours(), "not ours");
    // They had talked for a minute and a half when it was killed.
    let mut facts = FactsWriter::start(cloud.folders.clone(), attempt.clone(), draw_nonce());
    facts.note(at, Fact::RoomJoined { took_ms: 90 });
    facts.note(at + SignedDuration::from_secs(10), Fact::Answered { after_ms: 9000 });
    facts.note(at + SignedDuration::from_secs(100), Fact::BargeIn { dropped_ms: 100, tail_ms: None });
    facts.close(Duration::from_secs(5)).await?;
    Ok(attempt)
}

#[test]
fn it_settles_its_own_calls_at_once_and_at_its_start_what_a_killed_one_left() {
    alone_at_the_worker(async |cloud| {
        let call = cloud.call_to(person::busy()).await?.send().await?;
        ensure!(cloud.settled(&call.attempt).await? == Follow::Nothing, "something followed");
        let job = call.folder().await?.job.context("no job")?;
        let attempt = left_over(cloud, job).await?;
        cloud.worker_with(&[], &[]).await?;
        let outcome = wait_for("it is found", Duration::from_secs(30), async || {
            Ok(cloud.folders.outcome(&attempt).await?)
        })
        .await?;
        ensure!(outcome.outcome == OutcomeKind::Unknown, "{outcome:#?}");
        let cost = outcome.cost.context("it cost nothing")?;
        let billed: Vec<_> = cost.lines.iter().map(|line| (line.item, line.billed_seconds)).collect();
        ensure!(
            billed == [(Item::Room, 120.0), (Item::Trunk, 120.0)],
            "as far as its facts reach: {cost:#?}"
        );
        ensure!(cloud.settled(&attempt).await? == Follow::Nothing, "something followed");
        Ok(())
    });
}
