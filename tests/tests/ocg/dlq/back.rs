//! Sent back.

use anyhow::{Context as _, Result, ensure};
use calls::fact::Fact;
use calls::ids::AttemptId;
use sim::ecs::{Cut, Trouble};
use sim::stack::Script;
use tests::cloud::{Cloud, Sent, alone_in_the_cloud, in_a_cloud_apart, wait_for};
use tests::person;

use super::{is_gone, is_there, letter, letter_of, listed, move_back, put_letter, send_back, serve, text};

/// A call to somebody in a country that nobody serves yet.
pub async fn unserved<'a>(cloud: &'a Cloud, number: &str, person: &Script) -> Result<Sent<'a>> {
    cloud.stack.phone()?.script(number, person).await?;
    cloud.call_to_number(number).send().await
}

/// The second attempt at it was made, and it rang.
async fn rings_at_attempt_2(cloud: &Cloud, call: &Sent<'_>) -> Result<()> {
    let second = AttemptId::new(call.attempt.key.clone(), 2);
    wait_for("attempt 2 has an outcome", super::PATIENCE, async || {
        Ok(cloud.folders.outcome(&second).await?)
    })
    .await?;
    let (dials, tasks) = (call.dials().await?.len(), cloud.tasks_of(&second).await.len());
    ensure!(dials == 1 && tasks == 1, "{dials} dials, {tasks} tasks");
    Ok(())
}

#[test]
fn once_its_country_is_served_a_call_is_made_and_who_sends_it_twice_calls_once() {
    alone_in_the_cloud(async |cloud| {
        let call = unserved(cloud, "+56222345678", &person::busy()).await?;
        let found = letter_of(cloud, &call).await?;
        let id = text(&found, "id")?;
        ensure!(found["code"] == "no_profile_for_prefix" && found["country"] == "CL", "{found:#}");

        // Nothing has changed: it would be refused again, and trying does nothing.
        let dry = cloud.ocg(&["dlq", "redrive", "--id", id, "--dry-run", "--json"]).await?;
        let dry = dry.ends_with(3)?.objects()?;
        ensure!(text(&dry[0], "why")?.contains("refused again: no_profile_for_prefix"), "{dry:#?}");
        serve(cloud, "CL", "+56").await?;
        let dry = cloud.ocg(&["dlq", "redrive", "--country", "cl", "--dry-run", "--json"]).await?;
        let dry = dry.ends_with(0)?.objects()?;
        ensure!(dry[0]["result"] == "would-be-redriven" && dry[0]["attempt"] == 1, "{dry:#?}");
        is_there(cloud, id).await?;
        ensure!(!call.is_claimed().await?, "a dry run has sent something");

        // What a crash between sending and deleting leaves: the message is sent, the letter is there. It is sent
        // twice, as somebody might do who does not look: the router knows the call again.
        send_back(cloud, id, &call.attempt.key).await?;
        send_back(cloud, id, &call.attempt.key).await?;
        let outcome = call.outcome().await?;
        ensure!(outcome.reason.as_deref() == Some("busy"), "{outcome:#?}");
        cloud.queue_is_empty().await?;
        call.rang_once().await?;
        // And who does look is told.
        let skipped = cloud.ocg(&["dlq", "redrive", "--id", id, "--json"]).await?.ends_with(3)?.objects()?;
        ensure!(text(&skipped[0], "why")?.contains("attempt 1 was the call"), "{skipped:#?}");
        is_there(cloud, id).await
    });
}

#[test]
fn a_letter_that_went_back_is_no_letter_any_more() {
    alone_in_the_cloud(async |cloud| {
        let call = unserved(cloud, "+59821234567", &person::busy()).await?;
        let found = letter_of(cloud, &call).await?;
        let id = text(&found, "id")?;
        serve(cloud, "UY", "+598").await?;
        let said = cloud.ocg(&["dlq", "redrive", "--id", &id[..8]]).await?.ends_with(0)?;
        ensure!(
            said.said.contains("went back") && said.remarked.contains("1 letter 1 went back"),
            "{said:#?}"
        );
        let outcome = call.outcome().await?;
        ensure!(outcome.reason.as_deref() == Some("busy"), "{outcome:#?}");
        call.rang_once().await?;
        is_gone(cloud, id).await
    });
}

