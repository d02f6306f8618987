//! A call is ended by a person.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use calls::fact::Fact;
use calls::ids::AttemptId;
use calls::outcome::{EndReason, OutcomeKind};
use calls::settle::Follow;
use sim::ecs::Trouble;
use sim::stack::Step;
use tests::cloud::{alone_in_the_cloud, in_a_cloud_apart, in_the_cloud, wait_for};
use tests::person;

#[test]
fn a_talking_call_is_hung_up() {
    in_the_cloud(async |cloud| {
        let somebody =
            person::who([Step::wait(300), person::talk(1000), Step::wait(40_000), Step::hang_up()]);
        let call = cloud.call_to(somebody).await?.send().await?;
        wait_for("it is answered", Duration::from_secs(60), async || {
            let facts = cloud.folders.facts(&call.attempt).await?;
            Ok(facts.iter().any(|line| matches!(line.fact, calls::fact::Fact::Answered { .. })).then_some(()))
        })
        .await?;
        let ended = cloud.ocg(&["hangup", &call.id]).await?.ends_with(0)?;
        ensure!(ended.said.contains("operator"), "{}", ended.said);
        let outcome = call.outcome().await?;
        ensure!(outcome.end_reason == Some(EndReason::Operator), "{outcome:#?}");
        call.rang_once().await?;
        let again = cloud.ocg(&["hangup", call.attempt.key.as_str()]).await?.ends_with(3)?;
        ensure!(again.remarked.contains("ended already"), "{}", again.remarked);
        let told = cloud.history(&call, 4).await?;
        ensure!(told[3]["metadata"]["status"] == "SIP_CALL_ENDED", "{told:#?}");
        Ok(())
    });
}

#[test]
fn a_phone_that_rings_stops_ringing() {
    in_the_cloud(async |cloud| {
        let nobody = sim::stack::Script { answer_after_ms: Some(60_000), ..person::who([]) };
        let call = cloud.call_to(nobody).await?.send().await?;
        wait_for("it rings", Duration::from_secs(60), async || {
            let facts = cloud.folders.facts(&call.attempt).await?;
            Ok(facts.iter().any(|line| matches!(line.fact, calls::fact::Fact::Ringing { .. })).then_some(()))
        })
        .await?;
        let ended = cloud.ocg(&["hangup", call.attempt.key.short()]).await?.ends_with(0)?;
        let outcome = call.outcome().await?;
        ensure!(outcome.outcome == OutcomeKind::Failed, "{outcome:#?}\n{}", ended.said);
        let why = outcome.detail.as_deref().unwrap_or_default();
        ensure!(outcome.reason.as_deref() == Some("drained") && why.contains("operator"), "{outcome:#?}");
        ensure!(!outcome.retryable, "nobody tries again: {outcome:#?}");
        call.rang_once().await?;
        ensure!(call.dials().await?[0].is_over(), "it rings on");
        Ok(())
    });
}

#[test]
fn a_call_whose_task_has_not_started_never_rings() {
    alone_in_the_cloud(async |cloud| {
        cloud.deployment.ecs.trouble([Trouble::StartAfter(Duration::from_secs(12))]);
        let call = cloud.call_to(person::busy()).await?.send().await?;
        cloud.queue_is_empty().await?;
        cloud.ocg(&["hangup", &call.id]).await?.ends_with(0)?;
        let outcome = cloud.folders.outcome(&call.attempt).await?.context("no outcome")?;
        ensure!(outcome.outcome == OutcomeKind::Failed && !outcome.retryable, "{outcome:#?}");
        // Its task comes all the same, finds the claim taken, and leaves.
        call.outcome().await?;
        wait_for("its task has come", Duration::from_secs(60), async || {
            let facts = cloud.folders.facts(&call.attempt).await?;
            Ok(facts
                .iter()
                .any(|line| matches!(line.fact, calls::fact::Fact::Duplicate { .. }))
                .then_some(()))
        })
        .await?;
        ensure!(call.dials().await?.is_empty(), "it rang");
        let told = cloud.history(&call, 1).await?;
        ensure!(told[0]["metadata"]["status"] == "SIP_CALL_FAILED", "{told:#?}");
        let open = cloud.folders.open_attempts().await?;
        ensure!(!open.contains(&call.attempt), "{open:?}");
        Ok(())
    });
}

/// Its first attempt's task never started, and the message of the second is on its way.
#[test]
fn a_call_that_waits_for_its_next_attempt_never_rings() {
    in_a_cloud_apart(&[("FirstDelaySeconds", "20")], async |cloud| {
        cloud.deployment.ecs.trouble([Trouble::NeverStart]);
        let call = cloud.call_to(person::busy()).await?.send().await?;
        ensure!(cloud.settled(&call.attempt).await? == Follow::Attempt(2), "no second attempt");
        let ended = cloud.ocg(&["hangup", &call.id]).await?.ends_with(0)?;
        ensure!(ended.said.contains("operator"), "{}", ended.said);
        ensure!(cloud.depth().await?.delayed == 1, "its message has come already");

        let second = AttemptId::new(call.attempt.key.clone(), 2);
        ensure!(cloud.settled(&second).await? == Follow::Nothing, "a third attempt");
        let outcome = cloud.folders.outcome(&second).await?.context("no outcome")?;
        let why = outcome.detail.as_deref().unwrap_or_default();
        ensure!(outcome.outcome == OutcomeKind::Failed && !outcome.retryable, "{outcome:#?}");
        ensure!(outcome.reason.as_deref() == Some("drained") && why.contains("operator"), "{outcome:#?}");
        let told = cloud.history(&call, 2).await?;
        ensure!(told[1]["metadata"]["status"] == "SIP_CALL_FAILED", "{told:#?}");

        // It comes all the same, and finds that there is nothing to do.
        cloud.queue_is_empty().await?;
        wait_for("it is acknowledged only", Duration::from_secs(10), async || {
            let facts = cloud.folders.facts(&second).await?;
            Ok(facts.iter().any(|line| line.fact == Fact::DuplicateDelivery).then_some(()))
        })
        .await?;
        ensure!(cloud.tasks_of(&second).await.is_empty(), "a task was started");
        ensure!(call.dials().await?.is_empty(), "it rang");
        Ok(())
    });
}
