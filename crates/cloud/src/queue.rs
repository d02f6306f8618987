//! Queues (SQS): what we send, and in which shape.

pub mod attributes;
pub mod dead_letter;

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::DisplayErrorContext;
use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::MessageAttributeValue;

use attributes::{Attribute, Content};

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

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Sends one message and returns the id that the queue gave it.
    ///
    /// # Errors
    /// When the queue does not acknowledge it, after the SDK's own retries.
    pub async fn send(&self, body: &str, attributes: &[Attribute]) -> Result<String, NotSent> {
        let not_sent = |detail: String| NotSent { url: self.url.clone(), detail };
        let mut request = self.client.send_message().queue_url(&self.url).message_body(body);
        for attribute in attributes {
            let value = wire(attribute).map_err(&not_sent)?;
            request = request.message_attributes(&attribute.name, value);
        }
        let sent = request.send().await.map_err(|error| not_sent(DisplayErrorContext(&error).to_string()))?;
        Ok(sent.message_id.unwrap_or_default())
    }
}

impl Queue {
    /// Puts off the next delivery of a received message by `delay` (ChangeMessageVisibility), up to 12 hours.
    ///
    /// # Errors
    /// When the queue does not acknowledge it; the message then comes when the queue's own time is over.
    pub async fn put_off(&self, receipt_handle: &str, delay: Duration) -> Result<(), String> {
        let seconds = i32::try_from(delay.as_secs()).unwrap_or(LONGEST_PUT_OFF).min(LONGEST_PUT_OFF);
        let request =
            self.client.change_message_visibility().queue_url(&self.url).receipt_handle(receipt_handle);
        let answer = request.visibility_timeout(seconds).send().await;
        answer.map(drop).map_err(|error| DisplayErrorContext(&error).to_string())
    }
}

fn wire(attribute: &Attribute) -> Result<MessageAttributeValue, String> {
    let value = MessageAttributeValue::builder().data_type(&attribute.data_type);
    let value = match &attribute.content {
        Content::Text(text) => value.string_value(text),
        Content::Bytes(bytes) => value.binary_value(Blob::new(bytes.clone())),
    };
    value.build().map_err(|error| error.to_string())
}
