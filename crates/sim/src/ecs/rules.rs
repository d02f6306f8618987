//! EventBridge, as far as tasks need it: the rules that were deployed to the emulator, and the queues that they feed.
//! (Its own bus takes no events of `aws.*` from anybody, as AWS's does not.)

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::behind::Behind;

/// A queue that is away for a moment gets the event afterwards.
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(200);
const TRIES: u32 = 300;

/// A rule with queues as its targets.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pattern: Value,
    /// Their URLs.
    queues: Vec<String>,
}

impl Rule {
    /// All that match events, as the emulator knows them.
    pub(super) async fn all(behind: &Behind) -> Result<Vec<Self>> {
        let mut rules = Vec::new();
        let listed = behind.act("AWSEvents.ListRules", &json!({})).await?;
        for rule in listed["Rules"].as_array().into_iter().flatten() {
            let Some(pattern) = rule["EventPattern"].as_str() else { continue };
            let pattern = serde_json::from_str(pattern).context("an event pattern is JSON")?;
            let targets = behind.act("AWSEvents.ListTargetsByRule", &json!({ "Rule": rule["Name"] })).await?;
            let mut queues = Vec::new();
            for target in targets["Targets"].as_array().into_iter().flatten() {
                let arn = target["Arn"].as_str().unwrap_or_default();
                let Some(name) = arn.rsplit(':').next().filter(|_| arn.contains(":sqs:")) else {
                    bail!("the stand-in feeds queues only, not {arn}")
                };
                let found = behind.act("AmazonSQS.GetQueueUrl", &json!({ "QueueName": name })).await?;
                queues.push(found["QueueUrl"].as_str().context("a queue without a URL")?.to_owned());
            }
            rules.push(Self { pattern, queues });
        }
        Ok(rules)
    }

    /// The queues that get this event.
    pub(super) fn queues_for<'a>(&'a self, event: &Value) -> &'a [String] {
        if matches(&self.pattern, event) { &self.queues } else { &[] }
    }
}

/// Puts the event on a queue, as EventBridge does: the body is the event in its envelope.
pub(super) async fn deliver(behind: &Behind, queue: &str, event: &Value) {
    let message = json!({ "QueueUrl": queue, "MessageBody": event.to_string() });
    for _ in 0..TRIES {
        match behind.act("AmazonSQS.SendMessage", &message).await {
            Ok(_) => return,
            Err(error) => tracing::debug!(%error, "an event is not delivered yet"),
        }
        tokio::time::sleep(TRY_AGAIN_AFTER).await;
    }
    tracing::error!(queue, "an event was not delivered");
}

/// EventBridge user guide, "Event patterns": every field that is named must hold one of the values that are listed.
fn matches(pattern: &Value, event: &Value) -> bool {
    match pattern {
        Value::Object(fields) => fields.iter().all(|(name, wanted)| matches(wanted, &event[name])),
        Value::Array(allowed) => allowed.contains(event),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_that_a_pattern_names_must_be_as_it_says() {
        let pattern = json!({ "source": ["aws.ecs"], "detail": { "lastStatus": ["STOPPED", "GONE"] } });
        let event = |source: &str, status: &str| json!({ "source": source, "detail": { "lastStatus": status }, "more": 1 });
        assert!(matches(&pattern, &event("aws.ecs", "STOPPED")));
        assert!(!matches(&pattern, &event("aws.ecs", "RUNNING")));
        assert!(!matches(&pattern, &event("aws.s3", "STOPPED")));
        assert!(!matches(&pattern, &json!({ "source": "aws.ecs" })));
    }
}
