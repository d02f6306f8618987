//! What becomes of calls whose task is gone, or may not begin yet: nothing is lost, nobody is called twice, and nothing
//! is left over.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use calls::cost::Item;
use calls::fact::{Fact, NotNow};
use calls::ids::AttemptId;
use calls::outcome::{Outcome, OutcomeKind};
use calls::settle::Follow;
use jiff::ToSpan as _;
use rustix::process::Signal;
use serde_json::{Value, json};
use sim::ecs::Trouble;
use sim::stack::Step;
use tests::arrange::fresh_number;
use tests::cloud::{Cloud, Sent, alone_in_the_cloud, in_the_cloud, prices, wait_for};
use tests::person;
use tests::scenarios::messages::attribute;

/// Calls somebody at `number` who talks on and on, waits until sound flows and the folder has it, and kills the call's task.
async fn killed_while_talking<'a>(cloud: &'a Cloud, number: &str) -> Result<Sent<'a>> {
    let talks = [Step::wait(300), person::talk(1000), Step::wait(60_000), Step::hang_up()];
    cloud.stack.phone()?.script(number, &person::who(talks)).await?;
    let call = cloud.call_to_number(number).send().await?;
    call.phone("it is answered", sim::stack::Call::is_answered).await?;
    let statuses: Vec<Value> =
        cloud.history(&call, 3).await?.iter().map(|event| event["metadata"]["status"].clone()).collect();
    ensure!(statuses == ["CALL_ATTEMPT_STARTED", "SIP_DIAL_ANSWERED", "SIP_BRIDGE_ACTIVE"], "{statuses:?}");
    wait_for("its folder says who talks", Duration::from_secs(20), async || {
        let facts = cloud.folders.facts(&call.attempt).await?;
        Ok(facts.iter().any(|told| matches!(told.fact, Fact::AgentConnected { .. })).then_some(()))
    })
    .await?;
    call.signal_tasks(Signal::KILL)?;
    Ok(call)
}

/// Nobody knows what the person heard: upstream is told so, the line is closed, and nobody calls again.
async fn ended_as_unknown(cloud: &Cloud, call: &Sent<'_>) -> Result<Outcome> {
    let outcome = call.outcome().await?;
    ensure!(outcome.outcome == OutcomeKind::Unknown && !outcome.retryable, "{outcome:#?}");
    let told = cloud.history(call, 1).await?;
    let details: Value =
        serde_json::from_str(told[0]["metadata"]["metadataJson"].as_str().unwrap_or_default())?;
    ensure!(
        told[0]["metadata"]["status"] == "SIP_CALL_FAILED" && details["reason"] == "unknown",
        "{told:#?}"
    );
    let dial = call.folder().await?.dial.context("no claim")?;
    let room = dial.room.context("no room")?;
    ensure!(!cloud.stack.rooms().await?.contains(&room), "its room is left over");
    call.phone("the line is closed", sim::stack::Call::is_over).await?;
    let vendor = cloud.vendor.calls();
    let agent = vendor.iter().find(|agent| Some(&agent.id) == dial.agent_call_id.as_ref());
    ensure!(agent.is_some_and(|agent| agent.ended.is_some()), "the agent talks on");
    call.rang_once().await?;
    Ok(outcome)
}

#[test]
fn a_task_that_dies_in_a_call_leaves_nothing_behind() {
    in_the_cloud(async |cloud| {
        country(cloud, "BO", "+591", &[("prices", prices())]).await?;
        let call = killed_while_talking(cloud, "+59171234567").await?;
        let outcome = ended_as_unknown(cloud, &call).await?;
        let why = outcome.detail.unwrap_or_default();
        ensure!(why.contains("EssentialContainerExited") && why.contains("exit code 137"), "{why}");
        // What it cost is known from the facts that it had told.
        let cost = outcome.cost.context("it cost nothing")?;
        let items: Vec<Item> = cost.lines.iter().map(|line| line.item).collect();
        ensure!(items == [Item::Task, Item::Room, Item::Trunk, Item::Agent], "{cost:#?}");
        // Its dial might still be on its way: so it is open until nothing can come up any more.
        let closed = wait_for("it is closed", Duration::from_secs(180), async || {
            Ok(call.folder().await?.open.is_none().then_some(()))
        });
        closed.await?;
        ensure!(cloud.settled(&call.attempt).await? == Follow::Nothing, "something followed");
        // Then by the vendor's bill.
        let billed = wait_for("the vendor's bill is told", Duration::from_secs(30), async || {
            let facts = cloud.folders.facts(&call.attempt).await?;
            Ok(facts.into_iter().find_map(|told| match told.fact {
                Fact::AgentBilled { seconds } => Some(seconds),
                _ => None,
            }))
        });
        ensure!(billed.await? > 0.0, "it talked for nothing");
        ensure!(
            cloud.tasks_of(&call.attempt).await.len() == 1 && call.dials().await?.len() == 1,
            "called again"
        );
        Ok(())
    });
}

