//! What the router function and its tasks do, done by a worker: the very same stories.

use anyhow::ensure;
use sim::ecs::Cut;
use tests::cloud::{alone_at_the_worker, at_the_worker};
use tests::person;
use tests::scenarios::trouble::{asks_in_vain, is_called_after_all};
use tests::scenarios::{calls, messages, trouble};

#[test]
fn a_message_becomes_a_call_that_both_sides_hear() {
    at_the_worker(async |cloud| {
        // One story has the router at work too.
        let before = cloud.deployment.ecs.run_task_calls().len();
        calls::a_message_becomes_a_call_that_both_sides_hear(cloud).await?;
        ensure!(cloud.deployment.ecs.run_task_calls().len() == before, "a worker needs no ECS");
        Ok(())
    });
}

#[test]
fn somebody_who_is_busy_is_not_called_again() {
    at_the_worker(calls::somebody_who_is_busy_is_not_called_again);
}

#[test]
fn what_the_network_refused_is_not_called_again() {
    at_the_worker(calls::what_the_network_refused_is_not_called_again);
}

#[test]
fn the_same_message_twice_is_one_call() {
    at_the_worker(calls::the_same_message_twice_is_one_call);
}

#[test]
fn a_country_that_was_added_a_minute_ago_is_called() {
    at_the_worker(calls::a_country_that_was_added_a_minute_ago_is_called);
}

#[test]
fn what_can_never_work_is_a_dead_letter_with_its_reason() {
    at_the_worker(messages::what_can_never_work_is_a_dead_letter_with_its_reason);
}

#[test]
fn good_and_bad_messages_do_not_touch_each_other() {
    alone_at_the_worker(messages::good_and_bad_messages_do_not_touch_each_other);
}

#[test]
fn the_bucket_is_away_for_a_while() {
    alone_at_the_worker(trouble::the_bucket_is_away_for_a_while);
}

#[test]
fn dead_letters_cannot_be_sent() {
    alone_at_the_worker(trouble::dead_letters_cannot_be_sent);
}

#[test]
fn upstream_cannot_be_told() {
    alone_at_the_worker(trouble::upstream_cannot_be_told);
}

/// What was read is used on; but a number that none of these countries covers is not refused for it.
#[test]
fn parameters_cannot_be_read_again() {
    alone_at_the_worker(async |cloud| {
        let known = cloud.call_to(person::busy()).await?.send().await?;
        known.outcome().await?;
        tokio::time::sleep(std::time::Duration::from_secs(6)).await;
        cloud.deployment.ecs.cut([Cut { service: "ssm", containing: "/profiles".to_owned() }]);
        let before = cloud.deployment.ecs.cut_requests();
        let of_brazil = cloud.call_to(person::busy()).await?.send().await?;
        let of_nobody = cloud.call_to_number("+81312345678").send().await?;
        is_called_after_all(&of_brazil).await?;
        asks_in_vain(cloud, before).await?;
        ensure!(cloud.dead_letters_now(&of_nobody.body).await? == 0, "refused without having looked");
        cloud.deployment.ecs.cut([]);
        cloud.dead_letters(&[&of_nobody.body]).await?;
        cloud.queue_is_empty().await
    });
}