#[test]
fn what_is_no_json_comes_back_as_the_same_call() {
    alone_in_the_cloud(async |cloud| {
        let body = format!("not json {}", cloud.call_to_number("+5511987654321").id);
        let sent = cloud.send(&body).await?;
        let found = letter(cloud, "of it", |letter| letter["originalMessageId"] == sent).await?;
        let (id, key) = (text(&found, "id")?, text(&found, "key")?);
        ensure!(found["country"].is_null() && found["callId"].is_null(), "{found:#}");
        cloud.ocg(&["dlq", "redrive", "--id", id]).await?.ends_with(3)?;
        let redriven = cloud
            .ocg(&["dlq", "redrive", "--id", id, "--even-if-refused", "--json"])
            .await?
            .ends_with(0)?
            .objects()?;
        let again = text(&redriven[0], "messageId")?;
        let back = letter(cloud, "once more", |letter| letter["originalMessageId"] == again).await?;
        ensure!(back["key"] == key && back["code"] == "not_json", "{back:#}");
        let shown =
            cloud.ocg(&["dlq", "show", text(&back, "id")?, "--json"]).await?.ends_with(0)?.objects()?;
        ensure!(shown[0]["body"] == body, "{shown:#?}");
        ensure!(shown[0]["attributes"]["RedrivenFrom"] == id, "{shown:#?}");
        ensure!(shown[0]["attributes"]["RedrivenReason"] == "not_json", "{shown:#?}");
        Ok(())
    });
}

#[test]
fn a_call_that_rang_is_not_sent_back() {
    alone_in_the_cloud(async |cloud| {
        let call = cloud.call_to(person::busy()).await?.send().await?;
        call.outcome().await?;
        let key = call.attempt.key.to_string();
        let said = [("RefusalCode", "receives_exhausted"), ("OcgCallKey", &key), ("OcgAttempt", "2")];
        let id = put_letter(cloud, &call.body, &said).await?;
        let skipped = cloud.ocg(&["dlq", "redrive", "--id", &id, "--json"]).await?.ends_with(3)?.objects()?;
        ensure!(skipped[0]["result"] == "skipped", "{skipped:#?}");
        ensure!(
            text(&skipped[0], "why")?.contains("attempt 1 was the call: not-answered (busy)"),
            "{skipped:#?}"
        );
        // Nor is it patched: what would be dialed is what is stored.
        let patched = cloud.ocg(&["dlq", "patch", &id, "--set", "source=x"]).await?.ends_with(3)?;
        ensure!(patched.said.contains("message that is stored"), "{patched:#?}");
        let shown = cloud.ocg(&["dlq", "show", &key]).await?.ends_with(0)?.said;
        ensure!(shown.contains("attempt 1: not-answered (busy)"), "{shown}");
        is_there(cloud, &id).await?;
        call.rang_once().await
    });
}

/// Whatever stands on the letter: the attempt that was the call, the one after it, or nothing, as on those that SQS
/// itself made letters.
#[test]
fn a_letter_of_a_call_that_rang_is_moved_back_by_the_queue_and_is_a_duplicate() {
    alone_in_the_cloud(async |cloud| {
        let call = cloud.call_to(person::busy()).await?.send().await?;
        call.outcome().await?;
        let key = call.attempt.key.to_string();
        let marked = |attempt| [("OcgCallKey", key.as_str()), ("OcgAttempt", attempt)];
        for (nth, attributes) in [&marked("1")[..], &marked("2"), &[]].into_iter().enumerate() {
            let id = put_letter(cloud, &call.body, attributes).await?;
            move_back(cloud, &id).await?;
            wait_for("the folder tells of it", super::PATIENCE, async || {
                Ok((duplicates(cloud, &call).await? == nth + 1).then_some(()))
            })
            .await
            .with_context(|| format!("{attributes:?}"))?;
            cloud.queue_is_empty().await?;
            is_gone(cloud, &id).await?;
        }
        let attempts = cloud.folders.look(&call.attempt.key).await?.attempts;
        let planned = attempts.iter().filter(|attempt| attempt.job.is_some()).count();
        ensure!(planned == 1, "{attempts:#?}");
        call.rang_once().await
    });
}

