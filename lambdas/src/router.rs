//! The router function: a batch of messages from SQS in, tasks on ECS and dead letters out.

use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage, SqsMessageAttribute};
use calls::routing::Verdict;
use cloud::launch::Launcher;
use cloud::queue::Received;
use cloud::queue::attributes::{Attribute, Content};
use futures_util::future::join_all;
use jiff::Timestamp;
use router::Router;

/// After this a message comes again, so that the others of its batch are acknowledged before the function's own timeout
/// (30 s). Whatever was left undone, its next delivery finds.
const CARRIED_WITHIN: Duration = Duration::from_secs(20);

/// What the function is made of.
pub struct Function {
    /// What takes messages their way.
    pub router: Router,
    /// What starts tasks.
    pub launcher: Launcher,
}

impl Function {
    /// Takes a batch all its way, all messages at once, and says which are to come again.
    pub async fn handle(&self, batch: SqsEvent) -> SqsBatchResponse {
        let routed = join_all(batch.records.into_iter().map(|message| async {
            let message = received(message);
            let verdict = self.router.route(&message, &self.launcher, too_long()).await;
            (message.message_id, verdict)
        }));
        let mut response = SqsBatchResponse::default();
        for (id, verdict) in routed.await {
            if matches!(verdict, Verdict::Retry(_)) {
                response.add_failure(id);
            }
        }
        response
    }
}

async fn too_long() -> String {
    tokio::time::sleep(CARRIED_WITHIN).await;
    format!("not carried through within {} s", CARRIED_WITHIN.as_secs())
}

/// The event's message as the queue itself would have given it.
fn received(message: SqsMessage) -> Received {
    let system = |name: &str| message.attributes.get(name).map(String::as_str);
    let sent_at = system("SentTimestamp").and_then(|ms| ms.parse().ok());
    Received {
        receive_count: system("ApproximateReceiveCount").and_then(|n| n.parse().ok()).unwrap_or(1),
        sent_at: sent_at.and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or_else(Timestamp::now),
        attributes: message
            .message_attributes
            .iter()
            .filter_map(|(name, value)| attribute(name, value))
            .collect(),
        message_id: message.message_id.unwrap_or_default(),
        receipt_handle: message.receipt_handle.unwrap_or_default(),
        body: message.body.unwrap_or_default(),
    }
}

fn attribute(name: &str, value: &SqsMessageAttribute) -> Option<Attribute> {
    let content = match (&value.string_value, &value.binary_value) {
        (Some(text), _) => Content::Text(text.clone()),
        (None, Some(bytes)) => Content::Bytes(bytes.to_vec()),
        (None, None) => return None,
    };
    let data_type = value.data_type.clone().unwrap_or_else(|| "String".to_owned());
    Some(Attribute { name: name.to_owned(), data_type, content })
}