#[test]
fn a_task_whose_end_nobody_told_of_is_found_by_the_sweep() {
    alone_in_the_cloud(async |cloud| {
        cloud.deployment.ecs.keep_events(true);
        let call = killed_while_talking(cloud, &fresh_number()).await?;
        wait_for("the task has stopped", Duration::from_secs(20), async || {
            let tasks = cloud.tasks_of(&call.attempt).await;
            Ok((tasks[0]["lastStatus"] == "STOPPED").then_some(()))
        })
        .await?;
        cloud.deployment.ecs.keep_events(false);
        ensure!(cloud.folders.outcome(&call.attempt).await?.is_none(), "nobody can know yet");
        cloud.sweep().await?;
        ended_as_unknown(cloud, &call).await.map(drop)
    });
}

#[test]
fn a_task_that_never_starts_is_tried_again_and_then_given_up_with_the_reason() {
    alone_in_the_cloud(async |cloud| {
        cloud.deployment.ecs.trouble([Trouble::NeverStart; 3]);
        let call = cloud.call_to(person::busy()).await?.send().await?;
        let letters = cloud.dead_letters(&[&call.body]).await?;
        ensure!(attribute(&letters[0], "RefusalCode") == Some("attempts_exhausted"), "{letters:#?}");
        let why = attribute(&letters[0], "RefusalDetail").unwrap_or_default();
        ensure!(why.contains("3 attempts") && why.contains("CannotPullContainerError"), "{why}");
        ensure!(attribute(&letters[0], "OcgAttempt") == Some("4"), "{letters:#?}");
        let of = |number| AttemptId::new(call.attempt.key.clone(), number);
        for (number, follow) in [(1, Follow::Attempt(2)), (2, Follow::Attempt(3)), (3, Follow::DeadLetter)] {
            ensure!(cloud.settled(&of(number)).await? == follow, "attempt {number}");
        }
        let told = cloud.history(&call, 4).await?;
        ensure!(told.iter().all(|event| event["metadata"]["status"] == "SIP_CALL_FAILED"), "{told:#?}");
        let last: Value =
            serde_json::from_str(told[3]["metadata"]["metadataJson"].as_str().unwrap_or_default())?;
        ensure!(
            last["reason"] == "attempts-exhausted" && last["errorType"] == "attempts_exhausted",
            "{last:#}"
        );
        ensure!(call.dials().await?.is_empty(), "it rang");
        cloud.queue_is_empty().await
    });
}

#[test]
fn a_task_that_does_not_start_the_first_time_rings_the_second_time() {
    alone_in_the_cloud(async |cloud| {
        cloud.deployment.ecs.trouble([Trouble::NeverStart]);
        let call = cloud.call_to(person::busy()).await?.send().await?;
        ensure!(cloud.settled(&call.attempt).await? == Follow::Attempt(2), "no second attempt");
        let second = AttemptId::new(call.attempt.key.clone(), 2);
        ensure!(cloud.settled(&second).await? == Follow::Nothing, "a third attempt");
        let outcome = cloud.folders.outcome(&second).await?.context("no outcome")?;
        ensure!(outcome.reason.as_deref() == Some("busy"), "{outcome:#?}");
        call.rang_once().await
    });
}

#[test]
fn of_a_call_that_ended_nothing_is_open() {
    in_the_cloud(async |cloud| {
        let call = cloud.call_to(person::busy()).await?.send().await?;
        ensure!(cloud.settled(&call.attempt).await? == Follow::Nothing, "something followed");
        call.rang_once().await
    });
}

/// A profile of its own, for numbers that no other story calls.
async fn country(cloud: &Cloud, country: &str, prefix: &str, more: &[(&str, Value)]) -> Result<()> {
    cloud.add_country(country, &[prefix]).await?;
    let mut profile = cloud.profile(country, &[prefix]);
    for (name, value) in more {
        profile[*name] = value.clone();
    }
    cloud.deployment.put_profile(country, &profile).await?;
    // A router that has just looked for another new country looks no sooner again.
    tokio::time::sleep(Duration::from_secs(6)).await;
    Ok(())
}