/// How often the folder says that a message was one too many.
async fn duplicates(cloud: &Cloud, call: &Sent<'_>) -> Result<usize> {
    let mut found = 0;
    for number in 1..=2 {
        let facts = cloud.folders.facts(&AttemptId::new(call.attempt.key.clone(), number)).await?;
        let is_one = |fact: &Fact| matches!(fact, Fact::DuplicateDelivery | Fact::DuplicateMessage);
        found += facts.iter().filter(|line| is_one(&line.fact)).count();
    }
    Ok(found)
}

#[test]
fn a_queue_that_takes_nothing_is_told_and_letters_are_there_again() {
    alone_in_the_cloud(async |cloud| {
        let call = unserved(cloud, "+5114567890", &person::busy()).await?;
        let found = letter_of(cloud, &call).await?;
        let id = text(&found, "id")?;
        let sending = "trigger-call\",\"MessageBody\"".to_owned();
        cloud.deployment.ecs.cut([Cut { service: "sqs", containing: sending }]);
        let before = cloud.deployment.ecs.cut_requests();
        let failed = cloud.ocg(&["dlq", "redrive", "--id", id, "--even-if-refused"]).await?.ends_with(1)?;
        ensure!(cloud.deployment.ecs.cut_requests() > before, "nothing was cut off");
        ensure!(failed.remarked.contains("stays a dead letter"), "{failed:#?}");
        is_there(cloud, id).await?;
        // And one that does not answer at all.
        let name = cloud.dead_letter_queue_name().await?;
        cloud.deployment.ecs.cut([Cut { service: "sqs", containing: name }]);
        let failed = cloud.ocg(&["dlq", "ls"]).await?.ends_with(1)?;
        ensure!(failed.remarked.contains("the dead letters"), "{failed:#?}");
        cloud.deployment.ecs.cut([]);
        is_there(cloud, id).await
    });
}

/// A message that never found a task; its redrive's deletion fails; redriven once more.
#[test]
fn what_was_given_up_gets_its_next_attempt_and_no_third_when_its_letter_could_not_be_deleted() {
    in_a_cloud_apart(&[("MaxReceives", "2")], async |cloud| {
        cloud.deployment.ecs.trouble([Trouble::NoCapacity; 2]);
        let call = cloud.call_to(person::busy()).await?.send().await?;
        let found = letter_of(cloud, &call).await?;
        let id = text(&found, "id")?;
        ensure!(found["code"] == "receives_exhausted" && found["attempt"] == 2, "{found:#}");
        let shown = cloud.ocg(&["dlq", "show", id]).await?.ends_with(0)?.said;
        ensure!(shown.contains("attempt 1: failed (refused)"), "{shown}");
        ensure!(shown.contains("attempt 1: followed by dead letter"), "{shown}");

        // Neither deleting nor giving back gets through.
        let name = cloud.dead_letter_queue_name().await?;
        let both = format!("{name}\",\"ReceiptHandle\"");
        cloud.deployment.ecs.cut([Cut { service: "sqs", containing: both }]);
        let failed = cloud.ocg(&["dlq", "redrive", "--all"]).await?.ends_with(1)?;
        ensure!(failed.remarked.contains("is a dead letter still"), "{failed:#?}");
        ensure!(failed.remarked.contains("not all letters were given back"), "{failed:#?}");
        cloud.deployment.ecs.cut([]);
        rings_at_attempt_2(cloud, &call).await?;

        // Until it is there again it is somebody else's.
        let nobody = cloud.ocg(&["dlq", "redrive", "--all"]).await?.ends_with(3)?;
        ensure!(nobody.remarked.contains("1 more is being worked on by somebody else"), "{nobody:#?}");
        wait_for("the letter is there again", super::PATIENCE, async || {
            Ok((!listed(cloud).await?.is_empty()).then_some(()))
        })
        .await?;
        let skipped = cloud.ocg(&["dlq", "redrive", "--all", "--json"]).await?.ends_with(3)?.objects()?;
        ensure!(text(&skipped[0], "why")?.contains("attempt 2 was the call"), "{skipped:#?}");
        // Not even by hand: the router knows the call again.
        let before = duplicates(cloud, &call).await?;
        send_back(cloud, id, &call.attempt.key).await?;
        wait_for("it is a duplicate", super::PATIENCE, async || {
            Ok((duplicates(cloud, &call).await? == before + 1).then_some(()))
        })
        .await?;
        cloud.queue_is_empty().await?;
        rings_at_attempt_2(cloud, &call).await
    });
}
