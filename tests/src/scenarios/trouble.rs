//! Something of AWS does not work for a while. Nothing is lost, and nobody is called twice.

use std::time::Duration;

use ::calls::outcome::OutcomeKind;
use anyhow::{Result, ensure};
use sim::ecs::Cut;

use crate::cloud::{Cloud, Sent, wait_for};
use crate::person;

/// It was called as it should have been, once.
pub async fn is_called_after_all(call: &Sent<'_>) -> Result<()> {
    let outcome = call.outcome().await?;
    ensure!(
        outcome.outcome == OutcomeKind::NotAnswered && outcome.reason.as_deref() == Some("busy"),
        "{outcome:#?}"
    );
    call.rang_once().await
}

/// Whoever asks for something that is cut off has asked in vain since there were `before` such requests.
pub async fn asks_in_vain(cloud: &Cloud, before: usize) -> Result<()> {
    wait_for("somebody asks in vain", Duration::from_secs(30), async || {
        Ok((cloud.deployment.ecs.cut_requests() > before).then_some(()))
    })
    .await
}

/// The bucket cannot be reached.
pub async fn the_bucket_is_away_for_a_while(cloud: &Cloud) -> Result<()> {
    cloud.deployment.ecs.cut([Cut { service: "s3", containing: String::new() }]);
    let before = cloud.deployment.ecs.cut_requests();
    let call = cloud.call_to(person::busy()).await?.send().await?;
    asks_in_vain(cloud, before).await?;
    ensure!(call.dials().await?.is_empty(), "nothing rings without a claim");
    cloud.deployment.ecs.cut([]);
    is_called_after_all(&call).await
}

/// A refused message stays on the queue until it can be a dead letter.
pub async fn dead_letters_cannot_be_sent(cloud: &Cloud) -> Result<()> {
    let body = format!("not json {}", cloud.call_to_number("+5511987654321").id);
    let name = cloud.dead_letter_queue_name().await?;
    cloud.deployment.ecs.cut([Cut { service: "sqs", containing: name }]);
    let before = cloud.deployment.ecs.cut_requests();
    cloud.send(&body).await?;
    asks_in_vain(cloud, before).await?;
    cloud.deployment.ecs.cut([]);
    // It stayed on the queue, and is a letter as soon as there can be one.
    cloud.dead_letters(&[&body]).await?;
    cloud.queue_is_empty().await
}

/// No call and no refusal waits for upstream.
pub async fn upstream_cannot_be_told(cloud: &Cloud) -> Result<()> {
    cloud.deployment.ecs.cut([Cut { service: "sqs", containing: "call-history".to_owned() }]);
    let before = cloud.deployment.ecs.cut_requests();
    let call = cloud.call_to(person::busy()).await?.send().await?;
    is_called_after_all(&call).await?;
    let told = cloud.deployment.ecs.cut_requests();
    ensure!(told > before, "nobody tried to tell");
    // A refusal is a letter all the same, and one.
    let refused = cloud.call_to_number("+99912345678901").send().await?;
    cloud.dead_letters(&[&refused.body]).await?;
    cloud.queue_is_empty().await?;
    ensure!(cloud.deployment.ecs.cut_requests() > told, "nobody tried to tell of the refusal");
    ensure!(cloud.dead_letters_now(&refused.body).await? == 0, "a second letter");
    Ok(())
}