async fn deferred(cloud: &Cloud, call: &Sent<'_>, wanted: NotNow) -> Result<()> {
    wait_for("its message is put back", Duration::from_secs(30), async || {
        let facts = cloud.folders.facts(&call.attempt).await?;
        let put_back = |fact: &Fact| matches!(fact, Fact::Deferred { why, .. } if *why == wanted);
        Ok(facts.iter().any(|line| put_back(&line.fact)).then_some(()))
    })
    .await?;
    wait_for("the folder says so", Duration::from_secs(10), async || {
        Ok((call.folder().await?.back.last() > 0).then_some(()))
    })
    .await
}

#[test]
fn outside_the_call_hours_messages_wait_and_are_dialed_when_they_begin_but_for_one_that_was_hung_up() {
    in_the_cloud(async |cloud| {
        // The next full minute that is far enough away.
        let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC);
        let begin = call_hours_begin(&now)?;
        let begins = begin.to_zoned(jiff::tz::TimeZone::UTC).strftime("%a %H:%M").to_string().to_lowercase();
        let hours = [("callHours", json!([format!("{begins}-24:00")])), ("timeZone", json!("UTC"))];
        country(cloud, "UY", "+598", &hours).await?;
        let number = "+59894231234";
        cloud.stack.phone()?.script(number, &person::busy()).await?;
        let call = cloud.call_to_number(number).send().await?;
        deferred(cloud, &call, NotNow::CallHours).await?;
        ensure!(call.folder().await?.job.is_none(), "no attempt is used up");
        ensure!(call.dials().await?.is_empty(), "it rang");
        let unwanted = cloud.call_to_number("+59821234568").send().await?;
        deferred(cloud, &unwanted, NotNow::CallHours).await?;
        let hung_up = cloud.ocg(&["hangup", unwanted.attempt.key.as_str()]).await?.ends_with(0)?;
        ensure!(hung_up.said.contains("drained"), "{}", hung_up.said);
        let again = cloud.ocg(&["hangup", unwanted.attempt.key.as_str()]).await?.ends_with(3)?;
        ensure!(again.remarked.contains("ended already"), "{}", again.remarked);
        wait_for("the hours begin", Duration::from_secs(180), async || {
            Ok((!call.dials().await?.is_empty()).then_some(()))
        })
        .await?;
        let rang = call.dials().await?[0].dialed_at_ms;
        ensure!(rang >= begin.as_millisecond(), "it rang before {begin}");
        call.outcome().await?;
        call.rang_once().await?;
        wait_for("the other message comes, too", Duration::from_secs(60), async || {
            let facts = cloud.folders.facts(&unwanted.attempt).await?;
            Ok(facts.iter().any(|line| line.fact == Fact::DuplicateDelivery).then_some(()))
        })
        .await?;
        ensure!(unwanted.dials().await?.is_empty(), "it rang after it was hung up");
        let told = cloud.history(&unwanted, 1).await?;
        ensure!(told[0]["metadata"]["status"] == "SIP_CALL_FAILED", "{told:#?}");
        let open = cloud.folders.open_attempts().await?;
        ensure!(!open.contains(&unwanted.attempt), "{open:?}");
        Ok(())
    });
}

/// The full minute in which `now` will be in a hundred seconds.
fn call_hours_begin(now: &jiff::Zoned) -> Result<jiff::Timestamp> {
    Ok((now + 100.seconds()).with().second(0).subsec_nanosecond(0).build()?.timestamp())
}

#[test]
fn where_one_call_at_once_is_allowed_the_second_waits_for_the_first() {
    in_the_cloud(async |cloud| {
        country(cloud, "PY", "+595", &[("maxConcurrentCalls", json!(1))]).await?;
        let phone = cloud.stack.phone()?;
        let talks = person::who([Step::wait(300), person::talk(1000), Step::wait(60_000), Step::hang_up()]);
        phone.script("+595961456789", &talks).await?;
        phone.script("+595961456780", &person::busy()).await?;
        let first = cloud.call_to_number("+595961456789").send().await?;
        first.phone("it is answered", sim::stack::Call::is_answered).await?;
        let second = cloud.call_to_number("+595961456780").send().await?;
        deferred(cloud, &second, NotNow::TooManyCalls).await?;
        ensure!(second.dials().await?.is_empty(), "two calls at once");
        first.callee_hangs_up().await?;
        ensure!(cloud.settled(&first.attempt).await? == Follow::Nothing, "something followed");
        // With its end, and not by a sweep some time after it.
        let places = cloud.folders.places().await?;
        ensure!(places.iter().all(|(_, holder)| *holder != first.attempt), "its place is not given back");
        let outcome = second.outcome().await?;
        ensure!(outcome.reason.as_deref() == Some("busy"), "{outcome:#?}");
        second.rang_once().await
    });
}
