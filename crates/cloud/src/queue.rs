//! Queues (SQS): what we send and receive, and in which shape.

mod again;
pub mod attributes;
pub mod dead_letter;
mod received;
mod redrive;

use crate::said::said;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::{MessageAttributeValue, MessageSystemAttributeName, QueueAttributeName};

use attributes::{Attribute, Content};
pub use received::Received;
pub use redrive::Redrive;

/// The longest that SQS hides a message.
const LONGEST_PUT_OFF: i32 = 12 * 60 * 60;

/// A queue.
#[derive(Clone, Debug)]
pub struct Queue {
    client: Client,
    url: String,
}

/// A message was not acknowledged by the queue. It may have got there all the same.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the queue {url} did not take the message: {detail}")]
pub struct NotSent {
    /// Which queue.
    pub url: String,
    /// One sentence.
    pub detail: String,
}

impl Queue {
    /// The queue at `url`, as `GetQueueUrl` and a stack's outputs give it.
    pub fn new(client: Client, url: impl Into<String>) -> Self {
        Self { client, url: url.into() }
    }

    /// The queue of this name, in the account `owner` (`None`: our own).
    ///
    /// # Errors
    /// A sentence that names it, when there is none or nobody answers.
    pub async fn find(client: Client, name: &str, owner: Option<&str>) -> Result<Self, String> {
        let request = client.get_queue_url().queue_name(name);
        let answer = request.set_queue_owner_aws_account_id(owner.map(str::to_owned)).send().await;
        let found = answer.map_err(|error| format!("there is no queue {name} for us: {}", said(&error)))?;
        Ok(Self::new(client, found.queue_url.unwrap_or_default()))
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Sends one message and returns the id that the queue gave it.
    ///
    /// # Errors
    /// When the queue does not acknowledge it, after the SDK's own retries.
    pub async fn send(&self, body: &str, attributes: &[Attribute]) -> Result<String, NotSent> {
        self.send_later(body, attributes, Duration::ZERO).await
    }

    /// The same for a message that nobody receives before `delay` is over (SQS: fifteen minutes at most).
    ///
    /// # Errors
    /// When the queue does not acknowledge it, after the SDK's own retries.
    pub async fn send_later(
        &self,
        body: &str,
        attributes: &[Attribute],
        delay: Duration,
    ) -> Result<String, NotSent> {
        let not_sent = |detail: String| NotSent { url: self.url.clone(), detail };
        let mut request = self.client.send_message().queue_url(&self.url).message_body(body);
        if !delay.is_zero() {
            request = request.delay_seconds(whole_seconds(delay));
        }
        for attribute in attributes {
            let value = wire(attribute).map_err(&not_sent)?;
            request = request.message_attributes(&attribute.name, value);
        }
        let sent = request.send().await.map_err(|error| not_sent(said(&error)))?;
        Ok(sent.message_id.unwrap_or_default())
    }
}

impl Queue {
    /// Receives up to `most` messages (SQS: ten), which stay invisible to others for `hidden`; waits up to `wait`
    /// (SQS: 20 s) for the first.
    ///
    /// # Errors
    /// When the queue does not answer, after the SDK's own retries.
    pub async fn receive(&self, most: u8, wait: Duration, hidden: Duration) -> Result<Vec<Received>, String> {
        let request = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(i32::from(most))
            .wait_time_seconds(whole_seconds(wait))
            .visibility_timeout(whole_seconds(hidden))
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::All);
        let answer = request.send().await.map_err(|error| said(&error))?;
        Ok(answer.messages.unwrap_or_default().into_iter().map(Received::from).collect())
    }

    /// Acknowledges a received message: it is gone.
    ///
    /// # Errors
    /// When the queue does not acknowledge it; the message comes again then.
    pub async fn delete(&self, receipt_handle: &str) -> Result<(), String> {
        let request = self.client.delete_message().queue_url(&self.url).receipt_handle(receipt_handle);
        request.send().await.map(drop).map_err(|error| said(&error))
    }

    /// How many messages it holds: waiting, and received by somebody who has not acknowledged them. Approximate.
    ///
    /// # Errors
    /// When the queue does not answer.
    pub async fn depth(&self) -> Result<Depth, String> {
        let request = self.client.get_queue_attributes().queue_url(&self.url);
        let answer = request.attribute_names(QueueAttributeName::All).send().await;
        let found = answer.map_err(|error| said(&error))?.attributes.unwrap_or_default();
        let count = |name| found.get(&name).and_then(|text| text.parse().ok()).unwrap_or(0);
        Ok(Depth {
            waiting: count(QueueAttributeName::ApproximateNumberOfMessages),
            delayed: count(QueueAttributeName::ApproximateNumberOfMessagesDelayed),
            in_flight: count(QueueAttributeName::ApproximateNumberOfMessagesNotVisible),
        })
    }

    /// Puts off the next delivery of a received message by `delay` (ChangeMessageVisibility), up to 12 hours.
    ///
    /// # Errors
    /// When the queue does not acknowledge it; the message then comes when the queue's own time is over.
    pub async fn put_off(&self, receipt_handle: &str, delay: Duration) -> Result<(), String> {
        let seconds = whole_seconds(delay);
        let request =
            self.client.change_message_visibility().queue_url(&self.url).receipt_handle(receipt_handle);
        let answer = request.visibility_timeout(seconds).send().await;
        answer.map(drop).map_err(|error| said(&error))
    }
}

/// How many messages a queue holds, approximately.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// To be received now.
    pub waiting: u64,
    /// To be received later: sent with a delay.
    pub delayed: u64,
    /// Received by somebody, not acknowledged.
    pub in_flight: u64,
}

fn whole_seconds(time: Duration) -> i32 {
    i32::try_from(time.as_secs()).unwrap_or(LONGEST_PUT_OFF).min(LONGEST_PUT_OFF)
}

fn wire(attribute: &Attribute) -> Result<MessageAttributeValue, String> {
    let value = MessageAttributeValue::builder().data_type(&attribute.data_type);
    let value = match &attribute.content {
        Content::Text(text) => value.string_value(text),
        Content::Bytes(bytes) => value.binary_value(Blob::new(bytes.clone())),
    };
    value.build().map_err(|error| error.to_string())
}
