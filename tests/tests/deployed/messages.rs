//! Messages that become dead letters, and those that come again.

use anyhow::{Result, ensure};
use sim::ecs::Trouble;
use tests::cloud::{alone_in_the_cloud, in_the_cloud};
use tests::person;
use tests::scenarios::messages;

#[test]
fn what_can_never_work_is_a_dead_letter_with_its_reason() {
    in_the_cloud(messages::what_can_never_work_is_a_dead_letter_with_its_reason);
}

/// The contract of partial batch responses: exactly what failed comes again.
#[test]
fn of_a_batch_only_what_failed_comes_again() {
    alone_in_the_cloud(async |cloud| {
        let before = cloud.deployment.ecs.run_task_calls().len();
        cloud.deployment.ecs.trouble([Trouble::NoCapacity, Trouble::NoCapacity]);
        messages::good_and_bad_messages_do_not_touch_each_other(cloud).await?;
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
        messages::is_given_up_with(cloud, &call, "Capacity is unavailable").await
    });
    Ok(())
}

#[test]
fn no_second_sees_more_tasks_started_than_are_allowed() -> Result<()> {
    const MESSAGES: usize = 1000;
    // Without a pace the emulator comes to 80 and more.
    const ALLOWED: usize = 30;
    let parameters = [("RunTasksPerSecond", "30"), ("MaxAttempts", "1")];
    tests::cloud::in_a_cloud_apart(&parameters, async |cloud| {
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
