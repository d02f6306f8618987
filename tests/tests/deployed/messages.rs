//! Messages that become dead letters, and those that come again.

use anyhow::{Context as _, Result, ensure};
use aws_sdk_sqs::types::Message;
use sim::ecs::Trouble;
use tests::cloud::{alone_in_the_cloud, in_the_cloud};
use tests::person;

fn attribute<'a>(letter: &'a Message, name: &str) -> Option<&'a str> {
    letter.message_attributes.as_ref()?.get(name)?.string_value()
}

#[test]
fn what_can_never_work_is_a_dead_letter_with_its_reason() {
    in_the_cloud(async |cloud| {
        let nowhere = cloud.call_to_number("+99912345678901");
        let unserved = cloud.call_to_number("+81312345678");
        let not_json = format!("not json {}", nowhere.id);
        let number = Some("metadata.phoneNumbers[0].number");
        let refused = [
            (&not_json, "not_json", None),
            (&nowhere.body, "invalid_phone_number", number),
            (&unserved.body, "no_profile_for_prefix", number),
        ];
        for (body, ..) in &refused {
            cloud.send(body).await?;
        }
        let letters = cloud.dead_letters(&refused.map(|(body, ..)| body.as_str())).await?;
        for (body, code, path) in refused {
            let letter = letters.iter().find(|letter| letter.body() == Some(body)).context("body touched")?;
            ensure!(attribute(letter, "RefusalCode") == Some(code), "{letter:#?}");
            ensure!(attribute(letter, "RefusalPath") == path, "{letter:#?}");
            let known = ["RefusalDetail", "RefusedAt", "OriginalMessageId", "OcgCallKey", "OcgAttempt"];
            ensure!(known.iter().all(|name| attribute(letter, name).is_some()), "{letter:#?}");
        }
        ensure!(!unserved.is_claimed().await?, "a refusal leaves no claim");
        let told = cloud.history(&unserved, 1).await?;
        ensure!(told[0]["metadata"]["status"] == "SIP_CALL_FAILED", "{told:#?}");
        Ok(())
    });
}

/// The contract of partial batch responses: exactly what failed comes again.
#[test]
fn of_a_batch_only_what_failed_comes_again() {
    alone_in_the_cloud(async |cloud| {
        let mut good = Vec::new();
        for _ in 0..7 {
            good.push(cloud.call_to(person::busy()).await?);
        }
        let refused = ["one", "two", "three"].map(|word| format!("not json {word} {}", good[0].id));
        let mut bodies: Vec<String> = good.iter().map(|call| call.body.clone()).collect();
        bodies.extend(refused.clone());
        let before = cloud.deployment.ecs.run_task_calls().len();
        cloud.deployment.ecs.trouble([Trouble::NoCapacity, Trouble::NoCapacity]);
        cloud.send_together(&bodies).await?;
        cloud.dead_letters(&refused.each_ref().map(String::as_str)).await?;
        for call in &good {
            call.outcome().await?;
            call.rang_once().await?;
        }
        cloud.queue_is_empty().await?;
        // Seven the first time, and the two that found no capacity once more.
        let asked = cloud.deployment.ecs.run_task_calls().len() - before;
        ensure!(asked == 9, "RunTask was called {asked} times");
        Ok(())
    });
}

#[test]
fn what_never_finds_a_task_is_given_up_with_a_reason_before_the_queue_does_it_without() -> Result<()> {
    tests::cloud::in_a_cloud_apart(&[("MaxReceives", "2")], async |cloud| {
        cloud.deployment.ecs.trouble([Trouble::NoCapacity; 2]);
        let call = cloud.call_to(person::busy()).await?.send().await?;
        let letters = cloud.dead_letters(&[&call.body]).await?;
        ensure!(attribute(&letters[0], "RefusalCode") == Some("receives_exhausted"), "{letters:#?}");
        let detail = attribute(&letters[0], "RefusalDetail").unwrap_or_default();
        ensure!(detail.contains("delivery 2") && detail.contains("Capacity is unavailable"), "{detail}");
        ensure!(attribute(&letters[0], "OcgAttempt") == Some("2"), "{letters:#?}");
        let outcome = call.outcome().await?;
        ensure!(outcome.reason.as_deref() == Some("refused"), "{outcome:#?}");
        let told = cloud.history(&call, 1).await?;
        ensure!(told[0]["metadata"]["status"] == "SIP_CALL_FAILED", "{told:#?}");
        let open = cloud.folders.open_attempts().await?;
        ensure!(open.is_empty() && call.dials().await?.is_empty(), "{open:?}");
        cloud.queue_is_empty().await
    });
    Ok(())
}

#[test]
fn no_second_sees_more_tasks_started_than_are_allowed() -> Result<()> {
    const MESSAGES: usize = 1000;
    // Without a pace the emulator comes to 80 and more.
    const ALLOWED: usize = 30;
    tests::cloud::in_a_cloud_apart(&[("RunTasksPerSecond", "30")], async |cloud| {
        // No process each: what is looked at is when they are started.
        cloud.deployment.ecs.trouble([Trouble::NeverStart; MESSAGES]);
        let calls: Vec<_> = (0..MESSAGES).map(|_| cloud.call_to_number("+5511987654321")).collect();
        let bodies: Vec<String> = calls.iter().map(|call| call.body.clone()).collect();
        for ten in bodies.chunks(10) {
            cloud.send_together(ten).await?;
        }
        cloud.deployment.ecs.wait_for_events(MESSAGES, std::time::Duration::from_secs(240)).await?;
        cloud.queue_is_empty().await?;
        let started = cloud.deployment.ecs.run_task_calls();
        ensure!(started.len() == MESSAGES, "{} calls of RunTask for {MESSAGES} messages", started.len());
        let second = std::time::Duration::from_secs(1);
        let within = |from: &tokio::time::Instant| {
            started.iter().filter(|at| (*from..*from + second).contains(at)).count()
        };
        let most = started.iter().map(within).max().unwrap_or_default();
        ensure!(most <= ALLOWED, "{most} tasks in one second");
        Ok(())
    });
    Ok(())
}
