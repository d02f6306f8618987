//! Messages that become calls.

use std::time::Duration;

use ::calls::outcome::{EndReason, OutcomeKind};
use anyhow::{Context as _, Result, ensure};
use sim::stack::{Recording, Step};

use crate::cloud::{Cloud, wait_for};
use crate::ears::seconds_of;
use crate::{agent, person};

/// An answered call, from the message to the last event.
pub async fn a_message_becomes_a_call_that_both_sides_hear(cloud: &Cloud) -> Result<()> {
    let hears_out = [Step::wait_for_voice(8000), Step::wait_for_silence(600), Step::hang_up()];
    let somebody = person::who([Step::wait(300), person::talk(1000)].into_iter().chain(hears_out));
    let call = cloud.call_to(somebody).await?.send().await?;
    let outcome = call.outcome().await?;

    ensure!(outcome.outcome == OutcomeKind::Answered, "{outcome:#?}");
    ensure!(outcome.end_reason == Some(EndReason::CalleeHangup), "{outcome:#?}");
    call.rang_once().await?;
    // Who was launched is who took the permission to ring.
    let folder = call.folder().await?;
    let (launched, dial) =
        (folder.launched.context("nobody was launched")?, folder.dial.context("nobody dialed")?);
    ensure!(launched.task == dial.task && folder.job.is_some(), "{launched:?} {dial:?}");
    if let [task] = &cloud.tasks_of(&call.attempt).await[..] {
        ensure!(task["taskArn"] == dial.task, "another task has the claim: {task}");
    }
    let dials = call.dials().await?;
    let heard = cloud.stack.phone()?.recording(&dials[0].id).await?;
    let seconds = seconds_of(&heard.heard, Recording::RATE, agent::TONE_HZ);
    ensure!((seconds - 1.5).abs() < 0.15, "the callee hears {seconds:.2} s of the agent's 1.5 s");
    let agent =
        cloud.vendor.calls().into_iter().find(|agent| Some(&agent.id) == outcome.agent_call_id.as_ref());
    ensure!(agent.is_some_and(|agent| agent.level_received_dbfs > -60.0), "the agent hears nobody");

    let told = cloud.history(&call, 4).await?;
    let statuses: Vec<_> = told.iter().map(|event| event["metadata"]["status"].clone()).collect();
    let wanted = ["CALL_ATTEMPT_STARTED", "SIP_DIAL_ANSWERED", "SIP_BRIDGE_ACTIVE", "SIP_CALL_ENDED"];
    ensure!(statuses == wanted, "{statuses:?}");
    ensure!(told.iter().all(|event| event["metadata"]["campaignId"] == "deployed"), "{told:#?}");
    let room = dial.room.context("a dial without a room")?;
    wait_for("nothing is left of its room", Duration::from_secs(10), async || {
        Ok((!cloud.stack.rooms().await?.contains(&room)).then_some(()))
    })
    .await
}

/// A business outcome.
pub async fn somebody_who_is_busy_is_not_called_again(cloud: &Cloud) -> Result<()> {
    let call = cloud.call_to(person::busy()).await?.send().await?;
    let outcome = call.outcome().await?;
    ensure!(
        outcome.outcome == OutcomeKind::NotAnswered && outcome.reason.as_deref() == Some("busy"),
        "{outcome:#?}"
    );
    ensure!(outcome.sip_status == Some(486) && !outcome.retryable, "{outcome:#?}");
    let told = cloud.history(&call, 2).await?;
    ensure!(told[1]["metadata"]["status"] == "CALL_NOT_ANSWERED", "{told:#?}");
    call.rang_once().await
}

/// Answers of the network that are final, though they are no person's: the message comes again and again, one INVITE.
pub async fn what_the_network_refused_is_not_called_again(cloud: &Cloud) -> Result<()> {
    for (code, text) in [
        (403, "Forbidden"),
        (488, "Not Acceptable Here"),
        (503, "Service Unavailable"),
        (604, "Does Not Exist"),
    ] {
        let call = cloud.call_to(person::rejecting(code, text)).await?.send().await?;
        let outcome = call.outcome().await?;
        ensure!(outcome.sip_status == Some(code) && !outcome.retryable, "{outcome:#?}");
        cloud.send(&call.body).await?;
        cloud.send(&call.body).await?;
        cloud.queue_is_empty().await?;
        call.rang_once().await.with_context(|| format!("after {code}"))?;
    }
    Ok(())
}

/// Two messages of one identity.
pub async fn the_same_message_twice_is_one_call(cloud: &Cloud) -> Result<()> {
    let call = cloud.call_to(person::busy()).await?.send().await?;
    cloud.send(&call.body).await?;
    call.outcome().await?;
    cloud.queue_is_empty().await?;
    call.rang_once().await
}

/// A country is data, also for who runs already.
pub async fn a_country_that_was_added_a_minute_ago_is_called(cloud: &Cloud) -> Result<()> {
    // Countries have been read by now.
    let known = cloud.call_to(person::busy()).await?.send().await?;
    known.outcome().await?;
    cloud.add_country("PT", &["+351"]).await?;
    // Before a number is refused they are read again, though not more often than every five seconds.
    tokio::time::sleep(Duration::from_secs(6)).await;
    let number = "+351912345678";
    cloud.stack.phone()?.script(number, &person::busy()).await?;
    let call = cloud.call_to_number(number).send().await?;
    let outcome = call.outcome().await?;
    ensure!(outcome.reason.as_deref() == Some("busy"), "{outcome:#?}");
    call.rang_once().await
}
