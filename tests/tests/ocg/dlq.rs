//! Dead letters, as operators work them. Each story has the queue to itself: a letter that somebody looks at is hidden
//! from everybody else.

mod at_once;
mod back;
mod mended;
mod purged;

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use calls::ids::CallKey;
use cloud::queue::attributes::Attribute;
use cloud::queue::{Queue, Received, dead_letter};
use serde_json::Value;
use tests::cloud::{Cloud, Sent};

/// Longer than it takes a message to become a letter, or a letter to be there again.
const PATIENCE: Duration = Duration::from_secs(90);

/// What `ocg dlq ls` tells of the letters now.
async fn listed(cloud: &Cloud) -> Result<Vec<Value>> {
    cloud.ocg(&["dlq", "ls", "--json"]).await?.ends_with(0)?.objects()
}

/// Waits until there is a letter like this, and returns what is told of it.
async fn letter(cloud: &Cloud, what: &str, is_meant: impl Fn(&Value) -> bool) -> Result<Value> {
    tests::cloud::wait_for(&format!("a letter: {what}"), PATIENCE, async || {
        Ok(listed(cloud).await?.into_iter().find(&is_meant))
    })
    .await
}

/// The letter that this call's message has become.
async fn letter_of(cloud: &Cloud, call: &Sent<'_>) -> Result<Value> {
    letter(cloud, &call.id, |letter| letter["callId"] == call.id).await
}

fn text<'a>(of: &'a Value, name: &str) -> Result<&'a str> {
    of[name].as_str().with_context(|| format!("no {name}: {of:#}"))
}

async fn dead_letters(cloud: &Cloud) -> Result<Queue> {
    let url = cloud.deployment.output("DeadLetterQueueUrl").await?;
    Ok(Queue::new(cloud.deployment.sqs(), url))
}

/// A letter that nobody refused: put there by hand.
pub async fn put_letter(cloud: &Cloud, body: &str, attributes: &[(&str, &str)]) -> Result<String> {
    let attributes: Vec<_> =
        attributes.iter().filter_map(|(name, text)| Attribute::text(name, text)).collect();
    Ok(dead_letters(cloud).await?.send(body, &attributes).await?)
}

/// It is there, and nobody has it in hand.
pub async fn is_there(cloud: &Cloud, id: &str) -> Result<()> {
    let letters = listed(cloud).await?;
    ensure!(letters.iter().any(|letter| letter["id"] == id), "{id} is not among {letters:#?}");
    Ok(())
}

pub async fn is_gone(cloud: &Cloud, id: &str) -> Result<()> {
    let letters = listed(cloud).await?;
    ensure!(letters.iter().all(|letter| letter["id"] != id), "{id} is still there");
    let in_flight = dead_letters(cloud).await?.depth().await.map_err(anyhow::Error::msg)?.in_flight;
    ensure!(in_flight == 0, "somebody has {in_flight} letters in hand");
    Ok(())
}

/// From now on this country is served, and the router knows: before it refuses a number it reads the profiles again,
/// but not more often than every five seconds.
async fn serve(cloud: &Cloud, country: &str, prefix: &str) -> Result<()> {
    cloud.add_country(country, &[prefix]).await?;
    tokio::time::sleep(Duration::from_secs(6)).await;
    Ok(())
}

/// Sends a letter back as redriving does, and leaves it where it is.
async fn send_back(cloud: &Cloud, id: &str, key: &CallKey) -> Result<()> {
    let letter = received(cloud, id).await?;
    let attributes = dead_letter::put_back(&letter, key, letter.body.len())?;
    trigger_calls(cloud).await?.send(&letter.body, &attributes).await?;
    Ok(())
}

/// Moves a letter as the queue's own redrive does (StartMessageMoveTask): whoever asks for that looks at nothing, and
/// nothing of the letter changes but its id.
async fn move_back(cloud: &Cloud, id: &str) -> Result<()> {
    let letter = received(cloud, id).await?;
    trigger_calls(cloud).await?.send(&letter.body, &letter.attributes).await?;
    let deleted = dead_letters(cloud).await?.delete(&letter.receipt_handle).await;
    deleted.map_err(anyhow::Error::msg)
}

async fn trigger_calls(cloud: &Cloud) -> Result<Queue> {
    Ok(Queue::new(cloud.deployment.sqs(), cloud.deployment.output("TriggerCallQueueUrl").await?))
}

/// A letter, which nobody has in hand.
async fn received(cloud: &Cloud, id: &str) -> Result<Received> {
    let queue = dead_letters(cloud).await?;
    let letter = tests::cloud::wait_for("the letter is received", PATIENCE, async || {
        // One after the other, each for a moment: ten at most come at once.
        let received = queue.receive(10, Duration::ZERO, Duration::from_secs(3)).await;
        let received = received.map_err(anyhow::Error::msg)?;
        let mut found = None;
        for letter in received {
            if letter.message_id == id {
                queue.put_off(&letter.receipt_handle, Duration::ZERO).await.map_err(anyhow::Error::msg)?;
                found = Some(letter);
            }
        }
        Ok(found)
    })
    .await?;
    // What else was received is there again.
    tokio::time::sleep(Duration::from_secs(4)).await;
    Ok(letter)
}
