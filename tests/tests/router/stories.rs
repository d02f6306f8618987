//! What becomes of messages.

use anyhow::{Context as _, Result, ensure};
use aws_sdk_sqs::types::Message;
use calls::ids::CallKey;
use serde_json::json;
use sim::ecs::Trouble;

use super::cloud::story;

/// A call to Brazil.
fn call(id: &str) -> String {
    call_to(id, "+5511987654321")
}

fn call_to(id: &str, number: &str) -> String {
    let metadata = json!({
        "phoneNumbers": [{ "number": number }],
        "subject": { "prompt": { "text": "You confirm an appointment." } },
    });
    json!({ "messageType": "TRIGGER_CALL", "id": id, "metadata": metadata }).to_string()
}

fn key(id: &str) -> CallKey {
    CallKey::from_ids(None, None, id)
}

fn attribute<'a>(letter: &'a Message, name: &str) -> Option<&'a str> {
    letter.message_attributes.as_ref()?.get(name)?.string_value()
}

#[test]
fn a_message_becomes_one_task_that_is_told_its_attempt_alone() {
    story(&[], async |cloud| {
        let sent = cloud.send(&call("one")).await?;
        cloud.open().await?;
        let told = cloud.tasks_told(1).await?;
        ensure!(told == [format!("job --attempt {}-a1", key("one"))], "{told:?}");
        cloud.is_done().await?;
        let message = cloud.document(&key("one"), "message.json").await?.context("no message.json")?;
        ensure!(message["sqsMessageId"] == sent && message["body"] == call("one"), "{message}");
        let job = cloud.document(&key("one"), "a1/job.json").await?.context("no job.json")?;
        ensure!(job["plan"]["profile"]["country"] == "BR" && job["madeBy"] == "router", "{job}");
        let launched = cloud.document(&key("one"), "a1/launched.json").await?.context("no launched.json")?;
        ensure!(launched["task"] == cloud.ecs.tasks()[0]["taskArn"], "{launched}");
        Ok(())
    });
}

#[test]
fn what_can_never_work_is_a_dead_letter_with_its_reason_and_the_rest_goes_on() {
    story(&[], async |cloud| {
        let refused = [
            ("not json".to_owned(), "not_json", None),
            (call_to("nowhere", "+99912345678901"), "invalid_phone_number", Some("metadata.phoneNumbers[0].number")),
            (call_to("chile", "+56987654321"), "no_profile_for_prefix", Some("metadata.phoneNumbers[0].number")),
        ];
        for n in 0..7 {
            cloud.send(&call(&format!("good-{n}"))).await?;
        }
        for (body, ..) in &refused {
            cloud.send(body).await?;
        }
        cloud.open().await?;
        let letters = cloud.dead_letters(3).await?;
        for (body, code, path) in &refused {
            let letter = letters.iter().find(|letter| letter.body() == Some(body)).context("body touched")?;
            ensure!(attribute(letter, "RefusalCode") == Some(code), "{letter:#?}");
            ensure!(attribute(letter, "RefusalPath") == *path, "{letter:#?}");
            let known = ["RefusalDetail", "RefusedAt", "OriginalMessageId", "OcgCallKey", "OcgAttempt"];
            ensure!(known.iter().all(|name| attribute(letter, name).is_some()), "{letter:#?}");
        }
        ensure!(cloud.tasks_told(7).await?.len() == 7);
        cloud.is_done().await?;
        ensure!(cloud.document(&key("chile"), "message.json").await?.is_none(), "a refusal leaves no claim");
        Ok(())
    });
}

#[test]
fn a_second_message_of_the_same_call_is_not_dialed() {
    story(&[], async |cloud| {
        cloud.send(&call("twice")).await?;
        cloud.send(&call("twice")).await?;
        cloud.open().await?;
        cloud.tasks_told(1).await?;
        cloud.is_done().await?;
        ensure!(cloud.ecs.tasks().len() == 1, "{:#?}", cloud.ecs.tasks());
        Ok(())
    });
}

#[test]
fn what_could_not_be_started_now_is_started_later_and_once() {
    story(&[], async |cloud| {
        // No capacity for one, a lost reply for another, and a throttle that outlasts the SDK's own tries.
        cloud.ecs.trouble([Trouble::NoCapacity, Trouble::LoseReply]);
        cloud.ecs.trouble([Trouble::Throttle; 12]);
        for id in ["a", "b", "c"] {
            cloud.send(&call(id)).await?;
        }
        cloud.open().await?;
        let told = cloud.tasks_told(3).await?;
        let mut wanted = ["a", "b", "c"].map(|id| format!("job --attempt {}-a1", key(id)));
        wanted.sort();
        ensure!(told == wanted, "{told:?}");
        cloud.is_done().await?;
        ensure!(cloud.ecs.tasks().len() == 3, "{:#?}", cloud.ecs.tasks());
        Ok(())
    });
}

#[test]
fn a_country_that_was_added_a_moment_ago_is_called() {
    story(&[], async |cloud| {
        cloud.open().await?;
        cloud.send(&call("first")).await?;
        cloud.tasks_told(1).await?;
        cloud.put_profile("CL", &["+56"]).await?;
        // The tree is read again before a refusal, but not more often than every five seconds.
        tokio::time::sleep(std::time::Duration::from_secs(6)).await;
        cloud.send(&call_to("chile", "+56987654321")).await?;
        cloud.tasks_told(2).await?;
        cloud.is_done().await
    });
}

#[test]
fn a_refusal_that_cannot_be_sent_stays_on_the_queue() {
    let nowhere = [("DEAD_LETTER_QUEUE_URL", "http://127.0.0.1:9/000000000000/nowhere")];
    story(&nowhere, async |cloud| {
        cloud.send("not json").await?;
        cloud.open().await?;
        still_there(cloud, "not json").await
    });
}

#[test]
fn a_message_that_cannot_be_judged_stays_on_the_queue() {
    // Another stage has no profiles at all, as a store that cannot be reached has none.
    story(&[("AWS_ENDPOINT_URL_SSM", "http://127.0.0.1:9")], async |cloud| {
        cloud.send(&call("later")).await?;
        cloud.open().await?;
        still_there(cloud, &call("later")).await?;
        ensure!(cloud.ecs.tasks().is_empty());
        Ok(())
    });
}

/// It was received before, and it is still there.
async fn still_there(cloud: &super::cloud::Cloud, body: &str) -> Result<()> {
    for _ in 0..20 {
        let queued = cloud.still_queued().await?;
        if queued.iter().any(|(queued, received)| queued == body && *received >= 2) {
            return Ok(());
        }
    }
    anyhow::bail!("it did not come again")
}
