//! Where a queue itself moves what was received too often (SQS: RedrivePolicy).

use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::Value;

use super::Queue;
use crate::said::said;

/// A queue's redrive policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redrive {
    /// The name of the dead-letter queue.
    pub queue_name: String,
    /// The account that it is in.
    pub account: String,
    /// A message that is received more often than this is moved by the queue, without a reason on it.
    pub max_receive_count: u32,
}

impl Queue {
    /// The redrive policy, if the queue has one.
    ///
    /// # Errors
    /// A sentence, when there is no such queue, nobody answers, or the policy cannot be understood.
    pub async fn redrive(&self) -> Result<Option<Redrive>, String> {
        let request = self.client.get_queue_attributes().queue_url(&self.url);
        // All of them: a queue without this one answers with none at all, which some emulators take for an error.
        let answer = request.attribute_names(QueueAttributeName::All).send().await;
        let answer = answer
            .map_err(|error| format!("the queue {} does not say what it is: {}", self.url, said(&error)))?;
        let attributes = answer.attributes.unwrap_or_default();
        match attributes.get(&QueueAttributeName::RedrivePolicy).filter(|text| !text.is_empty()) {
            None => Ok(None),
            Some(text) => understand(text)
                .map(Some)
                .ok_or_else(|| format!("the RedrivePolicy of {} cannot be understood: {text}", self.url)),
        }
    }
}

/// `{"deadLetterTargetArn":"arn:aws:sqs:<region>:<account>:<name>","maxReceiveCount":350}`; the number may be a text.
fn understand(policy: &str) -> Option<Redrive> {
    let policy: Value = serde_json::from_str(policy).ok()?;
    let arn: Vec<&str> = policy["deadLetterTargetArn"].as_str()?.split(':').collect();
    let [_, _, "sqs", _, account, queue_name] = arn[..] else { return None };
    let count = &policy["maxReceiveCount"];
    let count = count.as_u64().or_else(|| count.as_str()?.parse().ok())?;
    Some(Redrive {
        queue_name: queue_name.to_owned(),
        account: account.to_owned(),
        max_receive_count: count.try_into().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_names_queue_account_and_limit() {
        let arn = "arn:aws:sqs:eu-central-1:000000000000:dead";
        for count in ["350", "\"350\""] {
            let policy = format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":{count}}}"#);
            let (queue_name, account) = ("dead".to_owned(), "000000000000".to_owned());
            assert_eq!(understand(&policy), Some(Redrive { queue_name, account, max_receive_count: 350 }));
        }
        assert_eq!(understand(r#"{"deadLetterTargetArn":"dead","maxReceiveCount":1}"#), None);
        assert_eq!(understand("nothing"), None);
    }
}
