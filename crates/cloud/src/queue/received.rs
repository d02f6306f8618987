//! A message as it was received.

use aws_sdk_sqs::types::{Message, MessageAttributeValue, MessageSystemAttributeName};
use calls::routing::Delivery;
use jiff::Timestamp;

use super::again::PUT_BACK;
use super::attributes::{Attribute, Content};

/// A received message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// The queue's id of it; the same at every delivery.
    pub message_id: String,
    /// What acknowledges or puts off this one delivery.
    pub receipt_handle: String,
    /// The message.
    pub body: String,
    /// Its message attributes.
    pub attributes: Vec<Attribute>,
    /// How often it was delivered, this time included.
    pub receive_count: u32,
    /// When it was sent to this queue.
    pub sent_at: Timestamp,
}

impl Received {
    /// The text of a message attribute.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|attribute| attribute.name == name).and_then(Attribute::as_text)
    }

    /// What routing wants to know of it.
    pub fn delivery(&self) -> Delivery {
        Delivery {
            message_id: self.message_id.clone(),
            body: self.body.clone().into_bytes(),
            call_key: self.text("OcgCallKey").map(str::to_owned),
            attempt: self.text("OcgAttempt").map(str::to_owned),
            put_back: self.text(PUT_BACK).and_then(|nth| nth.parse().ok()),
            receive_count: self.receive_count,
            sent_at: self.sent_at,
        }
    }
}

impl From<Message> for Received {
    fn from(message: Message) -> Self {
        let system = message.attributes.unwrap_or_default();
        let number = |name| system.get(&name).and_then(|text| text.parse::<i64>().ok());
        let sent_at = number(MessageSystemAttributeName::SentTimestamp);
        let count = number(MessageSystemAttributeName::ApproximateReceiveCount);
        let own = message.message_attributes.unwrap_or_default().into_iter();
        Self {
            message_id: message.message_id.unwrap_or_default(),
            receipt_handle: message.receipt_handle.unwrap_or_default(),
            body: message.body.unwrap_or_default(),
            attributes: own.filter_map(|(name, value)| attribute(name, value)).collect(),
            receive_count: count.and_then(|count| count.try_into().ok()).unwrap_or(1),
            sent_at: sent_at
                .and_then(|ms| Timestamp::from_millisecond(ms).ok())
                .unwrap_or_else(Timestamp::now),
        }
    }
}

fn attribute(name: String, value: MessageAttributeValue) -> Option<Attribute> {
    let content = match (value.string_value, value.binary_value) {
        (Some(text), _) => Content::Text(text),
        (None, Some(bytes)) => Content::Bytes(bytes.into_inner()),
        (None, None) => return None,
    };
    Some(Attribute { name, data_type: value.data_type, content })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn which_put_back_it_is_counts_only_where_it_is_a_number() {
        for (text, put_back) in [("7", Some(7)), ("-1", None), ("x", None)] {
            let attributes = vec![Attribute::text(PUT_BACK, text).unwrap()];
            assert_eq!(Received { attributes, ..Received::default() }.delivery().put_back, put_back);
        }
        assert_eq!(Received::default().delivery().put_back, None);
    }
}
