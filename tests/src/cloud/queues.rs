//! The queues of the deployed gateway: what is sent to it, what it gives up, and what upstream is told.

use anyhow::{Context as _, Result, ensure};
use aws_sdk_sqs::types::{Message, MessageAttributeValue, QueueAttributeName};
use cloud::queue::{Depth, Queue};
use serde_json::Value;
use tokio::time::Instant;

use super::{Cloud, PATIENCE, Sent, wait_for};

impl Cloud {
    /// Where messages are sent to.
    pub(super) async fn queue_url(&self) -> Result<String> {
        match self.carrier.own_queue() {
            Some(url) => Ok(url),
            None => self.output("TriggerCallQueueUrl").await,
        }
    }

    /// Sends what one wants and returns the id that the queue gave it.
    pub async fn send(&self, body: &str) -> Result<String> {
        let url = self.queue_url().await?;
        let sent = self.sqs.send_message().queue_url(url).message_body(body).send().await?;
        sent.message_id.context("no id")
    }

    /// The same, with a W3C `traceparent`.
    pub(super) async fn send_within(&self, body: &str, traceparent: &str) -> Result<()> {
        let value = MessageAttributeValue::builder().data_type("String").string_value(traceparent).build()?;
        let message = self.sqs.send_message().queue_url(self.queue_url().await?).message_body(body);
        message.message_attributes("traceparent", value).send().await?;
        Ok(())
    }

    /// Sends up to ten at once.
    pub async fn send_together(&self, bodies: &[String]) -> Result<()> {
        let url = self.queue_url().await?;
        let entry = |(nth, body): (usize, &String)| {
            let entry = aws_sdk_sqs::types::SendMessageBatchRequestEntry::builder();
            entry.id(nth.to_string()).message_body(body).build()
        };
        let entries: Result<Vec<_>, _> = bodies.iter().enumerate().map(entry).collect();
        let sent = self.sqs.send_message_batch().queue_url(url).set_entries(Some(entries?)).send().await?;
        ensure!(sent.failed().is_empty(), "{:?}", sent.failed());
        Ok(())
    }

    /// How long a message stays hidden while nobody says more, from now on.
    pub async fn hide_messages_for(&self, seconds: u32) -> Result<()> {
        let url = self.output("TriggerCallQueueUrl").await?;
        let set = self.sqs.set_queue_attributes().queue_url(url);
        set.attributes(QueueAttributeName::VisibilityTimeout, seconds.to_string()).send().await?;
        Ok(())
    }

    /// What the dead-letter queue is called.
    pub async fn dead_letter_queue_name(&self) -> Result<String> {
        let url = self.output("DeadLetterQueueUrl").await?;
        Ok(url.rsplit('/').next().unwrap_or_default().to_owned())
    }

    /// Waits until so many dead letters of these bodies have come, and takes them.
    pub async fn dead_letters(&self, bodies: &[&str]) -> Result<Vec<Message>> {
        self.taken(&self.output("DeadLetterQueueUrl").await?, bodies.len(), |message| {
            bodies.contains(&message.body().unwrap_or_default())
        })
        .await
    }

    /// Waits until so many dead letters lie there.
    pub async fn dead_letters_come(&self, count: usize) -> Result<()> {
        let url = self.output("DeadLetterQueueUrl").await?;
        wait_for("the dead letters come", PATIENCE, async || {
            let asked =
                self.sqs.get_queue_attributes().queue_url(&url).attribute_names(QueueAttributeName::All);
            let found = asked.send().await?.attributes.unwrap_or_default();
            let waiting = found.get(&QueueAttributeName::ApproximateNumberOfMessages);
            Ok((waiting.and_then(|waiting| waiting.parse().ok()) == Some(count)).then_some(()))
        })
        .await
    }

    /// How many dead letters of this body there are now.
    pub async fn dead_letters_now(&self, body: &str) -> Result<usize> {
        let url = self.output("DeadLetterQueueUrl").await?;
        let receive =
            self.sqs.receive_message().queue_url(url).max_number_of_messages(10).visibility_timeout(0);
        let received = receive.send().await?.messages.unwrap_or_default();
        Ok(received.iter().filter(|letter| letter.body() == Some(body)).count())
    }

    /// Waits until upstream was told so many things about this call, and takes them; oldest first.
    pub async fn history(&self, call: &Sent<'_>, count: usize) -> Result<Vec<Value>> {
        let of = |message: &Message| -> Option<Value> {
            let event: Value = serde_json::from_str(message.body()?).ok()?;
            (event["metadata"]["callId"] == call.id).then_some(event)
        };
        let told = self.taken(&self.history, count, |message| of(message).is_some()).await?;
        let mut events: Vec<Value> = told.iter().filter_map(of).collect();
        events.sort_by_key(|event| event["createdAt"].as_str().unwrap_or_default().to_owned());
        Ok(events)
    }

    /// Takes what is meant; what is others' is there again at once.
    async fn taken(
        &self,
        url: &str,
        count: usize,
        is_meant: impl Fn(&Message) -> bool,
    ) -> Result<Vec<Message>> {
        let mut taken: Vec<Message> = Vec::new();
        let deadline = Instant::now() + PATIENCE;
        while taken.len() < count {
            let receive =
                self.sqs.receive_message().queue_url(url).max_number_of_messages(10).visibility_timeout(1);
            let received = receive.message_attribute_names("All").wait_time_seconds(1).send().await?;
            for message in received.messages.unwrap_or_default().into_iter().filter(&is_meant) {
                let handle = message.receipt_handle.clone().unwrap_or_default();
                self.sqs.delete_message().queue_url(url).receipt_handle(handle).send().await?;
                taken.push(message);
            }
            ensure!(Instant::now() < deadline, "{} of {count}: {taken:#?}", taken.len());
        }
        Ok(taken)
    }

    /// What the queue holds now.
    pub async fn depth(&self) -> Result<Depth> {
        let queue = Queue::new(self.sqs.clone(), self.queue_url().await?);
        queue.depth().await.map_err(anyhow::Error::msg)
    }

    /// Waits until the queue holds nothing, neither visible nor in flight.
    pub async fn queue_is_empty(&self) -> Result<()> {
        let what = "the queue is empty";
        // Beside others: a message of theirs may wait for its call hours.
        wait_for(what, 3 * PATIENCE, async || Ok((self.depth().await? == Depth::default()).then_some(())))
            .await
    }
}
